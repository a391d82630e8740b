//! What is put back from the log, and how long it is held.

use super::{config, deployment};
use crate::git::{Access, Manifest};
use crate::play::{Play, URL};
use crate::users::{kustomization, spec, with};

/// Two commits, and the first put back.
fn rolled_back(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", vec![second(), config("c")])]);
    it.minutes(5);
    put_back(it);
    it.minutes(5);
}

fn put_back(it: &mut Play) {
    let name = kustomization("k");
    let builds = it.sim.builds(&name.identity());
    if let Some((offset, built)) = builds.last() {
        it.sim.roll_back(&name, *offset, &built.digest);
    }
}

fn second() -> Manifest {
    config("a").with("data", "2")
}

fn is_first(it: &Play) -> bool {
    it.value(&config("a"), "data") == "1" && it.has(&config("b")) && !it.has(&config("c"))
}

pub(super) fn a_rollback_is_held_until_a_newer_commit(it: &mut Play) {
    rolled_back(it);
    assert!(is_first(it));
    it.quiet(20);
    assert!(is_first(it), "it is held");
    it.commit(&[("p", vec![config("a").with("data", "3")])]);
    it.minutes(5);
    assert!(it.ready("k") && it.value(&config("a"), "data") == "3");
}

pub(super) fn a_rollback_taken_back_brings_the_newest_again(it: &mut Play) {
    rolled_back(it);
    assert!(is_first(it));
    it.sim.resume(&kustomization("k"));
    it.minutes(5);
    assert!(it.ready("k") && it.value(&config("a"), "data") == "2");
    assert!(it.has(&config("c")) && !it.has(&config("b")));
}

pub(super) fn what_is_held_is_held_through_drift_and_restarts(it: &mut Play) {
    rolled_back(it);
    it.sim.crash();
    it.sim.lose_state();
    it.edit(&config("a"), "data", Some("x"));
    it.delete(&config("b").object());
    it.minutes(15);
    assert!(is_first(it), "what is held is repaired to what is held");
}

pub(super) fn a_rollback_needs_no_source(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", vec![second(), config("c")])]);
    it.minutes(5);
    it.sim.git.set_access(URL, Access::Unreachable);
    put_back(it);
    it.minutes(10);
    assert!(is_first(it));
    it.sim.git.set_access(URL, Access::Open);
    it.minutes(20);
    assert!(is_first(it), "the source that comes back has nothing newer");
}

pub(super) fn a_rollback_in_the_middle_of_a_rollout_goes_first(it: &mut Play) {
    // Both set the image: a field that only a deposed leader's late apply sets is not seen as drift.
    let image = |image: &str| deployment("d").with("image", image);
    it.commit(&[("p", vec![image("good")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(5);
    it.commit(&[("p", vec![image("stuck")])]);
    it.until(|it| it.value(&deployment("d"), "image") == "stuck");
    put_back(it);
    it.minutes(10);
    assert_eq!(it.value(&deployment("d"), "image"), "good");
}
