//! A HelmRelease: its status and notices, in helm-controller's words.

mod told;

use expect_test::{Expect, expect};
use fluvial_api::HelmRelease;
use fluvial_api::helm_release::{HelmReleaseStatus, ReleaseSnapshot, Snapshots};
use fluvial_event::{
    Artifact, ChartDeclared, Concluded, DeclareChart, Event, InspectRelease, Inventory,
    InventoryEntry, ObjectRef, RecallRelease, ReleaseFailed, ReleaseInspected, ReleaseStored,
    RenderRelease, ResourceObserved, StoreRelease, Waited, command,
};
use serde_json::{Value, json};

use crate::story::{Told, declared, issued, observed, source};
use crate::{check, conditions, statuses};

fn web() -> ObjectRef {
    ObjectRef {
        group: "helm.toolkit.fluxcd.io".into(),
        version: "v2".into(),
        kind: "HelmRelease".into(),
        namespace: "apps".into(),
        name: "web".into(),
    }
}

fn chart() -> ObjectRef {
    ObjectRef {
        kind: "HelmChart".into(),
        name: "apps-web".into(),
        ..source()
    }
}

fn spec() -> Value {
    json!({
        "interval": "10m",
        "chart": {"spec": {
            "chart": "web",
            "sourceRef": {"kind": "HelmRepository", "name": "charts", "namespace": "flux-system"},
        }},
        "test": {"enable": true},
        "upgrade": {"timeout": "90s"},
    })
}

fn seen(generation: i64) -> ResourceObserved {
    let read = HelmRelease::read(&declared(&web(), &spec())).unwrap();
    observed(web(), generation, serde_json::to_vec(&read.spec).unwrap())
}

fn recorded_spec() -> Vec<u8> {
    seen(1).spec
}

fn snapshot(version: i64, status: &str) -> ReleaseSnapshot {
    ReleaseSnapshot {
        api_version: "v2".into(),
        digest: format!("sha256:{version}{status}"),
        name: "web".into(),
        namespace: "apps".into(),
        version,
        status: status.into(),
        action: "install".into(),
        chart_name: "web".into(),
        chart_version: "1.2.3".into(),
        app_version: "9".into(),
        config_digest: "sha256:c0".into(),
        first_deployed: "2026-11-23T10:16:00Z".into(),
        last_deployed: "2026-11-23T10:16:00Z".into(),
        ..ReleaseSnapshot::default()
    }
}

fn archive() -> Artifact {
    Artifact {
        revision: "1.2.3".into(),
        digest: "sha256:9abc".into(),
        ..Artifact::default()
    }
}

fn inspect(generation: i64) -> Event {
    issued(command::Kind::InspectRelease(Box::new(InspectRelease {
        object: Some(web()),
        generation,
        spec: recorded_spec(),
        artifact: Some(archive()),
        ..InspectRelease::default()
    })))
    .into()
}

fn inspected(generation: i64) -> ReleaseInspected {
    ReleaseInspected {
        object: Some(web()),
        generation,
        chart_name: "web".into(),
        chart_version: "1.2.3".into(),
        app_version: "9".into(),
        config_digest: "sha256:c0".into(),
        ..ReleaseInspected::default()
    }
}

fn render(action: &str) -> Event {
    issued(command::Kind::RenderRelease(Box::new(RenderRelease {
        object: Some(web()),
        spec: recorded_spec(),
        action: action.into(),
        artifact: Some(archive()),
        ..RenderRelease::default()
    })))
    .into()
}

fn recall(action: &str) -> Event {
    issued(command::Kind::RecallRelease(Box::new(RecallRelease {
        object: Some(web()),
        spec: recorded_spec(),
        action: action.into(),
        ..RecallRelease::default()
    })))
    .into()
}

fn store() -> Event {
    issued(command::Kind::StoreRelease(Box::new(StoreRelease {
        object: Some(web()),
        ..StoreRelease::default()
    })))
    .into()
}

fn stored(action: &str, reason: &str, snapshots: &[ReleaseSnapshot]) -> ReleaseStored {
    ReleaseStored {
        object: Some(web()),
        snapshots: snapshots
            .iter()
            .map(|it| serde_json::to_string(it).unwrap())
            .collect(),
        action: action.into(),
        reason: reason.into(),
        message: format!("Helm said {reason}"),
        purged: false,
    }
}

/// How a run ended, with the fields that the reducer keeps.
fn ended(ready: bool, stalled: bool, reason: &str, history: &[ReleaseSnapshot]) -> Concluded {
    let kept = HelmReleaseStatus {
        helm_chart: "flux-system/apps-web".into(),
        storage_namespace: "apps".into(),
        last_attempted_generation: 1,
        last_attempted_revision: "1.2.3".into(),
        last_attempted_config_digest: "sha256:c0".into(),
        last_attempted_release_action: "install".into(),
        failures: i64::from(!ready),
        history: Snapshots(history.to_vec()),
        ..HelmReleaseStatus::default()
    };
    Concluded {
        object: Some(web()),
        generation: 1,
        requested_at: "now".into(),
        ready,
        stalled,
        reason: reason.into(),
        message: format!("Helm said {reason}"),
        revision: "1.2.3".into(),
        release: serde_json::to_string(&kept).unwrap(),
        ..Concluded::default()
    }
}

fn declare() -> (Event, ChartDeclared) {
    let declare = DeclareChart {
        object: Some(web()),
        chart: Some(chart()),
        manifest: b"{}".to_vec(),
        observed: String::new(),
    };
    let done = ChartDeclared {
        object: Some(web()),
        chart: Some(chart()),
        digest: "sha256:d0".into(),
        changed: true,
        failure: String::new(),
    };
    let declare = command::Kind::DeclareChart(Box::new(declare));
    (issued(declare).into(), done)
}

/// Up to the action in hand.
fn installing() -> Told {
    let (declare, done) = declare();
    Told::new()
        .then(ResourceObserved {
            force_at: "now".into(),
            reset_at: "before".into(),
            requested_at: "now".into(),
            ..seen(1)
        })
        .then(declare)
        .so(done)
        .then(inspect(1))
        .so(inspected(1))
        .then(render("install"))
}

fn installed() -> Told {
    let deployed = snapshot(1, "deployed");
    installing()
        .then(store())
        .so(stored(
            "install",
            "InstallSucceeded",
            std::slice::from_ref(&deployed),
        ))
        .then(Concluded {
            inventory: Some(Inventory {
                entries: vec![InventoryEntry {
                    id: "apps_web_apps_Deployment".into(),
                    version: "v1".into(),
                }],
            }),
            ..ended(true, false, "InstallSucceeded", &[deployed])
        })
}

fn check_conditions(told: &Told, expected: &Expect) {
    let status = statuses(told).get(&web()).unwrap();
    expected.assert_eq(&conditions(&status.value));
}

#[test]
fn a_run_says_what_it_does_and_for_how_long_it_may() {
    check(
        &installing(),
        &web(),
        &expect![[r#"
        Ready=Unknown Progressing: Running 'install' action with timeout of 5m0s (10:16:03Z)
        Reconciling=True Progressing: Running 'install' action with timeout of 5m0s (10:16:03Z)
        helmChart: "apps/apps-web"
        lastAttemptedConfigDigest: "sha256:c0"
        lastAttemptedGeneration: 1
        lastAttemptedReleaseAction: "install"
        lastAttemptedRevision: "1.2.3"
    "#]],
    );
}

#[test]
fn an_installed_release_says_what_is_stored_and_what_was_asked_for() {
    check(
        &installed(),
        &web(),
        &expect![[r#"
            Ready=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            helmChart: "flux-system/apps-web"
            history: [{"action":"install","apiVersion":"v2","appVersion":"9","chartName":"web","chartVersion":"1.2.3","configDigest":"sha256:c0","digest":"sha256:1deployed","firstDeployed":"2026-11-23T10:16:00Z","lastDeployed":"2026-11-23T10:16:00Z","name":"web","namespace":"apps","status":"deployed","version":1}]
            inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
            lastAttemptedConfigDigest: "sha256:c0"
            lastAttemptedGeneration: 1
            lastAttemptedReleaseAction: "install"
            lastAttemptedRevision: "1.2.3"
            lastHandledForceAt: "now"
            lastHandledReconcileAt: "now"
            observedGeneration: 1
            storageNamespace: "apps"
        "#]],
    );
}

#[test]
fn an_interval_that_finds_nothing_to_do_changes_nothing() {
    let told = installed();
    let before = statuses(&told).get(&web());
    let told = told.then(inspect(1)).so(inspected(1)).then(ended(
        true,
        false,
        "InstallSucceeded",
        &[snapshot(1, "deployed")],
    ));
    assert_eq!(statuses(&told).get(&web()), before);
}

#[test]
fn a_failed_upgrade_that_was_rolled_back_is_not_ready_and_says_both() {
    let history = [snapshot(3, "deployed"), snapshot(2, "failed")];
    let told = installed()
        .then(seen(2))
        .then(inspect(2))
        .so(inspected(2))
        .then(render("upgrade"))
        .then(store())
        .so(stored("upgrade", "UpgradeFailed", &history[1..]))
        .then(recall("rollback"))
        .then(store())
        .so(stored("rollback", "RollbackSucceeded", &history));
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False RollbackSucceeded: Helm said RollbackSucceeded (10:16:14Z)
            Reconciling=True Progressing: Running 'rollback' action with timeout of 5m0s (10:16:10Z)
            Released=False UpgradeFailed: Helm said UpgradeFailed (10:16:14Z)
            Remediated=True RollbackSucceeded: Helm said RollbackSucceeded (10:16:17Z)
        "#]],
    );
    let exhausted = told.then(ended(false, true, "RetriesExceeded", &history));
    check_conditions(
        &exhausted,
        &expect![[r#"
            Ready=False RollbackSucceeded: Helm said RollbackSucceeded (10:16:14Z)
            Stalled=True RetriesExceeded: Helm said RetriesExceeded (10:16:18Z)
            Released=False UpgradeFailed: Helm said UpgradeFailed (10:16:14Z)
            Remediated=True RollbackSucceeded: Helm said RollbackSucceeded (10:16:17Z)
        "#]],
    );
}

#[test]
fn a_failure_that_is_tried_again_goes_on() {
    let told = installing()
        .then(store())
        .so(stored("install", "InstallFailed", &[snapshot(1, "failed")]))
        .then(ended(
            false,
            false,
            "InstallFailed",
            &[snapshot(1, "failed")],
        ));
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False InstallFailed: Helm said InstallFailed (10:16:07Z)
            Reconciling=True ProgressingWithRetry: Helm said InstallFailed (10:16:03Z)
            Released=False InstallFailed: Helm said InstallFailed (10:16:07Z)
        "#]],
    );
}

#[test]
fn a_chart_that_cannot_be_rendered_was_not_released() {
    let failed = ReleaseFailed {
        object: Some(web()),
        generation: 1,
        reason: "InstallFailed".into(),
        message: "execution error".into(),
    };
    let told = installing().so(failed);
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False InstallFailed: execution error (10:16:06Z)
            Reconciling=True Progressing: Running 'install' action with timeout of 5m0s (10:16:03Z)
            Released=False InstallFailed: execution error (10:16:06Z)
        "#]],
    );
}

#[test]
fn what_nobody_waits_for_says_nothing() {
    let late = stored("install", "InstallFailed", &[snapshot(1, "failed")]);
    let told = installed();
    let before = statuses(&told).get(&web());
    assert_eq!(statuses(&told.then(late)).get(&web()), before);
}

#[test]
fn tests_have_a_condition_as_long_as_they_are_asked_for() {
    let told = installed().then(recall("test")).then(store()).so(stored(
        "test",
        "TestFailed",
        &[snapshot(1, "deployed")],
    ));
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False TestFailed: Helm said TestFailed (10:16:11Z)
            Reconciling=True Progressing: Running 'test' action with timeout of 5m0s (10:16:09Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            TestSuccess=False TestFailed: Helm said TestFailed (10:16:11Z)
        "#]],
    );
    let mut spec = spec();
    spec["test"]["enable"] = false.into();
    let read = HelmRelease::read(&declared(&web(), &spec)).unwrap();
    let untested = observed(web(), 2, serde_json::to_vec(&read.spec).unwrap());
    check_conditions(
        &told.then(untested),
        &expect![[r#"
            Ready=False TestFailed: Helm said TestFailed (10:16:11Z)
            Reconciling=True Progressing: Running 'test' action with timeout of 5m0s (10:16:09Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
        "#]],
    );
}

#[test]
fn an_uninstalled_release_leaves_no_history() {
    let told = installed()
        .then(recall("uninstall"))
        .then(store())
        .so(ReleaseStored {
            purged: true,
            ..stored("uninstall", "UninstallSucceeded", &[])
        });
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False UninstallSucceeded: Helm said UninstallSucceeded (10:16:11Z)
            Reconciling=True Progressing: Running 'uninstall' action with timeout of 5m0s (10:16:09Z)
            Released=False UninstallSucceeded: Helm said UninstallSucceeded (10:16:11Z)
        "#]],
    );
    let status = statuses(&told).get(&web()).unwrap();
    assert_eq!(status.value.get("history"), None);
}

#[test]
fn a_remediation_that_uninstalls_leaves_what_it_was_for() {
    let told = installed()
        .then(recall("uninstall-remediation"))
        .then(store())
        .so(ReleaseStored {
            purged: true,
            ..stored("uninstall-remediation", "UninstallSucceeded", &[])
        });
    check_conditions(
        &told,
        &expect![[r#"
            Ready=False UninstallSucceeded: Helm said UninstallSucceeded (10:16:11Z)
            Reconciling=True Progressing: Running 'uninstall' action with timeout of 5m0s (10:16:09Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            Remediated=True UninstallSucceeded: Helm said UninstallSucceeded (10:16:11Z)
        "#]],
    );
}

#[test]
fn drift_that_is_only_warned_of_has_a_condition_until_it_is_gone() {
    let drift = |message: &str| Concluded {
        object: Some(web()),
        repair: true,
        ready: true,
        reason: "DriftDetected".into(),
        message: message.into(),
        ..Concluded::default()
    };
    let told = installed().then(drift("replicas changed"));
    check_conditions(
        &told,
        &expect![[r#"
            Ready=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            Drifted=True DriftDetected: replicas changed (10:16:09Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
        "#]],
    );
    check_conditions(
        &told.then(drift("")),
        &expect![[r#"
            Ready=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
            Drifted=False NoDriftDetected: No drift detected against the cluster state (10:16:10Z)
            Released=True InstallSucceeded: Helm said InstallSucceeded (10:16:07Z)
        "#]],
    );
}

#[test]
fn a_release_that_waits_says_for_what() {
    let waited = Waited {
        object: Some(web()),
        reason: "DependencyNotReady".into(),
        message: "dependency 'apps/db' is not ready".into(),
    };
    check_conditions(
        &Told::new().then(seen(1)).then(waited),
        &expect![[r#"
        Ready=False DependencyNotReady: dependency 'apps/db' is not ready (10:16:01Z)
    "#]],
    );
}

#[test]
fn what_flux_said_is_kept_but_for_its_conditions() {
    let flux = HelmReleaseStatus {
        history: Snapshots(vec![snapshot(4, "deployed")]),
        storage_namespace: "apps".into(),
        last_handled_reconcile_at: Some("earlier".into()),
        conditions: serde_json::from_value(json!([{
            "type": "Ready", "status": "False", "reason": "Old", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]))
        .unwrap(),
        ..HelmReleaseStatus::default()
    };
    let found = ResourceObserved {
        release: serde_json::to_string(&flux).unwrap(),
        ..seen(1)
    };
    let history = [snapshot(4, "deployed")];
    let told = Told::new()
        .then(found)
        .then(inspect(1))
        .so(inspected(1))
        .then(Concluded {
            requested_at: String::new(),
            ..ended(true, false, "UpgradeSucceeded", &history)
        });
    let status = statuses(&told).get(&web()).unwrap().value;
    assert_eq!(status["lastHandledReconcileAt"], "earlier");
    assert_eq!(status["history"][0]["version"], 4);
    check_conditions(
        &told,
        &expect![[r#"
            Ready=True UpgradeSucceeded: Helm said UpgradeSucceeded (10:16:03Z)
            Released=True UpgradeSucceeded: Helm said UpgradeSucceeded (10:16:03Z)
        "#]],
    );
}
