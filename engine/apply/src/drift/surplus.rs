//! Fields that our own field manager owns in a live object and the manifest does not set.
//!
//! After an apply there are none: the API server drops what an earlier apply of ours set. So one that is there
//! came of an apply of another manifest, later than the one that counts: of a leader that had lost its lease, or
//! of somebody who used our name.

use fluvial_manifest::Value;

use super::{METADATA, fields, segment};

/// A place in the manifest and in the live object.
#[derive(Clone, Copy)]
struct Place<'a> {
    desired: &'a Value,
    live: &'a Value,
}

/// The paths of what `ours` owns by server-side apply and `desired` does not set, in no particular order.
pub(super) fn paths(desired: &Value, live: &Value, ours: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    let is_ours = |entry: &fields::Entry<'_>| {
        let manager = &entry.manager;
        ours.contains(&manager.name.as_str())
            && manager.operation == "Apply"
            && manager.subresource.is_empty()
    };
    let place = Place { desired, live };
    for entry in fields::entries(live).filter(is_ours) {
        for (name, owned) in children(entry.fields) {
            match name.strip_prefix("f:") {
                Some("metadata") => of_metadata(owned, place, &mut paths),
                Some("status") | None => {}
                Some(key) => of_member(owned, key, place, key, &mut paths),
            }
        }
    }
    paths
}

fn children(owned: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = owned.as_object().into_iter().flatten();
    members.map(|(name, owned)| (name.as_str(), owned))
}

fn of_metadata(owned: &Value, place: Place<'_>, paths: &mut Vec<String>) {
    let place = Place {
        desired: place.desired.get("metadata").unwrap_or(&Value::Null),
        live: place.live.get("metadata").unwrap_or(&Value::Null),
    };
    for (name, owned) in children(owned) {
        if let Some(key) = name.strip_prefix("f:").filter(|key| METADATA.contains(key)) {
            of_member(owned, key, place, &format!("metadata.{key}"), paths);
        }
    }
}

/// What is not there is no surplus, whoever owns it: the API server drops what is empty.
fn of_member(owned: &Value, key: &str, place: Place<'_>, path: &str, paths: &mut Vec<String>) {
    let Some(live) = place.live.get(key) else {
        return;
    };
    match place.desired.get(key) {
        Some(desired) => below(owned, Place { desired, live }, path, paths),
        None => leaves(owned, path, paths),
    }
}

/// What is owned below a place that the manifest sets.
fn below(owned: &Value, place: Place<'_>, path: &str, paths: &mut Vec<String>) {
    for (name, owned) in children(owned) {
        if let Some(key) = name.strip_prefix("f:") {
            let path = format!("{path}{}", segment(key));
            of_member(owned, key, place, &path, paths);
        } else if let Some(keys) = name.strip_prefix("k:") {
            let path = format!("{path}[{keys}]");
            match (item(keys, place.desired), item(keys, place.live)) {
                (Some(desired), Some(live)) => below(owned, Place { desired, live }, &path, paths),
                (None, Some(_)) => leaves(owned, &path, paths),
                (_, None) => {}
            }
        } else if let Some(text) = name.strip_prefix("v:")
            && let Ok(value) = serde_json::from_str::<Value>(text)
        {
            let has = |of: &Value| of.as_array().is_some_and(|items| items.contains(&value));
            if has(place.live) && !has(place.desired) {
                paths.push(format!("{path}[{text}]"));
            }
        }
    }
}

/// The item that these keys find. A key that the manifest leaves to its default matches any.
fn item<'a>(keys: &str, list: &'a Value) -> Option<&'a Value> {
    let keys: Value = serde_json::from_str(keys).ok()?;
    let keys = keys.as_object()?;
    let is_it = |item: &&Value| {
        let is_equal = |(key, value): (&String, &Value)| item.get(key).is_none_or(|it| it == value);
        keys.iter().all(is_equal)
    };
    list.as_array()?.iter().find(is_it)
}

/// The places below one that the manifest does not set; itself, where nothing is below it.
fn leaves(owned: &Value, path: &str, paths: &mut Vec<String>) {
    let mut is_leaf = true;
    for (name, owned) in children(owned) {
        if let Some(key) = name.strip_prefix("f:") {
            is_leaf = false;
            leaves(owned, &format!("{path}{}", segment(key)), paths);
        }
    }
    if is_leaf {
        paths.push(path.to_owned());
    }
}
