//! What one reconciler owns, and what of that is not stored or indexed yet.
//!
//! It reads as the table that it is. It changes only here, so that no change goes unnoticed.

use std::ops::Deref;

use fluvial_event::{AppliedObject, ObjectRef, Rendered, Timestamp};

use crate::live::Seen;
use crate::name::Name;
use crate::owned::Owned;
use crate::table::Table;

/// The objects of one reconciler.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Holdings {
    owned: Table<Owned>,
    /// The objects whose state changed since it was last stored.
    dirty: Vec<Name>,
    /// Whether what the reconciler refers to may have changed since that was last indexed.
    is_unlinked: bool,
}

/// What an apply changed.
pub(crate) struct Taken {
    /// Whether it changed the object.
    pub(crate) is_changed: bool,
    /// Whether the inventory names another object, or another version of it, than before.
    pub(crate) is_other: bool,
}

impl Deref for Holdings {
    type Target = Table<Owned>;

    fn deref(&self) -> &Table<Owned> {
        &self.owned
    }
}

impl Holdings {
    /// Nothing is held any more: another reconciler has the name now.
    pub(crate) fn clear(&mut self) {
        self.dirty.extend(self.owned.names().cloned());
        self.owned = Table::default();
        self.is_unlinked = true;
    }

    /// Puts back what was stored.
    pub(crate) fn restore(&mut self, name: Name, owned: Owned) {
        self.owned.insert(name, owned);
    }

    /// What the reconciler refers to may have changed.
    pub(crate) fn unlink(&mut self) {
        self.is_unlinked = true;
    }

    /// What is to be stored, and whether the index is to be made again; asked once for each change.
    pub(crate) fn settle(&mut self) -> (Vec<Name>, bool) {
        let dirty = std::mem::take(&mut self.dirty);
        (dirty, std::mem::take(&mut self.is_unlinked))
    }

    /// The name of an object that is owned or comes to be.
    pub(crate) fn name_of(&self, object: &ObjectRef) -> Name {
        let known = self.owned.entry(object);
        known.map_or_else(|| Name::of(object), |(name, _)| name.clone())
    }

    /// Takes over what somebody else applied.
    pub(crate) fn adopt(&mut self, object: &ObjectRef, owned: Owned) {
        let name = Name::of(object);
        self.dirty.push(name.clone());
        self.owned.insert(name, owned);
        self.is_unlinked = true;
    }

    /// What is about to be applied is owned from now on: an apply may have been done although its
    /// outcome says otherwise, or never comes, and what exists must be found when it is to be pruned.
    ///
    /// Answers whether anything is owned now that was not.
    pub(crate) fn intend<'a>(&mut self, objects: impl IntoIterator<Item = &'a Rendered>) -> bool {
        let mut is_more = false;
        for rendered in objects {
            let Some(object) = &rendered.object else {
                continue;
            };
            let name = self.name_of(object);
            self.dirty.push(name.clone());
            if let Some(owned) = self.owned.get_mut(&name) {
                // It may come to be another object of this name, and the answer may be lost.
                owned.uid.clear();
            } else {
                is_more = true;
                self.is_unlinked = true;
                self.owned.insert(name, Owned::intended(rendered));
            }
        }
        is_more
    }

    /// Repairs are counted when they begin: one that fails must slow down, too. `seen` is what the
    /// cluster was last seen to hold.
    pub(crate) fn count_repairs(
        &mut self,
        objects: &[Rendered],
        time: Timestamp,
        seen: &Table<Seen>,
    ) {
        for object in objects.iter().filter_map(|it| it.object.as_ref()) {
            let name = self.name_of(object);
            if let Some(owned) = self.owned.get_mut(&name) {
                owned.count_repair(time, seen.get(&name));
                self.dirty.push(name);
            }
        }
    }

    /// Takes over how `object` was applied.
    pub(crate) fn take(&mut self, object: &ObjectRef, applied: &AppliedObject) -> Taken {
        let name = self.name_of(object);
        let is_new = !self.owned.contains(&name);
        let owned = self.owned.get_or_default(&name);
        let is_other = owned.version() != object.version;
        let is_changed = owned.take(applied);
        self.is_unlinked |= is_new || is_other;
        self.dirty.push(name);
        Taken {
            is_changed,
            is_other,
        }
    }

    /// Owns an object no more; answers whether it was owned.
    pub(crate) fn disown(&mut self, object: &ObjectRef) -> bool {
        let name = self.name_of(object);
        let was_owned = self.owned.remove(&name).is_some();
        if was_owned {
            self.is_unlinked = true;
            self.dirty.push(name);
        }
        was_owned
    }

    /// Owns no more what does not stay; answers whether that was anything.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&Name) -> bool) -> bool {
        let before = self.dirty.len();
        let (owned, dirty) = (&mut self.owned, &mut self.dirty);
        owned.retain(|name| {
            let is_kept = stays(name);
            if !is_kept {
                dirty.push(name.clone());
            }
            is_kept
        });
        let is_less = self.dirty.len() > before;
        self.is_unlinked |= is_less;
        is_less
    }
}
