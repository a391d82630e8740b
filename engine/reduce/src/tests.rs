//! The rules of a Kustomization, as scripts: what is told, and what is decided because of it.

mod absurd;
mod expressions;
mod git;
mod helm;
mod helm_release;
mod rollback;

use fluvial_event::{
    Action, BuildFailed, CommandFailed, Event, Health, ObjectFailure, ObjectsApplied,
    ObjectsPruned, ResourceDeleted, ResourceObserved,
};
use serde_json::json;

use crate::script::{
    Script, applied, built, declared, fetched, finalizer, gone, kustomization, object, observed,
    pruned, rendered, requested, source,
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_commit_is_fetched_built_applied_and_ready() {
    let mut script = Script::new();
    let k = kustomization("k");
    assert_eq!(script.declare("k", 1, json!({})), ["build k r1"]);
    assert_eq!(script.answer(&k, built(&["a", "b"], "m1")), ["apply a,b"]);
    let said = script.answer(&k, applied(&["a", "b"], "m1", 10));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
    assert_eq!(script.after(60_000), NOTHING);
}

#[test]
fn the_finalizer_comes_before_anything_else() {
    let mut script = Script::new();
    let bare = ResourceObserved {
        finalizer: false,
        ..declared("k", 1, json!({}))
    };
    assert_eq!(script.tell(bare.into()), ["finalizer on"]);
    let said = script.answer(&kustomization("k"), finalizer(true));
    assert_eq!(said, ["build k r1"]);
}

#[test]
fn a_failed_build_is_tried_again_after_the_retry_interval() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    let failed = BuildFailed {
        object: Some(k.clone()),
        reason: "BuildFailed".into(),
        ..BuildFailed::default()
    };
    assert_eq!(script.answer(&k, failed.into()), ["failed BuildFailed"]);
    assert_eq!(script.after(59_000), NOTHING);
    assert_eq!(script.after(1_001), ["build k r1"]);
}

#[test]
fn waits_for_its_source_and_says_so_once() {
    let mut script = Script::new();
    let other = json!({"sourceRef": {"kind": "GitRepository", "name": "other"}});
    assert_eq!(
        script.declare("k", 1, other.clone()),
        ["wait ArtifactFailed"]
    );
    assert_eq!(script.declare("k", 1, other), NOTHING);
}

#[test]
fn waits_for_dependencies_at_the_same_revision() {
    let mut script = Script::new();
    let said = script.declare("later", 1, json!({"dependsOn": [{"name": "k"}]}));
    assert_eq!(said, ["wait DependencyNotReady"]);
    let k = kustomization("k");
    assert_eq!(
        script.declare("k", 1, json!({})),
        ["build k r1", "wait DependencyNotReady"]
    );
    script.answer(&k, built(&["a"], "m1"));
    let said = script.answer(&k, applied(&["a"], "m1", 10));
    assert_eq!(said, ["ready ReconciliationSucceeded", "build later r1"]);
}

#[test]
fn a_circle_of_dependencies_waits_and_names_it() {
    let mut script = Script::new();
    script.declare("a", 1, json!({"dependsOn": [{"name": "b"}]}));
    let said = script.declare("b", 1, json!({"dependsOn": [{"name": "a"}]}));
    assert!(
        said.iter().all(|it| it == "wait DependencyNotReady"),
        "{said:?}"
    );
    let waiting = script.world.one(&kustomization("b").identity()).unwrap();
    let (_, message) = waiting.waiting.clone().unwrap();
    assert_eq!(message, "circular dependency: b -> a -> b");
    assert_eq!(script.after(3_600_000), NOTHING);
}

#[test]
fn a_stage_waits_until_the_one_before_is_ready() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    assert_eq!(script.answer(&k, built(&["ns", "a"], "m1")), ["apply ns"]);
    let Event::ObjectsApplied(mut outcome) = applied(&["ns"], "m1", 10) else {
        unreachable!()
    };
    outcome.applied[0].health = Health::InProgress.into();
    assert_eq!(script.answer(&k, outcome.into()), NOTHING);
    let said = script.tell(observed("ns", 11, "live-m1", Health::Current));
    assert_eq!(said, ["apply a"]);
}

#[test]
fn a_stage_that_does_not_become_ready_fails_after_a_minute() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    script.answer(&k, built(&["ns", "a"], "m1"));
    let Event::ObjectsApplied(mut outcome) = applied(&["ns"], "m1", 10) else {
        unreachable!()
    };
    outcome.applied[0].health = Health::InProgress.into();
    script.answer(&k, outcome.into());
    assert_eq!(script.after(59_000), NOTHING);
    assert_eq!(script.after(1_000), ["failed ReconciliationFailed"]);
}

#[test]
fn prunes_only_what_left_the_inventory() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a", "b", "c"]);
    assert_eq!(
        script.tell(fetched("r2")),
        NOTHING,
        "an outcome nobody awaits"
    );
    assert_eq!(
        script.tell(requested("now").into()),
        ["fetch"],
        "asked for by hand"
    );
    let said = script.answer(&source(), fetched("r2"));
    assert_eq!(said, ["build k r2", "ready Succeeded"]);
    let said = script.answer(&k, built(&["a"], "m1"));
    assert_eq!(said, ["prune b,c"], "a is as it was");
    let said = script.answer(&k, pruned(&["b", "c"]));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
    let owned = script.world.kustomizations().get(&k).unwrap().owned();
    assert!(
        owned.names().map(|it| &**it).eq([&object("a").identity()]),
        "{owned:?}"
    );
}

#[test]
fn keeps_what_left_where_prune_is_off_or_the_object_says_so() {
    let mut script = Script::new();
    script.ready(json!({"prune": false}), &["a", "b"]);
    let k = kustomization("k");
    script.declare("k", 2, json!({"prune": false, "path": "other"}));
    let said = script.answer(&k, built(&["a"], "m1"));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);

    let mut script = Script::new();
    script.declare("k", 1, json!({}));
    let mut kept = rendered("b", "m1");
    kept.keep = true;
    let Event::ManifestsBuilt(mut all) = built(&["a"], "m1") else {
        unreachable!()
    };
    all.objects.push(kept.clone());
    script.answer(&k, all.into());
    let Event::ObjectsApplied(mut outcome) = applied(&["a", "b"], "m1", 10) else {
        unreachable!()
    };
    outcome.applied[1].rendered = Some(kept);
    script.answer(&k, outcome.into());
    script.declare("k", 2, json!({"path": "other"}));
    let said = script.answer(&k, built(&["a"], "m1"));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
}

#[test]
fn what_an_apply_may_have_left_is_pruned_although_it_failed() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    script.answer(&k, built(&["a"], "m1"));
    let said = script.answer(&k, refused("a").into());
    assert_eq!(said, ["failed ReconciliationFailed"]);
    script.declare("k", 2, json!({"path": "other"}));
    assert_eq!(script.answer(&k, built(&[], "m1")), ["prune a"]);
}

fn refused(name: &str) -> ObjectsApplied {
    ObjectsApplied {
        object: Some(kustomization("k")),
        failures: vec![ObjectFailure {
            object: Some(object(name)),
            reason: "Timeout".into(),
            message: "no answer".into(),
        }],
        ..ObjectsApplied::default()
    }
}

#[test]
fn health_is_waited_for_and_fails_at_once_when_it_cannot_come() {
    let cases = [
        (Health::Current, "ready ReconciliationSucceeded"),
        (Health::Failed, "failed HealthCheckFailed"),
    ];
    for (health, end) in cases {
        let mut script = Script::new();
        let k = kustomization("k");
        script.declare("k", 1, json!({"wait": true}));
        script.answer(&k, built(&["web"], "m1"));
        let said = script.answer(&k, applied(&["web"], "m1", 10));
        assert_eq!(said, ["wait Progressing"]);
        let stale = script.tell(observed("web", 9, "live-m1", health));
        assert_eq!(stale, NOTHING, "that was before the apply");
        let said = script.tell(observed("web", 11, "live-m1", health));
        assert_eq!(said, [end]);
    }
}

#[test]
fn health_counts_of_the_version_that_was_applied_and_of_what_is_not_repaired() {
    let cases = [
        ("", 10, "live-other", "ready ReconciliationSucceeded"),
        ("", 11, "live-other", "repair web"),
        (
            "IfNotPresent",
            11,
            "live-other",
            "ready ReconciliationSucceeded",
        ),
    ];
    for (policy, version, live, end) in cases {
        let mut script = Script::new();
        let k = kustomization("k");
        script.declare("k", 1, json!({"wait": true}));
        script.answer(&k, built(&["web"], "m1"));
        let Event::ObjectsApplied(mut outcome) = applied(&["web"], "m1", 10) else {
            unreachable!()
        };
        let rendered = outcome.applied[0].rendered.as_mut().unwrap();
        rendered.policy = policy.into();
        script.answer(&k, outcome.into());
        let said = script.tell(observed("web", version, live, Health::Current));
        assert_eq!(said, [end], "policy {policy:?}, version {version}");
    }
}

#[test]
fn health_has_its_timeout_and_gives_way_to_something_newer() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({"wait": true}));
    script.answer(&k, built(&["web"], "m1"));
    script.answer(&k, applied(&["web"], "m1", 10));
    assert_eq!(script.after(119_000), NOTHING);
    assert_eq!(script.after(1_000), ["failed HealthCheckFailed"]);
    assert_eq!(script.after(60_001), ["build k r1"]);
    assert_eq!(
        script.answer(&k, built(&["web"], "m1")),
        ["wait Progressing"]
    );
    let said = script.declare("k", 2, json!({"wait": true, "path": "fix"}));
    assert_eq!(said, ["failed HealthCheckCanceled", "build k r1"]);
}

#[test]
fn repairs_what_drifted_and_nothing_else() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a", "b"]);
    let said = script.tell(observed("a", 11, "edited", Health::Current));
    assert_eq!(said, ["repair a"]);
    let said = script.answer(&k, applied(&["a"], "m1", 12));
    assert_eq!(said, ["ready DriftCorrected"]);
    let said = script.tell(observed("a", 11, "edited", Health::Current));
    assert_eq!(said, NOTHING, "seen before the repair");
    assert_eq!(script.tell(gone("b", 13)), ["repair b"]);
}

#[test]
fn a_fight_slows_down_also_when_repairs_fail() {
    for fails in [false, true] {
        let mut script = Script::new();
        let k = kustomization("k");
        script.ready(json!({}), &["a"]);
        let mut repairs = 0;
        for version in 0..40 {
            let version = 20 + 2 * version;
            let said = script.tell(observed("a", version, "edited", Health::Current));
            let mut running = said.contains(&"repair a".to_owned());
            while running && repairs < 40 {
                repairs += 1;
                let outcome = if fails {
                    refused("a").into()
                } else {
                    applied(&["a"], "m1", version + 1)
                };
                running = script.answer(&k, outcome).contains(&"repair a".to_owned());
            }
        }
        assert!(repairs <= 6, "{repairs} repairs in no time, fails: {fails}");
    }
}

#[test]
fn a_repair_that_succeeds_after_one_that_failed_is_followed_by_an_attempt() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a", "b"]);
    script.tell(gone("a", 11));
    let said = script.answer(&k, refused("a").into());
    assert_eq!(said, ["failed ReconciliationFailed", "repair a"]);
    let said = script.answer(&k, applied(&["a"], "m1", 12));
    assert_eq!(said, ["ready DriftCorrected", "build k r1"]);
    let said = script.answer(&k, built(&["a", "b"], "m1"));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
    assert_eq!(script.after(60_000), NOTHING, "one attempt is enough");
    script.tell(gone("b", 13));
    let said = script.answer(&k, applied(&["b"], "m1", 14));
    assert_eq!(said, ["ready DriftCorrected"], "it was ready before");
}

#[test]
fn an_attempt_that_fails_after_a_repair_waits_for_its_turn() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a"]);
    script.tell(gone("a", 11));
    script.answer(&k, refused("a").into());
    script.answer(&k, applied(&["a"], "m1", 12));
    let failed = BuildFailed {
        object: Some(k.clone()),
        reason: "BuildFailed".into(),
        ..BuildFailed::default()
    };
    assert_eq!(script.answer(&k, failed.into()), ["failed BuildFailed"]);
    assert_eq!(script.after(59_000), NOTHING);
    assert_eq!(script.after(1_001), ["build k r1"]);
}

#[test]
fn failed_repairs_hold_up_another_finding_for_a_second_at_most() {
    let cases = [
        (
            "the same again",
            observed("a", 31, "edited", Health::Current),
            NOTHING.as_slice(),
        ),
        (
            "edited again",
            observed("a", 31, "again", Health::Current),
            &["repair a"],
        ),
        ("deleted", gone("a", 31), &["repair a"]),
    ];
    for (what, news, said) in cases {
        let mut script = Script::new();
        let k = kustomization("k");
        script.ready(json!({}), &["a"]);
        script.tell(observed("a", 11, "edited", Health::Current));
        for pause in [0, 0, 0, 0, 500, 1_000, 2_000] {
            script.answer(&k, refused("a").into());
            script.after(pause);
        }
        let end = script.answer(&k, refused("a").into());
        assert_eq!(end, ["failed ReconciliationFailed"], "{what}: slow by now");
        assert_eq!(script.tell(news), NOTHING, "{what}: too soon");
        assert_eq!(script.after(1_000), said, "{what}");
        let later: &[&str] = if said.is_empty() { &["repair a"] } else { &[] };
        assert_eq!(script.after(3_000), later, "{what}: in the end");
    }
}

#[test]
fn nothing_is_done_while_suspended_and_all_of_it_after() {
    let mut script = Script::new();
    script.ready(json!({}), &["a"]);
    let said = script.declare("k", 2, json!({"suspend": true}));
    assert_eq!(said, ["wait Suspended"]);
    let said = script.tell(observed("a", 11, "edited", Health::Current));
    assert_eq!(said, NOTHING);
    assert_eq!(script.after(7_200_000), NOTHING);
    assert_eq!(script.declare("k", 3, json!({})), ["build k r1"]);
    let k = kustomization("k");
    assert_eq!(script.answer(&k, built(&["a"], "m1")), ["apply a"]);
}

#[test]
fn an_unreadable_spec_is_said_once_and_prunes_nothing() {
    let mut script = Script::new();
    script.ready(json!({}), &["a"]);
    let bad = ResourceObserved {
        spec: br#"{"interval":"-1s"}"#.to_vec(),
        invalid: "spec.interval: must be a duration".into(),
        ..declared("k", 2, json!({}))
    };
    assert_eq!(script.tell(bad.clone().into()), ["stalled InvalidSpec"]);
    assert_eq!(script.tell(bad.clone().into()), NOTHING);
    assert_eq!(script.after(7_200_000), NOTHING);
    let deleting = ResourceObserved {
        deleting: true,
        generation: 3,
        ..bad
    };
    assert_eq!(script.tell(deleting.into()), ["finalizer off"]);
}

#[test]
fn deletion_prunes_first_unless_it_is_not_to() {
    let cases = [
        (json!({}), vec!["prune a"]),
        (json!({"prune": false}), vec!["finalizer off"]),
        (json!({"suspend": true}), vec!["finalizer off"]),
        (json!({"deletionPolicy": "Orphan"}), vec!["finalizer off"]),
        (
            json!({"prune": false, "deletionPolicy": "Delete"}),
            vec!["prune a"],
        ),
    ];
    for (more, said) in cases {
        let mut script = Script::new();
        script.ready(json!({}), &["a"]);
        let deleting = ResourceObserved {
            deleting: true,
            ..declared("k", 2, more.clone())
        };
        assert_eq!(script.tell(deleting.into()), said, "{more}");
    }
}

#[test]
fn a_deletion_that_fails_pauses_and_goes_on() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a"]);
    let deleting = ResourceObserved {
        deleting: true,
        ..declared("k", 2, json!({}))
    };
    script.tell(deleting.into());
    let failed = ObjectsPruned {
        object: Some(k.clone()),
        failures: refused("a").failures,
        ..ObjectsPruned::default()
    };
    assert_eq!(script.answer(&k, failed.into()), NOTHING);
    assert_eq!(script.after(750), ["prune a"]);
    assert_eq!(script.answer(&k, pruned(&["a"])), ["finalizer off"]);
    assert_eq!(script.answer(&k, finalizer(false)), NOTHING);
    let deleted = ResourceDeleted {
        object: Some(k.clone()),
        uid: "uid-k".into(),
    };
    assert_eq!(script.tell(deleted.into()), NOTHING);
    assert!(script.world.one(&k.identity()).is_none());
}

#[test]
fn an_outcome_counts_once() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    script.answer(&k, built(&["a"], "m1"));
    let outcome = applied(&["a"], "m1", 10);
    script.answer(&k, outcome);
    let before = script.world.digest();
    let again = script.records.iter().rev().nth(1).unwrap().clone();
    assert!(matches!(again.event, Event::ObjectsApplied(_)));
    script.world.evolve(&again);
    assert!(script.world.decide().is_none());
    assert_eq!(script.world.digest(), before);
}

#[test]
fn trouble_of_the_engines_own_pauses_and_does_the_same_again() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, json!({}));
    let failed = CommandFailed {
        object: Some(k.clone()),
        message: "no memory".into(),
    };
    assert_eq!(script.answer(&k, failed.into()), NOTHING);
    assert_eq!(script.after(750), ["build k r1"]);
}

#[test]
fn what_an_earlier_engine_applied_is_owned_and_not_touched_in_vain() {
    let mut script = Script::new();
    let k = kustomization("k");
    let entry = |id: &str| fluvial_event::InventoryEntry {
        id: id.into(),
        version: "v1".into(),
    };
    let found = ResourceObserved {
        inventory: vec![entry("team_a__ConfigMap"), entry("team_old__ConfigMap")],
        ..declared("k", 1, json!({"wait": true}))
    };
    assert_eq!(script.tell(found.into()), ["build k r1"]);
    assert_eq!(script.answer(&k, built(&["a"], "m1")), ["apply a"]);
    let Event::ObjectsApplied(mut outcome) = applied(&["a"], "m1", 10) else {
        unreachable!()
    };
    outcome.applied[0].action = Action::Unchanged.into();
    assert_eq!(script.answer(&k, outcome.into()), ["prune old"]);
    let said = script.answer(&k, pruned(&["old"]));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
}

#[test]
fn a_commit_that_changes_nothing_is_reported_without_an_apply() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a"]);
    script.tell(requested("now").into());
    let Event::ArtifactFetched(mut same) = fetched("r2") else {
        unreachable!()
    };
    same.artifact.as_mut().unwrap().digest = "sha256:r1".into();
    let said = script.answer(&source(), same.into());
    assert_eq!(said, ["build k r2", "ready Succeeded"]);
    let said = script.answer(&k, built(&["a"], "m1"));
    assert_eq!(said, ["ready ReconciliationSucceeded"]);
}
