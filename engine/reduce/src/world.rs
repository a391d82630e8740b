//! Everything known about every object, as of one offset.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::KustomizationSpec;
use fluvial_event::{Artifact, Decision, Digest, Event, Id, ObjectRef, Record, Timestamp};

use crate::bystander::Bystander;
use crate::declared::{Declared, Outstanding};
use crate::git_repository::Source;
use crate::index::{Index, Links, Watched};
use crate::kustomization::Kustomization;
use crate::live::Seen;
use crate::schedule::Due;
use crate::state::{self, Error, Key, Value};

/// The record that touched an object last: what its decision follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Touch {
    cause: Id,
    correlation: Id,
}

/// A decision with what it follows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The record that made it due.
    pub cause: Id,
    /// What began it all.
    pub correlation: Id,
    /// What is decided.
    pub decision: Decision,
}

/// Everything known about every object, as of one offset.
#[derive(Clone, Debug, Default)]
pub struct World {
    now: Timestamp,
    pub(crate) sources: BTreeMap<ObjectRef, Source>,
    pub(crate) kustomizations: BTreeMap<ObjectRef, Kustomization>,
    bystanders: BTreeMap<ObjectRef, Bystander>,
    pub(crate) seen: BTreeMap<ObjectRef, Seen>,
    // What follows is derived: it is never stored and is no part of the state.
    index: Index,
    suspects: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    touched: BTreeMap<ObjectRef, Touch>,
    timers: BTreeMap<ObjectRef, Timestamp>,
    queue: BTreeSet<(Timestamp, ObjectRef)>,
    dirty: BTreeSet<Key>,
}

impl World {
    /// Folds one record in.
    ///
    /// Total and deterministic: no clock, no chance, no error, whatever the record says.
    pub fn evolve(&mut self, record: &Record) {
        self.now = self.now.max(record.time);
        self.dirty.insert(Key::Clock);
        match &record.event {
            Event::TermStarted(_) => self.touch_all(record),
            Event::WatchGap(_) => {}
            Event::ObjectObserved(event) => {
                self.see(event.object.as_ref(), Seen::observed(event), record);
            }
            Event::ObjectGone(event) => self.see(event.object.as_ref(), Seen::gone(event), record),
            Event::ResourceDeleted(event) => {
                if let Some(object) = &event.object {
                    self.forget(&object.identity(), record);
                }
            }
            event @ (Event::ResourceObserved(_)
            | Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::TimerFired(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::CommandIssued(_)
            | Event::Waited(_)
            | Event::Concluded(_)) => {
                if let Some(object) = event.object() {
                    self.tell(&object.identity(), record);
                }
            }
        }
    }

    /// The next decision that is due, or `None` when everything has been decided. The decision takes
    /// effect when its record is folded in; until then this answers the same.
    pub fn decide(&mut self) -> Option<Decided> {
        while let Some((object, touch)) = self.touched.first_key_value() {
            let (object, touch) = (object.clone(), *touch);
            let due = self.due(&object);
            if let Due::Now(decision) = due {
                let Touch { cause, correlation } = touch;
                return Some(Decided {
                    cause,
                    correlation,
                    decision,
                });
            }
            self.touched.remove(&object);
            self.set_timer(&object, due);
            self.clear_suspects(&object);
        }
        None
    }

    /// Nothing is due: who has not drifted by now is not suspected until something new is heard.
    fn clear_suspects(&mut self, object: &ObjectRef) {
        let Some(suspects) = self.suspects.get_mut(object) else {
            return;
        };
        let owned = self.kustomizations.get(object).map(Kustomization::owned);
        suspects.retain(|suspect| {
            let owned = owned.and_then(|owned| owned.get(suspect));
            owned.is_some_and(|owned| owned.has_drifted(self.seen.get(suspect)))
        });
        if suspects.is_empty() {
            self.suspects.remove(object);
        }
    }

    /// Drops what is due and undecided: replay does, where the log decided otherwise.
    pub fn pass(&mut self) {
        while let Some((object, _)) = self.touched.pop_first() {
            let due = self.due(&object);
            self.set_timer(&object, due);
        }
    }

    fn due(&self, object: &ObjectRef) -> Due {
        if let Some(source) = self.sources.get(object) {
            source.decide(object, self.now)
        } else if let Some(kustomization) = self.kustomizations.get(object) {
            kustomization.decide(object, self.now, self)
        } else if let Some(bystander) = self.bystanders.get(object) {
            bystander.decide(object)
        } else {
            Due::Never
        }
    }

    fn set_timer(&mut self, object: &ObjectRef, due: Due) {
        if let Some(before) = self.timers.remove(object) {
            self.queue.remove(&(before, object.clone()));
        }
        if let Due::At(time) = due
            && time.0 < i64::MAX
        {
            self.timers.insert(object.clone(), time);
            self.queue.insert((time, object.clone()));
        }
    }

    /// The object that wants to be woken first, and when.
    pub fn next_timer(&self) -> Option<&(Timestamp, ObjectRef)> {
        self.queue.first()
    }

    /// The objects whose time has come at `now`.
    pub fn ripe(&self, now: Timestamp) -> impl Iterator<Item = &ObjectRef> {
        self.queue
            .iter()
            .take_while(move |(time, _)| *time <= now)
            .map(|(_, object)| object)
    }

    fn tell(&mut self, object: &ObjectRef, record: &Record) {
        let is_declaration = matches!(record.event, Event::ResourceObserved(_));
        let kind = (object.group.as_str(), object.kind.as_str());
        match kind {
            ("source.toolkit.fluxcd.io", "GitRepository") => {
                if is_declaration || self.sources.contains_key(object) {
                    self.sources
                        .entry(object.clone())
                        .or_default()
                        .evolve(record);
                    self.dirty.insert(Key::Source(object.clone()));
                }
            }
            ("kustomize.toolkit.fluxcd.io", "Kustomization") => {
                if is_declaration || self.kustomizations.contains_key(object) {
                    self.kustomizations
                        .entry(object.clone())
                        .or_default()
                        .evolve(record);
                    self.settle_kustomization(object);
                }
            }
            _ if is_declaration || self.bystanders.contains_key(object) => {
                self.bystanders
                    .entry(object.clone())
                    .or_default()
                    .evolve(record);
                self.dirty.insert(Key::Bystander(object.clone()));
            }
            _ => {}
        }
        self.touch(object, record);
        self.touch_around(object, record);
    }

    /// Brings the index and the list of changes up to date after a Kustomization evolved.
    fn settle_kustomization(&mut self, object: &ObjectRef) {
        self.dirty.insert(Key::Kustomization(object.clone()));
        let Some(kustomization) = self.kustomizations.get_mut(object) else {
            return;
        };
        for owned in std::mem::take(&mut kustomization.dirty) {
            self.suspects
                .entry(object.clone())
                .or_default()
                .insert(owned.clone());
            self.dirty.insert(Key::Owned(object.clone(), owned));
        }
        self.relink(object);
    }

    fn relink(&mut self, object: &ObjectRef) {
        let links = self.links(object);
        for left in self.index.set(object, links) {
            if self.seen.remove(&left).is_some() {
                self.dirty.insert(Key::Seen(left));
            }
        }
    }

    fn links(&self, object: &ObjectRef) -> Links {
        let Some(kustomization) = self.kustomizations.get(object) else {
            return Links::default();
        };
        let mut objects = BTreeMap::new();
        if let Some(spec) = &kustomization.spec {
            objects.extend(
                Self::health_targets_of(object, spec)
                    .into_iter()
                    .map(|it| (it, String::new())),
            );
        }
        for (key, owned) in &kustomization.owned {
            objects.insert(key.clone(), owned.version().to_owned());
        }
        let attempted = kustomization
            .core
            .attempt
            .iter()
            .flat_map(|attempt| &attempt.objects);
        for target in attempted.filter_map(|rendered| rendered.object.as_ref()) {
            objects.insert(target.identity(), target.version.clone());
        }
        let spec = kustomization.spec.as_ref();
        Links {
            source: spec.map(|spec| self.source_of(object, spec)),
            dependencies: spec
                .map(|spec| Self::dependencies_of(object, spec))
                .unwrap_or_default(),
            objects,
        }
    }

    /// Touches those who read what changed about `object`.
    fn touch_around(&mut self, object: &ObjectRef, record: &Record) {
        let reads = matches!(
            record.event,
            Event::ResourceObserved(_)
                | Event::ResourceDeleted(_)
                | Event::ArtifactFetched(_)
                | Event::Concluded(_)
        );
        if !reads {
            return;
        }
        let around: Vec<_> = self
            .index
            .users(object)
            .chain(self.index.dependents(object))
            .cloned()
            .collect();
        for other in around {
            self.touch(&other, record);
        }
    }

    fn touch(&mut self, object: &ObjectRef, record: &Record) {
        let touch = Touch {
            cause: record.id,
            correlation: record.correlation,
        };
        self.touched.insert(object.clone(), touch);
    }

    fn touch_all(&mut self, record: &Record) {
        let all: Vec<_> = self
            .sources
            .keys()
            .chain(self.kustomizations.keys())
            .chain(self.bystanders.keys())
            .cloned()
            .collect();
        for object in all {
            self.touch(&object, record);
        }
    }

    fn see(&mut self, object: Option<&ObjectRef>, seen: Seen, record: &Record) {
        let Some(object) = object.map(ObjectRef::identity) else {
            return;
        };
        let Some(watched) = self.index.watched(&object) else {
            return;
        };
        for by in watched.by.clone() {
            self.suspects
                .entry(by.clone())
                .or_default()
                .insert(object.clone());
            self.touch(&by, record);
        }
        self.dirty.insert(Key::Seen(object.clone()));
        self.seen.insert(object, seen);
    }

    fn forget(&mut self, object: &ObjectRef, record: &Record) {
        if self.sources.remove(object).is_some() {
            self.dirty.insert(Key::Source(object.clone()));
        }
        if self.bystanders.remove(object).is_some() {
            self.dirty.insert(Key::Bystander(object.clone()));
        }
        if let Some(kustomization) = self.kustomizations.remove(object) {
            self.dirty.insert(Key::Kustomization(object.clone()));
            for owned in kustomization.owned.into_keys() {
                self.dirty.insert(Key::Owned(object.clone(), owned));
            }
        }
        self.suspects.remove(object);
        self.relink(object);
        self.touch(object, record);
        self.touch_around(object, record);
    }
}

/// What reducers ask of each other.
impl World {
    /// The source of a Kustomization.
    pub(crate) fn source_of(&self, object: &ObjectRef, spec: &KustomizationSpec) -> ObjectRef {
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

    pub(crate) fn artifact_for(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
    ) -> Option<&Artifact> {
        self.sources
            .get(&self.source_of(object, spec))?
            .artifact
            .as_ref()
    }

    /// Whether an object of this name is declared.
    pub(crate) fn knows(&self, object: &ObjectRef) -> bool {
        self.sources.contains_key(object) || self.bystanders.contains_key(object)
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
            for next in self.index.dependencies(at) {
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

    /// The owned objects of `object` that something was heard of since they were last in order.
    pub(crate) fn suspects(&self, object: &ObjectRef) -> impl Iterator<Item = &ObjectRef> {
        self.suspects.get(object).into_iter().flatten()
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

    /// The GitRepositories.
    pub fn sources(&self) -> &BTreeMap<ObjectRef, Source> {
        &self.sources
    }

    /// The Kustomizations.
    pub fn kustomizations(&self) -> &BTreeMap<ObjectRef, Kustomization> {
        &self.kustomizations
    }

    /// Every declared object, with its uid.
    pub fn declared(&self) -> impl Iterator<Item = (&ObjectRef, &Declared)> {
        let sources = self
            .sources
            .iter()
            .map(|(object, it)| (object, &it.declared));
        let kustomizations = self
            .kustomizations
            .iter()
            .map(|(object, it)| (object, &it.core.declared));
        let bystanders = self
            .bystanders
            .iter()
            .map(|(object, it)| (object, it.declared()));
        sources.chain(kustomizations).chain(bystanders)
    }

    /// Every command that has no outcome yet.
    pub fn outstanding(&self) -> impl Iterator<Item = (&ObjectRef, &Outstanding)> {
        self.declared()
            .filter_map(|(object, it)| it.outstanding.as_ref().map(|out| (object, out)))
    }

    /// What began the command that `object` waits for, if its id is `cause`.
    pub fn correlation_of(&self, object: &ObjectRef, cause: Id) -> Option<Id> {
        let (_, declared) = self.one(&object.identity())?;
        let outstanding = declared
            .outstanding
            .as_ref()
            .filter(|it| it.id == cause.0)?;
        Some(Id(outstanding.correlation))
    }

    /// One declared object, by identity.
    pub fn one(&self, object: &ObjectRef) -> Option<(&'static str, &Declared)> {
        if let Some(source) = self.sources.get(object) {
            return Some(("GitRepository", &source.declared));
        }
        if let Some(kustomization) = self.kustomizations.get(object) {
            return Some(("Kustomization", &kustomization.core.declared));
        }
        self.bystanders.get(object).map(|it| ("", it.declared()))
    }

    /// Who watches an object, by identity.
    pub fn watched(&self, object: &ObjectRef) -> Option<&Watched> {
        self.index.watched(object)
    }

    /// Every watched object, by identity.
    pub fn all_watched(&self) -> impl Iterator<Item = (&ObjectRef, &Watched)> {
        self.index.all_watched()
    }

    /// The kinds that have to be watched: group, version (may be empty), kind.
    pub fn kinds(&self) -> impl Iterator<Item = &(String, String, String)> {
        self.index.kinds()
    }

    /// What was last seen of an object, by identity.
    pub fn seen(&self, object: &ObjectRef) -> Option<&Seen> {
        self.seen.get(object)
    }

    /// The manifest that a watched object is held to: that of the attempt in hand, else the applied.
    pub fn manifest_of(&self, object: &ObjectRef) -> Option<&str> {
        let watched = self.index.watched(object)?;
        watched
            .by
            .iter()
            .find_map(|by| self.kustomizations.get(by)?.manifest_of(object))
    }
}

/// How the world is stored and read back.
impl World {
    /// What changed since this was last asked: keys with their values, `None` for what is gone.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .iter()
            .map(|key| {
                (
                    key.to_bytes(),
                    self.value(key).map(|it| state::to_bytes(&it)),
                )
            })
            .collect()
    }

    fn value(&self, key: &Key) -> Option<Value> {
        match key {
            Key::Clock => Some(Value::Clock(self.now.0)),
            Key::Source(object) => self
                .sources
                .get(object)
                .map(|it| Value::Source(Box::new(it.clone()))),
            Key::Kustomization(object) => self
                .kustomizations
                .get(object)
                .map(|it| Value::Kustomization(Box::new(it.core.clone()))),
            Key::Owned(object, owned) => self
                .kustomizations
                .get(object)
                .and_then(|it| it.owned.get(owned))
                .map(|it| Value::Owned(Box::new(it.clone()))),
            Key::Seen(object) => self
                .seen
                .get(object)
                .map(|it| Value::Seen(Box::new(it.clone()))),
            Key::Bystander(object) => self
                .bystanders
                .get(object)
                .map(|it| Value::Bystander(Box::new(it.clone()))),
        }
    }

    fn keys(&self) -> BTreeSet<Key> {
        let mut keys = BTreeSet::from([Key::Clock]);
        keys.extend(self.sources.keys().cloned().map(Key::Source));
        keys.extend(self.bystanders.keys().cloned().map(Key::Bystander));
        keys.extend(self.seen.keys().cloned().map(Key::Seen));
        for (object, kustomization) in &self.kustomizations {
            keys.insert(Key::Kustomization(object.clone()));
            keys.extend(
                kustomization
                    .owned
                    .keys()
                    .map(|it| Key::Owned(object.clone(), it.clone())),
            );
        }
        keys
    }

    /// The digest of the whole state: the same log gives the same digest, on any machine.
    pub fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for key in self.keys() {
            let Some(value) = self.value(&key) else {
                continue;
            };
            for bytes in [key.to_bytes(), state::to_bytes(&value)] {
                all.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                all.extend_from_slice(&bytes);
            }
        }
        Digest::of(&all)
    }

    /// Puts the world together from stored pairs. Nothing is due until something is folded in.
    pub fn load<E>(
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error>
    where
        E: std::fmt::Display,
    {
        let mut world = Self::default();
        let mut owned = Vec::new();
        for pair in pairs {
            let (key, value) = pair.map_err(|error| Error(error.to_string()))?;
            match state::from_bytes(&key, &value)? {
                (Key::Clock, Value::Clock(time)) => world.now = Timestamp(time),
                (Key::Source(object), Value::Source(source)) => {
                    world.sources.insert(object, *source);
                }
                (Key::Kustomization(object), Value::Kustomization(core)) => {
                    world
                        .kustomizations
                        .insert(object, Kustomization::restored(*core));
                }
                (Key::Owned(object, key), Value::Owned(value)) => owned.push((object, key, *value)),
                (Key::Seen(object), Value::Seen(seen)) => {
                    world.seen.insert(object, *seen);
                }
                (Key::Bystander(object), Value::Bystander(bystander)) => {
                    world.bystanders.insert(object, *bystander);
                }
                (key, _) => return Err(Error(format!("{key:?} holds a value of another kind"))),
            }
        }
        for (object, key, value) in owned {
            let Some(kustomization) = world.kustomizations.get_mut(&object) else {
                return Err(Error(format!("{object} owns objects but is not there")));
            };
            world
                .suspects
                .entry(object)
                .or_default()
                .insert(key.clone());
            kustomization.owned.insert(key, value);
        }
        let all: Vec<_> = world.kustomizations.keys().cloned().collect();
        for object in &all {
            world.relink(object);
        }
        world.dirty.clear();
        world.set_all_timers();
        Ok(world)
    }

    fn set_all_timers(&mut self) {
        let all: Vec<_> = self.declared().map(|(object, _)| object.clone()).collect();
        for object in all {
            let due = self.due(&object);
            self.set_timer(&object, due);
        }
    }
}

/// Two worlds are equal when what is stored of them is.
impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
            && self.sources == other.sources
            && self.kustomizations == other.kustomizations
            && self.bystanders == other.bystanders
            && self.seen == other.seen
    }
}
