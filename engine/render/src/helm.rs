//! What is asked about charts and releases, and what a worker answers.
//!
//! Charts, values and the records in Helm's storage are written by strangers, so all of them are read
//! here; the answers hold nothing but JSON. What becomes of them is the engine's business.

mod objects;
mod post_render;
mod tracked;
mod worker;

use std::collections::BTreeMap;

use fluvial_api::helm_release::{PostRenderStrategy, PostRenderer};
use fluvial_api::kustomization::IgnoreRule;
use fluvial_api::reference::CommonMetadata;
use fluvial_manifest::{Map, Value};
use serde::{Deserialize, Serialize};

use crate::Refusal;

pub use fluvial_helm::Lookup;

pub(crate) use worker::{answer, load};
pub use worker::{compose_here, release_here, values_here};

/// A chart by the digest of its archive, and the values that go with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ValuesJob {
    /// The digest of the chart's archive.
    pub artifact: String,
    /// Where the archive came from, if its digest is to show in the chart's version: `6.7.1@sha256:…`.
    pub revision: String,
    /// What the values are made of; a later layer goes over those before it.
    pub layers: Vec<Layer>,
    /// Values below all layers, of a release whose values are to be kept.
    pub kept: Option<Map<String, Value>>,
}

/// Values, or one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Layer {
    /// Values as YAML, and where they come from.
    Yaml {
        /// The text.
        text: String,
        /// What holds it, for people.
        origin: String,
        /// Whether what is wrong with the text must not be told: that could quote it.
        is_secret: bool,
    },
    /// One value, as `helm --set path=text` reads it, or as it stands where it is `literal`.
    One {
        /// Where it goes.
        path: String,
        /// The text.
        text: String,
        /// Whether the text has no meaning of its own.
        literal: bool,
        /// What holds it, for people.
        origin: String,
        /// Whether what is wrong with the text must not be told: that could quote it.
        is_secret: bool,
    },
    /// Values as JSON.
    Json(Value),
}

/// What a chart says of itself, and the values that it is released with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChartValues {
    /// The chart's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of what it installs.
    pub app_version: String,
    /// The values.
    pub values: Map<String, Value>,
    /// Their digest as Flux takes it.
    pub config_digest: String,
}

/// A chart to be rendered as a release.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleaseJob {
    /// The digest of the chart's archive.
    pub artifact: String,
    /// As in [`ValuesJob`].
    pub revision: String,
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub version: i64,
    /// Whether there was one before it.
    pub is_upgrade: bool,
    /// The values.
    pub values: Map<String, Value>,
    /// Defaults in place of the chart's own, where those of the release before are kept.
    pub defaults: Option<Map<String, Value>>,
    /// The cluster's version; empty for the one that Helm assumes.
    pub kube_version: String,
    /// What the cluster serves: `apps/v1` and `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
    /// Whether the values need not be what the chart's schema wants.
    pub skip_schema: bool,
    /// What chance is drawn from.
    pub seed: [u8; 32],
    /// What `now` says: seconds since 1970, and nanoseconds.
    pub now: (i64, u32),
    /// What `lookup` finds.
    pub found: Vec<(Lookup, Option<Value>)>,
    /// What is done to what was rendered.
    pub post: PostRendering,
    /// Fields that are left to others.
    pub ignore: Vec<IgnoreRule>,
}

/// What is done to what was rendered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PostRendering {
    /// The steps, in order.
    pub renderers: Vec<PostRenderer>,
    /// Whether hooks go through them.
    pub strategy: PostRenderStrategy,
    /// Labels and annotations for every object.
    pub metadata: CommonMetadata,
    /// Labels that say which HelmRelease made an object.
    pub origin: BTreeMap<String, String>,
}

/// A rendered chart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RenderedRelease {
    /// What `lookup` asked for and was not told. If there is any, nothing else is here.
    pub wanted: Vec<Lookup>,
    /// The chart, as a release record holds it.
    pub chart: Value,
    /// The manifest, as a release record holds it.
    pub manifest: String,
    /// The chart's notes.
    pub notes: String,
    /// The definitions in the chart's `crds/`.
    pub definitions: Vec<Value>,
    /// The hooks, in the order in which those of one event run.
    pub hooks: Vec<ReadHook>,
    /// The objects of the manifest, in its order.
    pub objects: Vec<ReadObject>,
}

impl RenderedRelease {
    pub(crate) fn wanting(wanted: Vec<Lookup>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }
}

/// The texts of a release record, to be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordJob {
    /// The release's namespace, where an object names none.
    pub namespace: String,
    /// The manifest.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<fluvial_helm::release::RecordedHook>,
    /// Fields that are left to others.
    pub ignore: Vec<IgnoreRule>,
}

/// What a release record holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadRecord {
    /// The objects of the manifest, in its order.
    pub objects: Vec<ReadObject>,
    /// The hooks, in the order in which those of one event run.
    pub hooks: Vec<ReadHook>,
}

/// An object, and what of it is left to others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadObject {
    /// The object.
    pub value: Value,
    /// JSON pointers.
    pub ignored: Vec<String>,
}

/// A hook as a record holds it, and its object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadHook {
    /// What is recorded of it.
    pub recorded: fluvial_helm::release::RecordedHook,
    /// The object.
    pub value: Value,
}

/// What a worker is asked about Helm.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    Values(ValuesJob),
    Release(Box<ReleaseJob>),
    Record(RecordJob),
}

impl Question {
    /// The chart that it is about.
    pub(crate) fn artifact(&self) -> Option<&str> {
        match self {
            Self::Values(job) => Some(&job.artifact),
            Self::Release(job) => Some(&job.artifact),
            Self::Record(_) => None,
        }
    }
}

/// What a worker answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Values(ChartValues),
    Release(Box<RenderedRelease>),
    Record(ReadRecord),
    Refused(Refusal),
}

#[cfg(test)]
mod tests;
