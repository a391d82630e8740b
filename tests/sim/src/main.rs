//! `fluvial-sim --seeds 1000` runs seeds, `fluvial-sim scenarios` plays stories with every single fault.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use fluvial_sim::{
    Depth, STEPS, Skipped, Summary, hunt, mutant, pool, replay, run, run_without, scenario, shrink,
    sweep,
};

/// The real reducers, loop and judgement against a model of the world.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every record and what happens between them.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Find the steps that a failing seed needs to fail, and print that run.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Run only these steps of the seed, as --shrink prints them.
    #[arg(long, requires = "seed", value_delimiter = ',')]
    only: Vec<usize>,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Play stories in peace, in trouble, and with every single thing that can go wrong.
    Scenarios {
        /// Parts of the names of the stories to play; all by default.
        names: Vec<String>,
        /// Print the names and stop.
        #[arg(long)]
        list: bool,
        /// Only in peace and in a little trouble.
        #[arg(long)]
        shallow: bool,
        /// Of all that can go wrong, only one part in so many: --parts 3 --part 0, 1 or 2.
        #[arg(long, default_value_t = 1)]
        parts: usize,
        /// Which part; any number, so that it can be that of a commit.
        #[arg(long, default_value_t = 0)]
        part: usize,
        /// Play one story in this life alone, and print every record: `peaceful`, `rough@7`, or a fault
        /// as a failure names it, such as `crash@12+1:Recovers`.
        #[arg(long)]
        life: Option<String>,
        /// Go on after a failure.
        #[arg(long)]
        keep_going: bool,
    },
    /// Build deliberate bugs into a copy of the tree, one after the other, and see that each is found.
    Mutants {
        /// Parts of the names of the mutants; all by default.
        names: Vec<String>,
        /// Where the copy is kept and built, outside the checkout.
        #[arg(long)]
        place: PathBuf,
        /// Only so many.
        #[arg(long, default_value_t = usize::MAX)]
        sample: usize,
        /// Beginning with this one; any number, so that it can be that of a commit.
        #[arg(long, default_value_t = 0)]
        from: usize,
        /// Print what each of them is and stop.
        #[arg(long)]
        list: bool,
    },
}

/// Seeds between two lines of progress.
const SEEDS_A_LINE: u64 = 100;
/// A run that takes longer than this does not end.
const RUN_MAX: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A failure is printed where it is caught.
    std::panic::set_hook(Box::new(|_| {}));
    let is_well = match &arguments.what {
        Some(What::Scenarios {
            names,
            list,
            shallow,
            parts,
            part,
            life,
            keep_going,
        }) => match life {
            _ if *list => list_all(),
            Some(life) => play_again(names, life),
            None if *shallow => play(names, Depth::Shallow, *keep_going),
            None => {
                let parts = (*parts).max(1);
                play(names, Depth::Whole { part: *part, parts }, *keep_going)
            }
        },
        Some(What::Mutants {
            names,
            place,
            sample,
            from,
            list,
        }) => {
            if *list {
                list_mutants()
            } else {
                find_mutants(place, names, *sample, *from)
            }
        }
        None => seeds(&arguments),
    };
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn list_all() -> bool {
    for (name, _) in scenario::ALL {
        println!("{name}");
    }
    true
}

fn list_mutants() -> bool {
    for mutant in mutant::ALL {
        println!("{:34} {} ({})", mutant.name, mutant.says, mutant.file);
    }
    true
}

fn find_mutants(place: &Path, names: &[String], sample: usize, from: usize) -> bool {
    hunt(place, names, sample, from).unwrap_or_else(|error| {
        println!("cannot hunt mutants: {error}");
        false
    })
}

fn play_again(names: &[String], life: &str) -> bool {
    let [name] = names else {
        println!("--life needs the whole name of one scenario; see --list");
        return false;
    };
    match replay(name, life) {
        Ok(()) => true,
        Err(why) => {
            println!("scenario {name} FAILED: {why}");
            false
        }
    }
}

fn play(names: &[String], depth: Depth, keep_going: bool) -> bool {
    let began = Instant::now();
    let swept = sweep(names, depth, !keep_going);
    println!(
        "{} runs of scenarios, {} failed: {} records ({}/s), {} virtual hours in {:.1} s",
        swept.runs,
        swept.failures.len(),
        swept.records,
        rate(swept.records, began.elapsed()),
        swept.seconds / 3600,
        began.elapsed().as_secs_f64()
    );
    swept.failures.is_empty()
}

fn seeds(arguments: &Arguments) -> bool {
    if let Some(seed) = arguments.seed {
        return one_seed(seed, arguments);
    }
    let began = Instant::now();
    let watched = Watched {
        ended: Arc::default(),
        started: Once::new(),
    };
    let mut total = Summary::default();
    let mut failed = 0_u64;
    let end = arguments.start.saturating_add(arguments.seeds);
    let mut next = arguments.start;
    while next < end && (failed == 0 || arguments.keep_going) {
        let some: Vec<_> = (next..end.min(next + SEEDS_A_LINE)).collect();
        let stop = AtomicBool::new(false);
        let ran = pool::map(&some, |seed| {
            if stop.load(Ordering::Relaxed) && !arguments.keep_going {
                return None;
            }
            let ran = watched.run(|| run_twice_sometimes(*seed));
            stop.fetch_or(ran.is_err(), Ordering::Relaxed);
            Some(ran)
        });
        next += SEEDS_A_LINE;
        for (seed, ran) in some.iter().zip(ran) {
            match ran {
                Some(Ok(summary)) => add(&mut total, &summary),
                Some(Err(why)) => {
                    failed += 1;
                    println!("seed {seed} FAILED: {why}");
                    println!(
                        "  again: cargo run --profile sim -p fluvial-sim -- --seed {seed} --shrink"
                    );
                }
                None => {}
            }
        }
        report(
            next.min(end) - arguments.start,
            failed,
            &total,
            began.elapsed(),
        );
    }
    failed == 0
}

/// One seed alone: as it is, only some of its steps, or only those that it fails by.
fn one_seed(seed: u64, arguments: &Arguments) -> bool {
    let mut skipped = Skipped::new();
    if !arguments.only.is_empty() {
        let only: BTreeSet<_> = arguments.only.iter().copied().collect();
        skipped.extend((0..STEPS).filter(|step| !only.contains(step)));
    }
    if arguments.shrink && caught(|| run(seed, false)).is_err() {
        skipped = shrink(seed, |left| println!("it still fails with {left} steps"));
        let steps = (0..STEPS).filter(|step| !skipped.contains(step));
        let steps: Vec<_> = steps.map(|step| step.to_string()).collect();
        println!("again: --seed {seed} --trace --only {}", steps.join(","));
    }
    let trace = arguments.trace || arguments.shrink;
    match caught(|| run_without(seed, &skipped, trace)) {
        Ok(summary) => {
            println!("seed {seed}: {summary:?}");
            true
        }
        Err(why) => {
            println!("seed {seed} FAILED: {why}");
            false
        }
    }
}

/// Every tenth seed runs twice, and must write the same log.
fn run_twice_sometimes(seed: u64) -> Result<Summary, String> {
    let summary = caught(|| run(seed, false))?;
    if seed.is_multiple_of(10) {
        let again = run(seed, false)?;
        if again != summary {
            return Err("the same seed wrote another log".into());
        }
    }
    Ok(summary)
}

/// A panic is a failure like any other.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Err(format!("it panicked: {}", text.unwrap_or_default()))
    })
}

fn add(total: &mut Summary, summary: &Summary) {
    total.records += summary.records;
    total.seconds += summary.seconds;
    total.lives += summary.lives;
    total.ready += summary.ready;
    total.repairs += summary.repairs;
}

fn rate(records: u64, elapsed: Duration) -> u64 {
    records.saturating_mul(1000) / u64::try_from(elapsed.as_millis()).unwrap_or(1).max(1)
}

fn report(done: u64, failed: u64, total: &Summary, elapsed: Duration) {
    println!(
        "{done} seeds, {failed} failed: {} records ({}/s), {} lives, {} repairs, {} ready, {} virtual hours in {:.1} s",
        total.records,
        rate(total.records, elapsed),
        total.lives,
        total.repairs,
        total.ready,
        total.seconds / 3600,
        elapsed.as_secs_f64()
    );
}

/// Ends the program when runs begin and none ends any more.
struct Watched {
    ended: Arc<AtomicU64>,
    started: Once,
}

impl Watched {
    fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.started.call_once(|| {
            let ended = Arc::clone(&self.ended);
            std::thread::spawn(move || {
                loop {
                    let before = ended.load(Ordering::Relaxed);
                    std::thread::sleep(RUN_MAX);
                    if ended.load(Ordering::Relaxed) == before {
                        println!("FAILED: after {before} runs, one does not end");
                        std::process::abort();
                    }
                }
            });
        });
        let done = work();
        self.ended.fetch_add(1, Ordering::Relaxed);
        done
    }
}
