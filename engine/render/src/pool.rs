//! The parent: a few workers, each for one tenant at a time, started when they are needed and ended when
//! they are not.
//!
//! A worker keeps what it was sent, and whatever a hostile input may have done to it. So it never serves a
//! second tenant: who finds no worker of his own has one started, in place of another's that is idle. It
//! costs a few milliseconds. A tenant whose worker is busy waits for it a little before he takes another,
//! and never takes the last, so that one who keeps workers busy delays nobody else.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::breach::Breach;
use crate::confine::{Confinement, Missing};
use crate::limits::Limits;
use crate::process::Process;

/// Brings what belongs to a question, when it is wanted. Called again when a worker has to be replaced.
pub type Fetch<'a> =
    &'a (dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send + 'a>> + Sync + 'a);

/// A worker without work is ended after this, and its memory is given back.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// How long a tenant waits for the worker that he has before he takes another.
const PATIENCE: Duration = Duration::from_millis(200);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The question is to blame.
    #[error("{0}")]
    Breach(Breach),
    /// No worker can be started.
    #[error(
        "cannot start a process to render in: {0}; /proc must be mounted, and the engine allowed to start processes"
    )]
    Start(String),
    /// This system cannot confine a worker.
    #[error("cannot render here: {}; run the engine where the kernel has this, or allow rendering without it by --allow-unconfined-rendering", list(.0))]
    Unconfined(Vec<Missing>),
    /// What belongs to the question cannot be had.
    #[error("cannot read what is to be rendered: {0}")]
    Attachment(io::Error),
}

/// Fences and why they are missing, as a list.
pub(crate) fn list(missing: &[Missing]) -> String {
    let each = missing
        .iter()
        .map(|missing| format!("no {} ({})", missing.fence.name(), missing.why));
    each.collect::<Vec<_>>().join(", ")
}

/// Workers, and the right to ask them. Clones share them.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    allow_unconfined: bool,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The longest idle first.
    idle: VecDeque<Idle>,
    /// Workers at work, by tenant.
    busy: BTreeMap<String, usize>,
    is_reaping: bool,
}

#[derive(Debug)]
struct Idle {
    tenant: String,
    process: Process,
    until: Instant,
}

/// Where a question can be put.
enum Place {
    /// To a worker of the tenant's that has nothing to do.
    Worker(Box<Process>),
    /// To one that is started for it.
    Room,
    /// Nowhere yet.
    Full,
}

/// A place for one worker at work.
struct Seat {
    shared: Arc<Shared>,
    tenant: String,
    process: Option<Process>,
}

impl Pool {
    /// A pool without workers yet. Where a worker cannot be confined, there will be none, unless that is
    /// allowed.
    pub fn new(limits: Limits, allow_unconfined: bool) -> Self {
        Self(Arc::new(Shared {
            limits,
            allow_unconfined,
            state: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// Starts a worker, to see how it is confined, and ends it.
    pub async fn probe(&self) -> Result<Confinement, Error> {
        let (_process, confinement) = Process::start(self.0.limits).await?;
        self.0.check(&confinement)?;
        Ok(confinement)
    }

    /// Asks a worker of `tenant`.
    pub async fn ask(
        &self,
        tenant: &str,
        request: &[u8],
        attachment: Fetch<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut seat = self.seat(tenant).await;
        let mut process = match seat.process.take() {
            Some(process) => process,
            None => self.0.start().await?,
        };
        let is_used = process.is_used();
        let mut answer = process.ask(request, attachment).await;
        if let Err(Error::Breach(breach)) = &answer
            && is_used
            && breach.may_be_of_age()
        {
            // The verdict is on the input alone, not on what the worker did before.
            process = self.0.start().await?;
            answer = process.ask(request, attachment).await;
        }
        if answer.is_ok() && !process.is_old() {
            seat.process = Some(process);
        }
        answer
    }

    async fn seat(&self, tenant: &str) -> Seat {
        let patient_until = Instant::now() + PATIENCE;
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let is_impatient = Instant::now() >= patient_until;
            let (shared, own) = (Arc::clone(&self.0), tenant.to_owned());
            match self.0.take_place(tenant, is_impatient) {
                Place::Worker(process) => {
                    return Seat {
                        shared,
                        tenant: own,
                        process: Some(*process),
                    };
                }
                Place::Room => {
                    return Seat {
                        shared,
                        tenant: own,
                        process: None,
                    };
                }
                Place::Full => {}
            }
            if is_impatient {
                freed.await;
            } else {
                // Woken or out of patience, it looks again.
                timeout_at(patient_until, freed).await.unwrap_or_default();
            }
        }
    }
}

impl Shared {
    async fn start(&self) -> Result<Process, Error> {
        let (process, confinement) = Process::start(self.limits).await?;
        self.check(&confinement)?;
        Ok(process)
    }

    fn check(&self, confinement: &Confinement) -> Result<(), Error> {
        let needed = confinement
            .missing
            .iter()
            .filter(|missing| missing.fence.is_needed());
        let needed: Vec<_> = needed.cloned().collect();
        if needed.is_empty() || self.allow_unconfined {
            return Ok(());
        }
        Err(Error::Unconfined(needed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place at work for `tenant`, if there is one.
    fn take_place(&self, tenant: &str, is_impatient: bool) -> Place {
        let workers_max = self.limits.workers_max.max(1);
        let mut guard = self.state();
        let state = &mut *guard;
        let own = state.busy.get(tenant).copied().unwrap_or(0);
        let at = state.idle.iter().rposition(|idle| idle.tenant == tenant);
        let place = match at.and_then(|at| state.idle.remove(at)) {
            Some(idle) => Place::Worker(Box::new(idle.process)),
            None if own > 0 && (!is_impatient || own >= workers_max - 1) => return Place::Full,
            None => {
                let all = state.idle.len() + state.busy.values().sum::<usize>();
                if all >= workers_max && state.idle.pop_front().is_none() {
                    return Place::Full;
                }
                Place::Room
            }
        };
        *state.busy.entry(tenant.to_owned()).or_default() += 1;
        place
    }

    /// Ends idle workers when their time has come, until there are none.
    async fn reap(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                let now = Instant::now();
                state.idle.retain(|idle| idle.until > now);
                let Some(next) = state.idle.iter().map(|idle| idle.until).min() else {
                    state.is_reaping = false;
                    return;
                };
                next
            };
            sleep_until(next).await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(busy) = state.busy.get_mut(&self.tenant) {
            *busy -= 1;
            if *busy == 0 {
                state.busy.remove(&self.tenant);
            }
        }
        if let Some(process) = self.process.take() {
            let (tenant, until) = (self.tenant.clone(), Instant::now() + IDLE_MAX);
            state.idle.push_back(Idle {
                tenant,
                process,
                until,
            });
            if !state.is_reaping {
                state.is_reaping = true;
                tokio::spawn(Arc::clone(&self.shared).reap());
            }
        }
        drop(state);
        self.shared.freed.notify_waiters();
    }
}
