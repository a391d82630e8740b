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
        match error {
            // What failed first says why.
            fluvial_log::Error::Stopped(why) => self.outlet.stopped(why),
            _ => self.outlet.stopped(&error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, RwLock};

    use fluvial_event::{Draft, Head, ObjectRef, Record, ResourceObserved, TimerFired, Timestamp};
    use fluvial_log::memory::{MemoryLog, MemoryState};
    use fluvial_log::{
        Applied, Change, Error, EventLog as _, Pairs, Result, Stage as _, StateStore,
    };
    use fluvial_reduce::World;

    use super::{Core, Outlet};
    use crate::recover;

    struct Nobody;

    impl Outlet for Nobody {
        fn committed(&mut self, _records: &[Record], _world: &World) {}

        fn stopped(&mut self, _why: &str) {}
    }

    /// A state whose disk is full for one commit, and has room again after.
    #[derive(Default)]
    struct Full {
        state: MemoryState,
        commits: Mutex<usize>,
        fails: usize,
    }

    impl StateStore for Full {
        fn applied(&self) -> Result<Applied> {
            self.state.applied()
        }

        fn load(&self) -> Pairs<'_> {
            self.state.load()
        }

        fn commit(&self, applied: Applied, changes: &[Change]) -> Result<()> {
            let mut commits = self.commits.lock().unwrap();
            *commits += 1;
            if *commits == self.fails {
                return Err(Error::storage("write the state", "No space left on device"));
            }
            self.state.commit(applied, changes)
        }

        fn clear(&self) -> Result<()> {
            self.state.clear()
        }

        fn part(&self, name: &str, format: &str) -> Result<Arc<dyn StateStore>> {
            self.state.part(name, format)
        }
    }

    fn declared(name: &str) -> Draft {
        let object = Some(ObjectRef {
            group: "source.toolkit.fluxcd.io".into(),
            kind: "GitRepository".into(),
            name: name.into(),
            ..ObjectRef::default()
        });
        Draft::news(
            ResourceObserved {
                object,
                uid: name.into(),
                generation: 1,
                spec: br#"{"url":"https://example.org/a.git","interval":"1m"}"#.to_vec(),
                ..ResourceObserved::default()
            }
            .into(),
        )
    }

    #[test]
    fn a_state_that_could_not_be_stored_once_is_never_stored_with_a_gap() {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        for fails in 1..=NAMES.len() + 1 {
            let log = MemoryLog::default();
            let state = Arc::new(Full {
                fails,
                ..Full::default()
            });
            let world = Arc::new(RwLock::new(World::default()));
            let mut core = Core::new(Head::default(), 1, world.clone(), state.clone(), Nobody);
            for (name, time) in NAMES.iter().zip(1..) {
                let records = core.stage(vec![declared(name)], Timestamp(time));
                log.append(&records).unwrap();
                core.committed(&records);
            }
            let recovered = recover(&log, &state.state).unwrap();
            let live = world.read().unwrap();
            assert_eq!(recovered.world.digest(), live.digest(), "commit {fails}");
            assert_eq!(recovered.orders.len(), NAMES.len());
            let is_behind = recovered.replayed > 0;
            assert_eq!(is_behind, fails <= NAMES.len(), "commit {fails}");
        }
    }

    #[test]
    fn a_timer_for_nobody_is_no_news() {
        let world = Arc::default();
        let state = Arc::new(MemoryState::default());
        let mut core = Core::new(Head::default(), 1, world, state, Nobody);
        let fired = Draft::news(TimerFired::default().into());
        assert!(core.stage(vec![fired], Timestamp(i64::MAX)).is_empty());
    }
}
