//! Helm in the model: charts and where they are, the engine's hands for releases, and Helm's own.
//!
//! What is written to Helm's storage, and what becomes of hooks, is the real `fluvial-helm`'s to say.

pub mod charts;
pub(crate) mod execute;
pub(crate) mod laws;
pub(crate) mod person;
pub(crate) mod source;

use fluvial_api::kinds::{self, Kind};
use fluvial_event::ObjectRef;
use serde_json::{Value, json};

use crate::users::NAMESPACE;

/// The field manager of what is released.
pub const CONTROLLER: &str = "helm-controller";
/// The field manager of Helm's own program.
pub const HELM: &str = "helm";
/// The field that says which release an object is of, `namespace/name`.
pub const RELEASE: &str = "release";
/// Where charts are, in a story.
pub const CHARTS: &str = "https://charts.example";
/// Where they are released.
pub const TARGET: &str = "default";

fn named(kind: &Kind, name: &str) -> ObjectRef {
    ObjectRef {
        group: kind.group.into(),
        version: kind.version().into(),
        kind: kind.kind.into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

/// The HelmRelease `name`.
pub fn helm_release(name: &str) -> ObjectRef {
    named(&kinds::HELM_RELEASE, name)
}

/// The HelmRepository `name`.
pub fn helm_repository(name: &str) -> ObjectRef {
    named(&kinds::HELM_REPOSITORY, name)
}

/// The HelmChart of the HelmRelease `name`.
pub fn helm_chart(name: &str) -> ObjectRef {
    named(&kinds::HELM_CHART, &format!("{NAMESPACE}-{name}"))
}

/// The spec of a HelmRepository.
pub fn repository_spec(url: &str) -> Value {
    json!({"url": url, "interval": "1m"})
}

/// The spec of a HelmRelease of the newest version of a chart, which repairs drift and tries again what failed.
pub fn release_spec(name: &str, chart: &str, values: &Value) -> Value {
    json!({
        "interval": "5m",
        "timeout": "1m",
        "releaseName": name,
        "targetNamespace": TARGET,
        "chart": {"spec": {
            "chart": chart, "version": "*", "interval": "1m",
            "sourceRef": {"kind": "HelmRepository", "name": "charts"},
        }},
        "driftDetection": {"mode": "enabled"},
        "install": {"remediation": {"retries": 9}},
        "upgrade": {"remediation": {"retries": 9}},
        "values": values,
    })
}
