//! `helm template` beside ours.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fluvial_conformance::{ChartCase, HelmPeer};
use fluvial_helm::{Chart, Options, Values, document, render};
use fluvial_manifest::{Entry, Tree};
use serde_json::Value;

use super::report::{Goals, Ratios, Report};
use super::{TIMES, fastest, processes};

const GOALS: Goals = Goals {
    in_process: 30.0,
    whole_process: 20.0,
    peak: 4.0,
};

/// The name of every release.
const RELEASE: &str = "release";

/// A chart, and what it is rendered with.
struct Listed {
    chart: PathBuf,
    /// The flags, as `helm template` takes them; files by their whole paths.
    flags: Vec<String>,
}

pub(super) fn race(cases: &Path) -> Result<Report, String> {
    let listed = read(cases)?;
    let mut peer = HelmPeer::start(&env::temp_dir());
    let (mut ratios, mut again) = (Ratios::default(), Ratios::default());
    for listed in &listed {
        let case = listed.case();
        let Some((ours, loaded)) = time(&case) else {
            continue;
        };
        if let Ok(theirs) = peer.race(&case, TIMES) {
            ratios.add(ours.as_secs_f64(), theirs.as_secs_f64());
            again.add(loaded.as_secs_f64(), theirs.as_secs_f64());
        }
    }
    let words = |listed: &Listed| {
        let chart = listed.chart.to_string_lossy().into_owned();
        let flags = listed.flags.iter().cloned();
        [RELEASE.to_owned(), chart]
            .into_iter()
            .chain(flags)
            .collect()
    };
    Ok(Report {
        tool: "helm",
        goals: GOALS,
        in_process: ratios,
        again: Some(again),
        processes: processes(
            &["render", "helm"],
            &["helm", "template"],
            listed.iter().map(words),
        ),
        extra: None,
    })
}

fn read(cases: &Path) -> Result<Vec<Listed>, String> {
    let text = fs::read_to_string(cases).map_err(|error| error.to_string())?;
    let listed: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let folder = cases.parent().unwrap_or(Path::new("."));
    let one = |listed: &Value| {
        let chart = folder.join(listed["root"].as_str().unwrap_or_default());
        let words = listed["args"].as_array().into_iter().flatten();
        let mut is_file = false;
        let flags = words.filter_map(Value::as_str).map(|word| {
            let is_path = std::mem::replace(&mut is_file, word == "-f");
            if is_path {
                chart.join(word).to_string_lossy().into_owned()
            } else {
                word.to_owned()
            }
        });
        let flags = flags.collect();
        Listed { chart, flags }
    };
    Ok(listed.iter().map(one).collect())
}

impl Listed {
    /// What follows a flag, each time that it is given.
    fn given(&self, flag: &str) -> impl Iterator<Item = &str> {
        let pairs = self.flags.windows(2);
        pairs.filter_map(move |pair| match pair {
            [name, value] if name == flag => Some(value.as_str()),
            _ => None,
        })
    }

    fn case(&self) -> ChartCase {
        let files = self.given("-f");
        ChartCase {
            directory: self.chart.clone(),
            name: RELEASE.to_owned(),
            namespace: self
                .given("--namespace")
                .next()
                .unwrap_or("default")
                .to_owned(),
            values: files
                .filter_map(|file| fs::read_to_string(file).ok())
                .collect(),
            with_crds: self.flags.iter().any(|flag| flag == "--include-crds"),
        }
    }
}

/// From files in memory to the text; and from a chart that was loaded and rendered before, as a worker of the
/// engine keeps it, with its values read anew. Helm loads a chart each time.
fn time(case: &ChartCase) -> Option<(Duration, Duration)> {
    let mut tree = Tree::new();
    gather(&case.directory, "", &mut tree);
    let options = Options {
        name: case.name.clone(),
        namespace: case.namespace.clone(),
        ..Options::default()
    };
    let whole = fastest(|| printed(Chart::from_tree(&tree, "").ok()?, case, &options))?;
    let chart = Chart::from_tree(&tree, "").ok()?;
    let loaded = fastest(|| printed(chart.clone(), case, &options))?;
    Some((whole, loaded))
}

fn printed(chart: Chart, case: &ChartCase, options: &Options) -> Option<String> {
    let mut values = Values::new();
    for text in &case.values {
        values.add_yaml(text.as_bytes()).ok()?;
    }
    let rendered = render(chart, &values, options).ok()?;
    let mut text = String::new();
    if case.with_crds {
        text = rendered.crd_manifest();
    }
    text.push_str(&rendered.manifest());
    for hook in &rendered.hooks {
        document(&mut text, &hook.path, &hook.manifest);
    }
    Some(text)
}

/// Reads a directory; what cannot be is left out, on both sides.
fn gather(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = match prefix {
            "" => name,
            prefix => format!("{prefix}/{name}"),
        };
        if entry.path().is_dir() {
            gather(&entry.path(), &path, tree);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            // A name that no tree takes is no part of a chart.
            drop(tree.insert(&path, Entry::file(bytes)));
        }
    }
}
