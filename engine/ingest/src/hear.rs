//! What a watch says, taken in: a batch of it becomes the drafts that are worth a record.
//!
//! No clock, disk or network here, so that the simulator runs the same judgement on watches of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use fluvial_api::kinds::Kind;
use fluvial_event::{Draft, Event, ObjectRef, WatchGap};
use fluvial_log::{BlobStore, Key};
use fluvial_reduce::World;
use serde_json::Value;

use crate::declared::Declarations;
use crate::live::{Live, Scope};

/// What a watch says.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A listing begins. It voids what an unfinished one said.
    ListStarted,
    /// An object of the listing.
    Listed(Value),
    /// The listing is complete: what was not listed is gone.
    ListEnded {
        /// The state of the cluster that it shows.
        resource_version: String,
    },
    /// The object was created or changed, and is now so.
    Changed(Value),
    /// The object was deleted, or no longer fits the watch; this was its final state.
    Deleted(Value),
    /// News are late from here on, and some may be missing.
    Gap {
        /// Why.
        reason: String,
    },
    /// A request failed and will be sent again: nothing is known to have changed.
    Failed,
}

/// What news are compared with: what the world knows already.
#[derive(Clone)]
pub struct Known {
    world: Arc<RwLock<World>>,
    blobs: Arc<dyn BlobStore>,
    pub(crate) key: Key,
    dropped: Arc<AtomicU64>,
}

impl Known {
    /// Compares with `world`, whose manifests are in `blobs`, by digests under `key`.
    pub fn new(world: Arc<RwLock<World>>, blobs: Arc<dyn BlobStore>, key: Key) -> Self {
        Self {
            world,
            blobs,
            key,
            dropped: Arc::default(),
        }
    }

    /// How many watch events said nothing that a decision reads.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn blobs(&self) -> &dyn BlobStore {
        &*self.blobs
    }
}

/// What to make of the objects of one kind.
pub(crate) trait Watcher: Send {
    /// What an object that is there says, looked at `now_seconds` after 1970.
    fn present(&mut self, object: &Value, now_seconds: i64, drafts: &mut Vec<Draft>);

    /// What the end of an object says.
    fn deleted(&mut self, object: &Value, drafts: &mut Vec<Draft>);

    /// A whole listing ended: what is known and not among `listed` is gone.
    fn listed(
        &mut self,
        listed: &BTreeSet<ObjectRef>,
        resource_version: &str,
        drafts: &mut Vec<Draft>,
    );

    /// An event said nothing new.
    fn passed(&self);

    /// The batch is durable: the world now knows what was said.
    fn settled(&mut self);
}

/// Listens to one watch. The drafts of a batch have to be durable before the next is taken.
pub struct Listener {
    group: String,
    kind: String,
    listed: BTreeSet<ObjectRef>,
    /// The newest state of the cluster that it has told of since its list.
    latest: u128,
    watcher: Box<dyn Watcher>,
}

impl Listener {
    /// Listens to the declarations of a Flux kind.
    pub fn declared(kind: &'static Kind, known: Known) -> Self {
        Self {
            group: kind.group.to_owned(),
            kind: kind.kind.to_owned(),
            listed: BTreeSet::new(),
            latest: 0,
            watcher: Box::new(Declarations::new(kind, known)),
        }
    }

    /// Listens to objects that are owned or waited for.
    pub fn live(scope: Scope, known: Known) -> Self {
        Self {
            group: scope.group.clone(),
            kind: scope.kind.clone(),
            listed: BTreeSet::new(),
            latest: 0,
            watcher: Box::new(Live::new(scope, known)),
        }
    }

    /// What a batch is worth, looked at `now_seconds` after 1970.
    pub fn hear(&mut self, batch: impl IntoIterator<Item = Heard>, now_seconds: i64) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let watcher = &mut self.watcher;
        for heard in batch {
            match heard {
                Heard::ListStarted => self.listed.clear(),
                Heard::Listed(object) => {
                    self.listed.insert(identity(&object));
                    watcher.present(&object, now_seconds, &mut drafts);
                }
                Heard::ListEnded { resource_version } => {
                    self.latest = resource_version.parse().unwrap_or_default();
                    let listed = std::mem::take(&mut self.listed);
                    watcher.listed(&listed, &resource_version, &mut drafts);
                }
                Heard::Changed(object) if is_next(&mut self.latest, &object) => {
                    watcher.present(&object, now_seconds, &mut drafts);
                }
                Heard::Deleted(object) if is_next(&mut self.latest, &object) => {
                    watcher.deleted(&object, &mut drafts);
                }
                Heard::Changed(_) | Heard::Deleted(_) => watcher.passed(),
                Heard::Gap { reason } => drafts.push(Draft::news(Event::from(WatchGap {
                    group: self.group.clone(),
                    kind: self.kind.clone(),
                    reason,
                }))),
                Heard::Failed => {}
            }
        }
        drafts
    }

    /// The drafts of the last batch are durable: the world knows what they say.
    pub fn settled(&mut self) {
        self.watcher.settled();
    }
}

/// Whether an event goes on from what its watch told before. One that goes back, to what a server behind
/// the others holds, is no news: an old declaration that was being deleted would take the objects of its
/// namesake along. Resource versions are numbers that grow (guaranteed since Kubernetes 1.35), and only
/// within what one list began: a restored cluster starts with lower ones, and with a list.
fn is_next(latest: &mut u128, object: &Value) -> bool {
    let Ok(version) = text(object, "/metadata/resourceVersion").parse() else {
        return true;
    };
    let is_next = *latest <= version;
    *latest = version.max(*latest);
    is_next
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
