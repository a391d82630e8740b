//! A map by name that finds in constant time and is gone through in order.
//!
//! Finding is what folding a record does; going through is for what is rare, and sorts first. So what is
//! seen of a table is what a `BTreeMap` would show, whatever the hashes are.

#![expect(
    clippy::disallowed_types,
    reason = "the order of hashes does not get out of here"
)]

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

use foldhash::fast::FixedState;

use crate::name::{Identified, Name};

/// Values by name.
#[derive(Clone, PartialEq)]
pub struct Table<V>(HashMap<Name, V, FixedState>);

impl<V> Table<V> {
    /// What is there of `whom`, whatever its version.
    pub fn get(&self, whom: &impl Identified) -> Option<&V> {
        self.0.get(whom as &dyn Identified)
    }

    /// Whether anything is there of `whom`.
    pub fn contains(&self, whom: &impl Identified) -> bool {
        self.0.contains_key(whom as &dyn Identified)
    }

    /// Everything, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &V)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.iter().map(|(name, _)| name)
    }

    /// What is there, in the order of the names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Whether `is_so` says yes to all. It is asked in no particular order.
    pub(crate) fn all(&self, mut is_so: impl FnMut(&Name, &V) -> bool) -> bool {
        self.0.iter().all(|(name, value)| is_so(name, value))
    }

    /// Keeps what `stays`, which is asked in no particular order.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&Name) -> bool) {
        self.0.retain(|name, _| stays(name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn entry(&self, whom: &impl Identified) -> Option<(&Name, &V)> {
        self.0.get_key_value(whom as &dyn Identified)
    }

    pub(crate) fn get_mut(&mut self, whom: &impl Identified) -> Option<&mut V> {
        self.0.get_mut(whom as &dyn Identified)
    }

    pub(crate) fn insert(&mut self, name: Name, value: V) -> Option<V> {
        self.0.insert(name, value)
    }

    pub(crate) fn remove(&mut self, whom: &impl Identified) -> Option<V> {
        self.0.remove(whom as &dyn Identified)
    }
}

impl<V: Default> Table<V> {
    /// What is there of `name`, or the default, which then is there.
    pub(crate) fn get_or_default(&mut self, name: &Name) -> &mut V {
        self.0.entry(name.clone()).or_default()
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<V: fmt::Debug> fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Identities of objects that are elsewhere.
pub(crate) struct Identities<'a>(HashSet<&'a dyn Identified, FixedState>);

impl Identities<'_> {
    pub(crate) fn contains(&self, whom: &impl Identified) -> bool {
        self.0.contains(whom as &dyn Identified)
    }
}

impl<'a, T: Identified> FromIterator<&'a T> for Identities<'a> {
    fn from_iter<I: IntoIterator<Item = &'a T>>(all: I) -> Self {
        Self(all.into_iter().map(|it| it as &dyn Identified).collect())
    }
}

/// What was marked, in whatever order and however often; taken out once each, and in order.
#[derive(Clone, Debug)]
pub(crate) struct Marked<T> {
    all: HashSet<T, FixedState>,
    is_wanted: bool,
}

impl<T: Eq + Hash + Ord> Marked<T> {
    /// Marks nothing: nobody is going to take it.
    pub(crate) fn unwanted() -> Self {
        Self {
            all: HashSet::default(),
            is_wanted: false,
        }
    }

    pub(crate) fn mark(&mut self, value: T) {
        if self.is_wanted {
            self.all.insert(value);
        }
    }

    /// All of it, in order.
    pub(crate) fn take(&mut self) -> Vec<T> {
        let mut all: Vec<_> = std::mem::take(&mut self.all).into_iter().collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }
}

impl<T> Default for Marked<T> {
    fn default() -> Self {
        Self {
            all: HashSet::default(),
            is_wanted: true,
        }
    }
}
