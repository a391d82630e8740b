//! Whose an object is, and who else wants it.

use fluvial_event::{InventoryEntry, ObjectRef};

use super::{config, deployment};
use crate::cluster::OWNER;
use crate::play::Play;
use crate::users::{kustomization, spec, with};

pub(super) fn an_object_that_moves_to_another_owner_ends_with_it(it: &mut Play) {
    it.commit(&[
        ("p", vec![config("a"), config("x")]),
        ("q", vec![config("b")]),
    ]);
    it.declare("k", spec("s0", "p"));
    it.declare("l", spec("s0", "q"));
    it.minutes(15);
    it.commit(&[
        ("p", vec![config("x")]),
        ("q", vec![config("b"), config("a")]),
    ]);
    it.minutes(30);
    assert_eq!(it.value(&config("a"), OWNER), "flux-system/l");
    assert!(it.ready("k") && it.ready("l"));
    it.quiet(60);
}

pub(super) fn what_an_earlier_engine_applied_is_taken_over_without_a_touch(it: &mut Play) {
    let mine = config("mine").with(OWNER, "flux-system/k");
    let left = config("left").with(OWNER, "flux-system/k");
    for manifest in [&mine, &left] {
        it.sim.cluster.apply(manifest, false).expect("it is there");
    }
    it.commit(&[("p", vec![config("mine")])]);
    let entry = |name: &str| InventoryEntry {
        id: format!("default_{name}__ConfigMap"),
        version: "v1".into(),
    };
    let name: ObjectRef = kustomization("k");
    let waiting = with(spec("s0", "p"), "wait", true.into());
    let inventory = vec![entry("mine"), entry("left")];
    it.sim.cluster.declare(&name, waiting, inventory);
    it.quiet(15);
    assert!(it.ready("k") && !it.has(&left));
}

pub(super) fn two_owners_of_one_object_slow_down(it: &mut Play) {
    it.is_restless();
    it.commit(&[
        ("p", vec![config("a")]),
        ("q", vec![config("a").with("data", "2")]),
    ]);
    it.declare("k", spec("s0", "p"));
    it.declare("l", spec("s0", "q"));
    it.minutes(120);
    let writes = it.writes(60);
    assert!(writes <= 40, "{writes} writes in an hour");
}

pub(super) fn a_kustomization_that_is_renamed_takes_its_objects_along(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.declare("l", spec("s0", "p"));
    it.until(|it| it.value(&config("a"), OWNER) == "flux-system/l");
    it.delete(&kustomization("k"));
    it.minutes(30);
    assert!(it.ready("l") && it.has(&config("a")) && it.has(&deployment("d")));
    assert_eq!(it.value(&config("a"), OWNER), "flux-system/l");
}

pub(super) fn an_object_that_is_renamed_is_made_and_pruned(it: &mut Play) {
    it.commit(&[("p", vec![config("old"), config("x")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", vec![config("new"), config("x")])]);
    it.minutes(5);
    assert!(it.ready("k") && it.has(&config("new")) && !it.has(&config("old")));
}

pub(super) fn one_who_takes_an_object_over_gets_it_for_a_while(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.edit(&config("a"), OWNER, Some("someone/else"));
    it.minutes(5);
    assert_eq!(it.value(&config("a"), OWNER), "flux-system/k");
    it.quiet(20);
}

pub(super) fn an_object_that_was_there_before_is_taken_over(it: &mut Play) {
    it.sim
        .cluster
        .put(&config("a").with("data", "old").with("theirs", "x"));
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    assert!(it.ready("k"));
    assert_eq!(it.value(&config("a"), "data"), "1");
}

pub(super) fn what_is_only_made_once_is_left_as_it_is(it: &mut Play) {
    let mut once = config("once");
    once.policy = "IfNotPresent".into();
    it.commit(&[("p", vec![once.clone(), config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.edit(&once, "data", Some("theirs"));
    it.quiet(20);
    assert_eq!(it.value(&once, "data"), "theirs");
    it.delete(&once.object());
    it.minutes(5);
    assert_eq!(it.value(&once, "data"), "1");
}
