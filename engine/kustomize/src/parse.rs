//! From the text of a manifest file to the objects in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fluvial_manifest::{Value, object, yaml};

use crate::error::{Error, Result};
use crate::resource::{Id, Resource, Written};
use crate::strategic;

/// The objects of a text: lists opened, empty documents left out, each with a kind and a name.
pub(crate) fn resources(file: &str, text: &str) -> Result<Vec<Resource>> {
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    check_separators(&text).map_err(|error| error.in_file(file))?;
    check_directives(&text).map_err(|error| error.in_file(file))?;
    let documents = yaml::documents_verbatim(&text, &["metadata", "annotations"])
        .map_err(|error| Error::yaml(file, error))?;
    let count = documents.len();
    let mut pending: VecDeque<Value> = documents.into();
    let mut resources = Vec::with_capacity(count);
    let mut shared: Option<Arc<str>> = None;
    for index in 0.. {
        let Some(document) = pending.pop_front() else {
            break;
        };
        if document.as_object().is_some_and(serde_json::Map::is_empty) {
            continue;
        }
        check(&document).map_err(|error| {
            let place = if count > 1 && index < count {
                format!("document {} of the file: ", index + 1)
            } else {
                String::new()
            };
            Error::new(format!("{place}{}", error.reason)).in_file(file)
        })?;
        match open_list(document).map_err(|error| error.in_file(file))? {
            Opened::Single(document) => {
                let matters =
                    index < count && (has_null(&document) || has_typed_annotation(&document));
                let mut resource = Resource::new(document);
                if index < count {
                    resource.null_annotations = null_annotations(&resource.value, &text, index);
                }
                resource.written = matters.then(|| Written {
                    text: shared.get_or_insert_with(|| text.as_ref().into()).clone(),
                    document: index,
                });
                resources.push(resource);
            }
            Opened::Items(items) => pending.extend(items),
        }
    }
    Ok(resources)
}

/// kustomize parts a text at the lines that begin with `---`, and refuses one that goes on with
/// anything but a comment.
fn check_separators(text: &str) -> Result<()> {
    for (at, _) in text.match_indices("\n---") {
        let Some((line, _)) = text[at + 4..].split_once('\n') else {
            return Ok(());
        };
        let rest = line.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            let number = text[..=at].matches('\n').count() + 1;
            return Err(Error {
                line: Some(number),
                ..Error::new(format!(
                    "invalid document separator \"---{line}\"; write what follows it on a line of its own"
                ))
            });
        }
    }
    Ok(())
}

/// kustomize reads each part between two `---` by itself, so that a directive, which has to be followed
/// by one, never is.
fn check_directives(text: &str) -> Result<()> {
    if !text.starts_with('%') && !text.contains("\n%") {
        return Ok(());
    }
    let mut line = 1;
    for part in text.split_inclusive("\n---") {
        let alone = part.strip_suffix("---").unwrap_or(part);
        let directive = alone.lines().position(|line| line.starts_with('%'));
        // Of each part only the first document counts.
        if let Some(at) = directive
            && yaml::first_as_json(alone).is_err()
        {
            return Err(Error {
                line: Some(line + at),
                ..Error::new(
                    "a directive (`%YAML`, `%TAG`) is read apart from its document; remove the line",
                )
            });
        }
        line += part.matches('\n').count();
    }
    Ok(())
}

/// How the annotations that are null are written, unless as `null`.
fn null_annotations(value: &Value, text: &str, index: usize) -> BTreeMap<String, String> {
    let annotations = value
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    if !annotations.is_some_and(|map| map.values().any(Value::is_null)) {
        return BTreeMap::new();
    }
    let written = yaml::documents_absent(text).unwrap_or_default();
    written
        .get(index)
        .and_then(|document| document.pointer("/metadata/annotations"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| {
            let written = strategic::null_as_written(value)?;
            Some((key.clone(), written.to_owned()))
        })
        .collect()
}

/// Whether an annotation would mean something other than text, had it not been read as text.
fn has_typed_annotation(value: &Value) -> bool {
    let annotations = object::annotations(value);
    annotations
        .values()
        .any(|text| yaml::scalar(text).as_str() != Some(text))
}

/// Whether any map, at any depth, has a key with nothing.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().any(|value| value.is_null() || has_null(value)),
        Value::Array(items) => items.iter().any(has_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

enum Opened {
    Single(Value),
    Items(Vec<Value>),
}

/// The items of a list of objects; anything else as it is.
fn open_list(mut document: Value) -> Result<Opened> {
    if !object::kind(&document).ends_with("List") {
        return Ok(Opened::Single(document));
    }
    match document.as_object_mut().and_then(|map| map.remove("items")) {
        // A function's input without items: only its configuration, which is no object.
        None if object::kind(&document) == "ResourceList"
            && document.get("functionConfig").is_some() =>
        {
            Ok(Opened::Items(Vec::new()))
        }
        None => Ok(Opened::Single(document)),
        Some(Value::Null) => Ok(Opened::Items(Vec::new())),
        Some(Value::Array(items)) => Ok(Opened::Items(
            items.into_iter().filter(|item| !item.is_null()).collect(),
        )),
        Some(_) => Err(Error::new(format!(
            "the items of a {} must be a list",
            object::kind(&document)
        ))),
    }
}

fn check(document: &Value) -> Result<()> {
    if !document.is_object() {
        return Err(Error::new(
            "a document is not a Kubernetes object: it is not a map",
        ));
    }
    let Id { gvk, name, .. } = Id::of(document);
    let kind = gvk.kind;
    if kind.is_empty() {
        let about = if name.is_empty() {
            String::new()
        } else {
            format!(" {name:?}")
        };
        return Err(Error::new(format!(
            "the object{about} has no kind; add one, or take the file out of `resources`"
        )));
    }
    if name.is_empty() && !kind.ends_with("List") {
        return Err(Error::new(format!(
            "a {kind} has no metadata.name; give it one"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_opened_and_objects_checked() {
        let names = |text: &str| {
            resources("f.yaml", text).map(|list| {
                list.iter()
                    .map(|resource| object::name(&resource.value).to_owned())
                    .collect::<Vec<_>>()
            })
        };
        let list = "kind: List\nitems:\n- {kind: A, metadata: {name: a}}\n- {kind: B, metadata: {name: b}}\n---\nkind: C\nmetadata: {name: c}\n---\n{}\n";
        assert_eq!(
            names(list),
            Ok(vec!["c".to_owned(), "a".to_owned(), "b".to_owned()])
        );
        assert_eq!(
            names("kind: AList\nmetadata: {name: x}\n"),
            Ok(vec!["x".to_owned()])
        );
        for text in [
            "a: 1\n",
            "- a\n",
            "kind: A\n",
            "kind: AList\nitems: 3\n",
            "a\n",
        ] {
            let error = names(text).expect_err(text);
            assert_eq!(error.file, "f.yaml", "{text}");
        }
    }
}
