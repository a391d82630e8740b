//! Races and random trees: `bench kustomize|helm CASES.json [--json]` measures ours and the real one in the same run,
//! `differ COUNT [SEED]` builds trees made from seeds on both sides, `hunt FOLDER` every kustomization of
//! the repositories in a folder.

mod bench;
mod hunt;
mod made;

use std::env;
use std::process::ExitCode;

use bench::Tool;
use fluvial_conformance::{Peer, Verdict, compare, lines};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bench", "kustomize", cases, rest @ ..] => {
            bench::run(Tool::Kustomize, cases.as_ref(), rest == ["--json"])
        }
        ["bench", "helm", cases, rest @ ..] => {
            bench::run(Tool::Helm, cases.as_ref(), rest == ["--json"])
        }
        ["differ", count] => differ(count.parse().unwrap_or(0), 1),
        ["differ", count, seed] => differ(count.parse().unwrap_or(0), seed.parse().unwrap_or(1)),
        ["hunt", folder] => hunt::run(folder.as_ref()),
        _ => {
            eprintln!(
                "say `bench kustomize|helm CASES.json [--json]`, `differ COUNT [FIRST-SEED]` or `hunt FOLDER`"
            );
            ExitCode::FAILURE
        }
    }
}

/// Builds `count` trees, the first from `seed`, and shows those that the two build differently.
fn differ(count: u64, seed: u64) -> ExitCode {
    let mut peer = Peer::start(&env::temp_dir());
    let (mut built, mut different) = (0, 0);
    for seed in seed..seed + count {
        let case = made::case(seed);
        match compare(&case, &mut peer) {
            Verdict::Same => built += 1,
            Verdict::Refused { .. } => {}
            Verdict::Different { ours, theirs } => {
                different += 1;
                println!("=== seed {seed}");
                for (path, text) in &case.files {
                    println!("-- {path} --\n{text}");
                }
                let said = |answer: Result<String, String>| answer.unwrap_or_else(|error| error);
                println!("difference:\n{}", lines(&said(ours), &said(theirs)));
            }
        }
    }
    println!("{count} trees from seed {seed} on: {built} built, {different} differ");
    if different == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
