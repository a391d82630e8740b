//! SIGKILL, again and again, on the same few logs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fluvial_event::Digest;
use fluvial_log_rocksdb::Data;

use crate::child::{Said, check, said, spawn};

/// Logs at a time: while one is killed, another is checked.
const LOGS: usize = 3;
/// Kills of one log. It stays small, as what is measured is not how fast a large one opens.
const KILLS_OF_A_LOG: u64 = 25;

/// Kills; more by `FLUVIAL_CRASH_CYCLES`. See ops/test and `ops/bench crashes`.
fn cycles() -> u64 {
    std::env::var("FLUVIAL_CRASH_CYCLES").map_or(100, |it| it.parse().unwrap())
}

pub(crate) fn kills() {
    let (next, total) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..LOGS {
            scope.spawn(|| {
                while next.load(Ordering::Relaxed) < cycles() {
                    total.fetch_add(one_log(&next), Ordering::Relaxed);
                }
            });
        }
    });
    let total = total.into_inner();
    println!("{} kills, {total} acknowledged, none lost", cycles());
    assert!(total > cycles(), "it was killed too early to say anything");
}

/// Kills the writers of one log, and answers how much they were told is kept.
fn one_log(next: &AtomicU64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(directory.path().join("data"));
    let mut total = 0;
    for _ in 0..KILLS_OF_A_LOG {
        let cycle = next.fetch_add(1, Ordering::Relaxed);
        if cycle >= cycles() {
            break;
        }
        total += one_kill(&data, cycle);
    }
    if data.log_directory().exists() {
        // What a crash leaves at the end is tidied up by the next to write.
        drop(data.open_log(fluvial_log_rocksdb::Mode::Write).unwrap());
        let report = data.verify();
        assert!(report.is_sound(), "{report:?}");
    }
    total
}

/// One of eight dies while it opens the log, the others as soon as they were told of so many appends.
fn one_kill(data: &Data, cycle: u64) -> u64 {
    let [chance, until, ..] = Digest::of(&cycle.to_le_bytes()).0;
    let (dies_opening, until) = (chance % 8 == 0, usize::from(until % 40));
    let mut child = spawn(data.root(), r#"exec "$@""#, []);
    let (mut opened, mut kept) = (None, Vec::new());
    let mut lines = said(&mut child);
    for line in &mut lines {
        match line {
            Said::Opening if dies_opening => break,
            Said::Opened(offset) => opened = Some(offset),
            Said::Kept(it) => kept.push(it),
            Said::Refused(why) => panic!("{why}"),
            Said::Opening | Said::Stopped { .. } | Said::Other => {}
        }
        if opened.is_some() && kept.len() >= until {
            break;
        }
    }
    child.kill().unwrap();
    // What it said before it died counts as well.
    for line in lines {
        match line {
            Said::Opened(offset) => opened = Some(offset),
            Said::Kept(it) => kept.push(it),
            Said::Refused(why) => panic!("{why}"),
            Said::Opening | Said::Stopped { .. } | Said::Other => {}
        }
    }
    child.wait().unwrap();
    if opened.is_some() {
        check(data, opened, &kept);
    }
    kept.len() as u64
}
