//! `history`: the deployments of one Kustomization or HelmRelease, newest last.
//!
//! A deployment is an attempt that began with a build, the look at a chart or a rollback and came to its end. It can be folded from the
//! records of the object's own stream; those of its source's stream add what began it. It keeps as
//! many as the caller asks for.

use std::collections::{BTreeMap, VecDeque};

use fluvial_event::{
    Action, Artifact, Concluded, Event, Id, ManifestsRecalled, ObjectRef, ObjectsApplied,
    ObjectsPruned, Offset, RecallManifests, Record, Timestamp, command,
};
use serde::Serialize;

use crate::Projection;

/// One deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The record that concluded it: where to go back to.
    pub offset: Offset,
    /// The record that began it.
    pub began: Offset,
    /// When it ended.
    pub time: Timestamp,
    /// What was deployed, in the source's words.
    pub revision: String,
    /// The digest of the artifact.
    pub artifact: String,
    /// Who wrote the commit.
    pub author: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// When the commit was written; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authored_at: Option<Timestamp>,
    /// How many objects were created or changed.
    pub changed: u32,
    /// How many objects were deleted.
    pub pruned: u32,
    /// Each of those, and what was done.
    pub objects: Vec<Change>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// Whether it ended well.
    pub ready: bool,
    /// How it ended, in one word.
    pub reason: String,
    /// How it ended, in a sentence.
    pub message: String,
    /// What began it all, such as `TimerFired`; empty where that record was not read.
    pub trigger: String,
    /// Who began it all; empty for nobody in particular.
    pub actor: String,
    /// Where the manifests were put back from by a rollback; none where the source was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_to: Option<Offset>,
}

/// What was done to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The object, as `Deployment/apps/podinfo`.
    pub object: String,
    /// `created`, `configured`, `recreated` or `deleted`.
    pub action: &'static str,
}

/// The newest deployments of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    object: ObjectRef,
    limit: usize,
    keeps_routine: bool,
    current: Option<Attempt>,
    deployments: VecDeque<(Id, Deployment)>,
    /// What may have begun one of them: the name and the actor of records that nobody ordered.
    beginnings: BTreeMap<Offset, (Id, &'static str, String)>,
}

#[derive(Clone, Debug, PartialEq)]
struct Attempt {
    correlation: Id,
    deployment: Deployment,
}

impl History {
    /// Keeps the newest `limit` deployments of `object`.
    pub fn of(object: &ObjectRef, limit: usize) -> Self {
        Self {
            object: object.identity(),
            limit,
            keeps_routine: false,
            current: None,
            deployments: VecDeque::new(),
            beginnings: BTreeMap::new(),
        }
    }

    /// Keeps the runs that found nothing to do, too.
    #[must_use]
    pub fn with_routine(self) -> Self {
        Self {
            keeps_routine: true,
            ..self
        }
    }

    /// The deployments, newest first.
    pub fn deployments(&self) -> impl Iterator<Item = Deployment> {
        self.deployments.iter().rev().map(|(correlation, it)| {
            let mut beginnings = self.beginnings.values();
            let (trigger, actor) = beginnings
                .find(|(id, ..)| id == correlation)
                .map(|(_, name, actor)| ((*name).to_owned(), actor.clone()))
                .unwrap_or_default();
            Deployment {
                trigger,
                actor: if it.actor.is_empty() {
                    actor
                } else {
                    it.actor.clone()
                },
                ..it.clone()
            }
        })
    }

    fn begin(&mut self, record: &Record, artifact: Artifact) {
        let commit = artifact.commit.unwrap_or_default();
        let author = match (
            commit.author_name.is_empty(),
            commit.author_email.is_empty(),
        ) {
            (false, false) => format!("{} <{}>", commit.author_name, commit.author_email),
            (false, true) => commit.author_name,
            (true, _) => commit.author_email,
        };
        self.current = Some(Attempt {
            correlation: record.correlation,
            deployment: Deployment {
                began: record.offset,
                revision: artifact.revision,
                artifact: artifact.digest,
                author,
                subject: commit.subject,
                authored_at: (commit.authored_at > 0)
                    .then(|| Timestamp(commit.authored_at.saturating_mul(1_000_000_000))),
                ..Deployment::default()
            },
        });
    }

    /// A rollback begins: it is whoever asked for it who is behind it.
    fn begin_recall(&mut self, record: &Record, recall: &RecallManifests) {
        let asked = recall.rollback.clone().unwrap_or_default();
        self.current = Some(Attempt {
            correlation: record.correlation,
            deployment: Deployment {
                began: record.offset,
                rolled_back_to: Some(Offset(asked.offset)),
                actor: asked.by,
                ..Deployment::default()
            },
        });
    }

    /// What a rollback puts back, with what is known of the commit.
    fn recalled(&mut self, recalled: &ManifestsRecalled) {
        let Some(attempt) = &mut self.current else {
            return;
        };
        let deployments = self.deployments.iter().rev().map(|(_, it)| it);
        let mut earlier = deployments.filter(|it| it.revision == recalled.revision);
        if let Some(earlier) = earlier.next() {
            attempt.deployment.author.clone_from(&earlier.author);
            attempt.deployment.subject.clone_from(&earlier.subject);
            attempt.deployment.artifact.clone_from(&earlier.artifact);
        }
        attempt.deployment.revision.clone_from(&recalled.revision);
    }

    fn conclude(&mut self, record: &Record, concluded: &Concluded) {
        if concluded.repair {
            return;
        }
        let Some(Attempt {
            correlation,
            deployment,
        }) = self.current.take()
        else {
            return;
        };
        let deployment = Deployment {
            offset: record.offset,
            time: record.time,
            changed: concluded.changed,
            pruned: concluded.pruned,
            duration_ms: concluded.duration_ms,
            ready: concluded.ready,
            reason: concluded.reason.clone(),
            message: concluded.message.clone(),
            ..deployment
        };
        if !self.keeps_routine && self.is_routine(&deployment) {
            return;
        }
        self.deployments.push_back((correlation, deployment));
        if self.deployments.len() > self.limit {
            self.deployments.pop_front();
        }
        self.forget();
    }

    /// Whether a run found everything as the one before it left it.
    fn is_routine(&self, deployment: &Deployment) -> bool {
        let is_same = self.deployments.back().is_some_and(|(_, before)| {
            before.ready
                && before.revision == deployment.revision
                && before.rolled_back_to == deployment.rolled_back_to
        });
        is_same && deployment.ready && deployment.changed == 0 && deployment.pruned == 0
    }

    /// What began deployments that are kept no more is not needed.
    fn forget(&mut self) {
        let kept = |id: &Id| self.deployments.iter().any(|(each, _)| each == id);
        let now = self.deployments.back().map(|(_, newest)| newest.began);
        self.beginnings
            .retain(|offset, (id, ..)| Some(*offset) > now || kept(id));
    }
}

impl Projection for History {
    fn apply(&mut self, record: &Record) {
        if record.correlation == record.id {
            let beginning = (record.id, record.event.name(), record.actor.clone());
            self.beginnings.insert(record.offset, beginning);
        }
        if record.event.object().map(ObjectRef::identity).as_ref() != Some(&self.object) {
            return;
        }
        match &record.event {
            Event::CommandIssued(issued) => {
                let kind = issued.command.as_ref().and_then(|it| it.kind.as_ref());
                if let Some(command::Kind::BuildKustomization(build)) = kind {
                    self.begin(record, build.artifact.clone().unwrap_or_default());
                } else if let Some(command::Kind::InspectRelease(inspect)) = kind {
                    self.begin(record, inspect.artifact.clone().unwrap_or_default());
                } else if let Some(command::Kind::RecallManifests(recall)) = kind {
                    self.begin_recall(record, recall);
                }
            }
            Event::ObjectsApplied(applied) => self.add(applied_changes(applied)),
            Event::ObjectsPruned(pruned) => self.add(pruned_changes(pruned)),
            Event::ManifestsRecalled(recalled) => self.recalled(recalled),
            Event::Concluded(concluded) => self.conclude(record, concluded),
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::RecallFailed(_)
            | Event::HoldEnded(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
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
            | Event::Waited(_) => {}
        }
    }
}

impl History {
    fn add(&mut self, changes: Vec<Change>) {
        if let Some(attempt) = &mut self.current {
            attempt.deployment.objects.extend(changes);
        }
    }
}

/// Whether an attempt that ended like this, right after one that ended as `before` did, is no deployment:
/// it found everything as it was left. A reader may leave out its records.
pub fn is_routine(before: &Concluded, concluded: &Concluded) -> bool {
    let is_same = before.ready
        && before.revision == concluded.revision
        && before.held_at == concluded.held_at;
    is_same && concluded.ready && concluded.changed == 0 && concluded.pruned == 0
}

fn applied_changes(applied: &ObjectsApplied) -> Vec<Change> {
    let change = |it: &fluvial_event::AppliedObject| {
        let action = match it.action() {
            Action::Created => "created",
            Action::Configured => "configured",
            Action::Recreated => "recreated",
            Action::Unchanged | Action::Skipped | Action::Unspecified => return None,
        };
        let object = it.rendered.as_ref()?.object.as_ref()?.to_string();
        Some(Change { object, action })
    };
    applied.applied.iter().filter_map(change).collect()
}

fn pruned_changes(pruned: &ObjectsPruned) -> Vec<Change> {
    let change = |it: &ObjectRef| Change {
        object: it.to_string(),
        action: "deleted",
    };
    pruned.pruned.iter().map(change).collect()
}
