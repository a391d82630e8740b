//! One seed from beginning to end.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fluvial_event::Digest;

use crate::executor::Faults;
use crate::fault::Crash;
use crate::git::Access;
use crate::oracle;
use crate::rng::Rng;
use crate::simulation::Simulation;
use crate::users::URLS;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Records in the log.
    pub records: u64,
    /// Virtual time, in seconds.
    pub seconds: i64,
    /// The digest of every byte of the log.
    pub digest: Digest,
    /// Lives of the engine.
    pub lives: u64,
    /// Kustomizations that could become ready, and did.
    pub ready: u64,
    /// Repairs of drift.
    pub repairs: u64,
}

/// The steps of a run with everything going wrong.
pub const STEPS: usize = 400;
/// The virtual time in which everything settles, and the one in which nothing may move after that.
const SETTLE_MS: i64 = 3 * 3_600_000;
const QUIET_MS: i64 = 3_600_000;

/// What is left out of a run, to find out what matters.
pub type Skipped = BTreeSet<usize>;

/// Runs `seed`. The error says what does not hold, and at which record.
pub fn run(seed: u64, trace: bool) -> Result<Summary, String> {
    run_without(seed, &Skipped::new(), trace)
}

/// Runs `seed` without some of its steps. Each step has chances of its own, so the others stay as they
/// are, as far as they can.
pub fn run_without(seed: u64, skipped: &Skipped, trace: bool) -> Result<Summary, String> {
    let mut sim = Simulation::new(seed);
    sim.trace = trace;
    let begin = sim.now;
    if sim.rng.chance(800) {
        sim.faults = Faults {
            throttled: 30,
            lost: 15,
            done: 15,
            refused: 10,
            broken: 15,
        };
    }
    let crashes = sim.rng.chance(800);
    sim.begin();
    for step in (0..STEPS).filter(|step| !skipped.contains(step)) {
        sim.rng = Rng::of_step(seed, step);
        sim.say(|| format!("step {step}"));
        step_once(&mut sim, crashes)?;
        if step == STEPS / 2 && sim.is_up() {
            sim.check_whole()?;
        }
    }
    sim.rng = Rng::of_step(seed, STEPS);
    settle(&mut sim)?;
    let ready = oracle::check(&sim)?;
    stays(&mut sim)?;
    sim.check_whole()?;
    Ok(Summary {
        records: sim.records(),
        seconds: sim.now.seconds() - begin.seconds(),
        digest: sim.checker.digest(),
        lives: sim.lives(),
        ready: u64::try_from(ready).unwrap_or_default(),
        repairs: sim.checker.repairs,
    })
}

/// Leaves out as many steps of a failing seed as it still fails without: what remains is what matters.
pub fn shrink(seed: u64, mut each: impl FnMut(usize)) -> Skipped {
    let fails = |skipped: &Skipped| {
        let ran = catch_unwind(AssertUnwindSafe(|| run_without(seed, skipped, false)));
        !matches!(ran, Ok(Ok(_)))
    };
    let mut skipped = Skipped::new();
    let mut size = STEPS / 2;
    while size > 0 {
        let left: Vec<_> = (0..STEPS).filter(|step| !skipped.contains(step)).collect();
        for chunk in left.chunks(size) {
            let mut more = skipped.clone();
            more.extend(chunk);
            if fails(&more) {
                skipped = more;
                each(STEPS - skipped.len());
            }
        }
        size /= 2;
    }
    skipped
}

fn step_once(sim: &mut Simulation, crashes: bool) -> Result<(), String> {
    if !sim.is_up() && sim.rng.chance(300) {
        let survives = !crashes || sim.rng.chance(800);
        match sim.rng.below(10) {
            0 => sim.lose_state(),
            1 => sim.restore_snapshot(),
            _ => {}
        }
        sim.restart(survives)?;
    }
    match sim.rng.below(100) {
        0..20 => {
            let ms = sim.rng.ms(1, 3_000);
            sim.pass(ms);
        }
        20..26 => {
            let next = sim.next_timer().map_or(0, |at| at.since_ms(sim.now) + 1);
            sim.pass(next.clamp(1, 30 * 60_000));
        }
        26..52 => sim.work()?,
        52..72 => sim.hear_something()?,
        72..82 => sim.fire()?,
        82..84 => sim.hear_badly()?,
        84..94 => sim.act(),
        94 => sim.hear_late()?,
        95 => sim.take_snapshot()?,
        96 => {
            sim.skew_ms += if sim.rng.chance(500) {
                600_000
            } else {
                -60_000
            }
        }
        _ if crashes => match sim.rng.below(7) {
            0 => sim.crash_next = Some(Crash::AppendLost),
            1 => sim.crash_next = Some(Crash::AppendWritten),
            2 => sim.crash_next = Some(Crash::BeforeCommitted),
            3 => sim.crash(),
            4 => sim.depose(),
            _ => sim.crash_at_an_effect(),
        },
        _ => {}
    }
    sim.tend_watches(100)
}

/// Faults end, and everybody else is quiet.
fn settle(sim: &mut Simulation) -> Result<(), String> {
    sim.say(|| "settle".into());
    sim.faults = Faults::default();
    sim.crash_next = None;
    for url in URLS {
        if let Some(repository) = sim.git.repositories.get_mut(url) {
            repository.access = Access::Open;
        }
    }
    if sim.rng.chance(700) {
        sim.mend();
    }
    let stuck: Vec<_> = sim
        .cluster
        .lives()
        .filter(|(_, live)| live.deleting)
        .map(|(object, _)| object.clone())
        .collect();
    for object in stuck {
        sim.cluster.unstick(&object);
    }
    while !sim.is_up() {
        sim.restart(true)?;
    }
    sim.haunt(true)?;
    sim.relist()?;
    sim.calm(SETTLE_MS)
}

/// Nothing is written any more, and the engine does no more than its intervals ask for.
fn stays(sim: &mut Simulation) -> Result<(), String> {
    // At most nine objects, each with two commands a half minute, and an apply beside them.
    const COMMANDS_MAX: u64 = 9 * 120 * 4;
    let (writes, commands) = (sim.cluster.writes, sim.checker.commands);
    sim.calm(QUIET_MS)?;
    let (written, issued) = (sim.cluster.writes - writes, sim.checker.commands - commands);
    // Those who fight over an object slow down to one repair each in five minutes; one that cannot
    // become ready also applies it whenever it tries again, twice a minute at most.
    let fought = 300 * u64::try_from(oracle::contested(sim)).unwrap_or_default();
    if written > fought {
        return Err(format!("{written} writes when all was in order"));
    }
    if issued > COMMANDS_MAX {
        return Err(format!(
            "{issued} commands in an hour when all was in order"
        ));
    }
    Ok(())
}
