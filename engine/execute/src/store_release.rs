//! `StoreRelease`: write a release record to Helm's storage, as helm writes it.
//!
//! Written twice it is written once: each Secret says which attempt wrote it last, so a record that is
//! there already is known for this attempt's own, or for somebody else's, which is left alone.

use fluvial_api::helm_release::{ReleaseSnapshot, TestHookStatus};
use fluvial_cluster::{Cause, Retry};
use fluvial_event::{Event, HookRun, ObjectRef, ReleaseStored, StoreRelease};
use fluvial_helm::release::{LastRun, Record};
use fluvial_render::Refusal;

use crate::inspect_release::{failed, json};
use crate::storage::{Storage, Stored, snapshot};
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
    mut record: Record,
    command: &StoreRelease,
) -> Result<Vec<ReleaseSnapshot>, Hitch> {
    let all = storage.all().await?;
    let own = all.iter().find(|it| it.version == command.version);
    if let Some(own) = own
        && is_new(command)
        && own.attempt != command.attempt
    {
        return Err(Hitch::Other(format!(
            "another record of this revision is there, {}, which was not made here; it is looked at again",
            own.status
        )));
    }
    match (command.status.as_str(), own) {
        // The state stays: what is recorded are the tests.
        ("", Some(own)) => record = own.record().map_err(Hitch::Other)?,
        (status, _) => {
            status.clone_into(&mut record.info.status);
            record.info.description.clone_from(&command.description);
        }
    }
    if matches!(command.status.as_str(), "uninstalling" | "uninstalled") {
        record
            .info
            .deleted
            .get_or_insert_with(|| command.at.clone());
    }
    note_runs(&mut record, &command.runs);
    let mut snapshots = vec![own_snapshot(&record, command)];
    if command.purge {
        for old in &all {
            storage.delete(old.version).await?;
        }
        return Ok(snapshots);
    }
    if command.supersede {
        snapshots.extend(supersede(storage, &all, command).await?);
    }
    match own {
        Some(own) => storage.update(own, &record, &command.attempt).await?,
        None if is_new(command) => {
            make_room(storage, &all, command.records_max).await?;
            storage.create(&record, &command.attempt).await?;
        }
        // What is to be changed was deleted meanwhile: there is nothing to say it of.
        None => {}
    }
    snapshots.sort_by_key(|it| std::cmp::Reverse(it.version));
    Ok(snapshots)
}

/// Whether the record is one that this attempt makes, and not one that was there before it.
fn is_new(command: &StoreRelease) -> bool {
    matches!(command.action.as_str(), "install" | "upgrade" | "rollback")
}

fn own_snapshot(record: &Record, command: &StoreRelease) -> ReleaseSnapshot {
    let mut own = snapshot(record, &command.oci_digest);
    if is_new(command) {
        own.action.clone_from(&command.action);
    }
    own.test_hooks = command.tests.as_ref().map(|tests| {
        let status = |run: &HookRun| TestHookStatus {
            last_started: some(&run.started_at),
            last_completed: some(&run.completed_at),
            phase: run.phase.clone(),
        };
        let runs = tests.runs.iter();
        runs.map(|run| (run.name.clone(), Some(status(run))))
            .collect()
    });
    own
}

fn note_runs(record: &mut Record, runs: &[HookRun]) {
    for run in runs {
        let mut hooks = record.hooks.iter_mut().flatten();
        let is_it = |hook: &&mut fluvial_helm::release::RecordedHook| {
            hook.path == run.path && hook.name == run.name
        };
        if let Some(hook) = hooks.find(is_it) {
            hook.last_run = LastRun {
                started_at: some(&run.started_at),
                completed_at: some(&run.completed_at),
                phase: run.phase.clone(),
            };
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// What was deployed before is superseded.
async fn supersede(
    storage: &Storage,
    all: &[Stored],
    command: &StoreRelease,
) -> Result<Vec<ReleaseSnapshot>, Hitch> {
    const SUPERSEDED: &str = "superseded";
    let mut snapshots = Vec::new();
    for old in all.iter().filter(|it| it.version != command.version) {
        let is_done_before = old.status == SUPERSEDED && old.attempt == command.attempt;
        if old.status != "deployed" && !is_done_before {
            continue;
        }
        let mut record = old.record().map_err(Hitch::Other)?;
        if !is_done_before {
            SUPERSEDED.clone_into(&mut record.info.status);
            storage.update(old, &record, &command.attempt).await?;
        }
        snapshots.push(snapshot(&record, ""));
    }
    Ok(snapshots)
}

/// Deletes the oldest records until there is room for one more; what is deployed stays. helm v4.3:
/// `removeLeastRecent` in `pkg/storage/storage.go`.
async fn make_room(storage: &Storage, all: &[Stored], records_max: i64) -> Result<(), Hitch> {
    let Some(kept) = usize::try_from(records_max)
        .ok()
        .and_then(|max| max.checked_sub(1))
    else {
        return Ok(());
    };
    let deployed = all.iter().rev().find(|it| it.status == "deployed");
    let deployed = deployed.map(|it| it.version);
    let surplus = all.len().saturating_sub(kept);
    let old = all.iter().filter(|it| Some(it.version) != deployed);
    for old in old.take(surplus) {
        storage.delete(old.version).await?;
    }
    Ok(())
}
