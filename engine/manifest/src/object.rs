//! Small readers of the fields that every Kubernetes object has.
//!
//! They are total: a field that is absent or of the wrong type reads as empty. Whether that is an
//! error is for the caller to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// `apiVersion`, or the empty string.
pub fn api_version(object: &Value) -> &str {
    text(object, "apiVersion")
}

/// `kind`, or the empty string.
pub fn kind(object: &Value) -> &str {
    text(object, "kind")
}

/// `metadata.name`, or the empty string.
pub fn name(object: &Value) -> &str {
    metadata_text(object, "name")
}

/// `metadata.namespace`, or the empty string.
pub fn namespace(object: &Value) -> &str {
    metadata_text(object, "namespace")
}

/// Splits an `apiVersion` into group and version; the core group is the empty string.
pub fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// `metadata.labels` with their string values.
pub fn labels(object: &Value) -> BTreeMap<&str, &str> {
    metadata_map(object, "labels")
}

/// `metadata.annotations` with their string values.
pub fn annotations(object: &Value) -> BTreeMap<&str, &str> {
    metadata_map(object, "annotations")
}

/// One label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// One annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
}

/// Sets a label, creating `metadata.labels` where it is missing or not a map.
///
/// An object that is not a map is left as it is.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_metadata(object, "labels", key, value);
}

/// Sets an annotation, creating `metadata.annotations` where it is missing or not a map.
///
/// An object that is not a map is left as it is.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_metadata(object, "annotations", key, value);
}

/// Whether this is a list of objects rather than one: its kind ends in `List` and it has `items`.
pub fn is_list(object: &Value) -> bool {
    kind(object).ends_with("List") && object.get("items").is_some_and(Value::is_array)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn metadata_text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get("metadata")
        .map(|metadata| text(metadata, field))
        .unwrap_or_default()
}

fn metadata_map<'a>(object: &'a Value, field: &str) -> BTreeMap<&'a str, &'a str> {
    let map = object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

fn set_metadata(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(root) = object.as_object_mut() else {
        return;
    };
    let map = child_map(child_map(root, "metadata"), field);
    map.insert(key.to_owned(), Value::String(value.to_owned()));
}

/// The map under `key`, put there empty if something else, or nothing, was.
fn child_map<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let child = parent.entry(key).or_insert(Value::Null);
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    child
        .as_object_mut()
        .expect("it was made a map on the line above")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_and_mistyped_fields_read_as_empty() {
        for object in [
            json!(null),
            json!("x"),
            json!({"metadata": 3, "kind": []}),
            json!({"metadata": {"name": 3, "labels": [], "annotations": {"a": 1}}}),
        ] {
            assert_eq!(api_version(&object), "");
            assert_eq!(kind(&object), "");
            assert_eq!(name(&object), "");
            assert_eq!(namespace(&object), "");
            assert!(labels(&object).is_empty());
            assert!(annotations(&object).is_empty());
        }
    }

    #[test]
    fn group_and_version_are_split_at_the_slash() {
        assert_eq!(group_version("v1"), ("", "v1"));
        assert_eq!(group_version("apps/v1"), ("apps", "v1"));
    }

    #[test]
    fn labels_are_set_where_there_were_none() {
        let mut object = json!({"kind": "A", "metadata": {"labels": null}});
        set_label(&mut object, "a", "1");
        set_annotation(&mut object, "b", "2");
        assert_eq!(label(&object, "a"), Some("1"));
        assert_eq!(annotation(&object, "b"), Some("2"));
        let mut scalar = json!(3);
        set_label(&mut scalar, "a", "1");
        assert_eq!(scalar, json!(3));
    }

    #[test]
    fn a_list_has_items() {
        assert!(is_list(&json!({"kind": "List", "items": []})));
        assert!(is_list(&json!({"kind": "ConfigMapList", "items": []})));
        assert!(!is_list(&json!({"kind": "AccessList", "spec": {}})));
    }
}
