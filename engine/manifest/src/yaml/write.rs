//! From values to YAML, byte for byte as Kubernetes' tools print it: sorted keys, lists not indented
//! under their key, literal blocks for text of several lines, long lines folded at a space, and
//! quotes wherever a reader of YAML 1.1 would take text for something else.
//!
//! It does what go.yaml.in/yaml/v2 (v2.4.4: `encode.go`, `emitterc.go`), the writer inside
//! sigs.k8s.io/yaml, does; but a text with U+2028 or U+2029 and a key `<<` are written so that they
//! read back.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

use super::order;
use super::scalar::{go_exponential, is_ambiguous};

/// A line that is longer is folded at its next space.
const LINE_CHARACTERS_MAX: usize = 80;

/// A longer key is no simple key: it is written behind a `?`.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// One document, ending in a newline, without a `---` line.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write_document(&mut out, value);
    out
}

/// Several documents with `---` between them.
pub fn to_multi(values: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        write_document(&mut out, value);
    }
    out
}

fn write_document(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) if !map.is_empty() => write_map(out, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(out, items, 0),
        other => {
            write_scalar(out, other, 2);
            end_line(out);
        }
    }
}

/// The first key stands where the text ends; the others on lines of their own.
fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    let keys = map.keys();
    let is_sorted = keys.is_sorted_by(|first, second| order::compare(first, second).is_lt());
    if is_sorted {
        write_entries(out, map, indent);
        return;
    }
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|(first, _), (second, _)| order::compare(first, second));
    write_entries(out, entries, indent);
}

fn write_entries<'a>(
    out: &mut String,
    entries: impl IntoIterator<Item = (&'a String, &'a Value)>,
    indent: usize,
) {
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            pad(out, indent);
        }
        if key.len() > SIMPLE_KEY_BYTES_MAX || key.contains(is_break) {
            out.push_str("? ");
            write_text(out, key, indent + 2, Place::Value);
            end_line(out);
            pad(out, indent);
            out.push_str(": ");
            write_nested(out, value, indent + 2);
            continue;
        }
        write_text(out, key, indent, Place::Key);
        out.push(':');
        match value {
            Value::Object(child) if !child.is_empty() => {
                out.push('\n');
                pad(out, indent + 2);
                write_map(out, child, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(out, indent);
                write_list(out, items, indent);
            }
            other => {
                out.push(' ');
                write_scalar(out, other, indent + 2);
                end_line(out);
            }
        }
    }
}

fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        write_nested(out, item, indent + 2);
    }
}

/// A value that begins on the line that is being written.
fn write_nested(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(child) if !child.is_empty() => write_map(out, child, indent),
        Value::Array(items) if !items.is_empty() => write_list(out, items, indent),
        other => {
            write_scalar(out, other, indent);
            end_line(out);
        }
    }
}

/// A scalar or an empty collection. `indent` is where its further lines begin.
fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text, indent, Place::Value),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// What is no integer of 64 bits is a float, and written with an exponent from a million on.
fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() => {
            out.push_str(&go_exponential(float));
        }
        _ => out.push_str(number.as_str()),
    }
}

/// Where a text stands: a key is on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the colon.
    Key,
    /// A value, whose long lines are folded.
    Value,
    /// A value for a writer that folds nothing (go.yaml.in/yaml/v3).
    Unfolded,
}

/// Writes a text where `out` ends, quoted as it must be; `indent` is where its further lines begin.
/// A block of several lines has its newline already.
pub fn write_text(out: &mut String, text: &str, indent: usize, place: Place) {
    if is_word(text) && !is_ambiguous(text) {
        return out.push_str(text);
    }
    let shape = Shape::of(text);
    if place != Place::Key && text.contains('\n') {
        if shape.block {
            write_block(out, text, indent);
        } else {
            write_double_quoted(out, text, indent, place);
        }
    } else if is_ambiguous(text) || (place == Place::Key && text == "<<") {
        write_double_quoted(out, text, indent, place);
    } else if shape.plain {
        write_folded(out, text, indent, place);
    } else if shape.single_quoted {
        out.push('\'');
        write_folded(out, &text.replace('\'', "''"), indent, place);
        out.push('\'');
    } else {
        write_double_quoted(out, text, indent, place);
    }
}

/// Whether a text holds nothing that could mean something, nor a place to fold it at.
fn is_word(text: &str) -> bool {
    let in_words =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    text.bytes().all(in_words) && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// In which ways a text could be written.
struct Shape {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
            return Self {
                plain: true,
                single_quoted: true,
                block: false,
            };
        };
        let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
            || text
                .chars()
                .all(|character| character == '\n' || is_printable(character));
        let space_break = text.contains(" \n");
        let outer_space = first == b' ' || last == b' ';
        Self {
            plain: printable && !outer_space && !text.contains('\n') && !has_indicator(bytes),
            single_quoted: printable && !space_break && !text.contains("\n "),
            block: printable && !space_break && last != b' ',
        }
    }
}

/// Whether something in a text would mean something to a reader if it stood without quotes.
fn has_indicator(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"---") || bytes.starts_with(b"...") {
        return true;
    }
    let blank_after = |at: usize| {
        bytes
            .get(at + 1)
            .is_none_or(|byte| matches!(byte, b' ' | b'\t'))
    };
    let first = match bytes[0] {
        b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
        | b'"' | b'%' | b'@' | b'`' => true,
        b'?' | b':' | b'-' => blank_after(0),
        _ => false,
    };
    first
        || bytes
            .iter()
            .enumerate()
            .skip(1)
            .any(|(at, byte)| match byte {
                b':' => blank_after(at),
                b'#' => bytes[at - 1] == b' ',
                _ => false,
            })
}

/// Writes text as it is, but goes on in the next line at a single space beyond the width.
fn write_folded(out: &mut String, text: &str, indent: usize, place: Place) {
    if place != Place::Value {
        out.push_str(text);
        return;
    }
    if !text.contains(' ') {
        return out.push_str(text);
    }
    let mut column = column(out);
    if column + text.len() <= LINE_CHARACTERS_MAX {
        out.push_str(text);
        return;
    }
    let bytes = text.as_bytes();
    let mut after_space = false;
    for (at, character) in text.char_indices() {
        let here = character == ' ';
        let inside = at > 0 && at + 1 < bytes.len() && bytes[at + 1] != b' ';
        if here && inside && !after_space && column > LINE_CHARACTERS_MAX {
            out.push('\n');
            pad(out, indent);
            column = indent;
        } else {
            out.push(character);
            column += 1;
        }
        after_space = here;
    }
}

fn write_double_quoted(out: &mut String, text: &str, indent: usize, place: Place) {
    let mut line_start = out.len() - column_bytes(out);
    out.push('"');
    let bytes = text.as_bytes();
    let mut after_space = false;
    for (at, character) in text.char_indices() {
        let here = character == ' ';
        if here
            && place == Place::Value
            && !after_space
            && at > 0
            && at + 1 < bytes.len()
            && out[line_start..].chars().nth(LINE_CHARACTERS_MAX).is_some()
        {
            out.push('\n');
            line_start = out.len();
            pad(out, indent);
            if bytes[at + 1] == b' ' {
                out.push('\\');
            }
        } else {
            write_escaped(out, character);
        }
        after_space = here;
    }
    out.push('"');
}

fn write_escaped(out: &mut String, character: char) {
    let short = match character {
        '"' => '"',
        '\\' => '\\',
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        character if is_printable(character) => return out.push(character),
        character => {
            let code = u32::from(character);
            let written = match code {
                0..=0xff => write!(out, "\\x{code:02X}"),
                0x100..=0xffff => write!(out, "\\u{code:04X}"),
                _ => write!(out, "\\U{code:08X}"),
            };
            return written.expect("a String takes everything");
        }
    };
    out.push('\\');
    out.push(short);
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    out.push('\n');
    for line in text.split_inclusive('\n') {
        if line != "\n" {
            pad(out, indent);
        }
        out.push_str(line);
    }
}

/// What may be written as it is, on one line: of what is beyond the basic plane, nothing.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Ends a line, unless a block has.
fn end_line(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn column_bytes(out: &str) -> usize {
    out.len() - out.rfind('\n').map_or(0, |at| at + 1)
}

fn column(out: &str) -> usize {
    out[out.len() - column_bytes(out)..].chars().count()
}

fn pad(out: &mut String, indent: usize) {
    const SPACES: &str = "                                ";
    let mut missing = indent;
    while missing > 0 {
        let width = missing.min(SPACES.len());
        out.push_str(&SPACES[..width]);
        missing -= width;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml::documents;

    #[test]
    fn objects_are_printed_as_kubernetes_tools_print_them() {
        let value = json!({
            "b": {"list": [1, {"x": "y", "z": [[], {}]}, ["p", ["q"]]], "empty": {}},
            "a": ["no", "1", "1.5", "*x", "a: b", "plain text", "", "it's", "\u{1}", "~"],
            "text": "one\n  two\n",
            "bare": "one\ntwo",
            "kept": "one\n\n",
            "null": null,
        });
        let want = "\
a:
- \"no\"
- \"1\"
- \"1.5\"
- '*x'
- 'a: b'
- plain text
- \"\"
- it's
- \"\\x01\"
- \"~\"
b:
  empty: {}
  list:
  - 1
  - x: \"y\"
    z:
    - []
    - {}
  - - p
    - - q
bare: |-
  one
  two
kept: |+
  one

\"null\": null
text: |
  one
    two
";
        assert_eq!(to_string(&value), want);
    }

    #[rustfmt::skip]
    const TEXTS: &[&str] = &[
        "", " ", "a", " a", "a ", "\n", "\na", "a\n", "a\n\n", "a\n\n\nb", "  a\n b\n", "\ta\nb", "a \nb",
        "a:", ":a", "a: b", "a #b", "#a", "-", "- a", "-a", "---", "--- a", "...", "%a", "@a", "`a", "&a", "*a",
        "!a", "|", ">", "[a", "{a", "a,b", "'", "\"", "\\", "\\n", "é", "\u{1F600}", "\u{85}", "\u{2028}",
        "\u{feff}x", "\0", "\r\n", "a\r\nb", "yes", "1", "0x1", "1e3", "2001-01-01", "null", "<<", "=", "? a",
        "?", "a\tb", "\t", "a\n\tb\n", "a\n b", "true\n", "1:30",
    ];

    #[test]
    fn what_is_written_reads_back() {
        for &text in TEXTS {
            for value in [
                json!(text),
                json!([text]),
                json!({"k": text}),
                json!([[{"k": [text]}]]),
            ] {
                let written = to_string(&value);
                assert_eq!(
                    documents(&written),
                    Ok(vec![value]),
                    "{text:?} as {written}"
                );
            }
            let value = json!({text: 1});
            let written = to_string(&value);
            assert_eq!(
                documents(&written),
                Ok(vec![value]),
                "the key {text:?} as {written}"
            );
        }
        let key = |letter: &str| letter.repeat(2_000);
        let long = json!({"a": {key("k"): [1], key("l"): {"b": 2}, key("m"): 3}});
        assert_eq!(documents(&to_string(&long)), Ok(vec![long]));
    }

    #[test]
    fn documents_are_parted_by_dashes() {
        assert_eq!(
            to_multi(&[json!({"a": 1}), json!({"b": 2})]),
            "a: 1\n---\nb: 2\n"
        );
    }
}
