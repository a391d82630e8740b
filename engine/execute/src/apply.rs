//! `ApplyObjects`: server-side apply of one stage, or of what drifted.
//!
//! Objects are applied in order, several at a time. What fails stands beside what succeeds; a server
//! that cannot be reached is trouble of the engine's, and the whole command is carried out again.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluvial_apply::drift;
use fluvial_apply::health::expression;
use fluvial_cluster::{Apply, Cluster, Delete, Propagation, Reference, Retry, Takeover};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Event, HealthExpression, ObjectFailure, ObjectsApplied,
    Rendered,
};
use fluvial_log::Key;
use fluvial_manifest::digest::canonical;
use fluvial_manifest::object;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::prune::reason;
use crate::{Executor, FIELD_MANAGER, Trouble, field_manager, named, parsed};

/// Objects of one command that are applied at a time.
const AT_A_TIME: usize = 8;
/// How long a deleted object has to go before it is created again.
const RECREATE_TIMEOUT: Duration = Duration::from_secs(30);

/// What one object came to.
enum Outcome {
    Applied(AppliedObject),
    Failed(ObjectFailure),
}

impl Executor {
    pub(crate) async fn apply(self, command: ApplyObjects) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let cluster = self.acting_as(&object, &command.service_account)?;
        let how = How {
            cluster: &cluster,
            field_manager: field_manager(&object),
            force: command.force,
            is_repair: !command.repair.is_empty(),
            checks: &command.health,
        };
        let (executor, how) = (&self, &how);
        let results: Vec<_> = stream::iter(command.objects)
            .map(|rendered| async move { executor.apply_one(how, rendered).await })
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        let mut outcome = ObjectsApplied {
            object: Some(object),
            ..ObjectsApplied::default()
        };
        for result in results {
            match result {
                Outcome::Applied(applied) => outcome.applied.push(applied),
                Outcome::Failed(failure) => outcome.failures.push(failure),
            }
        }
        Ok(outcome.into())
    }

    async fn apply_one(&self, how: &How<'_>, rendered: Rendered) -> Result<Outcome, Trouble> {
        let target = named(rendered.object.clone())?;
        let digest = parsed(&rendered.manifest)?;
        let manifest: Value = serde_json::from_slice(&self.blobs.get(&digest)?)
            .map_err(|error| Trouble::Command(format!("blob {digest} is no manifest: {error}")))?;
        let force = how.force || rendered.force;
        let done = match how.skip(&rendered, &manifest).await {
            Ok(Some(live)) => Ok((live, Action::Skipped)),
            Ok(None) => how.apply(&rendered, &manifest, force).await,
            Err(error) => Err(error),
        };
        match done {
            Ok((live, action)) => Ok(Outcome::Applied(applied(
                &self.key,
                rendered,
                &manifest,
                &live,
                (action, how.checks),
            ))),
            Err(error) if error.retry() == Retry::Soon => Err(error.into()),
            Err(error) => {
                let hint = if error.immutable() && !force {
                    how.hint()
                } else {
                    ""
                };
                Ok(Outcome::Failed(ObjectFailure {
                    object: Some(target),
                    reason: reason(error.cause()).to_owned(),
                    message: format!("{error}{hint}"),
                }))
            }
        }
    }
}

/// How the objects of one command are applied.
struct How<'a> {
    cluster: &'a Cluster,
    field_manager: &'static str,
    force: bool,
    /// What is left to others keeps the values that it has.
    is_repair: bool,
    /// By which health is judged, where the kind has one.
    checks: &'a [HealthExpression],
}

impl How<'_> {
    /// The live object, where its markers say to leave it as it is.
    async fn skip(
        &self,
        rendered: &Rendered,
        manifest: &Value,
    ) -> Result<Option<Value>, fluvial_cluster::Error> {
        if rendered.policy != "IfNotPresent" {
            return Ok(None);
        }
        self.cluster.get(&Reference::of(manifest)?).await
    }

    async fn apply(
        &self,
        rendered: &Rendered,
        manifest: &Value,
        force: bool,
    ) -> Result<(Value, Action), fluvial_cluster::Error> {
        if !self.is_repair || rendered.ignored.is_empty() {
            return self.apply_or_recreate(manifest, force).await;
        }
        let live = self.cluster.get(&Reference::of(manifest)?).await?;
        let manifest = match &live {
            Some(live) => drift::leave(manifest, live, &rendered.ignored),
            None => Cow::Borrowed(manifest),
        };
        self.apply_or_recreate(&manifest, force).await
    }

    async fn apply_or_recreate(
        &self,
        manifest: &Value,
        force: bool,
    ) -> Result<(Value, Action), fluvial_cluster::Error> {
        // What helm itself released is taken over whole, or what leaves the chart would stay for ever.
        let also = match self.field_manager {
            FIELD_MANAGER => Vec::new(),
            _ => vec!["helm".to_owned()],
        };
        let how = Apply {
            field_manager: self.field_manager.to_owned(),
            takeover: Takeover::Legacy { also },
            ..Apply::flux()
        };
        match self.cluster.apply(manifest, &how).await {
            Ok(applied) => Ok((applied.object, action(applied.action))),
            Err(error) if force && error.immutable() => {
                remove(self.cluster, &Reference::of(manifest)?).await?;
                let applied = self.cluster.apply(manifest, &how).await?;
                Ok((applied.object, Action::Recreated))
            }
            Err(error) => Err(error),
        }
    }

    /// What to do about a field that may not change.
    fn hint(&self) -> &'static str {
        match self.field_manager {
            FIELD_MANAGER => {
                "; to delete and create it again, set spec.force, or the annotation \
                 kustomize.toolkit.fluxcd.io/force: enabled on it"
            }
            _ => "; to delete and create it again, set spec.upgrade.force",
        }
    }
}

/// Deletes an object and waits until it is gone.
async fn remove(cluster: &Cluster, target: &Reference) -> Result<(), fluvial_cluster::Error> {
    let Some(live) = cluster.get(target).await? else {
        return Ok(());
    };
    let uid = live
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let how = Delete {
        uid: uid.clone(),
        resource_version: None,
        propagation: Propagation::Background,
    };
    cluster.delete(target, &how).await?;
    let gone = async {
        let mut pause = Duration::from_millis(20);
        while let Some(live) = cluster.get(target).await? {
            if live.pointer("/metadata/uid").and_then(Value::as_str) != uid.as_deref() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok(())
    };
    // What does not go in time makes the apply fail with the error it had before.
    tokio::time::timeout(RECREATE_TIMEOUT, gone)
        .await
        .unwrap_or(Ok(()))
}

fn action(action: fluvial_cluster::Action) -> Action {
    match action {
        fluvial_cluster::Action::Created => Action::Created,
        fluvial_cluster::Action::Configured => Action::Configured,
        fluvial_cluster::Action::Unchanged => Action::Unchanged,
    }
}

fn applied(
    key: &Key,
    rendered: Rendered,
    manifest: &Value,
    live: &Value,
    (action, checks): (Action, &[HealthExpression]),
) -> AppliedObject {
    let text = |pointer| {
        live.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let (group, _) = object::group_version(object::api_version(live));
    let is_kind = |it: &&HealthExpression| it.group == group && it.kind == object::kind(live);
    let check = checks.iter().find(is_kind);
    let health = expression::status_by(check, live, now);
    let digest = key
        .mac(&canonical(&drift::projection(
            &drift::without(manifest, &rendered.ignored),
            live,
        )))
        .to_string();
    // The server says that it was created or not; whether that changed anything, the digest says.
    let action = match action {
        Action::Configured if digest == rendered.live => Action::Unchanged,
        action => action,
    };
    AppliedObject {
        health: health.recorded().into(),
        health_message: health.message().to_owned(),
        judged: check.map(expression::mark).unwrap_or_default(),
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
        live: digest,
        action: action.into(),
        rendered: Some(rendered),
    }
}
