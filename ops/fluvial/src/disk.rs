//! From a directory on disk to a tree: the kustomization, and what it and its bases name; of a directory
//! without one, as Flux admits it, every manifest.
//!
//! The root of the tree is the root of the file system, so that a base may be anywhere; only what
//! is named is read. Links are kept as links, so that the load restriction sees them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Component, Path, PathBuf};

use fluvial_manifest::{Entry, Tree, Value, yaml};
use fluvial_source::{IGNORE_FILE, Ignore};

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Directories of a chart inside each other; links can make loops of them.
const DEPTH_MAX: usize = 64;

/// Longer texts are contents, not paths.
const PATH_BYTES_MAX: usize = 1_024;

/// The tree that `dir` needs, and the path of `dir` in it.
pub(crate) fn read(dir: &Path) -> io::Result<(Tree, String)> {
    let root = dir.canonicalize()?;
    let mut reader = Reader::new(&root);
    reader.read()?;
    Ok((reader.tree, tree_path(&root)))
}

/// The tree that `dir` needs as the path of a Flux Kustomization with these `components`, and the path of
/// `dir` in it. Of a directory without a kustomization, what one of the `ignored` patterns or a
/// `.sourceignore` matches is left out; without patterns nothing is, as in flux.
pub(crate) fn read_flux(
    dir: &Path,
    components: &[String],
    ignored: &[String],
) -> io::Result<(Tree, String)> {
    let root = dir.canonicalize()?;
    let mut reader = Reader::new(&root);
    let components = components
        .iter()
        .filter_map(|it| root.join(it).canonicalize().ok());
    reader.dirs.extend(components);
    if !has_kustomization(&root) {
        let mut files = Vec::new();
        manifests(&root, &mut files, &mut reader.dirs)?;
        let ignore = ignore(&root, ignored)?;
        for file in files {
            let relative = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy();
            if !ignore.as_ref().is_some_and(|it| it.excludes(&relative)) {
                reader.file(&file)?;
            }
        }
    }
    reader.read()?;
    Ok((reader.tree, tree_path(&root)))
}

fn has_kustomization(dir: &Path) -> bool {
    FILE_NAMES.iter().any(|name| dir.join(name).is_file())
}

/// The manifests below `dir`, and the directories among them that have a kustomization.
fn manifests(dir: &Path, files: &mut Vec<PathBuf>, dirs: &mut VecDeque<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if has_kustomization(&path) {
                dirs.push_back(path);
            } else {
                manifests(&path, files, dirs)?;
            }
        } else if path
            .extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
            && path.is_file()
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The rules of a directory; none unless some were given.
fn ignore(root: &Path, ignored: &[String]) -> io::Result<Option<Ignore>> {
    if ignored.is_empty() {
        return Ok(None);
    }
    let mut rules = BTreeMap::new();
    let mut dirs = VecDeque::from([root.to_owned()]);
    while let Some(dir) = dirs.pop_front() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push_back(entry.path());
            } else if entry.file_name() == IGNORE_FILE {
                let path = entry.path();
                let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
                rules.insert(relative.into_owned(), std::fs::read(&path)?);
            }
        }
    }
    let mut files: Vec<_> = rules
        .iter()
        .map(|it| (it.0.as_str(), it.1.as_slice()))
        .collect();
    files.sort_by_key(|it| it.0.matches('/').count());
    Ok(Some(Ignore::new(files, Some(&ignored.join("\n")))))
}

/// Where the charts of a kustomization may be, or that of a generator's configuration.
fn charts(document: &Value) -> Vec<String> {
    let text = |value: &Value, field: &str| {
        let text = value.get(field).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let list = |field: &str| {
        document
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let globals = document.get("helmGlobals").unwrap_or(document);
    let legacy = list("helmChartInflationGenerator");
    let mut homes = legacy.filter_map(|chart| text(chart, "chartHome"));
    let home = text(globals, "chartHome").or(homes.next_back());
    let home = home.unwrap_or_else(|| "charts".to_owned());
    let is_generator =
        text(document, "kind").is_some_and(|kind| kind == "HelmChartInflationGenerator");
    let charts = list("helmCharts").chain(is_generator.then_some(document));
    let named = charts.map(|chart| (text(chart, "name"), text(chart, "version")));
    let named = named.chain(
        list("helmChartInflationGenerator")
            .map(|chart| (text(chart, "chartName"), text(chart, "chartVersion"))),
    );
    named
        .filter_map(|(name, version)| Some((name?, version)))
        .flat_map(|(name, version)| {
            let pinned = version.map(|version| format!("{home}/{name}-{version}/{name}"));
            pinned.into_iter().chain([format!("{home}/{name}")])
        })
        .collect()
}

struct Reader {
    tree: Tree,
    seen: BTreeSet<PathBuf>,
    seen_dirs: BTreeSet<PathBuf>,
    /// Plugin configurations: what they name is relative to the kustomization that uses them.
    plugins: BTreeSet<String>,
    dirs: VecDeque<PathBuf>,
    /// Directories that no link leads to: what is in one is where its path says, unless it is a link itself.
    real: BTreeSet<PathBuf>,
}

impl Reader {
    fn new(root: &Path) -> Self {
        Self {
            tree: Tree::new(),
            seen: BTreeSet::new(),
            seen_dirs: BTreeSet::new(),
            plugins: BTreeSet::new(),
            dirs: VecDeque::from([root.to_owned()]),
            real: root.ancestors().map(Path::to_owned).collect(),
        }
    }

    /// Reads the directories that are waiting, and those that they name.
    fn read(&mut self) -> io::Result<()> {
        while let Some(dir) = self.dirs.pop_front() {
            if self.seen_dirs.insert(dir.clone()) {
                self.real.insert(dir.clone());
                self.dir(&dir)?;
            }
            if self.dirs.is_empty() {
                self.plugin_names()?;
            }
        }
        Ok(())
    }

    fn dir(&mut self, dir: &Path) -> io::Result<()> {
        for name in FILE_NAMES {
            let path = dir.join(name);
            if path.is_file() {
                let bytes = self.file(&path)?;
                self.named_in(dir, &bytes)?;
            }
        }
        Ok(())
    }

    /// Reads everything that a configuration names.
    fn named_in(&mut self, dir: &Path, bytes: &[u8]) -> io::Result<()> {
        let documents = str::from_utf8(bytes)
            .ok()
            .and_then(|text| yaml::documents_of_kustomization(text).ok());
        for document in documents.iter().flatten() {
            self.names(dir, document)?;
            for chart in charts(document) {
                self.whole(&normal(&dir.join(chart)), 0)?;
            }
        }
        Ok(())
    }

    /// Reads all of a directory, if it is one.
    fn whole(&mut self, dir: &Path, depth: usize) -> io::Result<()> {
        if !dir.is_dir() || depth > DEPTH_MAX {
            return Ok(());
        }
        let dir = self.link(dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.whole(&path, depth + 1)?;
            } else if path.is_file() {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn names(&mut self, dir: &Path, value: &Value) -> io::Result<()> {
        match value {
            Value::String(text) if text.contains('\n') => self.named_in(dir, text.as_bytes()),
            Value::String(text) => self.name(dir, text),
            Value::Array(items) => items.iter().try_for_each(|item| self.names(dir, item)),
            Value::Object(map) => map.values().try_for_each(|value| self.names(dir, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// A text that may be a path, or `key=path`.
    fn name(&mut self, dir: &Path, text: &str) -> io::Result<()> {
        let after_key = text.split_once('=').map(|(_, path)| path);
        for name in [Some(text), after_key].into_iter().flatten() {
            if name.is_empty() || name.len() > PATH_BYTES_MAX || name.starts_with('/') {
                continue;
            }
            let path = normal(&dir.join(name));
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                let real = self.link(&path)?;
                self.dirs.push_back(real);
            } else if metadata.is_file() && self.seen.insert(path.clone()) {
                let bytes = self.file(&path)?;
                if bytes.windows(7).any(|window| window == b"builtin") {
                    self.plugins.extend(String::from_utf8(bytes));
                }
            }
        }
        Ok(())
    }

    fn plugin_names(&mut self) -> io::Result<()> {
        for text in self.plugins.clone() {
            for dir in self.seen_dirs.clone() {
                self.named_in(&dir, text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let real = self.link(path)?;
        let bytes = std::fs::read(&real)?;
        self.insert(&real, Entry::file(bytes.clone()))?;
        Ok(bytes)
    }

    /// Stores the links on the way to `path`, which is normal, and says where they lead.
    fn link(&mut self, path: &Path) -> io::Result<PathBuf> {
        // To ask about every part of each path takes longer than to read the file.
        let is_in_real = path.parent().is_some_and(|it| self.real.contains(it));
        if is_in_real && !path.symlink_metadata()?.is_symlink() {
            return Ok(path.to_owned());
        }
        let real = path.canonicalize()?;
        self.real
            .extend(real.ancestors().skip(1).map(Path::to_owned));
        if real == path {
            return Ok(real);
        }
        let mut walked = PathBuf::from("/");
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            walked.push(name);
            if walked.symlink_metadata()?.is_symlink() {
                let target = walked.canonicalize()?;
                let up = "../".repeat(walked.components().count() - 2);
                let target_text = format!("{up}{}", tree_path(&target));
                self.insert(
                    &walked,
                    Entry::Link {
                        target: target_text,
                    },
                )?;
                walked = target;
            }
        }
        Ok(real)
    }

    fn insert(&mut self, path: &Path, entry: Entry) -> io::Result<()> {
        let path = tree_path(path);
        if self.tree.get(&path).is_some() {
            return Ok(());
        }
        self.tree.insert(&path, entry).map_err(io::Error::other)
    }
}

fn tree_path(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

/// Removes `.` and `..` by text, as kustomize does before it looks.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
