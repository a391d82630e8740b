//! Alert (`notification.toolkit.fluxcd.io`): which events are told, and through which Provider.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::omit::is_false;
use crate::reference::LocalReference;
use crate::schema::{
    Form, Schema, formed, list, map, object,
    shared::{local_reference, suspend},
    text, word,
};
use crate::{Error, Metadata, Object, Spec, kinds};

/// An Alert of any version. It has no status: readers take it for ready.
pub type Alert = Object<AlertSpec>;

impl Spec for AlertSpec {
    type Status = ();

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        let (metadata, spec) = kinds::ALERT.read_static(object, &SPEC)?;
        Ok((metadata, spec, ()))
    }
}

/// What is asked of an Alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertSpec {
    /// The Provider in the same namespace.
    pub provider_ref: LocalReference,
    /// The least severity that is told.
    #[serde(default)]
    pub event_severity: EventSeverity,
    /// Whose events are told.
    pub event_sources: Vec<EventSource>,
    /// Only messages that match one of these regular expressions; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inclusion_list: Vec<String>,
    /// No message that matches one of these regular expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusion_list: Vec<String>,
    /// What to add to the metadata of every event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_metadata: BTreeMap<String, String>,
    /// A sentence for the metadata, in older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Pause: what happens meanwhile is not told later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// The least severity that an Alert tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSeverity {
    /// All.
    #[default]
    Info,
    /// Errors only.
    Error,
}

/// Whose events are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSource {
    /// Its API version; ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its name, or `*` for all.
    pub name: String,
    /// Its namespace; unset means the namespace of the Alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// With the name `*`: labels that it must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

static SPEC: LazyLock<Schema> = LazyLock::new(spec_schema);

/// Go's regular expressions and Rust's have the same syntax but for rare classes; a list that cannot be
/// compiled would tell too much or too little.
static REGEX: Form = Form {
    pattern: "",
    says: "a regular expression, in the syntax that Go and Rust share",
    accepts: |text| Regex::new(text).is_ok(),
    may_be_shown: true,
};

/// `spec`, with the fields of every version.
pub(crate) fn spec_schema() -> Schema {
    object("What to tell, and through which Provider.")
        .required(
            "providerRef",
            local_reference("Provider in the same namespace."),
        )
        .required(
            "eventSources",
            list(event_source(), "Objects whose events are told."),
        )
        .optional(
            "eventSeverity",
            word(
                &["info", "error"],
                "info for all events, error for errors only.",
            )
            .default("info"),
        )
        .optional(
            "inclusionList",
            list(
                formed(&REGEX, "A regular expression."),
                "Only messages that match one of these are told.",
            ),
        )
        .optional(
            "exclusionList",
            list(
                formed(&REGEX, "A regular expression."),
                "Messages that match one of these are not told; looked at after inclusionList.",
            ),
        )
        .optional("eventMetadata", map("Metadata to add to every event."))
        .optional(
            "summary",
            text("A sentence for every event, in older versions; use eventMetadata.summary.")
                .characters(0, 255),
        )
        .optional("suspend", suspend())
}

fn event_source() -> Schema {
    object("Objects whose events are told.")
        .optional("apiVersion", text("API version; ignored."))
        .required("kind", word(KINDS, "Kind."))
        .required("name", text("Name, or * for all.").characters(1, 253))
        .optional(
            "namespace",
            text("Namespace; the Alert's own when unset.").characters(1, 253),
        )
        .optional(
            "matchLabels",
            map("Labels that the object must have; for the name *."),
        )
}

/// The kinds that events are about.
const KINDS: &[&str] = &[
    "Bucket",
    "GitRepository",
    "Kustomization",
    "HelmRelease",
    "HelmChart",
    "HelmRepository",
    "ImageRepository",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "OCIRepository",
    "ArtifactGenerator",
    "ExternalArtifact",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("notification.toolkit.fluxcd.io/{version}"),
            "kind": "Alert",
            "metadata": {"name": "on-call", "namespace": "team"},
            "spec": spec,
        })
    }

    #[test]
    fn every_version_reads_into_one_model() {
        for version in kinds::ALERT.versions {
            let read = Alert::read(&alert(
                version,
                &json!({
                    "providerRef": {"name": "chat"},
                    "eventSources": [{"kind": "Kustomization", "name": "*"}],
                    "summary": "prod",
                }),
            ))
            .unwrap();
            assert_eq!(read.spec.event_severity, EventSeverity::Info);
            assert_eq!(read.spec.summary.as_deref(), Some("prod"));
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let source = json!([{"kind": "Kustomization", "name": "*"}]);
        for (spec, problem) in [
            (
                json!({"providerRef": {"name": "a"}, "eventSources": source, "exclusionList": ["ok", "("]}),
                "spec.exclusionList[1]: must be a regular expression",
            ),
            (
                json!({"providerRef": {"name": "a"}, "eventSources": [{"kind": "Pod", "name": "*"}]}),
                "spec.eventSources[0].kind: must be one of",
            ),
            (
                json!({"eventSources": source}),
                "spec.providerRef: must be set",
            ),
            (
                json!({"providerRef": {"name": "a"}, "eventSources": source, "eventSeverity": "trace"}),
                "spec.eventSeverity: must be one of info, error",
            ),
        ] {
            let error = Alert::read(&alert("v1beta3", &spec))
                .unwrap_err()
                .to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
