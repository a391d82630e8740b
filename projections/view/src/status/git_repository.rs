//! The status of a GitRepository, in source-controller's words.
//!
//! A source that is asked and has nothing new changes nothing here, so that nothing is written.

use fluvial_api::condition::{self, ARTIFACT_IN_STORAGE, FETCH_FAILED, Truth};
use fluvial_api::git_repository::GitInclude;
use fluvial_api::status::Artifact;
use fluvial_api::{GitRepositorySpec, GitRepositoryStatus};
use fluvial_event::{Concluded, Event, ResourceObserved, command};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
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

    pub(super) fn apply(&mut self, context: &Context<'_>) {
        match &context.record.event {
            Event::CommandIssued(issued) => {
                let kind = issued.command.as_ref().and_then(|it| it.kind.as_ref());
                if let Some(command::Kind::FetchGit(fetch)) = kind {
                    self.begin(context, fetch.generation);
                }
            }
            Event::ArtifactFetched(fetched) => {
                if let Some(artifact) = &fetched.artifact {
                    self.status.artifact = Some(served(context, artifact));
                }
            }
            Event::Waited(waited) => {
                if waited.reason != "Suspended" {
                    self.handled(context.requested_at);
                    let said = Saying {
                        reason: &waited.reason,
                        message: &waited.message,
                    };
                    conditions::fail(&mut self.status.conditions, context, &said);
                }
            }
            Event::Concluded(concluded) => self.conclude(context, concluded),
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::HoldEnded(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => {}
        }
    }

    /// Only a new generation is news before there is an answer.
    fn begin(&mut self, context: &Context<'_>, generation: i64) {
        if self.status.observed_generation != Some(generation) {
            let message = format!("reconciling new object generation ({generation})");
            conditions::progress(&mut self.status.conditions, context, &message);
        }
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        self.handled(&concluded.requested_at);
        let list = &mut self.status.conditions;
        let said = Saying {
            reason: &concluded.reason,
            message: &concluded.message,
        };
        if concluded.ready {
            let message = format!("stored artifact for revision '{}'", concluded.revision);
            let said = Saying {
                reason: "Succeeded",
                message: &message,
            };
            condition::remove(list, FETCH_FAILED);
            conditions::succeed(list, context, &said);
            conditions::mark(list, context, ARTIFACT_IN_STORAGE, Truth::True, &said);
            self.status.observed_generation = Some(concluded.generation);
            self.observed();
            return;
        }
        if concluded.reason != "InvalidSpec" {
            conditions::mark(list, context, FETCH_FAILED, Truth::True, &said);
        }
        if concluded.stalled {
            conditions::stall(list, context, &said);
            self.status.observed_generation = Some(concluded.generation);
        } else {
            conditions::fail(list, context, &said);
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

    fn handled(&mut self, requested_at: &str) {
        if !requested_at.is_empty() {
            self.status.last_handled_reconcile_at = Some(requested_at.to_owned());
        }
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
