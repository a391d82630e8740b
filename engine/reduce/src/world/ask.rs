//! What is asked of the world: by reducers of each other, and by the rest of the engine.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::KustomizationSpec;
use fluvial_api::kustomization::HealthCheckExpression;
use fluvial_apply::health::expression;
use fluvial_event::{Artifact, HealthExpression, Id, ObjectRef, Rendered, Timestamp};

use super::{Kind, World};
use crate::bystander::Bystander;
use crate::declared::{Declared, Outstanding};
use crate::helm_release::HelmRelease;
use crate::index::{Watched, WatchedKind};
use crate::kustomization::Kustomization;
use crate::live::Seen;
use crate::name::{Identified, Name};
use crate::source::Source;
use crate::table::Table;

/// What reducers ask of each other.
impl World {
    /// The source of a Kustomization.
    pub(crate) fn source_of(object: &ObjectRef, spec: &KustomizationSpec) -> ObjectRef {
        let source = &spec.source_ref;
        ObjectRef {
            group: "source.toolkit.fluxcd.io".into(),
            version: String::new(),
            kind: source.kind.clone(),
            namespace: source
                .namespace
                .clone()
                .unwrap_or_else(|| object.namespace.clone()),
            name: source.name.clone(),
        }
    }

    /// Whether an object of this kind is a source that is reconciled here.
    pub(crate) fn is_source(object: &ObjectRef) -> bool {
        matches!(Kind::of(object), Kind::Source)
    }

    /// The artifact in hand of the source of `object`.
    pub(crate) fn artifact_for(&self, object: &ObjectRef) -> Option<&Artifact> {
        let source = self.index.source(object)?;
        self.sources.get(source)?.artifact.as_ref()
    }

    /// What a source has produced.
    pub(crate) fn artifact_of(&self, source: &ObjectRef) -> Option<&Artifact> {
        self.sources.get(source)?.artifact.as_ref()
    }

    /// A source.
    pub(crate) fn source(&self, object: &ObjectRef) -> Option<&Source> {
        self.sources.get(object)
    }

    /// Whether an object of this name is declared.
    pub(crate) fn knows(&self, object: &ObjectRef) -> bool {
        self.sources.contains(object) || self.bystanders.contains(object)
    }

    pub(crate) fn dependencies_of(object: &ObjectRef, spec: &KustomizationSpec) -> Vec<ObjectRef> {
        spec.depends_on
            .iter()
            .map(|dependency| ObjectRef {
                namespace: dependency
                    .namespace
                    .clone()
                    .unwrap_or_else(|| object.namespace.clone()),
                name: dependency.name.clone(),
                ..object.identity()
            })
            .collect()
    }

    pub(crate) fn health_targets_of(
        object: &ObjectRef,
        spec: &KustomizationSpec,
    ) -> Vec<ObjectRef> {
        if spec.wait {
            return Vec::new();
        }
        spec.health_checks
            .iter()
            .map(|check| {
                let api_version = check.api_version.as_deref().unwrap_or_default();
                let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
                ObjectRef {
                    group: group.into(),
                    version: String::new(),
                    kind: check.kind.clone(),
                    namespace: check
                        .namespace
                        .clone()
                        .unwrap_or_else(|| object.namespace.clone()),
                    name: check.name.clone(),
                }
            })
            .collect()
    }

    /// The way through `dependsOn` from `object` back to itself, if there is one.
    pub(crate) fn cycle_through(&self, object: &ObjectRef) -> Option<String> {
        let mut came_from: BTreeMap<&ObjectRef, &ObjectRef> = BTreeMap::new();
        let mut open = vec![object];
        while let Some(at) = open.pop() {
            for next in self.index.dependencies(at).iter().map(|it| &**it) {
                if next == object {
                    return Some(path(object, at, &came_from));
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, at);
                    open.push(next);
                }
            }
        }
        None
    }

    /// The health checks in CEL of an owner.
    pub(crate) fn checks_of(&self, owner: &impl Identified) -> &[HealthCheckExpression] {
        let kustomization = self.kustomizations.get(owner).map(Kustomization::checks);
        let release = || self.releases.get(owner).map(HelmRelease::checks);
        kustomization.or_else(release).unwrap_or_default()
    }

    /// The health checks in CEL that are for some of `objects`, which are about to be applied by `owner`.
    pub(crate) fn judges_of(
        &self,
        owner: &ObjectRef,
        objects: &[Rendered],
    ) -> Vec<HealthExpression> {
        if self.judges.is_empty() {
            return Vec::new();
        }
        let mut all: BTreeMap<_, HealthExpression> = BTreeMap::new();
        for object in objects.iter().filter_map(|it| it.object.as_ref()) {
            let own = || expression::find(self.checks_of(owner), &object.group, &object.kind);
            let check = self
                .judge_of(object)
                .or_else(|| own().map(expression::recorded));
            if let Some(check) = check {
                let kind = object.kind.clone();
                let check = HealthExpression { kind, ..check };
                all.entry((object.group.clone(), object.kind.clone()))
                    .or_insert(check);
            }
        }
        all.into_values().collect()
    }

    /// Whether the health of `object` was judged as one with `checks` wants it: what was seen before is
    /// judged again once the watch has begun anew.
    pub(crate) fn is_judged(
        &self,
        checks: &[HealthCheckExpression],
        object: &ObjectRef,
        seen: &Seen,
    ) -> bool {
        if checks.is_empty() || seen.gone {
            return true;
        }
        let judge = self.judge_of(object);
        seen.judged == judge.as_ref().map(expression::mark).unwrap_or_default()
    }

    /// The owned objects of `object` that something was heard of since they were last in order.
    pub(crate) fn suspects(&self, object: &ObjectRef) -> impl Iterator<Item = &Name> {
        let suspects = self.suspects.get(object);
        suspects.into_iter().flat_map(|it| it.all.names())
    }
}

fn path(
    start: &ObjectRef,
    last: &ObjectRef,
    came_from: &BTreeMap<&ObjectRef, &ObjectRef>,
) -> String {
    let mut names = vec![start.name.as_str()];
    let mut at = last;
    while at != start {
        names.push(&at.name);
        let Some(before) = came_from.get(at) else {
            break;
        };
        at = before;
    }
    names.push(&start.name);
    names.reverse();
    names.join(" -> ")
}

/// What the rest of the engine asks.
impl World {
    /// The time of the last record.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The sources, of every kind that is reconciled.
    pub fn sources(&self) -> &Table<Source> {
        &self.sources
    }

    /// The Kustomizations.
    pub fn kustomizations(&self) -> &Table<Kustomization> {
        &self.kustomizations
    }

    /// The HelmReleases.
    pub fn releases(&self) -> &Table<HelmRelease> {
        &self.releases
    }

    /// Every declared object, with its uid.
    pub fn declared(&self) -> impl Iterator<Item = (&ObjectRef, &Declared)> {
        let all = self.names().filter_map(|name| self.entry(name));
        all.map(|(name, declared)| (&**name, declared))
    }

    /// The names of every declared object.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        let sources = self.sources.names();
        sources
            .chain(self.kustomizations.names())
            .chain(self.releases.names())
            .chain(self.bystanders.names())
            .chain(self.alerts.names())
            .chain(self.providers.names())
    }

    /// Every command that has no outcome yet.
    pub fn outstanding(&self) -> impl Iterator<Item = (&ObjectRef, &Outstanding)> {
        self.declared()
            .filter_map(|(object, it)| it.outstanding.as_ref().map(|out| (object, out)))
    }

    /// What began the command that `object` waits for, if its id is `cause`.
    pub fn correlation_of(&self, object: &ObjectRef, cause: Id) -> Option<Id> {
        let declared = self.one(object)?;
        let outstanding = declared
            .outstanding
            .as_ref()
            .filter(|it| it.id == cause.0)?;
        Some(Id(outstanding.correlation))
    }

    /// One declared object.
    pub fn one(&self, object: &impl Identified) -> Option<&Declared> {
        self.entry(object).map(|(_, declared)| declared)
    }

    /// One declared object, and its name as it is kept here.
    pub(super) fn entry(&self, object: &impl Identified) -> Option<(&Name, &Declared)> {
        fn of<'a, V>(
            found: Option<(&'a Name, &'a V)>,
            declared: impl FnOnce(&'a V) -> &'a Declared,
        ) -> Option<(&'a Name, &'a Declared)> {
            found.map(|(name, it)| (name, declared(it)))
        }
        match Kind::of(object.object()) {
            Kind::Source => of(self.sources.entry(object), |it| &it.declared),
            Kind::Kustomization => of(self.kustomizations.entry(object), |it| &it.core.declared),
            Kind::HelmRelease => of(self.releases.entry(object), |it| &it.core.declared),
            Kind::Alert => of(self.alerts.entry(object), |it| &it.declared),
            Kind::Provider => of(self.providers.entry(object), |it| &it.declared),
            Kind::Bystander => of(self.bystanders.entry(object), Bystander::declared),
        }
    }

    /// Who watches an object.
    pub fn watched(&self, object: &ObjectRef) -> Option<&Watched> {
        self.index.watched(object).map(|(_, watched)| watched)
    }

    /// The health check in CEL that an object's health is judged by: that of the first who watches it and
    /// has one for its kind.
    pub fn judge_of(&self, object: &ObjectRef) -> Option<HealthExpression> {
        if self.judges.is_empty() {
            return None;
        }
        let by = &self.watched(object)?.by;
        let find = |by| expression::find(self.checks_of(by), &object.group, &object.kind);
        by.iter().find_map(find).map(expression::recorded)
    }

    /// What the health of a kind's objects is judged by: another text where that is another.
    pub fn judged_by(&self, group: &str, kind: &str) -> String {
        let check = |by| expression::find(self.checks_of(by), group, kind);
        let checks = self.judges.iter().filter_map(check);
        let marks: BTreeSet<_> = checks
            .map(|it| expression::mark(&expression::recorded(it)))
            .collect();
        marks.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// Whether one who watches an object has a command under way, which may be writing it just now.
    pub fn is_in_hand(&self, object: &ObjectRef) -> bool {
        let is_busy = |by: &Name| self.one(by).is_some_and(|it| it.outstanding.is_some());
        let watched = self.watched(object);
        watched.is_some_and(|watched| watched.by.iter().any(is_busy))
    }

    /// Every watched object, by identity.
    pub fn all_watched(&self) -> impl Iterator<Item = (&ObjectRef, &Watched)> {
        let all = self.index.all_watched();
        all.map(|(name, watched)| (&**name, watched))
    }

    /// The kinds that have to be watched.
    pub fn kinds(&self) -> impl Iterator<Item = &WatchedKind> {
        self.index.kinds()
    }

    /// What was last seen of an object.
    pub fn seen(&self, object: &ObjectRef) -> Option<&Seen> {
        self.seen.get(object)
    }

    /// What a watched object is held to: as the attempt in hand has it, else as it was applied.
    pub fn rendered_of(&self, object: &ObjectRef) -> Option<&Rendered> {
        let watched = self.watched(object)?;
        watched.by.iter().find_map(|by| {
            let released = self.releases.get(by);
            let released = released.and_then(|it| it.rendered_of(object));
            released.or_else(|| self.kustomizations.get(by)?.rendered_of(object))
        })
    }
}
