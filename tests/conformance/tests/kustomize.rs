//! The table of cases: every field of a kustomization, against the real kustomize in the same run.
//!
//! `ONLY=part` runs the cases whose file or title has that part; `SHOW=1` prints what both sides say
//! where both refuse.

use std::fs;
use std::path::Path;

use fluvial_conformance::{Peer, Verdict, compare, lines, read};

#[test]
fn every_case_is_built_as_the_real_kustomize_builds_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/kustomize");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the cases are there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.sort();
    let only = std::env::var("ONLY").unwrap_or_default();
    let show = std::env::var("SHOW").is_ok();
    let mut peer = Peer::start(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let (mut count, mut different) = (0, 0);
    for file in files {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for case in read(&fs::read_to_string(&file).expect("it is text")) {
            let title = format!("{name}: {}", case.title);
            if !title.contains(&only) {
                continue;
            }
            count += 1;
            match compare(&case, &mut peer) {
                Verdict::Same => {}
                Verdict::Refused { ours, theirs } => {
                    if show {
                        println!("=== {title}\n  ours:   {ours}\n  theirs: {theirs}");
                    }
                }
                Verdict::Different { ours, theirs } => {
                    different += 1;
                    println!("=== {title}\n{}", lines(&said(&ours), &said(&theirs)));
                }
            }
        }
    }
    println!("{count} cases, {different} differ");
    assert_eq!(different, 0, "of {count} cases");
}

fn said(answer: &Result<String, String>) -> String {
    match answer {
        Ok(text) => text.clone(),
        Err(error) => format!("refused: {error}"),
    }
}
