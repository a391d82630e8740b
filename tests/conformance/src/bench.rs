//! Our renderers beside the real tools, over a list of cases in one run: inside a process, as whole
//! processes, and their peak memory.
//!
//! Both sides do the same: inside a process from files in memory to the whole output as text, the fastest of
//! several times; as processes the same directory with the same flags, started by the same small program. A
//! case counts when both sides render it.

mod helm;
mod kustomize;
mod report;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fluvial_conformance::{Measure, Run};

use report::Ratios;

/// How often a case is rendered on each side.
const TIMES: usize = 5;

/// Processes for one case on each side.
const PROCESSES: usize = 2;

/// The tool that is raced against.
#[derive(Clone, Copy)]
pub(crate) enum Tool {
    /// `kustomize build`, and a large kustomization besides.
    Kustomize,
    /// `helm template`.
    Helm,
}

/// Races over a list of cases as the conformance suite has them.
pub(crate) fn run(tool: Tool, cases: &Path, as_json: bool) -> ExitCode {
    let raced = match tool {
        Tool::Kustomize => kustomize::race(cases),
        Tool::Helm => helm::race(cases),
    };
    let report = match raced {
        Ok(report) => report,
        Err(why) => {
            eprintln!("cannot race over {}: {why}", cases.display());
            return ExitCode::FAILURE;
        }
    };
    if as_json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.table());
    }
    if report.reaches_its_goals() {
        ExitCode::SUCCESS
    } else {
        eprintln!("a goal is missed");
        ExitCode::FAILURE
    }
}

/// The shortest time of several; `None` where nothing comes of it.
fn fastest(render: impl Fn() -> Option<String>) -> Option<Duration> {
    let mut fastest: Option<Duration> = None;
    for _ in 0..TIMES {
        let start = Instant::now();
        let text = render()?;
        let took = start.elapsed();
        assert!(!text.contains('\0'), "the text is used");
        fastest = Some(fastest.map_or(took, |other| other.min(took)));
    }
    fastest
}

/// Times and peaks of whole processes: each case is what follows `fluvial render …` and the same of theirs.
/// Nothing without a built `fluvial` beside this program.
fn processes(
    ours: &[&str],
    theirs: &[&str],
    cases: impl Iterator<Item = Vec<String>>,
) -> Option<(Ratios, Ratios)> {
    let fluvial = beside_this_program("fluvial")?;
    let mut measure = Measure::start(&env::temp_dir());
    let (mut times, mut peaks) = (Ratios::default(), Ratios::default());
    for words in cases {
        let mut race = |program: &[&str]| -> Option<Run> {
            let words = words.iter().map(String::as_str);
            let command: Vec<&str> = program.iter().copied().chain(words).collect();
            measure.run(&command, PROCESSES)
        };
        let program: Vec<&str> = [&*fluvial]
            .into_iter()
            .chain(ours.iter().copied())
            .collect();
        let Some(ours) = race(&program) else {
            continue;
        };
        if let Some(theirs) = race(theirs) {
            times.add(ours.took.as_secs_f64(), theirs.took.as_secs_f64());
            peaks.add(mebibytes(ours.peak_bytes), mebibytes(theirs.peak_bytes));
        }
    }
    Some((times, peaks))
}

fn beside_this_program(name: &str) -> Option<String> {
    let program: PathBuf = env::current_exe().ok()?.with_file_name(name);
    if program.is_file() {
        return Some(program.to_string_lossy().into_owned());
    }
    eprintln!(
        "whole processes are not raced: there is no {}; build it with cargo build --release -p fluvial",
        program.display()
    );
    None
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
