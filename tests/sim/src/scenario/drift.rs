//! What others do to what was applied.

use serde_json::json;

use super::{config, deployment};
use crate::cluster::OWNER;
use crate::git::Access;
use crate::play::{Play, URL};
use crate::users::{source, source_spec, spec, with};

pub(super) fn drift_is_repaired_within_a_second_and_nothing_else_is_touched(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    let untouched = it.live(&config("b")).map_or(0, |live| live.version);
    for (field, value) in [("data", Some("x")), ("data", None), (OWNER, None)] {
        it.edit(&config("a"), field, value);
        it.soon();
        assert_eq!(it.value(&config("a"), "data"), "1");
        assert_eq!(it.value(&config("a"), OWNER), "flux-system/k");
    }
    it.delete(&config("a").object());
    it.soon();
    assert!(it.has(&config("a")));
    if it.is_peaceful() {
        let version = it.live(&config("b")).map(|live| live.version);
        assert_eq!(version, Some(untouched));
    }
    it.edit(&config("a"), "foreign", Some("x"));
    it.quiet(15);
}

pub(super) fn drift_is_repaired_while_the_source_is_away(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.sim.git.set_access(URL, Access::Unreachable);
    it.delete(&source("s0"));
    it.minutes(30);
    it.edit(&config("a"), "data", Some("x"));
    it.minutes(15);
    assert_eq!(it.value(&config("a"), "data"), "1");
    it.sim.git.set_access(URL, Access::Open);
    it.sim
        .cluster
        .declare(&source("s0"), source_spec(URL), Vec::new());
    it.minutes(5);
}

pub(super) fn one_who_edits_for_ever_is_answered_ever_more_slowly(it: &mut Play) {
    it.is_restless();
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let before = it.sim.cluster.writes;
    for _ in 0..600 {
        it.edit(&config("a"), "data", Some("theirs"));
        it.pause(6_000);
    }
    let written = it.sim.cluster.writes - before;
    assert!(written <= 40, "{written} writes in an hour");
    it.minutes(6);
    assert_eq!(it.value(&config("a"), "data"), "1", "the last word is ours");
}

pub(super) fn health_that_comes_and_goes_costs_no_write(it: &mut Play) {
    it.commit(&[("p", vec![deployment("d")]), ("q", vec![config("b")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.declare(
        "l",
        with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
    );
    it.minutes(5);
    let before = it.sim.cluster.writes;
    for _ in 0..20 {
        it.edit(&deployment("d"), "seen", Some("x"));
        it.pause(3_000);
    }
    if it.is_peaceful() {
        assert_eq!(it.sim.cluster.writes, before);
    }
    it.minutes(10);
    assert!(it.ready("k") && it.ready("l"));
}

pub(super) fn drift_while_suspended_is_left_and_then_repaired(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.declare("k", with(spec("s0", "p"), "suspend", true.into()));
    it.minutes(2);
    it.edit(&config("a"), "data", Some("x"));
    it.quiet(20);
    assert_eq!(it.value(&config("a"), "data"), "x");
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    assert_eq!(it.value(&config("a"), "data"), "1");
}

pub(super) fn drift_while_the_engine_is_down_is_found(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b"), config("c")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.crash();
    it.edit(&config("a"), "data", Some("x"));
    it.delete(&config("b").object());
    it.delete(&config("c").object());
    it.sim.cluster.put(&config("c").with("data", "theirs"));
    it.minutes(5);
    for name in ["a", "b", "c"] {
        assert_eq!(it.value(&config(name), "data"), "1", "{name}");
        assert_eq!(it.value(&config(name), OWNER), "flux-system/k");
    }
}

pub(super) fn an_object_made_again_between_two_looks_is_seen(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.delete(&config("a").object());
    it.sim.cluster.put(
        &config("a")
            .with("data", "theirs")
            .with(OWNER, "flux-system/k"),
    );
    it.minutes(5);
    assert_eq!(it.value(&config("a"), "data"), "1");
    it.commit(&[("p", Vec::new())]);
    it.minutes(5);
    assert!(
        !it.has(&config("a")),
        "it is ours since it was applied again"
    );
}

/// What is done again while its repair is under way, and first heard of in a listing that skips the repair.
fn done_again_while_it_is_repaired(it: &mut Play, act: impl Fn(&mut Play)) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    act(it);
    it.sim.hear_all().expect("the laws hold");
    it.sim.work().expect("the laws hold");
    act(it);
    it.sim.relist().expect("the laws hold");
    it.minutes(5);
    assert_eq!(it.value(&config("a"), "data"), "1");
}

pub(super) fn an_edit_made_again_while_it_is_repaired_is_seen(it: &mut Play) {
    done_again_while_it_is_repaired(it, |it| it.edit(&config("a"), "data", Some("x")));
}

pub(super) fn a_deletion_done_again_while_it_is_repaired_is_seen(it: &mut Play) {
    done_again_while_it_is_repaired(it, |it| it.delete(&config("a").object()));
}
