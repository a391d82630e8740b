//! Group commit: one thread orders what many producers append, and makes it durable together.
//!
//! What becomes of drafts (which records, and what follows from them) is the [`Stage`]'s business.

mod queue;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fluvial_event::{Chain, Draft, Head, Id, Offset, RECORD_BYTES_MAX, Record, Timestamp};

use self::queue::{Queue, Request};
use crate::{Error, EventLog, Result};

/// Room in a record for what is not payload.
const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX - (1 << 20);

/// Turns drafts into records. Called from one thread, in the order of the log.
pub trait Stage: Send {
    /// The records that `drafts` become, in order, with all that follows from them. They must follow
    /// what was staged before, which may not be durable yet.
    fn stage(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Record>;

    /// `records` are durable. Called before their producers hear of it.
    fn committed(&mut self, records: &[Record]);

    /// An append failed: nothing that was staged since the last [`Stage::committed`] is known to be
    /// durable, and nothing more will be. Called once.
    fn stopped(&mut self, error: &Error);
}

/// How much is taken together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Drafts that may wait; producers block beyond that.
    pub queued_drafts_max: usize,
    /// Bytes of payload that may wait; producers block beyond that.
    pub queued_bytes_max: usize,
    /// Drafts committed together.
    pub batch_drafts_max: usize,
    /// Bytes of payload committed together.
    pub batch_bytes_max: usize,
    /// How long a batch that is not full waits for company. At most two milliseconds.
    pub linger: Duration,
}

impl Limits {
    /// The longest that a batch waits for company.
    pub const LINGER_MAX: Duration = Duration::from_millis(2);
}

/// No linger: while one batch is synced, the next one gathers by itself.
impl Default for Limits {
    fn default() -> Self {
        Self {
            queued_drafts_max: 16_384,
            queued_bytes_max: 64 << 20,
            batch_drafts_max: 4_096,
            batch_bytes_max: 16 << 20,
            linger: Duration::ZERO,
        }
    }
}

/// The thread that appends. Dropping this commits what waits, and joins the thread.
#[derive(Debug)]
pub struct GroupCommit {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// Appends from any thread.
#[derive(Clone, Debug)]
pub struct Producer {
    queue: Arc<Queue>,
}

impl GroupCommit {
    /// Starts to append to `log` what `stage` makes of drafts, at the time that `clock` tells.
    pub fn start(
        log: Arc<dyn EventLog>,
        stage: impl Stage + 'static,
        clock: impl Fn() -> Timestamp + Send + 'static,
        limits: Limits,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(limits));
        let mut committer = Committer {
            last: log.head().offset,
            log,
            stage,
            clock,
            queue: Arc::clone(&queue),
        };
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| Error::storage("start the thread that appends", error))?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// A way in.
    pub fn producer(&self) -> Producer {
        Producer {
            queue: Arc::clone(&self.queue),
        }
    }

    /// Takes no more, commits what waits and joins the thread. Says whether all of it went well; a
    /// panic of the stage goes on here.
    pub fn stop(mut self) -> Result<()> {
        self.queue.close();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        self.queue.outcome()
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic was printed by its thread, and every producer was told.
            thread.join().unwrap_or_default();
        }
    }
}

impl Producer {
    /// Appends `drafts` and waits until they are durable. Answers the last offset that came of them.
    pub fn append(&self, drafts: Vec<Draft>) -> Result<Offset> {
        let (ack, acked) = mpsc::sync_channel(1);
        self.push(drafts, Some(ack))?;
        acked.recv().map_err(|_gone| self.queue.stopped())?
    }

    /// Hands `drafts` over without waiting until they are durable; blocks while too much waits. What
    /// one thread submits and appends keeps its order.
    pub fn submit(&self, drafts: Vec<Draft>) -> Result<()> {
        self.push(drafts, None)
    }

    /// What no record can hold is refused here, before it can stop the log.
    fn push(
        &self,
        drafts: Vec<Draft>,
        ack: Option<mpsc::SyncSender<Result<Offset>>>,
    ) -> Result<()> {
        let mut bytes = 0;
        for draft in &drafts {
            let size = draft.event.payload_bytes();
            if size > PAYLOAD_BYTES_MAX {
                return Err(Error::TooLarge {
                    offset: Offset::default(),
                    bytes: size,
                });
            }
            bytes += size;
        }
        self.queue.push(Request { drafts, bytes, ack })
    }
}

/// What the thread owns.
struct Committer<S, C> {
    log: Arc<dyn EventLog>,
    stage: S,
    clock: C,
    queue: Arc<Queue>,
    last: Offset,
}

impl<S: Stage, C: Fn() -> Timestamp> Committer<S, C> {
    fn run(&mut self) {
        // Whatever ends this thread, a panic too, nobody waits for it in vain.
        let _guard = Closing(Arc::clone(&self.queue));
        while let Some(requests) = self.queue.take() {
            if let Err(error) = self.commit(requests) {
                self.queue.stop(error.to_string());
                self.stage.stopped(&error);
                return;
            }
        }
    }

    fn commit(&mut self, requests: Vec<Request>) -> Result<()> {
        let mut records = Vec::new();
        let mut acks = Vec::with_capacity(requests.len());
        for request in requests {
            records.append(&mut self.stage.stage(request.drafts, (self.clock)()));
            let last = records.last().map_or(self.last, |record| record.offset);
            acks.extend(request.ack.map(|ack| (ack, last)));
        }
        if !records.is_empty()
            && let Err(error) = self.log.append(&records)
        {
            for (ack, _) in acks {
                answer(&ack, Err(Error::Stopped(error.to_string())));
            }
            return Err(error);
        }
        self.last = records.last().map_or(self.last, |record| record.offset);
        self.stage.committed(&records);
        for (ack, last) in acks {
            answer(&ack, Ok(last));
        }
        Ok(())
    }
}

/// A producer that is gone does not want its answer.
fn answer(ack: &mpsc::SyncSender<Result<Offset>>, result: Result<Offset>) {
    ack.send(result).unwrap_or_default();
}

struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The plainest stage: every draft becomes a record, and nothing follows from it.
#[derive(Debug)]
pub struct Plain {
    chain: Chain,
}

impl Plain {
    /// Goes on after `head` as `producer`.
    pub fn new(head: Head, producer: u64) -> Self {
        Self {
            chain: Chain::new(head, producer),
        }
    }
}

impl Stage for Plain {
    /// A draft with a cause is taken to be one step away from what began it all.
    fn stage(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Record> {
        let seal = |draft: Draft| {
            let began: Id = draft.cause;
            self.chain.seal(draft, began, now)
        };
        drafts.into_iter().map(seal).collect()
    }

    fn committed(&mut self, _records: &[Record]) {}

    fn stopped(&mut self, _error: &Error) {}
}

#[cfg(test)]
mod tests;
