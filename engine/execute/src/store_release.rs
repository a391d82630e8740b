//! `StoreRelease`: write a release record to Helm's storage, as helm writes it.
//!
//! What is written is `fluvial-helm`'s plan. Written twice it is written once.

use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_cluster::{Cause, Retry};
use fluvial_event::{Event, ObjectRef, ReleaseStored, StoreRelease};
use fluvial_helm::release::Record;
use fluvial_helm::release::storage::{self, Write};
use fluvial_render::Refusal;

use crate::inspect_release::{failed, json};
use crate::storage::Storage;
use crate::{Executor, Trouble, named};

/// Why a record is not written.
enum Hitch {
    /// Storage cannot be reached or refuses.
    Cluster(fluvial_cluster::Error),
    /// It is another's, or cannot be read.
    Other(String),
}

impl From<fluvial_cluster::Error> for Hitch {
    fn from(error: fluvial_cluster::Error) -> Self {
        Self::Cluster(error)
    }
}

impl Executor {
    pub(crate) async fn store_release(self, command: StoreRelease) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let storage = Storage {
            cluster: self.acting_as(&object, &command.service_account)?,
            namespace: command.storage_namespace.clone(),
            name: command.name.clone(),
        };
        let bytes = self.kept(&command.release).await?;
        let record = Record::from_json(&bytes).map_err(Trouble::Command)?;
        match store(&storage, record, &command).await {
            Ok(snapshots) => Ok(stored(object, command, &snapshots)),
            // Somebody changed the record in between: look again.
            Err(Hitch::Cluster(error))
                if error.retry() == Retry::Soon
                    || matches!(error.cause(), Cause::AlreadyExists { .. }) =>
            {
                Err(error.into())
            }
            Err(Hitch::Cluster(error)) => Ok(refused(object, &command, &error.to_string())),
            Err(Hitch::Other(why)) => Ok(refused(object, &command, &why)),
        }
    }
}

fn stored(object: ObjectRef, command: StoreRelease, snapshots: &[ReleaseSnapshot]) -> Event {
    ReleaseStored {
        object: Some(object),
        snapshots: snapshots.iter().map(json).collect(),
        action: command.action,
        reason: command.reason,
        message: command.message,
        purged: command.purge,
    }
    .into()
}

fn refused(object: ObjectRef, command: &StoreRelease, why: &str) -> Event {
    let StoreRelease {
        action,
        name,
        version,
        storage_namespace,
        ..
    } = command;
    let refusal = Refusal {
        reason: "StateError".to_owned(),
        message: format!(
            "Helm {action} failed for release {name}.v{version}: cannot write its record to namespace \
             {storage_namespace}: {why}"
        ),
    };
    failed(object, 0, refusal)
}

/// Writes the record of `command`, and what follows from it for the others. Answers with what storage holds
/// now, the newest first.
async fn store(
    storage: &Storage,
    record: Record,
    command: &StoreRelease,
) -> Result<Vec<ReleaseSnapshot>, Hitch> {
    let all = storage.all().await?;
    let plan = storage::plan(&all.records, record, command).map_err(Hitch::Other)?;
    for write in plan.writes {
        match write {
            Write::Create(record) => storage.create(&record, &command.attempt).await?,
            Write::Update(record) => storage.update(&all, &record, &command.attempt).await?,
            Write::Delete(version) => storage.delete(version).await?,
        }
    }
    Ok(plan.snapshots)
}
