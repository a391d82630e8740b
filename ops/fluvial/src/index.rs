//! The index of the log: written behind it by the engine, read by every command that asks the log.
//!
//! What an index is, is `fluvial-log`'s business.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fluvial_event::{Digest, ObjectRef, Offset, Record, Rendered, Role};
use fluvial_log::index::{Index, IndexStore, step};
use fluvial_log::{BlobStore, EventLog};
use fluvial_log_rocksdb::{Data, Mode, RocksIndex, RocksLog};
use fluvial_manifest::Value;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

/// News is gathered for so long before it is indexed: readers read it themselves until then.
const GATHER: Duration = Duration::from_millis(250);

/// Keeps the index behind the log until the log ends. Without it everything works, and is slower to ask.
pub(crate) async fn follow(data: Data, log: Arc<RocksLog>, mut head: watch::Receiver<Offset>) {
    let opened = tokio::task::spawn_blocking(move || data.open_index()).await;
    let store = match opened {
        Ok(Ok(store)) => Arc::new(store),
        Ok(Err(error)) => return tracing::error!(%error, "The log is not indexed."),
        Err(error) => return tracing::error!(%error, "The log is not indexed."),
    };
    loop {
        let (log, store) = (Arc::clone(&log), Arc::clone(&store));
        match tokio::task::spawn_blocking(move || step(&*log, &*store)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                if head.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
                head.mark_unchanged();
            }
            Ok(Err(error)) => return tracing::error!(%error, "The log is not indexed any more."),
            Err(error) => return tracing::error!(%error, "The log is not indexed any more."),
        }
    }
}

/// A log to be asked, as it is now.
pub(crate) struct Memory {
    stored: Option<RocksIndex>,
    log: RocksLog,
}

impl Memory {
    /// The index first: it must not be ahead of the log.
    pub(crate) fn open(data: &Data) -> Result<Self> {
        let stored = data.read_index();
        let log = data.open_log(Mode::Read)?;
        Ok(Self { stored, log })
    }

    pub(crate) fn log(&self) -> &RocksLog {
        &self.log
    }

    /// Reads what is not in the index yet; says so when that takes long.
    pub(crate) fn index(&self) -> Result<Index<'_>> {
        let stored = self.stored.as_ref().map(|it| it as &dyn IndexStore);
        let indexed =
            stored.map_or(Ok(Offset::default()), |it| it.applied().map(|it| it.offset))?;
        let missing = self.log.head().offset.0.saturating_sub(indexed.0);
        let bar = progress(missing);
        let index = Index::open(&self.log, stored, |_| bar.inc(1));
        bar.finish_and_clear();
        index.context("run `fluvial log verify` to see what is wrong")
    }
}

/// Records from `last` back to `first`, the newest first, until `each` has enough.
pub(crate) fn backward(
    log: &dyn EventLog,
    (first, last): (Offset, Offset),
    mut each: impl FnMut(Record) -> Result<ControlFlow<()>>,
) -> Result<()> {
    /// How many are read at once: a log is read forward.
    const CHUNK: u64 = 4096;
    let mut end = last.next();
    while end > first {
        let begin = Offset(end.0.saturating_sub(CHUNK)).max(first);
        let mut chunk = Vec::new();
        for record in log.read(begin) {
            let record = record?;
            if record.offset >= end {
                break;
            }
            chunk.push(record);
        }
        for record in chunk.into_iter().rev() {
            if each(record)?.is_break() {
                return Ok(());
            }
        }
        end = begin;
    }
    Ok(())
}

/// The recorded manifest of a member of a set.
pub(crate) fn manifest(blobs: &dyn BlobStore, member: &Rendered) -> Result<Value> {
    let read = || -> Result<Value> {
        let digest: Digest = member.manifest.parse()?;
        Ok(serde_json::from_slice(&blobs.get(&digest)?)?)
    };
    read().with_context(|| {
        let object = member.object.clone().unwrap_or_default();
        format!("cannot read the recorded manifest of {object}")
    })
}

/// The records that are about `object` itself, newest first.
pub(crate) fn own(
    index: &Index<'_>,
    object: &ObjectRef,
) -> impl Iterator<Item = fluvial_log::Result<Record>> {
    index
        .mentions(object, index.end())
        .filter(|it| it.as_ref().map_or(true, |it| it.role == Role::Subject))
        .map(|mention| index.record(mention?.offset))
}

/// A bar on stderr where somebody looks at it, and there is much to read.
fn progress(records: u64) -> ProgressBar {
    const MUCH: u64 = 50_000;
    if records < MUCH || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(records), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(
        "► reading {bar:40} {pos}/{len} records that are not indexed, {eta}",
    );
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
