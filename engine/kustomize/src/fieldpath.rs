//! Paths with dots, as replacements and vars write them: `spec.containers.[name=a].image`,
//! `data.a\.b`, `list.0.x`, `list.*.x`.

use fluvial_manifest::{Map, Value};

use crate::error::{Error, Result};
use crate::fieldspec;
use crate::resource::scalar_text;
use crate::selector::regex;

/// What is made where a path leads to nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Scalar,
    Map,
    List,
}

/// The parts of a path; dots inside of brackets or after a backslash do not part.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut parts = fieldspec::split(path, '.').into_iter();
    let mut joined = Vec::new();
    while let Some(mut part) = parts.next() {
        if part.starts_with('[') && !part.ends_with(']') {
            while !part.ends_with(']') {
                let Some(next) = parts.next() else {
                    break;
                };
                part.push('.');
                part.push_str(&next);
            }
            if !part.contains('=') {
                joined.push(part.trim_matches(['[', ']']).to_owned());
                continue;
            }
        }
        joined.push(part);
    }
    joined
}

/// The value at a path; `[name=x]` means the first item whose field is exactly that.
pub(crate) fn lookup<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    let mut found = value;
    for part in path
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
    {
        found = match found {
            Value::Array(items) if part == "-" => items.last()?,
            Value::Array(items) => match bracketed(part) {
                Some((field, wanted)) => items.iter().find(|item| holds(item, field, wanted))?,
                None => items.get(part.parse::<usize>().ok()?)?,
            },
            Value::Object(map) => map.get(part)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
    }
    Some(found)
}

fn holds(item: &Value, field: &str, wanted: &str) -> bool {
    let value = if field.is_empty() {
        Some(item)
    } else {
        item.get(field)
    };
    value
        .and_then(scalar_text)
        .is_some_and(|text| text == wanted)
}

/// `[field=value]`.
fn bracketed(part: &str) -> Option<(&str, &str)> {
    part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

/// Whether a value was there before a path led to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    There,
    New,
}

/// Calls `set` on every value a path leads to, and says how many those were.
///
/// `[name=x]` is a regular expression here, and `*` every item of a list. With `made`, what is
/// missing on the way is made; a new value is null when it is to become a scalar.
pub(crate) fn visit(
    value: &mut Value,
    path: &[String],
    made: Option<Made>,
    set: &mut dyn FnMut(&mut Value, Found) -> Result<()>,
) -> Result<usize> {
    visit_found(value, Found::There, path, made, set)
}

fn visit_found(
    value: &mut Value,
    found: Found,
    path: &[String],
    made: Option<Made>,
    set: &mut dyn FnMut(&mut Value, Found) -> Result<()>,
) -> Result<usize> {
    let Some((part, rest)) = path.split_first() else {
        set(value, found)?;
        return Ok(1);
    };
    if part.parse::<usize>().is_ok() {
        return visit_index(value, part, rest, made, set);
    }
    if part.starts_with('[') && part.ends_with(']') {
        return visit_matching(value, part, rest, made, set);
    }
    if part == "*" {
        let mut count = 0;
        for item in list(value, part)? {
            count += visit(item, rest, made, set)?;
        }
        return Ok(count);
    }
    let map = match value {
        Value::Object(map) => map,
        Value::Null => return Ok(0),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(Error::new(format!("there is no map to hold {part:?}")));
        }
    };
    match (map.get_mut(part), made) {
        (Some(child), _) => {
            if made.is_some() && child.is_null() && !rest.is_empty() {
                *child = new_value(rest, made);
            }
            visit(child, rest, made, set)
        }
        (None, None) => Ok(0),
        (None, Some(_)) => visit_found(
            map.entry(part.as_str()).or_insert(new_value(rest, made)),
            Found::New,
            rest,
            made,
            set,
        ),
    }
}

fn visit_index(
    value: &mut Value,
    part: &str,
    rest: &[String],
    made: Option<Made>,
    set: &mut dyn FnMut(&mut Value, Found) -> Result<()>,
) -> Result<usize> {
    let index: usize = part
        .parse()
        .map_err(|_overflow| Error::new(format!("{part} is no index")))?;
    let items = list(value, part)?;
    let mut found = Found::There;
    if items.len() == index && made.is_some() {
        items.push(new_value(rest, made));
        found = Found::New;
    }
    let count = items.len();
    match items.get_mut(index) {
        Some(item) => visit_found(item, found, rest, made, set),
        None => Err(Error::new(format!(
            "there is no item {index} in a list of {count}"
        ))),
    }
}

fn visit_matching(
    value: &mut Value,
    part: &str,
    rest: &[String],
    made: Option<Made>,
    set: &mut dyn FnMut(&mut Value, Found) -> Result<()>,
) -> Result<usize> {
    let (field, pattern) =
        bracketed(part).ok_or_else(|| Error::new(format!("{part:?} must be [field=value]")))?;
    let regex = regex(pattern)?;
    let items = list(value, part)?;
    let matches = |item: &Value| {
        let value = if field.is_empty() {
            Some(item)
        } else {
            item.get(field)
        };
        value
            .and_then(scalar_text)
            .is_some_and(|text| regex.is_match(text.trim()))
    };
    let mut count = 0;
    for item in items.iter_mut().filter(|item| matches(item)) {
        count += if field.is_empty() {
            visit(item, &[], made, set)?
        } else {
            visit(item, rest, made, set)?
        };
    }
    if count > 0 || made.is_none() {
        return Ok(count);
    }
    let mut item = Value::String(pattern.to_owned());
    if !field.is_empty() {
        let mut map = Map::new();
        map.insert(field.to_owned(), item);
        item = Value::Object(map);
    }
    let rest = if field.is_empty() { &[] } else { rest };
    let count = visit(&mut item, rest, made, set)?;
    items.push(item);
    Ok(count)
}

fn list<'a>(value: &'a mut Value, part: &str) -> Result<&'a mut Vec<Value>> {
    value
        .as_array_mut()
        .ok_or_else(|| Error::new(format!("{part:?} needs a list, and there is none")))
}

/// What stands at a place that was missing, given the path that goes on from it.
fn new_value(rest: &[String], made: Option<Made>) -> Value {
    match (rest.first(), made) {
        (Some(next), _)
            if next.parse::<usize>().is_ok() || (next.starts_with('[') && next.ends_with(']')) =>
        {
            Value::Array(Vec::new())
        }
        (Some(_), _) | (None, Some(Made::Map)) => Value::Object(Map::new()),
        (None, Some(Made::List)) => Value::Array(Vec::new()),
        (None, Some(Made::Scalar) | None) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_split_at_dots_outside_of_brackets() {
        let cases: [(&str, &[&str]); 5] = [
            ("a.b", &["a", "b"]),
            (r"a.b\.c", &["a", "b.c"]),
            ("a.[name=x.y].b", &["a", "[name=x.y]", "b"]),
            ("a.[b.c].d", &["a", "b.c", "d"]),
            ("a.0.*", &["a", "0", "*"]),
        ];
        for (path, parts) in cases {
            assert_eq!(split(path), parts, "{path}");
        }
    }

    #[test]
    fn fields_are_found_and_made() {
        let cases = [
            (
                json!({"a": {"b": 1}}),
                "a.b",
                None,
                json!({"a": {"b": "X"}}),
                Some(1),
            ),
            (
                json!({"a": [{"n": "x"}, {"n": "y"}]}),
                "a.[n=y].v",
                Some(Made::Scalar),
                json!({"a": [{"n": "x"}, {"n": "y", "v": "X"}]}),
                Some(1),
            ),
            (
                json!({"a": [{"n": 1}, {"n": 2}]}),
                "a.*.n",
                None,
                json!({"a": [{"n": "X"}, {"n": "X"}]}),
                Some(2),
            ),
            (
                json!({"a": [1, 2]}),
                "a.1",
                None,
                json!({"a": [1, "X"]}),
                Some(1),
            ),
            (
                json!({}),
                "a.b.[n=z].v",
                Some(Made::Scalar),
                json!({"a": {"b": [{"n": "z", "v": "X"}]}}),
                Some(1),
            ),
            (json!({}), "a.b", None, json!({}), Some(0)),
            (json!({"a": "t"}), "a.b", None, json!({"a": "t"}), None),
            (json!({"a": [1]}), "a.3", None, json!({"a": [1]}), None),
            (
                json!({"a": ["p", "q"]}),
                "a.[=q]",
                None,
                json!({"a": ["p", "X"]}),
                Some(1),
            ),
        ];
        for (mut value, path, made, want, count) in cases {
            let got = visit(&mut value, &split(path), made, &mut |field, _| {
                *field = json!("X");
                Ok(())
            });
            assert_eq!(got.ok(), count, "{path}");
            assert_eq!(value, want, "{path}");
        }
    }

    #[test]
    fn lookup_matches_exactly() {
        let value = json!({"a": [{"n": "xy", "v": 1}, {"n": "x", "v": 2}]});
        let found = |path: &str| lookup(&value, &split(path)).cloned();
        assert_eq!(found("a.[n=x].v"), Some(json!(2)));
        assert_eq!(found("a.0.v"), Some(json!(1)));
        assert_eq!(found("a.-.v"), Some(json!(2)));
        assert_eq!(found("a.b"), None);
    }
}
