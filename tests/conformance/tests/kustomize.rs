//! The table of cases: every field of a kustomization, against the real kustomize in the same run.
//!
//! `ONLY=part` runs the cases whose file or title has that part; `SHOW=1` prints what both sides say
//! where both refuse.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fluvial_conformance::{Peer, Verdict, compare, lines, read};
use fluvial_manifest::{Value, object, yaml};

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

/// kustomize's `internal/plugins/builtinhelpers` (v0.21.2).
const BUILT_IN: [&str; 19] = [
    "AnnotationsTransformer",
    "ConfigMapGenerator",
    "HashTransformer",
    "HelmChartInflationGenerator",
    "IAMPolicyGenerator",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SecretGenerator",
    "SortOrderTransformer",
    "SuffixTransformer",
    "ValueAddTransformer",
];

#[test]
fn every_field_and_every_built_in_kind_of_the_real_kustomize_has_a_case() {
    let mut fields = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for folder in ["kustomize", "charts"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("cases")
            .join(folder);
        for file in fs::read_dir(folder).expect("the cases are there") {
            let file = file.expect("it can be listed").path();
            for case in read(&fs::read_to_string(file).expect("it is text")) {
                for (path, text) in &case.files {
                    let name = path.rsplit('/').next().unwrap_or_default();
                    for document in yaml::documents(text).unwrap_or_default() {
                        if name.to_lowercase().starts_with("kustomization") {
                            add_paths("", &document, &mut fields);
                        }
                        if object::api_version(&document) == "builtin" {
                            kinds.insert(object::kind(&document).to_owned());
                        }
                    }
                }
            }
        }
    }
    let known = Peer::fields(Path::new(env!("CARGO_TARGET_TMPDIR")));
    assert!(known.len() > 100, "{known:?}");
    let without: Vec<_> = known
        .iter()
        .filter(|field| !fields.contains(*field))
        .collect();
    assert!(without.is_empty(), "fields without a case: {without:?}");
    let without: Vec<_> = BUILT_IN
        .iter()
        .filter(|kind| !kinds.contains(**kind))
        .collect();
    assert!(without.is_empty(), "kinds without a case: {without:?}");
}

/// Adds the paths of all fields of a document, without the places in lists.
fn add_paths(above: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                add_paths(&format!("{above}.{key}"), value, paths);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add_paths(above, item, paths)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    paths.insert(above.trim_start_matches('.').to_owned());
}

fn said(answer: &Result<String, String>) -> String {
    match answer {
        Ok(text) => text.clone(),
        Err(error) => format!("refused: {error}"),
    }
}
