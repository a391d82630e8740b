//! A slice as Go has it; nothing in a template changes one in place.

use std::ops::Deref;
use std::rc::Rc;

use super::Value;

/// What the items of a list are, in Go's type of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Text,
    /// `[]int`
    Int,
    /// `[][]interface {}`
    Lists,
    /// `[]uint8`
    Bytes,
}

/// A list of values.
#[derive(Clone, Debug)]
pub struct List {
    items: Items,
    nil: bool,
    values: Rc<Vec<Value>>,
}

impl List {
    pub(crate) fn with(items: Items, values: Vec<Value>) -> Self {
        Self {
            items,
            nil: false,
            values: Rc::new(values),
        }
    }

    /// Go's nil slice.
    pub(crate) fn nil(items: Items) -> Self {
        Self {
            nil: true,
            ..Self::with(items, Vec::new())
        }
    }

    pub(crate) fn items(&self) -> Items {
        self.items
    }

    pub(crate) fn is_nil(&self) -> bool {
        self.nil
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self.items {
            Items::Any => "[]interface {}",
            Items::Text => "[]string",
            Items::Int => "[]int",
            Items::Lists => "[][]interface {}",
            Items::Bytes => "[]uint8",
        }
    }

    /// Those from `start` to before `end`.
    pub(crate) fn part(&self, start: usize, end: usize) -> Self {
        Self::with(self.items, self.values[start..end].to_vec())
    }
}

impl From<Vec<Value>> for List {
    fn from(values: Vec<Value>) -> Self {
        Self::with(Items::Any, values)
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}
