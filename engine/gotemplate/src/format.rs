//! Values as text, as Go's `fmt` prints them.

mod printf;
mod quote;

use std::io::Write as _;

pub(crate) use printf::printf;
pub(crate) use quote::{is_printable, quoted, quoted_ascii};

use crate::gonumber;
use crate::value::{Kind, Object, Text, Value};

/// A value as `%v` prints it.
pub(crate) fn print(value: &Value) -> String {
    let mut out = Vec::new();
    write(&mut out, value);
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// As [`print`], where the bytes matter.
pub(crate) fn print_bytes(value: &Value) -> Text {
    if let Value::Text(text) = value {
        return text.clone();
    }
    let mut out = Vec::new();
    write(&mut out, value);
    Text::from(out)
}

/// `fmt.Sprint`: a space between two that are both no strings.
pub(crate) fn sprint(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut after_text = true;
    for (index, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if index > 0 && !is_text && !after_text {
            out.push(b' ');
        }
        write(&mut out, value);
        after_text = is_text;
    }
    out
}

/// `fmt.Sprintln`
pub(crate) fn sprintln(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(&mut out, value);
    }
    out.push(b'\n');
    out
}

/// Writes a value as `%v` prints it.
pub(crate) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.extend_from_slice(b"<nil>"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Integer(integer) => match stringer(value) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => write!(out, "{}", integer.value).expect("a Vec takes everything"),
        },
        Value::Float(float) => out.extend_from_slice(gonumber::general(*float).as_bytes()),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::List(list) => write_items(out, list),
        Value::Map(map) => {
            out.extend_from_slice(b"map[");
            let mut first = true;
            map.each(|key, value| {
                if !first {
                    out.push(b' ');
                }
                first = false;
                out.extend_from_slice(key.as_bytes());
                out.push(b':');
                write(out, value);
            });
            out.push(b']');
        }
        Value::Time(time) => out.extend_from_slice(time.to_string().as_bytes()),
        Value::Object(object) => write_object(out, &**object),
    }
}

fn write_items(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(out, item);
    }
    out.push(b']');
}

fn write_object(out: &mut Vec<u8>, object: &dyn Object) {
    if let Some(text) = object.text() {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    if let Some(value) = object.underlying() {
        return write(out, &value);
    }
    if object.type_name().starts_with('*') {
        out.push(b'&');
    }
    out.push(b'{');
    for (index, (_, value)) in object.fields().iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(out, value);
    }
    out.push(b'}');
}

/// What a value says of itself (`fmt.Stringer`).
pub(crate) fn stringer(value: &Value) -> Option<String> {
    match value {
        Value::Integer(integer) => match integer.kind {
            Kind::Duration => Some(crate::time::duration_text(integer.value)),
            Kind::Month => Some(crate::time::month_name(integer.value).to_owned()),
            Kind::Weekday => Some(crate::time::weekday_name(integer.value).to_owned()),
            _ => None,
        },
        Value::Time(time) => Some(time.to_string()),
        Value::Object(object) => object.text(),
        _ => None,
    }
}
