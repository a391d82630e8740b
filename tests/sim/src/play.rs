//! A story that is played: what people do by hand, and what must be so after it.

use fluvial_event::ObjectRef;
use serde_json::Value;

use crate::cluster::Live;
use crate::cluster::records::is_record;
use crate::executor::Faults;
use crate::fault::{Boundaries, Crash, Fault};
use crate::git::{Folder, Manifest, Tree};
use crate::helm::charts::Chart;
use crate::helm::{
    CHARTS, TARGET, helm_chart, helm_release, helm_repository, laws, repository_spec,
};
use crate::simulation::Simulation;
use crate::users::{NAMESPACE, kustomization, source, source_spec};

/// The repository of a story.
pub(crate) const URL: &str = "https://git.example/one";

/// How rough the engine's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nothing goes wrong.
    Peaceful,
    /// Everything goes wrong all the time, by the chances of a seed.
    Rough(u64),
    /// One thing goes wrong, once.
    Struck(Fault),
}

/// A story in progress.
pub struct Play {
    /// The run.
    pub sim: Simulation,
    life: Life,
    /// Whether what comes out depends on how long things take, so that it is not compared.
    restless: bool,
}

/// What must hold in every life: a failure ends the story.
fn held<T>(result: Result<T, String>) -> T {
    match result {
        Ok(value) => value,
        Err(why) => panic!("{why}"),
    }
}

impl Play {
    /// A cluster with one source and nothing else.
    pub fn new(life: Life, trace: bool) -> Self {
        let mut sim = Simulation::new(match life {
            Life::Rough(seed) => seed,
            Life::Peaceful | Life::Struck(_) => 7,
        });
        sim.trace = trace;
        if let Life::Struck(fault) = life {
            sim.fault = Some(fault);
        }
        sim.cluster
            .declare(&source("s0"), source_spec(URL), Vec::new());
        let restless = false;
        Self {
            sim,
            life,
            restless,
        }
    }

    /// Whether nothing goes wrong: only then does everything come in time.
    pub fn is_peaceful(&self) -> bool {
        self.life == Life::Peaceful
    }

    /// What comes out depends on how long things take.
    pub fn is_restless(&mut self) {
        self.restless = true;
    }

    /// What is refused is not tried again for ever, so the story is not told with a refusal.
    pub fn refusals_are_final(&mut self) {
        self.sim.boundaries.is_refusal_final = true;
    }

    /// Commits these folders and nothing else.
    pub fn commit(&mut self, folders: &[(&str, Vec<Manifest>)]) {
        let tree: Tree = folders
            .iter()
            .map(|(path, set)| ((*path).to_owned(), Folder::Good(set.clone())))
            .collect();
        for manifest in folders.iter().flat_map(|(_, set)| set).filter(|it| it.keep) {
            self.sim.excused.insert(manifest.object().identity());
        }
        self.sim.git.commit(URL, tree);
    }

    /// Declares a Kustomization, or changes it.
    pub fn declare(&mut self, name: &str, spec: Value) {
        self.sim
            .cluster
            .declare(&kustomization(name), spec, Vec::new());
    }

    /// Declares the repository of charts of a story.
    pub fn charts(&mut self) {
        let spec = repository_spec(CHARTS);
        let name = helm_repository("charts");
        self.sim.cluster.declare(&name, spec, Vec::new());
    }

    /// Publishes a version of a chart there.
    pub fn publish(&mut self, chart: Chart) {
        self.sim.charts.publish(CHARTS, chart);
    }

    /// Declares a HelmRelease, or changes it.
    pub fn release(&mut self, name: &str, spec: Value) {
        let name = helm_release(name);
        self.sim.cluster.declare(&name, spec, Vec::new());
    }

    /// Whether a HelmRelease is ready as it is declared now with this version of its chart, and its status says so.
    pub fn released(&self, name: &str, version: &str) -> bool {
        let object = helm_release(name).identity();
        let declared = self.sim.cluster.declared(&object).map(|it| it.generation);
        let known = self.sim.world().one(&object);
        let last = known.and_then(|it| it.concluded.as_ref());
        let is_ready = last.is_some_and(|it| {
            it.ready && Some(it.generation) == declared && it.revision == version
        });
        is_ready && self.sim.says_ready(&object) == Some(true)
    }

    /// The revisions of a release in Helm's storage, and the state of each.
    pub fn revisions(&self, release: &str) -> Vec<(i64, String)> {
        let all = self.sim.cluster.records(NAMESPACE, release).all();
        all.into_iter().map(|it| (it.version, it.status)).collect()
    }

    /// Whether nothing is left of a HelmRelease but what is to be kept.
    pub fn is_uninstalled(&self, name: &str) -> bool {
        let declared = |object: ObjectRef| self.sim.cluster.declared(&object).is_some();
        let release = format!("{TARGET}/{name}");
        let left = self.sim.cluster.lives().any(|(object, live)| {
            live.release() == release
                && !self.sim.excused.contains(object)
                && !self.sim.is_stray(object, live)
        });
        !declared(helm_release(name))
            && !declared(helm_chart(name))
            && self.revisions(name).is_empty()
            && !left
    }

    /// How often each hook was run, by its name.
    pub fn hook_runs(&self) -> Vec<(&str, u32)> {
        let hooks = self.sim.cluster.hooks.iter();
        let mut runs: Vec<_> = hooks
            .map(|((_, object), count)| (object.name.as_str(), *count))
            .collect();
        runs.sort_unstable();
        runs
    }

    /// Somebody deletes an object.
    pub fn delete(&mut self, object: &ObjectRef) {
        // It may be gone already: whoever deletes it does not mind.
        self.sim.cluster.delete(object, "").unwrap_or_default();
    }

    /// Somebody edits a field of an object, or takes it off.
    pub fn edit(&mut self, manifest: &Manifest, field: &str, value: Option<&str>) {
        self.sim
            .cluster
            .edit(&manifest.object(), field, value, "kubectl-edit");
    }

    /// Time passes: long enough for everything that has no reason to wait.
    pub fn minutes(&mut self, minutes: i64) {
        if let Life::Rough(_) = self.life {
            for _ in 0..60 {
                held(self.stumble());
            }
        }
        self.sim.faults = Faults::default();
        self.sim.crash_next = None;
        held(self.sim.calm(minutes * 60_000));
    }

    /// What a deposed leader has under way hangs until its successor is done; so much time passes on either side.
    pub fn linger(&mut self, minutes: i64) {
        let late = std::mem::take(&mut self.sim.deposed);
        self.minutes(minutes);
        self.sim.deposed.extend(late);
        held(self.sim.haunt(true));
        self.minutes(minutes);
    }

    /// A little time passes, and something may be under way at the end of it.
    pub fn pause(&mut self, ms: i64) {
        held(self.sim.calm(ms));
    }

    /// What comes at once comes: within a second, where nothing goes wrong.
    pub fn soon(&mut self) {
        if self.is_peaceful() {
            self.pause(900);
        } else {
            self.minutes(2);
        }
    }

    fn stumble(&mut self) -> Result<(), String> {
        let sim = &mut self.sim;
        if !sim.is_up() {
            let survives = sim.rng.chance(700);
            sim.restart(survives)?;
        }
        sim.faults = Faults {
            throttled: 50,
            lost: 50,
            done: 50,
            refused: 0,
            broken: 50,
        };
        match sim.rng.below(14) {
            0..4 => sim.work()?,
            4..7 => sim.hear_something()?,
            7 => sim.fire()?,
            8 => sim.pass(700),
            9 => sim.crash_at_an_effect(),
            10 => sim.crash_next = Some(Crash::BeforeCommitted),
            11 => sim.depose(),
            12 => sim.hear_badly()?,
            _ => sim.hear_late()?,
        }
        sim.tell()?;
        sim.tend_watches(100)
    }

    /// The writes that `minutes` bring.
    pub fn writes(&mut self, minutes: i64) -> u64 {
        let before = self.sim.cluster.writes;
        self.minutes(minutes);
        self.sim.cluster.writes - before
    }

    /// In `minutes`, nothing is written: all is in order. What goes wrong just then may cost writes.
    pub fn quiet(&mut self, minutes: i64) {
        let is_struck = self.sim.fault.is_none();
        let written = self.writes(minutes);
        let disturbed =
            matches!(self.life, Life::Rough(_)) || self.sim.fault.is_none() != is_struck;
        assert!(
            written == 0 || disturbed,
            "{written} writes when all was in order"
        );
    }

    /// The live object of a manifest.
    pub fn live(&self, manifest: &Manifest) -> Option<&Live> {
        self.sim.cluster.live(&manifest.object())
    }

    /// Whether the object of a manifest is there.
    pub fn has(&self, manifest: &Manifest) -> bool {
        self.live(manifest).is_some()
    }

    /// Whether the object of a manifest is gone, as far as its owner could see to that.
    pub fn is_gone(&self, manifest: &Manifest) -> bool {
        let object = manifest.object().identity();
        self.live(manifest)
            .is_none_or(|live| self.sim.is_stray(&object, live))
    }

    /// The value of a field of a live object; empty where there is none.
    pub fn value(&self, manifest: &Manifest, field: &str) -> String {
        let field = self.live(manifest).and_then(|live| live.fields.get(field));
        field.map(|it| it.value.clone()).unwrap_or_default()
    }

    /// Whether a Kustomization is ready with the newest revision, and its status says so.
    pub fn ready(&self, name: &str) -> bool {
        let object = kustomization(name).identity();
        let known = self.sim.world().one(&object);
        let head = self.sim.git.head(URL);
        let last = known.and_then(|it| it.concluded.as_ref());
        let is_ready = last.is_some_and(|last| last.ready && Some(&last.revision) == head.as_ref());
        is_ready && self.sim.says_ready(&object) == Some(true)
    }

    /// What a Kustomization or a HelmRelease waits for, in one word.
    pub fn waits(&self, name: &str) -> String {
        let world = self.sim.world();
        let known = world.one(&kustomization(name).identity());
        let known = known.or_else(|| world.one(&helm_release(name).identity()));
        known
            .and_then(|it| it.waiting.clone())
            .map(|(reason, _)| reason)
            .unwrap_or_default()
    }

    /// How the last attempt of a Kustomization ended, in one word.
    pub fn reason(&self, name: &str) -> String {
        self.reason_of(&kustomization(name))
    }

    /// How the last attempt of an object ended, in one word.
    pub fn reason_of(&self, object: &ObjectRef) -> String {
        let world = self.sim.world();
        let known = world.one(&object.identity());
        known
            .and_then(|it| it.concluded.clone())
            .map(|last| last.reason)
            .unwrap_or_default()
    }

    /// Waits until a moment comes, in the middle of whatever is under way; not for longer than minutes.
    pub fn until(&mut self, moment: impl Fn(&Self) -> bool) {
        let end = self.sim.now.plus_ms(5 * 60_000);
        while !moment(self) && self.sim.now < end {
            let next = self.sim.now.plus_ms(50);
            held(self.sim.step(next));
        }
    }

    /// What the end looks like, apart from what differs from run to run.
    fn portrait(&self) -> Vec<String> {
        let lives = self.sim.cluster.lives();
        // How often it was tried says what went wrong on the way.
        let lives = lives.filter(|(object, live)| {
            !self.sim.excused.contains(object)
                && !self.sim.is_stray(object, live)
                && !is_record(object)
        });
        let lives = lives.map(|(object, live)| {
            let fields = live.fields.iter().map(|(field, it)| (field, &it.value));
            let fields: Vec<_> = fields.collect();
            format!("{object} {fields:?} deleting={}", live.deleting)
        });
        let world = self.sim.world();
        let known = world.declared().map(|(object, known)| {
            let last = known.concluded.clone().unwrap_or_default();
            let ready = (last.ready, last.generation, last.revision);
            let waits = known.waiting.as_ref().map(|(reason, _)| reason);
            format!("{object} {ready:?} {waits:?} deleting={}", known.deleting)
        });
        lives.chain(known).collect()
    }

    /// The end: nothing moves any more, the log holds, and the views are what it makes them.
    pub(crate) fn end(mut self) -> Ended {
        const QUIET_MINUTES: i64 = 12;
        if !self.restless {
            self.minutes(6);
            self.quiet(QUIET_MINUTES);
        }
        held(self.sim.check_whole());
        held(laws::check(&self.sim));
        held(self.sim.check_told());
        Ended {
            portrait: (!self.restless).then(|| self.portrait()),
            records: self.sim.records(),
            seconds: self.sim.now.seconds() - Simulation::BEGIN.seconds(),
            boundaries: self.sim.boundaries,
        }
    }
}

/// What a story came to.
pub(crate) struct Ended {
    /// `None` where it may differ.
    pub(crate) portrait: Option<Vec<String>>,
    pub(crate) records: u64,
    pub(crate) seconds: i64,
    pub(crate) boundaries: Boundaries,
}
