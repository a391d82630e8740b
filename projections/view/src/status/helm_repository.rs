//! The status of a HelmRepository, in source-controller's words.
//!
//! Nothing is ever said of one of type `oci`, and an index that is the same changes nothing here.

use fluvial_api::HelmRepositoryStatus;
use fluvial_event::command;
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::Saying;
use super::source::{fetching, source};
use super::told::Told;
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
    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => {
                if let Some(command::Kind::FetchHelmRepository(fetch)) = &command.kind {
                    source!(self.status).begin(context, fetch.generation);
                }
            }
            Told::Fetched(fetched) => {
                if let Some(index) = &fetched.artifact {
                    let hash = index.revision.trim_start_matches("sha256:");
                    let file = format!("index-{hash}.yaml");
                    self.status.artifact = Some(artifact::served(context, index, &file));
                    self.status.url = Some(artifact::url(context, "index.yaml"));
                }
            }
            Told::Waited(waited) => source!(self.status).wait(context, waited),
            Told::Concluded(concluded) => {
                let said = Saying::of_end(concluded);
                source!(self.status).conclude(context, concluded, &said, fetching(concluded));
            }
            Told::Recalled(_) | Told::RecallFailed(_) | Told::HoldEnded | Told::OfRelease(_) => {}
        }
    }
}
