//! The queue in front of the thread that appends: bounded, in order, and closed for ever after an error.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fluvial_event::{Draft, Offset};

use super::Limits;
use crate::{Error, Result};

/// Drafts that belong together, and who waits for them.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) drafts: Vec<Draft>,
    pub(super) bytes: usize,
    pub(super) ack: Option<SyncSender<Result<Offset>>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    inner: Mutex<Inner>,
    /// Something waits, or nothing will any more.
    filled: Condvar,
    /// There is room, or there will not be any more.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Request>,
    drafts: usize,
    bytes: usize,
    closed: bool,
    stopped: Option<String>,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            inner: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
        }
    }

    /// Puts `request` at the end; blocks while there is no room. One that is larger than the whole
    /// queue goes in when nothing else waits.
    pub(super) fn push(&self, request: Request) -> Result<()> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return Err(inner.error());
            }
            let fits = inner.drafts + request.drafts.len() <= self.limits.queued_drafts_max
                && inner.bytes + request.bytes <= self.limits.queued_bytes_max;
            if fits || inner.waiting.is_empty() {
                break;
            }
            inner = self
                .drained
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.drafts += request.drafts.len();
        inner.bytes += request.bytes;
        inner.waiting.push_back(request);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// The next batch; blocks while there is none. `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Request>> {
        let mut inner = self.lock();
        while inner.waiting.is_empty() {
            if inner.closed {
                return None;
            }
            inner = self
                .filled
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner = self.linger(inner);
        let batch = inner.batch(&self.limits);
        drop(inner);
        self.drained.notify_all();
        Some(batch)
    }

    /// Waits for company, while there is room for it in the batch.
    fn linger<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let linger = self.limits.linger.min(Limits::LINGER_MAX);
        let begun = Instant::now();
        while !inner.closed
            && inner.drafts < self.limits.batch_drafts_max
            && inner.bytes < self.limits.batch_bytes_max
            && let Some(left) = linger.checked_sub(begun.elapsed())
            && !left.is_zero()
        {
            inner = self
                .filled
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        inner
    }

    /// Takes no more; what waits is still committed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Takes no more and never will, because of `why`; what waits is told so.
    pub(super) fn stop(&self, why: String) {
        self.lock().stopped.get_or_insert(why);
        self.abandon();
    }

    /// Tells everyone who waits that nothing will be committed any more.
    pub(super) fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let abandoned = std::mem::take(&mut inner.waiting);
        drop(inner);
        // Their senders go with them; `Producer::append` then asks why.
        drop(abandoned);
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Whether everything so far was committed.
    pub(super) fn outcome(&self) -> Result<()> {
        self.lock()
            .stopped
            .clone()
            .map_or(Ok(()), |why| Err(Error::Stopped(why)))
    }

    /// Why nothing more is taken.
    pub(super) fn stopped(&self) -> Error {
        self.lock().error()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn error(&self) -> Error {
        let why = self.stopped.as_deref();
        Error::Stopped(why.unwrap_or("the log is shut down").to_owned())
    }

    /// Requests from the front, as many as go together; one at least.
    fn batch(&mut self, limits: &Limits) -> Vec<Request> {
        let mut batch = Vec::new();
        let (mut drafts, mut bytes) = (0, 0);
        while let Some(next) = self.waiting.front() {
            drafts += next.drafts.len();
            bytes += next.bytes;
            let fits = drafts <= limits.batch_drafts_max && bytes <= limits.batch_bytes_max;
            if !fits && !batch.is_empty() {
                break;
            }
            self.drafts -= next.drafts.len();
            self.bytes -= next.bytes;
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}
