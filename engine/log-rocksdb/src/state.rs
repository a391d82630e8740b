//! The state on RocksDB: one family and no write-ahead log, so that a crash loses the newest changes
//! and the offset they lead to together. A part has the same keys behind a prefix of its own.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluvial_event::{Digest, Offset};
use fluvial_log::{Applied, Change, Error, Pairs, Result, StateStore};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use crate::options;

/// Keys are behind this byte, so that they cannot meet what the state says about itself.
const KEYS: u8 = b'k';
const KEYS_END: u8 = b'l';
const APPLIED: &[u8] = b"applied";
const FORMAT: &[u8] = b"format";
/// Begins the prefix of a part, which ends with a byte that is in no name.
const PARTS: u8 = b'p';
const PART_END: u8 = 0;

/// What was folded from the log.
#[derive(Debug)]
pub struct RocksState {
    db: Arc<DB>,
    /// In front of every key: none but for a part.
    prefix: Vec<u8>,
    /// Held while the state changes, so that a checkpoint knows how far it goes.
    writing: Arc<Mutex<()>>,
}

impl RocksState {
    /// Opens the state in `directory`, and makes it where there is none. `format` names how the
    /// caller writes its values: a state of another format is refused, and is to be folded again.
    pub fn open(directory: &Path, format: &str) -> Result<Self> {
        let doing = |error| Error::storage("open the state", error);
        let db = DB::open(&options::state(), directory).map_err(|error| {
            if error.to_string().contains("/LOCK:") {
                Error::Locked(directory.display().to_string())
            } else {
                doing(error)
            }
        })?;
        let found = db.get(FORMAT).map_err(doing)?;
        match found {
            Some(found) if found == format.as_bytes() => {}
            Some(_other) => {
                return Err(Error::storage("open the state", "it is of another format"));
            }
            None if db.iterator(IteratorMode::Start).next().is_some() => {
                return Err(Error::storage(
                    "open the state",
                    "it does not tell its format",
                ));
            }
            None => db.put_opt(FORMAT, format, &unlogged()).map_err(doing)?,
        }
        let state = Self {
            db: Arc::new(db),
            prefix: Vec::new(),
            writing: Arc::default(),
        };
        state.applied()?;
        Ok(state)
    }

    /// Reads everything once, the parts too, which finds damage.
    pub(crate) fn check(&self) -> Result<()> {
        self.db
            .iterator(IteratorMode::Start)
            .try_for_each(|pair| pair.map(drop))
            .map_err(|error| Error::storage("read the state", error))
    }

    /// Writes a copy into the new directory `directory`, and answers how far it goes.
    pub(crate) fn checkpoint(&self, directory: &Path) -> Result<Applied> {
        let _writing = self.lock();
        let doing = |error| Error::storage("take a snapshot", error);
        let applied = self.applied()?;
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(directory))
            .map_err(doing)?;
        Ok(applied)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, parts: &[&[u8]]) -> Vec<u8> {
        [self.prefix.as_slice(), &parts.concat()].concat()
    }
}

impl StateStore for RocksState {
    fn applied(&self) -> Result<Applied> {
        let found = self
            .db
            .get(self.key(&[APPLIED]))
            .map_err(|error| Error::storage("read the state", error))?;
        let Some(bytes) = found else {
            return Ok(Applied::default());
        };
        let read = || {
            let (offset, hash) = bytes.split_first_chunk::<8>()?;
            Some(Applied {
                offset: Offset(u64::from_be_bytes(*offset)),
                hash: Digest(hash.try_into().ok()?),
            })
        };
        read().ok_or_else(|| Error::storage("read the state", "it does not tell how far it goes"))
    }

    fn load(&self) -> Pairs<'_> {
        let ours = self.key(&[&[KEYS]]);
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(self.key(&[&[KEYS_END]]));
        let mode = IteratorMode::From(&ours, Direction::Forward);
        let before = ours.len();
        Box::new(self.db.iterator_opt(mode, options).map(move |pair| {
            let (key, value) = pair.map_err(|error| Error::storage("read the state", error))?;
            Ok((key[before..].to_vec(), value.into_vec()))
        }))
    }

    fn commit(&self, applied: Applied, changes: &[Change]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in changes {
            let key = self.key(&[&[KEYS], key]);
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let offset = applied.offset.0.to_be_bytes();
        batch.put(
            self.key(&[APPLIED]),
            [&offset[..], &applied.hash.0].concat(),
        );
        let _writing = self.lock();
        self.db
            .write_opt(batch, &unlogged())
            .map_err(|error| Error::storage("write the state", error))
    }

    fn clear(&self) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range(self.key(&[&[KEYS]]), self.key(&[&[KEYS_END]]));
        batch.delete(self.key(&[APPLIED]));
        let _writing = self.lock();
        self.db
            .write_opt(batch, &unlogged())
            .map_err(|error| Error::storage("clear the state", error))
    }

    fn part(&self, name: &str, format: &str) -> Result<Arc<dyn StateStore>> {
        let doing = |error| Error::storage("open a part of the state", error);
        let part = Self {
            db: Arc::clone(&self.db),
            prefix: self.key(&[&[PARTS], name.as_bytes(), &[PART_END]]),
            writing: Arc::clone(&self.writing),
        };
        let found = self.db.get(part.key(&[FORMAT])).map_err(doing)?;
        if found.as_deref() != Some(format.as_bytes()) {
            part.clear()?;
            self.db
                .put_opt(part.key(&[FORMAT]), format, &unlogged())
                .map_err(doing)?;
        }
        Ok(Arc::new(part))
    }
}

fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}
