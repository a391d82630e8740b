//! The loop with its thread, its clock and its timers.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use fluvial_event::{Command, Draft, Event, Id, Offset, Record, TermStarted, TimerFired};
use fluvial_log::{EventLog, GroupCommit, Limits, Producer, StateStore};
use fluvial_reduce::World;
use tokio::sync::{mpsc, watch};

use crate::Error;
use crate::clock::{Clock, now};
use crate::core::{Core, Outlet};
use crate::recover::{Recovered, recover};

/// A durable command, to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its id: the cause of its outcome.
    pub id: Id,
    /// What to do.
    pub command: Command,
}

/// A running loop.
pub struct Runtime {
    commit: GroupCommit,
    world: Arc<RwLock<World>>,
    log: Arc<dyn EventLog>,
    clock: Clock,
    head: watch::Receiver<Offset>,
    stopped: watch::Receiver<Option<String>>,
}

/// Tells the async side what became durable.
struct Hand {
    orders: mpsc::UnboundedSender<Order>,
    head: watch::Sender<Offset>,
    stopped: watch::Sender<Option<String>>,
}

impl Outlet for Hand {
    fn committed(&mut self, records: &[Record], _world: &World) {
        for record in records {
            if let Event::CommandIssued(issued) = &record.event
                && let Some(command) = issued.command.clone()
            {
                // Nobody takes orders any more once the engine is stopping; they stay in the log.
                self.orders
                    .send(Order {
                        id: record.id,
                        command,
                    })
                    .unwrap_or_default();
            }
        }
        if let Some(last) = records.last() {
            self.head.send_replace(last.offset);
        }
    }

    fn stopped(&mut self, why: &str) {
        self.stopped.send_replace(Some(why.to_owned()));
    }
}

impl Runtime {
    /// Recovers, opens a term as `identity`, and answers the loop and the commands to carry out,
    /// those of earlier terms first.
    pub fn start(
        log: Arc<dyn EventLog>,
        state: Arc<dyn StateStore>,
        identity: &str,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Order>), Error> {
        let Recovered {
            world,
            head,
            orders,
            replayed,
        } = recover(&*log, &*state)?;
        tracing::info!(
            offset = head.offset.0,
            replayed,
            outstanding = orders.len(),
            "Recovered."
        );
        let (order_in, order_out) = mpsc::unbounded_channel();
        let (head_in, head_out) = watch::channel(head.offset);
        let (stopped_in, stopped_out) = watch::channel(None);
        for order in orders {
            order_in.send(order).unwrap_or_default();
        }
        let hand = Hand {
            orders: order_in,
            head: head_in,
            stopped: stopped_in,
        };
        let world = Arc::new(RwLock::new(world));
        let producer = u64::try_from(now().0).unwrap_or_default();
        let core = Core::new(head, producer, Arc::clone(&world), state, hand);
        let clock = Clock::after(head.time);
        let tell = clock.clone();
        let commit = GroupCommit::start(
            Arc::clone(&log),
            core,
            move || tell.now(),
            Limits::default(),
        )?;
        let runtime = Self {
            commit,
            world,
            log,
            clock,
            head: head_out,
            stopped: stopped_out,
        };
        let term = TermStarted {
            identity: identity.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        runtime
            .producer()
            .append(vec![Draft::news(term.into()).by(identity)])?;
        Ok((runtime, order_out))
    }

    /// A way into the log.
    pub fn producer(&self) -> Producer {
        self.commit.producer()
    }

    /// Everything known; it may be ahead of what is durable by what is being written.
    pub fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be kept.
    pub fn shared_world(&self) -> Arc<RwLock<World>> {
        Arc::clone(&self.world)
    }

    /// The log, to read from.
    pub fn log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log)
    }

    /// The last durable offset, and a way to wait for the next.
    pub fn head(&self) -> watch::Receiver<Offset> {
        self.head.clone()
    }

    /// Why the log takes no more, once it does not.
    pub fn stopped(&self) -> watch::Receiver<Option<String>> {
        self.stopped.clone()
    }

    /// Commits what waits, and ends.
    pub fn stop(self) -> Result<(), Error> {
        Ok(self.commit.stop()?)
    }

    /// Fires timers as they come due. Runs until the log stops.
    pub fn timers(&self) -> impl Future<Output = ()> + Send + 'static {
        fire(
            Arc::clone(&self.world),
            self.producer(),
            self.clock.clone(),
            self.head.clone(),
        )
    }
}

async fn fire(
    world: Arc<RwLock<World>>,
    producer: Producer,
    clock: Clock,
    mut head: watch::Receiver<Offset>,
) {
    /// The longest sleep: a clock that jumps is noticed within this.
    const SLEEP_MAX: Duration = Duration::from_secs(10);
    loop {
        let (ripe, pause) = {
            let world = world.read().unwrap_or_else(PoisonError::into_inner);
            let now = clock.now();
            let ripe: Vec<_> = world.ripe(now).cloned().collect();
            let next = world
                .next_timer()
                .map(|(time, _)| time.0.saturating_sub(now.0));
            let pause = next.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or_default()));
            (ripe, pause.unwrap_or(SLEEP_MAX).min(SLEEP_MAX))
        };
        if ripe.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = head.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let drafts = ripe
            .into_iter()
            .map(|object| {
                Draft::news(
                    TimerFired {
                        object: Some(object),
                    }
                    .into(),
                )
            })
            .collect();
        let producer = producer.clone();
        let appended = tokio::task::spawn_blocking(move || producer.append(drafts)).await;
        if !matches!(appended, Ok(Ok(_))) {
            return;
        }
    }
}
