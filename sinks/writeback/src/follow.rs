//! Reading the log behind its head, a bounded batch at a time, into the views.

use std::collections::VecDeque;
use std::sync::Arc;

use fluvial_event::{Event, Id, ObjectRef, Offset, Record, Timestamp};
use fluvial_log::{EventLog, StateStore};
use fluvial_view::notice::{Notice, Notices};
use fluvial_view::status::{Status, Statuses};

use crate::Error;
use crate::kept::{Kept, blocking};

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
pub(crate) struct Follower {
    statuses: Kept<Statuses>,
    notices: Kept<Notices>,
    told: VecDeque<Told>,
}

impl Follower {
    /// The views as they were stored in parts of `state`.
    pub(crate) async fn restore(
        advertised: String,
        log: Arc<dyn EventLog>,
        state: Arc<dyn StateStore>,
    ) -> Result<Self, Error> {
        blocking(move || {
            let statuses = || Statuses::new(advertised.clone());
            Ok(Self {
                statuses: Kept::restore(&statuses, "status", &*log, &*state)?,
                notices: Kept::restore(&Notices::default, "notice", &*log, &*state)?,
                told: VecDeque::new(),
            })
        })
        .await
    }

    /// The last record folded in.
    pub(crate) fn offset(&self) -> Offset {
        self.statuses
            .applied
            .offset
            .min(self.notices.applied.offset)
    }

    /// Folds the next records in, on a thread that may block, and stores the views now and then.
    pub(crate) async fn read(mut self, log: Arc<dyn EventLog>) -> Result<Self, Error> {
        blocking(move || {
            for record in log.read(self.offset().next()).take(BATCH_RECORDS_MAX) {
                self.apply(&record?);
            }
            self.statuses.store();
            self.notices.store();
            Ok(self)
        })
        .await
    }

    fn apply(&mut self, record: &Record) {
        if let Event::TermStarted(_) = &record.event {
            self.told.clear();
        }
        self.statuses.apply(record);
        if !self.notices.apply(record) {
            return;
        }
        if let Some(notice) = self.notices.view.latest() {
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
        let statuses = &mut self.statuses.view;
        let changed = statuses.take_changed();
        let statuses = changed
            .into_iter()
            .map(|object| match statuses.get(&object) {
                Some(status) => Change::Status(status),
                None => Change::Gone(object),
            });
        let told = self.told.drain(..).map(Change::Notice);
        statuses.chain(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use fluvial_event::{Concluded, Draft, ResourceObserved};
    use fluvial_log::memory::{MemoryLog, MemoryState};
    use fluvial_log::{Applied, Change as Pair, Pairs, contract};
    use fluvial_view::Stored as _;

    use super::*;
    use crate::kept::STORE_RECORDS;

    fn source() -> ObjectRef {
        ObjectRef {
            group: "source.toolkit.fluxcd.io".into(),
            kind: "GitRepository".into(),
            name: "app".into(),
            ..ObjectRef::default()
        }
    }

    fn concluded(reason: &str) -> Draft {
        let event = Concluded {
            object: Some(source()),
            reason: reason.into(),
            ..Concluded::default()
        };
        Draft::news(event.into())
    }

    /// A source that fails, a great many terms, and the same failure again.
    fn history() -> Vec<Record> {
        let seen = ResourceObserved {
            object: Some(source()),
            uid: "u".into(),
            ..ResourceObserved::default()
        };
        let first = [Draft::news(seen.into()), concluded("GitOperationFailed")];
        let many = usize::try_from(STORE_RECORDS).unwrap();
        let terms = (0..many).map(contract::draft);
        let last = [concluded("GitOperationFailed"), concluded("NoRoute")];
        contract::sealed(first.into_iter().chain(terms).chain(last))
    }

    /// Takes so many changes.
    #[derive(Default)]
    struct Failing {
        state: MemoryState,
        left: AtomicU64,
    }

    impl StateStore for Failing {
        fn applied(&self) -> fluvial_log::Result<Applied> {
            self.state.applied()
        }

        fn load(&self) -> Pairs<'_> {
            self.state.load()
        }

        fn commit(&self, applied: Applied, changes: &[Pair]) -> fluvial_log::Result<()> {
            if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
                return Err(fluvial_log::Error::storage("write", "the disk is full"));
            }
            self.state.commit(applied, changes)
        }

        fn clear(&self) -> fluvial_log::Result<()> {
            self.state.clear()
        }

        fn part(&self, name: &str, format: &str) -> fluvial_log::Result<Arc<dyn StateStore>> {
            self.state.part(name, format)
        }
    }

    async fn follow(log: &Arc<MemoryLog>, state: &Arc<MemoryState>) -> Follower {
        let (log, state) = (Arc::clone(log), Arc::clone(state));
        Follower::restore("host".into(), log, state).await.unwrap()
    }

    #[tokio::test]
    async fn a_start_goes_on_from_what_was_stored() {
        let records = history();
        let log = Arc::new(MemoryLog::default());
        let state = Arc::new(MemoryState::default());
        let (before, after) = records.split_at(records.len() - 2);
        log.append(before).unwrap();
        let follower = follow(&log, &state).await;
        assert_eq!(follower.offset(), Offset(0));
        let stored = follower.read(log.clone()).await.unwrap().offset();
        log.append(after).unwrap();

        let again = follow(&log, &state).await;
        assert_eq!(again.offset(), stored);
        let mut again = again.read(log.clone()).await.unwrap();
        let mut whole = follow(&log, &Arc::default())
            .await
            .read(log.clone())
            .await
            .unwrap();
        let changes = whole.take();
        assert_eq!(again.take(), changes);
        let [Change::Status(_), Change::Notice(told)] = &changes[..] else {
            panic!("a failure that is known was told again: {changes:?}");
        };
        assert_eq!(told.notice.reason, "NoRoute");
    }

    #[test]
    fn after_a_failed_write_what_is_stored_stays_as_it_was() {
        let records = history();
        let log = MemoryLog::default();
        log.append(&records).unwrap();
        let state = Arc::new(Failing::default());
        state.left.store(1, Ordering::Relaxed);
        let mut kept = Kept {
            view: Statuses::new("host"),
            state: Some(state.clone()),
            applied: Applied::default(),
            stored: Offset::default(),
        };
        for record in &records {
            kept.apply(record);
            kept.store();
            // Not only after so many.
            kept.stored = Offset::default();
        }
        let applied = state.applied().unwrap();
        assert_eq!(applied.offset, Offset(STORE_RECORDS));
        let mut again = Statuses::new("host").load(state.load()).unwrap();
        for record in &records[usize::try_from(STORE_RECORDS).unwrap()..] {
            fluvial_view::Projection::apply(&mut again, record);
        }
        assert_eq!(again, kept.view);
    }
}
