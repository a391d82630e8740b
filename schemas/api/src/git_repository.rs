//! GitRepository (`source.toolkit.fluxcd.io`): a place in git, and the artifact made of it.

mod schema;
mod url;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wincode::{SchemaRead, SchemaWrite};

use crate::omit::is_false;
use crate::reference::{AccessFrom, LocalReference};
use crate::status::Artifact;
use crate::{Condition, Duration, Error, Metadata, Object, Spec, kinds};

pub(crate) use schema::{spec as spec_schema, status as status_schema};
pub(crate) use url::WITHHELD;
pub use url::shown;

/// A GitRepository of any version.
pub type GitRepository = Object<GitRepositorySpec>;

impl Spec for GitRepositorySpec {
    type Status = GitRepositoryStatus;

    fn read(object: &Value) -> Result<(Metadata, Self, Self::Status), Error> {
        kinds::GIT_REPOSITORY.read(object, &schema::SPEC, &schema::STATUS)
    }
}

/// What is asked of a GitRepository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositorySpec {
    /// The repository: http, https or ssh.
    pub url: String,
    /// What to check out; unset means the branch `master`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<GitReference>,
    /// How often to look for a new revision.
    pub interval: Duration,
    /// How long one git operation may take; 60s by default.
    pub timeout: Duration,
    /// Pause.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
    /// A Secret with credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret that names a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// How to authenticate; generic by default.
    #[serde(default)]
    pub provider: GitProvider,
    /// The ServiceAccount to authenticate as, for aws and azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Exclusions in the syntax of .gitignore; they replace the default ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Other GitRepositories to copy in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<GitInclude>,
    /// Whether to check out submodules.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recurse_submodules: bool,
    /// The directories to keep; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,
    /// Which signatures to verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<GitVerification>,
    /// The git library, in older versions; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_implementation: Option<String>,
    /// Access from other namespaces, in older versions; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
}

impl GitRepositorySpec {
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

/// What to check out. `commit` wins over `name`, `semver`, `tag`, `branch`, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitReference {
    /// A branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The highest tag in a range of versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A full reference name, such as `refs/pull/420/head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// How to authenticate to a git server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitProvider {
    /// With what `secretRef` holds.
    #[default]
    Generic,
    /// As an IAM identity, to AWS CodeCommit.
    Aws,
    /// As a managed identity, to Azure DevOps.
    Azure,
    /// As a GitHub App.
    Github,
}

/// Another GitRepository to copy into the artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase")]
pub struct GitInclude {
    /// The GitRepository, in the same namespace.
    pub repository: LocalReference,
    /// The path to copy; unset means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// Where to; unset means a directory of the GitRepository's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

impl GitInclude {
    /// Where the included artifact goes.
    pub fn to_path_or_name(&self) -> &str {
        self.to_path.as_deref().unwrap_or(&self.repository.name)
    }
}

/// Which signatures to verify, and by which keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitVerification {
    /// What must be signed; HEAD by default.
    pub mode: GitVerificationMode,
    /// A Secret with public keys.
    pub secret_ref: LocalReference,
}

/// What must be signed. `head` of the older versions reads as `HEAD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
pub enum GitVerificationMode {
    /// The commit.
    #[serde(rename = "HEAD", alias = "head")]
    Head,
    /// The tag.
    Tag,
    /// Both.
    #[serde(rename = "TagAndHEAD")]
    TagAndHead,
}

/// What is said about a GitRepository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct GitRepositoryStatus {
    /// The generation that was last acted on; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The newest artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The artifacts that were copied in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,
    /// `spec.ignore` when the artifact was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// `spec.include` when the artifact was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<GitInclude>,
    /// `spec.recurseSubmodules` when the artifact was made.
    #[serde(skip_serializing_if = "is_false")]
    pub observed_recurse_submodules: bool,
    /// `spec.sparseCheckout` when the artifact was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,
    /// What was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<GitVerificationMode>,
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
            "kind": "GitRepository",
            "metadata": {"name": "app", "namespace": "flux-system", "generation": 3},
            "spec": spec,
        })
    }

    #[test]
    fn reads_every_version_into_one_model() {
        for version in ["v1", "v1beta2", "v1beta1"] {
            let object = repository(
                version,
                &json!({
                    "url": "https://host/repo",
                    "interval": "1m",
                    "gitImplementation": "libgit2",
                    "accessFrom": {"namespaceSelectors": [{"matchLabels": {"a": "b"}}]},
                    "verify": {"mode": "head", "secretRef": {"name": "keys"}},
                    "fieldOfTomorrow": true,
                }),
            );
            let read = GitRepository::read(&object).unwrap();
            assert_eq!(read.metadata.name, "app");
            assert_eq!(read.metadata.generation, 3);
            assert_eq!(read.spec.interval, Duration::from_seconds(60));
            assert_eq!(read.spec.timeout, Duration::from_seconds(60));
            assert_eq!(read.spec.provider, GitProvider::Generic);
            assert_eq!(read.spec.git_implementation.as_deref(), Some("libgit2"));
            assert_eq!(read.spec.verify.unwrap().mode, GitVerificationMode::Head);
        }
    }

    #[test]
    fn a_timeout_in_hours_is_read_as_v1beta1_allowed_it() {
        let object = repository(
            "v1beta1",
            &json!({"url": "ssh://h/r", "interval": "1h", "timeout": "1h"}),
        );
        assert_eq!(
            GitRepository::read(&object).unwrap().spec.timeout,
            Duration::from_seconds(3600)
        );
    }

    #[test]
    fn an_invalid_field_is_named_with_what_is_allowed() {
        let duration = "a duration such as 1h30m, 5m or 10s, longer than zero and at most 2562047h";
        let url = "a URL that starts with http://, https:// or ssh:// and has no spaces or control characters";
        for (spec, expected) in [
            (
                json!({"interval": "1m"}),
                format!("spec.url: must be set to {url}"),
            ),
            (
                json!({"url": "https://u:secret@h\n", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "git@github.com:a/b", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "file:///etc", "interval": "1m"}),
                format!("spec.url: must be {url}"),
            ),
            (
                json!({"url": "https://h", "interval": "-1s"}),
                format!("spec.interval: must be {duration}; found \"-1s\""),
            ),
            (
                json!({"url": "https://h", "interval": "0s"}),
                format!("spec.interval: must be {duration}; found \"0s\""),
            ),
            (
                json!({"url": "https://h", "interval": ""}),
                format!("spec.interval: must be {duration}; found \"\""),
            ),
            (
                json!({"url": "https://h", "interval": 60}),
                format!("spec.interval: must be {duration}; found a number"),
            ),
            (
                json!({"url": "https://h", "interval": "1m", "timeout": "1e400s"}),
                format!("spec.timeout: must be {duration}; found \"1e400s\""),
            ),
            (
                json!({"url": "https://h", "interval": "1m", "provider": "gcp"}),
                "spec.provider: must be one of generic, aws, azure, github; found \"gcp\""
                    .to_owned(),
            ),
            (
                json!({"url": "https://h", "interval": "1m", "serviceAccountName": "sa"}),
                "spec: serviceAccountName can only be set when provider is 'azure' or 'aws'"
                    .to_owned(),
            ),
            (
                json!({"url": "https://h", "interval": "1m", "secretRef": {}}),
                "spec.secretRef.name: must be set to a string".to_owned(),
            ),
        ] {
            let error = GitRepository::read(&repository("v1", &spec)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot read GitRepository: {expected}")
            );
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let mut object = repository("v1", &json!({"url": "https://h", "interval": "1m"}));
        object["apiVersion"] = json!("source.toolkit.fluxcd.io/v9");
        let error = GitRepository::read(&object).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read GitRepository: apiVersion: must be source.toolkit.fluxcd.io/ followed by v1, v1beta2 or v1beta1"
        );
        object["kind"] = json!("Bucket");
        assert_eq!(GitRepository::read(&object).unwrap_err().path, "kind");
    }
}
