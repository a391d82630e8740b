//! The story on Kafka: every record of the log as a CloudEvent, for whoever wants to consume it.
//!
//! [`run`] is the one entry point. It follows the log behind its head from its checkpoint; `message` says
//! what a record is on Kafka, and on which topics; `target` reads where that is; `kafka` sends.
//!
//! What always holds:
//! - at least once, and in the order of the log for each key, which is the object that a record is about: the
//!   checkpoint moves only behind what every broker acknowledged (acks=all, idempotent producer). Who must not see
//!   a record twice keeps the last `fluvialoffset` of each partition;
//! - a Kafka that is down delays this sink alone: the engine goes on, and what came meanwhile follows;
//! - no value of a Secret is in a record, so none is on Kafka; credentials of Kafka are in no message and no error.
//!
//! Dropping the future stops publishing at once: what was under way is published again by the next leader.

mod kafka;
mod message;
mod target;

use std::sync::Arc;
use std::time::Duration;

use fluvial_event::{Offset, Record};
use fluvial_log::{Applied, EventLog, Restored, StateStore, restore};
use fluvial_view::status::Statuses;
use fluvial_view::{Projection as _, Stored as _};
use tokio::sync::watch;

use kafka::Kafka;
pub use message::Values;
use message::{Encoder, Message};
pub use target::{ParseTargetError, Target};

/// How many records are sent before the checkpoint moves.
const BATCH_RECORDS_MAX: usize = 1024;
/// How long to wait after a failure, at first and at most.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The part of the state that keeps how far it got.
const PART: &str = "publish";

/// Why nothing is published any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read, or its state not be written.
    #[error("cannot follow the log: {0}")]
    Log(#[from] fluvial_log::Error),
    /// The configuration of Kafka is refused.
    #[error("cannot use this configuration of Kafka: {0}")]
    Configuration(String),
    /// A thread died.
    #[error("cannot go on publishing: a thread stopped: {0}; restart")]
    Task(#[from] tokio::task::JoinError),
}

/// Publishes what `log` says, up to `head` and behind it, until `head` is closed.
pub async fn run(
    log: Arc<dyn EventLog>,
    state: Arc<dyn StateStore>,
    target: Target,
    mut head: watch::Receiver<Offset>,
) -> Result<(), Error> {
    let kafka = Kafka::new(&target)?;
    let mut published = {
        let (log, prefix, values) = (Arc::clone(&log), target.prefix.clone(), target.values);
        blocking(move || Published::restore(log, &*state, &prefix, values)).await?
    };
    let from = published.applied.offset.next();
    tracing::info!(%target, from = from.0, "Publishing to Kafka.");
    patiently("make the topics", || kafka.make_topics()).await;
    loop {
        let goal = *head.borrow_and_update();
        while published.applied.offset < goal {
            let (moved, batch) = blocking(move || published.read()).await?;
            published = moved;
            patiently("publish", || kafka.send(&batch.messages)).await;
            published = blocking(move || published.reached(batch.applied)).await?;
        }
        if head.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Tries again until it is done: Kafka comes back, and nothing is left out meanwhile.
async fn patiently<F: Future<Output = Result<(), String>>>(
    doing: &str,
    mut work: impl FnMut() -> F,
) {
    let mut pause = PAUSE;
    let mut is_down = false;
    while let Err(error) = work().await {
        tracing::warn!(error, "Cannot {doing} on Kafka; it is tried again.");
        is_down = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
    if is_down {
        tracing::info!("Kafka takes what is published again.");
    }
}

/// What was read to be sent together.
struct Batch {
    messages: Vec<Message>,
    applied: Applied,
}

/// How far it got, and what every object was then.
struct Published {
    log: Arc<dyn EventLog>,
    state: Arc<dyn StateStore>,
    encoder: Encoder,
    statuses: Statuses,
    applied: Applied,
}

impl Published {
    fn restore(
        log: Arc<dyn EventLog>,
        state: &dyn StateStore,
        prefix: &str,
        values: Values,
    ) -> Result<Self, Error> {
        let empty = || Statuses::new("");
        // Another place has its own checkpoint: what was published here is not there.
        let state = state.part(PART, &format!("publish/1 {prefix} {}", empty().format()))?;
        let head = log.head().offset;
        let (mut statuses, applied) = match restore(&*log, &*state, head, |it| empty().load(it))? {
            Restored::Stored(statuses, applied) => (statuses, applied),
            Restored::Nothing => (empty(), Applied::default()),
            Restored::Cleared(why) => {
                tracing::warn!(why, "Everything is published again from the beginning.");
                (empty(), Applied::default())
            }
        };
        // What is stored was published.
        statuses.take_changed();
        let first = match log.read(Offset::FIRST).next() {
            Some(first) => first?.hash.to_string(),
            None => String::new(),
        };
        Ok(Self {
            encoder: Encoder::new(prefix, &first, values),
            log,
            state,
            statuses,
            applied,
        })
    }

    fn read(mut self) -> Result<(Self, Batch), Error> {
        let mut batch = Batch {
            messages: Vec::new(),
            applied: self.applied,
        };
        let log = Arc::clone(&self.log);
        for record in log.read(self.applied.offset.next()).take(BATCH_RECORDS_MAX) {
            let record = record?;
            batch.messages.extend(self.messages(&record));
            batch.applied = Applied {
                offset: record.offset,
                hash: record.hash,
            };
        }
        Ok((self, batch))
    }

    fn messages(&mut self, record: &Record) -> Vec<Message> {
        self.encoder.begin(record);
        let mut messages = self.encoder.record(record);
        self.statuses.apply(record);
        for object in self.statuses.take_changed() {
            let status = self.statuses.get(&object);
            messages.push(self.encoder.status(record, &object, status.as_ref()));
        }
        messages
    }

    /// Moves the checkpoint behind what Kafka has.
    fn reached(mut self, applied: Applied) -> Result<Self, Error> {
        self.state.commit(applied, &self.statuses.changes())?;
        self.applied = applied;
        Ok(self)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await?
}
