//! `kustomize build` beside ours.

mod large;
mod listed;

use std::env;
use std::path::Path;
use std::time::Duration;

use fluvial_conformance::{Case, Peer};
use fluvial_kustomize::build;
use fluvial_manifest::yaml;

use super::report::{Extra, Goals, Ratios, Report};
use super::{TIMES, fastest, processes};
use listed::Listed;

const GOALS: Goals = Goals {
    in_process: 50.0,
    whole_process: 20.0,
    peak: 4.0,
};

pub(super) fn race(cases: &Path) -> Result<Report, String> {
    let listed = listed::read(cases)?;
    let words = |listed: &Listed| {
        let directory = listed.directory.to_string_lossy().into_owned();
        listed.flags.iter().cloned().chain([directory]).collect()
    };
    Ok(Report {
        tool: "kustomize",
        goals: GOALS,
        in_process: in_process(&listed),
        again: None,
        processes: processes(
            &["render", "kustomize"],
            &["kustomize", "build"],
            listed.iter().map(words),
        ),
        extra: Some(Extra {
            what: format!(
                "one kustomization of {} objects, in process",
                large::OBJECTS
            ),
            took: time(&large::case()),
            max: large::TIME_MAX,
        }),
    })
}

fn in_process(listed: &[Listed]) -> Ratios {
    let mut peer = Peer::start(&env::temp_dir());
    let mut ratios = Ratios::default();
    for listed in listed {
        let case = listed.case();
        let Some(ours) = time(&case) else {
            continue;
        };
        if let Ok((_, theirs)) = peer.race(&case, TIMES) {
            ratios.add(ours.as_secs_f64(), theirs.as_secs_f64());
        }
    }
    ratios
}

fn time(case: &Case) -> Option<Duration> {
    let tree = case.tree();
    fastest(|| {
        let objects = build(&tree, &case.path, &case.options).ok()?;
        Some(yaml::to_multi(&objects))
    })
}
