//! `log`: how fast records are appended, read and folded, beside RocksDB itself in the same run.
//!
//! Both are written and read in turns, so that a noisy machine is as noisy to the one as to the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fluvial_event::{Offset, Record, encode};
use fluvial_log::memory::MemoryState;
use fluvial_log::{EventLog as _, ahead};
use fluvial_log_rocksdb::{Data, Mode, RocksLog};
use fluvial_reduce::World;
use fluvial_runtime::recover;
use fluvial_runtime::replay::Replay;
use rocksdb::{DB, DBCompressionType, IteratorMode, Options, WriteBatch, WriteOptions};
use serde::Serialize;

use crate::report::{Row, Table, count, percent, rate};
use crate::story::Story;

/// How many records go into one write.
const BATCHES: [usize; 3] = [1, 100, 1000];
/// How many writes of one record are enough to know what they cost.
const SINGLES_MAX: u64 = 3000;
const APPS: usize = 1000;

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    records: u64,
    bytes_per_record: u64,
    /// Decided, appended and stored, by the loop.
    told_per_second: f64,
    appends: Vec<Append>,
    /// Read from RocksDB and nothing else.
    scanned_per_second: f64,
    /// Read, checked against its hash, decoded.
    read_per_second: f64,
    /// … and folded into the state, as after a start without state.
    recovered_per_second: f64,
    /// … and every decision compared with what would be decided today.
    replayed_per_second: f64,
    /// A start with state: from nothing to the world.
    start_milliseconds: f64,
}

/// Appends of one size.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Append {
    records_per_write: usize,
    per_second: f64,
    raw_per_second: f64,
    of_raw: f64,
}

/// Measures on `records` records, in a directory that is removed after.
pub(crate) fn run(records: u64) -> Result<Measured> {
    let place = tempfile::tempdir()?;
    let data = Data::new(place.path().join("told"));
    let began = Instant::now();
    let bytes = {
        let log = Arc::new(data.open_log(Mode::Write)?);
        let (state, _) = data.open_state(&*log, World::FORMAT)?;
        let mut story = Story::begin(log.clone(), Arc::new(state), APPS)?;
        story.tell(records)?;
        log.head().offset.0
    };
    let told_per_second = per_second(bytes, began.elapsed());
    let log = data.open_log(Mode::Read)?;
    let appends = BATCHES
        .iter()
        .map(|batch| append(&log, *batch, &place.path().join(format!("append{batch}"))))
        .collect::<Result<_>>()?;
    let raw = place.path().join(format!("append{}/raw", BATCHES[2]));
    let (scanned, bytes) = scan(&raw)?;
    let head = log.head().offset.0;
    Ok(Measured {
        records: head,
        bytes_per_record: bytes / head.max(1),
        told_per_second,
        appends,
        scanned_per_second: scanned,
        read_per_second: timed(head, || {
            log.read(Offset::FIRST)
                .try_for_each(|record| record.map(drop))
        })?,
        recovered_per_second: timed(head, || recover(&log, &MemoryState::default()).map(drop))?,
        replayed_per_second: replay(&log)?,
        start_milliseconds: start(&data, log)?,
    })
}

fn replay(log: &RocksLog) -> Result<f64> {
    let mut replay = Replay::from(Offset::FIRST);
    let rate = timed(log.head().offset.0, || {
        ahead::for_each(log, Offset::FIRST, |record| {
            replay.feed(record);
            Ok::<_, fluvial_log::Error>(())
        })
    })?;
    let (report, _) = replay.finish();
    anyhow::ensure!(
        report.differences == 0,
        "decided otherwise: {:?}",
        report.examples
    );
    Ok(rate)
}

fn start(data: &Data, reader: RocksLog) -> Result<f64> {
    drop(reader);
    let began = Instant::now();
    let log = data.open_log(Mode::Write)?;
    let (state, _) = data.open_state(&log, World::FORMAT)?;
    let recovered = recover(&log, &state)?;
    anyhow::ensure!(recovered.head == log.head(), "recovered to another head");
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// Writes the records of `from` again, into a log and into RocksDB itself, so many at once.
fn append(from: &RocksLog, batch: usize, place: &Path) -> Result<Append> {
    let log = Data::new(place.join("log")).open_log(Mode::Write)?;
    let raw = DB::open(&raw_options(), place.join("raw"))?;
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let (mut ours, mut theirs, mut written) = (Duration::ZERO, Duration::ZERO, 0);
    let mut records = from.read(Offset::FIRST);
    loop {
        let records: Vec<Record> = records.by_ref().take(batch).collect::<Result<_, _>>()?;
        if records.is_empty() || (batch == 1 && written >= SINGLES_MAX) {
            break;
        }
        let mut write = WriteBatch::default();
        for record in &records {
            write.put(record.offset.0.to_be_bytes(), encode(record));
        }
        let began = Instant::now();
        log.append(&records)?;
        ours += began.elapsed();
        let began = Instant::now();
        raw.write_opt(write, &synced)?;
        theirs += began.elapsed();
        written += records.len() as u64;
    }
    Ok(Append {
        records_per_write: batch,
        per_second: per_second(written, ours),
        raw_per_second: per_second(written, theirs),
        of_raw: theirs.as_secs_f64() / ours.as_secs_f64(),
    })
}

/// As the log has its records: the same memory before a table is written, the same compression. What the
/// log adds to it is what is measured.
fn raw_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(8 << 20);
    options.set_compression_type(DBCompressionType::Zstd);
    options.set_track_and_verify_wals_in_manifest(true);
    options
}

/// Records a second, and the bytes of all.
fn scan(raw: &Path) -> Result<(f64, u64)> {
    // As it was written: RocksDB 11.8 crashes where write-ahead logs were tracked and are not to be any more,
    // for that it has to note, and it cannot note anything where it only reads.
    let db = DB::open_for_read_only(&raw_options(), raw, false)?;
    let (mut records, mut bytes) = (0, 0);
    let began = Instant::now();
    for pair in db.iterator(IteratorMode::Start) {
        let (_, value) = pair?;
        records += 1;
        bytes += value.len() as u64;
    }
    Ok((per_second(records, began.elapsed()), bytes))
}

fn timed<E>(records: u64, work: impl FnOnce() -> Result<(), E>) -> Result<f64>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let began = Instant::now();
    work().context("cannot read the log")?;
    Ok(per_second(records, began.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "a rate of a few digits")]
fn per_second(records: u64, time: Duration) -> f64 {
    records as f64 / time.as_secs_f64()
}

impl Measured {
    /// As people read it.
    pub(crate) fn table(&self) -> Table {
        let mut rows = Vec::new();
        for append in &self.appends {
            rows.push(Row(vec![
                format!("append, {} a write", count(append.records_per_write as u64)),
                rate(append.per_second),
                rate(append.raw_per_second),
                percent(append.of_raw),
            ]));
        }
        for (what, per_second) in [
            ("read: hash, decode", self.read_per_second),
            ("recover: and fold", self.recovered_per_second),
            ("replay: and decide", self.replayed_per_second),
        ] {
            rows.push(Row(vec![
                what.to_owned(),
                rate(per_second),
                rate(self.scanned_per_second),
                percent(per_second / self.scanned_per_second),
            ]));
        }
        rows.push(Row(vec![
            "the loop: decide, append, store".to_owned(),
            rate(self.told_per_second),
        ]));
        rows.push(Row(vec![
            "start with state".to_owned(),
            format!("{:.1} ms", self.start_milliseconds),
        ]));
        Table {
            title: format!(
                "The log: {} records of {} bytes",
                count(self.records),
                self.bytes_per_record
            ),
            head: vec!["", "a second", "RocksDB itself", ""],
            rows,
        }
    }
}
