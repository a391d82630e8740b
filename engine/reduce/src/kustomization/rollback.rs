//! Rollbacks: which is asked for, what is held because of one, and when that ends.
//!
//! The manifests come from the log (`RecallManifests`) instead of a build; applying them is the
//! business of every attempt. A request counts once; what it put back is held until the source has
//! another revision than the one it is held against, or until the request is taken back.

use fluvial_api::KustomizationSpec;
use fluvial_event::{
    Artifact, Decision, HoldEnded, ManifestsRecalled, ObjectRef, RecallManifests, Record,
    RollbackRequest, Timestamp, command,
};
use wincode::{SchemaRead, SchemaWrite};

use super::{Attempt, Kustomization};
use crate::schedule::Due;
use crate::world::World;

/// What a rollback put back, and what it is held against.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Hold {
    /// As it was asked for.
    pub rollback: RollbackRequest,
    /// The revision that was put back.
    pub revision: String,
    /// The source whose next revision ends this.
    pub source: ObjectRef,
    /// The revision that it had when this began; empty where it had none.
    pub against: String,
    /// When this began.
    pub since: i64,
}

/// Why a hold is over.
pub(super) struct Over {
    reason: &'static str,
    pub(super) message: String,
}

impl Kustomization {
    /// What a rollback put back, if anything is held.
    pub fn hold(&self) -> Option<&Hold> {
        self.core.hold.as_ref()
    }

    /// The rollback that is asked for and has not been begun.
    pub(super) fn asked(&self) -> Option<&RollbackRequest> {
        let asked = self.core.declared.rollback.as_ref()?;
        (self.core.answered.as_ref() != Some(asked)).then_some(asked)
    }

    /// Begins the rollback that was asked for, whatever its dependencies do. It is held against what
    /// the source has now.
    pub(super) fn roll_back(
        &self,
        object: &ObjectRef,
        rollback: &RollbackRequest,
        spec: &KustomizationSpec,
        world: &World,
    ) -> Due {
        let artifact = world.artifact_for(object);
        self.recall(RecallManifests {
            object: Some(self.core.declared.named(object)),
            generation: self.core.declared.generation,
            rollback: Some(rollback.clone()),
            source: Some(World::source_of(object, spec)),
            against: artifact.map(|it| it.revision.clone()).unwrap_or_default(),
            held: false,
        })
    }

    /// Another attempt toward what is held.
    pub(super) fn hold_on(&self, object: &ObjectRef, hold: &Hold) -> Due {
        self.recall(RecallManifests {
            object: Some(self.core.declared.named(object)),
            generation: self.core.declared.generation,
            rollback: Some(hold.rollback.clone()),
            source: Some(hold.source.clone()),
            against: hold.against.clone(),
            held: true,
        })
    }

    pub(super) fn recall(&self, recall: RecallManifests) -> Due {
        let kind = command::Kind::RecallManifests(Box::new(recall));
        self.core.declared.command(kind)
    }

    /// Why what is held is to be held no longer. A source that the Kustomization no longer uses says
    /// nothing: its next revision is not what this waits for.
    pub(super) fn over(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
        world: &World,
    ) -> Option<Over> {
        let hold = self.core.hold.as_ref()?;
        if self.core.declared.rollback.is_none() {
            return Some(Over {
                reason: "Resumed",
                message: "the rollback is not asked for any more".into(),
            });
        }
        let source = World::source_of(object, spec);
        let artifact = world
            .artifact_for(object)
            .filter(|artifact| source == hold.source && artifact.revision != hold.against)?;
        Some(Over {
            reason: "NewRevision",
            message: format!("{source} has the revision {}", artifact.revision),
        })
    }

    /// Ends the hold, if it is over.
    pub(super) fn release(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
        world: &World,
    ) -> Option<Due> {
        let hold = self.core.hold.as_ref()?;
        let over = self.over(object, spec, world)?;
        Some(Due::Now(Decision::Release(Box::new(HoldEnded {
            object: Some(self.core.declared.named(object)),
            rollback: Some(hold.rollback.clone()),
            revision: hold.revision.clone(),
            reason: over.reason.to_owned(),
            message: format!(
                "no longer held at offset {}: {}",
                hold.rollback.offset, over.message
            ),
        }))))
    }

    /// Says, once after each attempt, what is not applied because of the hold.
    pub(super) fn hold_back(&self, object: &ObjectRef, world: &World) -> Option<Due> {
        let hold = self.core.hold.as_ref()?;
        let artifact = world.artifact_for(object)?;
        let message = format!(
            "held at offset {}, revision {}: revision {} is not applied",
            hold.rollback.offset, hold.revision, artifact.revision
        );
        match self.core.declared.wait_for(object, "Held", message) {
            Due::Never => None,
            due @ (Due::Now(_) | Due::At(_)) => Some(due),
        }
    }

    /// An attempt begins whose manifests come from the log.
    pub(super) fn begin_recall(&mut self, recall: &RecallManifests, time: Timestamp) {
        let declared = &self.core.declared;
        let thorough = declared.is_requested() || !recall.held;
        let attempt = Attempt {
            generation: recall.generation,
            requested_at: declared.requested_at.clone(),
            started: time.0,
            progressed: time.0,
            thorough,
            recall: Some(recall.clone()),
            ..Attempt::default()
        };
        self.take_up(attempt);
        if !recall.held {
            self.core.answered.clone_from(&recall.rollback);
        }
    }

    /// The manifests are there: from now on they are held.
    pub(super) fn recalled(&mut self, recalled: &ManifestsRecalled, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let Some(attempt) = &mut self.core.attempt else {
            return;
        };
        attempt.is_built = true;
        attempt.digest.clone_from(&recalled.digest);
        attempt.artifact = Artifact {
            revision: recalled.revision.clone(),
            ..Artifact::default()
        };
        self.attempt_objects(&recalled.objects);
        let rollback = recalled.rollback.clone().unwrap_or_default();
        let before = self.core.hold.take();
        let since = before
            .filter(|hold| hold.rollback == rollback)
            .map_or(record.time.0, |hold| hold.since);
        self.core.hold = Some(Hold {
            rollback,
            revision: recalled.revision.clone(),
            source: recalled.source.clone().unwrap_or_default(),
            against: recalled.against.clone(),
            since,
        });
    }

    /// The hold is over: the source is built anew, whatever was attempted of it before.
    pub(super) fn released(&mut self) {
        self.core.hold = None;
        self.core.attempted.clear();
        self.core.declared.waiting = None;
    }
}

impl Attempt {
    /// The offset of the manifests that this puts back; 0 where it builds its source, or has none.
    pub(super) fn held_at(&self) -> u64 {
        let recall = self.recall.as_ref().filter(|_| self.is_built);
        let rollback = recall.and_then(|recall| recall.rollback.as_ref());
        rollback.map_or(0, |rollback| rollback.offset)
    }

    /// Whether this was a rollback that could not begin.
    pub(super) fn is_refused_rollback(&self) -> bool {
        !self.is_built && self.recall.as_ref().is_some_and(|recall| !recall.held)
    }
}
