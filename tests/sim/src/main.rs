//! Runs seeds: `fluvial-sim --seeds 1000`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use fluvial_sim::{Summary, run};

/// The real reducers and the real loop against a model of the world.
#[derive(Debug, Parser)]
struct Arguments {
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
    #[arg(long)]
    trace: bool,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
}

/// A seed that takes longer than this does not end.
const SEED_MAX: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (start, count) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.start, arguments.seeds),
    };
    let running = watch();
    let began = Instant::now();
    let mut total = Summary::default();
    let mut failed = 0_u64;
    for seed in start..start.saturating_add(count) {
        running.store(seed, Ordering::Relaxed);
        match run_twice_sometimes(seed, arguments.trace) {
            Ok(summary) => {
                total.records += summary.records;
                total.seconds += summary.seconds;
                total.lives += summary.lives;
                total.ready += summary.ready;
                total.repairs += summary.repairs;
            }
            Err(why) => {
                failed += 1;
                println!("seed {seed} FAILED: {why}");
                println!("  again: cargo run --release -p fluvial-sim -- --seed {seed} --trace");
                if !arguments.keep_going {
                    break;
                }
            }
        }
        let done = seed - start + 1;
        if done % 100 == 0 || done == count {
            report(done, failed, &total, began.elapsed());
        }
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Every tenth seed runs twice, and must write the same log.
fn run_twice_sometimes(seed: u64, trace: bool) -> Result<Summary, String> {
    let summary = run(seed, trace)?;
    if seed.is_multiple_of(10) {
        let again = run(seed, false)?;
        if again != summary {
            return Err("the same seed wrote another log".into());
        }
    }
    Ok(summary)
}

fn report(done: u64, failed: u64, total: &Summary, elapsed: Duration) {
    let rate =
        total.records.saturating_mul(1000) / u64::try_from(elapsed.as_millis()).unwrap_or(1).max(1);
    println!(
        "{done} seeds, {failed} failed: {} records ({rate}/s), {} lives, {} repairs, {} ready, {} virtual hours in {:.1} s",
        total.records,
        total.lives,
        total.repairs,
        total.ready,
        total.seconds / 3600,
        elapsed.as_secs_f64()
    );
}

/// Ends the program when a seed does not end. Answers where to say which seed runs.
fn watch() -> Arc<AtomicU64> {
    let running = Arc::new(AtomicU64::new(u64::MAX));
    let watched = Arc::clone(&running);
    std::thread::spawn(move || {
        loop {
            let before = watched.load(Ordering::Relaxed);
            std::thread::sleep(SEED_MAX);
            if before != u64::MAX && watched.load(Ordering::Relaxed) == before {
                println!("seed {before} FAILED: it does not end");
                std::process::abort();
            }
        }
    });
    running
}
