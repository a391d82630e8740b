//! The index: from an object, an id or a revision to the records that name it, without reading the rest.
//!
//! It is made behind the log, by whoever follows it ([`step`]), and can be deleted: it is made again.
//! A reader ([`Index`]) takes what is stored, as far as that goes and if it is of this log, and reads
//! the records behind that itself, so that it never misses one.
//!
//! Invariants: the entries of a record and the offset they lead to are written together; what is found
//! by the index is what a scan of the whole log would find.

pub mod contract;
mod entries;
mod memory;

use std::collections::BTreeSet;

use fluvial_event::{Id, Mention, ObjectRef, Offset, Record, Timestamp};

use crate::{Applied, Error, EventLog, Pairs, Result, belongs};

pub use memory::MemoryIndex;

use entries::Key;

/// How entries are written. Another format is another index: the old one is deleted.
pub const FORMAT: &str = "index/1";

/// Keys and values in order, written behind the log.
pub trait IndexStore: Send + Sync {
    /// Up to where the log is in it; the default where it is empty.
    fn applied(&self) -> Result<Applied>;

    /// Adds `entries` and the point they lead to, all or nothing.
    fn commit(&self, applied: Applied, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()>;

    /// The pairs from `first` to `last`, both included, the last in front.
    fn backward(&self, first: &[u8], last: &[u8]) -> Pairs<'_>;

    /// Forgets everything.
    fn clear(&self) -> Result<()>;
}

/// Where a revision is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The commit, in the source's own words: a hash in most.
    pub commit: String,
    /// The record.
    pub offset: Offset,
    /// The number of its type.
    pub number: u16,
}

/// How many records are indexed in one write.
const BATCH_RECORDS_MAX: usize = 1_000;

/// Brings `store` up to the end of `log`, and answers up to where it goes. One that is of another history
/// is made again from the first record.
pub fn advance(log: &dyn EventLog, store: &dyn IndexStore) -> Result<Offset> {
    while step(log, store)? {}
    Ok(store.applied()?.offset)
}

/// The same for the next thousand records at most; whether there are more.
pub fn step(log: &dyn EventLog, store: &dyn IndexStore) -> Result<bool> {
    let mut applied = store.applied()?;
    if belongs(log, applied).is_err() {
        store.clear()?;
        applied = Applied::default();
    }
    let mut entries = Vec::new();
    for record in log.read(applied.offset.next()).take(BATCH_RECORDS_MAX) {
        let record = record?;
        entries::of(&record, &mut entries);
        applied = point(&record);
    }
    if !entries.is_empty() {
        commit(store, applied, &mut entries)?;
    }
    Ok(applied.offset < log.head().offset)
}

fn commit(
    store: &dyn IndexStore,
    applied: Applied,
    entries: &mut Vec<(Vec<u8>, Vec<u8>)>,
) -> Result<()> {
    // Many records name the same objects.
    entries.sort_unstable();
    entries.dedup();
    store.commit(applied, entries)?;
    entries.clear();
    Ok(())
}

fn point(record: &Record) -> Applied {
    Applied {
        offset: record.offset,
        hash: record.hash,
    }
}

/// A log that can be asked.
pub struct Index<'a> {
    log: &'a dyn EventLog,
    stored: Option<&'a dyn IndexStore>,
    /// What is behind the stored part.
    tail: MemoryIndex,
}

impl<'a> Index<'a> {
    /// Takes what is `stored`, if it is of this log, and reads what is behind it. Open the store before
    /// the log: it must not be ahead. `progress` is told of every record that is read.
    pub fn open(
        log: &'a dyn EventLog,
        stored: Option<&'a dyn IndexStore>,
        mut progress: impl FnMut(Offset),
    ) -> Result<Self> {
        let applied = stored.map_or(Ok(Applied::default()), IndexStore::applied)?;
        let (stored, applied) = if belongs(log, applied).is_ok() {
            (stored, applied)
        } else {
            (None, Applied::default())
        };
        let tail = MemoryIndex::default();
        let mut entries = Vec::new();
        for record in log.read(applied.offset.next()) {
            let record = record?;
            entries::of(&record, &mut entries);
            commit(&tail, point(&record), &mut entries)?;
            progress(record.offset);
        }
        Ok(Self { log, stored, tail })
    }

    /// The log itself.
    pub fn log(&self) -> &'a dyn EventLog {
        self.log
    }

    /// Where the log ended when this was opened.
    pub fn end(&self) -> Offset {
        self.log.head().offset
    }

    /// The record at `offset`.
    pub fn record(&self, offset: Offset) -> Result<Record> {
        let missing = || Error::storage("read a record", format!("there is none at {offset}"));
        let record = self.log.read(offset).next().ok_or_else(missing)??;
        if record.offset == offset {
            Ok(record)
        } else {
            Err(missing())
        }
    }

    /// Every record up to `until` that names `object`, whatever its version, newest first.
    pub fn mentions(
        &self,
        object: &ObjectRef,
        until: Offset,
    ) -> impl Iterator<Item = Result<Mention>> + '_ {
        let (first, last) = Key::object(object, until);
        self.both(&first, &last)
            .map(|pair| entries::mention(&pair?))
    }

    /// The record of this id.
    pub fn by_id(&self, id: Id) -> Result<Option<Record>> {
        if id.is_none() {
            return Ok(None);
        }
        let (first, last) = Key::id(id);
        for pair in self.both(&first, &last) {
            let record = self.record(entries::offset(&pair?)?)?;
            if record.id == id {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Every record up to `until` that names a revision whose commit begins with `commit`: commit by
    /// commit, each newest first.
    pub fn revisions(&self, commit: &str, until: Offset) -> Result<Vec<Seen>> {
        let (first, last) = Key::revision(commit);
        let mut found = Vec::new();
        for pair in self.both(&first, &last) {
            let seen = entries::seen(&pair?)?;
            if seen.offset <= until {
                found.push(seen);
            }
        }
        found.sort_by(|a, b| (&a.commit, b.offset).cmp(&(&b.commit, a.offset)));
        Ok(found)
    }

    /// Every object that any record names, without its version, in order.
    pub fn objects(&self) -> Result<BTreeSet<ObjectRef>> {
        let (first, last) = Key::names();
        self.both(&first, &last)
            .map(|pair| entries::object(&pair?))
            .collect()
    }

    /// The last record that was appended at `time` or before; `Offset(0)` where there is none.
    pub fn at(&self, time: Timestamp) -> Result<Offset> {
        let (mut low, mut high) = (0, self.end().0);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.record(Offset(middle))?.time <= time {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(Offset(low))
    }

    /// The tail is behind what is stored, so newest first it comes first.
    fn both(&self, first: &[u8], last: &[u8]) -> Pairs<'_> {
        let tail = self.tail.backward(first, last);
        match self.stored {
            Some(stored) => Box::new(tail.chain(stored.backward(first, last))),
            None => tail,
        }
    }
}

#[cfg(test)]
mod tests;
