//! Which item of a live list belongs to which item of the manifest.

use std::collections::BTreeSet;

use fluvial_manifest::Value;

use super::fields::{Fields, ListType};

/// An item of the manifest and its live one.
pub(super) struct Pair<'a> {
    pub(super) desired: &'a Value,
    pub(super) live: Option<&'a Value>,
    pub(super) fields: Fields<'a>,
    /// What names the item in a path.
    pub(super) label: String,
}

/// How two lists are compared.
pub(super) enum Pairing<'a> {
    /// The manifest asks for nothing.
    Nothing,
    /// As one value.
    Whole,
    /// Item by item, in the order of the manifest; other live items belong to others.
    Items(Vec<Pair<'a>>),
}

/// The keys of the lists that Kubernetes' own kinds have, for when nobody is known to own the list.
/// The first that finds every item of both lists counts.
const USUAL_KEYS: [&[&str]; 12] = [
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["devicePath"],
    &["name"],
    &["key"],
    &["type"],
    &["topologyKey", "whenUnsatisfiable"],
    &["ip"],
    &["uid"],
    &["containerPort"],
    &["port"],
];

impl<'a> Pairing<'a> {
    /// Pairs the items of two lists.
    pub(super) fn of(desired: &'a [Value], live: &'a [Value], fields: &Fields<'a>) -> Self {
        match fields.list_type() {
            ListType::Atomic if desired.is_empty() && live.is_empty() => Self::Nothing,
            ListType::Atomic => Self::Whole,
            ListType::Map(_) | ListType::Set | ListType::Unknown if desired.is_empty() => {
                Self::Nothing
            }
            ListType::Map(keys) => by_keys(&keys, desired, live, fields),
            ListType::Set => by_value(desired, live, fields),
            ListType::Unknown => match usual_keys(desired, live) {
                Some(keys) => by_keys(keys, desired, live, fields),
                None if desired.len() == live.len() => by_index(desired, live, fields),
                None => Self::Whole,
            },
        }
    }
}

/// What names each item of two lists, where every item of both is found by the same keys: `app`,
/// `80/TCP`. `None` for lists whose items have no names.
pub fn labels(old: &[Value], new: &[Value]) -> Option<[Vec<String>; 2]> {
    let keys = usual_keys(old, new)?;
    let labels = |items: &[Value]| items.iter().map(|item| label(keys, item)).collect();
    Some([labels(old), labels(new)])
}

fn usual_keys(desired: &[Value], live: &[Value]) -> Option<&'static [&'static str]> {
    USUAL_KEYS.into_iter().find(|keys| {
        [desired, live]
            .iter()
            .all(|items| are_found_by(keys, items))
    })
}

/// Whether every item has the keys, and no two have the same.
fn are_found_by(keys: &[&str], items: &[Value]) -> bool {
    let key = |item: &Value| {
        keys.iter()
            .map(|key| Some(item.get(*key)?.to_string()))
            .collect::<Option<Vec<_>>>()
    };
    let mut seen = BTreeSet::new();
    items
        .iter()
        .all(|item| key(item).is_some_and(|key| seen.insert(key)))
}

/// A key that the manifest leaves to its default matches any.
fn by_keys<'a>(
    keys: &[&str],
    desired: &'a [Value],
    live: &'a [Value],
    fields: &Fields<'a>,
) -> Pairing<'a> {
    let pair = |desired: &'a Value| {
        let is_it = |item: &&Value| {
            let is_equal = |key: &&str| {
                desired
                    .get(*key)
                    .is_none_or(|value| item.get(*key) == Some(value))
            };
            keys.iter().all(is_equal)
        };
        let live = live.iter().find(is_it);
        Pair {
            desired,
            live,
            fields: fields.item(keys, live.unwrap_or(desired)),
            label: label(keys, desired),
        }
    };
    Pairing::Items(desired.iter().map(pair).collect())
}

fn by_value<'a>(desired: &'a [Value], live: &'a [Value], fields: &Fields<'a>) -> Pairing<'a> {
    let pair = |desired: &'a Value| Pair {
        desired,
        live: live.iter().find(|item| *item == desired),
        fields: fields.value(desired),
        label: text(desired),
    };
    Pairing::Items(desired.iter().map(pair).collect())
}

fn by_index<'a>(desired: &'a [Value], live: &'a [Value], fields: &Fields<'a>) -> Pairing<'a> {
    let pair = |(index, (desired, live)): (usize, (&'a Value, &'a Value))| Pair {
        desired,
        live: Some(live),
        fields: fields.clone(),
        label: index.to_string(),
    };
    Pairing::Items(desired.iter().zip(live).enumerate().map(pair).collect())
}

/// `app`, or `80/TCP` where there are several keys.
fn label(keys: &[&str], item: &Value) -> String {
    let values: Vec<_> = keys
        .iter()
        .filter_map(|key| item.get(*key))
        .map(text)
        .collect();
    values.join("/")
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
