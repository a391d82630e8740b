//! One life of the engine: the real loop over a log in memory, driven by hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use fluvial_event::{Draft, Event, Offset, Record, Timestamp};
use fluvial_log::memory::{MemoryLog, MemoryState};
use fluvial_log::{EventLog, Stage};
use fluvial_reduce::World;
use fluvial_runtime::{Core, Order, Outlet, recover};

/// Collects what the loop hands out, and looks whether it is in the log by then.
#[derive(Clone, Debug)]
struct Hand {
    log: Arc<MemoryLog>,
    given: Arc<Mutex<Given>>,
}

#[derive(Debug, Default)]
struct Given {
    orders: Vec<Order>,
    /// A record that was told of before it was durable.
    too_early: Option<Offset>,
}

impl Hand {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Hand {
    fn committed(&mut self, records: &[Record], _world: &World) {
        let durable = self.log.head().offset;
        let mut given = self.given();
        for record in records {
            if record.offset > durable {
                given.too_early = Some(record.offset);
            }
            if let Event::CommandIssued(issued) = &record.event
                && let Some(command) = issued.command.clone()
            {
                given.orders.push(Order {
                    id: record.id,
                    command,
                });
            }
        }
    }

    fn stopped(&mut self, _why: &str) {}
}

/// One life of the engine.
pub(crate) struct Engine {
    core: Core<Hand>,
    world: Arc<RwLock<World>>,
    hand: Hand,
}

impl Engine {
    /// Recovers. Answers the commands that have no outcome, too.
    pub(crate) fn start(
        log: &Arc<MemoryLog>,
        state: &Arc<MemoryState>,
        producer: u64,
    ) -> Result<(Self, Vec<Order>), String> {
        let recovered = recover(&**log, &**state).map_err(|error| error.to_string())?;
        let world = Arc::new(RwLock::new(recovered.world));
        let hand = Hand {
            log: log.clone(),
            given: Arc::default(),
        };
        let core = Core::new(
            recovered.head,
            producer,
            Arc::clone(&world),
            state.clone(),
            hand.clone(),
        );
        let engine = Self { core, world, hand };
        Ok((engine, recovered.orders))
    }

    /// What it knows.
    pub(crate) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be kept.
    pub(crate) fn shared(&self) -> Arc<RwLock<World>> {
        Arc::clone(&self.world)
    }

    /// Turns news into records, which are not durable yet.
    pub(crate) fn stage(
        &mut self,
        drafts: Vec<Draft>,
        now: Timestamp,
    ) -> Result<Vec<Record>, String> {
        let records = self.core.stage(drafts, now);
        self.is_in_time()?;
        Ok(records)
    }

    /// `records` are durable: answers the commands among them.
    pub(crate) fn committed(&mut self, records: &[Record]) -> Result<Vec<Order>, String> {
        self.core.committed(records);
        self.is_in_time()?;
        Ok(std::mem::take(&mut self.hand.given().orders))
    }

    fn is_in_time(&self) -> Result<(), String> {
        match self.hand.given().too_early {
            Some(offset) => Err(format!("{offset} is handed out and is not in the log")),
            None => Ok(()),
        }
    }
}
