//! What happens to the engine itself: its disk, its clock, its lease, its watches.

use fluvial_event::Event;

use super::{config, deployment};
use crate::fault::Crash;
use crate::play::Play;
use crate::users::{kustomization, spec, with};

pub(super) fn an_engine_without_its_state_goes_on_as_if_nothing_was(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(15);
    it.sim.crash();
    it.sim.lose_state();
    it.quiet(60);
    assert!(it.ready("k"));
}

pub(super) fn a_full_disk_stops_the_engine_and_nothing_is_assumed(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    for crash in [Crash::AppendLost, Crash::AppendWritten].repeat(4) {
        it.pause(300);
        it.sim.crash_next = Some(crash);
    }
    it.minutes(10);
    assert!(it.ready("k"));
}

pub(super) fn a_deposed_leader_writes_late_and_is_healed(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    // Its apply of the second version is on the way while its successor already applies the third.
    let second = config("a").with("data", "2").with("besides", "x");
    it.commit(&[("p", vec![second, config("b")])]);
    it.until(|it| it.sim.does("ApplyObjects"));
    it.sim.depose();
    it.commit(&[("p", vec![config("a").with("data", "3"), config("b")])]);
    it.minutes(10);
    assert!(it.ready("k"));
    assert_eq!(it.value(&config("a"), "data"), "3");
    assert_eq!(it.value(&config("a"), "besides"), "", "the third sets none");
}

pub(super) fn a_deposed_leader_adds_a_field_late_and_it_is_taken_off(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let second = config("a").with("data", "2").with("besides", "x");
    it.commit(&[("p", vec![second])]);
    it.until(|it| it.sim.does("ApplyObjects"));
    it.sim.depose();
    // The third version only takes the field away, so that no other change gives the late apply away.
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.linger(5);
    assert_eq!(it.value(&config("a"), "besides"), "");
    assert!(it.ready("k"));
}

pub(super) fn a_deposed_leader_prunes_late_and_is_healed(it: &mut Play) {
    let both = vec![config("a"), config("b")];
    it.commit(&[("p", both.clone())]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", vec![config("a")])]);
    it.until(|it| it.sim.does("PruneObjects"));
    it.sim.depose();
    it.commit(&[("p", both)]);
    it.minutes(10);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn a_clock_that_jumps_back_holds_nothing_up(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.skew_ms = -3_600_000;
    it.edit(&config("a"), "data", Some("x"));
    it.soon();
    if it.is_peaceful() {
        assert_eq!(it.value(&config("a"), "data"), "1");
    }
    // An interval that began before the jump ends hardly later.
    it.commit(&[("p", vec![config("a").with("data", "invalid")])]);
    it.minutes(3);
    assert_eq!(it.reason("k"), "ReconciliationFailed");
    // So does a pause after a failure.
    it.sim.skew_ms = -7_200_000;
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.minutes(5);
    assert!(it.ready("k"));
}

pub(super) fn a_clock_that_jumps_ahead_fires_each_timer_once(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(5);
    let before = it.sim.records();
    it.sim.skew_ms = 86_400_000;
    it.pause(1_000);
    let events = it.sim.events(before + 1);
    let timers = events
        .iter()
        .filter(|it| matches!(it, Event::TimerFired(_)));
    let timers = timers.count();
    assert!(timers <= 3, "{timers} timers fired");
    it.quiet(20);
    assert!(it.ready("k"));
}

pub(super) fn an_older_state_is_brought_up_to_date(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.take_snapshot().expect("the laws hold");
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.minutes(5);
    it.sim.crash();
    it.sim.restore_snapshot();
    it.quiet(20);
    assert!(it.ready("k") && !it.has(&config("b")));
}

pub(super) fn an_engine_that_dies_while_it_recovers_recovers(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.sim.does("ApplyObjects"));
    for _ in 0..5 {
        it.sim.crash();
        it.sim.restart(false).expect("the laws hold");
    }
    it.minutes(10);
    assert!(it.ready("k"));
}

pub(super) fn a_server_that_is_busy_is_asked_ever_more_slowly(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.pause(400);
    it.sim.faults.throttled = 1000;
    let before = it.sim.records();
    it.pause(3_600_000);
    let events = it.sim.events(before + 1);
    let issued = |it: &&Event| matches!(it, Event::CommandIssued(_));
    let commands = events.iter().filter(issued).count();
    assert!(commands <= 160, "{commands} commands in an hour");
    it.minutes(20);
    assert!(it.ready("k"));
}

pub(super) fn a_webhook_that_refuses_for_an_hour_starves_nobody(it: &mut Play) {
    it.commit(&[("p", vec![config("a")]), ("q", vec![config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.faults.refused = 1000;
    it.commit(&[
        ("p", vec![config("a").with("data", "2")]),
        ("q", vec![config("b")]),
    ]);
    it.pause(3_600_000);
    assert!(!it.ready("k"));
    it.declare("l", spec("s0", "q"));
    it.minutes(20);
    assert!(it.ready("k") && it.ready("l"));
}

pub(super) fn a_watch_that_is_lost_for_long_tells_what_became(it: &mut Play) {
    it.commit(&[
        ("p", vec![config("a"), config("b")]),
        ("q", vec![config("c")]),
    ]);
    it.declare("k", spec("s0", "p"));
    it.declare("l", spec("s0", "q"));
    it.minutes(5);
    it.delete(&kustomization("l"));
    it.delete(&config("b").object());
    it.edit(&config("a"), "data", Some("x"));
    it.sim.relist().expect("the laws hold");
    it.minutes(5);
    assert!(it.ready("k") && it.has(&config("b")) && !it.has(&config("c")));
    assert_eq!(it.value(&config("a"), "data"), "1");
}
