//! What is pruned, and what never is.

use fluvial_event::Event;
use serde_json::Value;

use super::{config, deployment};
use crate::cluster::OWNER;
use crate::executor::Faults;
use crate::git::{Folder, Tree};
use crate::play::{Play, URL};
use crate::users::{kustomization, spec, with};

pub(super) fn what_left_the_source_is_pruned(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.ready("k"));
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(15);
    assert!(it.has(&config("a")));
    assert!(!it.has(&config("b")));
}

pub(super) fn what_comes_back_before_it_was_pruned_is_there(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(1);
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.minutes(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn a_folder_that_is_gone_or_does_not_build_prunes_nothing(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[]);
    it.minutes(15);
    assert!(!it.ready("k") && it.has(&config("a")));
    let broken = Tree::from([("p".to_owned(), Folder::Broken)]);
    it.sim.git.commit(URL, broken);
    it.minutes(15);
    assert!(!it.ready("k") && it.has(&config("a")));
}

pub(super) fn a_finalizer_that_nobody_takes_off_holds_up_nobody(it: &mut Play) {
    let stuck = config("stuck").with("finalizer", "x");
    it.commit(&[("p", vec![stuck.clone(), config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.minutes(15);
    assert!(it.ready("k"));
    assert!(it.live(&stuck).is_some_and(|live| live.deleting));
    assert_eq!(it.value(&config("a"), "data"), "2");
    it.sim.cluster.unstick(&stuck.object());
    it.minutes(15);
    assert!(!it.has(&stuck));
}

pub(super) fn a_namesake_that_somebody_else_made_is_not_deleted(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.declare("k", with(spec("s0", "p"), "suspend", true.into()));
    it.minutes(5);
    it.delete(&config("b").object());
    let theirs = config("b").with(OWNER, "someone/else");
    it.sim.cluster.apply(&theirs, false).expect("it is there");
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(5);
    it.declare("k", spec("s0", "p"));
    it.minutes(30);
    assert!(it.ready("k"));
    assert_eq!(it.value(&config("b"), OWNER), "someone/else");
}

pub(super) fn an_apply_whose_answer_was_lost_leaves_nothing_behind(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.sim.faults.done = 1000;
    // Enough for the apply, and no retry after it.
    it.pause(20_000);
    assert!(!it.ready("k") && (it.has(&config("a")) || !it.is_peaceful()));
    it.sim.faults = Faults::default();
    it.commit(&[("p", vec![config("b")])]);
    it.minutes(15);
    assert!(it.ready("k") && !it.has(&config("a")));
}

fn deleted(it: &mut Play, field: &str, value: Value) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.declare("k", with(spec("s0", "p"), field, value));
    it.minutes(5);
    it.delete(&kustomization("k"));
    it.minutes(30);
    assert!(it.sim.cluster.declared(&kustomization("k")).is_none());
}

pub(super) fn deletion_takes_the_objects_along(it: &mut Play) {
    deleted(it, "interval", "11m".into());
    assert!(!it.has(&config("a")));
}

pub(super) fn deletion_without_prune_leaves_the_objects(it: &mut Play) {
    deleted(it, "prune", false.into());
    assert!(it.has(&config("a")));
}

pub(super) fn deletion_while_suspended_leaves_the_objects(it: &mut Play) {
    deleted(it, "suspend", true.into());
    assert!(it.has(&config("a")));
}

pub(super) fn deletion_by_the_policy_orphan_leaves_the_objects(it: &mut Play) {
    deleted(it, "deletionPolicy", "Orphan".into());
    assert!(it.has(&config("a")));
}

pub(super) fn deletion_in_the_middle_of_an_apply_leaves_nothing(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.has(&deployment("d")));
    it.delete(&kustomization("k"));
    it.minutes(30);
    assert!(it.sim.cluster.declared(&kustomization("k")).is_none());
    assert!(it.is_gone(&config("a")) && it.is_gone(&deployment("d")));
}

pub(super) fn what_leaves_while_it_is_applied_is_pruned(it: &mut Play) {
    let slow = deployment("slow");
    let waiting = with(spec("s0", "p"), "wait", true.into());
    it.commit(&[("p", vec![slow.clone(), config("a")])]);
    it.declare("k", waiting);
    it.until(|it| it.has(&slow));
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(15);
    assert!(it.ready("k") && !it.has(&slow) && it.has(&config("a")));
}

pub(super) fn what_comes_back_while_it_is_pruned_is_there(it: &mut Play) {
    let both = vec![config("a"), config("b")];
    it.commit(&[("p", both.clone())]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[("p", vec![config("a")])]);
    it.until(|it| !it.has(&config("b")));
    it.commit(&[("p", both)]);
    it.minutes(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn an_empty_folder_prunes_everything_and_no_more(it: &mut Play) {
    let theirs = config("theirs").with(OWNER, "flux-system/other");
    it.sim.cluster.put(&theirs);
    it.sim.cluster.put(&config("nobody"));
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[("p", Vec::new())]);
    it.minutes(15);
    assert!(it.ready("k") && !it.has(&config("a")) && !it.has(&config("b")));
    assert!(it.has(&theirs) && it.has(&config("nobody")));
}

pub(super) fn what_is_to_be_kept_stays(it: &mut Play) {
    let mut kept = config("kept");
    kept.keep = true;
    it.commit(&[("p", vec![kept.clone(), config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(15);
    assert!(it.ready("k") && it.has(&kept));
    it.delete(&kustomization("k"));
    it.minutes(15);
    assert!(it.has(&kept) && !it.has(&config("a")));
}

pub(super) fn without_prune_nothing_is_pruned(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", with(spec("s0", "p"), "prune", false.into()));
    it.minutes(15);
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn a_failed_listing_prunes_and_repairs_nothing(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(15);
    let before = it.sim.records();
    if it.is_peaceful() {
        it.sim.fail_lists().expect("the laws hold");
    }
    let events = it.sim.events(before + 1);
    let is_gone = |event: &Event| matches!(event, Event::ObjectGone(_) | Event::ResourceDeleted(_));
    assert!(!events.iter().any(is_gone), "{events:?}");
    it.quiet(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn one_made_again_under_its_name_is_anothers(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.declare("k", with(spec("s0", "p"), "suspend", true.into()));
    it.minutes(2);
    // With its labels, as from a backup: but another object.
    it.delete(&config("b").object());
    it.sim
        .cluster
        .put(&config("b").with(OWNER, "flux-system/k"));
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(2);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn a_label_taken_off_means_hands_off(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.declare("k", with(spec("s0", "p"), "suspend", true.into()));
    it.minutes(2);
    it.edit(&config("b"), OWNER, None);
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(2);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.ready("k") && it.has(&config("b")));
}

pub(super) fn one_that_was_replaced_by_its_like_is_pruned(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    // As `kubectl replace --force` does, and only the end of it is heard of.
    it.delete(&config("b").object());
    it.sim
        .cluster
        .put(&config("b").with(OWNER, "flux-system/k"));
    it.sim.relist().expect("the laws hold");
    it.minutes(5);
    it.commit(&[("p", vec![config("a")])]);
    it.minutes(15);
    assert!(it.ready("k") && !it.has(&config("b")));
}
