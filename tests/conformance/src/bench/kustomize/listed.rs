//! The cases of the conformance suite: which directory, with which flags, in which repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use fluvial_conformance::Case;
use fluvial_kustomize::{Options, Reorder, Restriction};
use serde_json::Value;

/// A folder with more than this is not one repository but a collection of them.
const REPOSITORY_BYTES_MAX: u64 = 5 << 20;

type Files = BTreeMap<String, String>;

/// One case of the list.
pub(super) struct Listed {
    /// The directory that is built, on disk.
    pub(super) directory: PathBuf,
    /// The flags, as `kustomize build` takes them.
    pub(super) flags: Vec<String>,
    title: String,
    /// The repository around it, and the directory in there.
    repository: Rc<Files>,
    path: String,
}

impl Listed {
    /// The case as a tree in memory.
    pub(super) fn case(&self) -> Case {
        let has = |flag: &str| self.flags.iter().any(|own| own == flag);
        Case {
            title: self.title.clone(),
            path: self.path.clone(),
            options: Options {
                restriction: if has("LoadRestrictionsNone") {
                    Restriction::None
                } else {
                    Restriction::RootOnly
                },
                reorder: if has("none") {
                    Reorder::None
                } else {
                    Reorder::Legacy
                },
                managed_by_label: has("--enable-managedby-label"),
            },
            files: Files::clone(&self.repository),
        }
    }
}

/// Reads a list and the repositories that it names, which are beside it.
pub(super) fn read(cases: &Path) -> Result<Vec<Listed>, String> {
    let text = fs::read_to_string(cases).map_err(|error| error.to_string())?;
    let listed: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let folder = cases.parent().unwrap_or(Path::new("."));
    let mut repositories = BTreeMap::new();
    let one = |listed: &Value| {
        let root = listed["root"].as_str().unwrap_or_default();
        let flags = listed["args"].as_array().into_iter().flatten();
        let mut parts = root.split('/');
        let mut repository = folder.join(parts.next().unwrap_or_default());
        if bytes(&repository) > REPOSITORY_BYTES_MAX
            && let Some(next) = parts.next()
        {
            repository.push(next);
        }
        Listed {
            directory: folder.join(root),
            flags: flags.filter_map(Value::as_str).map(str::to_owned).collect(),
            title: root.to_owned(),
            repository: repositories
                .entry(repository)
                .or_insert_with_key(|repository| Rc::new(gathered(repository)))
                .clone(),
            path: parts.collect::<Vec<_>>().join("/"),
        }
    };
    Ok(listed.iter().map(one).collect())
}

fn bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |metadata| metadata.len());
    };
    entries.flatten().map(|entry| bytes(&entry.path())).sum()
}

fn gathered(repository: &Path) -> Files {
    let mut files = Files::new();
    gather(repository, "", &mut files);
    files
}

fn gather(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == ".git" {
            continue;
        }
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        if entry.path().is_dir() {
            gather(&entry.path(), &path, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.insert(path, text);
        }
    }
}
