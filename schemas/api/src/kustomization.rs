//! Kustomization (`kustomize.toolkit.fluxcd.io`): a path in a source, applied and kept applied.

mod schema;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::omit::is_false;
use crate::reference::{
    CommonMetadata, DependencyReference, Image, Json6902Patch, KubeConfig, LocalReference,
    ObjectReference, Patch, Selector, SourceReference,
};
use crate::status::{ResourceInventory, Snapshot};
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub(crate) use schema::{spec as spec_schema, status as status_schema};

/// The shortest time a Kustomization gets to apply and to become healthy.
pub const TIMEOUT_MIN: Duration = Duration::from_seconds(30);

/// A Kustomization of any version.
pub type Kustomization = Object<KustomizationSpec>;

impl Spec for KustomizationSpec {
    type Status = KustomizationStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::KUSTOMIZATION.read(object, &schema::SPEC, &schema::STATUS)
    }
}

impl Kustomization {
    /// The namespace of the source.
    pub fn source_namespace(&self) -> &str {
        self.spec
            .source_ref
            .namespace
            .as_deref()
            .unwrap_or(&self.metadata.namespace)
    }

    /// The namespace of an object in `spec.dependsOn`.
    pub fn dependency_namespace<'a>(&'a self, dependency: &'a DependencyReference) -> &'a str {
        dependency
            .namespace
            .as_deref()
            .unwrap_or(&self.metadata.namespace)
    }
}

/// What is asked of a Kustomization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are Flux's fields")]
pub struct KustomizationSpec {
    /// Where the manifests come from.
    pub source_ref: SourceReference,
    /// The directory in the source; unset means its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether to delete what left the source.
    pub prune: bool,
    /// How often to make sure.
    pub interval: Duration,
    /// How soon to try again after a failure; see [`Self::retry_interval_or_default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
    /// How long applying and becoming healthy may take; see [`Self::timeout_or_default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// Whether to wait for the health of everything applied; `health_checks` is then ignored.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait: bool,
    /// Whether to delete and create again what cannot be changed.
    pub force: bool,
    /// The Kustomizations that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// The objects to wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<ObjectReference>,
    /// How to read the health of custom resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpression>,
    /// What happens to the objects when the Kustomization is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// The ServiceAccount to act as, in the namespace of the Kustomization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// The cluster to apply to, when it is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfig>,
    /// The namespace for every namespaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// Goes before every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// Goes after every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_suffix: Option<String>,
    /// Labels and annotations for every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Patches to what is built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Strategic merge patches, in the form of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches_strategic_merge: Vec<Value>,
    /// JSON patches, in the form of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches_json6902: Vec<Json6902Patch>,
    /// Replacements of images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Paths of kustomize components.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Whether components that do not exist are left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_components: bool,
    /// Annotations that say where objects come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_metadata: Vec<BuildMetadata>,
    /// Substitution of variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// Decryption of secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// Fields that are left to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
    /// Validation by kubectl, in older versions; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
}

impl KustomizationSpec {
    /// How long applying and becoming healthy may take: `timeout`, or `interval` less 30s, but never
    /// less than [`TIMEOUT_MIN`].
    pub fn timeout_or_default(&self) -> Duration {
        self.timeout
            .unwrap_or_else(|| self.interval.saturating_sub(TIMEOUT_MIN))
            .max(TIMEOUT_MIN)
    }

    /// How soon to try again after a failure: `retryInterval`, or `interval`.
    pub fn retry_interval_or_default(&self) -> Duration {
        self.retry_interval.unwrap_or(self.interval)
    }

    /// Whether deleting the Kustomization deletes its objects.
    pub fn deletes_objects(&self) -> bool {
        match self.deletion_policy {
            DeletionPolicy::MirrorPrune => self.prune,
            DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
            DeletionPolicy::Orphan => false,
        }
    }
}

/// What happens to the objects when their Kustomization is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// What `prune` says.
    #[default]
    MirrorPrune,
    /// They are deleted.
    Delete,
    /// They are deleted, and the Kustomization waits until they are gone.
    WaitForTermination,
    /// They stay.
    Orphan,
}

/// Annotations that say where objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildMetadata {
    /// The file.
    OriginAnnotations,
    /// The transformers.
    TransformerAnnotations,
}

/// How to read the health of a kind of custom resource, in CEL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckExpression {
    /// The kind's API version.
    pub api_version: String,
    /// The kind; unset means every kind of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// True when healthy.
    pub current: String,
    /// True while not there yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// True when failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Substitution of variables in what is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostBuild {
    /// Variables; they win over those of `substitute_from`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub substitute: BTreeMap<String, String>,
    /// ConfigMaps and Secrets with variables; a later one wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub substitute_from: Vec<SubstituteReference>,
    /// Whether to substitute when there is no variable.
    pub substitute_strategy: SubstituteStrategy,
}

/// A ConfigMap or Secret with variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubstituteReference {
    /// Its kind.
    pub kind: SubstituteKind,
    /// Its name, in the namespace of the Kustomization.
    pub name: String,
    /// Whether it may be absent.
    pub optional: bool,
}

/// What can hold variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubstituteKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// Whether to substitute when there is no variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubstituteStrategy {
    /// Only when there is one.
    #[default]
    WithVariables,
    /// Always, for the sake of defaults in the manifests.
    Always,
}

/// Decryption of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    /// The engine: sops.
    pub provider: String,
    /// A Secret with keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// The ServiceAccount that may use a key service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
}

/// Fields that are left to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoreRule {
    /// JSON pointers.
    pub paths: Vec<String>,
    /// The objects; unset means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// What is said about a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct KustomizationStatus {
    /// The generation that was last acted on; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The revision that was last applied with success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// The revision upstream of the one that was last applied with success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_origin_revision: Option<String>,
    /// The revision that was last tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// The request that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The objects that were applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<ResourceInventory>,
    /// The newest attempts, newest first; see [`crate::status::record_attempt`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(version: &str, spec: &Value) -> Value {
        let mut whole = json!({
            "interval": "10m",
            "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "app"},
        });
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        json!({
            "apiVersion": format!("kustomize.toolkit.fluxcd.io/{version}"),
            "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "team"},
            "spec": whole,
        })
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v1", "v1beta2", "v1beta1"] {
            let object = kustomization(
                version,
                &json!({
                    "validation": "client",
                    "patchesStrategicMerge": [{"kind": "Deployment", "spec": {"replicas": null}}],
                    "patchesJson6902": [{
                        "patch": [{"op": "add", "path": "/a", "value": [1, null]}],
                        "target": {"kind": "Deployment", "name": "app"},
                    }],
                    "serviceAccountName": "",
                }),
            );
            let spec = Kustomization::read(&object).unwrap().spec;
            assert_eq!(spec.validation.as_deref(), Some("client"));
            assert_eq!(
                spec.patches_strategic_merge[0]["spec"],
                json!({"replicas": null})
            );
            assert_eq!(spec.patches_json6902[0].patch[0]["value"], json!([1, null]));
            assert_eq!(spec.patches_json6902[0].target.kind, "Deployment");
            assert_eq!(spec.service_account_name, None);
            assert_eq!(spec.deletion_policy, DeletionPolicy::MirrorPrune);
            assert!(!spec.force);
        }
    }

    #[test]
    fn defaults_are_those_of_flux() {
        for (fields, timeout, retry) in [
            (json!({"interval": "10m"}), 570, 600),
            (json!({"interval": "40s"}), 30, 40),
            (json!({"interval": "10s"}), 30, 10),
            (
                json!({"interval": "10m", "timeout": "5s", "retryInterval": "2m"}),
                30,
                120,
            ),
            (json!({"interval": "10m", "timeout": "1h"}), 3600, 600),
        ] {
            let spec = Kustomization::read(&kustomization("v1", &fields))
                .unwrap()
                .spec;
            assert_eq!(
                spec.timeout_or_default(),
                Duration::from_seconds(timeout),
                "{fields}"
            );
            assert_eq!(
                spec.retry_interval_or_default(),
                Duration::from_seconds(retry),
                "{fields}"
            );
        }
    }

    #[test]
    fn deletion_follows_the_policy() {
        for (fields, deletes) in [
            (json!({"prune": true}), true),
            (json!({"prune": false}), false),
            (json!({"prune": false, "deletionPolicy": "Delete"}), true),
            (
                json!({"prune": false, "deletionPolicy": "WaitForTermination"}),
                true,
            ),
            (json!({"prune": true, "deletionPolicy": "Orphan"}), false),
        ] {
            let spec = Kustomization::read(&kustomization("v1", &fields))
                .unwrap()
                .spec;
            assert_eq!(spec.deletes_objects(), deletes, "{fields}");
        }
    }

    #[test]
    fn an_invalid_field_is_named_with_what_is_allowed() {
        for (fields, expected) in [
            (
                json!({"sourceRef": {"kind": "HelmRepository", "name": "a"}}),
                "spec.sourceRef.kind: must be one of OCIRepository, GitRepository, Bucket, ExternalArtifact; found \"HelmRepository\"",
            ),
            (
                json!({"postBuild": {"substitute": {"REPLICAS": 3}}}),
                "spec.postBuild.substitute[REPLICAS]: must be a string (quote it); found a number",
            ),
            (
                json!({"dependsOn": [{"name": "a"}, {"namespace": "b"}]}),
                "spec.dependsOn[1].name: must be set to a string",
            ),
            (
                json!({"kubeConfig": {}}),
                "spec.kubeConfig: exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
            ),
            (
                json!({"kubeConfig": {"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}}}),
                "spec.kubeConfig: exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
            ),
            (
                json!({"decryption": {"provider": "age"}}),
                "spec.decryption.provider: must be \"sops\"; found \"age\"",
            ),
            (
                json!({"targetNamespace": "x".repeat(64)}),
                "spec.targetNamespace: must have 63 characters or fewer; found 64",
            ),
            (
                json!({"prune": "yes"}),
                "spec.prune: must be true or false; found a string",
            ),
            (
                json!({"prune": null}),
                "spec.prune: must be set to true or false",
            ),
        ] {
            let error = Kustomization::read(&kustomization("v1", &fields)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read Kustomization: {expected}")
            );
        }
    }

    #[test]
    fn namespaces_default_to_the_own() {
        let object = kustomization(
            "v1",
            &json!({"dependsOn": [{"name": "a"}, {"name": "b", "namespace": "c"}]}),
        );
        let read = Kustomization::read(&object).unwrap();
        assert_eq!(read.source_namespace(), "team");
        let of: Vec<_> = read
            .spec
            .depends_on
            .iter()
            .map(|d| read.dependency_namespace(d))
            .collect();
        assert_eq!(of, ["team", "c"]);
    }
}
