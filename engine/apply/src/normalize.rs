//! Makes manifests fit to be applied: identity checked, owner marked, noise removed.

mod clean;

use std::collections::BTreeSet;

use fluvial_manifest::{ObjectId, Value, object};
use serde_json::Map;

use crate::{Error, Owner, order};

/// An object fit to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Who it is.
    pub id: ObjectId,
    /// The version of its group.
    pub version: String,
    /// The manifest.
    pub value: Value,
}

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They do not.
    Cluster,
    /// They do.
    Namespaced,
}

/// Makes manifests into objects of an owner, in the order in which they are applied.
///
/// `scope` says what is known of a kind; for an unknown one (its definition may be among the
/// manifests) the namespace stays as it is. A namespaced object without namespace gets the owner's.
///
/// The first manifest that is not fit is the error: nothing of a broken set is to be applied.
pub fn objects(
    manifests: Vec<Value>,
    owner: &Owner,
    scope: &dyn Fn(&ObjectId) -> Option<Scope>,
) -> Result<Vec<Object>, Error> {
    let mut objects = as_listed(manifests, owner, scope)?;
    order::sort(&mut objects);
    Ok(objects)
}

/// The same, in the order of the manifests.
pub fn as_listed(
    manifests: Vec<Value>,
    owner: &Owner,
    scope: &dyn Fn(&ObjectId) -> Option<Scope>,
) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::with_capacity(manifests.len());
    for mut value in manifests {
        let (mut id, version) = identity(&value).map_err(|problem| refuse(&value, problem))?;
        check_metadata(&value).map_err(|problem| refuse(&value, problem))?;
        let scope = scope(&id);
        settle_namespace(&mut value, &mut id, owner, scope);
        clean::object(&mut value, &id).map_err(|problem| refuse(&value, problem))?;
        owner.mark(&mut value);
        objects.push(Object { id, version, value });
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = objects.iter().find(|object| !seen.insert(&object.id)) {
        let problem = "it is there more than once; remove all but one".to_owned();
        return Err(refuse(&twice.value, problem));
    }
    Ok(objects)
}

fn refuse(value: &Value, problem: String) -> Error {
    let known = |text: &str, unknown: &str| {
        if text.is_empty() {
            unknown.to_owned()
        } else {
            text.to_owned()
        }
    };
    let id = ObjectId {
        group: String::new(),
        kind: known(object::kind(value), "object without kind"),
        namespace: object::namespace(value).to_owned(),
        name: known(object::name(value), "without name"),
    };
    Error::Object {
        object: id.human(),
        problem,
    }
}

/// Who the manifest says it is. Every part becomes a segment of a URL, so none may hold more than that.
fn identity(value: &Value) -> Result<(ObjectId, String), String> {
    let (group, version) = object::group_version(object::api_version(value));
    let is_dns = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
    };
    if version.is_empty() || !is_dns(version) || !is_dns(group) {
        return Err(
            "apiVersion must be a version such as v1 or a group and version such as apps/v1"
                .to_owned(),
        );
    }
    let kind = object::kind(value);
    let is_word = kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_word {
        return Err("kind must be a word such as Deployment".to_owned());
    }
    let id = ObjectId::of(value).ok_or_else(|| {
        let has_generator = value.pointer("/metadata/generateName").is_some();
        if has_generator {
            "metadata.generateName would make a new object at every apply; set metadata.name"
                .to_owned()
        } else {
            "metadata.name must be set".to_owned()
        }
    })?;
    if group == "kustomize.config.k8s.io" {
        return Err(
            "it is a file for kustomize, not an object; list its folder as a resource".to_owned(),
        );
    }
    for (field, text) in [("name", &id.name), ("namespace", &id.namespace)] {
        let is_segment = !matches!(text.as_str(), "." | "..")
            && !text
                .contains(|c: char| c == '/' || c == '%' || c.is_control() || c.is_whitespace());
        if !is_segment {
            return Err(format!(
                "metadata.{field} may not be . or .. or hold a slash, %, or white space"
            ));
        }
    }
    Ok((id, version.to_owned()))
}

/// Labels and annotations are texts: a number that was meant as one is found here, not by the API server.
fn check_metadata(value: &Value) -> Result<(), String> {
    for field in ["labels", "annotations"] {
        let entries = match value
            .get("metadata")
            .and_then(|metadata| metadata.get(field))
        {
            None | Some(Value::Null) => continue,
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err(format!("metadata.{field} must be a map")),
        };
        if let Some((key, _)) = entries.iter().find(|(_, value)| !value.is_string()) {
            return Err(format!(
                "metadata.{field}[{key}] must be a string; quote it"
            ));
        }
    }
    Ok(())
}

fn settle_namespace(value: &mut Value, id: &mut ObjectId, owner: &Owner, scope: Option<Scope>) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    match scope {
        Some(Scope::Cluster) => {
            metadata.remove("namespace");
            id.namespace.clear();
        }
        Some(Scope::Namespaced) if id.namespace.is_empty() => {
            set(metadata, "namespace", &owner.namespace);
            id.namespace.clone_from(&owner.namespace);
        }
        Some(Scope::Namespaced) | None => {}
    }
}

fn set(map: &mut Map<String, Value>, key: &str, text: &str) {
    map.insert(key.to_owned(), Value::from(text));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner() -> Owner {
        Owner::kustomization("team", "app")
    }

    fn scope(id: &ObjectId) -> Option<Scope> {
        match id.kind.as_str() {
            "Namespace" | "ClusterRole" => Some(Scope::Cluster),
            "ConfigMap" => Some(Scope::Namespaced),
            _ => None,
        }
    }

    fn refusal(manifests: Vec<Value>) -> String {
        objects(manifests, &owner(), &scope)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_manifest_that_names_no_object_is_refused() {
        for (manifest, expected) in [
            (
                json!({"kind": "A", "metadata": {"name": "x"}}),
                "cannot apply A/x: apiVersion must be a version such as v1 or a group and version such as apps/v1",
            ),
            (
                json!({"apiVersion": "a/../b", "kind": "A", "metadata": {"name": "x"}}),
                "cannot apply A/x: apiVersion must be a version such as v1 or a group and version such as apps/v1",
            ),
            (
                json!({"apiVersion": "v1", "metadata": {"name": "x"}}),
                "cannot apply object without kind/x: kind must be a word such as Deployment",
            ),
            (
                json!({"apiVersion": "v1", "kind": "Pod"}),
                "cannot apply Pod/without name: metadata.name must be set",
            ),
            (
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "x-"}}),
                "cannot apply Job/without name: metadata.generateName would make a new object at every apply; set metadata.name",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "../secrets/x"}}),
                "cannot apply ConfigMap/../secrets/x: metadata.name may not be . or .. or hold a slash, %, or white space",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": ".."}}),
                "cannot apply ConfigMap/../x: metadata.namespace may not be . or .. or hold a slash, %, or white space",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": {"a": 1}}}),
                "cannot apply ConfigMap/x: metadata.labels[a] must be a string; quote it",
            ),
            (
                json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "metadata": {"name": "x"}}),
                "cannot apply Kustomization/x: it is a file for kustomize, not an object; list its folder as a resource",
            ),
        ] {
            assert_eq!(refusal(vec![manifest]), expected);
        }
    }

    #[test]
    fn the_same_object_twice_is_refused_whatever_its_version() {
        let twice = |first: Value, second: Value| refusal(vec![first, second]);
        let named = |version: &str, namespace: Value| json!({"apiVersion": version, "kind": "ConfigMap", "metadata": {"name": "x", "namespace": namespace}});
        let expected =
            "cannot apply ConfigMap/team/x: it is there more than once; remove all but one";
        assert_eq!(
            twice(named("v1", Value::Null), named("v1", json!("team"))),
            expected
        );
        assert_eq!(
            twice(named("v1", Value::Null), named("v2", Value::Null)),
            expected
        );
    }

    #[test]
    fn the_scope_settles_the_namespace() {
        for (kind, namespace, expected) in [
            ("ConfigMap", None, "team"),
            ("ConfigMap", Some("other"), "other"),
            ("ClusterRole", Some("other"), ""),
            ("Unknown", None, ""),
            ("Unknown", Some("other"), "other"),
        ] {
            let manifest = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": namespace}});
            let made = objects(vec![manifest], &owner(), &scope).unwrap();
            assert_eq!(made[0].id.namespace, expected, "{kind}");
            assert_eq!(object::namespace(&made[0].value), expected, "{kind}");
        }
    }

    #[test]
    fn objects_are_marked_as_their_owners_and_sorted() {
        let manifest =
            |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
        let made = objects(
            vec![manifest("ConfigMap"), manifest("Namespace")],
            &owner(),
            &scope,
        )
        .unwrap();
        let kinds: Vec<_> = made.iter().map(|object| object.id.kind.as_str()).collect();
        assert_eq!(kinds, ["Namespace", "ConfigMap"]);
        assert!(
            made.iter()
                .all(|object| Owner::of(&object.value) == Some(owner()))
        );
        assert_eq!(made[0].version, "v1");
    }
}
