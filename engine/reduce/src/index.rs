//! Who depends on whom: derived from the states, never stored, and always as if made from nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{Identified, Name};
use crate::table::Table;

/// What owns objects; each kind of owner marks them in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owners {
    /// Kustomizations.
    Kustomizations,
    /// HelmReleases.
    Releases,
}

/// An object that is watched in the cluster, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The version it was last written with; empty where only its health is asked.
    pub version: String,
    /// Who owns it or waits for it.
    pub by: BTreeSet<Name>,
    /// How many of them own it, by what they are.
    kustomizations: u32,
    releases: u32,
}

impl Watched {
    /// Whether some of these own it, rather than wait for it.
    pub fn is_owned_by(&self, owners: Owners) -> bool {
        match owners {
            Owners::Kustomizations => self.kustomizations > 0,
            Owners::Releases => self.releases > 0,
        }
    }

    /// Whether anybody owns it.
    pub fn is_owned(&self) -> bool {
        self.kustomizations + self.releases > 0
    }

    fn owners_like(&mut self, owner: &Name) -> &mut u32 {
        if owner.kind == "HelmRelease" {
            &mut self.releases
        } else {
            &mut self.kustomizations
        }
    }
}

/// A kind of which objects are watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedKind {
    /// Its API group.
    pub group: String,
    /// The version in which they were written; empty where they are only waited for.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// Who owns them; nobody where they are only waited for.
    pub owners: Option<Owners>,
}

/// What one Kustomization or HelmChart refers to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Links {
    pub(crate) source: Option<Name>,
    pub(crate) dependencies: Vec<Name>,
    /// By identity, with the version; without one what is waited for and not owned.
    pub(crate) objects: Table<String>,
}

/// The references between objects, in both directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    links: Table<Links>,
    users: Table<BTreeSet<Name>>,
    dependents: Table<BTreeSet<Name>>,
    watched: Table<Watched>,
    /// How many watched objects there are of each kind.
    kinds: BTreeMap<WatchedKind, usize>,
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
            if links.objects.get(target) != Some(version) && self.unwatch(target, version, object) {
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
            *whom.owners_like(by) += 1;
            version.clone_into(&mut whom.version);
        }
        self.put(target, whom);
    }

    fn unwatch(&mut self, target: &Name, version: &str, by: &Name) -> bool {
        let mut whom = self.take(target);
        whom.by.remove(by);
        if !version.is_empty() {
            let owners = whom.owners_like(by);
            *owners = owners.saturating_sub(1);
        }
        if whom.by.is_empty() {
            return true;
        }
        self.put(target, whom);
        false
    }

    fn put(&mut self, target: &Name, watched: Watched) {
        for kind in kinds_of(target, &watched) {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.watched.insert(target.clone(), watched);
    }

    fn take(&mut self, target: &Name) -> Watched {
        let Some(watched) = self.watched.remove(target) else {
            return Watched::default();
        };
        for kind in kinds_of(target, &watched) {
            if let Some(count) = self.kinds.get_mut(&kind) {
                *count -= 1;
                if *count == 0 {
                    self.kinds.remove(&kind);
                }
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

    /// The kinds of the watched objects.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &WatchedKind> {
        self.kinds.keys()
    }
}

fn kinds_of(target: &Name, watched: &Watched) -> impl Iterator<Item = WatchedKind> + use<> {
    let all = [Owners::Kustomizations, Owners::Releases];
    let owners = all.map(|owners| watched.is_owned_by(owners).then_some(owners));
    let (group, kind) = (target.group.clone(), target.kind.clone());
    let version = watched.version.clone();
    let waited_for = (!watched.is_owned()).then_some((None, String::new()));
    let owned = owners.into_iter().flatten();
    let owned = owned.map(move |owners| (Some(owners), version.clone()));
    let all = waited_for.into_iter().chain(owned);
    all.map(move |(owners, version)| WatchedKind {
        group: group.clone(),
        version,
        kind: kind.clone(),
        owners,
    })
}

fn remove(map: &mut Table<BTreeSet<Name>>, key: &Name, value: &Name) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
