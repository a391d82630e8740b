//! HelmRepository (`source.toolkit.fluxcd.io`): a place that has Helm charts, and the index made of it.
//!
//! One of type `oci` is a name and credentials and nothing else: nobody writes its status, and readers
//! take it for ready.

mod schema;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::git_repository::{WITHHELD, shown};
use crate::omit::is_false;
use crate::reference::{AccessFrom, LocalReference};
use crate::status::Artifact;
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub(crate) use schema::{spec as spec_schema, status as status_schema};

/// How often the index is asked for where nothing is said. flux: `HelmRepositorySpec.GetInterval`.
pub const INTERVAL_DEFAULT: Duration = Duration::from_seconds(60);
/// How long one operation may take where nothing is said. flux: `HelmRepositorySpec.GetTimeout`.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_seconds(60);

/// A HelmRepository of any version.
pub type HelmRepository = Object<HelmRepositorySpec>;

impl Spec for HelmRepositorySpec {
    type Status = HelmRepositoryStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::HELM_REPOSITORY.read(object, &schema::SPEC, &schema::STATUS)
    }
}

/// What is asked of a HelmRepository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// The repository: http or https, or oci for the type `oci`. May hold a credential.
    pub url: String,
    /// What kind of place it is; unset means `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<HelmRepositoryType>,
    /// How often to ask for the index; [`INTERVAL_DEFAULT`] when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long one operation may take; [`TIMEOUT_DEFAULT`] when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// A Secret with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with certificates: `ca.crt`, `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Whether the credentials also go to other hosts that the index names.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_credentials: bool,
    /// Whether the registry speaks plain HTTP; for the type `oci`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// How to log in to a registry; generic when unset. For the type `oci`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<RegistryProvider>,
    /// Access from other namespaces; without effect, as in Flux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
}

impl HelmRepositorySpec {
    /// Whether it is an OCI registry, of which nothing is reconciled.
    pub fn is_oci(&self) -> bool {
        self.r#type == Some(HelmRepositoryType::Oci)
    }

    /// How often to ask for the index.
    pub fn interval_or_default(&self) -> Duration {
        self.interval.unwrap_or(INTERVAL_DEFAULT)
    }

    /// How long one operation may take.
    pub fn timeout_or_default(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT_DEFAULT)
    }

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

/// What kind of place a HelmRepository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HelmRepositoryType {
    /// A web server with an `index.yaml`.
    Default,
    /// A registry.
    Oci,
}

/// How to log in to a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryProvider {
    /// With what `secretRef` holds.
    #[default]
    Generic,
    /// As an IAM identity, to Amazon ECR.
    Aws,
    /// As a managed identity, to Azure ACR.
    Azure,
    /// As a service account, to Google Artifact Registry.
    Gcp,
}

/// What is said about a HelmRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmRepositoryStatus {
    /// The generation that was last acted on; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the newest index is served, whatever its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The newest index.
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

    fn repository(version: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("source.toolkit.fluxcd.io/{version}"),
            "kind": "HelmRepository",
            "metadata": {"name": "charts", "namespace": "team", "generation": 2},
            "spec": spec,
        })
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v1", "v1beta2", "v1beta1"] {
            let object = repository(
                version,
                &json!({
                    "url": "https://charts.example.com",
                    "interval": "5m",
                    "timeout": "90s",
                    "passCredentials": true,
                    "secretRef": {"name": "login"},
                    "accessFrom": {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]},
                    "fieldOfTomorrow": true,
                }),
            );
            let read = HelmRepository::read(&object).unwrap();
            assert_eq!(
                read.spec.interval_or_default(),
                Duration::from_seconds(300),
                "{version}"
            );
            assert_eq!(read.spec.timeout_or_default(), Duration::from_seconds(90));
            assert!(read.spec.pass_credentials && !read.spec.is_oci());
        }
    }

    #[test]
    fn a_registry_needs_neither_interval_nor_status() {
        let object = repository("v1", &json!({"type": "oci", "url": "oci://ghcr.io/org"}));
        let read = HelmRepository::read(&object).unwrap();
        assert!(read.spec.is_oci());
        assert_eq!(read.spec.interval_or_default(), INTERVAL_DEFAULT);
        assert_eq!(read.status, HelmRepositoryStatus::default());
    }

    #[test]
    fn an_invalid_field_is_named_without_what_may_be_a_secret() {
        let url = "a URL that starts with http://, https:// or oci:// and has no spaces or control characters";
        for (spec, expected) in [
            (json!({}), format!("spec.url: must be set to {url}")),
            (
                json!({"url": "ftp://me:s3cr3t@h"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "https://me:s3 cr3t@h"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "https://h", "type": "git"}),
                "spec.type: must be one of default, oci; found \"git\"".to_owned(),
            ),
            (
                json!({"url": "oci://h", "provider": "github"}),
                "spec.provider: must be one of generic, aws, azure, gcp; found \"github\""
                    .to_owned(),
            ),
        ] {
            let error = HelmRepository::read(&repository("v1", &spec)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read HelmRepository: {expected}")
            );
        }
    }

    #[test]
    fn a_password_in_the_url_is_not_recorded() {
        let object = repository("v1", &json!({"url": "https://me:s3cr3t@host/charts"}));
        let spec = HelmRepository::read(&object).unwrap().spec;
        assert!(!spec.is_url_withheld());
        let recorded = spec.recorded();
        assert_eq!(recorded.url, "https://***@host/charts");
        assert!(recorded.is_url_withheld());
    }
}
