//! The task that watches, as long as the log takes what it says.

use std::sync::{Arc, RwLock};

use fluvial_cluster::Cluster;
use fluvial_event::{Draft, Offset};
use fluvial_log::{BlobStore, Key, Producer};
use fluvial_reduce::World;
use tokio::sync::{Notify, watch};

use crate::hear::Known;
use crate::{declared, follow};

/// What every watch needs.
#[derive(Clone)]
pub struct Ingest {
    pub(crate) cluster: Cluster,
    pub(crate) known: Known,
    producer: Producer,
    /// Woken when definitions of kinds changed.
    pub(crate) kinds: Arc<Notify>,
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
            known: Known::new(world, blobs, key),
            producer,
            kinds: Arc::default(),
        }
    }

    /// Watches until the log stops. `head` says when there may be new objects to watch.
    pub async fn run(self, head: watch::Receiver<Offset>) {
        let definitions = tokio::spawn(follow::definitions(self.clone()));
        let declared: Vec<_> = declared::watched()
            .map(|kind| tokio::spawn(follow::declared(self.clone(), kind)))
            .collect();
        follow::live(self, head).await;
        definitions.abort();
        for task in declared {
            task.abort();
        }
    }

    /// How many watch events said nothing that a decision reads.
    pub fn dropped(&self) -> u64 {
        self.known.dropped()
    }

    /// Appends, and waits until it is durable. An error means that the log has stopped.
    pub(crate) async fn append(&self, drafts: Vec<Draft>) -> Result<(), Stopped> {
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
pub(crate) struct Stopped;
