//! The records that an answer stands on.

use std::collections::BTreeMap;

use fluvial_event::{Id, Offset, Record, Timestamp};

/// One record that an answer stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The record.
    pub record: Record,
    /// How long it took, in milliseconds, where it is the outcome of a command.
    pub took_ms: Option<i64>,
}

/// The records of an answer, each once.
#[derive(Debug, Default)]
pub(super) struct Chain {
    records: BTreeMap<Offset, Record>,
}

impl Chain {
    pub(super) fn add(&mut self, record: &Record) {
        let new = || record.clone();
        self.records.entry(record.offset).or_insert_with(new);
    }

    /// Newest first.
    pub(super) fn steps(&self) -> Vec<Step> {
        let commands = self
            .records
            .values()
            .filter(|it| it.event.name() == "CommandIssued");
        let times: BTreeMap<Id, Timestamp> = commands.map(|it| (it.id, it.time)).collect();
        let steps = self.records.values().rev().map(|record| {
            let ordered = times
                .get(&record.cause)
                .filter(|_| !record.event.is_decision());
            Step {
                record: record.clone(),
                took_ms: ordered.map(|ordered| record.time.since_ms(*ordered)),
            }
        });
        steps.collect()
    }
}
