//! What every declared object has, whatever its kind: its identity, its requests, its last end.

use std::collections::BTreeMap;

use fluvial_event::{
    Command, CommandFailed, Concluded, Decision, Digest, Event, FinalizerSet, ObjectRef, Record,
    ResourceObserved, RollbackRequest, SetFinalizer, Timestamp, Waited, command,
};
use wincode::{SchemaRead, SchemaWrite};

use crate::schedule::{Due, retry_ms};

/// A command that is in the log and has no outcome there.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Outstanding {
    /// The command's id.
    pub id: [u8; 16],
    /// The offset of the record that issued it.
    pub offset: u64,
    /// What began it all.
    pub correlation: [u8; 16],
}

/// How the last attempt ended.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Conclusion {
    pub generation: i64,
    pub ready: bool,
    pub stalled: bool,
    pub revision: String,
    pub reason: String,
    pub message: String,
    pub at: i64,
}

/// What every declared object has.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Declared {
    pub version: String,
    pub uid: String,
    pub generation: i64,
    /// The spec in the model of `fluvial-api`, as JSON.
    pub spec: Vec<u8>,
    /// Why it cannot be read, if so.
    pub invalid: String,
    pub deleting: bool,
    pub finalizer: bool,
    /// Digest of the labels and annotations that are recorded; empty where there are none.
    pub marks: String,
    pub labels: BTreeMap<String, String>,
    pub requested_at: String,
    pub handled_at: String,
    /// The rollback that is asked for, done or not.
    pub rollback: Option<RollbackRequest>,
    pub outstanding: Option<Outstanding>,
    /// The wait that was recorded last, and nothing since.
    pub waiting: Option<(String, String)>,
    pub concluded: Option<Conclusion>,
    /// The generation that was last acted on, as the status says it.
    pub observed_generation: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// Failures of the engine's own in a row, and until when to pause for them.
    pub stumbles: u32,
    pub paused_until: i64,
}

impl Declared {
    /// Takes over what is declared now.
    pub(crate) fn observe(&mut self, seen: &ResourceObserved) {
        if self.uid != seen.uid {
            *self = Self {
                handled_at: seen.handled_at.clone(),
                ..Self::default()
            };
        }
        self.version = seen
            .object
            .as_ref()
            .map(|object| object.version.clone())
            .unwrap_or_default();
        self.uid.clone_from(&seen.uid);
        self.generation = seen.generation;
        self.spec.clone_from(&seen.spec);
        self.invalid.clone_from(&seen.invalid);
        self.deleting = seen.deleting;
        self.finalizer = seen.finalizer;
        self.marks = marks(&seen.labels, &seen.event_metadata);
        self.labels.clone_from(&seen.labels);
        self.requested_at.clone_from(&seen.requested_at);
        self.rollback.clone_from(&seen.rollback);
    }

    /// Whether `record` is the outcome that is awaited.
    pub(crate) fn awaits(&self, record: &Record) -> bool {
        self.outstanding
            .as_ref()
            .is_some_and(|it| it.id == record.cause.0)
    }

    /// Whether `record` is the outcome that is awaited; it then no longer is. Any other outcome is of
    /// an earlier life and is ignored.
    pub(crate) fn settle(&mut self, record: &Record) -> bool {
        let awaited = self.awaits(record);
        if awaited {
            self.outstanding = None;
        }
        awaited
    }

    pub(crate) fn issue(&mut self, record: &Record) {
        self.waiting = None;
        self.outstanding = Some(Outstanding {
            id: record.id.0,
            offset: record.offset.0,
            correlation: record.correlation.0,
        });
    }

    pub(crate) fn wait(&mut self, waited: &Waited) {
        self.waiting = Some((waited.reason.clone(), waited.message.clone()));
    }

    pub(crate) fn conclude(&mut self, concluded: &Concluded, time: Timestamp) {
        self.waiting = None;
        self.failures = if concluded.ready {
            0
        } else {
            self.failures.saturating_add(1)
        };
        self.handled_at.clone_from(&concluded.requested_at);
        if concluded.ready || concluded.stalled {
            self.observed_generation = Some(concluded.generation);
        }
        self.concluded = Some(Conclusion {
            generation: concluded.generation,
            ready: concluded.ready,
            stalled: concluded.stalled,
            revision: concluded.revision.clone(),
            reason: concluded.reason.clone(),
            message: concluded.message.clone(),
            at: time.0,
        });
    }

    pub(crate) fn finalizer_set(&mut self, set: &FinalizerSet, record: &Record) {
        if self.settle(record) {
            self.finalizer = set.present;
            self.stumbles = 0;
        }
    }

    /// The engine could not carry its command out: the same is due again after a pause.
    pub(crate) fn stumble(&mut self, _failed: &CommandFailed, record: &Record) {
        if self.settle(record) {
            self.stumbles = self.stumbles.saturating_add(1);
            self.paused_until = record.time.plus_ms(retry_ms(self.stumbles)).0;
        }
    }

    /// Whether someone asked for a run that has not been made.
    pub(crate) fn is_requested(&self) -> bool {
        !self.requested_at.is_empty() && self.requested_at != self.handled_at
    }

    /// Whether the last attempt was of what is declared now.
    pub(crate) fn is_concluded(&self) -> bool {
        self.concluded
            .as_ref()
            .is_some_and(|last| last.generation == self.generation)
    }

    /// Whether it is ready, and that is said of what is declared now.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_concluded() && self.concluded.as_ref().is_some_and(|last| last.ready)
    }

    /// When the last attempt ended.
    pub(crate) fn finished(&self) -> Timestamp {
        Timestamp(self.concluded.as_ref().map_or(0, |last| last.at))
    }

    /// What comes before anything of the kind's own: work in hand, pauses, the finalizer.
    /// `None` when nothing stands in the way.
    pub(crate) fn decide_first(&self, object: &ObjectRef, now: Timestamp) -> Option<Due> {
        if self.outstanding.is_some() {
            return Some(Due::Never);
        }
        if now.0 < self.paused_until {
            return Some(Due::At(Timestamp(self.paused_until)));
        }
        if self.deleting {
            return (!self.finalizer).then_some(Due::Never);
        }
        (!self.finalizer).then(|| self.set_finalizer(object, true))
    }

    /// Folds a record into an object of which nothing is asked but what is declared.
    pub(crate) fn evolve_static(&mut self, record: &Record) {
        if let Event::ResourceObserved(seen) = &record.event {
            self.observe(seen);
        } else if let Event::Concluded(concluded) = &record.event {
            self.conclude(concluded, record.time);
        } else if let Event::CommandIssued(_) = &record.event {
            self.issue(record);
        } else if let Event::FinalizerSet(set) = &record.event {
            self.finalizer_set(set, record);
        } else if let Event::CommandFailed(failed) = &record.event {
            self.stumble(failed, record);
        } else if let Event::Waited(waited) = &record.event {
            self.wait(waited);
        }
    }

    /// What comes first for such an object: it gets no finalizer, and one that an earlier engine left
    /// is taken off, or it would never go.
    pub(crate) fn decide_static(&self, object: &ObjectRef, now: Timestamp) -> Option<Due> {
        if self.outstanding.is_some() {
            return Some(Due::Never);
        }
        if now.0 < self.paused_until {
            return Some(Due::At(Timestamp(self.paused_until)));
        }
        self.deleting.then(|| {
            if self.finalizer {
                self.set_finalizer(object, false)
            } else {
                Due::Never
            }
        })
    }

    pub(crate) fn set_finalizer(&self, object: &ObjectRef, present: bool) -> Due {
        self.command(command::Kind::SetFinalizer(SetFinalizer {
            object: Some(self.named(object)),
            present,
        }))
    }

    #[expect(clippy::unused_self, reason = "reads as an act of the object")]
    pub(crate) fn command(&self, kind: command::Kind) -> Due {
        Due::Now(Decision::Do(Command { kind: Some(kind) }))
    }

    /// Waits, once for each reason.
    pub(crate) fn wait_for(&self, object: &ObjectRef, reason: &str, message: String) -> Due {
        let known = self
            .waiting
            .as_ref()
            .is_some_and(|(before, said)| before == reason && *said == message);
        if known {
            return Due::Never;
        }
        let object = Some(self.named(object));
        Due::Now(Decision::Wait(Waited {
            object,
            reason: reason.to_owned(),
            message,
        }))
    }

    /// The object with the version that it was declared with.
    pub(crate) fn named(&self, object: &ObjectRef) -> ObjectRef {
        ObjectRef {
            version: self.version.clone(),
            ..object.clone()
        }
    }
}

/// The digest of labels and event metadata, by which a change of them is news; empty where there are none.
pub fn marks(labels: &BTreeMap<String, String>, metadata: &BTreeMap<String, String>) -> String {
    if labels.is_empty() && metadata.is_empty() {
        return String::new();
    }
    let mut bytes = Vec::new();
    for all in [labels, metadata] {
        bytes.extend_from_slice(&(all.len() as u64).to_le_bytes());
        for text in all.iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    Digest::of(&bytes).to_string()
}
