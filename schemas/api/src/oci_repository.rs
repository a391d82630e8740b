//! OCIRepository (`source.toolkit.fluxcd.io`): an artifact in a registry, and what was made of it.

mod schema;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::git_repository::{WITHHELD, shown};
use crate::helm_chart::ArtifactVerification;
use crate::helm_repository::RegistryProvider;
use crate::omit::is_false;
use crate::reference::LocalReference;
use crate::status::Artifact;
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub(crate) use schema::{spec as spec_schema, status as status_schema};

/// The tag where nothing is said.
pub const TAG_DEFAULT: &str = "latest";
/// Who made an artifact says here where from: the address of a repository.
pub const SOURCE_ANNOTATION: &str = "org.opencontainers.image.source";
/// Who made an artifact says here of what: a revision such as `main@sha1:…`.
pub const REVISION_ANNOTATION: &str = "org.opencontainers.image.revision";
/// When it was made.
pub const CREATED_ANNOTATION: &str = "org.opencontainers.image.created";
/// The layer of a packed Helm chart.
pub const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// An OCIRepository of any version.
pub type OciRepository = Object<OciRepositorySpec>;

impl Spec for OciRepositorySpec {
    type Status = OciRepositoryStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::OCI_REPOSITORY.read(object, &schema::SPEC, &schema::STATUS)
    }
}

/// What is asked of an OCIRepository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OciRepositorySpec {
    /// The repository in its registry: `oci://host/path`, without a tag.
    pub url: String,
    /// Which artifact; unset means the tag [`TAG_DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<OciReference>,
    /// Which layer of it, and what becomes of it; unset means the first, unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_selector: Option<LayerSelector>,
    /// How often to look for a new revision.
    pub interval: Duration,
    /// How long one operation may take; 60s by default.
    pub timeout: Duration,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// How to log in; generic by default.
    #[serde(default)]
    pub provider: RegistryProvider,
    /// A Secret with logins, as Docker keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// The ServiceAccount whose `imagePullSecrets` are used, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// A Secret with certificates: `ca.crt`, `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// A Secret that names a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// Whether the registry speaks plain HTTP.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// Exclusions in the syntax of .gitignore; they replace the default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Which signature to verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<ArtifactVerification>,
}

impl OciRepositorySpec {
    /// What may be recorded: all but the credentials that the URL may hold.
    #[must_use]
    pub fn recorded(&self) -> Self {
        Self {
            url: shown(&self.url),
            ..self.clone()
        }
    }

    /// Whether the URL may be another than the declared one, as in what was recorded.
    pub fn is_url_withheld(&self) -> bool {
        self.url.contains(WITHHELD)
    }
}

/// Which artifact. `digest` wins over `semver`, and that over `tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OciReference {
    /// The digest of a manifest, such as `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The highest tag in a range of versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A regular expression for the tags that `semver` may choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver_filter: Option<String>,
    /// A tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Which layer of an artifact, and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct LayerSelector {
    /// The first layer of this type; unset means the first of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What becomes of it; unset means that it is unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<LayerOperation>,
}

/// What becomes of a layer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
#[serde(rename_all = "lowercase")]
pub enum LayerOperation {
    /// It is unpacked, and what is not ignored is packed again.
    #[default]
    Extract,
    /// It is the artifact, byte for byte.
    Copy,
}

/// The digest in the revision of an artifact of a registry, `6.7.1@sha256:…` or `sha256:…`; empty in any other.
pub fn digest_of(revision: &str) -> &str {
    let digest = revision.rsplit('@').next().unwrap_or_default();
    if digest.starts_with("sha256:") {
        digest
    } else {
        ""
    }
}

/// What is said about an OCIRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct OciRepositoryStatus {
    /// The generation that was last acted on; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest artifact is served, whatever its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The newest artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// `spec.ignore` when the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// `spec.layerSelector` when the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_layer_selector: Option<LayerSelector>,
    /// The request that was last acted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn repository(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("source.toolkit.fluxcd.io/{version}"),
            "kind": "OCIRepository",
            "metadata": {"name": "app", "namespace": "team", "generation": 2},
            "spec": spec,
        })
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v1", "v1beta2"] {
            let object = repository(
                version,
                &json!({
                    "url": "oci://ghcr.io/org/app",
                    "interval": "5m",
                    "ref": {"semver": "6.x", "semverFilter": ".*-rc.*"},
                    "layerSelector": {"mediaType": CHART_LAYER, "operation": "copy"},
                    "serviceAccountName": "puller",
                    "verify": {"provider": "cosign", "secretRef": {"name": "keys"}},
                    "fieldOfTomorrow": true,
                }),
            );
            let spec = OciRepository::read(&object).unwrap().spec;
            assert_eq!(spec.interval, Duration::from_seconds(300), "{version}");
            assert_eq!(spec.timeout, Duration::from_seconds(60));
            let reference = spec.r#ref.unwrap();
            assert_eq!(reference.semver.as_deref(), Some("6.x"));
            assert_eq!(reference.semver_filter.as_deref(), Some(".*-rc.*"));
            let layer = spec.layer_selector.unwrap();
            assert_eq!(layer.operation, Some(LayerOperation::Copy));
            assert!(spec.verify.is_some());
        }
    }

    #[test]
    fn only_artifacts_of_registries_are_named_by_their_digest() {
        for (revision, expected) in [
            ("6.7.1@sha256:0123", "sha256:0123"),
            ("latest@sha256:0123", "sha256:0123"),
            ("sha256:0123", "sha256:0123"),
            ("main@sha1:0123", ""),
            ("6.7.1", ""),
            ("6.7.1+sha256", ""),
            ("", ""),
        ] {
            assert_eq!(digest_of(revision), expected, "{revision}");
        }
    }

    #[test]
    fn what_is_unset_has_fluxs_defaults() {
        let object = repository("v1", &json!({"url": "oci://h/r", "interval": "1m"}));
        let spec = OciRepository::read(&object).unwrap().spec;
        assert_eq!(spec.provider, RegistryProvider::Generic);
        assert_eq!(spec.layer_selector, None);
        assert!(!spec.insecure && !spec.suspend);
    }

    #[test]
    fn an_invalid_field_is_named_without_what_may_be_a_secret() {
        let url = "a URL that starts with oci:// and has no spaces, control characters, query or fragment";
        for (spec, expected) in [
            (
                json!({"interval": "1m"}),
                format!("spec.url: must be set to {url}"),
            ),
            (
                json!({"url": "https://me:s3cr3t@h", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "oci://me:s3 cr3t@h", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "oci://h/r?s3cr3t", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "oci://h", "interval": "1m", "provider": "github"}),
                "spec.provider: must be one of generic, aws, azure, gcp; found \"github\""
                    .to_owned(),
            ),
            (
                json!({"url": "oci://h", "interval": "1m", "layerSelector": {"operation": "move"}}),
                "spec.layerSelector.operation: must be one of extract, copy; found \"move\""
                    .to_owned(),
            ),
        ] {
            let error = OciRepository::read(&repository("v1", &spec)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read OCIRepository: {expected}")
            );
        }
        // OCIRepository was first published in v1beta2.
        let object = repository("v1beta1", &json!({"url": "oci://h/r", "interval": "1m"}));
        assert_eq!(OciRepository::read(&object).unwrap_err().path, "apiVersion");
    }

    #[test]
    fn a_password_in_the_url_is_not_recorded() {
        let object = repository(
            "v1",
            &json!({"url": "oci://me:s3cr3t@host/app", "interval": "1m"}),
        );
        let spec = OciRepository::read(&object).unwrap().spec;
        assert!(!spec.is_url_withheld());
        let recorded = spec.recorded();
        assert_eq!(recorded.url, "oci://***@host/app");
        assert!(recorded.is_url_withheld());
    }
}
