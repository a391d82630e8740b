//! Lists whose items are told apart by the values of one key or several.
//!
//! This is kustomize's own algorithm (`kyaml/yaml/walk/associative_sequence.go`, v0.21.2) with its
//! effects on order, absent keys and repeated items; repositories have come to rely on them.

use std::collections::BTreeSet;

use fluvial_manifest::{Value, yaml};

use super::{DIRECTIVE, is_empty_map};
use crate::error::Result;
use crate::resource::scalar_text;

/// Merges one item of the target with one of the patch; either may be absent.
type Walk<'a> = &'a mut dyn FnMut(Option<Value>, Option<Value>) -> Result<Option<Value>>;

/// Merges two lists: the patch's items first, unless several keys tell items apart.
pub(super) fn merge(
    mut target: Vec<Value>,
    mut patch: Vec<Value>,
    keys: &[String],
    walk: Walk<'_>,
) -> Result<Vec<Value>> {
    let all = all_values(&patch, &target, keys);
    let mut merged = Vec::with_capacity(target.len() + patch.len());
    let mut used = keys.to_vec();
    for values in &all {
        let (keys, values) = present(&all, values, keys);
        let (own_keys, own_values) = present(std::slice::from_ref(&values), &values, &keys);
        let in_target = find(&target, &own_keys, &own_values);
        let in_patch = find(&patch, &own_keys, &own_values);
        let change = in_patch.map(|at| take_change(&mut patch[at]));
        let replaces = change.as_ref().is_some_and(is_replacement);
        let item = walk(in_target.map(|at| target[at].clone()), change)?;
        let item = item.filter(|item| !item.is_null() && !is_empty_map(item));
        if let Some(mut item) = item {
            fill_in(&mut item, &keys, &values);
            match (in_target, in_patch) {
                // A replaced item stays what it was in the target, which is appended below.
                (Some(at), _) if !replaces => target[at] = item.clone(),
                (None, Some(at)) => patch[at] = item.clone(),
                (Some(_), _) | (None, None) => {}
            }
            set(&mut merged, Some(item), &keys, &values);
        } else {
            set(&mut target, None, &keys, &values);
        }
        used = keys;
    }
    if all.is_empty() {
        return Ok(target);
    }
    append(&mut merged, target, &used);
    Ok(merged)
}

/// Whether a list stays as it is when nothing is merged into it: one key tells all of its items apart.
pub(super) fn is_settled(items: &[Value], keys: &[String]) -> bool {
    let [key] = keys else {
        return items.is_empty();
    };
    let mut names = BTreeSet::new();
    items.iter().all(|item| {
        let name = item.get(key).and_then(scalar_text);
        name.is_some_and(|name| !name.is_empty() && names.insert(name))
    })
}

/// A list of which a later item replaces an earlier one with the same keys.
pub(super) fn united(items: Vec<Value>, keys: &[String]) -> Vec<Value> {
    let all = all_values(&items, &[], keys);
    let used = all
        .last()
        .map_or_else(|| keys.to_vec(), |last| present(&all, last, keys).0);
    let mut united = Vec::with_capacity(items.len());
    append(&mut united, items, &used);
    united
}

/// The values of the keys of every item, patch first, each combination once.
fn all_values(patch: &[Value], target: &[Value], keys: &[String]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::with_capacity(patch.len() + target.len());
    for item in patch.iter().chain(target) {
        let values: Vec<String> = keys.iter().map(|key| text_of(item, key)).collect();
        if !all.contains(&values) {
            all.push(values);
        }
    }
    if keys.len() > 1 {
        unite_values(&mut all);
    }
    all
}

/// Two combinations that only differ where one is empty become one.
fn unite_values(all: &mut [Vec<String>]) {
    for left in 0..all.len() {
        let mine = all[left].clone();
        for right in 0..all.len() {
            let theirs = &all[right];
            let pairs = || mine.iter().zip(theirs);
            let common = pairs().any(|(mine, theirs)| mine == theirs);
            let differ = pairs()
                .any(|(mine, theirs)| mine != theirs && !mine.is_empty() && !theirs.is_empty());
            if common && !differ {
                let united: Vec<String> = pairs()
                    .map(|(mine, theirs)| if mine.is_empty() { theirs } else { mine }.clone())
                    .collect();
                all[left].clone_from(&united);
                all[right] = united;
            }
        }
    }
}

/// The keys that any of the combinations has a value for, and this combination's values of them.
fn present(all: &[Vec<String>], values: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let has_value = |at: usize| {
        all.iter()
            .any(|values| values.get(at).is_some_and(|value| !value.is_empty()))
    };
    if !(0..keys.len()).any(has_value) {
        return (keys.to_vec(), values.to_vec());
    }
    let pairs = keys.iter().zip(values).enumerate();
    pairs
        .filter(|(at, _)| has_value(*at))
        .map(|(_, (key, value))| (key.clone(), value.clone()))
        .unzip()
}

/// The first item whose keys have exactly these values.
fn find(items: &[Value], keys: &[String], values: &[String]) -> Option<usize> {
    items.iter().position(|item| {
        item.is_object()
            && keys
                .iter()
                .zip(values)
                .all(|(key, value)| item.get(key).and_then(scalar_text).as_ref() == Some(value))
    })
}

/// The patch's item; its directive counts only once.
fn take_change(item: &mut Value) -> Value {
    let change = item.clone();
    if let Some(map) = item.as_object_mut() {
        map.remove(DIRECTIVE);
    }
    change
}

fn is_replacement(change: &Value) -> bool {
    change.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")
}

fn fill_in(item: &mut Value, keys: &[String], values: &[String]) {
    let Some(map) = item.as_object_mut() else {
        return;
    };
    for (key, value) in keys.iter().zip(values) {
        if !value.is_empty() && !map.contains_key(key) {
            map.insert(key.clone(), yaml::scalar(value));
        }
    }
}

/// Puts an item in the place of those that match, or at the end; without one, removes them.
///
/// An empty value matches whatever has the key, and a key beyond the values matches everything.
fn set(items: &mut Vec<Value>, item: Option<Value>, keys: &[String], values: &[String]) {
    let mut found = false;
    let names_a_map = values.first().is_some_and(|value| !value.is_empty());
    let old = std::mem::take(items);
    for current in old {
        if current.is_null() || is_empty_map(&current) {
            continue;
        }
        if !current.is_object() && names_a_map {
            items.push(current);
            continue;
        }
        let matches = !values.is_empty()
            && keys.iter().zip(values).all(|(key, value)| {
                current
                    .get(key)
                    .is_some_and(|own| value.is_empty() || scalar_text(own).as_ref() == Some(value))
            });
        if !matches {
            if !values.is_empty() {
                items.push(current);
            }
            continue;
        }
        found = true;
        items.extend(item.clone());
    }
    if !found {
        items.extend(item);
    }
}

/// Adds the target's items to the merged ones, each in the place of the one it became.
fn append(merged: &mut Vec<Value>, target: Vec<Value>, keys: &[String]) {
    for item in target {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            match item.get(key) {
                Some(value) => values.push(scalar_text(value).unwrap_or_default()),
                None => merged.push(item.clone()),
            }
        }
        if keys.len() > 1 {
            set(merged, None, keys, &values);
        }
        set(merged, Some(item), keys, &values);
    }
}

fn text_of(item: &Value, key: &str) -> String {
    item.get(key).and_then(scalar_text).unwrap_or_default()
}
