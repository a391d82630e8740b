//! News from the cluster, as events: what people declare, and what became of what was applied.
//!
//! Start at [`Ingest::run`]. `declared` watches the Flux kinds, `live` the objects that an inventory
//! owns or a health check names. Both say only what a decision reads: what nobody reads (status churn,
//! heartbeats) is dropped before the log and counted.
//!
//! Invariants: one task speaks for one kind, and waits until the log has what it said before it looks
//! at what came next; so what is compared with the world is never older than the world. What is missing
//! from a whole listing is gone; a failed listing says nothing.

mod declared;
mod follow;
mod live;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use fluvial_cluster::Cluster;
use fluvial_event::{Draft, Offset};
use fluvial_log::{BlobStore, Key, Producer};
use fluvial_reduce::World;
use tokio::sync::{Notify, watch};

/// What every watch needs.
#[derive(Clone)]
pub struct Ingest {
    cluster: Cluster,
    blobs: Arc<dyn BlobStore>,
    key: Key,
    world: Arc<RwLock<World>>,
    producer: Producer,
    /// Woken when definitions of kinds changed.
    kinds: Arc<Notify>,
    dropped: Arc<AtomicU64>,
}

impl Ingest {
    /// Watches `cluster`, compares with `world`, and appends through `producer`.
    pub fn new(
        cluster: Cluster,
        blobs: Arc<dyn BlobStore>,
        key: Key,
        world: Arc<RwLock<World>>,
        producer: Producer,
    ) -> Self {
        Self {
            cluster,
            blobs,
            key,
            world,
            producer,
            kinds: Arc::default(),
            dropped: Arc::default(),
        }
    }

    /// Watches until the log stops. `head` says when there may be new objects to watch.
    pub async fn run(self, head: watch::Receiver<Offset>) {
        let definitions = tokio::spawn(declared::definitions(self.clone()));
        let declared: Vec<_> = declared::watched()
            .map(|kind| tokio::spawn(declared::follow(self.clone(), kind)))
            .collect();
        live::follow_all(self, head).await;
        definitions.abort();
        for task in declared {
            task.abort();
        }
    }

    /// How many watch events said nothing that a decision reads.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, and waits until it is durable. An error means that the log has stopped.
    async fn append(&self, drafts: Vec<Draft>) -> Result<(), Stopped> {
        if drafts.is_empty() {
            return Ok(());
        }
        let producer = self.producer.clone();
        let appended = tokio::task::spawn_blocking(move || producer.append(drafts)).await;
        match appended {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stopped),
        }
    }
}

/// The log takes no more.
#[derive(Debug)]
struct Stopped;
