//! What is asked of a renderer, and what it answers.

use std::collections::BTreeMap;

use fluvial_api::KustomizationSpec;
use fluvial_manifest::Value;
use serde::{Deserialize, Serialize};

use crate::helm;

/// One build, complete: with the artifact that it names, nothing else decides what comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The digest of the artifact; the same name always has the same bytes.
    pub artifact: String,
    /// What is to be built of it.
    pub spec: KustomizationSpec,
    /// The variables to substitute; `None` where nothing is to be substituted.
    pub variables: Option<BTreeMap<String, String>>,
    /// Bytes that the answer may have.
    pub output_bytes_max: u64,
}

/// Why there are no manifests: what goes on the object's condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// As Flux names it.
    pub reason: String,
    /// Why, and what to do.
    pub message: String,
}

impl Refusal {
    /// A build that failed.
    pub fn build(error: impl std::fmt::Display) -> Self {
        Self {
            reason: "BuildFailed".to_owned(),
            message: error.to_string(),
        }
    }
}

/// What a worker is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    Kustomization(Box<Job>),
    /// With the bytes that the answer may have.
    Helm(helm::Question, u64),
}

/// What a worker answers about a Kustomization.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Built(Vec<Value>),
    Refused(Refusal),
}
