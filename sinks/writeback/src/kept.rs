//! A view that is kept up to date with the log, and stored so that a start folds only what came after.
//!
//! What is done with the view is the sink's business.

use std::sync::Arc;

use fluvial_event::{Offset, Record};
use fluvial_log::{Applied, EventLog, Restored, StateStore, restore};
use fluvial_view::Stored;

use crate::Error;

/// How many records are folded before what came of them is stored: a start folds no more than these again,
/// and what was lost with the memory of the store.
pub(crate) const STORE_RECORDS: u64 = 1024;

/// A view as of one offset, and where it is stored.
pub struct Kept<V> {
    /// The view.
    pub view: V,
    /// None once it could not be written: what was to be written then is lost to it, so it stays as it is.
    pub(crate) state: Option<Arc<dyn StateStore>>,
    pub(crate) applied: Applied,
    pub(crate) stored: Offset,
}

impl<V: Stored> Kept<V> {
    /// What is stored of `empty` under `name`, or `empty` itself.
    pub fn restore(
        empty: &impl Fn() -> V,
        name: &str,
        log: &dyn EventLog,
        state: &dyn StateStore,
    ) -> Result<Self, fluvial_log::Error> {
        let state = state.part(name, &empty().format())?;
        let restored = restore(log, &*state, log.head().offset, |pairs| empty().load(pairs))?;
        let (view, applied) = match restored {
            Restored::Stored(view, applied) => (view, applied),
            Restored::Nothing => (empty(), Applied::default()),
            Restored::Cleared(why) => {
                tracing::warn!(view = name, why, "A view is made again from the log.");
                (empty(), Applied::default())
            }
        };
        Ok(Self {
            view,
            state: Some(state),
            applied,
            stored: applied.offset,
        })
    }

    /// The last record folded in.
    pub fn offset(&self) -> Offset {
        self.applied.offset
    }

    /// Folds `record` in, and says whether it was new to the view.
    pub fn apply(&mut self, record: &Record) -> bool {
        let is_new = record.offset > self.applied.offset;
        if is_new {
            self.view.apply(record);
            self.applied = Applied {
                offset: record.offset,
                hash: record.hash,
            };
        }
        is_new
    }

    /// Stores what changed, now and then.
    pub fn store(&mut self) {
        let Applied { offset, .. } = self.applied;
        let (Some(state), true) = (&self.state, offset.0 >= self.stored.0 + STORE_RECORDS) else {
            return;
        };
        if let Err(error) = state.commit(self.applied, &self.view.changes()) {
            tracing::error!(%error, "A view is not stored any more; the next start folds from here.");
            self.state = None;
        }
        self.stored = offset;
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Reader(error.to_string()))?
}
