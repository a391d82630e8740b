//! The status of a GitRepository, in source-controller's words.
//!
//! A source that is asked and has nothing new changes nothing here, so that nothing is written.

use fluvial_api::git_repository::GitInclude;
use fluvial_api::status::Artifact;
use fluvial_api::{GitRepositorySpec, GitRepositoryStatus};
use fluvial_event::{Concluded, ResourceObserved, command};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::Saying;
use super::source::{fetching, source};
use super::told::Told;
use super::{Context, Write, artifact};

/// What is said of one GitRepository.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct GitRepository {
    pub(super) status: GitRepositoryStatus,
    /// None where the spec cannot be read.
    asked: Option<Asked>,
}

/// What of a spec stands in the status, once an artifact was made with it.
#[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Asked {
    ignore: Option<String>,
    include: Vec<GitInclude>,
    recurse_submodules: bool,
    sparse_checkout: Vec<String>,
}

impl From<GitRepositorySpec> for Asked {
    fn from(spec: GitRepositorySpec) -> Self {
        Self {
            ignore: spec.ignore,
            include: spec.include,
            recurse_submodules: spec.recurse_submodules,
            sparse_checkout: spec.sparse_checkout,
        }
    }
}

impl Write for GitRepository {
    type Written = GitRepositoryStatus;

    fn written(&self) -> &GitRepositoryStatus {
        &self.status
    }
}

impl GitRepository {
    pub(super) fn observe(&mut self, seen: &ResourceObserved) {
        let spec = serde_json::from_slice::<GitRepositorySpec>(&seen.spec);
        self.asked = spec.ok().map(Asked::from);
    }

    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => {
                if let Some(command::Kind::FetchGit(fetch)) = &command.kind {
                    source!(self.status).begin(context, fetch.generation);
                }
            }
            Told::Fetched(fetched) => {
                if let Some(artifact) = &fetched.artifact {
                    self.status.artifact = Some(served(context, artifact));
                }
            }
            Told::Waited(waited) => source!(self.status).wait(context, waited),
            Told::Concluded(concluded) => self.conclude(context, concluded),
            Told::Recalled(_) | Told::RecallFailed(_) | Told::HoldEnded | Told::OfRelease(_) => {}
        }
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        let stored = Saying {
            reason: "Succeeded",
            message: &format!("stored artifact for revision '{}'", concluded.revision),
        };
        source!(self.status).conclude(context, concluded, &stored, fetching(concluded));
        if concluded.ready {
            self.observed();
        }
    }

    /// Notes what the artifact was made with.
    fn observed(&mut self) {
        let Some(asked) = &self.asked else {
            return;
        };
        self.status.observed_ignore.clone_from(&asked.ignore);
        self.status.observed_include.clone_from(&asked.include);
        self.status.observed_recurse_submodules = asked.recurse_submodules;
        let sparse = &mut self.status.observed_sparse_checkout;
        sparse.clone_from(&asked.sparse_checkout);
    }
}

/// The artifact as Flux names it: `<commit>.tar.gz`.
fn served(context: &Context<'_>, artifact: &fluvial_event::Artifact) -> Artifact {
    let commit = artifact
        .revision
        .rsplit_once(':')
        .map_or(artifact.revision.as_str(), |(_, commit)| commit);
    artifact::served(context, artifact, &format!("{commit}.tar.gz"))
}
