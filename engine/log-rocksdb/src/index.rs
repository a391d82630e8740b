//! The index on RocksDB: a database of its own beside the log, so that an append does not wait for it.
//!
//! It has a write-ahead log that is never synced: a process that is killed loses nothing, a power failure
//! costs the newest entries and the offset they lead to together, and a reader sees what was written.

use std::path::Path;

use fluvial_event::{Digest, Offset};
use fluvial_log::index::{FORMAT, IndexStore};
use fluvial_log::{Applied, Error, Pairs, Result};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch};

use crate::data::{Data, remove};
use crate::options;

/// What the index says about itself; its entries begin with small letters.
const APPLIED_KEY: &[u8] = b"\0applied";
const FORMAT_KEY: &[u8] = b"\0format";
const ENTRIES: &[u8] = b"\x01";

/// From objects, ids and revisions to the records that name them.
#[derive(Debug)]
pub struct RocksIndex {
    db: DB,
}

impl Data {
    /// Opens the index for the process that has the log open for writing; one that cannot be read is
    /// deleted, and is to be made again.
    pub fn open_index(&self) -> Result<RocksIndex> {
        let directory = self.index_directory();
        let open = || {
            let index = RocksIndex::made(&directory)?;
            index.applied()?;
            Ok(index)
        };
        open().or_else(|_damaged: Error| {
            remove(&directory)?;
            open()
        })
    }

    /// The index as it is now, for reading beside the process that writes; none where there is none that
    /// this version can read.
    pub fn read_index(&self) -> Option<RocksIndex> {
        const ATTEMPTS: usize = 3;
        let directory = self.index_directory();
        // Beside a live writer files come and go.
        let opened = (0..ATTEMPTS).find_map(|_| RocksIndex::found(&directory).ok());
        opened.filter(|index| index.applied().is_ok())
    }

    /// Deletes the index, which nobody may have open. It is made again.
    pub fn discard_index(&self) -> Result<()> {
        remove(&self.index_directory())
    }
}

impl RocksIndex {
    fn made(directory: &Path) -> Result<Self> {
        let db = DB::open(&options::index(), directory).map_err(opening)?;
        let index = Self { db };
        if index.format()?.is_none() && index.db.iterator(IteratorMode::Start).next().is_none() {
            index.db.put(FORMAT_KEY, FORMAT).map_err(opening)?;
        }
        index.check()
    }

    fn found(directory: &Path) -> Result<Self> {
        let options = options::index_reader();
        let db = DB::open_for_read_only(&options, directory, false).map_err(opening)?;
        Self { db }.check()
    }

    fn format(&self) -> Result<Option<Vec<u8>>> {
        self.db.get(FORMAT_KEY).map_err(opening)
    }

    fn check(self) -> Result<Self> {
        if self.format()?.as_deref() == Some(FORMAT.as_bytes()) {
            return Ok(self);
        }
        Err(opening("it is of another format"))
    }
}

fn opening(why: impl std::fmt::Display) -> Error {
    Error::storage("open the index", why)
}

fn reading(why: impl std::fmt::Display) -> Error {
    Error::storage(
        "read the index",
        format!("{why}; delete it, it is made again"),
    )
}

impl IndexStore for RocksIndex {
    fn applied(&self) -> Result<Applied> {
        let Some(bytes) = self.db.get(APPLIED_KEY).map_err(reading)? else {
            return Ok(Applied::default());
        };
        let read = || {
            let (offset, hash) = bytes.split_first_chunk::<8>()?;
            Some(Applied {
                offset: Offset(u64::from_be_bytes(*offset)),
                hash: Digest(hash.try_into().ok()?),
            })
        };
        read().ok_or_else(|| reading("it does not tell how far it goes"))
    }

    fn commit(&self, applied: Applied, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in entries {
            batch.put(key, value);
        }
        let offset = applied.offset.0.to_be_bytes();
        batch.put(APPLIED_KEY, [&offset[..], &applied.hash.0].concat());
        self.db
            .write(batch)
            .map_err(|error| Error::storage("write the index", error))
    }

    fn backward(&self, first: &[u8], last: &[u8]) -> Pairs<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first);
        let mode = IteratorMode::From(last, Direction::Reverse);
        let pairs = self.db.iterator_opt(mode, options);
        Box::new(pairs.map(|pair| {
            let (key, value) = pair.map_err(reading)?;
            Ok((key.into_vec(), value.into_vec()))
        }))
    }

    fn clear(&self) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range(ENTRIES, &[u8::MAX]);
        batch.delete(APPLIED_KEY);
        self.db
            .write(batch)
            .map_err(|error| Error::storage("clear the index", error))
    }
}
