//! A simulated ingest: watches with their lag, gaps and repetitions, and what they bring into the log.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::{GitRepository, Kustomization};
use fluvial_event::{
    Digest, Draft, ObjectGone, ObjectObserved, ObjectRef, ResourceDeleted, ResourceObserved,
    WatchGap,
};
use fluvial_log::BlobStore;
use fluvial_log::memory::MemoryBlobs;
use fluvial_reduce::World;
use serde_json::{Value, json};

use crate::cluster::{Body, Change, Cluster, Declaration, ENGINE, Live, kind_of};
use crate::git::Manifest;

/// Group and kind.
pub(crate) type Kind = (String, String);

/// One watch: how far it has come, and what it takes the cluster to hold.
#[derive(Debug, Default)]
struct Stream {
    cursor: usize,
    version: u64,
    cache: BTreeMap<ObjectRef, Body>,
}

/// Every watch of one life of the engine.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    streams: BTreeMap<Kind, Stream>,
}

/// What events are made from.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub world: &'a World,
    pub cluster: &'a Cluster,
    pub blobs: &'a MemoryBlobs,
}

impl Ingest {
    /// Begins the watches that are missing and ends those that nobody needs. Each begins with a list;
    /// `listed` says whether the list succeeds.
    pub(crate) fn sync(&mut self, view: View<'_>, mut listed: impl FnMut() -> bool) -> Vec<Draft> {
        let wanted = wanted(view.world);
        self.streams.retain(|kind, _| wanted.contains(kind));
        let mut drafts = Vec::new();
        for kind in wanted {
            if !self.streams.contains_key(&kind) && listed() {
                drafts.append(&mut self.list(&kind, view));
            }
        }
        drafts
    }

    /// The kinds that are watched.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.streams.keys().cloned().collect()
    }

    /// Whether a watch has something to tell.
    pub(crate) fn is_behind(&self, cluster: &Cluster) -> bool {
        self.streams.iter().any(|(kind, stream)| {
            cluster
                .history
                .get(kind)
                .is_some_and(|changes| changes.len() > stream.cursor)
        })
    }

    fn list(&mut self, kind: &Kind, view: View<'_>) -> Vec<Draft> {
        let changes = view.cluster.history.get(kind).map_or(0, Vec::len);
        let bodies = view.cluster.bodies.iter();
        let stream = Stream {
            cursor: changes,
            version: view.cluster.version,
            cache: bodies
                .filter(|(object, _)| kind_of(object) == *kind)
                .map(|(object, body)| (object.clone(), body.clone()))
                .collect(),
        };
        self.streams.insert(kind.clone(), stream);
        let declared = view.world.declared().map(|(object, _)| object);
        let watched = view.world.all_watched().map(|(object, _)| object);
        let cached = self.streams[kind].cache.keys();
        let objects: BTreeSet<_> = declared
            .chain(watched)
            .chain(cached)
            .filter(|object| kind_of(object) == *kind)
            .cloned()
            .collect();
        objects
            .iter()
            .flat_map(|object| self.judge(object, view))
            .collect()
    }

    /// The watch of a kind is lost, and begins again with a list.
    pub(crate) fn relist(&mut self, kind: &Kind, view: View<'_>) -> Vec<Draft> {
        let gap = WatchGap {
            group: kind.0.clone(),
            kind: kind.1.clone(),
            reason: "too old resource version".into(),
        };
        let mut drafts = vec![Draft::news(gap.into())];
        drafts.append(&mut self.list(kind, view));
        drafts
    }

    /// The next `count` changes of a kind. `doubled` tells each twice.
    pub(crate) fn deliver(
        &mut self,
        kind: &Kind,
        count: usize,
        doubled: bool,
        view: View<'_>,
    ) -> Vec<Draft> {
        let Some(stream) = self.streams.get_mut(kind) else {
            return Vec::new();
        };
        let changes = view
            .cluster
            .history
            .get(kind)
            .map_or(&[][..], Vec::as_slice);
        let end = changes.len().min(stream.cursor + count);
        let Some(news) = changes.get(stream.cursor..end).map(<[Change]>::to_vec) else {
            return Vec::new();
        };
        stream.cursor = end;
        let mut drafts = Vec::new();
        for change in news {
            let Some(stream) = self.streams.get_mut(kind) else {
                break;
            };
            stream.version = change.version;
            match change.body {
                Some(body) => stream.cache.insert(change.object.clone(), body),
                None => stream.cache.remove(&change.object),
            };
            let mut told = self.judge(&change.object, view);
            if doubled {
                drafts.extend(told.clone());
            }
            drafts.append(&mut told);
        }
        drafts
    }

    /// What an old change of a kind would have said: told again, long after.
    pub(crate) fn stale(&self, kind: &Kind, back: usize, view: View<'_>) -> Vec<Draft> {
        let Some(stream) = self.streams.get(kind) else {
            return Vec::new();
        };
        let change = view
            .cluster
            .history
            .get(kind)
            .and_then(|changes| changes.get(stream.cursor.checked_sub(back + 1)?));
        let Some(change) = change else {
            return Vec::new();
        };
        match &change.body {
            Some(Body::Object(live)) if view.world.watched(&change.object).is_some() => {
                vec![Draft::news(observed(&change.object, live, view).into())]
            }
            _ => Vec::new(),
        }
    }

    /// What is news about one object, against what the world knows.
    fn judge(&self, object: &ObjectRef, view: View<'_>) -> Vec<Draft> {
        let Some(stream) = self.streams.get(&kind_of(object)) else {
            return Vec::new();
        };
        let version = stream.version;
        match stream.cache.get(object) {
            Some(Body::Declared(declared)) => declaration(object, declared, view),
            // Owned objects are found by their labels: without them they are gone.
            Some(Body::Object(live))
                if live.owner().is_empty()
                    && view
                        .world
                        .watched(object)
                        .is_some_and(|it| !it.version.is_empty()) =>
            {
                gone(object, live.version, view)
            }
            Some(Body::Object(live)) if view.world.watched(object).is_some() => {
                let news = observed(object, live, view);
                let known = view.world.seen(object).is_some_and(|seen| {
                    !seen.gone
                        && seen.uid == news.uid
                        && seen.live == news.live
                        && seen.health == news.health
                        && seen.changed == news.changed
                });
                if known {
                    return Vec::new();
                }
                let by = format!("manager:{}", news.manager);
                vec![Draft::news(news.into()).by(by)]
            }
            Some(Body::Object(_)) => Vec::new(),
            None => gone(object, version, view),
        }
    }
}

fn wanted(world: &World) -> BTreeSet<Kind> {
    let flux = [
        ("source.toolkit.fluxcd.io", "GitRepository"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ];
    world
        .kinds()
        .map(|(group, _, kind)| (group.clone(), kind.clone()))
        .chain(flux.map(|(group, kind)| (group.to_owned(), kind.to_owned())))
        .collect()
}

fn gone(object: &ObjectRef, version: u64, view: View<'_>) -> Vec<Draft> {
    if let Some(declared) = view.world.one(object) {
        let deleted = ResourceDeleted {
            object: Some(object.clone()),
            uid: declared.uid.clone(),
        };
        return vec![Draft::news(deleted.into())];
    }
    let Some(watched) = view.world.watched(object) else {
        return Vec::new();
    };
    let uid = match view.world.seen(object) {
        Some(seen) if seen.gone => return Vec::new(),
        Some(seen) => seen.uid.clone(),
        None => {
            let owned = watched
                .by
                .iter()
                .filter_map(|by| view.world.kustomizations().get(by)?.owned().get(object))
                .find(|owned| !owned.uid.is_empty());
            match owned {
                Some(owned) => owned.uid.clone(),
                None => return Vec::new(),
            }
        }
    };
    let gone = ObjectGone {
        object: Some(object.clone()),
        uid,
        resource_version: version.to_string(),
    };
    vec![Draft::news(gone.into())]
}

fn observed(object: &ObjectRef, live: &Live, view: View<'_>) -> ObjectObserved {
    let manifest = view
        .world
        .manifest_of(object)
        .and_then(|blob| blob.parse::<Digest>().ok())
        .and_then(|digest| view.blobs.get(&digest).ok())
        .and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    let mut news = ObjectObserved {
        object: Some(object.clone()),
        uid: live.uid.clone(),
        resource_version: live.version.to_string(),
        health: live.health.into(),
        ..ObjectObserved::default()
    };
    let Some(manifest) = manifest else {
        return news;
    };
    news.live = Cluster::projection(&manifest, live);
    for (field, value) in &manifest.fields {
        let found = live.fields.get(field);
        if found.map(|it| &it.value) != Some(value) {
            news.changed.push(field.clone());
            let by = found.filter(|it| it.manager != ENGINE);
            news.manager = by.map_or_else(String::new, |it| it.manager.clone());
        }
    }
    news
}

fn declaration(object: &ObjectRef, declared: &Declaration, view: View<'_>) -> Vec<Draft> {
    let (version, spec) = read(object, &declared.spec);
    let (spec, invalid) = match spec {
        Ok(spec) => (spec, String::new()),
        Err(why) => (Vec::new(), why),
    };
    let known = view.world.one(object).is_some_and(|known| {
        known.uid == declared.uid
            && known.generation == declared.generation
            && known.deleting == declared.deleting
            && known.finalizer == declared.finalizer
            && known.requested_at == declared.requested_at
            && known.rollback == declared.rollback
            && known.spec == spec
            && known.invalid == invalid
    });
    if known {
        return Vec::new();
    }
    let seen = ResourceObserved {
        object: Some(ObjectRef {
            version: version.into(),
            ..object.clone()
        }),
        uid: declared.uid.clone(),
        generation: declared.generation,
        resource_version: declared.version.to_string(),
        spec,
        invalid,
        deleting: declared.deleting,
        finalizer: declared.finalizer,
        requested_at: declared.requested_at.clone(),
        inventory: declared.inventory.clone(),
        handled_at: declared.handled_at.clone(),
        rollback: declared.rollback.clone(),
        ..ResourceObserved::default()
    };
    vec![Draft::news(seen.into()).by("manager:kubectl")]
}

/// The version, and the spec in the model or why it cannot be read.
fn read(object: &ObjectRef, spec: &Value) -> (&'static str, Result<Vec<u8>, String>) {
    let whole = json!({
        "apiVersion": format!("{}/v1", object.group),
        "kind": object.kind,
        "metadata": {"name": object.name, "namespace": object.namespace},
        "spec": spec,
    });
    let read = if object.kind == "GitRepository" {
        GitRepository::read(&whole)
            .map_err(|error| error.to_string())
            .and_then(|it| serde_json::to_vec(&it.spec).map_err(|error| error.to_string()))
    } else {
        Kustomization::read(&whole)
            .map_err(|error| error.to_string())
            .and_then(|it| serde_json::to_vec(&it.spec).map_err(|error| error.to_string()))
    };
    ("v1", read)
}
