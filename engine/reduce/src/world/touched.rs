//! Who is to be asked what is due, and because of which record.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fluvial_event::Id;

use crate::name::Name;
use crate::table::Table;

/// The record that touched an object last: what its decision follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Touch {
    pub(super) cause: Id,
    pub(super) correlation: Id,
}

/// The touched objects, taken in the order of their names. Touching one costs the same however many there
/// are: they are put in order when they are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    touches: Table<Touch>,
    /// Each object of `touches` is in one of these, once.
    ordered: BinaryHeap<Reverse<Name>>,
    new: Vec<Name>,
}

impl Touched {
    pub(super) fn insert(&mut self, object: &Name, touch: Touch) {
        if self.touches.insert(object.clone(), touch).is_none() {
            self.new.push(object.clone());
        }
    }

    /// The first, and what touched it last.
    pub(super) fn first(&mut self) -> Option<(Name, Touch)> {
        self.ordered.extend(self.new.drain(..).map(Reverse));
        let Reverse(first) = self.ordered.peek()?;
        Some((first.clone(), *self.touches.get(first)?))
    }

    /// Takes the first out.
    pub(super) fn take_first(&mut self) -> Option<Name> {
        self.ordered.extend(self.new.drain(..).map(Reverse));
        let Reverse(first) = self.ordered.pop()?;
        self.touches.remove(&first);
        Some(first)
    }
}
