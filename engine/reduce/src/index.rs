//! Who depends on whom: derived from the states, never stored, and always as if made from nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{Identified, Name};
use crate::table::Table;

/// An object that is watched in the cluster, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The version it was last written with; empty where only its health is asked.
    pub version: String,
    /// The Kustomizations that own it or wait for it.
    pub by: BTreeSet<Name>,
}

/// What one Kustomization or HelmChart refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Links {
    pub(crate) source: Option<Name>,
    pub(crate) dependencies: Vec<Name>,
    /// By identity, with the version.
    pub(crate) objects: Table<String>,
}

/// The references between objects, in both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    links: Table<Links>,
    users: Table<BTreeSet<Name>>,
    dependents: Table<BTreeSet<Name>>,
    watched: Table<Watched>,
    /// How many watched objects there are of each group, version and kind.
    kinds: BTreeMap<(String, String, String), usize>,
}

impl Index {
    /// Replaces what `object` refers to. Answers the objects that nobody watches any more.
    pub(crate) fn set(&mut self, object: &Name, links: Links) -> Vec<Name> {
        let before = self.links.remove(object).unwrap_or_default();
        if before == links {
            if links != Links::default() {
                self.links.insert(object.clone(), links);
            }
            return Vec::new();
        }
        if let Some(source) = &before.source {
            remove(&mut self.users, source, object);
        }
        for dependency in &before.dependencies {
            remove(&mut self.dependents, dependency, object);
        }
        if let Some(source) = &links.source {
            self.users.get_or_default(source).insert(object.clone());
        }
        for dependency in &links.dependencies {
            self.dependents
                .get_or_default(dependency)
                .insert(object.clone());
        }
        let mut left = Vec::new();
        for (target, version) in before.objects.iter() {
            if links.objects.get(target) != Some(version) && self.unwatch(target, object) {
                left.push(target.clone());
            }
        }
        for (target, version) in links.objects.iter() {
            if before.objects.get(target) != Some(version) {
                self.watch(target, version, object);
            }
        }
        if links != Links::default() {
            self.links.insert(object.clone(), links);
        }
        left.retain(|target| !self.watched.contains(target));
        left
    }

    fn watch(&mut self, target: &Name, version: &str, by: &Name) {
        let mut whom = self.take(target);
        whom.by.insert(by.clone());
        if !version.is_empty() {
            version.clone_into(&mut whom.version);
        }
        *self.kinds.entry(kind_of(target, &whom)).or_default() += 1;
        self.watched.insert(target.clone(), whom);
    }

    fn unwatch(&mut self, target: &Name, by: &Name) -> bool {
        let mut whom = self.take(target);
        whom.by.remove(by);
        if whom.by.is_empty() {
            return true;
        }
        *self.kinds.entry(kind_of(target, &whom)).or_default() += 1;
        self.watched.insert(target.clone(), whom);
        false
    }

    fn take(&mut self, target: &Name) -> Watched {
        let Some(watched) = self.watched.remove(target) else {
            return Watched {
                version: String::new(),
                by: BTreeSet::new(),
            };
        };
        let kind = kind_of(target, &watched);
        if let Some(count) = self.kinds.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                self.kinds.remove(&kind);
            }
        }
        watched
    }

    /// The Kustomizations and HelmCharts made from `source`.
    pub(crate) fn users(&self, source: &Name) -> impl Iterator<Item = &Name> {
        self.users.get(source).into_iter().flatten()
    }

    /// The Kustomizations that wait for `object`.
    pub(crate) fn dependents(&self, object: &Name) -> impl Iterator<Item = &Name> {
        self.dependents.get(object).into_iter().flatten()
    }

    /// What `object` is made from.
    pub(crate) fn source(&self, object: &impl Identified) -> Option<&Name> {
        self.links.get(object)?.source.as_ref()
    }

    /// What `object` waits for.
    pub(crate) fn dependencies(&self, object: &impl Identified) -> &[Name] {
        self.links
            .get(object)
            .map_or(&[], |links| &links.dependencies)
    }

    /// Who watches `target`.
    pub(crate) fn watched(&self, target: &impl Identified) -> Option<(&Name, &Watched)> {
        self.watched.entry(target)
    }

    /// Every watched object.
    pub(crate) fn all_watched(&self) -> impl Iterator<Item = (&Name, &Watched)> {
        self.watched.iter()
    }

    /// The kinds of the watched objects: group, version, kind.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &(String, String, String)> {
        self.kinds.keys()
    }
}

fn kind_of(target: &Name, watched: &Watched) -> (String, String, String) {
    (
        target.group.clone(),
        watched.version.clone(),
        target.kind.clone(),
    )
}

fn remove(map: &mut Table<BTreeSet<Name>>, key: &Name, value: &Name) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
