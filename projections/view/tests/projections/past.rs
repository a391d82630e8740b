//! What the past says was there, record by record.

use expect_test::{Expect, expect};
use fluvial_event::{
    Action, AppliedObject, Concluded, Health, Inventory, InventoryEntry, ObjectGone,
    ObjectObserved, ObjectRef, ObjectsApplied, ObjectsPruned, Rendered, ResourceDeleted,
    ResourceObserved, WatchGap,
};
use fluvial_view::Projection as _;
use fluvial_view::past::{DRIFT, GAP, HEALTH, Past};
use serde_json::{Value, json};

use super::story::{Told, app, app_concluded, app_observed};

fn web() -> ObjectRef {
    ObjectRef {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: "apps".into(),
        name: "web".into(),
    }
}

/// An apply of the manifest of this name.
fn applied(manifest: &str, uid: &str, action: Action) -> ObjectsApplied {
    ObjectsApplied {
        object: Some(app()),
        applied: vec![AppliedObject {
            rendered: Some(Rendered {
                object: Some(web()),
                manifest: manifest.into(),
                policy: "IfNotPresent".into(),
                ..Rendered::default()
            }),
            uid: uid.into(),
            action: action.into(),
            health: Health::InProgress.into(),
            ..AppliedObject::default()
        }],
        failures: Vec::new(),
    }
}

fn observed(uid: &str, changed: &[&str]) -> ObjectObserved {
    ObjectObserved {
        object: Some(web()),
        uid: uid.into(),
        health: Health::Current.into(),
        manager: "kubectl".into(),
        changed: changed.iter().map(|it| (*it).to_owned()).collect(),
        ..ObjectObserved::default()
    }
}

fn begun() -> Told {
    Told::new()
        .then(app_observed(1))
        .then(applied("one", "a", Action::Created))
}

/// A manifest that says which it is.
fn manifest(past: &Past, key: &ObjectRef) -> Option<Value> {
    let name = past.manifest(key)?;
    (name != "lost").then(|| json!({"metadata": {"labels": {"is": name}}, "spec": {"from": name}}))
}

/// Every object but the Kustomization itself, in short.
fn check(told: &Told, expected: &Expect) {
    let mut past = Past::default();
    for record in &told.records {
        past.apply(record);
    }
    let mut text = String::new();
    let keys: Vec<_> = past
        .objects()
        .filter(|it| **it != app().identity())
        .cloned()
        .collect();
    for key in keys {
        let object = past.object(&key, manifest(&past, &key)).unwrap();
        let metadata = &object["metadata"];
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        text.push_str(&format!(
            "{key} {} uid {} since {} at {} from {} {}\n",
            word(&object["apiVersion"]),
            word(&metadata["uid"]),
            word(&metadata["creationTimestamp"]),
            word(&metadata["resourceVersion"]),
            word(&object["spec"]["from"]),
            word(&metadata["annotations"][HEALTH]),
        ));
        for name in [GAP, DRIFT] {
            if let Some(said) = metadata["annotations"][name].as_str() {
                text.push_str(&format!("  {name}: {said}\n"));
            }
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn an_object_is_as_it_was_applied_last() {
    check(
        &begun(),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 2 from one InProgress
    "#]],
    );
    let changed = begun().then(applied("two", "a", Action::Configured));
    check(
        &changed,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from two InProgress
    "#]],
    );
    let again = begun().then(applied("two", "b", Action::Recreated));
    check(
        &again,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid b since 2026-11-23T10:16:02Z at 3 from two InProgress
    "#]],
    );
    let skipped = begun().then(applied("two", "a", Action::Skipped));
    check(
        &skipped,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from one InProgress
    "#]],
    );
    let lost = begun().then(applied("lost", "a", Action::Configured));
    check(
        &lost,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from - InProgress
          fluvial.dev/gap: the manifest that it was applied from is not stored any more
    "#]],
    );
}

#[test]
fn what_is_gone_is_not_there() {
    let pruned = ObjectsPruned {
        object: Some(app()),
        pruned: vec![web()],
        ..ObjectsPruned::default()
    };
    check(&begun().then(pruned), &expect![[r#""#]]);
    let gone = ObjectGone {
        object: Some(web()),
        ..ObjectGone::default()
    };
    check(&begun().then(gone.clone()), &expect![[r#""#]]);
    let back = begun()
        .then(gone)
        .then(applied("one", "b", Action::Created));
    check(
        &back,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid b since 2026-11-23T10:16:03Z at 4 from one InProgress
    "#]],
    );
}

#[test]
fn what_was_seen_and_what_was_not_is_told() {
    check(
        &begun().then(observed("a", &[])),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from one Current
    "#]],
    );
    check(
        &begun().then(observed("a", &["spec.replicas"])),
        &expect![[r#"
            Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from one Current
              fluvial.dev/drift: spec.replicas (last written by kubectl)
        "#]],
    );
    check(
        &begun().then(observed("b", &[])),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid b since 2026-11-23T10:16:02Z at 3 from one Current
    "#]],
    );
    let health_alone = Told::new().then(observed("a", &[]));
    check(
        &health_alone,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:00Z at 1 from - Current
          fluvial.dev/gap: only its health was looked at
    "#]],
    );
    let left = Told::new().then(applied("one", "a", Action::Skipped));
    check(
        &left,
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:00Z at 1 from - InProgress
          fluvial.dev/gap: it was there and was left as it was (IfNotPresent)
    "#]],
    );
    let gap = || WatchGap {
        group: "apps".into(),
        kind: "Deployment".into(),
        reason: "expired".into(),
    };
    check(
        &begun().then(gap()),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 2 from one InProgress
          fluvial.dev/gap: the watch was interrupted until offset 3 (expired): changes before that were not all seen
    "#]],
    );
    check(
        &begun().then(gap()).then(observed("a", &[])),
        &expect![[r#"
            Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 4 from one Current
        "#]],
    );
}

#[test]
fn what_an_owner_leaves_behind_is_not_looked_at_any_more() {
    let deleted = ResourceDeleted {
        object: Some(app()),
        ..ResourceDeleted::default()
    };
    check(
        &begun().then(deleted),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from one InProgress
          fluvial.dev/gap: its owner is gone: nobody looked at it any more since offset 3
    "#]],
    );
    check(
        &begun().then(app_concluded("a1", 1)),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 2 from one InProgress
    "#]],
    );
    let without = Concluded {
        inventory: Some(Inventory::default()),
        ..app_concluded("a1", 1)
    };
    check(
        &begun().then(without),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid a since 2026-11-23T10:16:01Z at 3 from one InProgress
          fluvial.dev/gap: it is in no inventory: nobody looked at it any more since offset 3
    "#]],
    );
    let found = ResourceObserved {
        inventory: vec![InventoryEntry {
            id: "apps_web_apps_Deployment".into(),
            version: "v1".into(),
        }],
        ..app_observed(1)
    };
    check(
        &Told::new().then(found),
        &expect![[r#"
        Deployment/apps/web apps/v1 uid - since 2026-11-23T10:16:00Z at 1 from - -
          fluvial.dev/gap: only its name is known, from the inventory of Kustomization/apps/app
    "#]],
    );
}

#[test]
fn a_flux_object_is_as_it_was_declared_with_its_status() {
    let told = begun().then(app_concluded("a1", 1));
    let mut past = Past::default();
    for record in &told.records {
        past.apply(record);
    }
    let object = past.object(&app().identity(), None).unwrap();
    assert_eq!(object["apiVersion"], "kustomize.toolkit.fluxcd.io/v1");
    assert_eq!(object["metadata"]["resourceVersion"], "3");
    assert_eq!(object["spec"]["sourceRef"]["name"], "shop");
    assert_eq!(object["status"]["conditions"][0]["type"], "Ready");
    let changed: Vec<_> = past.take_changed().into_iter().map(|it| it.name).collect();
    assert_eq!(changed, ["web", "app"]);
    assert!(past.take_changed().is_empty());
    assert_eq!(
        past.object(&web(), None).map(|_| ()),
        None,
        "a version is no part of a name"
    );
}
