//! Who is told, in the cluster itself: conditions and Kubernetes Events, as Flux's controllers write
//! them.
//!
//! [`run`] is the one entry point. It follows the log behind its head, folds `view::status` and
//! `view::notice`, and writes what is new; what they say is the view's business. Start reading at
//! `follow.rs`, then `turns.rs` and `write.rs`.
//!
//! What always holds:
//! - a status is level-based: only the newest of an object is written, one write of an object at a
//!   time, and nothing where the cluster says the same already. So a restart needs no checkpoint: each
//!   status is compared with the live one once, and what is missing is written;
//! - a status that only says that work is under way waits two seconds for what comes of it, so that a short
//!   attempt costs one write, and few of those are written while others come to their end; Events wait for a
//!   moment in which no status changes, half a minute at most;
//! - an object that cannot be written is tried again after a pause and holds nobody else up;
//! - Events are told of what is recorded since the newest term began. One has the same name every time
//!   it is written, so it is there once; one that is lost with its writer, between the record and the
//!   request, is not written later, because the next term does not look further back.
//!
//! Dropping the future stops writing at once: a deposed leader does not write.

mod follow;
mod kept;
mod queue;
mod turns;
mod write;

use std::sync::Arc;

use fluvial_cluster::Cluster;
use fluvial_event::Offset;
use fluvial_log::{EventLog, StateStore};
use tokio::sync::watch;

pub use kept::Kept;

use follow::Follower;
use write::Writer;

/// How to write.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where artifacts are served, as it stands in their URLs: the host, and the port if it has one.
    pub advertised: String,
    /// How many requests run at once.
    pub requests_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            advertised: "source-controller.flux-system.svc.cluster.local.".to_owned(),
            requests_max: 8,
        }
    }
}

/// Why nothing is written any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read.
    #[error("cannot follow the log: {0}")]
    Log(#[from] fluvial_log::Error),
    /// The log was said to be longer than it is.
    #[error("cannot follow the log up to {goal}: it ends at {end}; run `fluvial log verify`")]
    Short {
        /// The head, as it was told.
        goal: Offset,
        /// The last record.
        end: Offset,
    },
    /// The thread that reads the log died.
    #[error("cannot follow the log: its reader stopped: {0}; restart")]
    Reader(String),
}

/// Writes to `cluster` what `log` says, up to `head` and behind it, until `head` is closed. What the views
/// say is stored in parts of `state`, so that a start folds only what came after.
///
/// Errors of the cluster are logged and tried again; only the log's end this.
pub async fn run(
    cluster: Cluster,
    log: Arc<dyn EventLog>,
    state: Arc<dyn StateStore>,
    mut head: watch::Receiver<Offset>,
    options: Options,
) -> Result<(), Error> {
    let mut follower = Follower::restore(options.advertised, Arc::clone(&log), state).await?;
    let mut writer = Writer::new(cluster, options.requests_max);
    loop {
        let goal = *head.borrow_and_update();
        while follower.offset() < goal {
            let before = follower.offset();
            follower = follower.read(Arc::clone(&log)).await?;
            if follower.offset() == before {
                return Err(Error::Short { goal, end: before });
            }
        }
        for change in follower.take() {
            writer.put(change);
        }
        tokio::select! {
            changed = head.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = writer.work() => {}
        }
    }
}
