//! The strategic merge of Kubernetes as kustomize does it (`kyaml/yaml/merge2`, v0.21.2).
//!
//! Maps are merged, null removes, `$patch` deletes or replaces; lists with merge keys are merged item
//! by item with the patch's items first, all others are replaced.

mod keyed;

use fluvial_manifest::{Map, Value, yaml};

use crate::error::{Error, Result};
use crate::resource::{is_quoted, scalar_text};
use crate::schema::{Schema, Shape};

pub(crate) const DIRECTIVE: &str = "$patch";

/// Merges `patch` into `target`; `None` when the patch deletes it.
///
/// A patch that would replace the whole object changes nothing, as in kustomize.
pub(crate) fn merge(
    target: Value,
    patch: Value,
    schema: &Schema,
    shape: Option<&Shape>,
) -> Result<Option<Value>> {
    if patch.get(DIRECTIVE).and_then(Value::as_str) == Some("replace") {
        return Ok(Some(target));
    }
    Merger { schema }.walk(Some(target), Some(patch), shape)
}

/// Removes the keys that were written without a value, wherever a merge would come by: in maps and
/// in merged lists. `written` is the object as it was read, those values marked.
pub(crate) fn drop_absent(
    value: &mut Value,
    written: &Value,
    schema: &Schema,
    shape: Option<&Shape>,
) {
    match (value, written) {
        (Value::Object(map), Value::Object(written)) => map.retain(|key, child| {
            let Some(written) = written.get(key) else {
                return true;
            };
            if child.is_null() {
                return !is_absent(written);
            }
            drop_absent(child, written, schema, schema.field(shape, key).as_ref());
            true
        }),
        (Value::Array(items), Value::Array(written)) if items.len() == written.len() => {
            if let Some(Shape::Merged { item, .. }) = shape {
                let item = Shape::Type(item.clone());
                for (child, written) in items.iter_mut().zip(written) {
                    drop_absent(child, written, schema, Some(&item));
                }
            }
        }
        _ => {}
    }
}

/// Whether [`yaml::documents_absent`] says that nothing was written here.
pub(crate) fn is_absent(written: &Value) -> bool {
    matches!(
        written.as_str(),
        Some(yaml::ABSENT | yaml::ABSENT_IN_BRACKETS)
    )
}

/// How a null was written, by [`yaml::documents_absent`]: as nothing or as `~`; none for all others.
pub(crate) fn null_as_written(written: &Value) -> Option<&str> {
    match written.as_str()? {
        yaml::ABSENT | yaml::ABSENT_IN_BRACKETS => Some(""),
        written => written.strip_prefix(yaml::NULL_WRITTEN),
    }
}

/// Makes empty texts of the values that were not written between brackets: kustomize writes them as
/// such. `written` is as for [`drop_absent`].
pub(crate) fn fill_absent(value: &mut Value, written: &Value) {
    match (value, written) {
        (Value::Object(map), Value::Object(written)) => {
            for (key, child) in map.iter_mut() {
                if let Some(written) = written.get(key) {
                    fill_absent(child, written);
                }
            }
        }
        (Value::Array(items), Value::Array(written)) if items.len() == written.len() => {
            for (child, written) in items.iter_mut().zip(written) {
                fill_absent(child, written);
            }
        }
        (value @ Value::Null, Value::String(written)) if written == yaml::ABSENT_IN_BRACKETS => {
            *value = Value::String(String::new());
        }
        _ => {}
    }
}

/// As [`fill_absent`], but only in the lists of a patch that a merge takes over as they are. Elsewhere what is
/// absent removes.
pub(crate) fn fill_absent_in_lists(
    patch: &mut Value,
    written: &Value,
    schema: &Schema,
    shape: Option<&Shape>,
) {
    match (patch, written) {
        (Value::Object(map), Value::Object(written)) => {
            for (key, child) in map.iter_mut() {
                if let Some(written) = written.get(key) {
                    let shape = schema.field(shape, key);
                    fill_absent_in_lists(child, written, schema, shape.as_ref());
                }
            }
        }
        (list @ Value::Array(_), Value::Array(written)) => {
            let Some(Shape::Merged { item, .. }) = shape else {
                for (child, written) in list.as_array_mut().into_iter().flatten().zip(written) {
                    fill_absent(child, written);
                }
                return;
            };
            let item = Shape::Type(item.clone());
            for (child, written) in list.as_array_mut().into_iter().flatten().zip(written) {
                fill_absent_in_lists(child, written, schema, Some(&item));
            }
        }
        _ => {}
    }
}

struct Merger<'a> {
    schema: &'a Schema,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

impl Merger<'_> {
    /// One place in both. What is absent or null leaves it to the other to say what is there.
    fn walk(
        &self,
        target: Option<Value>,
        patch: Option<Value>,
        shape: Option<&Shape>,
    ) -> Result<Option<Value>> {
        let Some(patch) = patch else {
            return target.map(|value| self.settled(value, shape)).transpose();
        };
        let target = target.filter(|value| !value.is_null());
        match (target, patch) {
            (_, Value::Null) => Ok(None),
            (None, Value::Object(patch)) => self.added_map(patch, shape),
            (None, Value::Array(patch)) => self.added_list(patch, shape),
            (None, patch) => Ok(Some(patch)),
            (Some(Value::Object(target)), Value::Object(patch)) => self.maps(target, patch, shape),
            (Some(Value::Array(target)), Value::Array(patch)) => self.lists(target, patch, shape),
            (Some(target), patch) => {
                let (was, is) = (kind(&target), kind(&patch));
                if was != is {
                    return Err(Error::new(format!(
                        "a patch cannot put {is} where there is {was}"
                    )));
                }
                Ok(Some(in_style_of(&target, patch)))
            }
        }
    }

    fn maps(
        &self,
        mut target: Map<String, Value>,
        mut patch: Map<String, Value>,
        shape: Option<&Shape>,
    ) -> Result<Option<Value>> {
        match map_directive(&mut patch)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => return self.added_map(patch, shape),
            Directive::Merge => {}
        }
        for (key, value) in &mut target {
            if !patch.contains_key(key) {
                self.settle(value, self.schema.field(shape, key).as_ref())?;
            }
        }
        for (key, value) in patch {
            let field = self.schema.field(shape, &key);
            let old = target.remove(&key);
            let merged = self
                .walk(old, Some(value), field.as_ref())
                .map_err(|error| within(error, &key))?;
            if let Some(merged) = merged {
                target.insert(key, merged);
            }
        }
        Ok(Some(Value::Object(target)))
    }

    /// What only the target has comes by as well: in its lists, too, an item replaces one with the same keys.
    fn settle(&self, value: &mut Value, shape: Option<&Shape>) -> Result<()> {
        let Some(shape) = shape else {
            return Ok(());
        };
        match value {
            Value::Object(map) => map.iter_mut().try_for_each(|(key, value)| {
                if !value.is_object() && !value.is_array() {
                    return Ok(());
                }
                self.settle(value, self.schema.field(Some(shape), key).as_ref())
            }),
            Value::Array(items) => {
                let Shape::Merged { keys, item } = shape else {
                    return Ok(());
                };
                if keys.is_empty() {
                    items.retain(|item| !item.is_null());
                    *items = distinct(std::mem::take(items));
                    return Ok(());
                }
                let item = Shape::Type(item.clone());
                if keyed::is_settled(items, keys) {
                    return items
                        .iter_mut()
                        .try_for_each(|value| self.settle(value, Some(&item)));
                }
                let target = std::mem::take(items);
                *items = keyed::merge(target, Vec::new(), keys, &mut |target, patch| {
                    self.walk(target, patch, Some(&item))
                })?;
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn settled(&self, mut value: Value, shape: Option<&Shape>) -> Result<Value> {
        self.settle(&mut value, shape)?;
        Ok(value)
    }

    /// A map that only the patch has: its nulls and directives are spent on nothing.
    fn added_map(
        &self,
        mut patch: Map<String, Value>,
        shape: Option<&Shape>,
    ) -> Result<Option<Value>> {
        if map_directive(&mut patch)? == Directive::Delete {
            return Ok(None);
        }
        let mut added = Map::new();
        for (key, value) in patch {
            let field = self.schema.field(shape, &key);
            let value = self
                .walk(None, Some(value), field.as_ref())
                .map_err(|error| within(error, &key))?;
            if let Some(value) = value {
                added.insert(key, value);
            }
        }
        Ok(Some(Value::Object(added)))
    }

    fn added_list(&self, patch: Vec<Value>, shape: Option<&Shape>) -> Result<Option<Value>> {
        let Some(Shape::Merged { keys, item }) = shape else {
            return Ok(Some(Value::Array(patch)));
        };
        if keys.is_empty() {
            return Ok(Some(Value::Array(distinct(patch))));
        }
        let item = Shape::Type(item.clone());
        let mut added = Vec::with_capacity(patch.len());
        for value in patch {
            let value = self.walk(None, Some(value), Some(&item))?;
            added.extend(value.filter(|value| !is_empty_map(value)));
        }
        Ok(Some(Value::Array(keyed::united(added, keys))))
    }

    fn lists(
        &self,
        target: Vec<Value>,
        mut patch: Vec<Value>,
        shape: Option<&Shape>,
    ) -> Result<Option<Value>> {
        let Some(Shape::Merged { keys, item }) = shape else {
            return Ok(Some(Value::Array(patch)));
        };
        match list_directive(&mut patch)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => return self.added_list(patch, shape),
            Directive::Merge => {}
        }
        if keys.is_empty() {
            patch.extend(target);
            return Ok(Some(Value::Array(distinct(patch))));
        }
        let item = Shape::Type(item.clone());
        let merged = keyed::merge(target, patch, keys, &mut |target, patch| {
            self.walk(target, patch, Some(&item))
        })?;
        Ok(Some(Value::Array(merged)))
    }
}

/// A scalar takes the quotes of the one that it replaces, and with them is text.
fn in_style_of(old: &Value, new: Value) -> Value {
    if !new.is_string()
        && is_quoted(old)
        && let Some(text) = scalar_text(&new)
    {
        return Value::String(text);
    }
    new
}

pub(crate) fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn distinct(items: Vec<Value>) -> Vec<Value> {
    let mut distinct: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
}

fn directive(value: &Value) -> Result<Directive> {
    match value.as_str() {
        Some("delete") => Ok(Directive::Delete),
        Some("replace") => Ok(Directive::Replace),
        Some("merge") => Ok(Directive::Merge),
        Some(_) | None => Err(Error::new(format!(
            "unknown {DIRECTIVE} directive {value}; it is delete, replace or merge"
        ))),
    }
}

/// The directive of a map, which is then removed from it.
fn map_directive(patch: &mut Map<String, Value>) -> Result<Directive> {
    match patch.remove(DIRECTIVE) {
        Some(value) => directive(&value),
        None => Ok(Directive::Merge),
    }
}

/// The directive of a list: an item that holds nothing else. It is then removed.
fn list_directive(patch: &mut Vec<Value>) -> Result<Directive> {
    let first = patch.iter().find(|item| item.get(DIRECTIVE).is_some());
    let Some(Value::Object(item)) =
        first.filter(|item| item.as_object().is_some_and(|map| map.len() == 1))
    else {
        return Ok(Directive::Merge);
    };
    let found = directive(&item[DIRECTIVE])?;
    patch.retain(|item| {
        !item
            .as_object()
            .is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE))
    });
    Ok(found)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "a map",
        Value::Array(_) => "a list",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "a scalar",
    }
}

fn within(mut error: Error, key: &str) -> Error {
    error.field = if error.field.is_empty() {
        key.to_owned()
    } else {
        format!("{key}/{}", error.field)
    };
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A pod spec: target, patch and result, each as flow YAML.
    fn check(target: &str, patch: &str, want: &str) {
        let read = |text: &str| yaml::documents(text).expect(text).remove(0);
        let schema = Schema::builtin();
        let shape = Shape::Type("core.v1.PodSpec".into());
        let got = merge(read(target), read(patch), schema, Some(&shape));
        let got = got
            .expect(patch)
            .map_or_else(|| "deleted".to_owned(), |value| value.to_string());
        let want = if want == "deleted" {
            want.to_owned()
        } else {
            read(want).to_string()
        };
        assert_eq!(got, want, "{target} + {patch}");
    }

    #[test]
    fn maps_merge_and_null_removes() {
        check(
            "{a: 1, b: {c: 2}}",
            "{b: {d: 3}}",
            "{a: 1, b: {c: 2, d: 3}}",
        );
        check("{a: 1, b: 2}", "{a: null}", "{b: 2}");
        check("{a: 1}", "{b: {c: null, d: 1}}", "{a: 1, b: {d: 1}}");
        check("{a: null}", "{b: 1}", "{a: null, b: 1}");
        check("{x: [1, 2]}", "{x: [3]}", "{x: [3]}");
    }

    #[test]
    fn lists_with_a_key_merge_with_the_patch_first() {
        check(
            "{containers: [{name: a, image: i}, {name: b}]}",
            "{containers: [{name: c}, {name: b, image: j}]}",
            "{containers: [{name: c}, {name: b, image: j}, {name: a, image: i}]}",
        );
        check(
            "{containers: [{name: a}, {name: b}]}",
            "{containers: [{name: a, $patch: delete}]}",
            "{containers: [{name: b}]}",
        );
        check(
            "{containers: [{name: a}, {name: b}]}",
            "{containers: [{$patch: replace}, {name: c}]}",
            "{containers: [{name: c}]}",
        );
        check(
            "{containers: [{name: a, env: [{name: x, value: y}]}]}",
            "{containers: [{name: a, env: [{name: x, value: null, valueFrom: {a: b}}]}]}",
            "{containers: [{name: a, env: [{name: x, valueFrom: {a: b}}]}]}",
        );
    }

    /// What kustomize v5.8.2 does, surprises included.
    #[test]
    fn lists_with_several_keys() {
        let ports = |ports: &str| format!("{{containers: [{{name: a, ports: [{ports}]}}]}}");
        let cases = [
            // A new port comes first, a merged one stays where it was.
            (
                "{containerPort: 80, name: w}, {containerPort: 81}",
                "{containerPort: 82}, {containerPort: 80, hostPort: 1}",
                "{containerPort: 82}, {containerPort: 80, name: w, hostPort: 1}, {containerPort: 81}",
            ),
            // A protocol that only the target has is not found by a patch without one.
            (
                "{containerPort: 80}, {containerPort: 81, protocol: UDP}",
                "{containerPort: 81, hostPort: 1}",
                "{containerPort: 80}, {containerPort: 81, protocol: UDP}",
            ),
            (
                "{containerPort: 80}, {containerPort: 81, protocol: UDP}",
                "{containerPort: 81, protocol: UDP, hostPort: 1}",
                "{containerPort: 80}, {containerPort: 81, protocol: UDP, hostPort: 1}",
            ),
        ];
        for (target, patch, want) in cases {
            check(&ports(target), &ports(patch), &ports(want));
        }
    }

    /// kustomize finds nothing under an absent key, and then removes everything that has one.
    #[test]
    fn an_item_without_its_key_empties_the_list() {
        check(
            "{containers: [{name: a}, {name: b}]}",
            "{containers: [{image: i}]}",
            "{containers: []}",
        );
    }

    #[test]
    fn directives_of_maps() {
        check("{a: 1}", "{$patch: delete}", "deleted");
        check("{a: 1}", "{$patch: replace, b: 2}", "{a: 1}");
        check("{a: {b: 1}}", "{a: {$patch: replace, c: 2}}", "{a: {c: 2}}");
        check("{a: {b: 1}}", "{a: {$patch: delete}}", "{}");
        check("{}", "{a: {$patch: delete, c: 1}}", "{}");
    }

    #[test]
    fn a_patch_of_another_shape_is_refused() {
        let shape = None;
        let refused =
            |target: Value, patch: Value| merge(target, patch, Schema::builtin(), shape).is_err();
        assert!(refused(json!({"a": {"b": 1}}), json!({"a": 1})));
        assert!(refused(json!({"a": 1}), json!({"a": [1]})));
        assert!(refused(json!({"a": {}}), json!({"a": {"$patch": "other"}})));
    }
}
