//! `FetchGit`: ask a git server, and store what is new as an artifact.

use fluvial_api::git_repository::{self, GitProvider};
use fluvial_api::{GitRepository, GitRepositorySpec};
use fluvial_event::{
    Artifact, ArtifactFetched, Commit, Event, FetchGit, ObjectRef, SourceUnchanged,
};
use fluvial_source::{Fetched, GitRequest, Reference, archive};

use crate::refusal::Refusal;
use crate::{Executor, Trouble, named, reference};

/// What a fetch brought, with the artifact stored.
enum Answer {
    Unchanged(String),
    New(Artifact),
    Refused(Refusal),
}

impl Executor {
    pub(crate) async fn fetch_git(self, command: FetchGit) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let generation = command.generation;
        let spec: GitRepositorySpec = serde_json::from_slice(&command.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let answer = match self.declared(&object, generation, spec).await? {
            Ok(spec) => match self.request(&object, spec, command.observed).await? {
                Ok(request) => self.ask(request).await?,
                Err(refusal) => Answer::Refused(refusal),
            },
            Err(refusal) => Answer::Refused(refusal),
        };
        let object = Some(object);
        Ok(match answer {
            Answer::Unchanged(revision) => SourceUnchanged {
                object,
                generation,
                revision,
                validators: None,
            }
            .into(),
            Answer::New(artifact) => ArtifactFetched {
                object,
                generation,
                artifact: Some(artifact),
                ..ArtifactFetched::default()
            }
            .into(),
            Answer::Refused(refusal) => refusal.into_event(object, generation),
        })
    }

    /// The spec with its whole URL, which the record does not have where it may hold a credential.
    async fn declared(
        &self,
        object: &ObjectRef,
        generation: i64,
        spec: GitRepositorySpec,
    ) -> Result<Result<GitRepositorySpec, Refusal>, Trouble> {
        if !spec.is_url_withheld() {
            return Ok(Ok(spec));
        }
        let live = self.cluster.get(&reference(object)).await?;
        let live = live.and_then(|live| GitRepository::read(&live).ok());
        // Another generation is on its way through the log, and brings its own fetch.
        let same = live.filter(|it| it.metadata.generation == generation);
        Ok(same.map(|it| it.spec).ok_or_else(|| Refusal {
            reason: "GitOperationFailed",
            message: format!(
                "cannot fetch {}: {object} was changed or deleted since; it is asked again",
                spec.url
            ),
            terminal: false,
        }))
    }

    async fn request(
        &self,
        object: &ObjectRef,
        spec: GitRepositorySpec,
        observed: String,
    ) -> Result<Result<GitRequest, Refusal>, Trouble> {
        if let Some(field) = unsupported(&spec) {
            return Ok(Err(Refusal {
                reason: "GitOperationFailed",
                message: format!(
                    "cannot fetch {}: spec.{field} is not supported by this version of Fluvial; remove it",
                    git_repository::shown(&spec.url)
                ),
                terminal: true,
            }));
        }
        let mut request = GitRequest::new(&spec.url);
        request.timeout = spec.timeout.as_std();
        request.observed = Some(observed).filter(|revision| !revision.is_empty());
        request.ignore = spec.ignore;
        request.sparse_checkout = spec.sparse_checkout;
        request.recurse_submodules = spec.recurse_submodules;
        request.tenant.clone_from(&object.namespace);
        if let Some(reference) = spec.r#ref {
            request.reference = Reference {
                branch: reference.branch,
                tag: reference.tag,
                semver: reference.semver,
                commit: reference.commit,
                name: reference.name,
            };
        }
        if let Some(secret) = spec.secret_ref {
            let found = match self.secret(object, &secret.name, "spec.secretRef").await? {
                Ok(data) => {
                    fluvial_source::from_secret_data(&spec.url, &data).map_err(Refusal::from)
                }
                Err(refusal) => Err(refusal),
            };
            match found {
                Ok((credentials, tls)) => (request.credentials, request.tls) = (credentials, tls),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        if let Some(secret) = spec.proxy_secret_ref {
            let found = match self
                .secret(object, &secret.name, "spec.proxySecretRef")
                .await?
            {
                Ok(data) => fluvial_source::proxy_from_secret_data(&data).map_err(Refusal::from),
                Err(refusal) => Err(refusal),
            };
            match found {
                Ok(proxy) => request.proxy = Some(proxy),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(request))
    }

    async fn ask(self, request: GitRequest) -> Result<Answer, Trouble> {
        tokio::task::spawn_blocking(move || {
            let fetched = match fluvial_source::fetch(&request, &self.cache) {
                Ok(fetched) => fetched,
                Err(error) => return Ok(Answer::Refused(error.into())),
            };
            let (revision, commit, tree) = match fetched {
                Fetched::Unchanged { revision } => return Ok(Answer::Unchanged(revision)),
                Fetched::New {
                    revision,
                    commit,
                    tree,
                } => (revision, commit, tree),
            };
            let packed = match archive::pack(&tree) {
                Ok(packed) => packed,
                Err(error) => return Ok(Answer::Refused(error.into())),
            };
            let blob = self.blobs.put(&packed)?.to_string();
            Ok(Answer::New(Artifact {
                revision,
                digest: archive::digest(&packed),
                bytes: packed.len() as u64,
                blob,
                commit: Some(Commit {
                    sha: commit.sha,
                    author_name: commit.author.name,
                    author_email: commit.author.email,
                    subject: commit.subject,
                    authored_at: commit.author.time,
                }),
            }))
        })
        .await?
    }
}

/// A field that would change what is fetched, and that this version does not know how to honour.
fn unsupported(spec: &GitRepositorySpec) -> Option<&'static str> {
    if spec.verify.is_some() {
        Some("verify")
    } else if !spec.include.is_empty() {
        Some("include")
    } else if spec.provider != GitProvider::Generic {
        Some("provider")
    } else {
        None
    }
}
