//! Text: cut, padded, replaced, quoted, counted in bytes where Go does.

use super::{Function, Outcome, bytes, int, size, str, text_of};
use crate::Execution;
use crate::error::Error;
use crate::format::{printf, quoted};
use crate::value::{Map, Text, Type, Value};

const A: Type = Type::Any;
const I: Type = Type::Int;
const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("abbrev", &[I, T], |_, values| {
        let width = int(&values[0]);
        let text = bytes(&values[1]);
        Ok(Value::text(if width < 4 {
            text.into_owned()
        } else {
            abbreviated(&text, 0, width)
        }))
    }),
    Function::new("abbrevboth", &[I, I, T], |_, values| {
        let (left, right) = (int(&values[0]), int(&values[1]));
        let text = bytes(&values[2]);
        let as_it_is = right < 4 || left > 0 && right < 7;
        Ok(Value::text(if as_it_is {
            text.into_owned()
        } else {
            abbreviated(&text, left, right)
        }))
    }),
    Function::variadic("cat", &[A], cat).walks(),
    Function::new("contains", &[T, T], |_, values| {
        let (part, text) = (bytes(&values[0]), bytes(&values[1]));
        Ok(Value::Bool(find(&text, &part).is_some()))
    }),
    Function::new("hasPrefix", &[T, T], |_, values| {
        Ok(Value::Bool(
            bytes(&values[1]).starts_with(&bytes(&values[0])),
        ))
    }),
    Function::new("hasSuffix", &[T, T], |_, values| {
        Ok(Value::Bool(bytes(&values[1]).ends_with(&bytes(&values[0]))))
    }),
    Function::new("indent", &[I, T], |execution, values| {
        indent(execution, values, "")
    }),
    Function::new("nindent", &[I, T], |execution, values| {
        indent(execution, values, "\n")
    }),
    Function::new("nospace", &[T], |_, values| {
        let text = bytes(&values[0]);
        let spaces = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0);
        if !text.iter().any(spaces) {
            return Ok(values[0].clone());
        }
        // Byte by byte, as goutils takes each for a character.
        let kept = text
            .iter()
            .filter(|byte| !spaces(byte))
            .map(|&byte| char::from(byte));
        Ok(Value::text(kept.collect::<String>()))
    }),
    Function::new("plural", &[T, T, I], |_, values| {
        Ok(values[usize::from(int(&values[2]) != 1)].clone())
    }),
    Function::variadic("quote", &[A], |_, values| {
        let some = values.iter().filter(|value| !matches!(value, Value::Nil));
        let quoted: Vec<_> = some.map(|value| quoted(&text_of(value))).collect();
        Ok(Value::text(quoted.join(" ")))
    })
    .walks(),
    Function::new("repeat", &[I, T], |execution, values| {
        let Ok(count) = usize::try_from(int(&values[0])) else {
            return Err(Error::plain("strings: negative Repeat count"));
        };
        let text = bytes(&values[1]);
        execution.meter.text(text.len().saturating_mul(count))?;
        Ok(Value::text(text.repeat(count)))
    }),
    Function::new("replace", &[T, T, T], replace),
    Function::new("split", &[T, T], |_, values| {
        Ok(numbered(split(values, None)))
    }),
    Function::new("splitList", &[T, T], |execution, values| {
        let parts = split(values, None);
        execution.meter.list(parts.len())?;
        Ok(Value::strings(parts))
    }),
    Function::new("splitn", &[T, I, T], |_, values| {
        let pair = [values[0].clone(), values[2].clone()];
        let most = usize::try_from(int(&values[1])).ok();
        Ok(numbered(if most == Some(0) {
            Vec::new()
        } else {
            split(&pair, most)
        }))
    }),
    Function::variadic("squote", &[A], |_, values| {
        let some = values.iter().filter(|value| !matches!(value, Value::Nil));
        let quoted: Vec<Vec<u8>> = some
            .map(|value| [b"'", crate::format::print_bytes(value).as_bytes(), b"'"].concat())
            .collect();
        Ok(Value::text(quoted.join(&b' ')))
    })
    .walks(),
    Function::new("substr", &[I, I, T], substr),
    Function::new("toString", &[A], |_, values| {
        Ok(match &values[0] {
            Value::Text(_) => values[0].clone(),
            other => Value::text(&*text_of(other)),
        })
    })
    .walks(),
    Function::new("trim", &[T], |_, values| {
        Ok(Value::text(str(&values[0]).trim()))
    }),
    Function::new("trimAll", &[T, T], trim_all),
    Function::new("trimPrefix", &[T, T], |_, values| {
        let (part, text) = (bytes(&values[0]), bytes(&values[1]));
        Ok(Value::text(text.strip_prefix(&*part).unwrap_or(&text)))
    }),
    Function::new("trimSuffix", &[T, T], |_, values| {
        let (part, text) = (bytes(&values[0]), bytes(&values[1]));
        Ok(Value::text(text.strip_suffix(&*part).unwrap_or(&text)))
    }),
    Function::new("trimall", &[T, T], trim_all),
    Function::new("trunc", &[I, T], |_, values| {
        let (count, text) = (int(&values[0]), bytes(&values[1]));
        let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if most >= text.len() {
            return Ok(values[1].clone());
        }
        Ok(Value::text(if count < 0 {
            &text[text.len() - most..]
        } else {
            &text[..most]
        }))
    }),
    Function::new("wrap", &[I, T], |execution, values| {
        wrap(
            execution,
            &bytes(&values[1]),
            size(&values[0]),
            b"\n",
            false,
        )
    }),
    Function::new("wrapWith", &[I, T, T], |execution, values| {
        let separator = bytes(&values[1]);
        let separator = if separator.is_empty() {
            b"\n"
        } else {
            &*separator
        };
        wrap(
            execution,
            &bytes(&values[2]),
            size(&values[0]),
            separator,
            true,
        )
    }),
];

/// Where a part begins.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    memchr::memmem::find(text, part)
}

/// As goutils has it, in bytes.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if text.is_empty() || width < 4 {
        return Vec::new();
    }
    if length <= width {
        return text.to_vec();
    }
    let at = |index: i64| usize::try_from(index.clamp(0, length)).unwrap_or_default();
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&text[..at(width - 3)], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        return [b"...", &*abbreviated(&text[at(offset)..], 0, width - 3)].concat();
    }
    [b"...", &text[at(length - (width - 3))..]].concat()
}

fn cat(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let some: Vec<Value> = values
        .iter()
        .filter(|value| !matches!(value, Value::Nil))
        .cloned()
        .collect();
    let format = vec!["%v"; some.len()].join(" ");
    Ok(Value::text(printf(format.as_bytes(), &some)))
}

fn indent(execution: &mut Execution<'_>, values: &[Value], before: &str) -> Outcome {
    let Ok(spaces) = usize::try_from(int(&values[0])) else {
        return Err(Error::plain("strings: negative Repeat count"));
    };
    let text = bytes(&values[1]);
    let lines = 1 + memchr::memchr_iter(b'\n', &text).count();
    let total = lines
        .saturating_mul(spaces)
        .saturating_add(text.len() + before.len());
    execution.meter.text(total)?;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(before.as_bytes());
    let pad = vec![b' '; spaces];
    out.extend_from_slice(&pad);
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', &text) {
        out.extend_from_slice(&text[start..=at]);
        out.extend_from_slice(&pad);
        start = at + 1;
    }
    out.extend_from_slice(&text[start..]);
    Ok(Value::text(out))
}

fn replace(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let [old, new, text] = [0, 1, 2].map(|index| bytes(&values[index]));
    if old.is_empty() {
        let text = str(&values[2]);
        let count = text.chars().count() + 1;
        execution
            .meter
            .text(count.saturating_mul(new.len()).saturating_add(text.len()))?;
        return Ok(Value::text(text.replace("", &str(&values[1]))));
    }
    let found: Vec<usize> = memchr::memmem::find_iter(&text, &*old).collect();
    if found.is_empty() {
        return Ok(values[2].clone());
    }
    let total = text.len() - found.len() * old.len() + found.len().saturating_mul(new.len());
    execution.meter.text(total)?;
    let mut out = Vec::with_capacity(total);
    let mut start = 0;
    for at in found {
        out.extend_from_slice(&text[start..at]);
        out.extend_from_slice(&new);
        start = at + old.len();
    }
    out.extend_from_slice(&text[start..]);
    Ok(Value::text(out))
}

/// The parts of the second text between the first one.
fn split(values: &[Value], most: Option<usize>) -> Vec<Text> {
    let (separator, text) = (bytes(&values[0]), bytes(&values[1]));
    let most = most.unwrap_or(usize::MAX);
    if separator.is_empty() {
        return characters(&text, most);
    }
    let mut parts = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(&text, &*separator) {
        if parts.len() + 1 >= most {
            break;
        }
        parts.push(Text::from(&text[start..at]));
        start = at + separator.len();
    }
    parts.push(Text::from(&text[start..]));
    parts
}

/// Each character on its own; bytes that are none count as one each.
fn characters(text: &[u8], most: usize) -> Vec<Text> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let chunk = rest.utf8_chunks().next();
        let length = chunk
            .and_then(|chunk| chunk.valid().chars().next())
            .map_or(1, char::len_utf8);
        if parts.len() + 1 >= most {
            parts.push(Text::from(rest));
            return parts;
        }
        parts.push(Text::from(&rest[..length]));
        start += length;
    }
    parts
}

/// `_0`, `_1`, …
fn numbered(parts: Vec<Text>) -> Value {
    let map = Map::of_texts();
    for (index, part) in parts.into_iter().enumerate() {
        map.insert(format!("_{index}"), Value::Text(part));
    }
    Value::Map(map)
}

fn substr(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let (start, end, text) = (int(&values[0]), int(&values[1]), bytes(&values[2]));
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (start, end) = match (start, end) {
        (..0, end) => (0, end),
        (start, end) if end < 0 || end > length => {
            if start > length {
                let message = format!("slice bounds out of range [{start}:{length}]");
                return Err(Error::plain(format!("runtime error: {message}")));
            }
            (start, length)
        }
        range => range,
    };
    if end > length || end < 0 {
        let shown = if end < 0 {
            format!("[:{end}]")
        } else {
            format!("[:{end}] with length {length}")
        };
        return Err(Error::plain(format!(
            "runtime error: slice bounds out of range {shown}"
        )));
    }
    if start > end {
        let message = format!("slice bounds out of range [{start}:{end}]");
        return Err(Error::plain(format!("runtime error: {message}")));
    }
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or_default());
    Ok(Value::text(&text[start..end]))
}

fn trim_all(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let (any_of, text) = (str(&values[0]), str(&values[1]));
    Ok(Value::text(text.trim_matches(|each| any_of.contains(each))))
}

/// As goutils wraps: by bytes, at spaces, and inside of long words only if asked.
fn wrap(
    execution: &mut Execution<'_>,
    text: &[u8],
    width: usize,
    separator: &[u8],
    long_words: bool,
) -> Outcome {
    let width = width.max(1);
    let most = (text.len() / width + 1).saturating_mul(separator.len());
    execution.meter.text(text.len().saturating_add(most))?;
    let mut out = Vec::with_capacity(text.len() + text.len() / width + 1);
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let space = memchr::memrchr(b' ', &text[at..=at + width]).map(|space| space + at);
        let end = match space {
            Some(space) => space,
            None if long_words => at + width,
            None => match memchr::memchr(b' ', &text[at + width..]) {
                Some(space) => at + width + space,
                None => break,
            },
        };
        out.extend_from_slice(&text[at..end]);
        out.extend_from_slice(separator);
        at = if space.is_none() && long_words {
            end
        } else {
            end + 1
        };
    }
    out.extend_from_slice(&text[at..]);
    Ok(Value::text(out))
}
