//! Everything known about every object, as of one offset.

mod ask;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{Decision, Event, Id, ObjectRef, ObjectsApplied, Record, Timestamp};

use crate::alert::{Alert, Provider};
use crate::bystander::Bystander;
use crate::git_repository::Source;
use crate::index::{Index, Links};
use crate::kustomization::Kustomization;
use crate::live::Seen;
use crate::schedule::Due;
use crate::state::Key;

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

/// The owned objects of one Kustomization that something was heard of.
#[derive(Clone, Debug, Default)]
struct Suspects {
    all: BTreeSet<ObjectRef>,
    /// Those of whom it was heard since they were last looked at: the others have drifted.
    new: BTreeSet<ObjectRef>,
}

/// Everything known about every object, as of one offset.
#[derive(Clone, Debug, Default)]
pub struct World {
    now: Timestamp,
    pub(crate) sources: BTreeMap<ObjectRef, Source>,
    pub(crate) kustomizations: BTreeMap<ObjectRef, Kustomization>,
    bystanders: BTreeMap<ObjectRef, Bystander>,
    alerts: BTreeMap<ObjectRef, Alert>,
    providers: BTreeMap<ObjectRef, Provider>,
    pub(crate) seen: BTreeMap<ObjectRef, Seen>,
    // What follows is derived: it is never stored and is no part of the state.
    index: Index,
    suspects: BTreeMap<ObjectRef, Suspects>,
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
            Event::ObjectsApplied(event) => {
                if let Some(object) = event.object.as_ref().map(ObjectRef::identity) {
                    let is_awaited = self.one(&object).is_some_and(|it| it.awaits(record));
                    self.tell(&object, record);
                    if is_awaited {
                        self.see_applied(event, record);
                    }
                }
            }
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
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::HoldEnded(_)
            | Event::ObjectsPruned(_)
            | Event::TimerFired(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_)
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
            self.set_timer(&object, &due);
            self.clear_suspects(&object);
        }
        None
    }

    /// Something was heard of `owned`, which `object` owns or waits for.
    fn suspect(&mut self, object: &ObjectRef, owned: &ObjectRef) {
        if !self.suspects.contains_key(object) {
            self.suspects.insert(object.clone(), Suspects::default());
        }
        if let Some(suspects) = self.suspects.get_mut(object)
            && suspects.new.insert(owned.clone())
        {
            suspects.all.insert(owned.clone());
        }
    }

    /// Nothing is due: who has not drifted by now is not suspected until something new is heard.
    fn clear_suspects(&mut self, object: &ObjectRef) {
        let Some(suspects) = self.suspects.get_mut(object) else {
            return;
        };
        let owned = self.kustomizations.get(object).map(Kustomization::owned);
        while let Some(suspect) = suspects.new.pop_first() {
            let owned = owned.and_then(|owned| owned.get(&suspect));
            if !owned.is_some_and(|owned| owned.has_drifted(self.seen.get(&suspect))) {
                suspects.all.remove(&suspect);
            }
        }
        if suspects.all.is_empty() {
            self.suspects.remove(object);
        }
    }

    /// Drops what is due and undecided: replay does, where the log decided otherwise.
    pub fn pass(&mut self) {
        while let Some((object, _)) = self.touched.pop_first() {
            let due = self.due(&object);
            self.set_timer(&object, &due);
        }
    }

    fn due(&self, object: &ObjectRef) -> Due {
        if let Some(source) = self.sources.get(object) {
            source.decide(object, self.now)
        } else if let Some(kustomization) = self.kustomizations.get(object) {
            kustomization.decide(object, self.now, self)
        } else if let Some(bystander) = self.bystanders.get(object) {
            bystander.decide(object)
        } else if let Some(alert) = self.alerts.get(object) {
            alert.decide(object, self.now)
        } else if let Some(provider) = self.providers.get(object) {
            provider.decide(object, self.now)
        } else {
            Due::Never
        }
    }

    fn set_timer(&mut self, object: &ObjectRef, due: &Due) {
        if let Some(before) = self.timers.remove(object) {
            self.queue.remove(&(before, object.clone()));
        }
        if let Due::At(time) = *due
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
        // Only a declaration makes an object known; news of others came too late.
        if !matches!(record.event, Event::ResourceObserved(_)) && self.one(object).is_none() {
            return;
        }
        let kind = (object.group.as_str(), object.kind.as_str());
        match kind {
            ("source.toolkit.fluxcd.io", "GitRepository") => {
                self.sources
                    .entry(object.clone())
                    .or_default()
                    .evolve(record);
                self.dirty.insert(Key::Source(object.clone()));
            }
            ("kustomize.toolkit.fluxcd.io", "Kustomization") => {
                self.kustomizations
                    .entry(object.clone())
                    .or_default()
                    .evolve(record, &self.seen);
                self.settle_kustomization(object);
            }
            ("notification.toolkit.fluxcd.io", "Alert") => {
                self.alerts
                    .entry(object.clone())
                    .or_default()
                    .evolve(record);
                self.dirty.insert(Key::Alert(object.clone()));
            }
            ("notification.toolkit.fluxcd.io", "Provider") => {
                self.providers
                    .entry(object.clone())
                    .or_default()
                    .evolve(record);
                self.dirty.insert(Key::Provider(object.clone()));
            }
            _ => {
                self.bystanders
                    .entry(object.clone())
                    .or_default()
                    .evolve(record);
                self.dirty.insert(Key::Bystander(object.clone()));
            }
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
        let dirty = std::mem::take(&mut kustomization.dirty);
        let is_unlinked = std::mem::take(&mut kustomization.is_unlinked);
        for owned in dirty {
            self.suspect(object, &owned);
            self.dirty.insert(Key::Owned(object.clone(), owned));
        }
        if is_unlinked {
            self.relink(object);
        }
    }

    /// Whether the index is as if made from nothing.
    #[cfg(test)]
    pub(crate) fn is_linked(&self) -> bool {
        let mut index = Index::default();
        for object in self.kustomizations.keys() {
            index.set(object, self.links(object));
        }
        index == self.index
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
            source: spec.map(|spec| Self::source_of(object, spec)),
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
            .chain(self.alerts.keys())
            .chain(self.providers.keys())
            .cloned()
            .collect();
        for object in all {
            self.touch(&object, record);
        }
    }

    /// What the API server answered to an apply is an observation, too: the objects are as they were
    /// left until something newer is heard.
    fn see_applied(&mut self, event: &ObjectsApplied, record: &Record) {
        for applied in &event.applied {
            let rendered = applied.rendered.as_ref();
            let object = rendered.and_then(|it| it.object.as_ref());
            self.see(object, Seen::applied(applied), record);
        }
    }

    fn see(&mut self, object: Option<&ObjectRef>, seen: Seen, record: &Record) {
        let Some(object) = object.map(ObjectRef::identity) else {
            return;
        };
        let Some(watched) = self.index.watched(&object) else {
            return;
        };
        // A watch may lag behind what an apply answered: what is older is no news.
        if self.seen.get(&object).is_some_and(|it| it.is_later(&seen)) {
            return;
        }
        for by in watched.by.clone() {
            self.suspect(&by, &object);
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
        if self.alerts.remove(object).is_some() {
            self.dirty.insert(Key::Alert(object.clone()));
        }
        if self.providers.remove(object).is_some() {
            self.dirty.insert(Key::Provider(object.clone()));
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
