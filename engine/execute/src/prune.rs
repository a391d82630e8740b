//! `PruneObjects`: delete what an owner no longer wants, last applied first.
//!
//! Nothing is deleted on the command's word alone: the object must still be the one that was known, by
//! its uid, and still carry its owner's labels. Where that is asked for, what was deleted is waited for, as
//! helm does it when it uninstalls: a finalizer may hold it.

use std::collections::BTreeMap;
use std::time::Duration;

use fluvial_apply::{Owner, order, prune};
use fluvial_cluster::{Cause, Cluster, Delete, Propagation, Reference, Retry};
use fluvial_event::{Event, ObjectFailure, ObjectRef, ObjectsPruned, PruneObjects};
use fluvial_manifest::ObjectId;
use serde_json::Value;
use tokio::time::Instant;

use crate::{Executor, Trouble, named, reference};

/// The first and the longest pause between two looks at what is to go.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What became of one object.
enum Fate {
    Gone,
    /// It was asked to go; the uid of what may still be there.
    Going(String),
    Left,
}

impl Executor {
    pub(crate) async fn prune(self, command: PruneObjects) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let owner = if command.release_name.is_empty() {
            Owner::kustomization(&object.namespace, &object.name)
        } else {
            Owner::release(&command.release_namespace, &command.release_name)
        };
        let propagation = propagation(&command.propagation);
        let cluster = self.acting_as(&object, &command.service_account)?;
        let mut outcome = ObjectsPruned {
            object: Some(object.clone()),
            ..ObjectsPruned::default()
        };
        let mut going = Vec::new();
        for (doomed, uid) in in_order(command.objects) {
            match delete(&cluster, &owner, &doomed, &uid, propagation).await {
                Ok(Fate::Gone) => outcome.pruned.push(doomed),
                Ok(Fate::Going(uid)) => going.push((doomed, uid)),
                Ok(Fate::Left) => outcome.left.push(doomed),
                Err(error) if error.retry() == Retry::Soon => return Err(error.into()),
                Err(error) if was_never_seen(&uid, &error) => outcome.left.push(doomed),
                Err(error)
                    if self
                        .has_lost_its_account(&object, &command.service_account, &error)
                        .await =>
                {
                    outcome.left.push(doomed);
                }
                Err(error) => outcome.failures.push(ObjectFailure {
                    reason: reason(error.cause()).to_owned(),
                    message: error.to_string(),
                    object: Some(doomed),
                }),
            }
        }
        let within = Duration::from_millis(command.gone_within_ms.try_into().unwrap_or_default());
        for (object, held) in await_gone(&cluster, going, within).await? {
            match held {
                None => outcome.pruned.push(object),
                Some(message) => outcome.failures.push(ObjectFailure {
                    reason: "Timeout".to_owned(),
                    message,
                    object: Some(object),
                }),
            }
        }
        Ok(outcome.into())
    }

    /// A tenant whose account is gone can no longer delete: its objects stay, as with Flux, rather than
    /// hold its namespace's deletion up for ever.
    async fn has_lost_its_account(
        &self,
        object: &ObjectRef,
        account: &str,
        error: &fluvial_cluster::Error,
    ) -> bool {
        if account.is_empty() || !matches!(error.cause(), Cause::Forbidden { .. }) {
            return false;
        }
        let account = Reference::new("v1", "ServiceAccount", &object.namespace, account);
        matches!(self.cluster.get(&account).await, Ok(None))
    }
}

/// Whether nobody ever saw this object, and the tenant may not even ask for it, or nobody can: its apply
/// was refused. What a tenant was never let near is not its to delete, and must not hold it up.
fn was_never_seen(uid: &str, error: &fluvial_cluster::Error) -> bool {
    let is_refused = matches!(
        error.cause(),
        Cause::Forbidden { .. } | Cause::Address { .. }
    );
    uid.is_empty() && is_refused
}

/// What Flux's word for it means.
fn propagation(word: &str) -> Propagation {
    match word {
        "foreground" => Propagation::Foreground,
        "orphan" => Propagation::Orphan,
        _ => Propagation::Background,
    }
}

fn in_order(doomed: Vec<fluvial_event::Doomed>) -> Vec<(ObjectRef, String)> {
    let mut by_id: BTreeMap<ObjectId, (ObjectRef, String)> = doomed
        .into_iter()
        .filter_map(|doomed| doomed.object.map(|object| (object, doomed.uid)))
        .map(|(object, uid)| (id(&object), (object, uid)))
        .collect();
    let mut ids: Vec<_> = by_id.keys().cloned().collect();
    order::sort_for_prune(&mut ids);
    ids.iter().filter_map(|id| by_id.remove(id)).collect()
}

fn id(object: &ObjectRef) -> ObjectId {
    ObjectId {
        group: object.group.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

async fn delete(
    cluster: &Cluster,
    owner: &Owner,
    doomed: &ObjectRef,
    uid: &str,
    propagation: Propagation,
) -> Result<Fate, fluvial_cluster::Error> {
    let target = reference(doomed);
    let live = cluster.get(&target).await?;
    let uid = match prune::fate(live.as_ref(), owner, uid) {
        prune::Fate::Gone => return Ok(Fate::Gone),
        prune::Fate::Left => return Ok(Fate::Left),
        prune::Fate::Deleted { uid } => uid,
    };
    let how = Delete {
        uid: Some(uid),
        resource_version: None,
        propagation,
    };
    match cluster.delete(&target, &how).await {
        Ok(_) => Ok(Fate::Going(how.uid.unwrap_or_default())),
        // Another object took its place between the look and the deletion.
        Err(error) if matches!(error.cause(), Cause::Conflict { .. }) => Ok(Fate::Left),
        Err(error) => Err(error),
    }
}

/// Each object, and what holds it where it is not gone `within` that time. Another object of its name is not
/// the one that was to go.
async fn await_gone(
    cluster: &Cluster,
    going: Vec<(ObjectRef, String)>,
    within: Duration,
) -> Result<Vec<(ObjectRef, Option<String>)>, fluvial_cluster::Error> {
    let deadline = Instant::now() + within;
    let mut all = Vec::new();
    for (object, uid) in going {
        let mut pause = PAUSE;
        let held = loop {
            if within.is_zero() {
                break None;
            }
            let live = cluster.get(&reference(&object)).await?;
            let Some(live) = live.filter(|live| text(live, "/metadata/uid") == uid) else {
                break None;
            };
            if Instant::now() >= deadline {
                break Some(held(&object, &live, within));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        all.push((object, held));
    }
    Ok(all)
}

fn held(object: &ObjectRef, live: &Value, within: Duration) -> String {
    let finalizers = live.pointer("/metadata/finalizers");
    let names = finalizers.and_then(Value::as_array).into_iter().flatten();
    let names: Vec<_> = names.filter_map(Value::as_str).collect();
    let seconds = within.as_secs_f64();
    let object = object.identity();
    if names.is_empty() {
        return format!("{object} is not gone after {seconds}s, the timeout");
    }
    let names = names.join(", ");
    format!("{object} is not gone after {seconds}s, the timeout: its finalizers hold it: {names}")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// Kubernetes' word for why a request failed.
pub(crate) fn reason(cause: &Cause) -> &'static str {
    match cause {
        Cause::Unauthorized { .. } => "Unauthorized",
        Cause::Forbidden { .. } => "Forbidden",
        Cause::NotFound { .. } | Cause::NotServed { .. } => "NotFound",
        Cause::AlreadyExists { .. } => "AlreadyExists",
        Cause::Conflict { .. } => "Conflict",
        Cause::Invalid { .. } => "Invalid",
        Cause::Gone { .. } => "Expired",
        Cause::Throttled { .. } => "TooManyRequests",
        Cause::Timeout { .. } => "Timeout",
        Cause::Unreachable { .. } => "ServiceUnavailable",
        Cause::UnknownKind { .. } => "NoMatch",
        Cause::Deposed
        | Cause::Address { .. }
        | Cause::Configuration { .. }
        | Cause::Other { .. } => "Unknown",
    }
}
