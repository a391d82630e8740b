//! Reading the log behind its head, a bounded batch at a time, into the views.

use std::collections::VecDeque;
use std::sync::Arc;

use fluvial_event::{Event, Id, ObjectRef, Offset, Timestamp};
use fluvial_log::EventLog;
use fluvial_view::Projection;
use fluvial_view::notice::{Notice, Notices};
use fluvial_view::status::{Status, Statuses};

use crate::Error;

/// How many records are folded between two looks at what else there is to do.
const BATCH_RECORDS_MAX: usize = 4096;
/// How many Events may wait to be written; beyond that the oldest are dropped.
const NOTICES_MAX: usize = 1000;

/// Something to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// What should stand in an object's status.
    Status(Status),
    /// The object is gone: nothing about it is written any more.
    Gone(ObjectRef),
    /// An Event.
    Notice(Told),
}

/// A notice with its place in history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: Id,
    pub(crate) offset: Offset,
    pub(crate) time: Timestamp,
    pub(crate) notice: Notice,
}

/// The views as of one offset.
#[derive(Debug)]
pub(crate) struct Follower {
    statuses: Statuses,
    notices: Notices,
    told: VecDeque<Told>,
    offset: Offset,
}

impl Follower {
    pub(crate) fn new(advertised: String) -> Self {
        Self {
            statuses: Statuses::new(advertised),
            notices: Notices::default(),
            told: VecDeque::new(),
            offset: Offset::default(),
        }
    }

    /// The last record folded in.
    pub(crate) fn offset(&self) -> Offset {
        self.offset
    }

    /// Folds the next records in, on a thread that may block.
    pub(crate) async fn read(mut self, log: Arc<dyn EventLog>) -> Result<Self, Error> {
        let read = move || {
            for record in log.read(self.offset.next()).take(BATCH_RECORDS_MAX) {
                let record = record?;
                self.apply(&record);
            }
            Ok(self)
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| Error::Reader(error.to_string()))?
    }

    fn apply(&mut self, record: &fluvial_event::Record) {
        if let Event::TermStarted(_) = &record.event {
            self.told.clear();
        }
        self.statuses.apply(record);
        self.notices.apply(record);
        self.offset = record.offset;
        if let Some(notice) = self.notices.latest() {
            self.told.push_back(Told {
                id: record.id,
                offset: record.offset,
                time: record.time,
                notice: notice.clone(),
            });
        }
        if self.told.len() > NOTICES_MAX {
            self.told.pop_front();
        }
    }

    /// What is to be written, and was not answered before.
    pub(crate) fn take(&mut self) -> Vec<Change> {
        let changed = self.statuses.take_changed();
        let statuses = changed
            .into_iter()
            .map(|object| match self.statuses.get(&object) {
                Some(status) => Change::Status(status),
                None => Change::Gone(object),
            });
        let told = self.told.drain(..).map(Change::Notice);
        statuses.chain(told).collect()
    }
}
