//! One run: the engine, the models around it, and what goes wrong between them.

use std::collections::BTreeSet;
use std::sync::Arc;

use fluvial_event::{Draft, Event, Id, ObjectRef, TermStarted, TimerFired, Timestamp};
use fluvial_log::EventLog;
use fluvial_log::memory::{MemoryBlobs, MemoryLog, MemoryState};
use fluvial_reduce::World;
use fluvial_runtime::Order;

use crate::checker::{Checker, copied};
use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::executor::{Faults, Outside};
use crate::git::Git;
use crate::ingest::{Ingest, View};
use crate::rng::Rng;

/// A command that is being carried out.
#[derive(Clone, Debug)]
struct Job {
    order: Order,
    /// What came of it, once its effect is done.
    outcome: Option<Event>,
}

/// Where the engine dies next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The append fails and nothing was written.
    AppendLost,
    /// The append fails, and all was written.
    AppendWritten,
    /// After the append, before anybody is told.
    BeforeCommitted,
}

/// One run.
pub struct Simulation {
    pub rng: Rng,
    pub now: Timestamp,
    pub git: Git,
    pub cluster: Cluster,
    pub faults: Faults,
    pub(crate) checker: Checker,
    /// Prints what happens.
    pub trace: bool,
    /// The next append ends in this.
    pub crash_next: Option<Crash>,
    /// How much the engine's clock is off, in milliseconds.
    pub skew_ms: i64,
    blobs: MemoryBlobs,
    pub log: Arc<MemoryLog>,
    state: Arc<MemoryState>,
    engine: Option<Engine>,
    ingest: Ingest,
    jobs: Vec<Job>,
    /// Outcomes of a deposed leader, which arrive late.
    late: Vec<(Id, Event)>,
    snapshot: Option<MemoryState>,
    lives: u64,
    /// Objects that may stay although nobody wants them: they were once to be kept.
    pub excused: BTreeSet<ObjectRef>,
}

impl Simulation {
    /// A world with nothing in it, whose chances follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            now: Timestamp(1_800_000_000_000_000_000),
            git: Git::default(),
            cluster: Cluster::default(),
            faults: Faults::default(),
            checker: Checker::default(),
            trace: false,
            crash_next: None,
            skew_ms: 0,
            blobs: MemoryBlobs::default(),
            log: Arc::default(),
            state: Arc::default(),
            engine: None,
            ingest: Ingest::default(),
            jobs: Vec::new(),
            late: Vec::new(),
            snapshot: None,
            lives: 0,
            excused: BTreeSet::new(),
        }
    }

    /// Says what happens, when that is asked for.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{} -- {}", self.now, what());
        }
    }

    /// Whether the engine runs.
    pub fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    /// The engine's clock.
    fn clock(&self) -> Timestamp {
        self.now.plus_ms(self.skew_ms)
    }

    /// Time passes, and the controllers in the cluster work.
    pub fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        self.cluster.advance(self.now);
    }

    // The engine's life.

    /// The engine is gone. What it was doing is done or not; nobody knows.
    pub fn crash(&mut self) {
        if self.engine.take().is_none() {
            return;
        }
        self.say(|| "the engine dies".into());
        let jobs = std::mem::take(&mut self.jobs);
        for job in jobs {
            if let Some(outcome) = job.outcome
                && self.rng.chance(300)
            {
                self.late.push((job.order.id, outcome));
            }
        }
        self.ingest = Ingest::default();
    }

    /// The engine dies in the middle of something it does.
    pub fn crash_at_an_effect(&mut self) {
        if !self.jobs.is_empty() {
            let index = self.rng.below(self.jobs.len());
            let steps = match self.rng.below(3) {
                0 => 0,
                1 => usize::MAX,
                _ => self.rng.below(3),
            };
            self.effect(index, steps);
        }
        self.crash();
    }

    /// State is lost.
    pub fn lose_state(&mut self) {
        self.say(|| "the state is lost".into());
        self.state = Arc::default();
    }

    /// State is put aside, to be restored later.
    pub fn take_snapshot(&mut self) -> Result<(), String> {
        self.snapshot = Some(copied(&self.state)?);
        Ok(())
    }

    /// The state that was put aside is there again.
    pub fn restore_snapshot(&mut self) {
        if let Some(snapshot) = self.snapshot.take() {
            self.say(|| "the state is an older one".into());
            self.state = Arc::new(snapshot);
        }
    }

    /// A new life of the engine begins, `false` when it dies before it has said so.
    pub fn restart(&mut self, survives: bool) -> Result<(), String> {
        self.log.restart();
        self.lives += 1;
        let (engine, orders) = Engine::start(&self.log, &self.state, self.lives)?;
        self.follow()?;
        if *engine.world() != *self.checker.world() {
            return Err(format!(
                "what was recovered is not what the log says:\nrecovered {:#?}\nreplayed {:#?}",
                *engine.world(),
                self.checker.world()
            ));
        }
        self.say(|| format!("the engine starts with {} commands", orders.len()));
        if !survives {
            return Ok(());
        }
        self.engine = Some(engine);
        self.take_orders(orders)?;
        let term = TermStarted {
            identity: format!("life-{}", self.lives),
            version: "sim".into(),
        };
        self.append(vec![Draft::news(term.into())])
    }

    fn take_orders(&mut self, orders: Vec<Order>) -> Result<(), String> {
        for order in orders {
            self.checker.check_order(order.id)?;
            self.jobs.push(Job {
                order,
                outcome: None,
            });
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), String> {
        let trace = self.trace;
        self.checker
            .follow(&self.log, &self.git, &self.cluster, |record| {
                if trace {
                    let text = serde_json::to_string(&record.event).unwrap_or_default();
                    println!("{} {} {}", record.time, record.offset, text);
                }
            })
    }

    /// News reach the log, and everything that follows at once.
    pub fn append(&mut self, drafts: Vec<Draft>) -> Result<(), String> {
        let now = self.clock();
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let records = engine.stage(drafts, now);
        if records.is_empty() {
            return Ok(());
        }
        let crash = self.crash_next.take();
        match crash {
            Some(Crash::AppendLost) => self.log.fail_next_append(),
            Some(Crash::AppendWritten) => self.log.fail_next_append_after_writing(),
            Some(Crash::BeforeCommitted) | None => {}
        }
        let appended = Engine::append(&self.log, &records);
        if appended.is_err() || crash.is_some() {
            if crash.is_none() {
                return Err(format!("cannot append: {appended:?}"));
            }
            self.say(|| format!("{crash:?}"));
            self.crash();
            return self.follow();
        }
        let orders = engine.committed(&records);
        self.follow()?;
        if let Some(engine) = &self.engine {
            let thorough = self.rng.chance(20);
            self.checker.check_live(&engine.world(), thorough)?;
        }
        self.take_orders(orders)?;
        self.write_back(&records);
        Ok(())
    }

    /// Conditions and inventories reach the objects' status, as far as decisions read it.
    fn write_back(&mut self, records: &[fluvial_event::Record]) {
        for record in records {
            if let Event::Concluded(concluded) = &record.event
                && let Some(object) = &concluded.object
                && !concluded.repair
            {
                self.cluster.write_status(
                    object,
                    &concluded.requested_at,
                    concluded.inventory.as_ref(),
                );
            }
        }
    }

    // What the engine hears.

    fn hear(
        &mut self,
        from: impl FnOnce(&mut Ingest, View<'_>, &mut Rng) -> Vec<Draft>,
    ) -> Result<(), String> {
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let drafts = {
            let world = engine.world();
            let view = View {
                world: &world,
                cluster: &self.cluster,
                blobs: &self.blobs,
            };
            from(&mut self.ingest, view, &mut self.rng)
        };
        if drafts.is_empty() {
            return Ok(());
        }
        self.append(drafts)
    }

    /// Watches begin where they are needed; a list fails `failing` times in a thousand.
    pub fn tend_watches(&mut self, failing: usize) -> Result<(), String> {
        self.hear(|ingest, view, rng| ingest.sync(view, || !rng.chance(failing)))
    }

    /// Some watch tells the next of what it has to tell.
    pub fn hear_something(&mut self) -> Result<(), String> {
        let kinds = self.ingest.kinds();
        let Some(kind) = self.rng.pick(&kinds).cloned() else {
            return Ok(());
        };
        let count = 1 + self.rng.below(6);
        let doubled = self.rng.chance(100);
        self.hear(|ingest, view, _| ingest.deliver(&kind, count, doubled, view))
    }

    /// Some watch is lost and begins again with a list, or tells something old.
    pub fn hear_badly(&mut self) -> Result<(), String> {
        let kinds = self.ingest.kinds();
        let Some(kind) = self.rng.pick(&kinds).cloned() else {
            return Ok(());
        };
        let back = self.rng.below(5);
        if self.rng.chance(400) {
            self.hear(|ingest, view, _| ingest.stale(&kind, back, view))
        } else {
            self.hear(|ingest, view, _| ingest.relist(&kind, view))
        }
    }

    /// Every watch is begun again.
    pub fn relist(&mut self) -> Result<(), String> {
        for kind in self.ingest.kinds() {
            self.hear(|ingest, view, _| ingest.relist(&kind, view))?;
        }
        Ok(())
    }

    /// Everything that the watches have to tell is told.
    pub fn hear_all(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            self.tend_watches(0)?;
            if !self.ingest.is_behind(&self.cluster) {
                return Ok(());
            }
            for kind in self.ingest.kinds() {
                self.hear(|ingest, view, _| ingest.deliver(&kind, usize::MAX / 2, false, view))?;
            }
        }
        Err("what is heard makes something new to be heard, without end".into())
    }

    /// An outcome of a deposed leader arrives.
    pub fn hear_late(&mut self) -> Result<(), String> {
        if self.late.is_empty() || self.engine.is_none() {
            return Ok(());
        }
        let index = self.rng.below(self.late.len());
        let (id, event) = self.late.swap_remove(index);
        self.say(|| format!("late: {}", event.name()));
        self.append(vec![Draft::outcome(id, event)])
    }

    /// Timers whose time has come.
    pub fn fire(&mut self) -> Result<(), String> {
        let now = self.clock();
        let Some(engine) = &self.engine else {
            return Ok(());
        };
        let ripe: Vec<_> = engine.world().ripe(now).cloned().collect();
        for object in ripe {
            let fired = TimerFired {
                object: Some(object),
            };
            self.append(vec![Draft::news(fired.into())])?;
        }
        Ok(())
    }

    // What the engine does.

    fn effect(&mut self, index: usize, steps: usize) {
        let Some(job) = self.jobs.get(index).filter(|job| job.outcome.is_none()) else {
            return;
        };
        let mut outside = Outside {
            git: &self.git,
            cluster: &mut self.cluster,
            blobs: &self.blobs,
            log: &self.log,
            faults: self.faults,
            rng: &mut self.rng,
        };
        let outcome = outside.execute(&job.order.command, steps);
        if self.trace {
            println!(
                "{} -- effect of {} for {:?}",
                self.now,
                job.order.command.name(),
                job.order.command.object().map(ToString::to_string)
            );
        }
        if let Some(job) = self.jobs.get_mut(index)
            && steps == usize::MAX
        {
            job.outcome = Some(outcome);
        }
    }

    /// One command comes a step further: its effect, or its outcome.
    pub fn work(&mut self) -> Result<(), String> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        let index = self.rng.below(self.jobs.len());
        if self.jobs[index].outcome.is_none() {
            self.effect(index, usize::MAX);
            return Ok(());
        }
        let job = self.jobs.swap_remove(index);
        let Some(outcome) = job.outcome else {
            return Ok(());
        };
        self.append(vec![Draft::outcome(job.order.id, outcome)])
    }

    /// Everything that is to be done is done.
    fn work_all(&mut self) -> Result<(), String> {
        const ROUNDS_MAX: usize = 2_000;
        for _ in 0..ROUNDS_MAX {
            if self.jobs.is_empty() {
                return Ok(());
            }
            self.pass(5);
            self.work()?;
        }
        Err(format!("there is always something to do: {:?}", self.jobs))
    }

    /// Lets the engine work undisturbed for `ms` of virtual time.
    pub fn calm(&mut self, ms: i64) -> Result<(), String> {
        let end = self.now.plus_ms(ms);
        loop {
            if self.engine.is_none() {
                self.restart(true)?;
            }
            self.hear_all()?;
            if !self.jobs.is_empty() {
                self.work_all()?;
                continue;
            }
            let clock = self.clock();
            let Some(engine) = &self.engine else {
                continue;
            };
            let timer = engine.world().next_timer().map(|(at, _)| *at);
            if timer.is_some_and(|at| at <= clock) {
                self.fire()?;
                continue;
            }
            let timer = timer.map(|at| at.plus_ms(-self.skew_ms));
            let next = timer.into_iter().chain(self.cluster.next_settling()).min();
            let next = next.unwrap_or(end).min(end).max(self.now.plus_ms(1));
            self.now = next;
            self.cluster.advance(next);
            if next >= end {
                return Ok(());
            }
        }
    }

    /// When the engine wants to be woken next, by its own clock made ours.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let engine = self.engine.as_ref()?;
        let at = engine.world().next_timer().map(|(at, _)| *at)?;
        Some(at.plus_ms(-self.skew_ms))
    }

    /// Replays from the first record, and recovers from what is stored.
    pub fn check_whole(&self) -> Result<(), String> {
        Checker::check_whole(&self.log, &self.state)
    }

    /// The world, by replay from the first record.
    pub fn world(&self) -> &World {
        self.checker.world()
    }

    /// How many lives the engine had.
    pub fn lives(&self) -> u64 {
        self.lives
    }

    /// The offset of the last record.
    pub fn records(&self) -> u64 {
        self.log.head().offset.0
    }
}
