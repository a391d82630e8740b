//! Rollbacks: people who ask for them and take them back, the past they are read from, and what must
//! hold meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{
    ApplyObjects, Event, HoldEnded, ManifestsBuilt, ManifestsRecalled, ObjectRef, Offset,
    RecallFailed, RecallManifests, Rendered, RollbackRequest,
};
use fluvial_log::EventLog;
use fluvial_log::memory::MemoryLog;
use fluvial_reduce::{Kustomization, World};

use crate::simulation::Simulation;

impl Simulation {
    /// Asks for the set that the build at `offset` made of `object`.
    pub fn roll_back(&mut self, object: &ObjectRef, offset: Offset, digest: &str) {
        let rollback = RollbackRequest {
            offset: offset.0,
            digest: digest.to_owned(),
            by: "jane".into(),
            at: self.now.to_string(),
            ..RollbackRequest::default()
        };
        self.say(|| format!("roll {object} back to {offset}"));
        self.cluster.mark(object, |it| it.rollback = Some(rollback));
    }

    /// Takes the rollback back.
    pub fn resume(&mut self, object: &ObjectRef) {
        self.say(|| format!("resume {object}"));
        self.cluster.mark(object, |it| it.rollback = None);
    }

    /// The sets that were built of `object`, newest first.
    pub fn builds(&self, object: &ObjectRef) -> Vec<(Offset, ManifestsBuilt)> {
        let records = self.log.stream(&object.stream()).filter_map(Result::ok);
        records
            .filter_map(|record| match record.event {
                Event::ManifestsBuilt(built) => Some((record.offset, built)),
                _ => None,
            })
            .collect()
    }

    /// Somebody asks for some earlier set, now and then for one that is not there, or for none any more.
    pub(crate) fn roll_back_or_resume(&mut self, object: &ObjectRef) {
        let builds = self.builds(object);
        match self.rng.pick(&builds).cloned() {
            Some(_) if self.rng.chance(250) => self.resume(object),
            Some((offset, _)) if self.rng.chance(150) => {
                self.roll_back(object, offset.next(), "sha256:other");
            }
            Some((offset, built)) => self.roll_back(object, offset, &built.digest),
            None => {}
        }
    }
}

/// What the executor answers to `recall`.
pub(crate) fn recall(log: &MemoryLog, recall: &RecallManifests) -> Event {
    let asked = recall.rollback.clone().unwrap_or_default();
    let found = log.read(Offset(asked.offset)).next().and_then(Result::ok);
    let built = found.and_then(|record| match record.event {
        Event::ManifestsBuilt(built)
            if built.digest == asked.digest
                && built.object.as_ref().map(ObjectRef::identity)
                    == recall.object.as_ref().map(ObjectRef::identity) =>
        {
            Some(built)
        }
        _ => None,
    });
    match built {
        Some(built) => ManifestsRecalled {
            object: recall.object.clone(),
            generation: recall.generation,
            revision: built.revision,
            objects: built.objects,
            digest: built.digest,
            rollback: recall.rollback.clone(),
            source: recall.source.clone(),
            against: recall.against.clone(),
        }
        .into(),
        None => RecallFailed {
            object: recall.object.clone(),
            generation: recall.generation,
            rollback: recall.rollback.clone(),
            message: format!("there is no such build at {}", asked.offset),
            held: recall.held,
        }
        .into(),
    }
}

/// What is held, by the log alone.
#[derive(Debug, Default)]
pub(crate) struct Holds(BTreeMap<ObjectRef, Held>);

#[derive(Debug)]
struct Held {
    rollback: RollbackRequest,
    against: String,
    source: ObjectRef,
    manifests: BTreeSet<String>,
}

impl Holds {
    /// A set came back that was awaited.
    pub(crate) fn recalled(&mut self, object: &ObjectRef, recalled: &ManifestsRecalled) {
        let manifests = recalled.objects.iter().map(|it| it.manifest.clone());
        let held = Held {
            rollback: recalled.rollback.clone().unwrap_or_default(),
            against: recalled.against.clone(),
            source: recalled.source.clone().unwrap_or_default(),
            manifests: manifests.collect(),
        };
        self.0.insert(object.clone(), held);
    }

    /// The object is gone.
    pub(crate) fn forget(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    /// While something is held nothing is built.
    pub(crate) fn check_build(&self, object: &ObjectRef) -> Result<(), String> {
        match self.0.get(object) {
            Some(held) => Err(format!(
                "{object} builds, and is held at {} against {}",
                held.rollback.offset, held.against
            )),
            None => Ok(()),
        }
    }

    /// While something is held, that and what is applied already is applied, and nothing else.
    pub(crate) fn check_apply(
        &self,
        object: &ObjectRef,
        apply: &ApplyObjects,
        world: &World,
    ) -> Result<(), String> {
        let Some(held) = self.0.get(object) else {
            return Ok(());
        };
        let is_repair = !apply.repair.is_empty();
        let owned = world.kustomizations().get(object).map(Kustomization::owned);
        let is_applied = |rendered: &Rendered| {
            let key = rendered.object.as_ref().map(ObjectRef::identity);
            let owned = key.and_then(|key| owned?.get(&key));
            owned.is_some_and(|owned| owned.rendered.manifest == rendered.manifest)
        };
        for rendered in &apply.objects {
            let is_held = held.manifests.contains(&rendered.manifest);
            if !(is_held || is_repair && is_applied(rendered)) {
                return Err(format!(
                    "{object} is held at {} and applies another {:?}",
                    held.rollback.offset, rendered.object
                ));
            }
        }
        Ok(())
    }

    /// A hold ends when it is taken back, or when its source has something else.
    pub(crate) fn ended(
        &mut self,
        object: &ObjectRef,
        ended: &HoldEnded,
        world: &World,
    ) -> Result<(), String> {
        let Some(held) = self.0.remove(object) else {
            return Err(format!("{object} is held no longer, and never was"));
        };
        let has_moved = || {
            let source = world.sources().get(&held.source);
            let artifact = source.and_then(|source| source.artifact());
            artifact.is_some_and(|artifact| artifact.revision != held.against)
        };
        let is_taken_back = || world.one(object).is_none_or(|it| it.rollback.is_none());
        let is_over = match ended.reason.as_str() {
            "Resumed" => is_taken_back(),
            "NewRevision" => has_moved(),
            _ => false,
        };
        if is_over && ended.rollback.as_ref() == Some(&held.rollback) {
            return Ok(());
        }
        Err(format!("{object} must be held on: {held:?}, {ended:?}"))
    }
}
