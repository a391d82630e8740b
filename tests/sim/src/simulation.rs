//! One run: the engine, the models around it, and what goes wrong between them.
//!
//! This file is the engine's life and its log; `senses` is what it hears, `work` what it does.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_event::{
    Draft, Event, Id, ObjectRef, Offset, Record, ReleaseInspected, TermStarted, Timestamp, command,
};
use fluvial_ingest::Known;
use fluvial_log::EventLog;
use fluvial_log::memory::{MemoryBlobs, MemoryLog, MemoryState};
use fluvial_reduce::World;
use fluvial_runtime::{Course, Order};

use crate::checker::{Checker, copied};
use crate::cluster::Cluster;
use crate::cluster::records::Records;
use crate::engine::Engine;
use crate::executor::Faults;
use crate::fault::{Boundaries, Crash, Fault, Then};
use crate::git::Git;
use crate::helm::charts::Charts;
use crate::helm::helm_release;
use crate::ingest::{Ingest, Watch};
use crate::rng::Rng;
use crate::told::Telling;
use crate::users::kustomization;
use crate::views::Views;
use crate::wire;

/// A command that is being carried out.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) order: Order,
    /// What came of it, once its effect is done.
    pub(crate) outcome: Option<Event>,
}

/// A command that a deposed leader still carries out.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) order: Order,
    /// After how many commands of its successor.
    pub(crate) after: usize,
    /// What it had read of Helm's storage.
    pub(crate) read: Records,
}

/// One run.
pub struct Simulation {
    pub rng: Rng,
    pub now: Timestamp,
    pub git: Git,
    pub charts: Charts,
    pub cluster: Cluster,
    pub faults: Faults,
    /// Who is told what happens.
    pub telling: Telling,
    pub(crate) checker: Checker,
    pub(crate) views: Views,
    /// Prints what happens.
    pub trace: bool,
    /// The next append ends in this.
    pub crash_next: Option<Crash>,
    /// How much the wall clock is off, in milliseconds.
    pub skew_ms: i64,
    /// The engine's clock.
    course: Cell<Course>,
    /// What is to go wrong, until it has.
    pub fault: Option<Fault>,
    /// What this run came through.
    pub boundaries: Boundaries,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub log: Arc<MemoryLog>,
    state: Arc<MemoryState>,
    pub(crate) engine: Option<Engine>,
    pub(crate) known: Option<Known>,
    pub(crate) ingest: Ingest,
    /// The end of the log, and how many kinds there were, when watches were last begun and ended.
    pub(crate) tended: Option<(Offset, usize)>,
    /// A watch that missed something begins again at this time.
    pub(crate) relist: Option<(Timestamp, Watch)>,
    pub(crate) jobs: Vec<Job>,
    /// Outcomes of a deposed leader, which arrive late.
    pub(crate) late: Vec<(Id, Event)>,
    /// What a deposed leader still does.
    pub(crate) deposed: Vec<Late>,
    snapshot: Option<MemoryState>,
    lives: u64,
    /// The next lives that die before they say so.
    stillborn: usize,
    /// Objects that may stay although nobody wants them: they were once to be kept.
    pub excused: BTreeSet<ObjectRef>,
}

/// The names whose history is followed.
const FOLLOWED: [&str; 2] = ["k0", "k"];

impl Simulation {
    /// When every run begins.
    pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000_000_000);

    /// A world with nothing in it, whose chances follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let followed = FOLLOWED.map(kustomization).into_iter();
        let followed = followed.chain([helm_release("web")]);
        Self {
            rng: Rng::new(seed),
            now: Self::BEGIN,
            git: Git::default(),
            charts: Charts::default(),
            cluster: Cluster::default(),
            faults: Faults::default(),
            telling: Telling::default(),
            checker: Checker::default(),
            views: Views::new(followed),
            trace: false,
            crash_next: None,
            skew_ms: 0,
            course: Cell::new(Course::after(Self::BEGIN, Duration::ZERO)),
            fault: None,
            boundaries: Boundaries::default(),
            blobs: Arc::new(MemoryBlobs::new(wire::key())),
            log: Arc::default(),
            state: Arc::default(),
            engine: None,
            known: None,
            ingest: Ingest::default(),
            tended: None,
            relist: None,
            jobs: Vec::new(),
            late: Vec::new(),
            deposed: Vec::new(),
            snapshot: None,
            lives: 0,
            stillborn: 0,
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

    fn wall(&self) -> Timestamp {
        self.now.plus_ms(self.skew_ms)
    }

    /// The time since the run began, which nobody sets.
    fn passed(&self) -> Duration {
        let nanoseconds = self.now.0.saturating_sub(Self::BEGIN.0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
    }

    /// The time by the engine's clock.
    pub(crate) fn clock(&self) -> Timestamp {
        let mut course = self.course.get();
        let time = course.tell(self.wall(), self.passed());
        self.course.set(course);
        time
    }

    /// When it will be `time` by the engine's clock, if nobody sets the wall clock.
    pub(crate) fn when(&self, time: Timestamp) -> Timestamp {
        let wait = Course::until(time, self.clock(), self.wall());
        let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        // A moment later rather than a moment too soon.
        self.now
            .plus_ms(milliseconds.saturating_add(i64::from(!wait.is_zero())))
    }

    /// Time passes, and the controllers in the cluster work.
    pub fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        self.cluster.advance(self.now);
    }

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
        self.telling.dies();
        self.ingest = Ingest::default();
        self.tended = None;
        self.known = None;
        self.relist = None;
    }

    /// How the life after the last crash is to begin.
    pub(crate) fn prepare(&mut self, then: Then) {
        match then {
            Then::Recovers | Then::DiesAtItsFirstCommand => {}
            Then::DiesBeforeItsTerm => self.stillborn = 1,
            Then::DiesAtItsTerm(crash) => self.crash_next = Some(crash),
            Then::LosesItsState => self.lose_state(),
        }
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
        self.views.restart(&self.log, self.checker.fed())?;
        if *engine.world() != *self.checker.world() {
            return Err(format!(
                "what was recovered is not what the log says:\nrecovered {:#?}\nreplayed {:#?}",
                *engine.world(),
                self.checker.world()
            ));
        }
        let course = Course::after(self.log.head().time, self.passed());
        self.course.set(course);
        self.say(|| format!("the engine starts with {} commands", orders.len()));
        if !survives || self.stillborn > 0 {
            self.stillborn = self.stillborn.saturating_sub(1);
            return Ok(());
        }
        let blobs = self.blobs.clone();
        self.known = Some(Known::new(engine.shared(), blobs, wire::key()));
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
        let (trace, views) = (self.trace, &mut self.views);
        self.checker
            .follow(&self.log, &self.git, &self.cluster, |record| {
                views.feed(record);
                if trace {
                    let text = serde_json::to_string(&record.event).unwrap_or_default();
                    println!("{} {} {}", record.time, record.offset, text);
                }
            })
    }

    /// News reach the log, and everything that follows at once.
    pub fn append(&mut self, drafts: Vec<Draft>) -> Result<(), String> {
        /// The live world is compared with the replayed one at one append in so many.
        const APPENDS_BETWEEN: usize = 61;
        let now = self.clock();
        let Some(engine) = &mut self.engine else {
            return Ok(());
        };
        let records = engine.stage(drafts, now)?;
        if records.is_empty() {
            return Ok(());
        }
        let number = self.boundaries.appends.len();
        self.boundaries.appends.push(is_routine(&records));
        if let Some(Fault::Append { append, crash }) = self.fault
            && u64::try_from(number) == Ok(append)
        {
            self.fault = None;
            self.crash_next = Some(crash);
        }
        let crash = self.crash_next.take();
        match crash {
            Some(Crash::AppendLost) => self.log.fail_next_append(),
            Some(Crash::AppendWritten) => self.log.fail_next_append_after_writing(),
            Some(Crash::BeforeCommitted) | None => {}
        }
        let appended = self.log.append(&records);
        if appended.is_err() || crash.is_some() {
            if crash.is_none() {
                return Err(format!("cannot append: {appended:?}"));
            }
            self.say(|| format!("{crash:?}"));
            self.crash();
            return self.follow();
        }
        let orders = engine.committed(&records)?;
        self.follow()?;
        if let Some(engine) = &self.engine {
            let thorough = number.is_multiple_of(APPENDS_BETWEEN);
            self.checker.check_live(&engine.world(), thorough)?;
        }
        self.take_orders(orders)?;
        self.write_back(&records);
        Ok(())
    }

    /// Conditions and inventories reach the objects' status, as far as decisions read it.
    fn write_back(&mut self, records: &[Record]) {
        for record in records {
            if let Event::Concluded(concluded) = &record.event
                && let Some(object) = &concluded.object
                && !concluded.repair
            {
                self.cluster.write_status(
                    object,
                    &concluded.requested_at,
                    concluded.inventory.as_ref(),
                    &concluded.release,
                );
            }
        }
    }

    /// Replays from the first record, recovers from what is stored, and rebuilds every view.
    pub fn check_whole(&self) -> Result<(), String> {
        Checker::check_whole(&self.log, &self.state)?;
        self.views.check(&self.log)
    }

    /// Whether an object's status says that it is ready, if it says anything.
    pub fn says_ready(&self, object: &ObjectRef) -> Option<bool> {
        self.views.ready(object)
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

    /// The records of the run, from `from` on.
    pub fn events(&self, from: u64) -> Vec<Event> {
        let records = self.log.read(Offset(from)).flatten();
        records.map(|record| record.event).collect()
    }
}

/// Whether records say no more than that a source, or a release, is as it was.
fn is_routine(records: &[Record]) -> bool {
    records.iter().all(|record| match &record.event {
        Event::TimerFired(_) | Event::SourceUnchanged(_) => true,
        Event::ReleaseInspected(found) => is_as_it_was(found),
        Event::CommandIssued(issued) => matches!(
            issued.command.as_ref().and_then(|it| it.kind.as_ref()),
            Some(
                command::Kind::FetchGit(_)
                    | command::Kind::FetchHelmRepository(_)
                    | command::Kind::FetchHelmChart(_)
                    | command::Kind::InspectRelease(_)
            )
        ),
        Event::Concluded(concluded) => {
            let kind = concluded.object.as_ref().map(|it| it.kind.as_str());
            concluded.ready && kind != Some("Kustomization")
        }
        _ => false,
    })
}

/// Whether a release is stored as it is to be.
pub(crate) fn is_as_it_was(found: &ReleaseInspected) -> bool {
    let stored: Option<ReleaseSnapshot> = serde_json::from_str(&found.stored).ok();
    stored.is_some_and(|it| {
        it.status == "deployed"
            && it.chart_version == found.chart_version
            && it.config_digest == found.config_digest
    })
}
