//! What is said of a rollback: on the object, in its history, in Events.

use expect_test::{Expect, expect};
use fluvial_event::{
    Action, Concluded, HoldEnded, ManifestsRecalled, RecallFailed, RecallManifests,
    ResourceObserved, RollbackRequest, command,
};
use fluvial_view::Projection as _;
use fluvial_view::notice::Notices;

use super::story::{
    Told, app, app_concluded, app_observed, applied, build, deployed, issued, source, waited,
};
use super::{check, history, statuses};

fn asked() -> RollbackRequest {
    RollbackRequest {
        offset: 7,
        digest: "sha256:set".into(),
        by: "jane".into(),
        reason: "incident 7".into(),
        at: "2026-11-23T10:16:00Z".into(),
        ..RollbackRequest::default()
    }
}

fn observed() -> ResourceObserved {
    ResourceObserved {
        rollback: Some(asked()),
        ..app_observed(1)
    }
}

fn recall(held: bool) -> fluvial_event::CommandIssued {
    issued(command::Kind::RecallManifests(Box::new(RecallManifests {
        object: Some(app()),
        generation: 1,
        rollback: Some(asked()),
        held,
        ..RecallManifests::default()
    })))
}

fn recalled() -> ManifestsRecalled {
    ManifestsRecalled {
        object: Some(app()),
        revision: "main@sha1:a1".into(),
        rollback: Some(asked()),
        source: Some(source()),
        against: "main@sha1:b2".into(),
        ..ManifestsRecalled::default()
    }
}

fn concluded(changed: u32) -> Concluded {
    Concluded {
        message: "Rolled back to offset 7".into(),
        held_at: 7,
        ..app_concluded("a1", changed)
    }
}

fn refused() -> RecallFailed {
    RecallFailed {
        object: Some(app()),
        rollback: Some(asked()),
        message: "no such record".into(),
        ..RecallFailed::default()
    }
}

/// a1, then b2, then a1 again.
fn held() -> Told {
    deployed()
        .then(build("b2"))
        .then(app_concluded("b2", 1))
        .news(observed(), "manager:flux")
        .then(recall(false))
        .then(recalled())
        .then(applied(Action::Configured))
        .then(concluded(1))
        .then(waited(app(), "Held", "held at offset 7"))
}

/// What the Kustomization's conditions say. All else but its history stays as it was deployed.
fn conditions(told: &Told, expected: &Expect) {
    let said = |told: &Told| statuses(told).get(&app()).unwrap().value;
    let rest = |told: &Told| {
        let mut rest = said(told);
        for field in ["conditions", "history"] {
            rest.as_object_mut().unwrap().remove(field);
        }
        rest
    };
    assert_eq!(rest(told), rest(&deployed()));
    expected.assert_eq(&super::conditions(&said(told)));
}

#[test]
fn a_hold_stands_on_the_object_until_it_ends() {
    check(
        &held(),
        &app(),
        &expect![[r#"
        Ready=True ReconciliationSucceeded: Rolled back to offset 7 (10:16:16Z)
        Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
        Held=True RolledBack: held at offset 7, revision main@sha1:a1, as jane asked at 2026-11-23T10:16:00Z: incident 7; until GitRepository/apps/shop has another revision than main@sha1:b2, or `fluvial resume kustomization app -n apps` (10:16:14Z)
        history: [{"digest":"sha256:set","firstReconciled":"2026-11-23T10:16:09Z","lastReconciled":"2026-11-23T10:16:16Z","lastReconciledDuration":"1.2s","lastReconciledStatus":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:a1"},"totalReconciliations":3}]
        inventory: {"entries":[{"id":"apps_web_apps_Deployment","v":"v1"}]}
        lastAppliedRevision: "main@sha1:a1"
        lastAttemptedRevision: "main@sha1:a1"
        observedGeneration: 1
    "#]],
    );
    let again = held()
        .then(recall(true))
        .then(recalled())
        .then(concluded(0));
    let status = |told: &Told| {
        let mut status = statuses(told).get(&app()).unwrap().value;
        status["history"].take();
        status
    };
    assert_eq!(
        status(&again),
        status(&held()),
        "an interval says nothing new"
    );
    let ended = held().then(HoldEnded {
        object: Some(app()),
        rollback: Some(asked()),
        ..HoldEnded::default()
    });
    conditions(
        &ended,
        &expect![[r#"
        Ready=True ReconciliationSucceeded: Rolled back to offset 7 (10:16:16Z)
        Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
    "#]],
    );
}

#[test]
fn a_rollback_that_was_refused_is_said_as_long_as_it_is_asked_for() {
    let told = deployed()
        .news(observed(), "")
        .then(recall(false))
        .then(refused());
    conditions(
        &told,
        &expect![[r#"
        Ready=Unknown Progressing: Reconciliation in progress (10:16:11Z)
        Reconciling=True Progressing: Rolling back to offset 7 (10:16:11Z)
        Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
        Held=False RollbackFailed: no such record (10:16:12Z)
    "#]],
    );
    let mut views = statuses(&told);
    views.take_changed();
    let told = told.news(app_observed(1), "");
    views.apply(told.records.last().unwrap());
    assert!(
        views.take_changed().contains(&app().identity()),
        "it is to be written"
    );
    conditions(
        &told,
        &expect![[r#"
        Ready=Unknown Progressing: Reconciliation in progress (10:16:11Z)
        Reconciling=True Progressing: Rolling back to offset 7 (10:16:11Z)
        Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
    "#]],
    );
    let told = held().then(recall(false)).then(refused());
    conditions(
        &told,
        &expect![[r#"
        Ready=Unknown Progressing: Reconciliation in progress (10:16:18Z)
        Reconciling=True Progressing: Rolling back to offset 7 (10:16:18Z)
        Healthy=True Succeeded: Health check passed in 1s (10:16:09Z)
        Held=True RolledBack: held at offset 7, revision main@sha1:a1, as jane asked at 2026-11-23T10:16:00Z: incident 7; until GitRepository/apps/shop has another revision than main@sha1:b2, or `fluvial resume kustomization app -n apps` (10:16:14Z)
    "#]],
    );
}

#[test]
fn history_says_what_was_put_back_and_by_whom() {
    let told = held()
        .then(recall(true))
        .then(recalled())
        .then(concluded(0));
    expect![[r#"
        17 main@sha1:a1 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ResourceObserved jane)
        12 main@sha1:b2 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ArtifactFetched )
        10 main@sha1:a1 by Jane <jane@example.org>: 1 changed in 1200ms, ReconciliationSucceeded (ArtifactFetched )
    "#]].assert_eq(&history(&told, 10));
}

#[test]
fn the_beginning_and_the_end_of_a_hold_are_worth_an_event() {
    let told = held()
        .then(recall(true))
        .then(recalled())
        .then(concluded(0))
        .then(HoldEnded {
            object: Some(app()),
            rollback: Some(asked()),
            reason: "NewRevision".into(),
            message: "no longer held at offset 7".into(),
            ..HoldEnded::default()
        });
    let mut notices = Notices::default();
    let mut text = String::new();
    for record in &told.records {
        notices.apply(record);
        if let Some(it) = notices.latest().filter(|_| record.offset.0 > 12) {
            text += &format!(
                "{} {}: {} [{}]\n",
                record.offset, it.reason, it.message, it.revision
            );
        }
    }
    expect![[r#"
        16 Progressing: Deployment/apps/web configured [main@sha1:a1]
        17 RolledBack: Rolled back to offset 7 [main@sha1:a1]
        21 ReconciliationSucceeded: Reconciliation finished in 1.2s, next run in 10m0s [main@sha1:a1]
        22 NewRevision: no longer held at offset 7 [main@sha1:a1]
    "#]].assert_eq(&text);
}
