//! From values to YAML in the style of Kubernetes' tools: sorted keys, lists not indented under
//! their key, literal blocks for text of several lines, and quotes wherever a reader of YAML 1.1 or
//! 1.2 would take text for something else.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::scalar::is_ambiguous;

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
        // At the top the indentation of a block has no parent to be counted from.
        Value::String(text) => {
            write_flow(out, text);
            out.push('\n');
        }
        other => {
            write_scalar(out, other, 0);
            out.push('\n');
        }
    }
}

fn write_map(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            pad(out, indent);
        }
        write_key(out, key, indent);
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
                out.push('\n');
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
        match item {
            Value::Object(child) if !child.is_empty() => write_map(out, child, indent + 2),
            Value::Array(items) if !items.is_empty() => write_list(out, items, indent + 2),
            other => {
                write_scalar(out, other, indent + 2);
                out.push('\n');
            }
        }
    }
}

/// A scalar or an empty collection. `indent` is where the lines of a block would begin.
fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) if is_block(text) => write_block(out, text, indent),
        Value::String(text) => write_flow(out, text),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// A longer key is no simple key: it is written behind a `?`.
const SIMPLE_KEY_BYTES_MAX: usize = 512;

fn write_key(out: &mut String, key: &str, indent: usize) {
    if key.len() <= SIMPLE_KEY_BYTES_MAX {
        return write_flow(out, key);
    }
    out.push_str("? ");
    write_flow(out, key);
    out.push('\n');
    pad(out, indent);
}

fn write_flow(out: &mut String, text: &str) {
    if is_ambiguous(text) {
        write_double_quoted(out, text);
    } else if is_plain(text) {
        out.push_str(text);
    } else if text.chars().all(is_printable) {
        out.push('\'');
        for character in text.chars() {
            if character == '\'' {
                out.push('\'');
            }
            out.push(character);
        }
        out.push('\'');
    } else {
        write_double_quoted(out, text);
    }
}

fn write_double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if is_printable(character) => out.push(character),
            character => {
                let code = u32::from(character);
                let written = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
                written.expect("a String takes everything");
            }
        }
    }
    out.push('"');
}

/// Whether text is written as a literal block: several lines, and nothing a block cannot hold.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && text.trim_start_matches('\n').len() == text.len()
        && text
            .chars()
            .all(|character| character == '\n' || character == '\t' || is_printable(character))
        && !text.lines().any(|line| line.ends_with([' ', '\t']))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with([' ', '\t']) {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text.ends_with("\n\n") {
        out.push('+');
    }
    let body = text.strip_suffix('\n').unwrap_or(text);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
}

/// Whether text that is not ambiguous may stand without quotes.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(&first) = bytes.first() else {
        return false;
    };
    let second = bytes.get(1).copied().unwrap_or(b' ');
    let indicator = match first {
        b'-' | b'?' | b':' => second == b' ',
        b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
        | b'"' | b'%' | b'@' | b'`' | b' ' => true,
        _ => false,
    };
    !indicator
        && !text.ends_with([' ', ':'])
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
}

/// What may be written as it is, on one line.
fn is_printable(character: char) -> bool {
    matches!(character,
        ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
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
