//! Reads everything in a data directory that holds history, and says all that is wrong with it.

use fluvial_event::{Digest, Offset};
use fluvial_log::verify::{Report, verify};
use fluvial_log::{Error, EventLog as _, Key, Result};
use rocksdb::IteratorMode;

use crate::data::Data;
use crate::log::RocksLog;
use crate::options::{BLOBS, META, Tail};
use crate::pin::{self, Pinned};

impl Data {
    /// Reads the whole log under the key that is kept with it: every record and blob, the pin
    /// and the key. Goes on after a problem where it can, changes nothing, and may run beside the
    /// process that appends.
    pub fn verify(&self) -> Report {
        match Key::open_file(&self.key_file()) {
            Ok(key) => self.verify_with(&key),
            Err(error) => {
                let mut report = Report::default();
                report.problem(Offset::default(), error);
                report
            }
        }
    }

    /// The same, under a key that is kept elsewhere.
    pub fn verify_with(&self, key: &Key) -> Report {
        let mut before = Report::default();
        // Before the database is opened, so that it cannot be behind the pin by being read first.
        let pinned = self.read_pin(key, &mut before);
        let Some(log) = self.open_to_verify(key, pinned, &mut before) else {
            return before;
        };
        let known = match log.check_key() {
            Ok(()) => true,
            Err(error) => {
                before.problem(Offset::default(), error);
                false
            }
        };
        if pinned.is_none() && log.head().offset > Offset::default() {
            before.problem(log.head().offset, "the pin is missing");
        }
        let head = pinned.and_then(|pinned| pinned.head);
        let mut report = if known {
            verify(&log, Some(&log), head)
        } else {
            verify(&log, None, None)
        };
        report.problems.splice(0..0, before.problems);
        for (family, check) in [(BLOBS, check_blobs as Check), (META, check_meta)] {
            if let Err(error) = check(&log, &mut report) {
                let what = format!("in {family}: {error}");
                report.problem(Offset::default(), what);
            }
        }
        report
    }

    /// A slot that is being written while it is read is not damaged; it is the next time.
    fn read_pin(&self, key: &Key, report: &mut Report) -> Option<Pinned> {
        const ATTEMPTS: usize = 3;
        let mut read = pin::read(&self.pin_file(), key);
        for _ in 1..ATTEMPTS {
            if matches!(read, Ok(Some(Pinned { damaged: 0, .. }))) || !self.has_writer() {
                break;
            }
            read = pin::read(&self.pin_file(), key);
        }
        match read {
            Ok(None) => None,
            Ok(Some(pinned)) => {
                if pinned.damaged > 0 {
                    report.problem(
                        pinned.head.unwrap_or_default().offset,
                        "the pin is damaged, or is that of another log: what it says may be old",
                    );
                }
                Some(pinned)
            }
            Err(error) => {
                report.problem(Offset::default(), error);
                None
            }
        }
    }

    /// Damage at the end of the write-ahead log that cost nothing which was acknowledged is told all
    /// the same, unless it is there because a live writer is just adding to it, or because the last write
    /// was cut short: by a full disk or a crash, before anybody was told that it was done.
    fn open_to_verify(
        &self,
        key: &Key,
        pinned: Option<Pinned>,
        report: &mut Report,
    ) -> Option<RocksLog> {
        let strict = match RocksLog::open_database(self, key.clone(), Tail::Refuse) {
            Ok(log) => return Some(log),
            Err(error) => error,
        };
        match RocksLog::open_database(self, key.clone(), Tail::UpToDamage) {
            Ok(log) => {
                let head = log.head().offset;
                let pin = pinned.and_then(|pinned| pinned.head);
                let cost_nothing = pin.is_some_and(|pin| pin.offset <= head);
                let why = strict.to_string();
                let cut_short = CUT_SHORT.iter().any(|words| why.contains(words));
                let is_expected = self.has_writer() || (cut_short && cost_nothing);
                if !is_expected {
                    report.problem(log.head().offset.next(), strict);
                }
                Some(log)
            }
            Err(error) => {
                report.problem(Offset::default(), error);
                None
            }
        }
    }
}

/// RocksDB's words (`db/log_reader.cc`) for a write-ahead log that ends within a record.
const CUT_SHORT: [&str; 3] = [
    "error reading trailing data due to encountering EOF",
    "truncated header",
    "truncated record body",
];

type Check = fn(&RocksLog, &mut Report) -> Result<()>;

/// Every blob has the bytes that its name says, also where no record names it.
fn check_blobs(log: &RocksLog, report: &mut Report) -> Result<()> {
    for blob in log
        .db()
        .iterator_cf(log.family(BLOBS)?, IteratorMode::Start)
    {
        let (name, sealed) = blob.map_err(|error| Error::storage("read a blob", error))?;
        let digest = Digest::of(&sealed);
        if *name != digest.0 {
            report.problem(Offset::default(), Error::AlteredBlob(digest));
        }
    }
    Ok(())
}

fn check_meta(log: &RocksLog, _report: &mut Report) -> Result<()> {
    for pair in log.db().iterator_cf(log.family(META)?, IteratorMode::Start) {
        pair.map_err(|error| Error::storage("read what the log says about itself", error))?;
    }
    Ok(())
}
