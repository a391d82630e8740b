//! `metadata.managedFields`: which manager owns which field, and so which type a list has.
//!
//! The form is that of `fieldsV1` (kubernetes-sigs/structured-merge-diff, `fieldpath/serialize.go`):
//! `f:NAME` for a field, `k:{…}` for an item by its keys, `v:…` for an item of a set.

use std::collections::BTreeMap;

use fluvial_manifest::Value;

use super::Manager;

/// One entry of `metadata.managedFields`.
pub(super) struct Entry<'a> {
    pub(super) manager: Manager,
    pub(super) fields: &'a Value,
}

/// The entries of a live object, in its order.
pub(super) fn entries(live: &Value) -> impl Iterator<Item = Entry<'_>> {
    let entries = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    entries.into_iter().flatten().map(|entry| {
        let text = |key| {
            entry
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let manager = Manager {
            name: text("manager"),
            operation: text("operation"),
            time: text("time"),
            subresource: text("subresource"),
        };
        Entry {
            manager,
            fields: entry.get("fieldsV1").unwrap_or(&Value::Null),
        }
    })
}

/// What is owned at one place, by whom: an entry's index and its fields from there on.
#[derive(Clone)]
pub(super) struct Fields<'a>(Vec<(usize, &'a Value)>);

/// The type of a list.
pub(super) enum ListType<'a> {
    /// Nobody owns it, so nothing is known.
    Unknown,
    /// A list is one value.
    Atomic,
    /// Items are the values of a set.
    Set,
    /// Items are found by these keys.
    Map(Vec<&'a str>),
}

impl<'a> Fields<'a> {
    /// Everything that is owned in a live object.
    pub(super) fn of(live: &'a Value) -> Self {
        Self(
            entries(live)
                .map(|entry| entry.fields)
                .enumerate()
                .collect(),
        )
    }

    /// What is owned of a member of a map.
    pub(super) fn member(&self, key: &str) -> Self {
        self.children(|child| child.strip_prefix("f:") == Some(key))
    }

    /// What is owned of an item of a list, by the keys that find it.
    pub(super) fn item(&self, keys: &[&str], item: &Value) -> Self {
        self.children(|child| {
            let names = child
                .strip_prefix("k:")
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            names.is_some_and(|names| keys.iter().all(|key| names.get(*key) == item.get(*key)))
        })
    }

    /// What is owned of a value of a set.
    pub(super) fn value(&self, value: &Value) -> Self {
        self.children(|child| {
            let text = child.strip_prefix("v:");
            text.and_then(|text| serde_json::from_str::<Value>(text).ok())
                .as_ref()
                == Some(value)
        })
    }

    fn children(&self, is_it: impl Fn(&str) -> bool) -> Self {
        let children = |(index, fields): &(usize, &'a Value)| {
            let fields = fields.as_object().into_iter().flatten();
            let found = fields.filter(|(name, _)| is_it(name));
            found
                .map(|(_, fields)| (*index, fields))
                .collect::<Vec<_>>()
        };
        Self(self.0.iter().flat_map(children).collect())
    }

    /// The entries that own this place.
    pub(super) fn owners(&self) -> Vec<usize> {
        self.0.iter().map(|(index, _)| *index).collect()
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        let fields = self.0.iter().filter_map(|(_, fields)| fields.as_object());
        fields.flat_map(|fields| fields.keys().map(String::as_str))
    }

    /// Whether this place is owned, but nothing below it: a map or list that is one value.
    pub(super) fn is_atomic(&self) -> bool {
        !self.0.is_empty() && self.names().all(|name| name == ".")
    }

    /// The type of the list at this place.
    pub(super) fn list_type(&self) -> ListType<'a> {
        let keys = self.0.iter().find_map(|(_, fields)| {
            let mut names = fields.as_object()?.keys();
            let key = names.find_map(|name| name.strip_prefix("k:"))?;
            item_keys(key)
        });
        match keys {
            Some(keys) => ListType::Map(keys),
            None if self.names().any(|name| name.starts_with("v:")) => ListType::Set,
            None if self.is_atomic() => ListType::Atomic,
            None => ListType::Unknown,
        }
    }
}

/// The names in `{"containerPort":80,"protocol":"TCP"}`.
fn item_keys(text: &str) -> Option<Vec<&str>> {
    let names: BTreeMap<&str, Value> = serde_json::from_str(text).ok()?;
    Some(names.into_keys().collect())
}
