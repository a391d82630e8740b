//! `FetchHelmRepository`: ask a chart repository for its index, and store what is new of it.

use fluvial_api::helm_repository::RegistryProvider;
use fluvial_api::{HelmRepository, HelmRepositorySpec, git_repository};
use fluvial_event::{
    Artifact, ArtifactFetched, Event, FetchHelmRepository, ObjectRef, SourceUnchanged, Validators,
};
use fluvial_source::archive;
use fluvial_source::helm::{self, FetchedIndex, IndexRequest, Repository};

use crate::refusal::Refusal;
use crate::{Executor, Trouble, named, reference};

impl Executor {
    pub(crate) async fn fetch_helm_repository(
        self,
        command: FetchHelmRepository,
    ) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let generation = command.generation;
        let spec: HelmRepositorySpec = serde_json::from_slice(&command.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let repository = match self.chart_repository(&object, generation, spec).await? {
            Ok(repository) => repository,
            Err(refusal) => return Ok(refusal.into_event(Some(object), generation)),
        };
        let validators = command.validators.unwrap_or_default();
        let request = IndexRequest {
            repository,
            observed: Some(command.observed).filter(|revision| !revision.is_empty()),
            validators: helm::Validators {
                etag: validators.etag,
                last_modified: validators.last_modified,
            },
            limits: helm::Limits::default(),
        };
        let blobs = self.blobs;
        tokio::task::spawn_blocking(move || {
            let object = Some(object);
            Ok(match helm::fetch_index(&request) {
                Err(error) => Refusal::from(error).into_event(object, generation),
                Ok(FetchedIndex::Unchanged {
                    revision,
                    validators,
                }) => SourceUnchanged {
                    object,
                    generation,
                    revision,
                    validators: Some(recorded(validators)),
                }
                .into(),
                Ok(FetchedIndex::New {
                    revision,
                    index,
                    validators,
                }) => ArtifactFetched {
                    object,
                    generation,
                    artifact: Some(Artifact {
                        revision,
                        digest: archive::digest(&index),
                        bytes: index.len() as u64,
                        blob: blobs.put(&index)?.to_string(),
                        commit: None,
                    }),
                    validators: Some(recorded(validators)),
                    ..ArtifactFetched::default()
                }
                .into(),
            })
        })
        .await?
    }

    /// A repository with what its Secrets hold, which nothing recorded does.
    pub(crate) async fn chart_repository(
        &self,
        object: &ObjectRef,
        generation: i64,
        spec: HelmRepositorySpec,
    ) -> Result<Result<Repository, Refusal>, Trouble> {
        let spec = if spec.is_url_withheld() {
            let live = self.cluster.get(&reference(object)).await?;
            let live = live.and_then(|live| HelmRepository::read(&live).ok());
            // Another generation is on its way through the log, and brings its own fetch.
            match live.filter(|it| it.metadata.generation == generation) {
                Some(live) => live.spec,
                None => return Ok(Err(changed_since(object, &spec))),
            }
        } else {
            spec
        };
        self.repository_of(object, &spec).await
    }

    /// A repository as it is declared, with what its Secrets hold.
    pub(crate) async fn repository_of(
        &self,
        object: &ObjectRef,
        spec: &HelmRepositorySpec,
    ) -> Result<Result<Repository, Refusal>, Trouble> {
        if let Some(refusal) = unsupported(spec) {
            return Ok(Err(refusal));
        }
        let mut repository = Repository::new(&spec.url);
        repository.timeout = spec.timeout_or_default().as_std();
        repository.pass_credentials = spec.pass_credentials;
        repository.insecure = spec.insecure && spec.is_oci();
        if let Some(secret) = &spec.secret_ref {
            let data = match self.secret(object, &secret.name, "spec.secretRef").await? {
                Ok(data) => data,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let login = if spec.is_oci() {
                helm::registry_login_from_secret_data(&spec.url, &data)
            } else {
                helm::login_from_secret_data(&data)
            };
            match login {
                Ok((credentials, tls)) => {
                    (repository.credentials, repository.tls) = (credentials, tls);
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        // It takes precedence over what the other Secret holds.
        if let Some(secret) = &spec.cert_secret_ref {
            let field = "spec.certSecretRef";
            let data = match self.secret(object, &secret.name, field).await? {
                Ok(data) => data,
                Err(refusal) => return Ok(Err(refusal)),
            };
            match fluvial_source::tls_from_secret_data(&data) {
                Ok(tls) => repository.tls = tls,
                Err(error) => return Ok(Err(error.into())),
            }
        }
        Ok(Ok(repository))
    }
}

fn changed_since(object: &ObjectRef, spec: &HelmRepositorySpec) -> Refusal {
    Refusal {
        reason: "Failed",
        message: format!(
            "cannot fetch {}: {object} was changed or deleted since; it is asked again",
            spec.url
        ),
        terminal: false,
    }
}

/// A field that would change who asks, and that this version does not know how to honour.
fn unsupported(spec: &HelmRepositorySpec) -> Option<Refusal> {
    let provider = spec.provider.unwrap_or_default();
    if !spec.is_oci() || provider == RegistryProvider::Generic {
        return None;
    }
    Some(Refusal {
        reason: "AuthenticationFailed",
        message: format!(
            "cannot log in to {}: spec.provider other than generic is not supported by this version of Fluvial; \
             name a Secret in spec.secretRef",
            git_repository::shown(&spec.url)
        ),
        terminal: true,
    })
}

fn recorded(validators: helm::Validators) -> Validators {
    Validators {
        etag: validators.etag,
        last_modified: validators.last_modified,
    }
}
