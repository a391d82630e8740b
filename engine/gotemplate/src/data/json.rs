//! JSON as Go's `encoding/json` writes it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::functions::bytes_of;
use crate::gonumber;
use crate::time;
use crate::value::{Items, Kind, Value};

/// How JSON is written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// One level of indentation; everything is on one line without.
    pub(crate) indent: Option<&'static str>,
    /// Whether `<`, `>` and `&` are escaped.
    pub(crate) html: bool,
}

/// `json.Marshal`
pub(crate) fn marshal(value: &Value, style: Style) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, style, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, style: Style, depth: usize) -> Result<(), String> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Integer(integer) => write!(out, "{}", integer.value).expect("a String takes all"),
        Value::Float(float) if !float.is_finite() => {
            return Err(format!(
                "json: unsupported value: {}",
                gonumber::general(*float)
            ));
        }
        Value::Float(float) => out.push_str(&gonumber::json_float(*float)),
        Value::Text(text) => write_text(out, text.as_bytes(), style.html),
        Value::List(list) if list.is_nil() => out.push_str("null"),
        Value::List(list) if list.items() == Items::Bytes => {
            write_text(out, STANDARD.encode(bytes_of(list)).as_bytes(), style.html);
        }
        Value::List(list) => {
            let items = list.iter().map(|item| (None, item.clone()));
            write_all(out, ('[', ']'), items.collect(), style, depth)?;
        }
        Value::Map(map) if map.is_nil() => out.push_str("null"),
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            let entries = entries.map(|(key, value)| (Some(key.as_bytes().to_vec()), value));
            write_all(out, ('{', '}'), entries.collect(), style, depth)?;
        }
        Value::Time(time) => {
            let text = time::format(time, "2006-01-02T15:04:05.999999999Z07:00");
            write_text(out, text.as_bytes(), style.html);
        }
        Value::Object(object) => {
            if let Some(value) = object.underlying() {
                write(out, &value, style, depth)?;
            } else {
                let fields = object.fields().into_iter();
                let fields = fields.map(|(name, value)| (Some(name.as_bytes().to_vec()), value));
                write_all(out, ('{', '}'), fields.collect(), style, depth)?;
            }
        }
    }
    Ok(())
}

type Entry = (Option<Vec<u8>>, Value);

fn write_all(
    out: &mut String,
    (open, close): (char, char),
    entries: Vec<Entry>,
    style: Style,
    depth: usize,
) -> Result<(), String> {
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = style.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(indent, depth));
        }
    };
    out.push(open);
    let empty = entries.is_empty();
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(out, depth + 1);
        if let Some(key) = key {
            write_text(out, &key, style.html);
            out.push_str(if style.indent.is_some() { ": " } else { ":" });
        }
        write(out, &value, style, depth + 1)?;
    }
    if !empty {
        line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn write_text(out: &mut String, bytes: &[u8], html: bool) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '<' | '>' | '&' if html => escape(out, character),
                '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => escape(out, character),
                plain => out.push(plain),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend(std::iter::repeat_n("\\ufffd", chunk.invalid().len()));
        }
    }
    out.push('"');
}

fn escape(out: &mut String, character: char) {
    write!(out, "\\u{:04x}", u32::from(character)).expect("a String takes all");
}

/// `json.Unmarshal` into anything.
pub(crate) fn unmarshal(text: &str) -> Result<Value, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        if error.is_eof() {
            return "unexpected end of JSON input".to_owned();
        }
        complaint(text, &error)
    })?;
    let read = Value::from_json(&value);
    Ok(read)
}

/// What Go says of the character that does not belong.
fn complaint(text: &str, error: &serde_json::Error) -> String {
    let line = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let at = error.column().saturating_sub(1);
    // Go takes the first byte for a character.
    let wrong = line
        .as_bytes()
        .get(at.min(line.len())..)
        .and_then(<[u8]>::first);
    let Some(wrong) = wrong.map(|&byte| char::from(byte)) else {
        return format!("cannot read JSON: {error}");
    };
    let message = error.to_string();
    let place = if message.starts_with("trailing characters") {
        "after top-level value"
    } else if message.starts_with("key must be a string") {
        "looking for beginning of object key string"
    } else if message.starts_with("expected `:`") {
        "after object key"
    } else if message.starts_with("expected `,` or `}`") {
        "after object key:value pair"
    } else if message.starts_with("expected `,` or `]`") {
        "after array element"
    } else {
        "looking for beginning of value"
    };
    let quoted = match wrong {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => format!("'{other}'"),
    };
    format!("invalid character {quoted} {place}")
}

/// Whether a number is a duration, which JSON has as nanoseconds and TOML as text.
pub(crate) fn is_duration(value: &Value) -> bool {
    matches!(value, Value::Integer(integer) if integer.kind == Kind::Duration)
}
