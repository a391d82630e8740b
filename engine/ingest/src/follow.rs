//! Follows one watch in batches: what is ready is looked at together and appended together.

use std::collections::BTreeSet;
use std::time::Duration;

use fluvial_cluster::{Resource, Retry, Selector, Watched};
use fluvial_event::{Draft, Event, ObjectRef, WatchGap};
use futures::StreamExt;
use serde_json::Value;

use crate::{Ingest, Stopped};

/// Watch events that are looked at together.
const BATCH: usize = 256;

/// What to make of the objects of one kind.
pub(crate) trait Watcher: Send {
    /// What an object that is there says.
    fn present(&mut self, object: &Value, drafts: &mut Vec<Draft>);

    /// What the end of an object says.
    fn deleted(&mut self, object: &Value, drafts: &mut Vec<Draft>);

    /// A whole listing ended: what is known and not among `listed` is gone.
    fn listed(
        &mut self,
        listed: &BTreeSet<ObjectRef>,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    );

    /// The batch is durable: the world now knows what was said.
    fn settled(&mut self);
}

/// Follows `resource` until the log stops.
pub(crate) async fn follow(
    ingest: &Ingest,
    resource: &Resource,
    selector: &Selector,
    watcher: &mut impl Watcher,
) -> Result<(), Stopped> {
    let mut batches = ingest.cluster.watch(resource, selector).ready_chunks(BATCH);
    let mut listed = BTreeSet::new();
    while let Some(batch) = batches.next().await {
        let mut drafts = Vec::new();
        for watched in batch {
            match watched {
                Watched::ListStarted => listed.clear(),
                Watched::Listed(object) => {
                    listed.insert(identity(&object));
                    watcher.present(&object, &mut drafts);
                }
                Watched::ListEnded { resource_version } => {
                    watcher.listed(&std::mem::take(&mut listed), &resource_version, &mut drafts);
                }
                Watched::Applied(object) => watcher.present(&object, &mut drafts),
                Watched::Deleted(object) => watcher.deleted(&object, &mut drafts),
                Watched::Bookmark { .. } => {}
                Watched::Gap { reason } => drafts.push(gap(resource, format!("{reason:?}"))),
                Watched::Failed(error) => {
                    tracing::warn!(kind = resource.kind, %error, "A watch failed; it is tried again.");
                }
            }
        }
        ingest.append(drafts).await?;
        watcher.settled();
    }
    Ok(())
}

fn gap(resource: &Resource, reason: String) -> Draft {
    let (group, kind) = (resource.group.clone(), resource.kind.clone());
    Draft::news(Event::from(WatchGap {
        group,
        kind,
        reason,
    }))
}

/// The kind, once the cluster serves it. Woken when definitions change, and now and then besides.
pub(crate) async fn resource(
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

/// The object's name, without version.
pub(crate) fn identity(object: &Value) -> ObjectRef {
    named(object).identity()
}

/// The object's name, with version.
pub(crate) fn named(object: &Value) -> ObjectRef {
    use fluvial_manifest::object;
    let (group, version) = object::group_version(object::api_version(object));
    ObjectRef {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: object::kind(object).to_owned(),
        namespace: object::namespace(object).to_owned(),
        name: object::name(object).to_owned(),
    }
}

/// A text in an object, empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
