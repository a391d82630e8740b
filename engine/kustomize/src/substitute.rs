//! Post-build variable substitution, as Flux does it: `${var}` and its operators in the YAML of an
//! object, which is then read again, so that a number stays a number.
//!
//! The grammar is that of fluxcd/pkg/envsubst: bash's, with oddities that manifests depend on.
//! Offsets count bytes, replacements are literal, and every default operator means "if empty".

mod glob;

use std::collections::BTreeMap;

use fluvial_manifest::{Value, object, yaml};

use crate::error::{Error, Result};

/// The label or annotation that turns substitution off for an object.
const MARKER: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// Expansions inside each other's defaults.
const DEPTH_MAX: usize = 64;

/// What one object may grow to.
const BYTES_MAX: usize = 64 << 20;

/// Replaces the variables in every object that does not turn it off.
///
/// Newlines are removed from values. With `strict`, a variable that has no value must have a default.
/// Whether to do so without any variable is the caller's choice (`postBuild.substituteStrategy`).
pub fn substitute(
    objects: Vec<Value>,
    vars: &BTreeMap<String, String>,
    strict: bool,
) -> Result<Vec<Value>, Error> {
    if let Some(name) = vars.keys().find(|name| !is_name(name)) {
        return Err(Error::new(format!(
            "{name:?} is no name for a variable: letters, digits and `_`, no digit first"
        )));
    }
    let vars = Vars {
        values: vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.replace('\n', "")))
            .collect(),
        strict,
    };
    objects
        .into_iter()
        .map(|object| vars.apply(object))
        .collect()
}

/// Replaces the variables in a text.
pub fn expand(text: &str, vars: &BTreeMap<String, String>, strict: bool) -> Result<String, Error> {
    let vars = Vars {
        values: vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect(),
        strict,
    };
    vars.expand(text)
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Vars<'a> {
    values: BTreeMap<&'a str, String>,
    strict: bool,
}

impl Vars<'_> {
    fn apply(&self, object: Value) -> Result<Value> {
        let off = |value: Option<&str>| value == Some("disabled");
        if off(object::label(&object, MARKER))
            || off(object::annotation(&object, MARKER))
            || !has_variable(&object)
        {
            return Ok(object);
        }
        let about = |error: String| {
            Error::new(format!(
                "cannot substitute variables in {}/{}: {error}",
                object::kind(&object),
                object::name(&object)
            ))
        };
        let text = yaml::to_string(&object);
        let expanded = self.expand(&text).map_err(|error| about(error.reason))?;
        let mut documents = yaml::documents_yaml11(&expanded)
            .map_err(|error| about(format!("the result is no YAML: {error}; quote the value")))?;
        if documents.is_empty() {
            return Err(about("nothing is left of it".to_owned()));
        }
        Ok(documents.swap_remove(0))
    }

    fn expand(&self, text: &str) -> Result<String> {
        let mut parser = Parser {
            vars: self,
            rest: text,
            depth: 0,
        };
        let mut out = String::with_capacity(text.len());
        while let Some(at) = parser.rest.find('$') {
            out.push_str(&parser.rest[..at]);
            parser.rest = &parser.rest[at..];
            if let Some(rest) = parser.rest.strip_prefix("${") {
                parser.rest = rest;
                out.push_str(&parser.expansion()?);
            } else {
                // `$$` is a dollar sign, and so is one that nothing follows.
                let skipped = if parser.rest.starts_with("$$") { 2 } else { 1 };
                out.push('$');
                parser.rest = &parser.rest[skipped..];
            }
            if out.len() > BYTES_MAX {
                return Err(Error::new(format!(
                    "the variables make the object larger than {} MiB; use less of them",
                    BYTES_MAX >> 20
                )));
            }
        }
        out.push_str(parser.rest);
        Ok(out)
    }
}

/// Whether any key or text holds something that substitution would change.
fn has_variable(value: &Value) -> bool {
    let changes = |text: &str| text.contains("${") || text.contains("$$");
    match value {
        Value::String(text) => changes(text),
        Value::Array(items) => items.iter().any(has_variable),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| changes(key) || has_variable(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Reads and evaluates what stands between `${` and `}`.
struct Parser<'a> {
    vars: &'a Vars<'a>,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn expansion(&mut self) -> Result<String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::new(format!(
                "more than {DEPTH_MAX} expansions inside each other"
            )));
        }
        let value = self.function();
        self.depth -= 1;
        value
    }

    fn function(&mut self) -> Result<String> {
        if self.take("#") {
            let name = self.name()?;
            self.close()?;
            return Ok(self.value(name)?.len().to_string());
        }
        let name = self.name()?;
        if self.take("}") {
            return Ok(self.value(name)?.to_owned());
        }
        for operator in [":=", ":-", ":?", ":+", "="] {
            if self.take(operator) {
                return self.default(name);
            }
        }
        for (operator, change) in CASES {
            if self.take(operator) {
                self.close()?;
                return Ok(change(self.value(name)?));
            }
        }
        for (operator, trim) in TRIMS {
            if self.take(operator) {
                let pattern = self.argument(&['}'])?;
                self.close()?;
                return Ok(trim(self.value(name)?, &pattern));
            }
        }
        for (operator, replace) in REPLACES {
            if self.take(operator) {
                return self.replace(name, *replace);
            }
        }
        if self.take(":") {
            return self.substring(name);
        }
        Err(self.bad("an operator or a closing brace is missing"))
    }

    /// `${v:=d}` and the like: the value, unless it is empty.
    fn default(&mut self, name: &str) -> Result<String> {
        let mut default = String::new();
        while !self.rest.starts_with('}') {
            let part = self.argument(&['}'])?;
            default.push_str(&part);
        }
        self.close()?;
        let value = self
            .vars
            .values
            .get(name)
            .map(String::as_str)
            .unwrap_or_default();
        Ok(if value.is_empty() {
            default
        } else {
            value.to_owned()
        })
    }

    /// `${v:n}` and `${v:n:length}`; a negative offset counts from the end.
    fn substring(&mut self, name: &str) -> Result<String> {
        let offset = self.argument(&[':', '}'])?;
        let length = if self.take(":") {
            Some(self.argument(&['}'])?)
        } else {
            None
        };
        self.close()?;
        let value = self.value(name)?;
        let Ok(offset) = offset.parse::<i64>() else {
            return Ok(value.to_owned());
        };
        let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
        let start = if offset < 0 {
            (size.saturating_add(offset)).max(0)
        } else {
            offset.min(size)
        };
        let end = match length.map(|length| length.parse::<i64>()) {
            None => size,
            Some(Err(_)) => return Ok(value.to_owned()),
            Some(Ok(length)) => start.saturating_add(length).min(size),
        };
        if end < start {
            return Err(Error::new(format!(
                "the length of a substring of {name} is negative"
            )));
        }
        let bound = |at: i64| usize::try_from(at).unwrap_or_default();
        let bytes = &value.as_bytes()[bound(start)..bound(end)];
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn replace(&mut self, name: &str, replace: Replace) -> Result<String> {
        let pattern = self.escaped_argument(&['/'])?;
        if !self.take("/") {
            return Err(self.bad("a replacement needs `/pattern/text`"));
        }
        let with = if self.rest.starts_with('}') {
            None
        } else {
            Some(self.escaped_argument(&['}'])?)
        };
        self.close()?;
        Ok(replace(self.value(name)?, &pattern, with.as_deref()))
    }

    /// Text up to one of `ends`, or one expansion.
    fn argument(&mut self, ends: &[char]) -> Result<String> {
        if let Some(rest) = self.rest.strip_prefix("${") {
            self.rest = rest;
            return self.expansion();
        }
        let stop = self.rest.find(ends).unwrap_or(self.rest.len());
        let stop = self.rest[..stop].find("${").unwrap_or(stop);
        if stop == 0 {
            return Err(self.bad("an argument or a closing brace is missing"));
        }
        let (text, rest) = self.rest.split_at(stop);
        self.rest = rest;
        Ok(text.to_owned())
    }

    /// As [`Parser::argument`], with `\/`, `\\` and `$$` for the characters themselves.
    fn escaped_argument(&mut self, ends: &[char]) -> Result<String> {
        if self.rest.starts_with("${") {
            return self.argument(ends);
        }
        let mut text = String::new();
        let mut characters = self.rest.char_indices().peekable();
        let mut stop = self.rest.len();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            match (character, next) {
                ('\\', Some(escaped @ ('/' | '\\'))) | ('$', Some(escaped @ '$')) => {
                    text.push(escaped);
                    characters.next();
                }
                ('$', Some('{')) => {
                    stop = at;
                    break;
                }
                (character, _) if ends.contains(&character) => {
                    stop = at;
                    break;
                }
                (character, _) => text.push(character),
            }
        }
        if stop == 0 {
            return Err(self.bad("an argument is missing"));
        }
        self.rest = &self.rest[stop..];
        Ok(text)
    }

    fn name(&mut self) -> Result<&'a str> {
        let stop = self
            .rest
            .find(|character: char| !character.is_alphanumeric() && character != '_')
            .unwrap_or(self.rest.len());
        if stop == 0 {
            return Err(self.bad("the name of a variable is missing"));
        }
        let (name, rest) = self.rest.split_at(stop);
        self.rest = rest;
        Ok(name)
    }

    fn value(&self, name: &str) -> Result<&'a str> {
        match self.vars.values.get(name) {
            Some(value) => Ok(value),
            None if self.vars.strict => Err(Error::new(format!(
                "the variable {name:?} is not set; set it, or give it a default with ${{{name}:=value}}"
            ))),
            None => Ok(""),
        }
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.take("}") {
            return Ok(());
        }
        Err(self.bad("a closing brace is missing"))
    }

    fn bad(&self, what: &str) -> Error {
        let near: String = self.rest.chars().take(20).collect();
        Error::new(format!(
            "{what} before {near:?}; write $${{ for a text that is no variable"
        ))
    }
}

type Change = fn(&str) -> String;
type Trim = fn(&str, &str) -> String;
type Replace = fn(&str, &str, Option<&str>) -> String;

/// Longer operators first.
const CASES: &[(&str, Change)] = &[
    (",,", |value| value.to_lowercase()),
    ("^^", |value| value.to_uppercase()),
    (",", |value| {
        first_changed(value, |first| first.to_lowercase().collect())
    }),
    ("^", |value| {
        first_changed(value, |first| first.to_uppercase().collect())
    }),
];

const TRIMS: &[(&str, Trim)] = &[
    ("##", |value, pattern| {
        glob::trim_prefix(value, pattern, glob::Length::Longest)
    }),
    ("#", |value, pattern| {
        glob::trim_prefix(value, pattern, glob::Length::Shortest)
    }),
    ("%%", |value, pattern| {
        glob::trim_suffix(value, pattern, glob::Length::Longest)
    }),
    ("%", |value, pattern| {
        glob::trim_suffix(value, pattern, glob::Length::Shortest)
    }),
];

const REPLACES: &[(&str, Replace)] = &[
    ("//", |value, pattern, with| {
        value.replace(pattern, with.unwrap_or_default())
    }),
    ("/#", |value, pattern, with| {
        match (value.strip_prefix(pattern), with) {
            (Some(rest), Some(with)) => format!("{with}{rest}"),
            _ => value.to_owned(),
        }
    }),
    ("/%", |value, pattern, with| {
        match (value.strip_suffix(pattern), with) {
            (Some(rest), Some(with)) => format!("{rest}{with}"),
            _ => value.to_owned(),
        }
    }),
    ("/", |value, pattern, with| {
        value.replacen(pattern, with.unwrap_or_default(), 1)
    }),
];

fn first_changed(value: &str, change: fn(char) -> String) -> String {
    let mut characters = value.chars();
    match characters.next() {
        Some(first) => change(first) + characters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vars() -> BTreeMap<String, String> {
        [
            ("v", "Hello World"),
            ("path", "/usr/local/bin"),
            ("n", "8080"),
            ("e", ""),
            ("b", "yes"),
            ("two", "a\nb"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn the_grammar_is_that_of_flux() {
        let cases = [
            ("${v}", "Hello World"),
            ("a ${v} b ${n}", "a Hello World b 8080"),
            ("$v $ {v} $", "$v $ {v} $"),
            ("$${v} $$", "${v} $"),
            ("${#v}", "11"),
            ("${v^^}", "HELLO WORLD"),
            ("${v,,}", "hello world"),
            ("${v,}", "hello World"),
            ("${v^}", "Hello World"),
            ("${v:6}", "World"),
            ("${v:0:5}", "Hello"),
            ("${v:-3:2}", "Hello World"),
            ("${v:99}", ""),
            ("${v:x}", "Hello World"),
            ("${path#*/}", "usr/local/bin"),
            ("${path##*/}", "bin"),
            ("${path%/*}", "/usr/local"),
            ("${path%%/*}", ""),
            ("${v/l/L}", "HeLlo World"),
            ("${v//l/L}", "HeLLo WorLd"),
            ("${v//l/}", "Heo Word"),
            ("${v/#Hello/Bye}", "Bye World"),
            ("${v/%World/You}", "Hello You"),
            (r"${path//\//-}", "-usr-local-bin"),
            ("${x}", ""),
            ("${x:=d}", "d"),
            ("${x:-d}", "d"),
            ("${x=d}", "d"),
            ("${e:=d}", "d"),
            ("${n:=d}", "8080"),
            ("${x:=}", ""),
            ("${x:=${n}}", "8080"),
            ("${x:=a-${y:=b}-c}", "a-b-c"),
            ("${x:?d}", "d"),
            ("${n:+d}", "8080"),
        ];
        for (text, want) in cases {
            assert_eq!(expand(text, &vars(), false).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_expansion_is_refused() {
        let deep = "${x:=".repeat(100);
        for text in [
            "${",
            "${}",
            "${v",
            "${v!}",
            "${-v}",
            "${v-d}",
            "${v/a}",
            "${v:",
            "${v:=${",
            "${v:3:-1}",
            &deep,
        ] {
            assert!(expand(text, &vars(), false).is_err(), "{text}");
        }
    }

    #[test]
    fn strict_wants_a_value_or_a_default() {
        for (text, fine) in [
            ("${x}", false),
            ("${#x}", false),
            ("${x^^}", false),
            ("${x:=d}", true),
            ("${e}", true),
        ] {
            assert_eq!(expand(text, &vars(), true).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn values_are_read_again_as_yaml() {
        let object = |spec: Value| json!({"kind": "A", "metadata": {"name": "a"}, "spec": spec});
        let cases = [
            (json!({"port": "${n}"}), json!({"port": 8080})),
            (json!({"port": "x${n}"}), json!({"port": "x8080"})),
            (json!({"flag": "${b}"}), json!({"flag": true})),
            (json!({"list": "[1, ${n}]"}), json!({"list": "[1, 8080]"})),
            (json!({"${v}": 1}), json!({"Hello World": 1})),
            (json!({"plain": "yes"}), json!({"plain": "yes"})),
            (
                json!({"plain": "1", "v": "${n}"}),
                json!({"plain": "1", "v": 8080}),
            ),
            (json!({"two": "${two}"}), json!({"two": "ab"})),
            (json!({"text": "x\n${n}\n"}), json!({"text": "x\n8080\n"})),
        ];
        for (before, after) in cases {
            let got = substitute(vec![object(before.clone())], &vars(), true);
            assert_eq!(got, Ok(vec![object(after)]), "{before}");
        }
    }

    #[test]
    fn objects_can_turn_it_off() {
        for field in ["labels", "annotations"] {
            let object = json!({"metadata": {field: {MARKER: "disabled"}}, "a": "${nope}"});
            assert_eq!(
                substitute(vec![object.clone()], &vars(), true),
                Ok(vec![object]),
                "{field}"
            );
        }
    }

    #[test]
    fn defaults_hold_without_any_variable() {
        assert_eq!(
            substitute(vec![json!({"a": "${nope:=blue}"})], &BTreeMap::new(), true),
            Ok(vec![json!({"a": "blue"})])
        );
        assert!(substitute(vec![json!({"a": "${nope}"})], &BTreeMap::new(), true).is_err());
    }

    #[test]
    fn the_object_is_named_when_it_fails() {
        let object = json!({"kind": "A", "metadata": {"name": "a"}, "x": "${nope}"});
        let error = substitute(vec![object], &vars(), true).expect_err("it is not set");
        assert!(
            error
                .to_string()
                .contains("variables in A/a: the variable \"nope\" is not set"),
            "{error}"
        );
        let bad = BTreeMap::from([("1x".to_owned(), String::new())]);
        assert!(substitute(Vec::new(), &bad, true).is_err());
    }
}
