//! What the views say of a history, and that they say the same whenever they are asked.
#![expect(
    clippy::format_push_string,
    clippy::needless_raw_string_hashes,
    clippy::unwrap_used,
    reason = "expect-test writes the strings; a test may panic, and need not be fast"
)]

mod alert;
mod helm;
mod helm_release;
mod past;
mod rollback;
mod stored;
mod story;
mod why;

use expect_test::{Expect, expect};
use fluvial_event::{
    Action, Concluded, Event, FetchFailed, InventoryEntry, ObjectRef, ResourceDeleted,
};
use fluvial_view::Projection;
use fluvial_view::history::History;
use fluvial_view::notice::Notices;
use fluvial_view::status::Statuses;

use story::{
    Told, app, app_concluded, app_failed, app_observed, applied, apply, build, deployed, fetch,
    observed, source, source_concluded, source_observed, waited,
};

fn statuses(told: &Told) -> Statuses {
    let mut statuses = Statuses::new("host");
    for record in &told.records {
        statuses.apply(record);
    }
    statuses
}

/// Conditions in short, and every other field.
fn check(told: &Told, object: &ObjectRef, expected: &Expect) {
    let Some(status) = statuses(told).get(object) else {
        return expected.assert_eq("nothing\n");
    };
    let mut text = conditions(&status.value);
    for (field, value) in status.value.as_object().unwrap() {
        if field != "conditions" {
            text.push_str(&format!("{field}: {value}\n"));
        }
    }
    expected.assert_eq(&text);
}

/// The conditions of a status, one a line.
fn conditions(status: &serde_json::Value) -> String {
    let line = |it: &serde_json::Value| {
        let word = |field: &str| it[field].as_str().unwrap_or_default();
        format!(
            "{}={} {}: {} ({})\n",
            word("type"),
            word("status"),
            word("reason"),
            word("message"),
            &word("lastTransitionTime")[11..]
        )
    };
    let all = status["conditions"].as_array().into_iter().flatten();
    all.map(line).collect()
}

#[test]
fn nothing_is_said_before_there_is_something_to_say() {
    let told = Told::new().then(source_observed(1));
    check(
        &told,
        &source(),
        &expect![[r#"
        nothing
    "#]],
    );
}

#[test]
fn a_source_says_what_it_stored_and_with_what() {
    check(
        &deployed(),
        &source(),
        &expect![[r#"
        Ready=True Succeeded: stored artifact for revision 'main@sha1:a1' (10:16:04Z)
        ArtifactInStorage=True Succeeded: stored artifact for revision 'main@sha1:a1' (10:16:04Z)
        artifact: {"digest":"sha256:a1","lastUpdateTime":"2026-11-23T10:16:03Z","path":"gitrepository/apps/shop/a1.tar.gz","revision":"main@sha1:a1","size":512,"url":"http://host/gitrepository/apps/shop/a1.tar.gz"}
        observedGeneration: 1
        observedIgnore: "*.md"
    "#]],
    );
}

#[test]
fn a_new_generation_is_under_way_until_it_ends() {
    let told = Told::new().then(source_observed(1)).then(fetch(1));
    check(
        &told,
        &source(),
        &expect![[r#"
        Ready=Unknown Progressing: Reconciliation in progress (10:16:01Z)
        Reconciling=True Progressing: reconciling new object generation (1) (10:16:01Z)
    "#]],
    );
}

#[test]
fn a_source_that_cannot_be_fetched_keeps_its_artifact() {
    let failed = FetchFailed {
        object: Some(source()),
        ..FetchFailed::default()
    };
    let told = deployed()
        .then(fetch(1))
        .then(failed)
        .then(source_concluded(
            false,
            "GitOperationFailed",
            "no route",
            "main@sha1:a1",
        ));
    check(
        &told,
        &source(),
        &expect![[r#"
        Ready=False GitOperationFailed: no route (10:16:12Z)
        ArtifactInStorage=True Succeeded: stored artifact for revision 'main@sha1:a1' (10:16:04Z)
        FetchFailed=True GitOperationFailed: no route (10:16:12Z)
        artifact: {"digest":"sha256:a1","lastUpdateTime":"2026-11-23T10:16:03Z","path":"gitrepository/apps/shop/a1.tar.gz","revision":"main@sha1:a1","size":512,"url":"http://host/gitrepository/apps/shop/a1.tar.gz"}
        observedGeneration: 1
        observedIgnore: "*.md"
    "#]],
    );
}

#[test]
fn a_deployment_says_what_was_applied() {
    check(
        &deployed(),
        &app(),
        &expect![[r#"
            Ready=True ReconciliationSucceeded: Applied revision: main@sha1:a1 (10:16:09Z)
            Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
            history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:09Z","lastReconciled":"2026-11-23T10:16:09Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1}]
            inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
            lastAppliedRevision: "main@sha1:a1"
            lastAttemptedRevision: "main@sha1:a1"
            observedGeneration: 1
        "#]],
    );
}

#[test]
fn a_new_revision_makes_ready_unknown() {
    check(
        &deployed().then(build("b2")),
        &app(),
        &expect![[r#"
            Ready=Unknown Progressing: Reconciliation in progress (10:16:10Z)
            Reconciling=True Progressing: Building manifests for revision main@sha1:b2 with a timeout of 9m30s (10:16:10Z)
            Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
            history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:09Z","lastReconciled":"2026-11-23T10:16:09Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1}]
            inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
            lastAppliedRevision: "main@sha1:a1"
            lastAttemptedRevision: "main@sha1:b2"
            observedGeneration: 1
        "#]],
    );
}

#[test]
fn under_way_is_what_has_no_end_yet() {
    let failed = app_failed("BuildFailed", "no such folder", false);
    let waits = waited(
        app(),
        "DependencyNotReady",
        "dependency 'apps/db' is not ready",
    );
    for (told, is_under_way) in [
        (deployed(), false),
        (deployed().then(build("b2")), true),
        (deployed().then(build("b2")).then(apply()), true),
        (deployed().then(build("b2")).then(failed), false),
        (deployed().then(waits), false),
        (deployed().then(build("a1")), false),
    ] {
        let status = statuses(&told).get(&app()).unwrap();
        assert_eq!(status.is_under_way(), is_under_way, "{status:?}");
    }
}

#[test]
fn a_run_that_finds_nothing_shows_in_the_history_alone() {
    let before = statuses(&deployed()).get(&app()).unwrap().value;
    let told = deployed().then(build("a1")).then(app_concluded("a1", 0));
    let mut after = statuses(&told).get(&app()).unwrap().value;
    assert_eq!(after["history"][0]["totalReconciliations"], 2);
    after["history"] = before["history"].clone();
    assert_eq!(after, before);
}

#[test]
fn a_failure_is_told_and_tried_again() {
    let told = deployed()
        .then(build("b2"))
        .then(app_failed("BuildFailed", "no such file", false));
    check(
        &told,
        &app(),
        &expect![[r#"
            Ready=False BuildFailed: no such file (10:16:11Z)
            Reconciling=True ProgressingWithRetry: Building manifests for revision main@sha1:b2 with a timeout of 9m30s (10:16:10Z)
            Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
            history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:11Z","lastReconciled":"2026-11-23T10:16:11Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"BuildFailed","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1},{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:09Z","lastReconciled":"2026-11-23T10:16:09Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1}]
            inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
            lastAppliedRevision: "main@sha1:a1"
            lastAttemptedRevision: "main@sha1:b2"
            observedGeneration: 1
        "#]],
    );
}

#[test]
fn a_failed_health_check_is_told_twice() {
    let told = deployed()
        .then(build("b2"))
        .then(waited(app(), "Progressing", "Running health checks"))
        .then(app_failed("HealthCheckFailed", "web is not ready", false));
    check(
        &told,
        &app(),
        &expect![[r#"
            Ready=False HealthCheckFailed: web is not ready (10:16:12Z)
            Reconciling=True ProgressingWithRetry: Running health checks (10:16:10Z)
            Healthy=False HealthCheckFailed: web is not ready (10:16:12Z)
            history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:12Z","lastReconciled":"2026-11-23T10:16:12Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"HealthCheckFailed","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1},{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:09Z","lastReconciled":"2026-11-23T10:16:09Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1}]
            inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
            lastAppliedRevision: "main@sha1:a1"
            lastAttemptedRevision: "main@sha1:b2"
            observedGeneration: 1
        "#]],
    );
}

#[test]
fn what_only_a_change_can_help_is_stalled() {
    let told = Told::new().then(app_observed(1)).then(app_failed(
        "InvalidSpec",
        "spec.interval is missing",
        true,
    ));
    check(
        &told,
        &app(),
        &expect![[r#"
        Ready=False InvalidSpec: spec.interval is missing (10:16:01Z)
        Stalled=True InvalidSpec: spec.interval is missing (10:16:01Z)
        history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:01Z","lastReconciled":"2026-11-23T10:16:01Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"InvalidSpec","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":1}]
        observedGeneration: 1
    "#]],
    );
}

#[test]
fn a_dependency_that_is_not_ready_is_told_and_answers_a_request() {
    let mut asked = app_observed(1);
    asked.requested_at = "now".into();
    let told = Told::new().then(asked).then(waited(
        app(),
        "DependencyNotReady",
        "dependency 'apps/infra' is not ready",
    ));
    check(
        &told,
        &app(),
        &expect![[r#"
        Ready=False DependencyNotReady: dependency 'apps/infra' is not ready (10:16:01Z)
        lastHandledReconcileAt: "now"
    "#]],
    );
}

#[test]
fn suspension_and_repaired_drift_leave_the_status_as_it_was() {
    let repaired = Concluded {
        repair: true,
        inventory: None,
        ..app_concluded("a1", 1)
    };
    let mut told = statuses(&deployed());
    let before = told.get(&app());
    told.take_changed();
    for event in [
        Event::from(waited(app(), "Suspended", "reconciliation is suspended")),
        repaired.into(),
    ] {
        for record in &deployed().then(event).records[deployed().records.len()..] {
            told.apply(record);
        }
    }
    assert_eq!(told.get(&app()), before);
    assert!(told.take_changed().is_empty());
}

#[test]
fn an_object_that_is_gone_or_replaced_has_no_status() {
    let gone = ResourceDeleted {
        object: Some(app()),
        ..ResourceDeleted::default()
    };
    check(
        &deployed().then(gone),
        &app(),
        &expect![[r#"
        nothing
    "#]],
    );
    let mut other = app_observed(1);
    other.uid = "another".into();
    check(
        &deployed().then(other),
        &app(),
        &expect![[r#"
        nothing
    "#]],
    );
}

#[test]
fn what_an_earlier_engine_owned_stays_in_the_inventory() {
    let mut found = app_observed(1);
    found.inventory = vec![InventoryEntry {
        id: "apps_old_apps_Deployment".into(),
        version: "v1".into(),
    }];
    found.handled_at = "before".into();
    check(
        &Told::new().then(found).then(build("a1")),
        &app(),
        &expect![[r#"
            Ready=Unknown Progressing: Reconciliation in progress (10:16:01Z)
            Reconciling=True Progressing: Building manifests for revision main@sha1:a1 with a timeout of 9m30s (10:16:01Z)
            inventory: {"entries":[{"id":"apps_old_apps_Deployment","v":"v1"}]}
            lastAttemptedRevision: "main@sha1:a1"
            lastHandledReconcileAt: "before"
        "#]],
    );
}

#[test]
fn a_kind_that_is_not_reconciled_says_so() {
    let object = ObjectRef {
        group: "helm.toolkit.fluxcd.io".into(),
        version: "v2".into(),
        kind: "HelmRelease".into(),
        ..app()
    };
    let concluded = Concluded {
        object: Some(object.clone()),
        generation: 1,
        stalled: true,
        reason: "KindNotSupported".into(),
        message: "not yet".into(),
        ..Concluded::default()
    };
    let told = Told::new()
        .then(observed(object.clone(), 1, b"{}".to_vec()))
        .then(concluded);
    check(
        &told,
        &object,
        &expect![[r#"
        Ready=False KindNotSupported: not yet (10:16:01Z)
        Stalled=True KindNotSupported: not yet (10:16:01Z)
        observedGeneration: 1
    "#]],
    );
}

#[test]
fn notices_have_the_words_of_flux() {
    let failed = || app_failed("BuildFailed", "no such file", false);
    let repaired = Concluded {
        repair: true,
        reason: "DriftCorrected".into(),
        message: "Corrected drift: Deployment/apps/web: spec.replicas changed by kubectl".into(),
        ..app_concluded("a1", 1)
    };
    let told = deployed()
        .then(repaired)
        .then(build("b2"))
        .then(failed())
        .then(failed())
        .then(waited(
            app(),
            "DependencyNotReady",
            "dependency 'apps/infra' is not ready",
        ));
    let mut notices = Notices::default();
    let mut text = String::new();
    for record in &told.records {
        notices.apply(record);
        if let Some(it) = notices.latest() {
            let r#type = if it.is_warning { "Warning" } else { "Normal" };
            text += &format!(
                "{} {type} {} {}: {} [{}]\n",
                record.offset, it.object.name, it.reason, it.message, it.revision
            );
        }
    }
    expect![[r#"
        4 Normal shop NewArtifact: stored artifact for commit 'Change a1' [main@sha1:a1]
        8 Normal app Progressing: Deployment/apps/web created []
        10 Normal app ReconciliationSucceeded: Reconciliation finished in 1.2s, next run in 10m0s [main@sha1:a1]
        11 Normal app DriftCorrected: Corrected drift: Deployment/apps/web: spec.replicas changed by kubectl [main@sha1:a1]
        13 Warning app BuildFailed: no such file [main@sha1:a1]
        15 Normal app DependencyNotReady: Dependencies do not meet ready condition: dependency 'apps/infra' is not ready [main@sha1:a1]
    "#]].assert_eq(&text);
}

fn history(told: &Told, limit: usize) -> String {
    let mut history = History::of(&app(), limit);
    for record in &told.records {
        history.apply(record);
    }
    let lines = history.deployments().map(|it| {
        format!(
            "{} {} by {}: {} changed in {}ms, {} ({} {})\n",
            it.offset,
            it.revision,
            it.author,
            it.changed,
            it.duration_ms,
            it.reason,
            it.trigger,
            it.actor
        )
    });
    lines.collect()
}

#[test]
fn history_lists_deployments_newest_first_and_leaves_out_routine() {
    let told = deployed()
        .then(build("a1"))
        .then(app_concluded("a1", 0))
        .news(app_observed(2), "manager:kubectl-edit")
        .then(build("b2"))
        .then(applied(Action::Configured))
        .then(app_concluded("b2", 1));
    expect![[r#"
        16 main@sha1:b2 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ResourceObserved manager:kubectl-edit)
        10 main@sha1:a1 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ArtifactFetched )
    "#]].assert_eq(&history(&told, 10));
    expect![[r#"
        16 main@sha1:b2 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ResourceObserved manager:kubectl-edit)
    "#]].assert_eq(&history(&told, 1));
}

#[test]
fn a_view_folded_again_is_the_one_that_followed() {
    let told = deployed().then(build("b2")).then(app_concluded("b2", 1));
    let mut followed = Statuses::new("host");
    let mut notices = Notices::default();
    for (count, record) in told.records.iter().enumerate() {
        followed.apply(record);
        notices.apply(record);
        followed.take_changed();
        let (mut again, mut noticed) = (Statuses::new("host"), Notices::default());
        for record in &told.records[..=count] {
            again.apply(record);
            noticed.apply(record);
        }
        again.take_changed();
        assert_eq!(again, followed, "after {}", record.offset);
        assert_eq!(noticed, notices, "after {}", record.offset);
    }
}
