//! Our kustomize beside the real one, over a list of cases in one run: builds inside a process, whole
//! processes, and their peak memory.
//!
//! Both sides do the same. Inside a process: from a tree in memory to the whole output as text, the fastest of
//! several builds. Whole processes: `fluvial render kustomize` and `kustomize build` of the same directory with
//! the same flags, started by the same small program. A case counts when both sides build it.

mod large;
mod listed;
mod report;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fluvial_conformance::{Case, Measure, Peer, Run};
use fluvial_kustomize::build;
use fluvial_manifest::yaml;

use listed::Listed;
use report::{Ratios, Report};

/// Builds of one case on each side.
const BUILDS: usize = 5;

/// Processes for one case on each side.
const PROCESSES: usize = 2;

/// Races over a list of cases as the conformance suite has them, and builds the large one.
pub(crate) fn run(cases: &Path, as_json: bool) -> ExitCode {
    let listed = match listed::read(cases) {
        Ok(listed) => listed,
        Err(why) => {
            eprintln!("cannot race over {}: {why}", cases.display());
            return ExitCode::FAILURE;
        }
    };
    let report = Report {
        in_process: in_process(&listed),
        large: fastest(&large::case()),
        processes: processes(&listed),
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

fn in_process(listed: &[Listed]) -> Ratios {
    let mut peer = Peer::start(&Peer::program(&env::temp_dir()));
    let mut ratios = Ratios::default();
    for listed in listed {
        let case = listed.case();
        let Some(ours) = fastest(&case) else {
            continue;
        };
        if let Ok((_, theirs)) = peer.race(&case, BUILDS) {
            ratios.add(ours.as_secs_f64(), theirs.as_secs_f64());
        }
    }
    ratios
}

fn fastest(case: &Case) -> Option<Duration> {
    let tree = case.tree();
    let mut fastest: Option<Duration> = None;
    for _ in 0..BUILDS {
        let start = Instant::now();
        let objects = build(&tree, &case.path, &case.options).ok()?;
        let text = yaml::to_multi(&objects);
        let took = start.elapsed();
        assert!(!text.contains('\0'), "the text is used");
        fastest = Some(fastest.map_or(took, |other| other.min(took)));
    }
    fastest
}

/// Times and peaks of whole processes; nothing without a built `fluvial` beside this program.
fn processes(listed: &[Listed]) -> Option<(Ratios, Ratios)> {
    let fluvial = beside_this_program("fluvial")?;
    let mut measure = Measure::start(&env::temp_dir());
    let (mut times, mut peaks) = (Ratios::default(), Ratios::default());
    for listed in listed {
        let directory = listed.directory.to_string_lossy();
        let mut race = |program: &[&str]| -> Option<Run> {
            let flags = listed.flags.iter().map(String::as_str);
            let command: Vec<&str> = program
                .iter()
                .copied()
                .chain(flags)
                .chain([&*directory])
                .collect();
            measure.run(&command, PROCESSES)
        };
        let Some(ours) = race(&[&fluvial, "render", "kustomize"]) else {
            continue;
        };
        if let Some(theirs) = race(&["kustomize", "build"]) {
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
