//! Every kustomization below a folder of real repositories, built by us and by the real program.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use fluvial_conformance::{lines, one_line};
use fluvial_kustomize::{Options, Restriction, build};
use fluvial_manifest::{Entry, Tree, yaml};

/// The names of a kustomization file.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Builds each kustomization of a folder on both sides and shows those that differ.
///
/// The folder is read as one tree: its repositories may not name each other, but their links and
/// bases stay inside it.
pub(crate) fn run(folder: &Path) -> ExitCode {
    let mut tree = Tree::new();
    gather(folder, "", &mut tree);
    let mut paths: Vec<String> = tree
        .iter()
        .filter_map(|(path, _)| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            NAMES.contains(&name).then(|| parent.to_owned())
        })
        .collect();
    paths.dedup();
    let options = Options {
        restriction: Restriction::None,
        ..Options::default()
    };
    let (mut same, mut refused, mut different) = (0, 0, 0);
    for path in &paths {
        let ours = build(&tree, path, &options)
            .map(|objects| yaml::to_multi(&objects))
            .map_err(|error| error.to_string());
        let theirs = real(&folder.join(path));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => same += 1,
            (Err(ours), Err(theirs)) => {
                refused += 1;
                println!(
                    "=== {path}: both refuse\n  ours:   {}\n  theirs: {}",
                    one_line(&ours),
                    one_line(&theirs)
                );
            }
            (ours, theirs) => {
                different += 1;
                let said = |answer: Result<String, String>| match answer {
                    Ok(text) => text,
                    Err(error) => format!("refused: {}", one_line(&error)),
                };
                println!(
                    "=== {path}: different\n{}",
                    lines(&said(ours), &said(theirs))
                );
            }
        }
    }
    println!(
        "{} kustomizations: {same} same, {refused} refused by both, {different} differ",
        paths.len()
    );
    if different == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What the program `kustomize` prints. It is stopped when it waits for a network.
fn real(path: &Path) -> Result<String, String> {
    let output = Command::new("timeout")
        .args([
            "60",
            "kustomize",
            "build",
            "--load-restrictor",
            "LoadRestrictionsNone",
        ])
        .arg(path)
        .output()
        .map_err(|error| format!("cannot start kustomize: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn gather(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let found = if kind.is_dir() {
            gather(&entry.path(), &path, tree);
            continue;
        } else if kind.is_symlink() {
            fs::read_link(entry.path()).map(|target| Entry::Link {
                target: target.to_string_lossy().into_owned(),
            })
        } else {
            fs::read(entry.path()).map(Entry::file)
        };
        // What cannot be read, or not be stored (`.git`), no kustomization needs.
        if let Ok(found) = found {
            drop(tree.insert(&path, found));
        }
    }
}
