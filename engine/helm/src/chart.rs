//! A chart: what its files say, and the charts in it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fluvial_gotemplate::Map;
use fluvial_manifest::tree::Child;
use fluvial_manifest::{Tree, Value};

use crate::archive::{self, Budget};
use crate::ignore::Rules;
use crate::memo::Memo;
use crate::{Error, Metadata, yaml};

/// Charts inside each other.
const DEPTH_MAX: usize = 32;

/// Directories inside each other in one chart; links can make loops of them.
const DIRECTORIES_MAX: usize = 64;

/// One file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the chart.
    pub name: String,
    /// Its contents, without a byte order mark.
    pub data: Arc<[u8]>,
}

/// A chart and the charts in it. Cloning one copies no contents, and clones share what was parsed of them: to
/// render a chart often, keep it and render clones.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it says of itself.
    pub metadata: Metadata,
    /// `Chart.lock` or `requirements.lock`.
    pub lock: Option<Value>,
    /// What is below `templates/`.
    pub templates: Rc<[File]>,
    /// Everything else, for `.Files` and `crds/`.
    pub files: Rc<[File]>,
    /// `values.yaml`.
    pub values: Map,
    /// `values.schema.json`.
    pub schema: Option<Arc<[u8]>>,
    /// The charts in it. Read from files they are sorted by the name of what they were read from.
    pub dependencies: Vec<Self>,
    pub(crate) memo: Memo,
}

/// A file of `crds/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crd {
    /// Its path, from the root chart's name on.
    pub filename: String,
    /// Its contents.
    pub data: Arc<[u8]>,
}

impl Chart {
    /// The chart in the directory `path` of a tree. `.helmignore` counts; links are followed in the tree.
    pub fn from_tree(tree: &Tree, path: &str) -> Result<Self, Error> {
        let budget = &mut Budget::default();
        let files = Self::files_of_tree(tree, path, budget)?;
        Self::from_files(files, budget, 0)
    }

    /// The files of the chart in a directory, less those that `.helmignore` leaves out.
    pub(crate) fn files_of_tree(
        tree: &Tree,
        path: &str,
        budget: &mut Budget,
    ) -> Result<Vec<File>, Error> {
        let chart_yaml = join(path, "Chart.yaml");
        if !tree.is_file(&chart_yaml) {
            return Err(Error::chart(format!(
                "{} has no Chart.yaml",
                if path.is_empty() { "." } else { path }
            )));
        }
        let ignored = tree.file(&join(path, ".helmignore")).unwrap_or_default();
        let mut walk = Walk {
            tree,
            root: path,
            rules: Rules::read(&String::from_utf8_lossy(ignored))?,
            budget,
            files: Vec::new(),
        };
        walk.directory("", 0)?;
        Ok(walk.files)
    }

    /// The chart in a `.tgz`. `.helmignore` does not count there.
    pub fn from_archive(archive: &[u8]) -> Result<Self, Error> {
        Self::from_archive_within(archive, &mut Budget::default(), 0)
    }

    fn from_archive_within(
        archive: &[u8],
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Self, Error> {
        let files = archive::unpack(archive, budget)?;
        Self::from_files(files, budget, depth)
    }

    pub(crate) fn from_files(
        files: Vec<File>,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Self, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::Limit(format!(
                "more than {DEPTH_MAX} charts are inside each other"
            )));
        }
        let mut sorted = Sorted::default();
        for file in &files {
            if file.name == "Chart.yaml" {
                sorted.metadata(&file.data, "Chart.yaml")?;
            }
        }
        if let Some(metadata) = &mut sorted.metadata
            && metadata.api_version.is_empty()
        {
            "v1".clone_into(&mut metadata.api_version);
        }
        for file in files {
            sorted.take(file)?;
        }
        let Some(mut metadata) = sorted.metadata else {
            return Err(Error::chart("Chart.yaml file is missing"));
        };
        if !matches!(metadata.api_version.as_str(), "v1" | "v2") {
            return Err(Error::chart(format!(
                "unsupported chart version: apiVersion is {:?}, and v1 and v2 are known",
                metadata.api_version
            )));
        }
        metadata.validate()?;
        let mut dependencies = Vec::new();
        for (name, files) in sorted.charts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let chart = subchart(&name, files, budget, depth + 1);
            let parent = &metadata.name;
            dependencies.push(chart.map_err(|error| match error {
                Error::Chart(why) => Error::Chart(format!(
                    "error unpacking subchart {name} in {parent}: {why}"
                )),
                other => other,
            })?);
        }
        Ok(Self {
            metadata,
            lock: sorted.lock,
            templates: sorted.templates.into(),
            files: sorted.files.into(),
            values: sorted.values,
            schema: sorted.schema,
            dependencies,
            memo: Memo::default(),
        })
    }

    /// Its name; once dependencies were processed, its alias.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Bytes of its files and of those of the charts in it.
    pub fn size(&self) -> usize {
        let files = self.templates.iter().chain(self.files.iter());
        let own: usize = files.map(|file| file.name.len() + file.data.len()).sum();
        own + self.dependencies.iter().map(Self::size).sum::<usize>()
    }

    /// What is in `crds/`, here first and then in the charts in it.
    pub fn crds(&self) -> Vec<Crd> {
        let mut crds = Vec::new();
        self.crds_below(self.name(), &mut crds);
        crds
    }

    fn crds_below(&self, path: &str, crds: &mut Vec<Crd>) {
        for file in self.files.iter() {
            if file.name.starts_with("crds/") && is_manifest(&file.name) {
                crds.push(Crd {
                    filename: format!("{path}/{}", file.name),
                    data: Arc::clone(&file.data),
                });
            }
        }
        for chart in &self.dependencies {
            chart.crds_below(&format!("{path}/charts/{}", chart.name()), crds);
        }
    }
}

/// A path below a directory; the empty one is the root.
fn join(directory: &str, path: &str) -> String {
    match directory {
        "" => path.to_owned(),
        directory => format!("{directory}/{path}"),
    }
}

/// What follows the last dot of a name.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

fn is_manifest(name: &str) -> bool {
    let known = ["yaml", "yml", "json"];
    extension(name).is_some_and(|own| known.iter().any(|known| own.eq_ignore_ascii_case(known)))
}

fn subchart(
    name: &str,
    files: Vec<File>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Chart, Error> {
    if extension(name) == Some("tgz") {
        let Some(archive) = files.first().filter(|file| file.name == name) else {
            return Err(Error::chart(format!(
                "error unpacking subchart tar in {name}"
            )));
        };
        return Chart::from_archive_within(&archive.data, budget, depth);
    }
    let prefix = format!("{name}/");
    let own = files.into_iter().filter_map(|file| {
        let name = file.name.strip_prefix(&prefix)?.to_owned();
        Some(File { name, ..file })
    });
    Chart::from_files(own.collect(), budget, depth)
}

/// The files of a chart by what they are for.
#[derive(Default)]
struct Sorted {
    metadata: Option<Metadata>,
    lock: Option<Value>,
    templates: Vec<File>,
    files: Vec<File>,
    values: Map,
    schema: Option<Arc<[u8]>>,
    /// By what they were read from: a directory or a `.tgz` of `charts/`.
    charts: BTreeMap<String, Vec<File>>,
}

impl Sorted {
    fn metadata(&mut self, text: &[u8], name: &str) -> Result<(), Error> {
        self.metadata
            .get_or_insert_default()
            .read(text)
            .map_err(|why| Error::chart(format!("cannot load {name}: {why}")))
    }

    fn take(&mut self, file: File) -> Result<(), Error> {
        let of = |why| Error::chart(format!("cannot load {}: {why}", file.name));
        let is_v1 = |metadata: &Option<Metadata>| {
            metadata.as_ref().is_some_and(|own| own.api_version == "v1")
        };
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => self.lock = Some(yaml::first(&file.data).map_err(of)?),
            "values.yaml" => self.values = yaml::values(&file.data).map_err(of)?,
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                self.metadata(&file.data, "requirements.yaml")?;
                if is_v1(&self.metadata) {
                    self.files.push(file);
                }
            }
            "requirements.lock" => {
                self.lock = Some(yaml::first(&file.data).map_err(of)?);
                if is_v1(&self.metadata) {
                    self.files.push(file);
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name if name.starts_with("charts/") && extension(name) != Some("prov") => {
                let path = name.trim_start_matches("charts/").to_owned();
                let chart = path.split('/').next().unwrap_or_default().to_owned();
                let data = file.data;
                self.charts
                    .entry(chart)
                    .or_default()
                    .push(File { name: path, data });
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}

/// Goes through the directory of a chart in helm's order: by name, a directory where its name stands.
struct Walk<'t> {
    tree: &'t Tree,
    root: &'t str,
    rules: Rules,
    budget: &'t mut Budget,
    files: Vec<File>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), Error> {
        if depth > DIRECTORIES_MAX {
            return Err(Error::Limit(format!(
                "more than {DIRECTORIES_MAX} directories are inside each other at {path}"
            )));
        }
        let refused = |error| Error::chart(format!("{error}"));
        let whole = join(self.root, path);
        for child in self.tree.list(&whole).map_err(refused)? {
            let name = join(path, child.name());
            let whole = join(self.root, &name);
            let is_directory = match child {
                Child::Dir(_) => true,
                Child::File(_) => false,
                Child::Link(_) => self.tree.is_dir(&whole),
            };
            if self.rules.ignores(&name, is_directory) {
                continue;
            }
            if is_directory {
                self.directory(&name, depth + 1)?;
                continue;
            }
            let bytes = self.tree.file(&whole).map_err(refused)?;
            self.budget.take(bytes.len() as u64)?;
            let data = Arc::from(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
            self.files.push(File { name, data });
        }
        Ok(())
    }
}
