//! The strategic merge of Kubernetes as kustomize does it (`kyaml/yaml/merge2`, v0.21.2).
//!
//! Maps are merged, null removes, `$patch` deletes or replaces; lists with merge keys are merged item
//! by item with the patch's items first, all others are replaced.

use fluvial_manifest::{Map, Value, yaml};

use crate::error::{Error, Result};
use crate::resource::scalar_text;
use crate::schema::{Schema, Shape};

const DIRECTIVE: &str = "$patch";

/// Merges `patch` into `target`; `None` when the patch deletes it.
pub(crate) fn merge(
    target: Value,
    patch: Value,
    schema: &Schema,
    shape: Option<&Shape>,
) -> Result<Option<Value>> {
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
                return written.as_str() != Some(yaml::ABSENT);
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
            return Ok(target);
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
                Ok(Some(patch))
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
            match self.walk(None, Some(value), Some(&item))? {
                Some(value) if !is_empty_map(&value) => added.push(value),
                Some(_) | None => {}
            }
        }
        Ok(Some(Value::Array(added)))
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
        let merged = if let [key] = keys.as_slice() {
            self.by_key(target, patch, key, &item)?
        } else {
            self.by_keys(target, patch, keys, &item)?
        };
        Ok(Some(Value::Array(merged)))
    }

    /// One key: the patch's items come first, in its order, each merged into the one it names.
    fn by_key(
        &self,
        target: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
        shape: &Shape,
    ) -> Result<Vec<Value>> {
        let mut rest: Vec<Option<Value>> = target.into_iter().map(Some).collect();
        let mut merged = Vec::with_capacity(rest.len() + patch.len());
        let mut seen: Vec<String> = Vec::with_capacity(patch.len());
        for item in patch {
            let Some(name) = key_of(&item, key) else {
                merged.extend(self.walk(None, Some(item), Some(shape))?);
                continue;
            };
            if seen.contains(&name) {
                continue;
            }
            let mut old = None;
            for slot in &mut rest {
                if slot
                    .as_ref()
                    .is_some_and(|item| key_of(item, key).as_ref() == Some(&name))
                {
                    // An item that repeats a key is one item to a merge.
                    let found = slot.take();
                    old = old.or(found);
                }
            }
            let value = self
                .walk(old, Some(item), Some(shape))
                .map_err(|error| within(error, &format!("[{key}={name}]")))?;
            seen.push(name);
            merged.extend(value.filter(|value| !is_empty_map(value)));
        }
        merged.extend(rest.into_iter().flatten());
        Ok(merged)
    }

    /// Several keys, of which items may lack some: an absent key is filled in from the item it is
    /// merged with. What is new comes first, then the target's items in their order.
    fn by_keys(
        &self,
        target: Vec<Value>,
        patch: Vec<Value>,
        keys: &[String],
        shape: &Shape,
    ) -> Result<Vec<Value>> {
        let mut rest: Vec<Option<Value>> = target.into_iter().map(Some).collect();
        let mut added = Vec::new();
        for item in patch {
            let names = keys_of(&item, keys);
            let position = rest.iter().position(|slot| {
                slot.as_ref()
                    .is_some_and(|old| is_same(&keys_of(old, keys), &names))
            });
            let Some(position) = position else {
                let value = self.walk(None, Some(item), Some(shape))?;
                added.extend(value.filter(|value| !is_empty_map(value)));
                continue;
            };
            let old = rest[position].take();
            rest[position] = self
                .walk(old, Some(item), Some(shape))?
                .filter(|value| !is_empty_map(value));
        }
        added.extend(rest.into_iter().flatten());
        Ok(added)
    }
}

/// Two items are one when a key is equal in both and no key differs that both have.
fn is_same(left: &[Option<String>], right: &[Option<String>]) -> bool {
    let common = left.iter().zip(right).any(|(left, right)| left == right);
    let differ = left
        .iter()
        .zip(right)
        .any(|(left, right)| left.is_some() && right.is_some() && left != right);
    common && !differ
}

fn keys_of(item: &Value, keys: &[String]) -> Vec<Option<String>> {
    keys.iter().map(|key| key_of(item, key)).collect()
}

fn key_of(item: &Value, key: &str) -> Option<String> {
    scalar_text(item.get(key)?).filter(|text| !text.is_empty())
}

fn is_empty_map(value: &Value) -> bool {
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
        let shape = Shape::Type("core.v1.PodSpec".to_owned());
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
            "{containers: [{name: a, env: [{name: x, $patch: replace, valueFrom: {a: b}}]}]}",
            "{containers: [{name: a, env: [{name: x, valueFrom: {a: b}}]}]}",
        );
    }

    #[test]
    fn lists_with_two_keys_fill_in_what_is_absent() {
        check(
            "{containers: [{name: a, ports: [{containerPort: 80, name: w}, {containerPort: 81}]}]}",
            "{containers: [{name: a, ports: [{containerPort: 82}, {containerPort: 80, protocol: TCP}]}]}",
            "{containers: [{name: a, ports: [{containerPort: 82}, {containerPort: 80, name: w, protocol: TCP}, {containerPort: 81}]}]}",
        );
    }

    #[test]
    fn directives_of_maps() {
        check("{a: 1}", "{$patch: delete}", "deleted");
        check("{a: 1}", "{$patch: replace, b: 2}", "{b: 2}");
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
