//! JSON patch as kustomize applies it (gopkg.in/evanphx/json-patch.v4): RFC 6902, but a negative
//! index counts from the end, and replacing a key that a map does not have adds it.

use fluvial_manifest::Value;

use crate::error::{Error, Result};

/// What the copies of one patch may add to an object: each can double it.
const COPIED_NODES_MAX: usize = 500_000;

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Add(Pointer, Value),
    Remove(Pointer),
    Replace(Pointer, Value),
    Move(Pointer, Pointer),
    Copy(Pointer, Pointer),
    Test(Pointer, Value),
}

/// A path of keys and indices.
#[derive(Clone, Debug)]
pub(crate) struct Pointer {
    text: String,
    parents: Vec<String>,
    last: String,
}

impl Pointer {
    fn parse(text: &str) -> Result<Self> {
        let mut parts: Vec<String> = text
            .split('/')
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect();
        let last = parts.pop().unwrap_or_default();
        if parts.first().is_none_or(|first| !first.is_empty()) {
            return Err(Error::new(format!(
                "the path {text:?} of a JSON patch must begin with a slash"
            )));
        }
        parts.remove(0);
        Ok(Self {
            text: text.to_owned(),
            parents: parts,
            last,
        })
    }
}

/// Reads a list of operations.
pub(crate) fn read(operations: &[Value]) -> Result<Vec<Operation>> {
    operations.iter().map(read_one).collect()
}

fn read_one(operation: &Value) -> Result<Operation> {
    let text = |field: &str| operation.get(field).and_then(Value::as_str);
    let pointer = |field: &str| {
        let text = text(field).ok_or_else(|| {
            Error::new(format!(
                "an operation of a JSON patch needs {field:?}, as text: {operation}"
            ))
        })?;
        Pointer::parse(text)
    };
    let value = || operation.get("value").cloned().unwrap_or_default();
    match text("op").unwrap_or_default() {
        "add" => Ok(Operation::Add(pointer("path")?, value())),
        "remove" => Ok(Operation::Remove(pointer("path")?)),
        "replace" => Ok(Operation::Replace(pointer("path")?, value())),
        "move" => Ok(Operation::Move(pointer("from")?, pointer("path")?)),
        "copy" => Ok(Operation::Copy(pointer("from")?, pointer("path")?)),
        "test" => Ok(Operation::Test(pointer("path")?, value())),
        other => Err(Error::new(format!(
            "{other:?} is no operation of a JSON patch; it is add, remove, replace, move, copy or test"
        ))),
    }
}

/// Carries the operations out in order; after a refusal the document is left in between.
pub(crate) fn apply(document: &mut Value, operations: &[Operation]) -> Result<()> {
    let mut copied = 0;
    for operation in operations {
        match operation {
            Operation::Add(path, value) => add(document, path, value.clone())?,
            Operation::Remove(path) => {
                remove(document, path)?;
            }
            Operation::Replace(path, value) => replace(document, path, value.clone())?,
            Operation::Move(from, path) => {
                let value = remove(document, from)?;
                add(document, path, value)?;
            }
            Operation::Copy(from, path) => {
                let value = get(document, from)?.cloned().unwrap_or_default();
                copied += nodes(&value);
                if copied > COPIED_NODES_MAX {
                    let why = format!("the patch copies more than {COPIED_NODES_MAX} values");
                    return Err(refused("copy", path, &why));
                }
                add(document, path, value)?;
            }
            Operation::Test(path, value) => {
                if get(document, path)?.unwrap_or(&Value::Null) != value {
                    return Err(refused("test", path, "the value is another"));
                }
            }
        }
    }
    Ok(())
}

/// How many values a value is made of.
pub(crate) fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(nodes).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn refused(operation: &str, path: &Pointer, why: &str) -> Error {
    Error::new(format!(
        "{operation} of {:?} in a JSON patch: {why}",
        path.text
    ))
}

/// The map or list that holds what a path names.
fn holder<'a>(document: &'a mut Value, operation: &str, path: &Pointer) -> Result<&'a mut Value> {
    let mut holder = document;
    for part in &path.parents {
        let next = match holder {
            Value::Object(map) => map.get_mut(part),
            Value::Array(items) => index(items.len(), part).and_then(|at| items.get_mut(at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        holder = next
            .filter(|next| next.is_object() || next.is_array())
            .ok_or_else(|| refused(operation, path, &format!("there is nothing at {part:?}")))?;
    }
    Ok(holder)
}

/// An index below `length`, counted from the end when it is negative.
fn index(length: usize, part: &str) -> Option<usize> {
    let at: i64 = part.parse().ok()?;
    let at = if at < 0 {
        at.checked_add(i64::try_from(length).ok()?)?
    } else {
        at
    };
    usize::try_from(at).ok().filter(|at| *at < length)
}

fn get<'a>(document: &'a mut Value, path: &Pointer) -> Result<Option<&'a Value>> {
    match holder(document, "get", path)? {
        Value::Array(items) => match index(items.len(), &path.last) {
            Some(at) => Ok(items.get(at)),
            None => Err(refused("get", path, "there is no such item")),
        },
        other => Ok(other.get(&path.last)),
    }
}

fn add(document: &mut Value, path: &Pointer, value: Value) -> Result<()> {
    match holder(document, "add", path)? {
        Value::Object(map) => {
            map.insert(path.last.clone(), value);
            Ok(())
        }
        Value::Array(items) if path.last == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => {
            // One past the end is a place too.
            let at = index(items.len() + 1, &path.last)
                .ok_or_else(|| refused("add", path, "the index is beyond the end"))?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(refused("add", path, "there is nothing to add to")),
    }
}

fn remove(document: &mut Value, path: &Pointer) -> Result<Value> {
    let missing = || refused("remove", path, "there is nothing to remove");
    match holder(document, "remove", path)? {
        Value::Object(map) => map.remove(&path.last).ok_or_else(missing),
        Value::Array(items) => {
            let at = index(items.len(), &path.last).ok_or_else(missing)?;
            Ok(items.remove(at))
        }
        _ => Err(missing()),
    }
}

fn replace(document: &mut Value, path: &Pointer, value: Value) -> Result<()> {
    match holder(document, "replace", path)? {
        Value::Object(map) => {
            map.insert(path.last.clone(), value);
            Ok(())
        }
        Value::Array(items) => {
            let at = index(items.len(), &path.last)
                .ok_or_else(|| refused("replace", path, "there is no such item"))?;
            items[at] = value;
            Ok(())
        }
        _ => Err(refused("replace", path, "there is nothing to replace")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn copies_that_double_an_object_are_refused() {
        let mut value = json!({"a": {}});
        let operations: Vec<Value> = (0..40)
            .map(|at| json!({"op": "copy", "from": "/a", "path": format!("/a/{at}")}))
            .collect();
        let operations = read(&operations).expect("they are operations");
        assert!(apply(&mut value, &operations).is_err());
    }

    /// The right-hand side is what `kustomize build` v5.8.2 makes of it; none where it refuses.
    #[test]
    fn operations_do_what_kustomize_does() {
        let document = || json!({"a": {"b": 1}, "l": [1, 2, 3], "x/y": 0});
        let cases = [
            (
                json!({"op": "add", "path": "/a/c", "value": 2}),
                Some(json!({"a": {"b": 1, "c": 2}, "l": [1, 2, 3], "x/y": 0})),
            ),
            (
                json!({"op": "add", "path": "/l/-", "value": 4}),
                Some(json!({"a": {"b": 1}, "l": [1, 2, 3, 4], "x/y": 0})),
            ),
            (
                json!({"op": "add", "path": "/l/1", "value": 9}),
                Some(json!({"a": {"b": 1}, "l": [1, 9, 2, 3], "x/y": 0})),
            ),
            (
                json!({"op": "add", "path": "/l/3", "value": 9}),
                Some(json!({"a": {"b": 1}, "l": [1, 2, 3, 9], "x/y": 0})),
            ),
            (json!({"op": "add", "path": "/l/4", "value": 9}), None),
            (json!({"op": "add", "path": "/n/c", "value": 9}), None),
            (
                json!({"op": "add", "path": "/n"}),
                Some(json!({"a": {"b": 1}, "l": [1, 2, 3], "n": null, "x/y": 0})),
            ),
            (
                json!({"op": "remove", "path": "/l/-1"}),
                Some(json!({"a": {"b": 1}, "l": [1, 2], "x/y": 0})),
            ),
            (
                json!({"op": "remove", "path": "/x~1y"}),
                Some(json!({"a": {"b": 1}, "l": [1, 2, 3]})),
            ),
            (json!({"op": "remove", "path": "/n"}), None),
            (
                json!({"op": "replace", "path": "/a/n", "value": 3}),
                Some(json!({"a": {"b": 1, "n": 3}, "l": [1, 2, 3], "x/y": 0})),
            ),
            (json!({"op": "replace", "path": "/l/3", "value": 3}), None),
            (
                json!({"op": "move", "from": "/a/b", "path": "/b"}),
                Some(json!({"a": {}, "b": 1, "l": [1, 2, 3], "x/y": 0})),
            ),
            (
                json!({"op": "copy", "from": "/a", "path": "/l/0"}),
                Some(json!({"a": {"b": 1}, "l": [{"b": 1}, 1, 2, 3], "x/y": 0})),
            ),
            (
                json!({"op": "test", "path": "/a/b", "value": 1}),
                Some(document()),
            ),
            (json!({"op": "test", "path": "/a/b", "value": 2}), None),
            (
                json!({"op": "test", "path": "/a/n", "value": null}),
                Some(document()),
            ),
            (json!({"op": "add", "path": "a", "value": 1}), None),
            (json!({"op": "other", "path": "/a"}), None),
            (json!({"op": "add", "value": 1}), None),
        ];
        for (operation, want) in cases {
            let mut value = document();
            let done =
                read(std::slice::from_ref(&operation)).and_then(|read| apply(&mut value, &read));
            assert_eq!(done.is_ok().then_some(value), want, "{operation}");
        }
    }
}
