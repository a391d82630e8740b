//! Every changed bit and every cut of what holds history is found, by opening or by verifying.
//!
//! The exceptions are bytes that hold none of it, and there the log must read as it was: RocksDB's
//! diary, its settings, its name, the statistics that it keeps inside of its tables, and a last
//! entry of its manifest that took nothing with it, as a crash leaves one.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

mod boundaries;
mod direct;

use std::fs;
use std::path::{Path, PathBuf};

use fluvial_event::{Offset, Record};
use fluvial_log::{BlobStore as _, EventLog as _, contract};
use fluvial_log_rocksdb::{Data, Mode, RocksLog};

const RECORDS: usize = 120;

/// Positions in each file; more by `FLUVIAL_DAMAGE_SAMPLES`.
fn samples() -> usize {
    std::env::var("FLUVIAL_DAMAGE_SAMPLES").map_or(24, |it| it.parse().unwrap())
}

/// A directory with tables, blob files and, unless it is flushed whole, a write-ahead log.
fn written(root: &Path, reopened: bool) -> Vec<Record> {
    let data = Data::new(root);
    let log = data.open_log(Mode::Write).unwrap();
    let blobs: Vec<_> = (0..RECORDS)
        .map(|number| {
            // Not to be compressed, so that blob files come to be.
            let seed = fluvial_event::Digest::of(&number.to_le_bytes()).0;
            let noise = (0..200_u32)
                .flat_map(|n| fluvial_event::Digest::of(&[&seed[..], &n.to_le_bytes()].concat()).0);
            let bytes: Vec<u8> = noise
                .take(if number % 4 == 0 { 6_000 } else { 100 })
                .collect();
            log.put(&bytes).unwrap().to_string()
        })
        .collect();
    let records = contract::sealed(blobs.iter().map(|blob| contract::artifact_draft(blob)));
    let half = RECORDS / 2;
    records[..half]
        .chunks(7)
        .for_each(|batch| log.append(batch).unwrap());
    drop(log);
    // Opening moves what the write-ahead log holds into tables.
    let log = data.open_log(Mode::Write).unwrap();
    records[half..]
        .chunks(7)
        .for_each(|batch| log.append(batch).unwrap());
    drop(log);
    if reopened {
        drop(data.open_log(Mode::Write).unwrap());
    }
    records
}

/// The files that hold history.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("pin"), PathBuf::from("key")];
    for entry in fs::read_dir(root.join("log")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let history = ["sst", "blob", "log"]
            .iter()
            .any(|kind| name.ends_with(&format!(".{kind}")))
            || name.starts_with("MANIFEST-")
            || name == "CURRENT";
        if history {
            files.push(Path::new("log").join(name));
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// Whether everything reads as it was written.
fn unharmed(root: &Path, records: &[Record]) -> bool {
    let Ok(log) = Data::new(root).open_log(Mode::Read) else {
        return false;
    };
    let read: Result<Vec<_>, _> = log.read(Offset::FIRST).collect();
    let blobs = |log: &RocksLog| {
        records.iter().all(|record| {
            fluvial_log::verify::blobs(&record.event)
                .all(|it| log.get(&it.parse().unwrap()).is_ok())
        })
    };
    read.is_ok_and(|it| it == records) && blobs(&log)
}

/// Damages a copy of `root` in every way of `damages`; what is not told must have done no harm.
fn check(root: &Path, records: &[Record], damages: impl Fn(&[u8]) -> Vec<(String, Vec<u8>)>) {
    let scratch = tempfile::tempdir().unwrap();
    let copied = scratch.path().join("data");
    copy(root, &copied);
    let data = Data::new(&copied);
    assert!(data.verify().is_sound(), "{:?}", data.verify());
    let mut silent = Vec::new();
    for file in files(root) {
        let bytes = fs::read(root.join(&file)).unwrap();
        let mut found = 0;
        for (what, damaged) in damages(&bytes) {
            fs::write(copied.join(&file), damaged).unwrap();
            if data.verify().is_sound() {
                let name = file.to_string_lossy();
                let excepted = name.ends_with(".sst") || name.contains("MANIFEST-");
                let harmless = excepted && unharmed(&copied, records);
                silent.push((harmless, format!("{} {what}", file.display())));
            } else {
                found += 1;
            }
        }
        println!("{}: {} bytes, {found} found", file.display(), bytes.len());
        fs::write(copied.join(&file), &bytes).unwrap();
    }
    println!("silent: {silent:?}");
    let harmful: Vec<_> = silent.iter().filter(|(harmless, _)| !harmless).collect();
    assert!(harmful.is_empty(), "not found: {harmful:?}");
    assert!(data.verify().is_sound());
}

#[test]
fn every_flipped_bit_is_found() {
    for reopened in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let records = written(directory.path(), reopened);
        check(directory.path(), &records, |bytes| {
            let step = bytes.len() / samples() + 1;
            let flip = |at: usize| {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << (at % 8);
                (format!("bit {} of byte {at}", at % 8), flipped)
            };
            (0..bytes.len()).step_by(step).map(flip).collect()
        });
    }
}

#[test]
fn every_cut_is_found() {
    for reopened in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let records = written(directory.path(), reopened);
        check(directory.path(), &records, |bytes| {
            let step = bytes.len() / (samples() / 3) + 1;
            let mut lengths: Vec<_> = (0..bytes.len()).step_by(step).collect();
            lengths.extend(bytes.len().checked_sub(1));
            lengths
                .into_iter()
                .map(|length| (format!("cut at {length}"), bytes[..length].to_vec()))
                .collect()
        });
    }
}

#[test]
fn every_missing_file_is_found() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), false);
    for file in files(directory.path()) {
        let scratch = tempfile::tempdir().unwrap();
        copy(directory.path(), scratch.path());
        fs::remove_file(scratch.path().join(&file)).unwrap();
        assert!(
            !Data::new(scratch.path()).verify().is_sound(),
            "{}",
            file.display()
        );
    }
}

#[test]
fn every_cut_at_a_record_and_a_byte_beside_is_found() {
    boundaries::cuts();
}

#[test]
fn what_is_written_past_the_log_is_found() {
    direct::tampering();
}

#[test]
fn the_largest_record_is_read_and_one_byte_more_is_refused() {
    direct::sizes();
}
