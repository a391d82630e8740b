//! Which notices an Alert tells, what it says with them, and what waits until it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use expect_test::expect;
use fluvial_api::{Alert, Provider};
use fluvial_event::{
    Notification, NotificationDelivered, NotificationFailed, NotificationParked, ObjectRef,
    ResourceDeleted, ResourceObserved,
};
use fluvial_view::alert::{Alerts, Namespaces};
use fluvial_view::{Projection as _, Stored as _};
use serde_json::{Value, json};

use crate::story::{
    Told, app, app_concluded, app_failed, app_observed, build, declared, observed, source,
    source_concluded,
};

fn named(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: "notification.toolkit.fluxcd.io".into(),
        version: "v1beta3".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn alert(name: &str, more: &Value) -> ResourceObserved {
    let object = named("Alert", "apps", name);
    let mut spec = json!({
        "providerRef": {"name": "hook"},
        "eventSources": [{"kind": "Kustomization", "name": "*"}],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let read = Alert::read(&declared(&object, &spec)).unwrap();
    observed(object, 1, serde_json::to_vec(&read.spec).unwrap())
}

fn provider(spec: &Value) -> ResourceObserved {
    let object = named("Provider", "apps", "hook");
    let read = Provider::read(&declared(&object, spec)).unwrap();
    observed(object, 1, serde_json::to_vec(&read.spec).unwrap())
}

fn folded(told: &Told, namespaces: Namespaces) -> Alerts {
    let mut alerts = Alerts::new(namespaces);
    for record in &told.records {
        alerts.apply(record);
    }
    alerts
}

/// The Kustomization, with labels and metadata of its own.
fn labelled() -> ResourceObserved {
    ResourceObserved {
        labels: BTreeMap::from([("team".into(), "shop".into())]),
        event_metadata: BTreeMap::from([
            ("env".into(), "of the object".into()),
            ("summary".into(), "of the object".into()),
            ("ticket".into(), "7".into()),
        ]),
        ..app_observed(1)
    }
}

/// What is told of a failed build, under an Alert.
fn after_a_failure(spec: &Value) -> Told {
    Told::new()
        .then(provider(&json!({"type": "generic"})))
        .then(labelled())
        .then(alert("all", spec))
        .then(build("b1"))
        .then(app_failed("BuildFailed", "no such file", false))
}

#[test]
fn an_alert_tells_what_it_asks_for() {
    let source = |more: Value| {
        let mut source = json!({"kind": "Kustomization", "name": "*"});
        for (key, value) in more.as_object().unwrap() {
            source[key] = value.clone();
        }
        json!({"eventSources": [source]})
    };
    for (spec, waiting) in [
        (json!({}), 1),
        (json!({"eventSeverity": "error"}), 1),
        (json!({"suspend": true}), 0),
        (source(json!({"name": "app"})), 1),
        (source(json!({"name": "other"})), 0),
        (source(json!({"kind": "GitRepository"})), 0),
        (source(json!({"namespace": "apps"})), 1),
        (source(json!({"namespace": "other"})), 0),
        (source(json!({"matchLabels": {"team": "shop"}})), 1),
        (source(json!({"matchLabels": {"team": "other"}})), 0),
        (source(json!({"matchLabels": {"tier": "db"}})), 0),
        (json!({"inclusionList": ["^no such", "never"]}), 1),
        (json!({"inclusionList": ["^such"]}), 0),
        (json!({"exclusionList": ["such file$"]}), 0),
        (
            json!({"inclusionList": ["file"], "exclusionList": ["no"]}),
            0,
        ),
    ] {
        let alerts = folded(&after_a_failure(&spec), Namespaces::Any);
        assert_eq!(alerts.due().count(), waiting, "{spec}");
    }
    // Information is not for those who want errors only.
    let recovered = after_a_failure(&json!({"eventSeverity": "error"}))
        .then(build("b1"))
        .then(app_concluded("b1", 1));
    assert_eq!(
        folded(&recovered, Namespaces::Any)
            .due()
            .next()
            .unwrap()
            .waiting,
        1
    );
}

#[test]
fn namespaces_stay_apart_where_they_must() {
    let other = ResourceObserved {
        object: Some(named("Alert", "elsewhere", "all")),
        ..alert(
            "all",
            &json!({"eventSources": [{"kind": "Kustomization", "name": "*", "namespace": "apps"}]}),
        )
    };
    let told = Told::new()
        .then(app_observed(1))
        .then(other)
        .then(build("b1"))
        .then(app_failed("BuildFailed", "no", false));
    assert_eq!(folded(&told, Namespaces::Any).due().count(), 1);
    assert_eq!(folded(&told, Namespaces::Own).due().count(), 0);
}

#[test]
fn nothing_is_told_of_the_time_before_the_alert_or_through_a_closed_provider() {
    let before = Told::new()
        .then(app_observed(1))
        .then(build("b1"))
        .then(app_failed("BuildFailed", "no", false))
        .then(alert("all", &json!({})));
    assert_eq!(folded(&before, Namespaces::Any).due().count(), 0);
    for (spec, waiting) in [
        (json!({"type": "generic", "suspend": true}), 0),
        (json!({"type": "pagerduty"}), 0),
        (json!({"type": "slack"}), 1),
    ] {
        let told = after_a_failure(&json!({}));
        let mut alerts = Alerts::new(Namespaces::Any);
        let closed = Told::new().then(provider(&spec));
        alerts.apply(&closed.records[0]);
        for record in &told.records[1..] {
            alerts.apply(record);
        }
        assert_eq!(alerts.due().count(), waiting, "{spec}");
    }
}

#[test]
fn routine_is_for_machines() {
    for (kind, waiting) in [
        ("generic", 1),
        ("generic-hmac", 1),
        ("slack", 0),
        ("email", 0),
    ] {
        let told = Told::new()
            .then(provider(&json!({"type": kind})))
            .then(app_observed(1))
            .then(alert("all", &json!({})))
            .then(build("b1"))
            .then(app_concluded("b1", 1));
        let alerts = folded(&told, Namespaces::Any);
        assert_eq!(alerts.due().count(), waiting, "{kind}");
        for due in alerts.due() {
            assert_eq!(due.note.metadata["commit_status"], "update");
        }
    }
}

#[test]
fn an_event_is_as_flux_sends_it() {
    let spec = json!({"eventMetadata": {"env": "of the alert"}, "summary": "of the alert"});
    let alerts = folded(&after_a_failure(&spec), Namespaces::Any);
    let due = alerts.due().next().unwrap();
    let written = serde_json::to_string_pretty(&due.note.event()).unwrap();
    expect![[r#"
        {
          "involvedObject": {
            "kind": "Kustomization",
            "namespace": "apps",
            "name": "app",
            "uid": "uid of app",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "resourceVersion": "7"
          },
          "severity": "error",
          "timestamp": "2026-11-23T10:16:04Z",
          "message": "no such file",
          "reason": "BuildFailed",
          "metadata": {
            "env": "of the alert",
            "fluvial.dev/correlation": "6e92a9794746006968db6676f5a2b089",
            "fluvial.dev/offset": "5",
            "revision": "main@sha1:a1",
            "summary": "of the alert",
            "ticket": "7"
          },
          "reportingController": "kustomize-controller",
          "reportingInstance": "fluvial"
        }"#]]
    .assert_eq(&written);
}

#[test]
fn what_was_told_waits_no_more_and_what_failed_does() {
    let told = after_a_failure(&json!({}));
    let notification = |alerts: &Alerts| Some(alerts.due().next().unwrap().note.recorded("hook"));
    let object = || Some(named("Alert", "apps", "all"));
    let uid = || "uid of all".to_owned();
    let alerts = folded(&told, Namespaces::Any);
    let failed = NotificationFailed {
        object: object(),
        uid: uid(),
        notification: notification(&alerts),
        ..NotificationFailed::default()
    };
    let delivered = NotificationDelivered {
        object: object(),
        uid: uid(),
        notification: notification(&alerts),
        ..NotificationDelivered::default()
    };
    let parked = NotificationParked {
        object: object(),
        uid: uid(),
        notification: notification(&alerts),
        ..NotificationParked::default()
    };
    let of_another = NotificationDelivered {
        uid: "another".into(),
        ..delivered.clone()
    };
    let gone = ResourceDeleted {
        object: object(),
        uid: uid(),
    };
    let again = ResourceObserved {
        uid: "another".into(),
        ..alert("all", &json!({}))
    };
    for (event, waiting) in [
        (failed.into(), 1),
        (fluvial_event::Event::from(of_another), 1),
        (delivered.into(), 0),
        (parked.into(), 0),
        (gone.into(), 0),
        (again.into(), 0),
    ] {
        let name = event_name(&event);
        let told = after_a_failure(&json!({})).then(event);
        assert_eq!(
            folded(&told, Namespaces::Any).due().count(),
            waiting,
            "{name}"
        );
    }
    // A suspension lets what waits wait.
    let suspended = after_a_failure(&json!({})).then(alert("all", &json!({"suspend": true})));
    let alerts = folded(&suspended, Namespaces::Any);
    assert_eq!(alerts.due().count(), 0);
    let resumed = after_a_failure(&json!({}))
        .then(alert("all", &json!({"suspend": true})))
        .then(alert("all", &json!({})));
    assert_eq!(folded(&resumed, Namespaces::Any).due().count(), 1);
}

fn event_name(event: &fluvial_event::Event) -> &'static str {
    event.name()
}

#[test]
fn the_same_record_has_the_same_name_and_another_another() {
    let told = after_a_failure(&json!({}))
        .then(alert("second", &json!({})))
        .then(build("b2"))
        .then(app_failed("BuildFailed", "another reason", false));
    let names =
        |alerts: &Alerts| -> Vec<String> { alerts.due().map(|it| it.note.id.clone()).collect() };
    let alerts = folded(&told, Namespaces::Any);
    assert_eq!(names(&alerts), names(&folded(&told, Namespaces::Any)));
    let all: BTreeSet<_> = names(&alerts).into_iter().collect();
    assert_eq!(all.len(), 2);
}

#[test]
fn stored_after_any_record_and_fed_the_rest_it_is_the_same() {
    let mut told = after_a_failure(&json!({"matchLabels": {}}))
        .then(source_concluded(
            false,
            "GitOperationFailed",
            "no route",
            "",
        ))
        .then(alert(
            "second",
            &json!({"eventSources": [{"kind": "GitRepository", "name": "*"}]}),
        ))
        .then(observed(source(), 1, b"{}".to_vec()))
        .then(source_concluded(false, "GitOperationFailed", "no way", ""));
    let first: Notification = folded(&told, Namespaces::Any)
        .due()
        .next()
        .unwrap()
        .note
        .recorded("hook");
    told = told
        .then(NotificationDelivered {
            object: Some(named("Alert", "apps", "all")),
            uid: "uid of all".into(),
            notification: Some(first),
            ..NotificationDelivered::default()
        })
        .then(ResourceDeleted {
            object: Some(app()),
            ..ResourceDeleted::default()
        })
        .then(provider(&json!({"type": "slack", "suspend": true})));
    let whole = folded(&told, Namespaces::Any);
    let mut followed = Alerts::new(Namespaces::Any);
    let mut pairs = BTreeMap::new();
    for cut in 0..told.records.len() {
        followed.apply(&told.records[cut]);
        for (key, value) in followed.changes() {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        let stored = pairs.clone().into_iter().map(Ok::<_, Infallible>);
        let mut loaded = Alerts::new(Namespaces::Any).load(stored).unwrap();
        for record in &told.records[cut + 1..] {
            loaded.apply(record);
        }
        assert_eq!(loaded, whole, "cut after {cut}");
        assert_eq!(
            loaded
                .due()
                .map(|it| it.note.id.clone())
                .collect::<Vec<_>>(),
            whole.due().map(|it| it.note.id.clone()).collect::<Vec<_>>()
        );
    }
}
