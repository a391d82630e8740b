//! A map as Go has it: whoever holds it sees what others set.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::{Text, Value};

/// What the values of a map are, in Go's type of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elements {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    Text,
}

/// A map from strings to values. Clones share what is in it; keys are in order.
#[derive(Clone)]
pub struct Map(Rc<Inner>);

struct Inner {
    elements: Elements,
    name: Option<&'static str>,
    /// A map that is not there at all: reads as empty, and takes nothing.
    nil: bool,
    entries: RefCell<BTreeMap<Text, Value>>,
}

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::with(Elements::Any, None, false)
    }

    /// An empty map whose type has a name of its own, such as `common.Values`.
    pub fn named(name: &'static str) -> Self {
        Self::with(Elements::Any, Some(name), false)
    }

    /// An empty `map[string]string`.
    pub(crate) fn of_texts() -> Self {
        Self::with(Elements::Text, None, false)
    }

    /// Go's nil map.
    pub(crate) fn nil() -> Self {
        Self::with(Elements::Any, None, true)
    }

    fn with(elements: Elements, name: Option<&'static str>, nil: bool) -> Self {
        Self(Rc::new(Inner {
            elements,
            name,
            nil,
            entries: RefCell::default(),
        }))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.get_bytes(key.as_bytes())
    }

    pub(crate) fn get_bytes(&self, key: &[u8]) -> Option<Value> {
        self.0.entries.borrow().get(key).cloned()
    }

    /// Whether a key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.0.entries.borrow().contains_key(key.as_bytes())
    }

    /// Sets a key, for all who hold this map.
    pub fn insert(&self, key: impl Into<Text>, value: Value) {
        self.0.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes a key, for all who hold this map.
    pub fn remove(&self, key: &str) {
        self.remove_bytes(key.as_bytes());
    }

    pub(crate) fn remove_bytes(&self, key: &[u8]) {
        self.0.entries.borrow_mut().remove(key);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.entries.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it now, in the order of the keys.
    pub fn entries(&self) -> Vec<(Text, Value)> {
        let entries = self.0.entries.borrow();
        entries
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Its keys, in order.
    pub fn keys(&self) -> Vec<Text> {
        self.0.entries.borrow().keys().cloned().collect()
    }

    pub(crate) fn each(&self, mut visit: impl FnMut(&Text, &Value)) {
        for (key, value) in self.0.entries.borrow().iter() {
            visit(key, value);
        }
    }

    pub(crate) fn elements(&self) -> Elements {
        self.0.elements
    }

    pub(crate) fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// Whether it is of the type `map[string]interface {}` itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.elements == Elements::Any && self.0.name.is_none()
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match (self.0.name, self.0.elements) {
            (Some(name), _) => name,
            (None, Elements::Any) => "map[string]interface {}",
            (None, Elements::Text) => "map[string]string",
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// A map of the same type with nothing in it.
    pub(crate) fn same_type(&self) -> Self {
        Self::with(self.0.elements, self.0.name, false)
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl fmt::Debug for Map {
    /// Not what is in it: a map may hold itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.type_name(), self.len())
    }
}
