//! The rules of a HelmRelease, as scripts: what is told, and what is decided because of it.

mod expressions;
mod script;

use fluvial_api::helm_release::{HelmReleaseStatus, ReleaseSnapshot, Snapshots};
use fluvial_event::{
    ChartDeclared, CommandFailed, FinalizerSet, Health, ObjectFailure, ObjectRef, ObjectsApplied,
    ObjectsPruned, ReleaseFailed, ReleaseStored, Rendered, ResourceObserved,
};
use serde_json::json;

use crate::script::{Script, object, rendered};
use script::{
    applied, begun, chart, declared, hook, inspected, installed, observed, planned, ran, release,
    snapshot, stored, upgrading,
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_chart_is_declared_rendered_stored_applied_and_ready() {
    let mut script = installed(json!({}));
    assert_eq!(
        script.release_status().history.latest().unwrap().status,
        "deployed"
    );
    assert_eq!(
        script.after(1000),
        NOTHING,
        "nothing is due before its interval"
    );
}

#[test]
fn an_interval_that_finds_everything_as_it_is_to_be_does_nothing() {
    let mut script = installed(json!({}));
    assert_eq!(script.after(700_000), ["inspect"]);
    let deployed = snapshot(1, "deployed", "c1");
    let said = script.answer(&release(), inspected("c1", Some(&deployed)));
    assert_eq!(said, ["ready InstallSucceeded"]);
}

#[test]
fn hooks_run_around_the_objects_and_the_release_before_is_superseded() {
    let it = release();
    let hooks = [
        hook("one", "pre-upgrade"),
        hook("two", "pre-upgrade"),
        hook("three", "post-upgrade"),
    ];
    let mut script = upgrading(json!({}), &hooks);
    let pending = snapshot(2, "pending-upgrade", "c2");
    assert_eq!(
        script.answer(&it, stored(&[pending], "")),
        ["hook pre-upgrade one"]
    );
    assert_eq!(
        script.answer(&it, ran("pre-upgrade", "one", "Succeeded")),
        ["hook pre-upgrade two"]
    );
    assert_eq!(
        script.answer(&it, ran("pre-upgrade", "two", "Succeeded")),
        ["apply a"]
    );
    let waiting = script.answer(&it, applied(&["a"], "m2", Health::InProgress));
    assert_eq!(waiting, NOTHING, "hooks wait for health");
    let said = script.tell(observed("a", "m2", Health::Current));
    assert_eq!(said, ["hook post-upgrade three"]);
    let said = script.answer(&it, ran("post-upgrade", "three", "Succeeded"));
    assert_eq!(said, ["store v2 deployed UpgradeSucceeded"]);
    let now = [
        snapshot(2, "deployed", "c2"),
        snapshot(1, "superseded", "c1"),
    ];
    assert_eq!(
        script.answer(&it, stored(&now, "UpgradeSucceeded")),
        ["ready UpgradeSucceeded"]
    );
    let history = &script.release_status().history;
    let states: Vec<_> = history
        .0
        .iter()
        .map(|it| (it.version, it.status.as_str()))
        .collect();
    assert_eq!(states, [(2, "deployed"), (1, "superseded")]);
}

#[test]
fn a_failed_hook_is_rolled_back_and_the_last_failure_stalls() {
    let it = release();
    let spec = json!({"upgrade": {"remediation": {"remediateLastFailure": true}}});
    let mut script = upgrading(spec, &[hook("one", "pre-upgrade")]);
    let pending = snapshot(2, "pending-upgrade", "c2");
    assert_eq!(
        script.answer(&it, stored(&[pending], "")),
        ["hook pre-upgrade one"]
    );
    let said = script.answer(&it, ran("pre-upgrade", "one", "Failed"));
    assert_eq!(said, ["store v2 failed UpgradeFailed"]);
    let failed = snapshot(2, "failed", "c2");
    let said = script.answer(&it, stored(&[failed], "UpgradeFailed"));
    assert_eq!(said, ["recall for rollback"]);
    let said = script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(said, ["store v3 pending-rollback"]);
    let pending = snapshot(3, "pending-rollback", "c1");
    let said = script.answer(&it, stored(&[pending], ""));
    assert_eq!(
        said,
        ["store v3 deployed RollbackSucceeded"],
        "nothing had been changed"
    );
    let deployed = snapshot(3, "deployed", "c1");
    let said = script.answer(
        &it,
        stored(std::slice::from_ref(&deployed), "RollbackSucceeded"),
    );
    assert_eq!(said, ["stalled RetriesExceeded"]);
    assert_eq!(script.release_status().upgrade_failures, 1);
    // Where what was restored is declared again, there is nothing left to do, nor to complain of.
    let again = declared(3, json!({"values": {"a": 1}}));
    assert_eq!(script.tell(again.into()), ["inspect"]);
    let said = script.answer(&it, inspected("c1", Some(&deployed)));
    assert_eq!(said, ["ready UpgradeSucceeded"]);
    assert_eq!(script.release_status().upgrade_failures, 0);
}

#[test]
fn without_remediation_a_failed_upgrade_stays_and_stalls() {
    let it = release();
    let mut script = upgrading(json!({}), &[hook("one", "pre-upgrade")]);
    let pending = snapshot(2, "pending-upgrade", "c2");
    script.answer(&it, stored(&[pending], ""));
    script.answer(&it, ran("pre-upgrade", "one", "Failed"));
    let failed = snapshot(2, "failed", "c2");
    let said = script.answer(&it, stored(&[failed], "UpgradeFailed"));
    assert_eq!(said, ["stalled RetriesExceeded"]);
}

#[test]
fn a_failed_install_is_uninstalled_and_tried_again() {
    let it = release();
    let mut script = begun(json!({"install": {"remediation": {"retries": 1}}}));
    script.answer(&it, inspected("c1", None));
    script.answer(&it, planned(&["a"], "m1", &[]));
    script.answer(&it, stored(&[snapshot(1, "pending-install", "c1")], ""));
    let refused = ObjectsApplied {
        object: Some(it.clone()),
        failures: vec![ObjectFailure {
            object: Some(object("a")),
            reason: "Invalid".into(),
            message: "no".into(),
        }],
        ..ObjectsApplied::default()
    };
    let said = script.answer(&it, refused.into());
    assert_eq!(said, ["store v1 failed InstallFailed"]);
    let said = script.answer(&it, stored(&[snapshot(1, "failed", "c1")], "InstallFailed"));
    assert_eq!(said, ["recall for uninstall-remediation"]);
    let said = script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(said, ["store v1 uninstalling"]);
    let said = script.answer(&it, stored(&[snapshot(1, "uninstalling", "c1")], ""));
    assert_eq!(said, ["prune a, gone within 300 s"]);
    let pruned = ObjectsPruned {
        object: Some(it.clone()),
        pruned: vec![object("a")],
        ..ObjectsPruned::default()
    };
    let said = script.answer(&it, pruned.into());
    assert_eq!(said, ["store v1 uninstalled UninstallSucceeded purge"]);
    let gone = snapshot(1, "uninstalled", "c1");
    let said = script.answer(
        &it,
        stored(std::slice::from_ref(&gone), "UninstallSucceeded"),
    );
    assert_eq!(said, ["failed UninstallSucceeded"]);
    assert_eq!(script.after(1000), ["inspect"], "it is tried again soon");
    assert_eq!(
        script.answer(&it, inspected("c1", Some(&gone))),
        ["render install v2"]
    );
}

#[test]
fn what_is_taken_over_as_it_is_to_be_is_not_upgraded() {
    let mut script = begun(json!({}));
    let foreign = snapshot(4, "deployed", "c1");
    let said = script.answer(&release(), inspected("c1", Some(&foreign)));
    assert_eq!(said, ["ready UpgradeSucceeded"]);
    let other = begun(json!({})).answer(&release(), inspected("c2", Some(&foreign)));
    assert_eq!(other, ["render upgrade v5"]);
}

#[test]
fn a_helm_chart_that_somebody_edits_is_set_back_once_for_each_edit() {
    let mut script = installed(json!({}));
    let said = script.tell(script.chart_seen(2, "0.9.0").into());
    assert_eq!(said, ["declare chart"]);
    let made = ChartDeclared {
        object: Some(release()),
        chart: Some(chart()),
        digest: script.chart_digest(),
        changed: true,
        ..ChartDeclared::default()
    };
    let said = script.answer(&release(), made.into());
    assert_eq!(said, NOTHING, "what was seen before it is no news");
    let said = script.tell(script.chart_seen(3, "*").into());
    assert_eq!(said, NOTHING, "it is as it was asked for");
    let said = script.tell(script.chart_seen(4, "0.8.0").into());
    assert_eq!(said, ["declare chart"]);
}

#[test]
fn an_install_forgets_the_revisions_of_the_release_before_it() {
    let it = release();
    let mut script = installed(json!({}));
    script.after(700_000);
    assert_eq!(
        script.answer(&it, inspected("c1", None)),
        ["render install v1"],
        "somebody removed it with helm"
    );
    let said = script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(said, ["store v1 pending-install"]);
    let pending = snapshot(1, "pending-install", "c1");
    script.answer(&it, stored(std::slice::from_ref(&pending), ""));
    assert_eq!(script.release_status().history.0, [pending]);
}

#[test]
fn what_flux_released_is_known_by_its_history() {
    let flux = HelmReleaseStatus {
        history: Snapshots(vec![snapshot(4, "deployed", "c1")]),
        storage_namespace: "team".into(),
        last_attempted_config_digest: "c1".into(),
        last_attempted_revision: "1.0.0".into(),
        ..HelmReleaseStatus::default()
    };
    let found = ResourceObserved {
        release: serde_json::to_string(&flux).unwrap(),
        ..declared(1, json!({}))
    };
    let mut script = Script::new();
    script.tell(found.into());
    assert_eq!(script.release_status().history, flux.history);
}

#[test]
fn somebody_elses_release_under_the_name_is_upgraded_over() {
    let it = release();
    let mut script = installed(json!({}));
    script.after(700_000);
    let manual = ReleaseSnapshot {
        digest: "made by hand".into(),
        ..snapshot(2, "deployed", "c1")
    };
    assert_eq!(
        script.answer(&it, inspected("c1", Some(&manual))),
        ["render upgrade v3"]
    );
}

#[test]
fn a_release_that_another_left_pending_is_unlocked() {
    let it = release();
    let mut script = begun(json!({}));
    let pending = snapshot(1, "pending-install", "c1");
    assert_eq!(
        script.answer(&it, inspected("c1", Some(&pending))),
        ["recall for unlock"]
    );
    let said = script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(said, ["store v1 failed PendingRelease"]);
    let said = script.answer(
        &it,
        stored(&[snapshot(1, "failed", "c1")], "PendingRelease"),
    );
    assert_eq!(said, ["render upgrade v2"]);
}

#[test]
fn tests_are_run_after_the_release_and_their_failure_is_one() {
    for (phase, end) in [
        ("Succeeded", "ready TestSucceeded"),
        ("Failed", "stalled RetriesExceeded"),
    ] {
        let it = release();
        let mut script = begun(json!({"test": {"enable": true}}));
        script.answer(&it, inspected("c1", None));
        script.answer(&it, planned(&[], "m1", &[]));
        script.answer(&it, stored(&[snapshot(1, "pending-install", "c1")], ""));
        let said = script.answer(
            &it,
            stored(&[snapshot(1, "deployed", "c1")], "InstallSucceeded"),
        );
        assert_eq!(said, ["recall for test"]);
        let said = script.answer(&it, planned(&[], "m1", &[hook("check", "test")]));
        assert_eq!(said, ["hook test check"]);
        let reason = format!("Test{phase}");
        let said = script.answer(&it, ran("test", "check", phase));
        assert_eq!(said, [format!("store v1 {reason}")]);
        let tested = json!({"check": {"phase": phase}});
        let tested = ReleaseSnapshot {
            test_hooks: serde_json::from_value(tested).unwrap(),
            ..snapshot(1, "deployed", "c1")
        };
        assert_eq!(
            script.answer(&it, stored(&[tested], &reason)),
            [end],
            "{phase}"
        );
    }
}

#[test]
fn drift_is_corrected_said_or_left_as_its_mode_has_it() {
    for (mode, said) in [
        ("enabled", &["repair a"][..]),
        ("warn", &["ready DriftDetected"]),
        ("disabled", &[]),
    ] {
        let mut script = installed(json!({"driftDetection": {"mode": mode}}));
        let edited = observed("a", "edited", Health::Current);
        assert_eq!(script.tell(edited), said, "{mode}");
    }
}

#[test]
fn deleting_it_uninstalls_and_takes_the_chart_along() {
    let it = release();
    let mut script = installed(json!({}));
    let deleting = ResourceObserved {
        deleting: true,
        ..declared(2, json!({}))
    };
    assert_eq!(script.tell(deleting.into()), ["recall for uninstall"]);
    let said = script.answer(&it, planned(&["a"], "m1", &[hook("bye", "post-delete")]));
    assert_eq!(said, ["store v1 uninstalling"]);
    let said = script.answer(&it, stored(&[snapshot(1, "uninstalling", "c1")], ""));
    assert_eq!(said, ["prune a, gone within 300 s"]);
    let pruned = ObjectsPruned {
        object: Some(it.clone()),
        pruned: vec![object("a")],
        ..ObjectsPruned::default()
    };
    assert_eq!(script.answer(&it, pruned.into()), ["hook post-delete bye"]);
    let said = script.answer(&it, ran("post-delete", "bye", "Succeeded"));
    assert_eq!(said, ["store v1 uninstalled UninstallSucceeded purge"]);
    let purged = ReleaseStored {
        object: Some(it.clone()),
        purged: true,
        reason: "UninstallSucceeded".into(),
        ..ReleaseStored::default()
    };
    assert_eq!(script.answer(&it, purged.into()), ["delete chart"]);
    let gone = ChartDeclared {
        object: Some(it.clone()),
        chart: Some(chart()),
        ..ChartDeclared::default()
    };
    assert_eq!(script.answer(&it, gone.into()), ["finalizer off"]);
    let set = FinalizerSet {
        object: Some(it.clone()),
        present: false,
    };
    assert_eq!(script.answer(&it, set.into()), NOTHING);
}

#[test]
fn how_it_is_uninstalled_is_as_its_spec_says() {
    for (uninstall, prune, store) in [
        (
            json!({"timeout": "7s"}),
            "prune a, gone within 7 s",
            " purge",
        ),
        (json!({"disableWait": true}), "prune a", " purge"),
        (
            json!({"keepHistory": true}),
            "prune a, gone within 300 s",
            "",
        ),
    ] {
        let it = release();
        let spec = json!({"uninstall": uninstall});
        let mut script = installed(spec.clone());
        let deleting = ResourceObserved {
            deleting: true,
            ..declared(2, spec)
        };
        script.tell(deleting.into());
        script.answer(&it, planned(&["a"], "m1", &[]));
        let said = script.answer(&it, stored(&[snapshot(1, "uninstalling", "c1")], ""));
        assert_eq!(said, [prune]);
        let pruned = ObjectsPruned {
            object: Some(it.clone()),
            pruned: vec![object("a")],
            ..ObjectsPruned::default()
        };
        let said = script.answer(&it, pruned.into());
        assert_eq!(
            said,
            [format!("store v1 uninstalled UninstallSucceeded{store}")]
        );
    }
}

#[test]
fn what_does_not_go_fails_the_uninstall_and_is_tried_again() {
    let it = release();
    let mut script = installed(json!({}));
    let deleting = ResourceObserved {
        deleting: true,
        ..declared(2, json!({}))
    };
    script.tell(deleting.into());
    script.answer(&it, planned(&["a"], "m1", &[]));
    script.answer(&it, stored(&[snapshot(1, "uninstalling", "c1")], ""));
    let held = ObjectsPruned {
        object: Some(it.clone()),
        failures: vec![ObjectFailure {
            object: Some(object("a")),
            reason: "Timeout".into(),
            message: "a is not gone".into(),
        }],
        ..ObjectsPruned::default()
    };
    let said = script.answer(&it, held.into());
    assert_eq!(said, ["store v1 uninstalling UninstallFailed"]);
    let said = script.answer(
        &it,
        stored(&[snapshot(1, "uninstalling", "c1")], "UninstallFailed"),
    );
    assert_eq!(said, ["recall for uninstall"], "its end is not given up");
}

#[test]
fn a_suspended_one_leaves_its_release_when_it_is_deleted() {
    let mut script = installed(json!({}));
    let deleting = ResourceObserved {
        deleting: true,
        ..declared(2, json!({"suspend": true}))
    };
    assert_eq!(script.tell(deleting.into()), ["finalizer off"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_once_for_each_generation() {
    let mut script = Script::new();
    let spec = json!({"kubeConfig": {"secretRef": {"name": "other"}}});
    assert_eq!(
        script.tell(declared(1, spec.clone()).into()),
        ["stalled UnsupportedField"]
    );
    assert_eq!(script.tell(declared(1, spec).into()), NOTHING);
    assert_eq!(
        script.tell(declared(2, json!({})).into()),
        ["declare chart"]
    );
}

#[test]
fn values_that_cannot_be_read_are_tried_again() {
    let it = release();
    let mut script = begun(json!({}));
    let failed = ReleaseFailed {
        object: Some(it.clone()),
        generation: 1,
        reason: "ValuesError".into(),
        message: "no ConfigMap".into(),
    };
    assert_eq!(script.answer(&it, failed.into()), ["failed ValuesError"]);
    assert_eq!(script.after(1000), ["inspect"]);
}

#[test]
fn a_command_that_failed_in_the_engine_is_issued_again() {
    let it = release();
    let trouble = || CommandFailed {
        object: Some(release()),
        message: "the API server is away".into(),
    };
    let mut script = begun(json!({}));
    assert_eq!(
        script.answer(&it, inspected("c1", None)),
        ["render install v1"]
    );
    assert_eq!(script.answer(&it, trouble().into()), NOTHING);
    assert_eq!(script.after(1000), ["render install v1"]);
    script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(script.answer(&it, trouble().into()), NOTHING);
    assert_eq!(script.after(2000), ["store v1 pending-install"]);
}

#[test]
fn what_left_the_release_is_pruned_before_health_is_asked() {
    let it = release();
    let mut script = installed(json!({}));
    script.tell(declared(2, json!({})).into());
    let deployed = snapshot(1, "deployed", "c1");
    script.answer(&it, inspected("c2", Some(&deployed)));
    script.answer(&it, planned(&["b"], "m2", &[]));
    let pending = snapshot(2, "pending-upgrade", "c2");
    assert_eq!(script.answer(&it, stored(&[pending], "")), ["apply b"]);
    let said = script.answer(&it, applied(&["b"], "m2", Health::InProgress));
    assert_eq!(said, ["prune a"]);
}

#[test]
fn what_is_released_is_watched_together_and_what_stands_before_it_by_name() {
    use crate::{Owners, WatchedKind};
    let before = Rendered {
        object: Some(ObjectRef {
            group: "apiextensions.k8s.io".into(),
            version: "v1".into(),
            kind: "CustomResourceDefinition".into(),
            ..object("shops.example.org")
        }),
        stage: 0,
        ..rendered("shops.example.org", "d1")
    };
    let mut script = begun(json!({}));
    script.answer(&release(), inspected("c1", None));
    let plan = fluvial_event::ReleaseRendered {
        object: Some(release()),
        prerequisites: vec![before],
        objects: vec![rendered("a", "m1")],
        ..fluvial_event::ReleaseRendered::default()
    };
    script.answer(&release(), plan.into());
    let watched = script.world.kinds();
    let watched: Vec<_> = watched
        .map(
            |WatchedKind {
                 version,
                 kind,
                 owners,
                 ..
             }| (version.as_str(), kind.as_str(), *owners),
        )
        .collect();
    let own = object("a");
    assert_eq!(
        watched,
        [
            (
                own.version.as_str(),
                own.kind.as_str(),
                Some(Owners::Releases)
            ),
            ("", "CustomResourceDefinition", None),
        ]
    );
}

#[test]
fn the_object_is_ignored_where_it_is_not_rendered() {
    let ignored = Rendered {
        ignored: vec![String::new()],
        ..rendered("a", "m1")
    };
    let owned = crate::Owned::released(ignored);
    assert!(!crate::helm_release::has_drifted(&owned, None));
}

#[test]
fn what_is_done_after_rendering_is_released_again_only_when_it_changes() {
    let it = release();
    let marked = json!({"commonMetadata": {"labels": {"team": "a"}}});
    let deployed = snapshot(1, "deployed", "c1");
    for (next, expected) in [
        (marked.clone(), "ready InstallSucceeded"),
        (
            json!({"commonMetadata": {"labels": {"team": "b"}}}),
            "render upgrade v2",
        ),
        (json!({}), "render upgrade v2"),
    ] {
        let mut script = installed(marked.clone());
        assert_eq!(script.tell(declared(2, next.clone()).into()), ["inspect"]);
        let said = script.answer(&it, inspected("c1", Some(&deployed)));
        assert_eq!(said, [expected], "{next}");
    }
}
