//! HelmRelease (`helm.toolkit.fluxcd.io`): a chart, its values, and the release that is made of them.
//!
//! What a release amounts to in time, its history, is `history`'s; how it is carried out is the engine's.

mod action;
mod defaults;
mod history;
mod schema;
mod values;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::kustomization::HealthCheckExpression;
use crate::omit::is_false;
use crate::reference::{
    CommonMetadata, DependencyReference, Image, Json6902Patch, KubeConfig, LocalReference, Patch,
    SourceReference,
};
use crate::status::ResourceInventory;
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub use action::{
    ActionStrategy, CrdsPolicy, DriftDetection, DriftMode, Install, Remediation,
    RemediationStrategy, Rollback, ServerSideApply, StrategyName, Test, TestFilter, Uninstall,
    Upgrade,
};
pub use defaults::is_selected;
pub use history::{ReleaseSnapshot, Snapshots, TestHookStatus};
pub use values::{VALUES_KEY, ValuesKind, ValuesReference};

pub(crate) use schema::{spec as spec_schema, status as status_schema};

/// The longest name that Helm gives a release.
pub const RELEASE_NAME_CHARACTERS_MAX: usize = 53;

/// A HelmRelease of any version.
pub type HelmRelease = Object<HelmReleaseSpec>;

impl Spec for HelmReleaseSpec {
    type Status = HelmReleaseStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::HELM_RELEASE.read(object, &schema::SPEC, &schema::STATUS)
    }
}

impl HelmRelease {
    /// What an earlier engine said of it, as far as it can be read.
    pub fn read_status(object: &Value) -> Result<HelmReleaseStatus, Error> {
        let read: Result<(Metadata, Value, HelmReleaseStatus), Error> =
            kinds::HELM_RELEASE.read(object, &crate::schema::anything(""), &schema::STATUS);
        read.map(|(_, _, status)| status)
    }
}

/// What is asked of a HelmRelease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmReleaseSpec {
    /// The chart, as a template of a HelmChart that is made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartTemplate>,
    /// The chart, as a source that others declare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_ref: Option<SourceReference>,
    /// How often to make sure.
    pub interval: Duration,
    /// The cluster to release to, when it is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfig>,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// The release's name; see [`Self::release_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// The release's namespace; see [`Self::release_namespace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// Where Helm's records are kept; see [`Self::storage_namespace`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_namespace: Option<String>,
    /// The HelmReleases that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// How long an action may take; 5m when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many of Helm's records are kept; 0 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_history: Option<i64>,
    /// The ServiceAccount to act as, in the namespace of the HelmRelease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Whether one client serves a whole action; without effect here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_client: Option<bool>,
    /// What to do about drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_detection: Option<DriftDetection>,
    /// How to install.
    #[serde(default)]
    pub install: Install,
    /// How to upgrade.
    #[serde(default)]
    pub upgrade: Upgrade,
    /// How to test.
    #[serde(default)]
    pub test: Test,
    /// How to roll back.
    #[serde(default)]
    pub rollback: Rollback,
    /// How to uninstall.
    #[serde(default)]
    pub uninstall: Uninstall,
    /// Where more values are, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_from: Vec<ValuesReference>,
    /// Values; they win over those of `values_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Value>,
    /// Labels and annotations for every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// What is done to what was rendered, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_renderers: Option<Vec<PostRenderer>>,
    /// Whether hooks are post-rendered too.
    #[serde(default)]
    pub post_render_strategy: PostRenderStrategy,
    /// How to read the health of custom resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpression>,
    /// How health is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_strategy: Option<WaitStrategy>,
}

/// A template of a HelmChart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartTemplate {
    /// Labels and annotations of the HelmChart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<CommonMetadata>,
    /// Its spec.
    pub spec: ChartTemplateSpec,
}

/// The spec of a template of a HelmChart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartTemplateSpec {
    /// The chart's name, or its path in the source.
    pub chart: String,
    /// A range of versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the chart is.
    pub source_ref: SourceReference,
    /// How often to look for another version; the HelmRelease's interval when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// What makes a new artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile_strategy: Option<String>,
    /// Values files, in place of the chart's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// One values file, in the form of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_file: Option<String>,
    /// Whether values files may be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_values_files: bool,
    /// How the chart's signature is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<ChartVerification>,
}

/// How a chart's signature is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartVerification {
    /// cosign or notation.
    pub provider: String,
    /// A Secret with public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// One step after rendering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostRenderer {
    /// What kustomize does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
}

/// What kustomize does to what was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kustomize {
    /// Patches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Strategic merge patches, in the form of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches_strategic_merge: Vec<Value>,
    /// JSON patches, in the form of older versions.
    #[serde(
        default,
        rename = "patchesJson6902",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub patches_json6902: Vec<Json6902Patch>,
    /// Replacements of images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

/// What is post-rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostRenderStrategy {
    /// Manifests and hooks together.
    #[default]
    Combined,
    /// Manifests only.
    NoHooks,
    /// Manifests, and hooks apart.
    Separate,
}

/// How health is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitStrategy {
    /// poller (kstatus) or legacy (as Helm 3).
    pub name: String,
}

/// What is said about a HelmRelease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmReleaseStatus {
    /// The generation that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The digest of the post-renderers that were last used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub observed_post_renderers_digest: String,
    /// The digest of the common metadata that was last used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub observed_common_metadata_digest: String,
    /// The generation that was last tried.
    #[serde(skip_serializing_if = "is_zero")]
    pub last_attempted_generation: i64,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The HelmChart that was made for it: `<namespace>/<name>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub helm_chart: String,
    /// Where Helm's records of the release are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub storage_namespace: String,
    /// The releases up to the last successful one, newest first.
    #[serde(skip_serializing_if = "Snapshots::is_empty")]
    pub history: Snapshots,
    /// The objects of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<ResourceInventory>,
    /// The action that was last tried: install or upgrade.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_attempted_release_action: String,
    /// How long that took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_release_action_duration: Option<Duration>,
    /// Failures since something changed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: i64,
    /// Failed installs since something changed.
    #[serde(skip_serializing_if = "is_zero")]
    pub install_failures: i64,
    /// Failed upgrades since something changed.
    #[serde(skip_serializing_if = "is_zero")]
    pub upgrade_failures: i64,
    /// The chart version that was last tried.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_attempted_revision: String,
    /// The digest of the OCI artifact that was last tried.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_attempted_revision_digest: String,
    /// The digest of the values that were last tried.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_attempted_config_digest: String,
    /// The request that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The request to force a release that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_force_at: Option<String>,
    /// The request to forget failures that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reset_at: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The labels that a chart made for a HelmRelease, and what it releases, carry.
pub fn origin_labels(namespace: &str, name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            crate::metadata::label::HELM_RELEASE_NAME.to_owned(),
            name.to_owned(),
        ),
        (
            crate::metadata::label::HELM_RELEASE_NAMESPACE.to_owned(),
            namespace.to_owned(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release(version: &str, spec: &Value) -> Value {
        let mut whole = json!({"interval": "5m"});
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        json!({
            "apiVersion": format!("helm.toolkit.fluxcd.io/{version}"),
            "kind": "HelmRelease",
            "metadata": {"name": "podinfo", "namespace": "default"},
            "spec": whole,
        })
    }

    fn chart() -> Value {
        json!({"spec": {
            "chart": "podinfo",
            "version": "6.x",
            "sourceRef": {"kind": "HelmRepository", "name": "podinfo", "namespace": "flux-system"},
        }})
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v2", "v2beta2", "v2beta1"] {
            let spec = json!({
                "chart": chart(),
                "valuesFrom": [{"kind": "ConfigMap", "name": "podinfo-values", "valuesKey": "values.yaml"}],
                "values": {"replicaCount": 2, "empty": null},
                "upgrade": {"remediation": {"remediateLastFailure": true}},
                "test": {"enable": true},
                "rollback": {"timeout": "5m", "cleanupOnFail": true},
                "postRenderers": [{"kustomize": {
                    "patchesJson6902": [{"target": {"kind": "Deployment"}, "patch": [{"op": "remove", "path": "/a"}]}],
                }}],
            });
            let read = HelmRelease::read(&release(version, &spec)).unwrap();
            let spec = &read.spec;
            assert_eq!(
                spec.helm_chart(&read.metadata),
                Some(("flux-system".into(), "default-podinfo".into()))
            );
            assert_eq!(spec.values_from[0].key(), "values.yaml");
            assert_eq!(spec.values, Some(json!({"replicaCount": 2, "empty": null})));
            assert!(spec.upgrade.remediates_last_failure());
            assert!(spec.test.enable && spec.rollback.cleanup_on_fail);
            let renderers = spec.post_renderers.as_ref().unwrap();
            let kustomize = renderers[0].kustomize.as_ref().unwrap();
            assert_eq!(kustomize.patches_json6902[0].target.kind, "Deployment");
            let stored = serde_json::to_vec(spec).unwrap();
            let again: HelmReleaseSpec = serde_json::from_slice(&stored).unwrap();
            assert_eq!(again, *spec, "what is recorded reads back");
        }
    }

    #[test]
    fn defaults_are_those_of_flux() {
        let spec = HelmRelease::read(&release("v2", &json!({"chart": chart()})))
            .unwrap()
            .spec;
        assert_eq!(spec.timeout_or_default(), Duration::from_seconds(300));
        assert_eq!(spec.max_history_or_default(), 5);
        assert_eq!(spec.drift_mode(), DriftMode::Disabled);
        assert_eq!(spec.install.crds_or_default(), CrdsPolicy::Create);
        assert_eq!(spec.upgrade.crds_or_default(), CrdsPolicy::Skip);
        assert_eq!(
            spec.upgrade.remediation_strategy(),
            RemediationStrategy::Rollback
        );
        assert!(!spec.upgrade.remediates_last_failure());
        assert_eq!(spec.install.retry_interval(), None);
        assert_eq!(spec.release_name("app"), "app");
        assert_eq!(spec.release_namespace("team"), "team");
        assert_eq!(spec.storage_namespace("team"), "team");
    }

    #[test]
    fn a_release_is_named_after_its_namespace_and_cut_at_53() {
        let long = "x".repeat(60);
        // printf 'x%.0s' {1..60} | sha256sum
        let hash = "42f2d9733566";
        for (fields, name, expected) in [
            (json!({"releaseName": "other"}), "app", "other".to_owned()),
            (json!({"targetNamespace": "team"}), "app", "team-app".into()),
            (json!({}), &"x".repeat(53), "x".repeat(53)),
            (json!({}), &long, format!("{}-{hash}", "x".repeat(40))),
        ] {
            let mut fields = fields;
            fields["chart"] = chart();
            let spec = HelmRelease::read(&release("v2", &fields)).unwrap().spec;
            assert_eq!(spec.release_name(name), expected);
        }
    }

    #[test]
    fn tests_are_selected_as_flux_does() {
        let filters = |list: &[(&str, bool)]| -> Vec<TestFilter> {
            let filter = |(name, exclude): &(&str, bool)| TestFilter {
                name: (*name).into(),
                exclude: *exclude,
            };
            list.iter().map(filter).collect()
        };
        for (list, name, is_run) in [
            (&[][..], "a", true),
            (&[("a", false)], "a", true),
            (&[("a", false)], "b", false),
            (&[("a", true)], "a", false),
            (&[("a", true)], "b", true),
            (&[("a", false), ("a", true)], "a", false),
        ] {
            assert_eq!(is_selected(&filters(list), name), is_run, "{list:?} {name}");
        }
    }

    #[test]
    fn retries_end_after_their_number_or_never() {
        for (retries, failures, is_exhausted) in [
            (0, 0, false),
            (0, 1, true),
            (2, 2, false),
            (2, 3, true),
            (-1, 999, false),
        ] {
            let remediation = Remediation {
                retries,
                ..Remediation::default()
            };
            assert_eq!(remediation.is_exhausted(failures), is_exhausted);
        }
    }

    #[test]
    fn an_invalid_field_is_named_with_what_is_allowed() {
        for (fields, expected) in [
            (json!({}), "spec: either chart or chartRef must be set"),
            (
                json!({"chart": chart(), "chartRef": {"kind": "HelmChart", "name": "a"}}),
                "spec: either chart or chartRef must be set",
            ),
            (
                json!({"chart": chart(), "driftDetection": {"mode": "on"}}),
                "spec.driftDetection.mode: must be one of enabled, warn, disabled; found \"on\"",
            ),
            (
                json!({"chart": chart(), "valuesFrom": [{"kind": "Secret", "name": "a", "targetPath": "a=b"}]}),
                "spec.valuesFrom[0].targetPath: must be a path as for helm --set, such as a.b[0].c; found \"a=b\"",
            ),
            (
                json!({"chart": chart(), "releaseName": "x".repeat(54)}),
                "spec.releaseName: must have 53 characters or fewer; found 54",
            ),
        ] {
            let error = HelmRelease::read(&release("v2", &fields)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read HelmRelease: {expected}")
            );
        }
    }

    #[test]
    fn the_status_of_flux_is_read() {
        let mut object = release("v2", &json!({"chart": chart()}));
        object["status"] = json!({
            "observedGeneration": 1, "helmChart": "flux-system/default-podinfo", "storageNamespace": "default",
            "failures": 2, "upgradeFailures": 1, "lastAttemptedReleaseActionDuration": "1.5s",
            "history": [{
                "apiVersion": "v2", "digest": "sha256:aa", "name": "podinfo", "namespace": "default", "version": 3,
                "status": "deployed", "action": "upgrade", "chartName": "podinfo", "chartVersion": "6.0.0",
                "configDigest": "sha256:bb", "firstDeployed": "2026-01-01T00:00:00Z",
                "lastDeployed": "2026-01-02T00:00:00Z",
                "testHooks": {"podinfo-test": {"phase": "Succeeded"}, "other": null},
            }],
        });
        let status = HelmRelease::read(&object).unwrap().status;
        let latest = status.history.latest().unwrap();
        assert_eq!(latest.full_name(), "default/podinfo.v3");
        assert_eq!(latest.chart(), "podinfo@6.0.0");
        let tests = latest.test_hooks.as_ref().unwrap();
        assert_eq!(tests["podinfo-test"].as_ref().unwrap().phase, "Succeeded");
        assert_eq!(tests["other"], None);
        assert_eq!((status.failures, status.upgrade_failures), (2, 1));
    }
}
