//! What was acknowledged survives: kill -9 at any point, a power failure, and a disk that takes no more.
//!
//! The tests run this very program again as the process that is to die.
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

mod child;
mod disk;
mod kill;
mod power;

/// Appends for ever from several threads, and tells what was acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    child::append();
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    kill::kills();
}

#[test]
fn what_was_acknowledged_survives_a_power_failure() {
    power::failures();
}

#[test]
fn a_disk_that_takes_no_more_stops_the_log_and_loses_nothing() {
    disk::files_that_may_not_grow();
}

#[test]
fn a_full_disk_stops_the_log_and_loses_nothing() {
    disk::full();
}

#[test]
fn after_a_failed_sync_nothing_is_written() {
    disk::failed_syncs();
}
