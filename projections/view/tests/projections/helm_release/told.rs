//! What notices and Alerts tell of a HelmRelease, what `why` answers, and what its history lists.

use expect_test::expect;
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Concluded, ObjectRef, ObjectsApplied, ReleaseRendered,
    Rendered, command,
};
use fluvial_view::Projection;
use fluvial_view::alert::{Alerts, Namespaces};
use fluvial_view::history::History;
use fluvial_view::notice::Notices;
use fluvial_view::why::answer;
use serde_json::json;

use super::{ended, installed, installing, render, seen, snapshot, store, stored, web};
use crate::story::{Told, declared, issued, observed};

fn news(told: &Told) -> Vec<String> {
    let mut notices = Notices::default();
    let mut said = Vec::new();
    for record in &told.records {
        notices.apply(record);
        said.extend(notices.latest().map(|it| {
            let severity = if it.is_warning { "Warning" } else { "Normal" };
            format!(
                "{severity} {}: {} ({} {})",
                it.reason, it.message, it.revision, it.app_version
            )
        }));
    }
    said
}

#[test]
fn each_action_is_news_once_and_the_end_of_the_run_repeats_none() {
    let failed = [snapshot(2, "failed")];
    let told = installed()
        .then(render("upgrade"))
        .then(store())
        .so(stored("upgrade", "UpgradeFailed", &failed))
        .then(ended(false, false, "UpgradeFailed", &failed));
    expect![[r#"
        Normal HelmChartCreated: Created HelmChart/apps/apps-web with SourceRef 'HelmRepository/flux-system/charts' ( )
        Normal InstallSucceeded: Helm said InstallSucceeded (1.2.3 9)
        Warning UpgradeFailed: Helm said UpgradeFailed (1.2.3 9)"#]].assert_eq(&news(&told).join("\n"));
}

#[test]
fn the_end_of_a_failure_that_no_action_ended_is_news() {
    let told = installed()
        .then(ended(false, false, "ValuesError", &[]))
        .then(ended(false, false, "ValuesError", &[]))
        .then(ended(true, false, "InstallSucceeded", &[]))
        .then(ended(true, false, "InstallSucceeded", &[]));
    expect![[r#"
        Warning ValuesError: Helm said ValuesError (1.2.3 9)
        Normal InstallSucceeded: Helm said InstallSucceeded (1.2.3 9)"#]]
    .assert_eq(&news(&told)[2..].join("\n"));
}

#[test]
fn an_alert_is_told_which_version_was_released() {
    let alert = ObjectRef {
        group: "notification.toolkit.fluxcd.io".into(),
        version: "v1beta3".into(),
        kind: "Alert".into(),
        namespace: "apps".into(),
        name: "team".into(),
    };
    let asked = json!({
        "providerRef": {"name": "chat"}, "eventSeverity": "info",
        "eventSources": [{"kind": "HelmRelease", "name": "*"}],
    });
    let read = fluvial_api::Alert::read(&declared(&alert, &asked)).unwrap();
    let deployed = snapshot(1, "deployed");
    let told = Told::new()
        .then(observed(
            alert.clone(),
            1,
            serde_json::to_vec(&read.spec).unwrap(),
        ))
        .then(seen(1))
        .then(store())
        .so(stored("install", "InstallSucceeded", &[deployed]));
    let mut alerts = Alerts::new(Namespaces::Any);
    for record in &told.records {
        alerts.apply(record);
    }
    let due = alerts.due().next().unwrap();
    assert_eq!(due.note.reason, "InstallSucceeded");
    assert_eq!(due.note.metadata["revision"], "1.2.3");
    assert_eq!(due.note.metadata["app-version"], "9");
}

/// Installed with one object, which was seen to be applied.
fn deployed() -> (Told, ObjectRef) {
    let object = ObjectRef {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: "apps".into(),
        name: "web".into(),
    };
    let rendered = Rendered {
        object: Some(object.clone()),
        manifest: "m1".into(),
        stage: 1,
        ..Rendered::default()
    };
    let plan = ReleaseRendered {
        object: Some(web()),
        action: "install".into(),
        version: 1,
        objects: vec![rendered.clone()],
        ..ReleaseRendered::default()
    };
    let order = ApplyObjects {
        object: Some(web()),
        objects: vec![rendered.clone()],
        ..ApplyObjects::default()
    };
    let applied = ObjectsApplied {
        object: Some(web()),
        applied: vec![AppliedObject {
            rendered: Some(rendered),
            action: Action::Created.into(),
            ..AppliedObject::default()
        }],
        ..ObjectsApplied::default()
    };
    let history = [snapshot(1, "deployed")];
    let told = installing()
        .so(plan)
        .then(issued(command::Kind::ApplyObjects(order)))
        .so(applied)
        .then(store())
        .so(stored("install", "InstallSucceeded", &history))
        .then(Concluded {
            changed: 1,
            ..ended(true, false, "InstallSucceeded", &history)
        });
    (told, object)
}

#[test]
fn what_is_released_says_of_which_chart_it_is() {
    let (told, object) = deployed();
    let said = |object: &ObjectRef| {
        let end = told.records.last().unwrap().offset;
        answer(&told, object, end).unwrap().unwrap().sentence
    };
    expect!["Deployment/apps/web is as chart version 1.2.3 says, applied at 2026-11-23T10:16:08.000Z (offset 9) by HelmRelease/apps/web; nothing newer comes: HelmChart/flux-system/apps-web is not there: create it, or correct the reference to it"].assert_eq(&said(&object));
    expect!["HelmRelease/apps/web is at chart version 1.2.3, applied at 2026-11-23T10:16:11.000Z (offset 12); nothing newer comes: HelmChart/flux-system/apps-web is not there: create it, or correct the reference to it"].assert_eq(&said(&web()));
}

#[test]
fn a_release_is_a_deployment_of_its_chart() {
    let (told, object) = deployed();
    let mut history = History::of(&web(), 5);
    for record in &told.records {
        history.apply(record);
    }
    let deployments: Vec<_> = history.deployments().collect();
    assert_eq!(deployments.len(), 1);
    let (newest, changed) = (&deployments[0], &deployments[0].objects[0]);
    assert_eq!((newest.revision.as_str(), newest.changed), ("1.2.3", 1));
    assert_eq!(
        (changed.object.clone(), changed.action),
        (object.to_string(), "created")
    );
}
