//! The log and its blobs in one database, so that a blob is durable no later than the record that
//! names it.

mod blobs;

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use fluvial_event::{Chain, Head, Offset, Record, decode, encode_into};
use fluvial_log::{Error, EventLog, Key, Records, Result, check};
use rocksdb::{ColumnFamily, DB, FlushOptions, IteratorMode, Options, WriteBatch, WriteOptions};

use crate::Data;
use crate::options::{self, BLOBS, META, RECORDS, STREAMS, Tail};
use crate::pin::{self, Pin, Pinned};
use crate::read::{self, Reader};

/// How many records at the end are checked when a log is opened.
const CHECKED_AT_OPEN: u64 = 1_000;

const FORMAT: &[u8] = b"2";
/// Like this one, with a family of streams besides. It becomes this one when it is opened for writing.
const FORMAT_WITH_STREAMS: &[u8] = b"1";
const FORMAT_KEY: &[u8] = b"format";
const FINGERPRINT_KEY: &[u8] = b"fingerprint";

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the one process that appends.
    Write,
    /// As it is now, beside the one that appends. What is appended later is not seen.
    Read,
}

/// The log and its blobs.
#[derive(Debug)]
pub struct RocksLog {
    db: DB,
    key: Key,
    /// As of the last append that was acknowledged; apart, so that nobody waits for a sync to read it.
    head: Mutex<Head>,
    /// None where the log is open for reading.
    writer: Option<Mutex<Writer>>,
    /// Why a write failed; apart from the writer, so that a blob does not wait for a sync.
    stopped: OnceLock<String>,
}

#[derive(Debug)]
struct Writer {
    chain: Chain,
    pin: Pin,
    /// Held as long as this is.
    _lock: File,
}

impl RocksLog {
    /// Opens the log in the data directory `directory`, and makes it where there is none and `mode`
    /// allows. Refuses, without changing anything, a log that ends before what was acknowledged, that
    /// holds another history, or whose last records do not follow.
    pub fn open(directory: &Path, key: Key, mode: Mode) -> Result<Self> {
        let data = Data::new(directory);
        match mode {
            Mode::Read => Self::open_to_read(&data, key, Tail::UpToDamage),
            Mode::Write => {
                let lock = data.lock()?;
                Self::open_to_write(&data, key, lock)
            }
        }
    }

    pub(crate) fn open_to_write(data: &Data, key: Key, lock: File) -> Result<Self> {
        let pinned = pin::read(&data.pin_file(), &key)?;
        if data.has_log() {
            // RocksDB tidies up while it opens: what it cannot read is gone after. So look first.
            let looked = Self::open_database(data, key.clone(), Tail::UpToDamage)?;
            looked.check_pin(pinned)?;
            looked.check_key()?;
            looked.check_end()?;
        } else if let Some(Head { offset, .. }) = pinned.and_then(|pinned| pinned.head)
            && offset > Offset::default()
        {
            return Err(truncated(offset, Offset::default()));
        }
        let mut options = options::database(Tail::UpToDamage);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = open_families(&options, data)?;
        let head = last(&db)?;
        let mut log = Self {
            db,
            key: key.clone(),
            head: Mutex::new(head),
            writer: None,
            stopped: OnceLock::new(),
        };
        log.check_pin(pinned)?;
        log.introduce()?;
        log.forget_streams()?;
        log.writer = Some(Mutex::new(Writer {
            chain: Chain::new(head, 0),
            pin: Pin::open(&data.pin_file(), key, head)?,
            _lock: lock,
        }));
        Ok(log)
    }

    /// The pin is read first: what is appended in between makes the log longer than its pin, never
    /// shorter.
    pub(crate) fn open_to_read(data: &Data, key: Key, tail: Tail) -> Result<Self> {
        let pinned = pin::read(&data.pin_file(), &key)?;
        let log = Self::open_database(data, key, tail)?;
        log.check_key()?;
        log.check_pin(pinned)?;
        log.check_end()?;
        Ok(log)
    }

    /// Opens for reading without looking at what is there. Beside a live writer files come and go, so
    /// that a failure is believed only when it lasts.
    pub(crate) fn open_database(data: &Data, key: Key, tail: Tail) -> Result<Self> {
        const ATTEMPTS: usize = 5;
        let open = || {
            let options = options::reader(tail);
            let families = options::families();
            DB::open_cf_descriptors_read_only(&options, data.log_directory(), families, false)
        };
        let mut opened = open();
        for _ in 1..ATTEMPTS {
            if opened.is_ok() || !data.has_log() {
                break;
            }
            opened = open();
        }
        let db = opened.map_err(|error| Error::storage("open the log", error))?;
        let head = Mutex::new(last(&db)?);
        Ok(Self {
            db,
            key,
            head,
            writer: None,
            stopped: OnceLock::new(),
        })
    }

    fn check_pin(&self, pinned: Option<Pinned>) -> Result<()> {
        let head = self.head();
        let Some(pin) = pinned.unwrap_or_default().head else {
            if head.offset == Offset::default() && pinned.is_none() {
                return Ok(());
            }
            return Err(Error::storage(
                "tell whether the log is whole",
                "its pin is missing or damaged; restore the data directory from a backup",
            ));
        };
        if pin.offset > head.offset {
            return Err(truncated(pin.offset, head.offset));
        }
        if pin.offset > Offset::default() && self.record(pin.offset)?.hash != pin.hash {
            return Err(Error::Replaced { offset: pin.offset });
        }
        Ok(())
    }

    /// Whether this log is ours to read; a log that was made and never introduced is empty.
    pub(crate) fn check_key(&self) -> Result<()> {
        match self.meta(FORMAT_KEY)?.as_deref() {
            None if self.head().offset == Offset::default() => return Ok(()),
            None => {
                return Err(Error::storage(
                    "open the log",
                    "it does not tell its format; restore it from a backup",
                ));
            }
            Some(FORMAT | FORMAT_WITH_STREAMS) => {}
            Some(_other) => {
                return Err(Error::storage(
                    "open the log",
                    "it was written by a newer version; use that version or a later one",
                ));
            }
        }
        if self.meta(FINGERPRINT_KEY)?.as_deref() == Some(&self.key.fingerprint().0) {
            return Ok(());
        }
        Err(Error::WrongKey)
    }

    fn introduce(&self) -> Result<()> {
        if self.meta(FORMAT_KEY)?.is_some() {
            return self.check_key();
        }
        let meta = self.family(META)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, FORMAT_KEY, FORMAT);
        batch.put_cf(meta, FINGERPRINT_KEY, self.key.fingerprint().0);
        self.db
            .write_opt(batch, &synced())
            .map_err(|error| Error::storage("make the log", error))
    }

    /// An index over the log says what the streams of an earlier version did. That version then refuses
    /// this log: it would miss them.
    fn forget_streams(&mut self) -> Result<()> {
        let removing = |error| Error::storage("remove the streams of an earlier version", error);
        if self.meta(FORMAT_KEY)?.as_deref() == Some(FORMAT_WITH_STREAMS) {
            let mut batch = WriteBatch::default();
            batch.put_cf(self.family(META)?, FORMAT_KEY, FORMAT);
            self.db.write_opt(batch, &synced()).map_err(removing)?;
        }
        if self.db.cf_handle(STREAMS).is_none() {
            return Ok(());
        }
        self.db.drop_cf(STREAMS).map_err(removing)
    }

    /// The last records must follow each other.
    fn check_end(&self) -> Result<()> {
        let last = self.head().offset;
        let from = Offset(last.0.saturating_sub(CHECKED_AT_OPEN).max(1));
        let mut chain = (from == Offset::FIRST).then(Chain::default);
        for record in self.read(from) {
            let record = record?;
            if let Some(chain) = &mut chain {
                let offset = record.offset;
                let wrong = |source| Error::Record { offset, source };
                chain.follow(&record).map_err(wrong)?;
            }
            chain = Some(Chain::new(check::head(&record), 0));
        }
        Ok(())
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn family(&self, name: &'static str) -> Result<&ColumnFamily> {
        family(&self.db, name)
    }

    fn meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.db
            .get_cf(self.family(META)?, key)
            .map_err(|error| Error::storage("read what the log says about itself", error))
    }

    /// Writes into tables what only the write-ahead log has, which the next start would read again: an orderly
    /// end does. Nothing that was acknowledged depends on it.
    pub fn settle(&self) -> Result<()> {
        self.writer("settle the log")?;
        let families = [RECORDS, BLOBS, META].map(|name| self.family(name));
        let families: Vec<_> = families.into_iter().collect::<Result<_>>()?;
        self.db
            .flush_cfs_opt(&families, &FlushOptions::default())
            .map_err(|error| Error::storage("settle the log", error))
    }

    /// The record at `offset`.
    pub fn record(&self, offset: Offset) -> Result<Record> {
        record(&self.db, self.family(RECORDS)?, offset)
    }

    /// What writes, unless this log was opened for reading or an earlier write failed.
    fn writer(&self, doing: &'static str) -> Result<&Mutex<Writer>> {
        if let Some(why) = self.stopped.get() {
            return Err(Error::Stopped(why.clone()));
        }
        self.writer
            .as_ref()
            .ok_or_else(|| Error::storage(doing, "the log was opened for reading"))
    }

    /// After a write that failed there are no more: nobody knows what is on the disk.
    fn stop_after(&self, written: Result<()>) -> Result<()> {
        if let Err(error) = &written {
            self.stopped.get_or_init(|| error.to_string());
        }
        written
    }

    fn locked_head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One allocation for the bytes of all: they are copied into what is written anyway.
    fn batch(&self, records: &[Record]) -> Result<WriteBatch> {
        let family = self.family(RECORDS)?;
        let mut batch = WriteBatch::default();
        let mut bytes = Vec::new();
        for record in records {
            bytes.clear();
            encode_into(record, &mut bytes);
            check::size(record.offset, bytes.len())?;
            batch.put_cf(family, record.offset.0.to_be_bytes(), &bytes);
        }
        Ok(batch)
    }
}

impl EventLog for RocksLog {
    fn head(&self) -> Head {
        *self.locked_head()
    }

    fn append(&self, batch: &[Record]) -> Result<()> {
        let writer = self.writer("append")?;
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = check::batch(&writer.chain, batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let write = self.batch(batch)?;
        let written = self
            .db
            .write_opt(write, &synced())
            .map_err(|error| Error::storage("append", error))
            .and_then(|()| writer.pin.write(chain.head()));
        self.stop_after(written)?;
        *self.locked_head() = chain.head();
        writer.chain = chain;
        Ok(())
    }

    fn read(&self, from: Offset) -> Records<'_> {
        match self.family(RECORDS) {
            Ok(records) => Box::new(Reader::new(&self.db, records, from, self.head().offset)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

/// Opens for writing, which takes every family that is there.
fn open_families(options: &Options, data: &Data) -> Result<DB> {
    let opening = |error| Error::storage("open the log", error);
    let directory = data.log_directory();
    let mut families = options::families();
    if data.has_log() {
        let found = DB::list_cf(options, &directory).map_err(opening)?;
        if found.iter().any(|name| name == STREAMS) {
            families.push(options::streams());
        }
    }
    DB::open_cf_descriptors(options, directory, families).map_err(opening)
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn truncated(pinned: Offset, found: Offset) -> Error {
    Error::Truncated { pinned, found }
}

fn family<'a>(db: &'a DB, name: &'static str) -> Result<&'a ColumnFamily> {
    db.cf_handle(name)
        .ok_or_else(|| Error::storage("open the log", format!("it has no family {name}")))
}

fn record(db: &DB, records: &ColumnFamily, offset: Offset) -> Result<Record> {
    let bytes = db
        .get_pinned_cf(records, offset.0.to_be_bytes())
        .map_err(|error| Error::storage("read a record", error))?;
    let missing = || Error::storage("read a record", format!("there is none at {offset}"));
    check::record(offset, decode(&bytes.ok_or_else(missing)?))
}

/// The head, from the last record.
fn last(db: &DB) -> Result<Head> {
    let mut iterator = db.iterator_cf(family(db, RECORDS)?, IteratorMode::End);
    let Some(entry) = iterator.next() else {
        return Ok(Head::default());
    };
    let (key, value) = entry.map_err(|error| Error::storage("read the last record", error))?;
    let odd = || Error::storage("read the last record", "its key is not an offset");
    let record = check::record(read::offset(&key).ok_or_else(odd)?, decode(&value))?;
    Ok(check::head(&record))
}
