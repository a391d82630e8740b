//! How it is done: one command to the outside, one event back.
//!
//! [`Executor::execute`] is the one entry: a function from a command to an event, with one file for
//! each command. A failure is an event too. It knows neither reducers nor the loop.
//!
//! Invariants: every command can be carried out twice with the effect of once; nothing is deleted that
//! is another's; no event carries a secret; a tenant's objects are touched as the tenant only.

mod apply;
pub mod build;
pub mod data;
mod declare_chart;
mod fetch_git;
mod fetch_helm_chart;
mod fetch_helm_repository;
mod fetch_oci;
mod finalizer;
mod inspect_release;
mod prune;
mod recall;
mod recall_release;
mod refusal;
mod released;
mod render_release;
pub mod rendering;
mod run_hook;
pub mod scopes;
mod storage;
mod store_release;
pub mod values;
pub mod variables;

use std::path::PathBuf;
use std::sync::Arc;

use fluvial_api::kinds;
use fluvial_cluster::Cluster;
use fluvial_event::{Command, CommandFailed, Digest, Event, ObjectRef, ParseDigestError, command};
use fluvial_log::{BlobStore, Key};
use fluvial_render::Renderer;

pub use crate::recall::History;

/// The field manager of what is applied for Kustomizations, as Flux's, so that a cluster can change hands.
pub const FIELD_MANAGER: &str = "kustomize-controller";

/// Carries commands out.
#[derive(Clone)]
pub struct Executor {
    cluster: Cluster,
    blobs: Arc<dyn BlobStore>,
    history: Arc<dyn History>,
    key: Key,
    cache: PathBuf,
    renderer: Renderer,
}

/// Why a command has no outcome of its own: the engine or the cluster is in trouble, not the object.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Cluster(#[from] fluvial_cluster::Error),
    #[error(transparent)]
    Log(#[from] fluvial_log::Error),
    #[error("cannot read the command: {0}")]
    Command(String),
    #[error(transparent)]
    Render(#[from] fluvial_render::Error),
    #[error("cannot finish the work: {0}")]
    Work(#[from] tokio::task::JoinError),
}

impl Executor {
    /// Acts on `cluster`, keeps large things in `blobs`, looks rollbacks up in `history`, keeps git objects
    /// under `cache`, and has manifests built by `renderer`.
    pub fn new(
        cluster: Cluster,
        blobs: Arc<dyn BlobStore>,
        history: Arc<dyn History>,
        key: Key,
        cache: PathBuf,
        renderer: Renderer,
    ) -> Self {
        Self {
            cluster,
            blobs,
            history,
            key,
            cache,
            renderer,
        }
    }

    /// Carries `command` out and says what came of it.
    pub async fn execute(self, command: Command) -> Event {
        let object = command.object().cloned();
        let done = match command.kind {
            Some(command::Kind::FetchGit(it)) => self.fetch_git(it).await,
            Some(command::Kind::FetchOci(it)) => self.fetch_oci(it).await,
            Some(command::Kind::FetchHelmRepository(it)) => self.fetch_helm_repository(*it).await,
            Some(command::Kind::FetchHelmChart(it)) => self.fetch_helm_chart(*it).await,
            Some(command::Kind::BuildKustomization(it)) => self.build(it).await,
            Some(command::Kind::ApplyObjects(it)) => self.apply(it).await,
            Some(command::Kind::PruneObjects(it)) => self.prune(it).await,
            Some(command::Kind::SetFinalizer(it)) => self.set_finalizer(it).await,
            Some(command::Kind::RecallManifests(it)) => self.recall(*it).await,
            Some(command::Kind::DeclareChart(it)) => self.declare_chart(*it).await,
            Some(command::Kind::InspectRelease(it)) => self.inspect_release(*it).await,
            Some(command::Kind::RenderRelease(it)) => self.render_release(*it).await,
            Some(command::Kind::RecallRelease(it)) => self.recall_release(*it).await,
            Some(command::Kind::StoreRelease(it)) => self.store_release(*it).await,
            Some(command::Kind::RunHook(it)) => self.run_hook(*it).await,
            None => Err(Trouble::Command(
                "it is of a kind that this version does not know".into(),
            )),
        };
        done.unwrap_or_else(|trouble| {
            tracing::warn!(object = object.as_ref().map(ObjectRef::to_string), %trouble, "A command failed.");
            CommandFailed { object, message: trouble.to_string() }.into()
        })
    }

    /// The cluster as seen by the ServiceAccount of a tenant, or by the engine where none is named.
    fn acting_as(&self, owner: &ObjectRef, account: &str) -> Result<Cluster, Trouble> {
        if account.is_empty() {
            return Ok(self.cluster.clone());
        }
        let account = fluvial_cluster::ServiceAccount::new(&owner.namespace, account)?;
        Ok(self.cluster.impersonate(account))
    }
}

/// The object as the cluster addresses it.
fn reference(object: &ObjectRef) -> fluvial_cluster::Reference {
    fluvial_cluster::Reference {
        group: object.group.clone(),
        version: object.version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

/// The field manager of what is applied for `owner`: that of Flux's controller of its kind.
fn field_manager(owner: &ObjectRef) -> &'static str {
    kinds::find(&owner.group, &owner.kind).map_or(FIELD_MANAGER, |kind| kind.controller)
}

/// The digest that a command names.
fn parsed(digest: &str) -> Result<Digest, Trouble> {
    let parsed = digest.parse();
    parsed.map_err(|error: ParseDigestError| Trouble::Command(error.to_string()))
}

/// The object that a command must name.
fn named(object: Option<ObjectRef>) -> Result<ObjectRef, Trouble> {
    object.ok_or_else(|| Trouble::Command("it names no object".into()))
}
