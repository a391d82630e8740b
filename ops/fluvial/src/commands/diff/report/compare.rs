//! Where two values differ, and in which way: maps by their keys, lists by what names their items.

use std::collections::BTreeSet;

use fluvial_manifest::Value;
use serde_json::Map;

/// The keys that name the items of a list, where every item has one of its own.
const NAMES: [&str; 3] = ["name", "key", "id"];
/// In lists of so many items at least, any other key may.
const ITEMS_MIN: usize = 3;

/// A place, and everything that is different right there.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) path: Vec<String>,
    pub(super) details: Vec<Detail<'a>>,
}

/// One way in which values differ.
#[derive(Debug)]
pub(super) enum Detail<'a> {
    Removed(Block<'a>),
    Added(Block<'a>),
    Changed(&'a Value, &'a Value),
    Reordered(Vec<String>, Vec<String>),
}

/// Entries of one map, or items of one list.
#[derive(Debug)]
pub(super) enum Block<'a> {
    Map(Vec<(&'a str, &'a Value)>),
    List(Vec<&'a Value>),
}

/// Every place where they differ, outer places first.
pub(super) fn places<'a>(from: &'a Value, to: &'a Value) -> Vec<Place<'a>> {
    let mut places = Vec::new();
    values(&[], from, to, &mut places);
    places
}

fn values<'a>(path: &[String], from: &'a Value, to: &'a Value, places: &mut Vec<Place<'a>>) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => maps(path, from, to, places),
        (Value::Array(from), Value::Array(to)) => lists(path, from, to, places),
        (from, to) if from == to => {}
        (from, to) => places.push(Place {
            path: path.to_vec(),
            details: vec![Detail::Changed(from, to)],
        }),
    }
}

fn below(path: &[String], step: &str) -> Vec<String> {
    path.iter().cloned().chain([step.to_owned()]).collect()
}

/// What is different at a place itself stands before what is different further in.
fn place<'a>(path: &[String], details: Vec<Detail<'a>>, at: usize, places: &mut Vec<Place<'a>>) {
    if !details.is_empty() {
        let path = path.to_vec();
        places.insert(at, Place { path, details });
    }
}

fn maps<'a>(
    path: &[String],
    from: &'a Map<String, Value>,
    to: &'a Map<String, Value>,
    places: &mut Vec<Place<'a>>,
) {
    let at = places.len();
    for (key, old) in from {
        if let Some(new) = to.get(key) {
            values(&below(path, key), old, new, places);
        }
    }
    let only = |these: &'a Map<String, Value>, those: &Map<String, Value>| -> Vec<_> {
        let missing = these.iter().filter(|it| !those.contains_key(it.0));
        missing.map(|(key, value)| (key.as_str(), value)).collect()
    };
    let mut details = Vec::new();
    let (removed, added) = (only(from, to), only(to, from));
    if !removed.is_empty() {
        details.push(Detail::Removed(Block::Map(removed)));
    }
    if !added.is_empty() {
        details.push(Detail::Added(Block::Map(added)));
    }
    place(path, details, at, places);
}

fn lists<'a>(path: &[String], from: &'a [Value], to: &'a [Value], places: &mut Vec<Place<'a>>) {
    match key(from, to) {
        Some(key) => named(path, key, from, to, places),
        None if from.len() == 1 && to.len() == 1 => {
            values(&below(path, "0"), &from[0], &to[0], places);
        }
        None => {
            let at = places.len();
            place(path, unnamed(from, to), at, places);
        }
    }
}

/// The key that names the items of both lists.
fn key<'a>(from: &'a [Value], to: &'a [Value]) -> Option<&'a str> {
    let is_key =
        |key: &str| !from.is_empty() && !to.is_empty() && is_name(from, key) && is_name(to, key);
    if let Some(key) = NAMES.into_iter().find(|key| is_key(key)) {
        return Some(key);
    }
    if from.len().min(to.len()) < ITEMS_MIN {
        return None;
    }
    let keys = from.first()?.as_object()?.keys();
    keys.map(String::as_str).find(|key| is_key(key))
}

/// Whether every item has a text of its own there.
fn is_name(items: &[Value], key: &str) -> bool {
    let names: BTreeSet<_> = items
        .iter()
        .filter_map(|it| it.get(key)?.as_str())
        .collect();
    names.len() == items.len()
}

fn named<'a>(
    path: &[String],
    key: &str,
    from: &'a [Value],
    to: &'a [Value],
    places: &mut Vec<Place<'a>>,
) {
    let name = |item: &'a Value| item.get(key).and_then(Value::as_str).unwrap_or_default();
    let find = |items: &'a [Value], wanted: &str| items.iter().find(|it| name(it) == wanted);
    let at = places.len();
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for old in from {
        match find(to, name(old)) {
            Some(new) => {
                values(&below(path, name(old)), old, new, places);
                before.push(name(old).to_owned());
            }
            None => removed.push(old),
        }
    }
    for new in to {
        match find(from, name(new)) {
            Some(_) => after.push(name(new).to_owned()),
            None => added.push(new),
        }
    }
    place(path, packed(before, after, removed, added), at, places);
}

fn unnamed<'a>(from: &'a [Value], to: &'a [Value]) -> Vec<Detail<'a>> {
    let (mut removed, mut added) = (Vec::new(), to.iter().collect::<Vec<_>>());
    for old in from {
        match added.iter().position(|it| *it == old) {
            Some(at) => drop(added.remove(at)),
            None => removed.push(old),
        }
    }
    let common = |these: &[Value], without: &[&Value]| -> Vec<String> {
        let stays = these.iter().filter(|it| !without.contains(it));
        stays
            .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
            .collect()
    };
    let (before, after) = (common(from, &removed), common(to, &added));
    packed(before, after, removed, added)
}

fn packed<'a>(
    before: Vec<String>,
    after: Vec<String>,
    removed: Vec<&'a Value>,
    added: Vec<&'a Value>,
) -> Vec<Detail<'a>> {
    let mut details = Vec::new();
    if before.len() == after.len() && before != after {
        details.push(Detail::Reordered(before, after));
    }
    if !removed.is_empty() {
        details.push(Detail::Removed(Block::List(removed)));
    }
    if !added.is_empty() {
        details.push(Detail::Added(Block::List(added)));
    }
    details
}
