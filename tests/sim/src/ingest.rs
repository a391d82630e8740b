//! The engine's ears: the real listeners on watches of the model, with lag, gaps and repetitions.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::kinds::{self, Kind};
use fluvial_event::{Draft, ObjectRef};
use fluvial_ingest::{Heard, Known, Listener, Scope, wanted};

use fluvial_reduce::{Owners, World};

use crate::cluster::{Body, Change, Cluster};
use crate::wire;

/// One watch, by what it watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watch {
    /// Group and kind.
    kind: (String, String),
    /// `None` for the declarations of a Flux kind.
    scope: Option<Scope>,
}

/// How a watch event goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// It never comes. Only a later list shows what came of it.
    Dropped,
    /// It comes twice.
    Doubled,
    /// After it, the watch goes back by so many events, and tells them again.
    Stale(usize),
    /// It comes, with all after it, only when so many more events of any kind have been told.
    Late(usize),
}

struct Stream {
    listener: Listener,
    /// How many changes of the kind it has told; `None` before its list succeeded.
    cursor: Option<usize>,
    /// What it has told to be there.
    told: BTreeSet<ObjectRef>,
    /// Events that have to be told elsewhere before it goes on.
    held: usize,
}

/// The kinds that may be declared here; one of which there never was any object needs no watch.
const DECLARED: [&Kind; 7] = [
    &kinds::GIT_REPOSITORY,
    &kinds::KUSTOMIZATION,
    &kinds::HELM_REPOSITORY,
    &kinds::HELM_CHART,
    &kinds::HELM_RELEASE,
    &kinds::ALERT,
    &kinds::PROVIDER,
];

/// Every watch of one life of the engine.
#[derive(Default)]
pub(crate) struct Ingest {
    streams: BTreeMap<Watch, Stream>,
}

impl Watch {
    fn declared(kind: &'static Kind) -> Self {
        Self {
            kind: (kind.group.to_owned(), kind.kind.to_owned()),
            scope: None,
        }
    }

    fn listener(&self, known: &Known) -> Option<Listener> {
        if let Some(scope) = &self.scope {
            return Some(Listener::live(scope.clone(), known.clone()));
        }
        let kind = kinds::find(&self.kind.0, &self.kind.1)?;
        Some(Listener::declared(kind, known.clone()))
    }

    /// Whether the API server would tell this watch of an object: by its label, or by its name.
    fn fits(&self, object: &ObjectRef, body: &Body) -> bool {
        match (&self.scope, body) {
            (None, Body::Declared(_)) => true,
            (Some(scope), Body::Object(live)) => match &scope.one {
                Some((namespace, name)) => object.namespace == *namespace && object.name == *name,
                None => match scope.owners {
                    Some(Owners::Kustomizations) => !live.owner().is_empty(),
                    Some(Owners::Releases) => !live.release().is_empty(),
                    None => false,
                },
            },
            (None, Body::Object(_)) | (Some(_), Body::Declared(_)) => false,
        }
    }
}

impl Stream {
    fn list(&mut self, watch: &Watch, cluster: &Cluster, gap: bool, succeeds: bool) -> Vec<Heard> {
        let mut heard = Vec::new();
        if gap {
            heard.push(Heard::Gap {
                reason: "too old resource version".into(),
            });
        }
        let bodies = cluster.bodies.iter();
        let all: Vec<_> = bodies
            .filter(|(object, body)| is_of(object, &watch.kind) && watch.fits(object, body))
            .collect();
        heard.push(Heard::ListStarted);
        let pages = if succeeds { all.len() } else { all.len() / 2 };
        let listed = all.iter().take(pages);
        heard.extend(listed.map(|(object, body)| Heard::Listed(wire::body(object, body))));
        if !succeeds {
            heard.push(Heard::Failed);
            self.cursor = None;
            return heard;
        }
        heard.push(Heard::ListEnded {
            resource_version: cluster.version.to_string(),
        });
        self.cursor = Some(changes(cluster, watch).len());
        self.told = all.into_iter().map(|(object, _)| object.clone()).collect();
        self.held = 0;
        heard
    }

    /// What the API server tells this watch of a change.
    fn tell(&mut self, watch: &Watch, change: &Change) -> Option<Heard> {
        let value = || wire::body(&change.object, &change.body);
        if !change.is_deleted && watch.fits(&change.object, &change.body) {
            self.told.insert(change.object.clone());
            return Some(Heard::Changed(value()));
        }
        self.told
            .remove(&change.object)
            .then(|| Heard::Deleted(value()))
    }
}

fn is_of(object: &ObjectRef, (group, kind): &(String, String)) -> bool {
    object.group == *group && object.kind == *kind
}

fn changes<'a>(cluster: &'a Cluster, watch: &Watch) -> &'a [Change] {
    let changes = cluster.history.get(&watch.kind);
    changes.map_or(&[], Vec::as_slice)
}

/// One batch for one watch. What it says has to be durable before the next is taken.
pub(crate) type Batch = (Watch, Vec<Heard>);

impl Ingest {
    /// Begins the watches that are missing and ends those that nobody needs.
    pub(crate) fn tend(&mut self, world: &World, known: &Known, cluster: &Cluster) {
        let mut all: BTreeSet<_> = DECLARED.into_iter().map(Watch::declared).collect();
        all.retain(|watch| cluster.history.contains_key(&watch.kind));
        all.extend(wanted(world).into_iter().map(|scope| Watch {
            kind: (scope.group.clone(), scope.kind.clone()),
            scope: Some(scope),
        }));
        self.streams.retain(|watch, _| all.contains(watch));
        for watch in all {
            if self.streams.contains_key(&watch) {
                continue;
            }
            if let Some(listener) = watch.listener(known) {
                let stream = Stream {
                    listener,
                    cursor: None,
                    told: BTreeSet::new(),
                    held: 0,
                };
                self.streams.insert(watch, stream);
            }
        }
    }

    /// The watches that have something to tell, and are not held up.
    pub(crate) fn behind(&self, cluster: &Cluster) -> Vec<Watch> {
        let streams = self.streams.iter().filter(|(_, stream)| stream.held == 0);
        let behind = streams.filter(|(watch, stream)| {
            let changes = changes(cluster, watch).len();
            stream.cursor.is_some_and(|cursor| changes > cursor)
        });
        behind.map(|(watch, _)| watch.clone()).collect()
    }

    /// The watches.
    pub(crate) fn watches(&self) -> Vec<Watch> {
        self.streams.keys().cloned().collect()
    }

    /// The watches that have not been told what there is.
    pub(crate) fn unlisted(&self) -> Vec<Watch> {
        let unlisted = |(_, stream): &(&Watch, &Stream)| stream.cursor.is_none();
        let unlisted = self.streams.iter().filter(unlisted);
        unlisted.map(|(watch, _)| watch.clone()).collect()
    }

    /// A list, after a gap or at the beginning; it may fail in the middle.
    pub(crate) fn list(
        &mut self,
        watch: &Watch,
        cluster: &Cluster,
        gap: bool,
        succeeds: bool,
    ) -> Option<Batch> {
        let stream = self.streams.get_mut(watch)?;
        Some((watch.clone(), stream.list(watch, cluster, gap, succeeds)))
    }

    /// The next change of a kind, with what goes wrong on the way.
    pub(crate) fn next(
        &mut self,
        watch: &Watch,
        cluster: &Cluster,
        lapse: Option<Lapse>,
    ) -> Vec<Batch> {
        let Some(stream) = self.streams.get_mut(watch) else {
            return Vec::new();
        };
        let changes = changes(cluster, watch);
        let Some((cursor, change)) = stream
            .cursor
            .and_then(|cursor| Some((cursor, changes.get(cursor)?)))
        else {
            return Vec::new();
        };
        if let Some(Lapse::Late(events)) = lapse {
            stream.held = events;
            return Vec::new();
        }
        stream.cursor = Some(cursor + 1);
        if lapse == Some(Lapse::Dropped) {
            return Vec::new();
        }
        let mut told = vec![stream.tell(watch, change)];
        match lapse {
            Some(Lapse::Doubled) => told.push(told[0].clone()),
            Some(Lapse::Stale(back)) => {
                let from = cursor.saturating_sub(back);
                let again = changes.get(from..=cursor).unwrap_or_default();
                told.extend(again.iter().map(|change| stream.tell(watch, change)));
            }
            Some(Lapse::Dropped | Lapse::Late(_)) | None => {}
        }
        for (other, stream) in &mut self.streams {
            if other != watch {
                stream.held = stream.held.saturating_sub(1);
            }
        }
        let told = told.into_iter().flatten();
        told.map(|heard| (watch.clone(), vec![heard])).collect()
    }

    /// Nobody is held up any longer.
    pub(crate) fn release(&mut self) -> bool {
        let mut released = false;
        for stream in self.streams.values_mut() {
            released |= std::mem::take(&mut stream.held) > 0;
        }
        released
    }

    /// What a batch is worth.
    pub(crate) fn hear(&mut self, batch: Batch, now_seconds: i64) -> Vec<Draft> {
        let (watch, heard) = batch;
        let stream = self.streams.get_mut(&watch);
        stream.map_or_else(Vec::new, |it| it.listener.hear(heard, now_seconds))
    }

    /// The drafts of a watch's last batch are durable.
    pub(crate) fn settled(&mut self, watch: &Watch) {
        if let Some(stream) = self.streams.get_mut(watch) {
            stream.listener.settled();
        }
    }
}
