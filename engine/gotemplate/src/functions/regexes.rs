//! Regular expressions: Go's RE2 by way of the crate `regex`, which is as linear as RE2 is.
//!
//! What the two syntaxes differ in is rewritten or refused; see [`as_ours`].

use std::collections::BTreeMap;
use std::rc::Rc;

use regex::bytes::{Regex, RegexBuilder};

use super::{Function, Outcome, bytes, int, str};
use crate::Execution;
use crate::error::Error;
use crate::value::{Items, List, Text, Type, Value};

const I: Type = Type::Int;
const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("mustRegexFind", &[T, T], find),
    Function::new("mustRegexFindAll", &[T, T, I], find_all),
    Function::new("mustRegexMatch", &[T, T], |execution, values| {
        Ok(Value::Bool(
            compiled(execution, &values[0])?.is_match(&bytes(&values[1])),
        ))
    }),
    Function::new("mustRegexReplaceAll", &[T, T, T], replace_all),
    Function::new("mustRegexReplaceAllLiteral", &[T, T, T], replace_literal),
    Function::new("mustRegexSplit", &[T, T, I], split),
    Function::new("regexFind", &[T, T], panicking(find)),
    Function::new("regexFindAll", &[T, T, I], find_all_or_panic),
    Function::new("regexMatch", &[T, T], |execution, values| {
        // sprig takes an expression that is none for one that does not match.
        match compiled(execution, &values[0]) {
            Ok(regex) => Ok(Value::Bool(regex.is_match(&bytes(&values[1])))),
            Err(error) if error.limit().is_some() => Err(error),
            Err(_) => Ok(Value::Bool(false)),
        }
    }),
    Function::new("regexQuoteMeta", &[T], |_, values| {
        let mut out = String::new();
        for each in str(&values[0]).chars() {
            if "\\.+*?()|[]{}^$".contains(each) {
                out.push('\\');
            }
            out.push(each);
        }
        Ok(Value::text(out))
    }),
    Function::new("regexReplaceAll", &[T, T, T], |execution, values| {
        must_compile(execution, &values[0])?;
        replace_all(execution, values)
    }),
    Function::new("regexReplaceAllLiteral", &[T, T, T], |execution, values| {
        must_compile(execution, &values[0])?;
        replace_literal(execution, values)
    }),
    Function::new("regexSplit", &[T, T, I], |execution, values| {
        must_compile(execution, &values[0])?;
        split(execution, values)
    }),
];

/// The expressions that a run has compiled.
#[derive(Default)]
pub(crate) struct Regexes(BTreeMap<Text, Rc<Regex>>);

/// So many stay compiled at once.
const KEPT_MAX: usize = 256;

const fn panicking(_: fn(&mut Execution<'_>, &[Value]) -> Outcome) -> super::Body {
    |execution, values| {
        must_compile(execution, &values[0])?;
        find(execution, values)
    }
}

fn find_all_or_panic(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    must_compile(execution, &values[0])?;
    find_all(execution, values)
}

/// As Go's `MustCompile` complains.
fn must_compile(execution: &mut Execution<'_>, pattern: &Value) -> Result<(), Error> {
    match compiled(execution, pattern) {
        Ok(_) => Ok(()),
        Err(error) if error.limit().is_some() => Err(error),
        Err(error) => {
            let said = str(pattern);
            let quoted = if said.contains('`') {
                crate::format::quoted(said.as_bytes())
            } else {
                format!("`{said}`")
            };
            Err(Error::plain(format!("regexp: Compile({quoted}): {error}")))
        }
    }
}

fn compiled(execution: &mut Execution<'_>, pattern: &Value) -> Result<Rc<Regex>, Error> {
    let Value::Text(text) = pattern else {
        return Err(Error::plain("cannot compile: the expression is no text"));
    };
    if let Some(regex) = execution.regexes.0.get(text) {
        return Ok(Rc::clone(regex));
    }
    let most = execution.meter.limits().regex_bytes;
    let pattern = as_ours(&text.to_str())?;
    let built = RegexBuilder::new(&pattern)
        .size_limit(most)
        .dfa_size_limit(most)
        .nest_limit(250)
        .build();
    let regex = Rc::new(built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Error::limited(format!(
            "cannot compile a regular expression: it takes more than {most} bytes"
        )),
        error => Error::plain(explained(&text.to_str(), &error)),
    })?);
    if execution.regexes.0.len() >= KEPT_MAX {
        execution.regexes.0.clear();
    }
    execution.meter.text(pattern.len() * 64)?;
    execution.regexes.0.insert(text.clone(), Rc::clone(&regex));
    Ok(regex)
}

/// Go's message where it is one of the common ones.
fn explained(pattern: &str, error: &regex::Error) -> String {
    let error = error.to_string();
    let said = |what: &str, at: &str| format!("error parsing regexp: {what}: `{at}`");
    if error.contains("unclosed group") {
        return said("missing closing )", pattern);
    }
    if error.contains("unopened group") {
        return said("unexpected )", pattern);
    }
    if error.contains("unclosed character class") {
        let at = pattern.rfind('[').unwrap_or(0);
        return said("missing closing ]", &pattern[at..]);
    }
    if error.contains("repetition operator missing expression") {
        let at = pattern.find(['*', '+', '?']).unwrap_or(0);
        return said("missing argument to repetition operator", &pattern[at..=at]);
    }
    if error.contains("look-around") {
        let at = pattern.find("(?").unwrap_or(0);
        let end = (at + 3).min(pattern.len());
        return said(
            "invalid or unsupported Perl syntax",
            pattern.get(at..end).unwrap_or("(?"),
        );
    }
    let reason = error
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    format!("error parsing regexp: {reason}: `{pattern}`")
}

/// An expression of Go in our crate's syntax: `\d`, `\w`, `\s` and `\b` are of ASCII, `[` in a class
/// and `&&`, `--`, `~~` are nothing special, `\C`, `\z` and `\Q…\E` are Go's, and nothing else is
/// escaped that Go would refuse.
fn as_ours(pattern: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    let mut class = false;
    while let Some(each) = rest.next() {
        match each {
            '\\' => escape(&mut out, &mut rest, class)?,
            '[' if class && rest.peek() == Some(&':') => out.push('['),
            '[' if class => out.push_str("\\["),
            '[' => {
                class = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if rest.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if class => {
                // The end of `[:alpha:]` is not the end of the class.
                class = out.ends_with(':')
                    && out
                        .rfind("[:")
                        .is_some_and(|at| out[at..].find(":]").is_none() && at + 2 < out.len());
                out.push(']');
            }
            '&' | '~' if class => {
                out.push('\\');
                out.push(each);
            }
            '-' if class && rest.peek() == Some(&'-') => out.push_str("\\-"),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn escape(
    out: &mut String,
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    class: bool,
) -> Result<(), Error> {
    let Some(next) = rest.next() else {
        return Err(Error::plain(
            "error parsing regexp: trailing backslash at end of expression: ``",
        ));
    };
    let plain = match next {
        'd' if class => "0-9",
        'w' if class => "0-9A-Za-z_",
        's' if class => "\\t\\n\\f\\r ",
        'd' => "[0-9]",
        'w' => "[0-9A-Za-z_]",
        's' => "[\\t\\n\\f\\r ]",
        'D' => "[^0-9]",
        'W' => "[^0-9A-Za-z_]",
        'S' => "[^\\t\\n\\f\\r ]",
        'b' if !class => "(?-u:\\b)",
        'B' if !class => "(?-u:\\B)",
        'C' if !class => "(?s-u:.)",
        'Q' => {
            literal(out, rest);
            return Ok(());
        }
        _ if next.is_ascii_alphanumeric() && !GO_ESCAPES.contains(next) => {
            return Err(Error::plain(format!(
                "error parsing regexp: invalid escape sequence: `\\{next}`"
            )));
        }
        _ => {
            out.push('\\');
            out.push(next);
            return Ok(());
        }
    };
    out.push_str(plain);
    Ok(())
}

/// What Go lets a backslash stand before, and our crate takes as Go does.
const GO_ESCAPES: &str = "0aftnrvxpPAz";

/// Everything up to `\E` stands for itself.
fn literal(out: &mut String, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut literal = String::new();
    while let Some(each) = rest.next() {
        if each == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(each);
    }
    out.push_str(&regex::escape(&literal));
}

fn find(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let regex = compiled(execution, &values[0])?;
    let text = bytes(&values[1]);
    let found = regex.find(&text);
    Ok(Value::text(
        found.map_or(&b""[..], |found| found.as_bytes()),
    ))
}

fn find_all(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let regex = compiled(execution, &values[0])?;
    let text = bytes(&values[1]);
    let most = usize::try_from(int(&values[2])).unwrap_or(text.len() + 1);
    let found: Vec<_> = matches(&regex, &text).take(most).collect();
    execution.meter.list(found.len())?;
    if found.is_empty() {
        return Ok(Value::List(List::nil(Items::Text)));
    }
    Ok(Value::strings(
        found
            .into_iter()
            .map(|(start, end)| Text::from(&text[start..end])),
    ))
}

/// All matches; as in Go, none that is empty right behind another.
fn matches<'m>(regex: &'m Regex, text: &'m [u8]) -> impl Iterator<Item = (usize, usize)> + 'm {
    let mut last = None;
    regex.find_iter(text).filter_map(move |found| {
        let empty = found.start() == found.end();
        let kept = !(empty && last == Some(found.start()));
        last = Some(found.end());
        kept.then_some((found.start(), found.end()))
    })
}

fn replace_all(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let regex = compiled(execution, &values[0])?;
    let text = bytes(&values[1]);
    let template = pieces(&str(&values[2]), &regex);
    let mut out = Vec::new();
    let mut at = 0;
    let mut last = None;
    for captures in regex.captures_iter(&text) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        let empty = whole.start() == whole.end();
        if empty && last == Some(whole.start()) {
            continue;
        }
        last = Some(whole.end());
        out.extend_from_slice(&text[at..whole.start()]);
        for piece in &template {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
                Piece::Group(group) => {
                    if let Some(found) = captures.get(*group) {
                        out.extend_from_slice(found.as_bytes());
                    }
                }
            }
        }
        at = whole.end();
        if out.len() > execution.meter.limits().text_bytes {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
    execution.meter.text(out.len())?;
    Ok(Value::text(out))
}

fn replace_literal(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let regex = compiled(execution, &values[0])?;
    let (text, new) = (bytes(&values[1]), bytes(&values[2]));
    let found: Vec<_> = matches(&regex, &text).collect();
    execution.meter.text(
        text.len()
            .saturating_add(found.len().saturating_mul(new.len())),
    )?;
    let mut out = Vec::new();
    let mut at = 0;
    for (start, end) in found {
        out.extend_from_slice(&text[at..start]);
        out.extend_from_slice(&new);
        at = end;
    }
    out.extend_from_slice(&text[at..]);
    Ok(Value::text(out))
}

/// A part of a replacement.
enum Piece {
    Literal(String),
    Group(usize),
}

/// `$1`, `${1}`, `$name`: the longest name counts, and `$$` is a dollar.
fn pieces(template: &str, regex: &Regex) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        pieces.push(Piece::Literal(rest[..at].to_owned()));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            pieces.push(Piece::Literal("$".to_owned()));
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{');
        let name_at = braced.unwrap_or(rest);
        let length = name_at.find(|each: char| !(each.is_alphanumeric() || each == '_'));
        let (name, after) = name_at.split_at(length.unwrap_or(name_at.len()));
        let after = if braced.is_some() {
            after.strip_prefix('}')
        } else {
            Some(after)
        };
        match after {
            Some(after) if !name.is_empty() => {
                if let Some(group) = group(name, regex) {
                    pieces.push(Piece::Group(group));
                }
                rest = after;
            }
            _ => pieces.push(Piece::Literal("$".to_owned())),
        }
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces
}

fn group(name: &str, regex: &Regex) -> Option<usize> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse().ok();
    }
    regex.capture_names().position(|each| each == Some(name))
}

fn split(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let regex = compiled(execution, &values[0])?;
    let text = bytes(&values[1]);
    let most = int(&values[2]);
    if most == 0 {
        return Ok(Value::List(List::nil(Items::Text)));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if !values[0].is_true() && text.is_empty() {
        return Ok(Value::strings([""]));
    }
    let mut parts: Vec<Text> = Vec::new();
    let (mut at, mut end) = (0, 0);
    for (start, finish) in matches(&regex, &text) {
        if parts.len() + 1 >= most {
            break;
        }
        end = start;
        if finish != 0 {
            parts.push(Text::from(&text[at..end]));
        }
        at = finish;
    }
    if end != text.len() || at == end && parts.is_empty() {
        parts.push(Text::from(&text[at..]));
    }
    execution.meter.list(parts.len())?;
    Ok(Value::strings(parts))
}
