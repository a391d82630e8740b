//! A model of chart repositories: charts as small pure objects.

use std::collections::BTreeMap;

use fluvial_event::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::git::{Access, Manifest};

/// A hook of a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChartHook {
    /// Its object: a Job, whose field `image` says how it ends.
    pub manifest: Manifest,
    /// When it runs.
    pub events: Vec<String>,
    /// When it is deleted.
    pub policies: Vec<String>,
}

/// One version of a chart. A field that begins with `$` is that of the values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it makes.
    pub objects: Vec<Manifest>,
    /// What runs beside.
    pub hooks: Vec<ChartHook>,
    /// Definitions, which stand there before a release.
    pub definitions: Vec<Manifest>,
}

impl Chart {
    /// A version of a chart that makes these.
    pub fn new(name: &str, version: &str, objects: Vec<Manifest>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            objects,
            ..Self::default()
        }
    }

    /// The same with a hook, a Job that ends as `image` says.
    #[must_use]
    pub fn with_hook(mut self, name: &str, event: &str, image: &str, policies: &[&str]) -> Self {
        self.hooks.push(ChartHook {
            manifest: Manifest::new("Job", "default", name).with("image", image),
            events: vec![event.to_owned()],
            policies: policies.iter().map(|it| (*it).to_owned()).collect(),
        });
        self
    }

    /// `manifest` with the values, and the namespace of its release, in it; the error names the one that is missing.
    pub(crate) fn render(
        manifest: &Manifest,
        namespace: &str,
        values: &Map<String, Value>,
    ) -> Result<Manifest, String> {
        let mut manifest = manifest.clone();
        if manifest.namespace == "$namespace" {
            namespace.clone_into(&mut manifest.namespace);
        }
        for text in manifest.fields.values_mut() {
            if let Some(key) = text.strip_prefix('$') {
                let value = values.get(key).and_then(Value::as_str);
                *text = value
                    .ok_or_else(|| format!("values have no {key}"))?
                    .to_owned();
            }
        }
        Ok(manifest)
    }
}

/// One repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// Every version, oldest first.
    pub charts: Vec<Chart>,
    /// Whether it can be read.
    pub access: Access,
}

/// Every repository, by URL.
#[derive(Clone, Debug, Default)]
pub struct Charts(pub BTreeMap<String, Repository>);

/// What an index says: the versions of each chart, oldest first.
pub(crate) type Index = BTreeMap<String, Vec<String>>;

impl Charts {
    /// Adds a version of a chart.
    pub fn publish(&mut self, url: &str, chart: Chart) {
        self.0.entry(url.to_owned()).or_default().charts.push(chart);
    }

    /// Whether `url` can be read from now on.
    pub fn set_access(&mut self, url: &str, access: Access) {
        self.0.entry(url.to_owned()).or_default().access = access;
    }

    /// The index of a repository.
    pub(crate) fn index(repository: &Repository) -> Index {
        let mut index = Index::new();
        for chart in &repository.charts {
            index
                .entry(chart.name.clone())
                .or_default()
                .push(chart.version.clone());
        }
        index
    }

    /// One version of a chart.
    pub(crate) fn find(&self, url: &str, name: &str, version: &str) -> Option<&Chart> {
        let mut charts = self.0.get(url)?.charts.iter();
        charts.find(|it| it.name == name && it.version == version)
    }
}

/// The version that `wanted`, `*` or one version, means.
pub(crate) fn choose<'a>(index: &'a Index, name: &str, wanted: &str) -> Option<&'a str> {
    let mut versions = index.get(name)?.iter().rev().map(String::as_str);
    versions.find(|version| wanted == "*" || wanted == *version)
}

/// The revision of bytes that have no other name.
pub(crate) fn revision(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
