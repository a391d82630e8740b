//! What people change, and when.

use super::{config, deployment};
use crate::cluster::{IMMUTABLE, OWNER};
use crate::play::{Play, URL};
use crate::users::{kustomization, source, source_spec, spec, with};

pub(super) fn a_force_push_is_followed(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.has(&config("b")));
    it.sim.git.drop_commits(URL, 1);
    it.minutes(15);
    assert!(it.ready("k") && !it.has(&config("b")));
}

pub(super) fn suspended_midway_it_stops_and_resumed_it_ends(it: &mut Play) {
    it.commit(&[("p", vec![deployment("a")])]);
    let waiting = with(spec("s0", "p"), "wait", true.into());
    it.declare("k", waiting.clone());
    it.pause(2_000);
    it.declare("k", with(waiting.clone(), "suspend", true.into()));
    it.minutes(15);
    it.commit(&[("p", vec![deployment("a").with("data", "2")])]);
    it.quiet(60);
    assert_eq!(it.waits("k"), "Suspended");
    it.declare("k", waiting);
    it.minutes(15);
    assert!(it.ready("k"));
    assert_eq!(it.value(&deployment("a"), "data"), "2");
}

pub(super) fn there_and_back_is_where_it_began(it: &mut Play) {
    let first = vec![config("a"), deployment("d")];
    it.commit(&[("p", first.clone())]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    let fields = |it: &Play| {
        let lives = it.sim.cluster.lives();
        lives
            .map(|(object, live)| (object.clone(), live.fields.clone()))
            .collect::<Vec<_>>()
    };
    let before = fields(it);
    it.commit(&[(
        "p",
        vec![
            config("a").with("extra", "x").with("data", "invalid"),
            config("c"),
        ],
    )]);
    it.minutes(15);
    it.commit(&[("p", first)]);
    it.minutes(15);
    assert!(it.ready("k"));
    assert_eq!(fields(it), before);
}

pub(super) fn an_unreadable_spec_changes_nothing_until_it_is_mended(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.declare("k", with(spec("s0", "q"), "interval", "-1s".into()));
    it.minutes(60);
    assert!(it.has(&config("a")) && !it.ready("k"));
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.ready("k"));
}

pub(super) fn a_broken_rollout_fails_early_and_its_fix_is_not_held_up(it: &mut Play) {
    it.commit(&[("p", vec![deployment("d").with("image", "broken")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(15);
    assert!(!it.ready("k"));
    it.commit(&[("p", vec![deployment("d")])]);
    it.minutes(15);
    assert!(it.ready("k"));
}

pub(super) fn a_rollback_under_a_new_commit_is_a_commit(it: &mut Play) {
    let old = vec![config("a"), config("b")];
    let new = vec![config("a").with("data", "2"), config("c")];
    it.declare("k", spec("s0", "p"));
    for set in [old.clone(), new, old] {
        it.commit(&[("p", set)]);
        it.minutes(5);
        assert!(it.ready("k"));
    }
    assert_eq!(it.value(&config("a"), "data"), "1");
    assert!(it.has(&config("b")) && !it.has(&config("c")));
}

pub(super) fn a_commit_while_health_is_awaited_goes_first(it: &mut Play) {
    it.commit(&[("p", vec![deployment("d").with("image", "stuck")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.has(&deployment("d")));
    it.commit(&[("p", vec![deployment("d").with("data", "2")])]);
    it.minutes(4);
    assert!(it.ready("k"));
    assert_eq!(it.value(&deployment("d"), "data"), "2");
}

pub(super) fn another_path_midway_moves_everything(it: &mut Play) {
    it.commit(&[("p", vec![deployment("a")]), ("q", vec![config("b")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.has(&deployment("a")));
    it.declare("k", spec("s0", "q"));
    it.minutes(10);
    assert!(it.ready("k") && it.has(&config("b")) && !it.has(&deployment("a")));
}

pub(super) fn a_source_suspended_midway_brings_nothing_new(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let suspended = with(source_spec(URL), "suspend", true.into());
    it.sim.cluster.declare(&source("s0"), suspended, Vec::new());
    it.minutes(1);
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.quiet(20);
    assert_eq!(it.value(&config("a"), "data"), "1");
    it.edit(&config("a"), "data", Some("x"));
    it.minutes(2);
    assert_eq!(
        it.value(&config("a"), "data"),
        "1",
        "what is applied is still held"
    );
    it.sim
        .cluster
        .declare(&source("s0"), source_spec(URL), Vec::new());
    it.minutes(5);
    assert!(it.ready("k"));
}

pub(super) fn a_source_deleted_midway_and_made_again_goes_on(it: &mut Play) {
    it.commit(&[("p", vec![deployment("a")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.has(&deployment("a")));
    it.delete(&source("s0"));
    it.minutes(15);
    assert!(
        it.has(&deployment("a")),
        "nothing is pruned for want of a source"
    );
    it.commit(&[("p", vec![deployment("a").with("data", "2")])]);
    it.sim
        .cluster
        .declare(&source("s0"), source_spec(URL), Vec::new());
    it.minutes(10);
    assert!(it.ready("k"));
    assert_eq!(it.value(&deployment("a"), "data"), "2");
}

pub(super) fn made_again_under_its_name_it_owns_what_it_applies(it: &mut Play) {
    it.commit(&[("p", vec![config("a"), deployment("d")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.until(|it| it.has(&config("a")));
    it.delete(&kustomization("k"));
    it.until(|it| it.sim.cluster.declared(&kustomization("k")).is_none());
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(10);
    assert!(it.ready("k") && it.has(&config("a")));
    it.commit(&[("p", vec![deployment("d")])]);
    it.minutes(10);
    assert!(it.ready("k") && !it.has(&config("a")));
}

pub(super) fn the_end_of_a_namesake_told_again_is_no_news(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    // What is told again is a declaration with everything in its inventory, which is being deleted.
    it.delete(&kustomization("k"));
    it.until(|it| it.sim.cluster.declared(&kustomization("k")).is_none());
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let uid = it.live(&config("a")).map(|live| live.uid.clone());
    it.declare("k", with(spec("s0", "p"), "interval", "11m".into()));
    it.minutes(5);
    assert!(it.ready("k"));
    assert_eq!(it.live(&config("a")).map(|live| live.uid.clone()), uid);
}

pub(super) fn what_cannot_change_is_made_again_where_that_is_allowed(it: &mut Play) {
    let fixed = |value: &str| config("a").with(IMMUTABLE, value);
    it.commit(&[("p", vec![fixed("1"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let uid = it.live(&config("a")).map(|live| live.uid.clone());
    it.commit(&[("p", vec![fixed("2"), config("b")])]);
    it.minutes(10);
    assert!(!it.ready("k") && it.value(&config("a"), IMMUTABLE) == "1");
    it.declare("k", with(spec("s0", "p"), "force", true.into()));
    it.minutes(10);
    assert!(it.ready("k") && it.value(&config("a"), IMMUTABLE) == "2");
    assert_ne!(it.live(&config("a")).map(|live| live.uid.clone()), uid);
}

pub(super) fn asked_by_hand_it_runs_once(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    let name = kustomization("k");
    it.sim
        .cluster
        .mark(&name, |it| it.requested_at = "now".into());
    it.minutes(5);
    let handled = it
        .sim
        .world()
        .one(&name.identity())
        .map(|it| it.handled_at.clone());
    assert_eq!(handled.as_deref(), Some("now"));
    it.quiet(20);
}

pub(super) fn what_is_applied_over_another_is_as_if_it_were_new(it: &mut Play) {
    let second = vec![config("a").with("more", "x"), deployment("e")];
    it.commit(&[
        (
            "p",
            vec![
                config("a").with("data", "9").with("less", "x"),
                deployment("d"),
            ],
        ),
        ("q", Vec::new()),
    ]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", second), ("q", Vec::new())]);
    it.minutes(5);
    let expected = ["data", "more", OWNER];
    let live = it.live(&config("a")).expect("it was applied");
    assert!(live.fields.keys().eq(expected), "{:?}", live.fields);
    assert!(it.has(&deployment("e")) && !it.has(&deployment("d")));
}

pub(super) fn one_that_cannot_be_applied_spoils_no_other(it: &mut Play) {
    let names = ["a", "b", "c", "d", "e"];
    let poison = config("a").with("data", "invalid");
    let mut folders = vec![("a", vec![poison])];
    folders.extend(
        names[1..]
            .iter()
            .map(|name| (*name, vec![deployment(name)])),
    );
    for name in names {
        it.declare(name, with(spec("s0", name), "wait", true.into()));
    }
    it.commit(&folders);
    it.minutes(4);
    assert!(!it.ready("a"));
    assert!(names[1..].iter().all(|name| it.ready(name)));
    folders[0].1 = vec![config("a")];
    it.commit(&folders);
    it.minutes(10);
    assert!(names.iter().all(|name| it.ready(name)));
}
