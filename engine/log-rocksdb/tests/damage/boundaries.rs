//! The write-ahead log, cut where a record of it begins, a byte before and a byte after.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fluvial_event::Offset;
use fluvial_log::{Error, EventLog as _, contract};
use fluvial_log_rocksdb::{Data, Mode};

/// Appends, each a record of the write-ahead log; those that cross a block take two or more.
const APPENDS: usize = 36;

/// The newest write-ahead log, where appends go.
fn newest(root: &Path) -> PathBuf {
    let files = fs::read_dir(root.join("log")).unwrap();
    let logs = files.map(|it| it.unwrap().path());
    let logs = logs.filter(|it| it.extension().is_some_and(|it| it == "log"));
    logs.max().unwrap()
}

/// Where physical records begin and end. RocksDB's format (`db/log_format.h`): blocks of 32 KiB, and in them
/// records of a header of 7 bytes (checksum, length, type) and a body; what is too short for a header
/// is padding.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    const BLOCK: usize = 32 << 10;
    const HEADER: usize = 7;
    let (mut at, mut found) = (0, vec![0]);
    while at + HEADER <= bytes.len() {
        if BLOCK - at % BLOCK < HEADER {
            at += BLOCK - at % BLOCK;
            continue;
        }
        let length = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        if bytes[at + 6] == 0 {
            break;
        }
        at += HEADER + length;
        found.push(at);
    }
    found
}

pub(crate) fn cuts() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(directory.path());
    let log = data.open_log(Mode::Write).unwrap();
    // Every fourth is larger than a block.
    let drafts = (0..APPENDS).map(|number| match number % 4 {
        3 => contract::large_draft(40_000),
        _ => contract::draft(number),
    });
    for record in contract::sealed(drafts) {
        log.append(&[record]).unwrap();
    }
    let last = log.head().offset;
    drop(log);
    let file = newest(data.root());
    let bytes = fs::read(&file).unwrap();
    let boundaries = boundaries(&bytes);
    assert!(boundaries.len() > APPENDS, "{}", boundaries.len());
    assert_eq!(boundaries.last(), Some(&bytes.len()));
    let around = |at: &usize| [at.checked_sub(1), Some(*at), at.checked_add(1)];
    let mut lengths: Vec<_> = boundaries.iter().flat_map(around).flatten().collect();
    lengths.retain(|length| *length < bytes.len());
    lengths.dedup();
    let mut ends = Vec::new();
    for length in lengths {
        fs::write(&file, &bytes).unwrap();
        File::options()
            .write(true)
            .open(&file)
            .and_then(|file| file.set_len(length as u64))
            .unwrap();
        let report = data.verify();
        let says = format!("but {last} was written: its end is missing; restore it from a backup");
        let told = report.problems.iter().any(|it| it.what.ends_with(&says));
        assert!(told, "cut at {length}: {report:?}");
        for mode in [Mode::Read, Mode::Write] {
            let Err(Error::Truncated { pinned, found }) = data.open_log(mode) else {
                panic!("cut at {length}: opened");
            };
            assert_eq!((pinned, found), (last, report.last), "cut at {length}");
            ends.push(found);
        }
        // A refusal changes nothing, so that what is left can be looked at.
        assert_eq!(fs::metadata(&file).unwrap().len(), length as u64);
    }
    ends.dedup();
    println!("{} cuts, ending at {} offsets", ends.len(), ends.len());
    assert!(ends.is_sorted() && ends.first() == Some(&Offset(0)));
    assert_eq!(
        ends.len(),
        APPENDS,
        "some append has no cut right behind it"
    );
    fs::write(&file, &bytes).unwrap();
    assert!(data.verify().is_sound());
}
