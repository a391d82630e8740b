//! What somebody changed in a live object, and who: found without asking the API server.
//!
//! Right after an apply, take a digest of [`projection`] of the manifest and the API server's answer.
//! Every later live object whose projection has the same digest is as it was applied. The projection
//! holds only what the manifest sets, in the API server's own spelling, so defaults, fields of other
//! managers and another spelling of a quantity are no drift.
//!
//! How a list is compared depends on its type, which only the API server knows; `metadata.managedFields`
//! tells. So a live object must come with them, here and at the apply.

mod fields;
mod list;
mod quantity;
mod surplus;

use std::borrow::Cow;

use fluvial_manifest::{Value, object};
use serde_json::Map;

use fields::Fields;
use list::Pairing;

pub use list::labels;

/// The parts of `metadata` that a manifest may set; the rest is identity or the server's.
const METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// Maps whose keys are free. The API server drops such a map when it is empty, so to ask for an empty
/// one is to ask for nothing; an empty struct, such as `emptyDir: {}`, is kept and means something.
const FREE_MAPS: [&str; 14] = [
    "annotations",
    "binaryData",
    "capacity",
    "data",
    "hard",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "parameters",
    "requests",
    "selector",
    "volumeAttributes",
];

/// The field managers of what is applied: of Kustomizations, and of HelmReleases.
pub const OURS: [&str; 2] = ["kustomize-controller", "helm-controller"];

/// Where a projection holds what [`OURS`] owns besides; no part of an object has this name.
const SURPLUS: &str = "metadata.managedFields";

/// `manifest` with the values that `live` has where JSON pointers lead to, and nothing where it has none:
/// an apply of it leaves these fields as they are.
pub fn leave<'m>(manifest: &'m Value, live: &Value, ignored: &[String]) -> Cow<'m, Value> {
    let is_gone = |pointer: &&String| live.pointer(pointer).is_none();
    let gone: Vec<String> = ignored.iter().filter(is_gone).cloned().collect();
    let mut left = without(manifest, &gone);
    for pointer in ignored.iter().filter(|it| !it.is_empty()) {
        if let Some(value) = live.pointer(pointer)
            && left.pointer(pointer).is_some()
            && let Some(place) = left.to_mut().pointer_mut(pointer)
        {
            place.clone_from(value);
        }
    }
    left
}

/// `manifest` without the fields that JSON pointers lead to: what is left to others is no drift.
pub fn without<'m>(manifest: &'m Value, ignored: &[String]) -> Cow<'m, Value> {
    let mut rest = Cow::Borrowed(manifest);
    for pointer in ignored {
        let Some((parent, key)) = pointer.rsplit_once('/') else {
            continue;
        };
        if rest.pointer(pointer).is_none() {
            continue;
        }
        let key = key.replace("~1", "/").replace("~0", "~");
        match rest.to_mut().pointer_mut(parent) {
            Some(Value::Object(map)) => {
                map.remove(&key);
            }
            Some(Value::Array(items)) => {
                let index = key.parse().ok().filter(|index| *index < items.len());
                if let Some(index) = index {
                    items.remove(index);
                }
            }
            Some(_) | None => {}
        }
    }
    rest
}

/// The live object's values at the places that the manifest sets, and which other fields our own field manager
/// owns, if there are any.
///
/// Two live objects that differ only in what the manifest does not set, and others wrote, have equal
/// projections. The values of a Secret are in it: take a keyed digest, and never store it.
pub fn projection(desired: &Value, live: &Value) -> Value {
    let fields = Fields::of(live);
    let part = |(key, part): (&String, Cow<'_, Value>)| {
        let value = project(&part, live.get(key)?, &fields.member(key))?;
        Some((key.clone(), value))
    };
    let mut projection: Map<_, _> = parts(desired).filter_map(part).collect();
    let surplus = surplus::paths(desired, live, &OURS);
    if !surplus.is_empty() {
        projection.insert(SURPLUS.to_owned(), surplus.into());
    }
    projection.into()
}

/// Where a live object differs from its manifest, in words for people:
/// `spec.template.spec.containers[app].image`. Sorted; no value is ever in it.
///
/// Give the projection that was taken at the apply as `desired` where it is at hand: it has the API
/// server's spelling, so what only looks different is not listed. Quantities are compared by value.
pub fn changed_paths(desired: &Value, live: &Value) -> Vec<String> {
    let mut paths: Vec<_> = changes(desired, live)
        .into_iter()
        .map(|change| change.path)
        .collect();
    if paths.is_empty() {
        paths = surplus::paths(desired, live, &OURS);
    }
    paths.sort();
    paths
}

/// Who wrote a live object, by its `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The name, such as `kubectl-edit`.
    pub name: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When, in RFC 3339.
    pub time: String,
    /// The subresource written, such as `scale`; empty for the object itself.
    pub subresource: String,
}

/// The manager that wrote last, apart from ours and from those that write status.
pub fn last_manager(live: &Value, ours: &[&str]) -> Option<Manager> {
    newest(fields::entries(live).map(|entry| entry.manager), ours)
}

/// The manager to name for the drift of a live object: the last one that owns a field that differs.
///
/// Whoever only removes a field owns nothing and may leave no trace; then it is the last manager that
/// wrote at all, which need not be the one.
pub fn blame(desired: &Value, live: &Value, ours: &[&str]) -> Option<Manager> {
    let owners: Vec<_> = changes(desired, live)
        .into_iter()
        .flat_map(|change| change.owners)
        .collect();
    let entries = fields::entries(live).enumerate();
    let guilty = entries
        .filter(|(index, _)| owners.contains(index))
        .map(|(_, entry)| entry.manager);
    newest(guilty, ours).or_else(|| last_manager(live, ours))
}

fn newest(managers: impl Iterator<Item = Manager>, ours: &[&str]) -> Option<Manager> {
    managers
        .filter(|manager| !ours.contains(&manager.name.as_str()) && manager.subresource != "status")
        .max_by(|a, b| a.time.cmp(&b.time))
}

/// The parts of a manifest that can drift.
fn parts(desired: &Value) -> impl Iterator<Item = (&String, Cow<'_, Value>)> {
    desired
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, part)| match key.as_str() {
            "apiVersion" | "kind" | "status" | SURPLUS => None,
            "metadata" => Some((key, Cow::Owned(metadata(part)))),
            _ => Some((key, Cow::Borrowed(part))),
        })
}

fn metadata(desired: &Value) -> Value {
    let part = |key: &&str| Some(((*key).to_owned(), desired.get(*key)?.clone()));
    METADATA.iter().filter_map(part).collect()
}

/// The live value at one place; `None` when the manifest says nothing there.
fn project(desired: &Value, live: &Value, fields: &Fields<'_>) -> Option<Value> {
    match (desired, live) {
        (Value::Null, _) => None,
        (Value::Object(desired), Value::Object(_)) if fields.is_atomic() && !desired.is_empty() => {
            Some(live.clone())
        }
        (Value::Object(desired), Value::Object(live)) => Some(project_map(desired, live, fields)),
        (Value::Array(desired), Value::Array(items)) => project_list(desired, items, fields),
        (
            Value::Object(_)
            | Value::Array(_)
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_),
            _,
        ) => Some(live.clone()),
    }
}

fn project_map(
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    fields: &Fields<'_>,
) -> Value {
    let member = |(key, desired): (&String, &Value)| {
        let is_nothing = FREE_MAPS.contains(&key.as_str()) && is_empty_map(desired);
        let found = live.get(key).filter(|_| !is_nothing)?;
        Some((key.clone(), project(desired, found, &fields.member(key))?))
    };
    desired.iter().filter_map(member).collect()
}

fn project_list(desired: &[Value], live: &[Value], fields: &Fields<'_>) -> Option<Value> {
    match Pairing::of(desired, live, fields) {
        Pairing::Nothing => None,
        Pairing::Whole => Some(Value::Array(live.to_vec())),
        Pairing::Items(pairs) => {
            let item = |pair: list::Pair<'_>| project(pair.desired, pair.live?, &pair.fields);
            Some(pairs.into_iter().filter_map(item).collect())
        }
    }
}

/// A place where a live object differs.
struct Change {
    path: String,
    /// The entries of `metadata.managedFields` that own it.
    owners: Vec<usize>,
}

fn changes(desired: &Value, live: &Value) -> Vec<Change> {
    let fields = Fields::of(live);
    let mut changes = Vec::new();
    for (key, part) in parts(desired) {
        compare(&part, live.get(key), &fields.member(key), key, &mut changes);
    }
    changes
}

fn compare(
    desired: &Value,
    live: Option<&Value>,
    fields: &Fields<'_>,
    path: &str,
    changes: &mut Vec<Change>,
) {
    let differs = || Change {
        path: path.to_owned(),
        owners: fields.owners(),
    };
    match (desired, live) {
        (Value::Object(desired), Some(Value::Object(live))) => {
            for (key, desired) in desired {
                let path = format!("{path}{}", segment(key));
                compare(desired, live.get(key), &fields.member(key), &path, changes);
            }
        }
        (Value::Array(desired), Some(Value::Array(live))) => {
            match Pairing::of(desired, live, fields) {
                Pairing::Nothing => {}
                Pairing::Whole if desired.len() != live.len() => changes.push(differs()),
                Pairing::Whole => {
                    for (index, (desired, live)) in desired.iter().zip(live).enumerate() {
                        compare(
                            desired,
                            Some(live),
                            fields,
                            &format!("{path}[{index}]"),
                            changes,
                        );
                    }
                }
                Pairing::Items(pairs) => {
                    for pair in pairs {
                        let path = format!("{path}[{}]", pair.label);
                        compare(pair.desired, pair.live, &pair.fields, &path, changes);
                    }
                }
            }
        }
        (desired, live) if is_same(desired, live, path) => {}
        (_, _) => changes.push(differs()),
    }
}

/// Whether a single value is as desired; the API server drops what is empty.
fn is_same(desired: &Value, live: Option<&Value>, path: &str) -> bool {
    let is_empty = match desired {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    match live {
        None => is_empty,
        Some(live) => {
            *desired == Value::Null || desired == live || quantity::is_same(desired, live, path)
        }
    }
}

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// One step into a map: `.replicas`, or `[app.kubernetes.io/name]` where a dot would mislead.
pub fn segment(key: &str) -> String {
    let is_word = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if is_word {
        format!(".{key}")
    } else {
        format!("[{key}]")
    }
}

/// Whether the values of an object must never be shown.
pub fn is_secret(value: &Value) -> bool {
    object::kind(value) == "Secret" && object::api_version(value) == "v1"
}

#[cfg(test)]
mod tests;
