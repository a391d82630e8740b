//! Every story with every single thing that can go wrong in it, once.
//!
//! A story is played in peace first, which counts its boundaries: every command, request, append and
//! watch event. Then it is played again for each boundary and each way to fail there. All that the story
//! asks must hold, and the end must be the one of the peaceful run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fault::Fault;
use crate::play::{Ended, Life, Play};
use crate::pool;
use crate::scenario::{ALL, Scenario};

/// How many seeds of trouble each story is played with.
const ROUGH_SEEDS: u64 = 12;

/// Runs between two lines of progress.
const RUNS_A_LINE: u64 = 2_000;

/// What a sweep came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Runs.
    pub runs: u64,
    /// Records of all runs.
    pub records: u64,
    /// Virtual seconds of all runs.
    pub seconds: i64,
    /// What does not hold, in the order of the stories.
    pub failures: Vec<Failure>,
}

/// A story that did not end well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The story.
    pub name: String,
    /// What went wrong in it, as `--life` takes it.
    pub life: String,
    /// What does not hold.
    pub why: String,
}

/// Which lives the stories are played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// In peace and in a little trouble.
    Shallow,
    /// With every fault, or with one share of them: the `part`-th of `parts`.
    Whole {
        /// Which.
        part: usize,
        /// Of how many.
        parts: usize,
    },
}

/// One run to make.
struct Task {
    name: &'static str,
    story: Scenario,
    life: Life,
}

/// Plays one story in one life; a law or a demand that does not hold is an error.
fn play(story: Scenario, life: Life, trace: bool) -> Result<Ended, String> {
    let told = catch_unwind(AssertUnwindSafe(|| {
        let mut play = Play::new(life, trace);
        story(&mut play);
        play.end()
    }));
    told.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("it panicked").to_owned()
    })
}

fn chosen(names: &[String]) -> Vec<(&'static str, Scenario)> {
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|it| name.contains(&**it));
    let all = ALL.iter().filter(|(name, _)| is_chosen(name));
    all.copied().collect()
}

/// Plays each story in peace; after the first that fails, `stop_early` leaves the others out.
fn in_peace(
    stories: &[(&'static str, Scenario)],
    stop_early: bool,
) -> Vec<Option<Result<Ended, String>>> {
    let is_over = AtomicBool::new(false);
    pool::map(stories, |(_, story)| {
        if is_over.load(Ordering::Relaxed) {
            return None;
        }
        let ended = play(*story, Life::Peaceful, false);
        is_over.fetch_or(stop_early && ended.is_err(), Ordering::Relaxed);
        Some(ended)
    })
}

/// Plays the stories whose names contain one of `names`, or all of them.
pub fn sweep(names: &[String], depth: Depth, stop_early: bool) -> Swept {
    let stories = chosen(names);
    let peaceful = in_peace(&stories, stop_early);
    let mut swept = Swept::default();
    let mut tasks = Vec::new();
    let mut portraits = std::collections::BTreeMap::new();
    for ((name, story), ended) in stories.into_iter().zip(peaceful) {
        let Some(ended) = ended else { continue };
        let faults = match ended {
            Ok(ended) => {
                swept.count(&ended);
                let faults = ended.boundaries.faults();
                portraits.insert(name, ended.portrait);
                faults
            }
            Err(why) => {
                swept.fail(name, Life::Peaceful, why);
                continue;
            }
        };
        let task = |life| Task { name, story, life };
        match depth {
            Depth::Shallow => tasks.push(task(Life::Rough(7))),
            Depth::Whole { part, parts } => {
                let rough = (0..ROUGH_SEEDS).map(|seed| Life::Rough(7 + seed));
                let struck = faults.into_iter().map(Life::Struck);
                let all = rough.chain(struck).skip(part % parts).step_by(parts);
                tasks.extend(all.map(task));
            }
        }
    }
    if stop_early && !swept.failures.is_empty() {
        return swept;
    }
    let swept = Mutex::new(swept);
    let locked = || {
        swept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    pool::map(&tasks, |task| {
        if stop_early && !locked().failures.is_empty() {
            return;
        }
        let ended = play(task.story, task.life, false);
        let mut swept = locked();
        if (swept.runs + 1).is_multiple_of(RUNS_A_LINE) {
            println!("{} of {} runs of scenarios", swept.runs + 1, tasks.len());
        }
        match ended {
            Ok(ended) => {
                swept.count(&ended);
                let expected = portraits.get(task.name).and_then(Option::as_ref);
                if let (Life::Struck(_), Some(expected), Some(found)) =
                    (task.life, expected, &ended.portrait)
                    && expected != found
                {
                    let why = format!("it ends otherwise:\n{found:#?}\nnot\n{expected:#?}");
                    swept.fail(task.name, task.life, why);
                }
            }
            Err(why) => swept.fail(task.name, task.life, why),
        }
    });
    let mut swept = swept
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    swept.failures.sort();
    swept
}

/// Plays one story again in the life that [`Failure::life`] says, and prints everything.
pub fn replay(name: &str, life: &str) -> Result<(), String> {
    let story = ALL.iter().find(|(each, _)| *each == name);
    let Some((_, story)) = story else {
        return Err(format!("there is no scenario {name}; see --list"));
    };
    let life = match life.strip_prefix("rough@") {
        _ if life == "peaceful" => Life::Peaceful,
        Some(seed) => Life::Rough(seed.parse().map_err(|error| format!("{seed}: {error}"))?),
        None => {
            let faults = play(*story, Life::Peaceful, false)?.boundaries.faults();
            let named = faults.into_iter().find(|fault| fault.to_string() == life);
            Life::Struck(named.ok_or_else(|| format!("nothing in {name} is called {life}"))?)
        }
    };
    play(*story, life, true).map(|_| ())
}

fn said(life: Life) -> String {
    match life {
        Life::Peaceful => "peaceful".into(),
        Life::Rough(seed) => format!("rough@{seed}"),
        Life::Struck(fault) => Fault::to_string(&fault),
    }
}

impl Swept {
    fn count(&mut self, ended: &Ended) {
        self.runs += 1;
        self.records += ended.records;
        self.seconds += ended.seconds;
    }

    fn fail(&mut self, name: &str, life: Life, why: String) {
        self.runs += 1;
        let life = said(life);
        println!("scenario {name} FAILED with {life}: {why}");
        println!(
            "  again: cargo run --profile sim -p fluvial-sim -- scenarios {name} --life {life}"
        );
        self.failures.push(Failure {
            name: name.to_owned(),
            life,
            why,
        });
    }
}
