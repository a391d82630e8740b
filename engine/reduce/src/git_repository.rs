//! `GitRepository`: when to ask a git server again, and what is said of the answer.
//!
//! Talking to the server is `execute`'s business.

use fluvial_api::GitRepositorySpec;
use fluvial_event::{
    Artifact, Concluded, Decision, Event, FetchGit, ObjectRef, Record, Timestamp, command,
};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::schedule::{Due, jittered_ms, retry_ms};

/// An answer that has come and is not concluded yet.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Answer {
    generation: i64,
    ready: bool,
    stalled: bool,
    reason: String,
    message: String,
}

/// The state of one GitRepository.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Source {
    pub(crate) declared: Declared,
    /// What it last produced. It stays when a later fetch fails.
    pub(crate) artifact: Option<Artifact>,
    answer: Option<Answer>,
    /// The request and the start of the fetch that is running.
    requested_at: String,
    started_at: i64,
}

impl Source {
    /// The artifact in hand.
    pub fn artifact(&self) -> Option<&Artifact> {
        self.artifact.as_ref()
    }

    /// Folds in a record about this object.
    pub(crate) fn evolve(&mut self, record: &Record) {
        match &record.event {
            Event::ResourceObserved(seen) => self.observe(seen),
            Event::ArtifactFetched(fetched) => self.answered(record, |this| {
                this.artifact.clone_from(&fetched.artifact);
                let artifact = fetched.artifact.clone().unwrap_or_default();
                let subject = artifact
                    .commit
                    .map(|commit| commit.subject)
                    .unwrap_or_default();
                Answer {
                    generation: fetched.generation,
                    ready: true,
                    reason: "Succeeded".into(),
                    message: format!(
                        "stored artifact for revision '{}': {subject}",
                        artifact.revision
                    ),
                    ..Answer::default()
                }
            }),
            Event::SourceUnchanged(unchanged) => self.answered(record, |_| Answer {
                generation: unchanged.generation,
                ready: true,
                reason: "Succeeded".into(),
                message: format!("stored artifact for revision '{}'", unchanged.revision),
                ..Answer::default()
            }),
            Event::FetchFailed(failed) => self.answered(record, |_| Answer {
                generation: failed.generation,
                ready: false,
                stalled: failed.terminal,
                reason: failed.reason.clone(),
                message: failed.message.clone(),
            }),
            Event::FinalizerSet(set) => self.declared.finalizer_set(set, record),
            Event::CommandFailed(failed) => self.declared.stumble(failed, record),
            Event::CommandIssued(_) => {
                self.declared.issue(record);
                self.requested_at.clone_from(&self.declared.requested_at);
                self.started_at = record.time.0;
            }
            Event::Waited(waited) => self.declared.wait(waited),
            Event::Concluded(concluded) => {
                self.answer = None;
                self.declared.conclude(concluded, record.time);
            }
            Event::ResourceDeleted(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::HoldEnded(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => {}
        }
    }

    fn observe(&mut self, seen: &fluvial_event::ResourceObserved) {
        if self.declared.uid != seen.uid {
            *self = Self::default();
        }
        self.declared.observe(seen);
    }

    fn answered(&mut self, record: &Record, answer: impl FnOnce(&mut Self) -> Answer) {
        if self.declared.settle(record) {
            self.declared.stumbles = 0;
            self.answer = Some(answer(self));
        }
    }

    /// What is due. Asked twice without news in between, it answers the same.
    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp) -> Due {
        let declared = &self.declared;
        if let Some(due) = declared.decide_first(object, now) {
            return due;
        }
        if declared.deleting {
            return declared.set_finalizer(object, false);
        }
        if let Some(answer) = &self.answer {
            return self.conclude(object, answer, now);
        }
        if !declared.invalid.is_empty() {
            return self.refuse(object);
        }
        let spec: GitRepositorySpec = match serde_json::from_slice(&declared.spec) {
            Ok(spec) => spec,
            Err(error) => return declared.wait_for(object, "InvalidSpec", error.to_string()),
        };
        if spec.suspend {
            return declared.wait_for(object, "Suspended", "reconciliation is suspended".into());
        }
        let next = self.next(&spec);
        if now < next {
            return Due::At(next);
        }
        declared.command(command::Kind::FetchGit(FetchGit {
            object: Some(declared.named(object)),
            generation: declared.generation,
            spec: declared.spec.clone(),
            observed: self.observed(),
        }))
    }

    /// The revision in hand, if it was produced from what is declared now: a changed `ignore`, say,
    /// makes another artifact of the same revision.
    fn observed(&self) -> String {
        let same = self.declared.is_concluded() && !self.declared.is_requested();
        self.artifact
            .as_ref()
            .filter(|_| same)
            .map(|it| it.revision.clone())
            .unwrap_or_default()
    }

    fn next(&self, spec: &GitRepositorySpec) -> Timestamp {
        let declared = &self.declared;
        let Some(last) = declared
            .concluded
            .as_ref()
            .filter(|_| declared.is_concluded())
        else {
            return Timestamp::default();
        };
        if declared.is_requested() {
            return Timestamp::default();
        }
        let finished = declared.finished();
        let interval = i64::try_from(spec.interval.milliseconds()).unwrap_or(i64::MAX);
        let pause = if last.ready || last.stalled {
            jittered_ms(interval, &declared.uid, finished)
        } else {
            retry_ms(declared.failures)
        };
        finished.plus_ms(pause)
    }

    fn conclude(&self, object: &ObjectRef, answer: &Answer, now: Timestamp) -> Due {
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(self.declared.named(object)),
            generation: answer.generation,
            requested_at: self.requested_at.clone(),
            ready: answer.ready,
            stalled: answer.stalled,
            reason: answer.reason.clone(),
            message: answer.message.clone(),
            revision: self
                .artifact
                .as_ref()
                .map(|it| it.revision.clone())
                .unwrap_or_default(),
            duration_ms: now.since_ms(Timestamp(self.started_at)),
            digest: self
                .artifact
                .as_ref()
                .map(|it| it.digest.clone())
                .unwrap_or_default(),
            ..Concluded::default()
        })))
    }

    /// A spec that cannot be read is concluded once for each generation.
    fn refuse(&self, object: &ObjectRef) -> Due {
        let declared = &self.declared;
        if declared.is_concluded() {
            return Due::Never;
        }
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: declared.generation,
            requested_at: declared.requested_at.clone(),
            stalled: true,
            reason: "InvalidSpec".into(),
            message: declared.invalid.clone(),
            ..Concluded::default()
        })))
    }
}
