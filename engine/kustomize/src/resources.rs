//! The objects of a build in their order, no two with the same id.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::generate;
use crate::resource::{Behavior, Id, Resource, child_map, written_text};

/// Objects in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    list: Vec<Resource>,
    /// Ids of `list`, while they are known to be those; empty after a change.
    keys: BTreeSet<Id>,
}

impl Resources {
    pub(crate) fn list(&self) -> &[Resource] {
        &self.list
    }

    /// All objects, to be changed. Afterwards two may have one id; see [`Resources::check_ids`].
    pub(crate) fn list_mut(&mut self) -> &mut Vec<Resource> {
        self.keys.clear();
        &mut self.list
    }

    pub(crate) fn into_list(self) -> Vec<Resource> {
        self.list
    }

    /// Adds objects at the end; an id that is there already is refused.
    pub(crate) fn append(&mut self, added: Vec<Resource>) -> Result<()> {
        self.index();
        for resource in added {
            if !self.keys.insert(resource.id().key()) {
                return Err(Error::new(format!(
                    "there is already an object {}; remove one of the two, or rename it",
                    resource.id()
                )));
            }
            self.list.push(resource);
        }
        Ok(())
    }

    /// Refuses two objects with one id.
    pub(crate) fn check_ids(&mut self) -> Result<()> {
        let list = std::mem::take(&mut self.list);
        self.keys.clear();
        self.list.reserve(list.len());
        self.append(list)
    }

    fn index(&mut self) {
        if self.keys.len() != self.list.len() {
            self.keys = self
                .list
                .iter()
                .map(|resource| resource.id().key())
                .collect();
        }
    }

    /// Positions of the objects that have, or had, an id that matches.
    pub(crate) fn by_any_id(&self, matches: impl Fn(&Id) -> bool) -> Vec<usize> {
        let positions = self.list.iter().enumerate();
        positions
            .filter(|(_, resource)| resource.any_id(&matches))
            .map(|(position, _)| position)
            .collect()
    }

    /// Position of the one object that has, or had, this id.
    pub(crate) fn one_by_id(&self, id: &Id) -> Result<usize> {
        match self.by_any_id(|other| other.same(id)).as_slice() {
            [position] => Ok(*position),
            [] => Err(Error::new(format!(
                "no object {id} to patch; add it to `resources`, or correct the patch's apiVersion, kind, name and namespace"
            ))),
            several => Err(Error::new(format!(
                "{} objects are or were {id}; give the patch a target that tells them apart",
                several.len()
            ))),
        }
    }

    /// Adds a generated object, or lets it replace or merge with the one of its name.
    pub(crate) fn absorb(&mut self, mut generated: Resource) -> Result<()> {
        let id = generated.id();
        let found = self.by_any_id(|other| other.same(&id));
        match (found.as_slice(), generated.behavior) {
            ([], Behavior::Create) => self.append(vec![generated]),
            ([], Behavior::Merge | Behavior::Replace) => Err(Error::new(format!(
                "there is no {id} to merge with or replace; use behavior: create"
            ))),
            ([_], Behavior::Create) => Err(Error::new(format!(
                "there is already {id}; use behavior: merge or replace, or another name"
            ))),
            ([position], Behavior::Replace) => {
                inherit(&mut generated, &self.list[*position]);
                self.list_mut()[*position] = generated;
                Ok(())
            }
            ([position], Behavior::Merge) => {
                let old = &self.list[*position];
                inherit(&mut generated, old);
                generated.origin.clone_from(&old.origin);
                generate::merge_data(&mut generated.value, &old.value)?;
                self.list_mut()[*position] = generated;
                Ok(())
            }
            (_, _) => Err(Error::new(format!(
                "several objects could be merged with {id}"
            ))),
        }
    }
}

/// What a generated object takes over from the one it replaces or merges with: metadata and history.
fn inherit(generated: &mut Resource, old: &Resource) {
    for field in ["labels", "annotations"] {
        inherit_map(&mut generated.value, &old.value, field);
    }
    let id = old.id();
    generated.set_name(&id.name);
    generated.set_namespace(&id.namespace);
    generated.previous.clone_from(&old.previous);
    generated.prefixes.clone_from(&old.prefixes);
    generated.suffixes.clone_from(&old.suffixes);
    generated.vars.clone_from(&old.vars);
    generated.behavior = old.behavior;
    generated.needs_hash = generated.needs_hash && old.needs_hash;
}

fn inherit_map(generated: &mut Value, old: &Value, field: &str) {
    let Some(old) = old
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_object)
        .filter(|old| !old.is_empty())
    else {
        return;
    };
    let Some(metadata) = child_map(generated, "metadata") else {
        return;
    };
    let own = metadata.remove(field);
    let mut merged = old.clone();
    for text in merged.values_mut() {
        *text = Value::String(written_text(text));
    }
    if let Some(Value::Object(own)) = own {
        merged.extend(own);
    }
    metadata.insert(field.to_owned(), Value::Object(merged));
}
