//! The loop without threads or time.

use std::sync::{Arc, PoisonError, RwLock};

use fluvial_event::{Chain, Draft, Event, Head, Id, Record, Timestamp};
use fluvial_log::{Applied, Stage, StateStore};
use fluvial_reduce::World;

/// Who is told what became durable.
pub trait Outlet: Send {
    /// `records` are durable, and `world` is as of the last of them.
    fn committed(&mut self, records: &[Record], world: &World);

    /// Nothing more will become durable.
    fn stopped(&mut self, why: &str);
}

/// Turns news into records, with every decision that follows from them.
pub struct Core<O> {
    chain: Chain,
    world: Arc<RwLock<World>>,
    /// None once it could not be written: what was to be written then is lost to it, so it stays as it is.
    state: Option<Arc<dyn StateStore>>,
    outlet: O,
}

impl<O: Outlet> Core<O> {
    /// Goes on after `head`, where `world` is as of. `producer` tells this life of the engine from
    /// others.
    pub fn new(
        head: Head,
        producer: u64,
        world: Arc<RwLock<World>>,
        state: Arc<dyn StateStore>,
        outlet: O,
    ) -> Self {
        Self {
            chain: Chain::new(head, producer),
            world,
            state: Some(state),
            outlet,
        }
    }

    /// Seals `draft`, folds it in, and does the same with all that is decided because of it.
    fn step(&mut self, draft: Draft, now: Timestamp, records: &mut Vec<Record>) {
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let correlation = match draft.event.object() {
            Some(object) if !draft.cause.is_none() => world.correlation_of(object, draft.cause),
            _ => None,
        };
        let record = self.chain.seal(draft, correlation.unwrap_or(Id::NONE), now);
        world.evolve(&record);
        records.push(record);
        while let Some(decided) = world.decide() {
            let event = Event::from(decided.decision);
            let draft = Draft {
                cause: decided.cause,
                actor: ENGINE.into(),
                event,
            };
            let record = self.chain.seal(draft, decided.correlation, now);
            world.evolve(&record);
            records.push(record);
        }
    }

    /// A timer that fired twice, or for what has been decided since, is no news.
    fn is_news(&self, draft: &Draft, now: Timestamp) -> bool {
        let Event::TimerFired(fired) = &draft.event else {
            return true;
        };
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let now = now.max(world.now());
        fired
            .object
            .as_ref()
            .is_some_and(|object| world.ripe(now).any(|ripe| ripe == object))
    }
}

/// The actor of every decision.
const ENGINE: &str = "controller:fluvial";

impl<O: Outlet> Stage for Core<O> {
    fn stage(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Record> {
        let mut records = Vec::new();
        for draft in drafts {
            if self.is_news(&draft, now) {
                self.step(draft, now, &mut records);
            }
        }
        records
    }

    fn committed(&mut self, records: &[Record]) {
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let changes = world.changes();
        if let Some(last) = records.last() {
            let applied = Applied {
                offset: last.offset,
                hash: last.hash,
            };
            // State can be made again; an engine that cannot store it says so and starts from an
            // earlier point next time.
            if let Some(state) = &self.state
                && let Err(error) = state.commit(applied, &changes)
            {
                tracing::error!(%error, "State is not stored any more; the next start folds from here.");
                self.state = None;
            }
        }
        self.outlet.committed(records, &world);
    }

    fn stopped(&mut self, error: &fluvial_log::Error) {
        self.outlet.stopped(&error.to_string());
    }
}
