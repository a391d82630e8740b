//! What every part of one operation shares: its deadline, and the first thing that went wrong.
//!
//! `gix` passes errors on as text. The transports know more than that, so they leave the typed error
//! here, where `explain` finds it.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// A million references, give or take.
const LISTING_BYTES_MAX: u64 = 64 << 20;

/// Shared by the parts of one operation.
pub(super) struct Context {
    /// Without user name and password.
    pub(super) url: String,
    pub(super) received_bytes_max: u64,
    timeout: Duration,
    clock: Mutex<Option<Clock>>,
    failure: Mutex<Option<Error>>,
    stderr: Mutex<String>,
    /// Tells `gix` to stop.
    pub(super) interrupt: Arc<AtomicBool>,
}

struct Clock {
    end: Instant,
    /// Dropping it lets the watch end.
    _stop: Sender<()>,
}

impl Context {
    pub(super) fn new(url: String, timeout: Duration, received_bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            url,
            received_bytes_max,
            timeout,
            clock: Mutex::new(None),
            failure: Mutex::new(None),
            stderr: Mutex::new(String::new()),
            interrupt: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Begins to count; counts anew when it did already.
    pub(super) fn start_clock(&self) {
        let (stop, stopped) = channel();
        let interrupt = Arc::clone(&self.interrupt);
        let timeout = self.timeout;
        thread::spawn(move || {
            if expired(&stopped, timeout) {
                interrupt.store(true, Ordering::Relaxed);
            }
        });
        // A time beyond what the clock can count is no limit worth having, so a year stands in for it.
        let now = Instant::now();
        let end = now
            .checked_add(timeout)
            .unwrap_or_else(|| now + Duration::from_hours(24 * 365));
        *locked(&self.clock) = Some(Clock { end, _stop: stop });
    }

    /// What is left of the time; `None` when it is used up.
    pub(super) fn remaining(&self) -> Option<Duration> {
        match &*locked(&self.clock) {
            Some(clock) => clock
                .end
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero()),
            None => Some(self.timeout),
        }
    }

    pub(super) fn timed_out(&self) -> Error {
        Error::Timeout {
            url: self.url.clone(),
            seconds: self.timeout.as_secs(),
        }
    }

    /// Keeps the first error; the result is for `gix` to carry.
    pub(super) fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        locked(&self.failure).get_or_insert(error);
        io::Error::other(text)
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        locked(&self.failure).take()
    }

    /// What the `ssh` program printed.
    pub(super) fn set_stderr(&self, text: String) {
        *locked(&self.stderr) = text;
    }

    pub(super) fn take_stderr(&self) -> String {
        std::mem::take(&mut *locked(&self.stderr))
    }
}

fn expired(stopped: &Receiver<()>, timeout: Duration) -> bool {
    matches!(
        stopped.recv_timeout(timeout),
        Err(RecvTimeoutError::Timeout)
    )
}

/// A lock whose holder panicked still guards whole values here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reader that ends with the operation's time, and at the limit of what may be received.
pub(super) struct Bounded<R> {
    inner: R,
    received: u64,
    bytes_max: u64,
    context: Arc<Context>,
}

impl<R> Bounded<R> {
    /// For an answer that may be a pack.
    pub(super) fn new(inner: R, context: Arc<Context>) -> Self {
        let bytes_max = context.received_bytes_max;
        Self {
            inner,
            received: 0,
            bytes_max,
            context,
        }
    }

    /// For an answer that lists references, all of which are kept in memory.
    pub(super) fn listing(inner: R, context: Arc<Context>) -> Self {
        let bounded = Self::new(inner, context);
        Self {
            bytes_max: bounded.bytes_max.min(LISTING_BYTES_MAX),
            ..bounded
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.context.remaining().is_none() {
            return Err(self.context.fail(self.context.timed_out()));
        }
        let count = self.inner.read(buffer)?;
        self.received += count as u64;
        if self.received > self.bytes_max {
            return Err(self.context.fail(Error::Remote {
                url: self.context.url.clone(),
                why: format!(
                    "the server sent more than {} bytes in one answer",
                    self.bytes_max
                ),
            }));
        }
        Ok(count)
    }
}
