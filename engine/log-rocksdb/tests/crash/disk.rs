//! Disks that take no more: files that may not grow, no space, and syncs that fail.

use std::path::Path;
use std::sync::Arc;

use fluvial_event::Timestamp;
use fluvial_log::{EventLog as _, GroupCommit, Limits, Plain, contract};
use fluvial_log_rocksdb::{Data, Mode};
use fluvial_support::{Faults, Volume};

use crate::child::{Said, THREADS, check, said, spawn};

/// Lets a child append until it is refused, holds what is there against what it said, and answers why it
/// was refused.
fn until_refused<'a>(
    data: &Data,
    shell: &str,
    environment: impl IntoIterator<Item = (&'static str, &'a Path)>,
    mut on_kept: impl FnMut(usize),
) -> Vec<String> {
    let mut child = spawn(data.root(), shell, environment);
    let (mut opened, mut kept, mut refused) = (None, Vec::new(), Vec::new());
    for line in said(&mut child) {
        match line {
            Said::Opened(offset) => opened = Some(offset),
            Said::Kept(it) => {
                kept.push(it);
                on_kept(kept.len());
            }
            Said::Refused(why) => refused.push(why),
            Said::Stopped { again } => {
                assert!(again, "it appends after a write that failed");
                break;
            }
            Said::Opening | Said::Other => {}
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(refused.len(), THREADS, "{refused:?}");
    assert!(!kept.is_empty());
    check(data, opened, &kept);
    refused
}

/// It goes on where there is room again.
fn goes_on(data: &Data) {
    let log = Arc::new(data.open_log(Mode::Write).unwrap());
    let stage = Plain::new(log.head(), 9);
    let group = GroupCommit::start(log.clone(), stage, || Timestamp(1), Limits::default()).unwrap();
    let before = log.head().offset;
    let after = group.producer().append(vec![contract::draft(1)]).unwrap();
    assert_eq!(after, before.next());
    group.stop().unwrap();
    drop(log);
    let report = data.verify();
    assert!(report.is_sound(), "{report:?}");
}

pub(crate) fn files_that_may_not_grow() {
    for blocks in [150, 400, 1_500] {
        let directory = tempfile::tempdir().unwrap();
        let data = Data::new(directory.path().join("data"));
        // No file may get longer than so many half kilobytes; the signal about it is not for us.
        let shell = format!(r#"trap "" XFSZ; ulimit -f {blocks}; exec "$@""#);
        until_refused(&data, &shell, [], |_| {});
        goes_on(&data);
    }
}

pub(crate) fn full() {
    let directory = tempfile::tempdir().unwrap();
    // An error, and no pass, where this machine does not let us.
    let volume = Volume::mount(&directory.path().join("disk"), 64 << 20).unwrap();
    for room in [600_000, 1_200_000] {
        let data = Data::new(volume.path().join(format!("data-{room}")));
        // Before it begins, as it takes room for what it will write while there is some.
        volume.leave_free(room).unwrap();
        let refused = until_refused(&data, r#"exec "$@""#, [], |_| {});
        let says = |it: &String| it.contains("No space left on device");
        assert!(refused.iter().any(says), "{refused:?}");
        volume.leave_free(0).unwrap();
        let report = data.verify();
        let last = report.last;
        assert!(data.open_log(Mode::Read).is_ok(), "{report:?}");
        let error = data.open_log(Mode::Write).unwrap_err().to_string();
        assert!(error.contains("No space left on device"), "{error}");
        volume.leave_free(64 << 20).unwrap();
        assert_eq!(
            data.verify().last,
            last,
            "an attempt to open it took something"
        );
        goes_on(&data);
    }
}

pub(crate) fn failed_syncs() {
    for after in [1, 30, 200] {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::build(&directory.path().join("faults")).unwrap();
        let data = Data::new(directory.path().join("data"));
        let refused = until_refused(&data, r#"exec "$@""#, faults.environment(), |kept| {
            if kept == after {
                faults.fail_syncs().unwrap();
            }
        });
        let says = |it: &String| it.contains("Input/output error");
        assert!(refused.iter().any(says), "{refused:?}");
        goes_on(&data);
    }
}
