//! Keeps the watches, and appends what they say in batches: what is ready is looked at together and
//! appended together.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluvial_api::kinds::Kind;
use fluvial_cluster::{Resource, Retry, Selector, Watched};
use fluvial_event::Offset;
use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::hear::{Heard, Listener};
use crate::live::{self, Scope};
use crate::{Ingest, Stopped};

/// Watch events that are looked at together.
const BATCH: usize = 256;

/// Follows one Flux kind until the log stops.
pub(crate) async fn declared(ingest: Ingest, kind: &'static Kind) {
    let resource = resource(&ingest, kind.group, "", kind.kind).await;
    let listener = Listener::declared(kind, ingest.known.clone());
    follow(&ingest, &resource, &Selector::default(), listener).await;
}

/// Keeps one watch for each kind of watched objects, until the log stops.
pub(crate) async fn live(ingest: Ingest, mut head: watch::Receiver<Offset>) {
    let mut watches: BTreeMap<Scope, JoinHandle<()>> = BTreeMap::new();
    loop {
        let wanted = live::wanted(&ingest.known.world());
        watches.retain(|scope, task| {
            let stays = wanted.contains(scope) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for scope in wanted {
            watches
                .entry(scope)
                .or_insert_with_key(|scope| tokio::spawn(one(ingest.clone(), scope.clone())));
        }
        if head.changed().await.is_err() {
            break;
        }
    }
    for task in watches.into_values() {
        task.abort();
    }
}

async fn one(ingest: Ingest, scope: Scope) {
    let resource = resource(&ingest, &scope.group, &scope.version, &scope.kind).await;
    let named = |(namespace, name): &(String, String)| match namespace.as_str() {
        "" => Selector::default().named(name),
        namespace => Selector::namespace(namespace).named(name),
    };
    let selector = match (scope.label(), &scope.one) {
        (Some(label), _) => Selector::labels(label),
        (None, Some(one)) => named(one),
        (None, None) => Selector::default(),
    };
    let listener = Listener::live(scope, ingest.known.clone());
    follow(&ingest, &resource, &selector, listener).await;
}

/// Follows the definitions of kinds: a new one may be what a watch waits for.
pub(crate) async fn definitions(ingest: Ingest) {
    let kind = "CustomResourceDefinition";
    let resource = resource(&ingest, "apiextensions.k8s.io", "v1", kind).await;
    let mut watch = ingest.cluster.watch(&resource, &Selector::default());
    while let Some(watched) = watch.next().await {
        if matches!(
            watched,
            Watched::Listed(_) | Watched::Applied(_) | Watched::Deleted(_)
        ) {
            ingest.cluster.doubt_kinds();
            ingest.kinds.notify_waiters();
        }
    }
}

async fn follow(ingest: &Ingest, resource: &Resource, selector: &Selector, listener: Listener) {
    if take_in(ingest, resource, selector, listener).await.is_err() {
        tracing::debug!(kind = resource.kind, "The log has stopped.");
    }
}

async fn take_in(
    ingest: &Ingest,
    resource: &Resource,
    selector: &Selector,
    mut listener: Listener,
) -> Result<(), Stopped> {
    let mut batches = ingest.cluster.watch(resource, selector).ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let batch = batch
            .into_iter()
            .filter_map(|watched| heard(resource, watched));
        let drafts = listener.hear(batch, now_seconds());
        ingest.append(drafts).await?;
        listener.settled();
    }
    Ok(())
}

fn heard(resource: &Resource, watched: Watched) -> Option<Heard> {
    Some(match watched {
        Watched::ListStarted => Heard::ListStarted,
        Watched::Listed(object) => Heard::Listed(object),
        Watched::ListEnded { resource_version } => Heard::ListEnded { resource_version },
        Watched::Applied(object) => Heard::Changed(object),
        Watched::Deleted(object) => Heard::Deleted(object),
        Watched::Bookmark { .. } => return None,
        Watched::Gap { reason } => Heard::Gap {
            reason: format!("{reason:?}"),
        },
        Watched::Failed(error) => {
            tracing::warn!(kind = resource.kind, %error, "A watch failed; it is tried again.");
            Heard::Failed
        }
    })
}

fn now_seconds() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// The kind, once the cluster serves it. Woken when definitions change, and now and then besides.
async fn resource(
    ingest: &Ingest,
    group: &str,
    version: &str,
    kind: &str,
) -> std::sync::Arc<Resource> {
    const PAUSE_MAX: Duration = Duration::from_secs(30);
    let mut pause = Duration::from_millis(200);
    loop {
        let changed = ingest.kinds.notified();
        match ingest.cluster.resource(group, version, kind).await {
            Ok(resource) => return resource,
            Err(error) if error.retry() == Retry::Soon => {
                tracing::warn!(kind, %error, "The API server cannot be asked; it is tried again.");
            }
            Err(error) => tracing::debug!(kind, %error, "The kind is not served yet."),
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
        }
    }
}
