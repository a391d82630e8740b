//! A power failure: what was not synced is gone. The syncs are noted by a library in front of libc; after
//! a SIGKILL every file is cut to what was synced of it.

use std::fs::{self, File};
use std::path::Path;

use fluvial_event::Digest;
use fluvial_log_rocksdb::{Data, Mode};
use fluvial_support::Faults;

use crate::child::{Said, check, said, spawn};

const FAILURES: u64 = 24;

pub(crate) fn failures() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::build(&directory.path().join("faults")).unwrap();
    let data = Data::new(directory.path().join("data"));
    drop(data.open_log(Mode::Write).unwrap());
    let (mut told, mut cut) = (0, 0);
    for failure in 0..FAILURES {
        // What survived the failure before is on the disk.
        note_what_is_there(&faults, &data);
        let until = Digest::of(&failure.to_le_bytes()).0[0] % 60;
        let mut child = spawn(data.root(), r#"exec "$@""#, faults.environment());
        let (mut opened, mut kept, mut pin) = (None, Vec::new(), Vec::new());
        let mut lines = said(&mut child);
        for line in &mut lines {
            match line {
                Said::Opened(offset) => {
                    opened = Some(offset);
                    pin = fs::read(data.pin_file()).unwrap();
                }
                Said::Kept(it) => kept.push(it),
                Said::Refused(why) => panic!("{why}"),
                Said::Opening | Said::Stopped { .. } | Said::Other => {}
            }
            if opened.is_some() && kept.len() >= usize::from(until) {
                break;
            }
        }
        child.kill().unwrap();
        kept.extend(lines.filter_map(|line| match line {
            Said::Kept(it) => Some(it),
            _ => None,
        }));
        child.wait().unwrap();
        cut += lose_what_was_not_synced(&faults, &data.log_directory());
        // The pin is not synced: it is as new as it was, or as old as when it was last.
        if failure % 2 == 0 {
            fs::write(data.pin_file(), pin).unwrap();
        }
        check(&data, opened, &kept);
        told += kept.len();
    }
    println!("{FAILURES} failures, {told} acknowledged, {cut} bytes were never synced");
    assert!(told > 0 && cut > 0);
    drop(data.open_log(Mode::Write).unwrap());
    assert!(data.verify().is_sound(), "{:?}", data.verify());
}

fn note_what_is_there(faults: &Faults, data: &Data) {
    faults.forget_syncs().unwrap();
    let files = fs::read_dir(data.log_directory()).unwrap();
    for file in files.map(Result::unwrap) {
        let size = file.metadata().unwrap().len();
        faults.note_synced(&file.path(), size).unwrap();
    }
}

/// Cuts every file to what was synced of it, and answers how many bytes that took.
fn lose_what_was_not_synced(faults: &Faults, log: &Path) -> u64 {
    let synced = faults.synced().unwrap();
    let mut lost = 0;
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Written beside, synced, and renamed; or RocksDB's diary, which holds nothing.
        if name == "CURRENT" || name.starts_with("OPTIONS") || name.starts_with("LOG") {
            continue;
        }
        let size = path.metadata().unwrap().len();
        let kept = synced.get(&path).copied().unwrap_or_default().min(size);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(kept).unwrap();
        lost += size - kept;
    }
    lost
}
