//! Everything known about every object, as of one offset.

mod ask;
mod store;
mod touched;

use std::collections::BTreeSet;

use fluvial_api::kinds;
use fluvial_event::{Decision, Event, Id, ObjectRef, ObjectsApplied, Record, Timestamp};

use crate::alert::{Alert, Provider};
use crate::bystander::Bystander;
use crate::helm_chart;
use crate::helm_release::{HelmRelease, has_drifted};
use crate::index::{Index, Links};
use crate::kustomization::Kustomization;
use crate::live::Seen;
use crate::name::Name;
use crate::schedule::Due;
use crate::source::Source;
use crate::state::Key;
use crate::table::{Marked, Table};
use touched::{Touch, Touched};

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
    /// With whether it is new.
    all: Table<bool>,
    /// Those of whom it was heard since they were last looked at: the others have drifted.
    new: Vec<Name>,
}

/// Everything known about every object, as of one offset.
#[derive(Clone, Debug, Default)]
pub struct World {
    now: Timestamp,
    pub(crate) sources: Table<Source>,
    pub(crate) kustomizations: Table<Kustomization>,
    pub(crate) releases: Table<HelmRelease>,
    bystanders: Table<Bystander>,
    alerts: Table<Alert>,
    providers: Table<Provider>,
    pub(crate) seen: Table<Seen>,
    // What follows is derived: it is never stored and is no part of the state.
    index: Index,
    /// Who judges health by expressions of its own.
    judges: BTreeSet<Name>,
    suspects: Table<Suspects>,
    touched: Touched,
    timers: Table<Timestamp>,
    queue: BTreeSet<(Timestamp, Name)>,
    dirty: Marked<Key<Name>>,
}

/// The kinds that have a module of their own, and everything else.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Source,
    Kustomization,
    HelmRelease,
    Alert,
    Provider,
    Bystander,
}

impl Kind {
    fn of(object: &ObjectRef) -> Self {
        match (object.group.as_str(), object.kind.as_str()) {
            (
                "source.toolkit.fluxcd.io",
                "GitRepository" | "HelmChart" | "HelmRepository" | "OCIRepository",
            ) => Self::Source,
            ("kustomize.toolkit.fluxcd.io", "Kustomization") => Self::Kustomization,
            // What is decided here is carried out once the kind is said to be reconciled.
            ("helm.toolkit.fluxcd.io", "HelmRelease")
                if kinds::HELM_RELEASE.is_reconciled || cfg!(test) =>
            {
                Self::HelmRelease
            }
            ("notification.toolkit.fluxcd.io", "Alert") => Self::Alert,
            ("notification.toolkit.fluxcd.io", "Provider") => Self::Provider,
            _ => Self::Bystander,
        }
    }
}

impl World {
    /// One that is folded to look at and never stored: it does not note what changed.
    pub fn unstored() -> Self {
        Self {
            dirty: Marked::unwanted(),
            ..Self::default()
        }
    }

    /// Folds one record in.
    ///
    /// Total and deterministic: no clock, no chance, no error, whatever the record says.
    pub fn evolve(&mut self, record: &Record) {
        self.now = self.now.max(record.time);
        self.dirty.mark(Key::Clock);
        match &record.event {
            Event::TermStarted(_) => self.touch_all(record),
            Event::WatchGap(_) => {}
            Event::ObjectObserved(event) => {
                self.see(event.object.as_ref(), Seen::observed(event), record);
            }
            Event::ObjectGone(event) => self.see(event.object.as_ref(), Seen::gone(event), record),
            Event::ObjectsApplied(event) => {
                if let Some(object) = &event.object {
                    let is_awaited = self.one(object).is_some_and(|it| it.awaits(record));
                    self.tell(object, record);
                    if is_awaited {
                        self.see_applied(event, record);
                    }
                }
            }
            Event::ResourceDeleted(event) => {
                if let Some(object) = &event.object {
                    self.forget(object, record);
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
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_)
            | Event::CommandIssued(_)
            | Event::Waited(_)
            | Event::Concluded(_)) => {
                if let Some(object) = event.object() {
                    self.tell(object, record);
                }
            }
        }
    }

    /// The next decision that is due, or `None` when everything has been decided. The decision takes
    /// effect when its record is folded in; until then this answers the same.
    pub fn decide(&mut self) -> Option<Decided> {
        while let Some((object, touch)) = self.touched.first() {
            let due = self.due(&object);
            if let Due::Now(decision) = due {
                let Touch { cause, correlation } = touch;
                return Some(Decided {
                    cause,
                    correlation,
                    decision,
                });
            }
            self.touched.take_first();
            self.set_timer(&object, &due);
            self.clear_suspects(&object);
        }
        None
    }

    /// Something was heard of `owned`, which `object` owns or waits for.
    fn suspect(&mut self, object: &Name, owned: &Name) {
        let suspects = self.suspects.get_or_default(object);
        let is_new = suspects.all.get_or_default(owned);
        if !std::mem::replace(is_new, true) {
            suspects.new.push(owned.clone());
        }
    }

    /// Nothing is due: who has not drifted by now is not suspected until something new is heard.
    fn clear_suspects(&mut self, object: &Name) {
        let Some(suspects) = self.suspects.get_mut(object) else {
            return;
        };
        let kustomization = self.kustomizations.get(object);
        let release = self.releases.get(object);
        while let Some(suspect) = suspects.new.pop() {
            let seen = self.seen.get(&suspect);
            let owned = kustomization.and_then(|it| it.one(&suspect));
            let owned = owned.is_some_and(|owned| owned.has_drifted(seen));
            let released = release.and_then(|it| it.one(&suspect));
            if owned || released.is_some_and(|owned| has_drifted(owned, seen)) {
                suspects.all.insert(suspect, false);
            } else {
                suspects.all.remove(&suspect);
            }
        }
        if suspects.all.is_empty() {
            self.suspects.remove(object);
        }
    }

    /// Drops what is due and undecided: replay does, where the log decided otherwise.
    pub fn pass(&mut self) {
        while let Some(object) = self.touched.take_first() {
            let due = self.due(&object);
            self.set_timer(&object, &due);
        }
    }

    fn due(&self, object: &Name) -> Due {
        let now = self.now;
        let due = match Kind::of(object) {
            Kind::Source => {
                let source = self.sources.get(object);
                source.map(|it| it.decide(object, now, self))
            }
            Kind::Kustomization => {
                let kustomization = self.kustomizations.get(object);
                kustomization.map(|it| it.decide(object, now, self))
            }
            Kind::HelmRelease => {
                let release = self.releases.get(object);
                release.map(|it| it.decide(object, now, self))
            }
            Kind::Alert => self.alerts.get(object).map(|it| it.decide(object, now)),
            Kind::Provider => self.providers.get(object).map(|it| it.decide(object, now)),
            Kind::Bystander => self.bystanders.get(object).map(|it| it.decide(object)),
        };
        due.unwrap_or(Due::Never)
    }

    fn set_timer(&mut self, object: &Name, due: &Due) {
        let before = self.timers.get(object).copied();
        let next = match *due {
            Due::At(time) if time.0 < i64::MAX => Some(time),
            Due::At(_) | Due::Never | Due::Now(_) => None,
        };
        if before == next {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(object);
            self.queue.remove(&(before, object.clone()));
        }
        if let Some(next) = next {
            self.timers.insert(object.clone(), next);
            self.queue.insert((next, object.clone()));
        }
    }

    /// The object that wants to be woken first, and when.
    pub fn next_timer(&self) -> Option<(Timestamp, &ObjectRef)> {
        self.queue.first().map(|(time, object)| (*time, &**object))
    }

    /// The objects whose time has come at `now`.
    pub fn ripe(&self, now: Timestamp) -> impl Iterator<Item = &ObjectRef> {
        self.queue
            .iter()
            .take_while(move |(time, _)| *time <= now)
            .map(|(_, object)| &**object)
    }

    fn tell(&mut self, object: &ObjectRef, record: &Record) {
        // Only a declaration makes an object known; news of others came too late.
        let known = self.entry(object).map(|(name, _)| name.clone());
        let object = &match known {
            Some(name) => name,
            None if matches!(record.event, Event::ResourceObserved(_)) => Name::of(object),
            None => return,
        };
        match Kind::of(object) {
            Kind::Source => {
                self.sources.get_or_default(object).evolve(record);
                self.dirty.mark(Key::Source(object.clone()));
                if matches!(record.event, Event::ResourceObserved(_)) {
                    self.relink(object);
                }
            }
            Kind::Kustomization => {
                let kustomization = self.kustomizations.get_or_default(object);
                kustomization.evolve(record, &self.seen);
                self.settle_kustomization(object);
            }
            Kind::HelmRelease => {
                let release = self.releases.get_or_default(object);
                release.evolve(record, &self.seen);
                self.settle_release(object);
            }
            Kind::Alert => {
                self.alerts.get_or_default(object).evolve(record);
                self.dirty.mark(Key::Alert(object.clone()));
            }
            Kind::Provider => {
                self.providers.get_or_default(object).evolve(record);
                self.dirty.mark(Key::Provider(object.clone()));
            }
            Kind::Bystander => {
                self.bystanders.get_or_default(object).evolve(record);
                self.dirty.mark(Key::Bystander(object.clone()));
            }
        }
        self.touch(object, record);
        self.touch_around(object, record);
    }

    /// Brings the index and the list of changes up to date after a Kustomization evolved.
    fn settle_kustomization(&mut self, object: &Name) {
        self.dirty.mark(Key::Kustomization(object.clone()));
        let Some(kustomization) = self.kustomizations.get_mut(object) else {
            return;
        };
        let (dirty, is_unlinked) = kustomization.owned.settle();
        for owned in dirty {
            self.suspect(object, &owned);
            self.dirty.mark(Key::Owned(object.clone(), owned));
        }
        if is_unlinked {
            self.relink(object);
        }
    }

    /// The same after a HelmRelease evolved.
    fn settle_release(&mut self, object: &Name) {
        self.dirty.mark(Key::HelmRelease(object.clone()));
        let Some(release) = self.releases.get_mut(object) else {
            return;
        };
        let (dirty, is_unlinked) = release.owned.settle();
        for owned in dirty {
            self.suspect(object, &owned);
            self.dirty.mark(Key::Released(object.clone(), owned));
        }
        if is_unlinked {
            self.relink(object);
        }
    }

    /// Whether the index is as if made from nothing.
    #[cfg(test)]
    pub(crate) fn is_linked(&self) -> bool {
        let mut index = Index::default();
        let kustomizations = self.kustomizations.names();
        let others = self.releases.names().chain(self.sources.names());
        for object in kustomizations.chain(others) {
            index.set(object, self.links(object));
        }
        index == self.index
    }

    fn relink(&mut self, object: &Name) {
        if self.checks_of(object).is_empty() {
            self.judges.remove(object);
        } else {
            self.judges.insert(object.clone());
        }
        let links = self.links(object);
        for left in self.index.set(object, links) {
            if self.seen.remove(&left).is_some() {
                self.dirty.mark(Key::Seen(left));
            }
        }
    }

    fn links(&self, object: &Name) -> Links {
        if let Some(release) = self.releases.get(object) {
            return release.links(object);
        }
        if let Some(source) = self.sources.get(object) {
            let chart = (object.kind == "HelmChart")
                .then(|| helm_chart::spec_of(source))
                .flatten();
            return Links {
                source: chart.map(|spec| Name::of(&helm_chart::source_of(object, &spec))),
                ..Links::default()
            };
        }
        let Some(kustomization) = self.kustomizations.get(object) else {
            return Links::default();
        };
        let mut objects = Table::default();
        if let Some(spec) = &kustomization.spec {
            for target in Self::health_targets_of(object, spec) {
                objects.insert(Name::of(&target), String::new());
            }
        }
        for (key, owned) in kustomization.owned.iter() {
            objects.insert(key.clone(), owned.version().to_owned());
        }
        let attempted = kustomization
            .core
            .attempt
            .iter()
            .flat_map(|attempt| &attempt.objects);
        for target in attempted.filter_map(|rendered| rendered.object.as_ref()) {
            match objects.get_mut(target) {
                Some(version) => target.version.clone_into(version),
                None => drop(objects.insert(Name::of(target), target.version.clone())),
            }
        }
        let spec = kustomization.spec.as_ref();
        Links {
            source: spec.map(|spec| Name::of(&Self::source_of(object, spec))),
            dependencies: spec
                .map(|spec| Self::dependencies_of(object, spec))
                .unwrap_or_default()
                .iter()
                .map(Name::of)
                .collect(),
            objects,
        }
    }

    /// Touches those who read what changed about `object`.
    fn touch_around(&mut self, object: &Name, record: &Record) {
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

    fn touch(&mut self, object: &Name, record: &Record) {
        let touch = Touch {
            cause: record.id,
            correlation: record.correlation,
        };
        self.touched.insert(object, touch);
    }

    fn touch_all(&mut self, record: &Record) {
        let all: Vec<_> = self.names().cloned().collect();
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
        let Some((object, watched)) = object.and_then(|it| self.index.watched(it)) else {
            return;
        };
        // A watch may lag behind what an apply answered: what is older is no news.
        if self.seen.get(object).is_some_and(|it| it.is_later(&seen)) {
            return;
        }
        let (object, by) = (object.clone(), watched.by.clone());
        for by in by {
            self.suspect(&by, &object);
            self.touch(&by, record);
        }
        self.dirty.mark(Key::Seen(object.clone()));
        self.seen.insert(object, seen);
    }

    fn forget(&mut self, object: &ObjectRef, record: &Record) {
        let known = self.entry(object).map(|(name, _)| name.clone());
        let object = &known.unwrap_or_else(|| Name::of(object));
        if self.sources.remove(object).is_some() {
            self.dirty.mark(Key::Source(object.clone()));
        }
        if self.bystanders.remove(object).is_some() {
            self.dirty.mark(Key::Bystander(object.clone()));
        }
        if self.alerts.remove(object).is_some() {
            self.dirty.mark(Key::Alert(object.clone()));
        }
        if self.providers.remove(object).is_some() {
            self.dirty.mark(Key::Provider(object.clone()));
        }
        if let Some(kustomization) = self.kustomizations.remove(object) {
            self.dirty.mark(Key::Kustomization(object.clone()));
            for owned in kustomization.owned.names() {
                self.dirty.mark(Key::Owned(object.clone(), owned.clone()));
            }
        }
        if let Some(release) = self.releases.remove(object) {
            self.dirty.mark(Key::HelmRelease(object.clone()));
            for owned in release.owned.names() {
                self.dirty
                    .mark(Key::Released(object.clone(), owned.clone()));
            }
        }
        self.suspects.remove(object);
        self.relink(object);
        self.touch(object, record);
        self.touch_around(object, record);
    }
}
