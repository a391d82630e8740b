//! Replay: folds the recorded decisions, and compares them with what would be decided today.
//!
//! A difference is reported and never acted on: the log says what was decided then.

use fluvial_event::{Digest, Event, Head, Offset, Record, Timestamp};
use fluvial_reduce::World;
use serde::Serialize;

/// The most differences that are kept; the rest is counted.
const KEPT_MAX: usize = 1000;

/// One decision that would be another today.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The record that was found, or in front of which one is missing.
    pub offset: Offset,
    /// When.
    pub time: Timestamp,
    /// What the log says, if anything.
    pub recorded: Option<Event>,
    /// What would be decided today, if anything.
    pub decided: Option<Event>,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Records folded.
    pub records: u64,
    /// Decisions among those compared.
    pub decisions: u64,
    /// How many decisions differ.
    pub differences: u64,
    /// The last record folded.
    pub offset: Offset,
    /// The digest of the state after it.
    pub state_digest: Digest,
    /// The differences, up to a thousand.
    pub examples: Vec<Difference>,
}

/// A replay in progress. Feed it every record from the first on.
#[derive(Debug, Default)]
pub struct Replay {
    world: World,
    /// Compares from here on; what is before is folded only.
    from: Offset,
    head: Head,
    report: Report,
}

impl Replay {
    /// Compares the decisions from `from` on.
    pub fn from(from: Offset) -> Self {
        Self {
            world: World::unstored(),
            from,
            ..Self::default()
        }
    }

    /// Folds one record in.
    pub fn feed(&mut self, record: &Record) {
        if record.event.is_decision() {
            self.compare(record);
        } else {
            self.expect_nothing(record.offset, record.time);
        }
        self.world.evolve(record);
        self.report.records += 1;
        self.report.offset = record.offset;
        self.head.offset = record.offset;
        self.head.time = record.time;
    }

    /// The state so far.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What was found. The last record's decisions are due too: they are written together with it.
    pub fn finish(mut self) -> (Report, World) {
        self.expect_nothing(self.head.offset.next(), self.head.time);
        self.report.state_digest = self.world.digest();
        (self.report, self.world)
    }

    fn compare(&mut self, record: &Record) {
        let decided = self
            .world
            .decide()
            .map(|decided| Event::from(decided.decision));
        if record.offset < self.from {
            return;
        }
        self.report.decisions += 1;
        if decided.as_ref() != Some(&record.event) {
            self.differ(
                record.offset,
                record.time,
                Some(record.event.clone()),
                decided,
            );
        }
    }

    /// Before news from outside, everything has been decided.
    fn expect_nothing(&mut self, offset: Offset, time: Timestamp) {
        if let Some(decided) = self.world.decide()
            && offset >= self.from
        {
            self.differ(offset, time, None, Some(decided.decision.into()));
        }
        self.world.pass();
    }

    fn differ(
        &mut self,
        offset: Offset,
        time: Timestamp,
        recorded: Option<Event>,
        decided: Option<Event>,
    ) {
        self.report.differences += 1;
        if self.report.examples.len() < KEPT_MAX {
            self.report.examples.push(Difference {
                offset,
                time,
                recorded,
                decided,
            });
        }
    }
}
