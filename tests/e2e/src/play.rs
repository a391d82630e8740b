//! Runs scenarios side by side, and tells of every one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::{Scene, Stage};

/// A scenario: the promise that it holds the engine to, and what it does.
pub type Scenario = (&'static str, fn(&Scene<'_>));

/// Scenarios at a time. Each waits most of its time.
const AT_A_TIME: usize = 6;

/// Plays every scenario, or the one whose name is in `FLUVIAL_SCENARIO`, each in a namespace of its
/// own, and panics at the end with all that failed.
pub fn play(stage: &Stage, scenarios: &[Scenario]) {
    let only = std::env::var("FLUVIAL_SCENARIO").ok();
    let scenarios: Vec<_> = scenarios
        .iter()
        .filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only)))
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(scenarios.len()) {
            scope.spawn(|| {
                while let Some((name, act)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = play_one(stage, name, *act) {
                        let mut failures = failures.lock().expect("no holder panics");
                        failures.push(format!("{name}: {failure}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no holder panics");
    if let Err(error) = stage.engine.check() {
        panic!("{error:#}\n{}", failures.join("\n"));
    }
    assert!(
        failures.is_empty(),
        "{} of {} scenarios failed:\n\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n\n")
    );
}

fn play_one(stage: &Stage, name: &str, act: fn(&Scene<'_>)) -> Result<(), String> {
    let start = Instant::now();
    let played = catch_unwind(AssertUnwindSafe(|| act(&Scene::new(stage, name))));
    let seconds = start.elapsed().as_secs_f32();
    match played {
        Ok(()) => {
            println!("ok     {name} ({seconds:.1} s)");
            Ok(())
        }
        Err(panic) => {
            println!("FAILED {name} ({seconds:.1} s)");
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(said.unwrap_or("it panicked without a word").to_owned())
        }
    }
}
