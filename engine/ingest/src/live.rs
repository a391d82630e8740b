//! The objects that an inventory owns or a health check names: drift, health, disappearance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use fluvial_api::metadata::label;
use fluvial_apply::{drift, health};
use fluvial_cluster::Selector;
use fluvial_event::{Digest, Draft, Health, ObjectGone, ObjectObserved, ObjectRef, Offset};
use fluvial_manifest::digest::canonical;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Ingest;
use crate::follow::{self, Watcher, identity, named, text};

/// The field manager of what is applied; changes by anyone else may be drift.
const OURS: [&str; 1] = ["kustomize-controller"];

/// One watch: the owned objects of a kind, or one object that is only waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    group: String,
    version: String,
    kind: String,
    /// Namespace and name, where it is one object.
    one: Option<(String, String)>,
}

/// Keeps one watch for each kind of watched objects, until the log stops.
pub(crate) async fn follow_all(ingest: Ingest, mut head: watch::Receiver<Offset>) {
    let mut watches: BTreeMap<Scope, JoinHandle<()>> = BTreeMap::new();
    loop {
        let wanted = wanted(&ingest);
        watches.retain(|scope, task| {
            let stays = wanted.contains(scope) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for scope in wanted {
            watches.entry(scope).or_insert_with_key(|scope| {
                tokio::spawn(follow_one(ingest.clone(), scope.clone()))
            });
        }
        if head.changed().await.is_err() {
            break;
        }
    }
    for task in watches.into_values() {
        task.abort();
    }
}

fn wanted(ingest: &Ingest) -> BTreeSet<Scope> {
    let world = ingest.world();
    let mut scopes = BTreeSet::new();
    for (group, version, kind) in world.kinds() {
        let scope = |one| Scope {
            group: group.clone(),
            version: version.clone(),
            kind: kind.clone(),
            one,
        };
        if !version.is_empty() {
            scopes.insert(scope(None));
            continue;
        }
        // Objects that nobody here owns carry no label to select them by: one watch for each.
        for (object, watched) in world.all_watched() {
            if watched.version.is_empty() && object.group == *group && object.kind == *kind {
                scopes.insert(scope(Some((object.namespace.clone(), object.name.clone()))));
            }
        }
    }
    scopes
}

async fn follow_one(ingest: Ingest, scope: Scope) {
    let Scope {
        group,
        version,
        kind,
        one,
    } = scope;
    let resource = follow::resource(&ingest, &group, &version, &kind).await;
    let selector = match &one {
        None => Selector::labels(label::KUSTOMIZATION_NAME),
        Some((namespace, name)) if namespace.is_empty() => Selector::default().named(name),
        Some((namespace, name)) => Selector::namespace(namespace).named(name),
    };
    let mut watcher = Live {
        ingest: ingest.clone(),
        group,
        kind,
        one,
        said: BTreeMap::new(),
    };
    if follow::follow(&ingest, &resource, &selector, &mut watcher)
        .await
        .is_err()
    {
        tracing::debug!(kind = watcher.kind, "The log has stopped.");
    }
}

/// What of an object decides whether it is news; `None` for one that is gone.
type Face = Option<(String, String, i32)>;

struct Live {
    ingest: Ingest,
    group: String,
    kind: String,
    one: Option<(String, String)>,
    /// What was said in this batch, and the world does not know yet.
    said: BTreeMap<ObjectRef, Face>,
}

impl Live {
    /// What the world last heard of an object; the outer `None` where it heard nothing.
    fn known(&self, object: &ObjectRef) -> Option<Face> {
        if let Some(said) = self.said.get(object) {
            return Some(said.clone());
        }
        let world = self.ingest.world();
        let seen = world.seen(object)?;
        Some((!seen.gone).then(|| (seen.uid.clone(), seen.live.clone(), seen.health)))
    }

    fn manifest(&self, object: &ObjectRef) -> Option<Value> {
        let digest: Digest = self.ingest.world().manifest_of(object)?.parse().ok()?;
        let bytes = match self.ingest.blobs.get(&digest) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%object, %error, "A manifest cannot be read; drift of its object is not seen.");
                return None;
            }
        };
        serde_json::from_slice(&bytes).ok()
    }

    fn say_gone(
        &mut self,
        object: ObjectRef,
        uid: String,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    ) {
        let known = self.known(&object);
        if known == Some(None) || self.ingest.world().watched(&object).is_none() {
            self.ingest.drop_one();
            return;
        }
        let resource_version = resource_version.to_owned();
        let event = ObjectGone {
            object: Some(object.clone()),
            uid,
            resource_version,
        };
        drafts.push(Draft::news(event.into()));
        self.said.insert(object, None);
    }
}

impl Watcher for Live {
    fn present(&mut self, live: &Value, drafts: &mut Vec<Draft>) {
        let object = identity(live);
        if self.ingest.world().watched(&object).is_none() {
            self.ingest.drop_one();
            return;
        }
        let manifest = self.manifest(&object);
        let digest = manifest.as_ref().map(|manifest| {
            self.ingest
                .key
                .mac(&canonical(&drift::projection(manifest, live)))
                .to_string()
        });
        let (health, health_message) = judge(live);
        let uid = text(live, "/metadata/uid").to_owned();
        let digest = digest.unwrap_or_default();
        let face = Some((uid.clone(), digest.clone(), i32::from(health)));
        let known = self.known(&object);
        if known.as_ref() == Some(&face) {
            self.ingest.drop_one();
            return;
        }
        let is_changed = !matches!(&known, Some(Some((_, before, _))) if *before == digest);
        let manifest = manifest.filter(|_| is_changed);
        let blamed = manifest
            .as_ref()
            .and_then(|manifest| drift::blame(manifest, live, &OURS));
        let changed = manifest
            .as_ref()
            .map(|manifest| drift::changed_paths(manifest, live));
        let manager = blamed.map(|manager| manager.name).unwrap_or_default();
        let event = ObjectObserved {
            object: Some(named(live)),
            uid,
            resource_version: text(live, "/metadata/resourceVersion").to_owned(),
            live: digest,
            health: health.into(),
            health_message,
            manager: manager.clone(),
            changed: changed.unwrap_or_default(),
        };
        let actor = if manager.is_empty() {
            manager
        } else {
            format!("manager:{manager}")
        };
        drafts.push(Draft::news(event.into()).by(actor));
        self.said.insert(object, face);
    }

    fn deleted(&mut self, live: &Value, drafts: &mut Vec<Draft>) {
        let uid = text(live, "/metadata/uid").to_owned();
        self.say_gone(
            identity(live),
            uid,
            text(live, "/metadata/resourceVersion"),
            drafts,
        );
    }

    fn listed(
        &mut self,
        listed: &BTreeSet<ObjectRef>,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    ) {
        let gone: Vec<_> = {
            let world = self.ingest.world();
            let of_kind = world
                .all_watched()
                .map(|(object, _)| object)
                .filter(|object| {
                    let is_kind = object.group == self.group && object.kind == self.kind;
                    let is_one = |(namespace, name): &(String, String)| {
                        object.namespace == *namespace && object.name == *name
                    };
                    is_kind && self.one.as_ref().is_none_or(is_one)
                });
            of_kind
                .filter(|object| !listed.contains(*object))
                .cloned()
                .collect()
        };
        for object in gone {
            self.say_gone(object, String::new(), resource_version, drafts);
        }
    }

    fn settled(&mut self) {
        self.said.clear();
    }
}

fn judge(live: &Value) -> (Health, String) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let verdict = health::status(live, i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    (verdict.recorded(), verdict.message().to_owned())
}
