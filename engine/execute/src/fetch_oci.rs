//! `FetchOci`: ask a registry for an artifact, and store what is new.

use std::collections::BTreeMap;

use fluvial_api::git_repository;
use fluvial_api::helm_repository::RegistryProvider;
use fluvial_api::oci_repository::{LayerOperation, REVISION_ANNOTATION};
use fluvial_api::{OciRepository, OciRepositorySpec};
use fluvial_cluster::Reference;
use fluvial_event::{
    Artifact, ArtifactFetched, Commit, Event, FetchOci, ObjectRef, SourceUnchanged,
};
use fluvial_source::oci::{self, Fetched, Request};
use fluvial_source::{Credentials, archive};
use serde_json::Value;

use crate::refusal::Refusal;
use crate::{Executor, Trouble, named, reference};

/// The fewest digits by which anybody names a commit.
const COMMIT_DIGITS_MIN: usize = 7;

impl Executor {
    pub(crate) async fn fetch_oci(self, command: FetchOci) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let generation = command.generation;
        let spec: OciRepositorySpec = serde_json::from_slice(&command.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let request = match self.declared_oci(&object, generation, spec).await? {
            Ok(spec) => self.oci_request(&object, spec, command.observed).await?,
            Err(refusal) => Err(refusal),
        };
        match request {
            Ok(request) => self.pull(object, generation, request).await,
            Err(refusal) => Ok(refusal.into_event(Some(object), generation)),
        }
    }

    /// The spec with its whole URL, which the record does not have where it may hold a credential.
    async fn declared_oci(
        &self,
        object: &ObjectRef,
        generation: i64,
        spec: OciRepositorySpec,
    ) -> Result<Result<OciRepositorySpec, Refusal>, Trouble> {
        if !spec.is_url_withheld() {
            return Ok(Ok(spec));
        }
        let live = self.cluster.get(&reference(object)).await?;
        let live = live.and_then(|live| OciRepository::read(&live).ok());
        // Another generation is on its way through the log, and brings its own fetch.
        let same = live.filter(|it| it.metadata.generation == generation);
        Ok(same.map(|it| it.spec).ok_or_else(|| Refusal {
            reason: "OCIArtifactPullFailed",
            message: format!(
                "failed to pull artifact from '{}': {object} was changed or deleted since; it is asked again",
                spec.url
            ),
            terminal: false,
        }))
    }

    async fn oci_request(
        &self,
        object: &ObjectRef,
        spec: OciRepositorySpec,
        observed: String,
    ) -> Result<Result<Request, Refusal>, Trouble> {
        if let Some(refusal) = unsupported(&spec) {
            return Ok(Err(refusal));
        }
        let mut request = Request::new(&spec.url);
        request.timeout = spec.timeout.as_std();
        request.insecure = spec.insecure;
        request.observed = Some(observed).filter(|revision| !revision.is_empty());
        match self.registry_login(object, &spec).await? {
            Ok(credentials) => request.credentials = credentials,
            Err(refusal) => return Ok(Err(refusal)),
        }
        if let Some(secret) = &spec.cert_secret_ref {
            let field = "spec.certSecretRef";
            let found = self.secret(object, &secret.name, field).await?;
            match found.and_then(|data| Ok(fluvial_source::tls_from_secret_data(&data)?)) {
                Ok(tls) => request.tls = tls,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        if let Some(secret) = &spec.proxy_secret_ref {
            let field = "spec.proxySecretRef";
            let found = self.secret(object, &secret.name, field).await?;
            match found.and_then(|data| Ok(fluvial_source::proxy_from_secret_data(&data)?)) {
                Ok(proxy) => request.proxy = Some(proxy),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        if let Some(reference) = spec.r#ref {
            request.reference = oci::Reference {
                digest: reference.digest,
                semver: reference.semver,
                semver_filter: reference.semver_filter,
                tag: reference.tag,
            };
        }
        let layer = spec.layer_selector.unwrap_or_default();
        request.copies = layer.operation == Some(LayerOperation::Copy);
        request.media_type = layer.media_type;
        request.ignore = spec.ignore;
        Ok(Ok(request))
    }

    /// Who asks: by `spec.secretRef` and by the pull secrets of the ServiceAccount.
    async fn registry_login(
        &self,
        object: &ObjectRef,
        spec: &OciRepositorySpec,
    ) -> Result<Result<Credentials, Refusal>, Trouble> {
        let mut names = Vec::new();
        if let Some(secret) = &spec.secret_ref {
            names.push((secret.name.clone(), "spec.secretRef"));
        }
        if let Some(account) = &spec.service_account_name {
            match self.pull_secrets(object, account).await? {
                Ok(found) => {
                    let found = found.into_iter();
                    names
                        .extend(found.map(|name| (name, "imagePullSecrets of the ServiceAccount")));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let mut secrets = Vec::new();
        for (name, field) in names {
            match self.secret(object, &name, field).await? {
                Ok(data) => secrets.push(data),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(oci::login_from_secrets(&spec.url, &secrets).map_err(Refusal::from))
    }

    /// The names of the Secrets that Pods of a ServiceAccount pull images with.
    async fn pull_secrets(
        &self,
        object: &ObjectRef,
        account: &str,
    ) -> Result<Result<Vec<String>, Refusal>, Trouble> {
        let place = Reference::new("v1", "ServiceAccount", &object.namespace, account);
        let Some(found) = self.cluster.get(&place).await? else {
            return Ok(Err(Refusal {
                reason: "AuthenticationFailed",
                message: format!(
                    "failed to get credential: ServiceAccount/{}/{account} is not there; create it or correct \
                     spec.serviceAccountName",
                    object.namespace
                ),
                terminal: false,
            }));
        };
        let all = found.get("imagePullSecrets").and_then(Value::as_array);
        let names = all.into_iter().flatten();
        let names = names.filter_map(|it| it.get("name").and_then(Value::as_str));
        Ok(Ok(names.map(str::to_owned).collect()))
    }

    async fn pull(
        self,
        object: ObjectRef,
        generation: i64,
        request: Request,
    ) -> Result<Event, Trouble> {
        tokio::task::spawn_blocking(move || {
            let object = Some(object);
            let (revision, content, annotations) = match oci::fetch(&request) {
                Err(error) => return Ok(Refusal::from(error).into_event(object, generation)),
                Ok(Fetched::Unchanged { revision }) => {
                    return Ok(SourceUnchanged {
                        object,
                        generation,
                        revision,
                        validators: None,
                    }
                    .into());
                }
                Ok(Fetched::New {
                    revision,
                    content,
                    annotations,
                }) => (revision, content, annotations),
            };
            let artifact = Artifact {
                revision,
                digest: archive::digest(&content),
                bytes: content.len() as u64,
                blob: self.blobs.put(&content)?.to_string(),
                commit: origin(&annotations),
            };
            Ok(ArtifactFetched {
                object,
                generation,
                artifact: Some(artifact),
                metadata: annotations,
                ..ArtifactFetched::default()
            }
            .into())
        })
        .await?
    }
}

/// The commit that an artifact was made of, where its maker says so: `main@sha1:…`, or the digits alone.
fn origin(annotations: &BTreeMap<String, String>) -> Option<Commit> {
    let revision = annotations.get(REVISION_ANNOTATION)?;
    let sha = revision.rsplit([':', '/', '@']).next()?;
    let is_commit =
        sha.len() >= COMMIT_DIGITS_MIN && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| Commit {
        sha: sha.to_owned(),
        ..Commit::default()
    })
}

/// A field that would change whom to believe, and that this version does not know how to honour.
fn unsupported(spec: &OciRepositorySpec) -> Option<Refusal> {
    let url = git_repository::shown(&spec.url);
    if let Some(verify) = &spec.verify {
        let provider = serde_json::to_string(&verify.provider).unwrap_or_default();
        let provider = provider.trim_matches('"');
        return Some(Refusal {
            reason: "VerificationError",
            message: format!(
                "failed to verify the signature using provider '{provider}': spec.verify is not supported by this \
                 version of Fluvial; remove it to take {url} unverified"
            ),
            terminal: true,
        });
    }
    if spec.provider != RegistryProvider::Generic {
        return Some(Refusal {
            reason: "AuthenticationFailed",
            message: format!(
                "failed to get credential: spec.provider other than generic is not supported by this version of \
                 Fluvial, so nobody can log in to {url}; name a Secret of type kubernetes.io/dockerconfigjson in \
                 spec.secretRef"
            ),
            terminal: true,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_commit_is_what_the_maker_says() {
        let sha = "6c959c51d1c6e1f8a6b6c5d2d39cf4ae3a1c7f11";
        for (revision, expected) in [
            (format!("main@sha1:{sha}"), Some(sha)),
            (format!("sha1:{sha}"), Some(sha)),
            (format!("6.7.1/{sha}"), Some(sha)),
            (sha.to_owned(), Some(sha)),
            ("main".to_owned(), None),
            ("dirty-tree".to_owned(), None),
            (String::new(), None),
        ] {
            let annotations = BTreeMap::from([(REVISION_ANNOTATION.to_owned(), revision.clone())]);
            let found = origin(&annotations).map(|commit| commit.sha);
            assert_eq!(found.as_deref(), expected, "{revision}");
        }
        assert_eq!(origin(&BTreeMap::new()), None);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        for (field, value, reason, named) in [
            (
                "verify",
                json!({"provider": "cosign"}),
                "VerificationError",
                "using provider 'cosign': spec.verify",
            ),
            (
                "verify",
                json!({"provider": "notation", "secretRef": {"name": "k"}}),
                "VerificationError",
                "using provider 'notation': spec.verify",
            ),
            (
                "provider",
                json!("aws"),
                "AuthenticationFailed",
                "spec.provider",
            ),
            (
                "provider",
                json!("azure"),
                "AuthenticationFailed",
                "spec.provider",
            ),
            (
                "provider",
                json!("gcp"),
                "AuthenticationFailed",
                "spec.provider",
            ),
        ] {
            let mut object = json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "OCIRepository",
                "metadata": {"name": "app", "namespace": "team"},
                "spec": {"url": "oci://me:s3cr3t@host/app", "interval": "1m"},
            });
            assert!(unsupported(&OciRepository::read(&object).unwrap().spec).is_none());
            object["spec"][field] = value;
            let refusal = unsupported(&OciRepository::read(&object).unwrap().spec).unwrap();
            assert!(refusal.terminal && refusal.reason == reason);
            assert!(refusal.message.contains(named), "{}", refusal.message);
            assert!(!refusal.message.contains("s3cr3t"), "{}", refusal.message);
        }
    }
}
