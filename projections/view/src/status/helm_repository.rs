//! The status of a HelmRepository, in source-controller's words.
//!
//! Nothing is ever said of one of type `oci`, and an index that is the same changes nothing here.

use fluvial_api::HelmRepositoryStatus;
use fluvial_api::condition::{self, ARTIFACT_IN_STORAGE, FETCH_FAILED, Truth};
use fluvial_event::{Concluded, Event, command};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::{Context, Write, artifact};

/// What is said of one HelmRepository.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct HelmRepository {
    pub(super) status: HelmRepositoryStatus,
}

impl Write for HelmRepository {
    type Written = HelmRepositoryStatus;

    fn written(&self) -> &HelmRepositoryStatus {
        &self.status
    }
}

impl HelmRepository {
    pub(super) fn apply(&mut self, context: &Context<'_>) {
        match &context.record.event {
            Event::CommandIssued(issued) => {
                let kind = issued.command.as_ref().and_then(|it| it.kind.as_ref());
                if let Some(command::Kind::FetchHelmRepository(fetch)) = kind
                    && self.status.observed_generation != Some(fetch.generation)
                {
                    let message =
                        format!("reconciling new object generation ({})", fetch.generation);
                    conditions::progress(&mut self.status.conditions, context, &message);
                }
            }
            Event::ArtifactFetched(fetched) => {
                if let Some(index) = &fetched.artifact {
                    let hash = index.revision.trim_start_matches("sha256:");
                    let file = format!("index-{hash}.yaml");
                    self.status.artifact = Some(artifact::served(context, index, &file));
                    self.status.url = Some(artifact::url(context, "index.yaml"));
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
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
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
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => {}
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
            condition::remove(list, FETCH_FAILED);
            conditions::succeed(list, context, &said);
            conditions::mark(list, context, ARTIFACT_IN_STORAGE, Truth::True, &said);
            self.status.observed_generation = Some(concluded.generation);
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

    fn handled(&mut self, requested_at: &str) {
        if !requested_at.is_empty() {
            self.status.last_handled_reconcile_at = Some(requested_at.to_owned());
        }
    }
}
