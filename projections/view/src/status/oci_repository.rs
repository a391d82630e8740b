//! The status of an OCIRepository, in source-controller's words.
//!
//! An artifact that is asked for and is the same changes nothing here, so that nothing is written.

use fluvial_api::condition::{SOURCE_VERIFIED, Truth};
use fluvial_api::oci_repository::LayerSelector;
use fluvial_api::{OciRepositorySpec, OciRepositoryStatus, Reason};
use fluvial_event::{ArtifactFetched, Concluded, ResourceObserved, command};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::source::{fetching, source};
use super::told::Told;
use super::{Context, Write, artifact};

/// What is said of one OCIRepository.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct OciRepository {
    pub(super) status: OciRepositoryStatus,
    /// None where the spec cannot be read.
    asked: Option<Asked>,
}

/// What of a spec stands in the status, once an artifact was made with it.
#[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Asked {
    ignore: Option<String>,
    layer_selector: Option<LayerSelector>,
}

impl Write for OciRepository {
    type Written = OciRepositoryStatus;

    fn written(&self) -> &OciRepositoryStatus {
        &self.status
    }
}

impl OciRepository {
    pub(super) fn observe(&mut self, seen: &ResourceObserved) {
        let spec = serde_json::from_slice::<OciRepositorySpec>(&seen.spec);
        self.asked = spec.ok().map(|spec| Asked {
            ignore: spec.ignore,
            layer_selector: spec.layer_selector,
        });
    }

    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => {
                if let Some(command::Kind::FetchOci(fetch)) = &command.kind {
                    source!(self.status).begin(context, fetch.generation);
                }
            }
            Told::Fetched(fetched) => self.fetched(context, fetched),
            Told::Waited(waited) => source!(self.status).wait(context, waited),
            Told::Concluded(concluded) => self.conclude(context, concluded),
            Told::Recalled(_) | Told::RecallFailed(_) | Told::HoldEnded | Told::OfRelease(_) => {}
        }
    }

    fn fetched(&mut self, context: &Context<'_>, fetched: &ArtifactFetched) {
        let Some(found) = &fetched.artifact else {
            return;
        };
        let digest = found.revision.rsplit('@').next().unwrap_or_default();
        let mut served = artifact::served(context, found, &format!("{digest}.tar.gz"));
        served.metadata.clone_from(&fetched.metadata);
        self.status.artifact = Some(served);
        self.status.url = Some(artifact::url(context, "latest.tar.gz"));
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        let said = Saying::of_end(concluded);
        let is_unverified = concluded.reason == Reason::VerificationError.as_str();
        let failed = fetching(concluded).filter(|_| !is_unverified);
        source!(self.status).conclude(context, concluded, &said, failed);
        if is_unverified {
            let list = &mut self.status.conditions;
            conditions::mark(list, context, SOURCE_VERIFIED, Truth::False, &said);
        }
        if let (true, Some(asked)) = (concluded.ready, &self.asked) {
            self.status.observed_ignore.clone_from(&asked.ignore);
            let layer = &mut self.status.observed_layer_selector;
            layer.clone_from(&asked.layer_selector);
        }
    }
}
