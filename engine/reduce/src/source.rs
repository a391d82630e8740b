//! What every source is, whatever its kind: asked now and then, with an artifact when it goes well.
//!
//! When to ask, and for what, is each kind's own file: `git_repository`, `helm_repository`, `helm_chart`,
//! `oci_repository`.
//! Talking to servers is `execute`'s business.

use fluvial_event::{
    Artifact, ArtifactFetched, Concluded, Decision, Event, ObjectRef, PackedChart, Record,
    Timestamp, Validators, command,
};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::schedule::{Due, jittered_ms, retry_ms};
use crate::world::World;
use crate::{git_repository, helm_chart, helm_repository, oci_repository};

/// An answer that has come and is not concluded yet.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Answer {
    generation: i64,
    ready: bool,
    stalled: bool,
    reason: String,
    message: String,
}

/// What a chart was, or is to be, made from.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Origin {
    /// The revision of the source's artifact; empty where it has none.
    pub(crate) revision: String,
    /// The generation of a HelmRepository, whose credentials may be others since; 0 for other kinds.
    pub(crate) generation: i64,
}

/// The state of one source.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Source {
    pub(crate) declared: Declared,
    /// What it last produced. It stays when a later fetch fails.
    pub(crate) artifact: Option<Artifact>,
    /// What is in the artifact of a HelmChart.
    pub(crate) chart: Option<PackedChart>,
    /// What the server said of the index of a HelmRepository, which alone has this.
    pub(crate) validators: Option<Validators>,
    /// The generation that the artifact was last found to be right for.
    right_for: i64,
    /// What a HelmChart was last tried to be made from.
    pub(crate) tried: Option<Origin>,
    answer: Option<Answer>,
    /// The request, the generation and the start of the fetch that is running.
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
            Event::ArtifactFetched(fetched) => self.answered(record, |this| this.fetched(fetched)),
            Event::SourceUnchanged(unchanged) => self.answered(record, |this| {
                if unchanged.validators.is_some() {
                    this.validators.clone_from(&unchanged.validators);
                }
                this.right_for = unchanged.generation;
                let object = unchanged.object.as_ref();
                let (reason, message) = this.summary(object, &unchanged.revision, None);
                good(unchanged.generation, reason, message)
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
            Event::CommandIssued(issued) => {
                self.declared.issue(record);
                self.requested_at.clone_from(&self.declared.requested_at);
                self.started_at = record.time.0;
                let kind = issued.command.as_ref().and_then(|it| it.kind.as_ref());
                if let Some(command::Kind::FetchHelmChart(fetch)) = kind {
                    self.tried = fetch.source.as_ref().map(helm_chart::origin_of);
                }
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

    fn fetched(&mut self, fetched: &ArtifactFetched) -> Answer {
        self.artifact.clone_from(&fetched.artifact);
        self.chart.clone_from(&fetched.chart);
        self.validators.clone_from(&fetched.validators);
        self.right_for = fetched.generation;
        let artifact = fetched.artifact.clone().unwrap_or_default();
        let subject = artifact.commit.map(|commit| commit.subject);
        let object = fetched.object.as_ref();
        let (reason, message) = self.summary(object, &artifact.revision, subject);
        good(fetched.generation, reason, message)
    }

    /// Why the object is ready, in Flux's words.
    fn summary(
        &self,
        object: Option<&ObjectRef>,
        revision: &str,
        subject: Option<String>,
    ) -> (&'static str, String) {
        if let Some(chart) = &self.chart {
            return helm_chart::summary(chart, revision);
        }
        if object.is_some_and(|it| it.kind == "OCIRepository") {
            return ("Succeeded", oci_repository::summary(revision));
        }
        let message = match subject {
            _ if self.validators.is_some() => format!("stored artifact: revision '{revision}'"),
            Some(subject) => format!("stored artifact for revision '{revision}': {subject}"),
            None => format!("stored artifact for revision '{revision}'"),
        };
        ("Succeeded", message)
    }

    fn answered(&mut self, record: &Record, answer: impl FnOnce(&mut Self) -> Answer) {
        if self.declared.settle(record) {
            self.declared.stumbles = 0;
            self.answer = Some(answer(self));
        }
    }

    /// What is due. Asked twice without news in between, it answers the same.
    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp, world: &World) -> Due {
        let declared = &self.declared;
        if let Some(due) = helm_repository::decide_static(self, object, now) {
            return due;
        }
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
            return self.refuse(object, "InvalidSpec", declared.invalid.clone());
        }
        match object.kind.as_str() {
            "HelmRepository" => helm_repository::decide(self, object, now),
            "HelmChart" => helm_chart::decide(self, object, now, world),
            "OCIRepository" => oci_repository::decide(self, object, now),
            _ => git_repository::decide(self, object, now),
        }
    }

    /// Whether the artifact in hand was made from what is declared now: a changed `ignore`, say, makes
    /// another artifact of the same revision.
    pub(crate) fn is_right(&self) -> bool {
        self.artifact.is_some() && self.right_for == self.declared.generation
    }

    /// The revision in hand, if the same would be made of it. Who asks for a run gets a whole one.
    pub(crate) fn observed(&self) -> String {
        self.artifact
            .as_ref()
            .filter(|_| self.is_right() && !self.declared.is_requested())
            .map(|it| it.revision.clone())
            .unwrap_or_default()
    }

    /// When it is time to ask again, at the interval or after a failure.
    pub(crate) fn next(&self, interval: fluvial_api::Duration) -> Timestamp {
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
        let interval = i64::try_from(interval.milliseconds()).unwrap_or(i64::MAX);
        let pause = if last.ready || last.stalled {
            jittered_ms(interval, &declared.uid, finished)
        } else {
            retry_ms(declared.failures)
        };
        finished.plus_ms(pause)
    }

    fn conclude(&self, object: &ObjectRef, answer: &Answer, now: Timestamp) -> Due {
        let artifact = self.artifact.clone().unwrap_or_default();
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(self.declared.named(object)),
            generation: answer.generation,
            requested_at: self.requested_at.clone(),
            ready: answer.ready,
            stalled: answer.stalled,
            reason: answer.reason.clone(),
            message: answer.message.clone(),
            revision: artifact.revision,
            duration_ms: now.since_ms(Timestamp(self.started_at)),
            digest: artifact.digest,
            ..Concluded::default()
        })))
    }

    /// What only a change of the declaration can help is concluded once for each generation.
    pub(crate) fn refuse(&self, object: &ObjectRef, reason: &str, message: String) -> Due {
        let declared = &self.declared;
        if declared.is_concluded() {
            return Due::Never;
        }
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: declared.generation,
            requested_at: declared.requested_at.clone(),
            stalled: true,
            reason: reason.into(),
            message,
            ..Concluded::default()
        })))
    }
}

fn good(generation: i64, reason: &str, message: String) -> Answer {
    Answer {
        generation,
        ready: true,
        stalled: false,
        reason: reason.into(),
        message,
    }
}
