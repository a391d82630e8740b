//! The functions of text/template itself, but for comparisons.

use super::{Function, Outcome, Run, bytes, int};
use crate::Execution;
use crate::error::Error;
use crate::format::{is_printable, printf, sprint, sprintln};
use crate::value::{Elements, Integer, Kind, Type, Value};

const R: Type = Type::Reflect;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::with("and", &[R, R], true, Run::And),
    Function::with("call", &[R, R], true, Run::Call),
    Function::variadic("html", &[Type::Any], |_, values| Ok(html(&said(values)))).walks(),
    Function::variadic("index", &[R, R], index),
    Function::variadic("js", &[Type::Any], |_, values| Ok(js(&said(values)))).walks(),
    Function::new("len", &[R], len),
    Function::new("not", &[R], |_, values| {
        Ok(Value::Bool(!values[0].is_true()))
    }),
    Function::with("or", &[R, R], true, Run::Or),
    Function::variadic("print", &[Type::Any], |_, values| {
        Ok(Value::text(sprint(values)))
    })
    .walks(),
    Function::variadic("printf", &[Type::Text, Type::Any], |_, values| {
        Ok(Value::text(printf(&bytes(&values[0]), &values[1..])))
    })
    .walks(),
    Function::variadic("println", &[Type::Any], |_, values| {
        Ok(Value::text(sprintln(values)))
    })
    .walks(),
    Function::variadic("urlquery", &[Type::Any], |_, values| {
        Ok(Value::text(super::urls::query_escaped(&said(values))))
    })
    .walks(),
];

/// The arguments as one text, as a template would print them.
fn said(values: &[Value]) -> Vec<u8> {
    let shown = |value: &Value| match value {
        Value::Nil => Value::text("<no value>"),
        other => other.clone(),
    };
    sprint(&values.iter().map(shown).collect::<Vec<_>>())
}

fn len(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let length = match values[0].bare() {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err(Error::plain("len of nil pointer")),
        _ => {
            return Err(Error::plain(format!(
                "len of type {}",
                values[0].type_name()
            )));
        }
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let mut item = values[0].clone();
    if let Value::Nil = item {
        return Err(Error::plain("index of untyped nil"));
    }
    for key in &values[1..] {
        item = match item.bare() {
            Value::Nil => return Err(Error::plain("index of nil pointer")),
            Value::List(list) => {
                let at = position(key, list.len())?;
                list.get(at)
                    .cloned()
                    .ok_or_else(|| out_of_range("slice", at, list.len()))?
            }
            Value::Text(text) => {
                let at = position(key, text.len())?;
                let byte = text.as_bytes().get(at);
                let byte = byte.ok_or_else(|| out_of_range("string", at, text.len()))?;
                let value = i64::from(*byte);
                Value::Integer(Integer {
                    kind: Kind::Uint8,
                    value,
                })
            }
            Value::Map(map) => match key {
                Value::Text(key) => match (map.get_bytes(key.as_bytes()), map.elements()) {
                    (Some(value), _) => value,
                    (None, Elements::Any) => Value::Nil,
                    (None, Elements::Text) => Value::text(""),
                },
                Value::Nil => {
                    return Err(Error::plain("value is nil; should be of type string"));
                }
                other => {
                    let of = other.type_name();
                    return Err(Error::plain(format!(
                        "value has type {of}; should be string"
                    )));
                }
            },
            _ => {
                let of = item.type_name();
                return Err(Error::plain(format!("can't index item of type {of}")));
            }
        };
    }
    Ok(item)
}

/// Go panics where the index is the length itself, and says so.
fn out_of_range(what: &str, at: usize, length: usize) -> Error {
    let _ = (at, length);
    Error::plain(format!("reflect: {what} index out of range"))
}

fn position(key: &Value, length: usize) -> Result<usize, Error> {
    match key {
        Value::Integer(_) => {
            let at = usize::try_from(int(key)).ok().filter(|&at| at <= length);
            at.ok_or_else(|| Error::plain(format!("index out of range: {}", int(key))))
        }
        Value::Nil => Err(Error::plain("cannot index slice/array with nil")),
        other => {
            let of = other.type_name();
            Err(Error::plain(format!(
                "cannot index slice/array with type {of}"
            )))
        }
    }
}

fn html(text: &[u8]) -> Value {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            plain => out.push(plain),
        }
    }
    Value::text(out)
}

fn js(text: &[u8]) -> Value {
    let mut out = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                out.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            control if control < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            plain if is_printable(plain) || plain.is_ascii() => out.push(plain),
            other => out.push_str(&format!("\\u{:04X}", u32::from(other))),
        }
    }
    Value::text(out)
}
