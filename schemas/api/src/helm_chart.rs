//! HelmChart (`source.toolkit.fluxcd.io`): one chart of a source, pulled or packaged.

mod schema;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::omit::is_false;
use crate::reference::{AccessFrom, LocalReference};
use crate::status::Artifact;
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub(crate) use schema::{spec as spec_schema, status as status_schema, verify as verify_schema};

/// The values of a chart where nobody names others.
pub const VALUES_FILE: &str = "values.yaml";

/// A HelmChart of any version.
pub type HelmChart = Object<HelmChartSpec>;

impl Spec for HelmChartSpec {
    type Status = HelmChartStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::HELM_CHART.read(object, &schema::SPEC, &schema::STATUS)
    }
}

/// What is asked of a HelmChart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartSpec {
    /// The chart's name in a HelmRepository, or its path in another source.
    pub chart: String,
    /// A range of versions; for a HelmRepository. `*` by default: the newest that is no prerelease.
    pub version: String,
    /// Where the chart is: in the same namespace.
    pub source_ref: ChartSourceReference,
    /// How often to look for a new version.
    pub interval: Duration,
    /// What makes another artifact: another version, or any other revision of the source.
    #[serde(default)]
    pub reconcile_strategy: ReconcileStrategy,
    /// Files that are merged in this order, and take the place of the chart's own values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// A file that is merged before `values_files`, in older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
    /// Whether values files may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_values_files: bool,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Which signature to verify; for registries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<ArtifactVerification>,
    /// Access from other namespaces; without effect, as in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
}

impl HelmChartSpec {
    /// The files whose values take the place of the chart's own; none where that changes nothing.
    pub fn values_files_to_merge(&self) -> Vec<&str> {
        let files: Vec<&str> = self
            .values_file
            .iter()
            .chain(&self.values_files)
            .map(String::as_str)
            .collect();
        match files.as_slice() {
            [only] if only.trim_start_matches("./") == VALUES_FILE => Vec::new(),
            _ => files,
        }
    }
}

/// The source of a HelmChart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartSourceReference {
    /// Its API version; not needed to find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// HelmRepository, GitRepository or Bucket.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What makes another artifact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconcileStrategy {
    /// Another version of the chart.
    #[default]
    ChartVersion,
    /// Any other revision of the source.
    Revision,
}

/// Which signature of an artifact in a registry to verify, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactVerification {
    /// What made the signature; cosign by default.
    pub provider: VerificationProvider,
    /// A Secret with public keys, or with a trust policy and certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Who may have signed without a key; any one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "matchOIDCIdentity")]
    pub match_oidc_identity: Vec<OidcIdentity>,
}

/// What made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerificationProvider {
    /// Sigstore's cosign.
    Cosign,
    /// The Notary Project's notation.
    Notation,
}

/// Who signed without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcIdentity {
    /// A regular expression for who vouched.
    pub issuer: String,
    /// A regular expression for whom.
    pub subject: String,
}

/// What is said about a HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmChartStatus {
    /// The generation that was last acted on; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision of the source that was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,
    /// The name in the chart itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,
    /// The values files that were there, where some may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest chart is served, whatever its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The newest chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The request that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chart(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("source.toolkit.fluxcd.io/{version}"),
            "kind": "HelmChart",
            "metadata": {"name": "podinfo", "namespace": "team", "generation": 2},
            "spec": spec,
        })
    }

    fn source() -> Value {
        json!({"kind": "HelmRepository", "name": "charts"})
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v1", "v1beta2", "v1beta1"] {
            let object = chart(
                version,
                &json!({
                    "chart": "podinfo", "version": "6.x", "interval": "5m", "sourceRef": source(),
                    "valuesFile": "base.yaml", "valuesFiles": ["prod.yaml"],
                    "reconcileStrategy": "Revision",
                }),
            );
            let spec = HelmChart::read(&object).unwrap().spec;
            assert_eq!(spec.values_files_to_merge(), ["base.yaml", "prod.yaml"]);
            assert_eq!(spec.reconcile_strategy, ReconcileStrategy::Revision);
            assert_eq!(spec.version, "6.x");
        }
    }

    #[test]
    fn what_is_unset_has_fluxs_defaults() {
        let object = chart(
            "v1",
            &json!({"chart": "a", "interval": "1m", "sourceRef": source()}),
        );
        let spec = HelmChart::read(&object).unwrap().spec;
        assert_eq!(spec.version, "*");
        assert_eq!(spec.reconcile_strategy, ReconcileStrategy::ChartVersion);
        assert!(spec.values_files_to_merge().is_empty());
    }

    #[test]
    fn the_charts_own_values_alone_change_nothing() {
        for (files, merged) in [
            (json!(["values.yaml"]), vec![]),
            (json!(["./values.yaml"]), vec![]),
            (
                json!(["values.yaml", "b.yaml"]),
                vec!["values.yaml", "b.yaml"],
            ),
            (json!(["b.yaml"]), vec!["b.yaml"]),
        ] {
            let spec = json!({"chart": "a", "interval": "1m", "sourceRef": source(), "valuesFiles": files});
            let spec = HelmChart::read(&chart("v1", &spec)).unwrap().spec;
            assert_eq!(spec.values_files_to_merge(), merged, "{files}");
        }
    }

    #[test]
    fn an_invalid_field_is_named_with_what_is_allowed() {
        let spec = |more: Value| {
            let mut spec = json!({"chart": "a", "interval": "1m", "sourceRef": source()});
            for (field, value) in more.as_object().unwrap() {
                spec[field] = value.clone();
            }
            spec
        };
        for (spec, expected) in [
            (
                spec(json!({"sourceRef": {"kind": "OCIRepository", "name": "a"}})),
                "spec.sourceRef.kind: must be one of HelmRepository, GitRepository, Bucket; found \"OCIRepository\"",
            ),
            (
                spec(json!({"reconcileStrategy": "Always"})),
                "spec.reconcileStrategy: must be one of ChartVersion, Revision; found \"Always\"",
            ),
            (
                spec(json!({
                    "sourceRef": {"kind": "GitRepository", "name": "a"},
                    "verify": {"provider": "cosign"},
                })),
                "spec: spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
            ),
            (
                spec(json!({"verify": {"provider": "gpg"}})),
                "spec.verify.provider: must be one of cosign, notation; found \"gpg\"",
            ),
        ] {
            let error = HelmChart::read(&chart("v1", &spec)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read HelmChart: {expected}")
            );
        }
    }
}
