//! One life of the engine: the real loop over a log in memory, driven by hand.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use fluvial_event::{Draft, Event, Record, Timestamp};
use fluvial_log::memory::{MemoryLog, MemoryState};
use fluvial_log::{EventLog, Stage};
use fluvial_reduce::World;
use fluvial_runtime::{Core, Order, Outlet, recover};

/// Collects what the loop hands out.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<Mutex<Vec<Order>>>);

impl Outlet for Hand {
    fn committed(&mut self, records: &[Record], _world: &World) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if let Event::CommandIssued(issued) = &record.event
                && let Some(command) = issued.command.clone()
            {
                orders.push(Order {
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
        let hand = Hand::default();
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

    /// Turns news into records, which are not durable yet.
    pub(crate) fn stage(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Record> {
        self.core.stage(drafts, now)
    }

    /// Makes `records` durable.
    pub(crate) fn append(log: &MemoryLog, records: &[Record]) -> Result<(), fluvial_log::Error> {
        log.append(records)
    }

    /// `records` are durable: answers the commands among them.
    pub(crate) fn committed(&mut self, records: &[Record]) -> Vec<Order> {
        self.core.committed(records);
        let mut orders = self.hand.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *orders)
    }
}
