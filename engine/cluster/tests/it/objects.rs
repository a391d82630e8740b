//! Single objects: what is written, by whom, and what the answer says about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use fluvial_cluster::{
    Action, Apply, Cause, Cluster, Conflicts, Delete, Deletion, Event, Mode, Reference, Retry,
    Selector, Severity,
};
use fluvial_support::ControlPlane;
use serde_json::{Value, json};

use crate::{config_map, eventually, guards, make_namespace, on_a_control_plane, read, version};

/// One control plane for all: starting one costs more than all of these.
#[test]
fn objects_are_what_was_asked_for() {
    on_a_control_plane(async |plane, cluster| {
        says_what_it_did(&cluster).await;
        dry_run_changes_nothing(&cluster).await;
        guards::acts_with_the_accounts_rights_only(&cluster).await;
        takes_fields_only_by_force(&cluster).await;
        deletes_only_what_was_meant(&cluster).await;
        finalizers_hold_until_removed(&cluster).await;
        kinds_come_and_go(&cluster).await;
        guards::secrets_stay_secret(&cluster).await;
        immutable_is_told_from_invalid(&cluster).await;
        takes_over_from_kubectl(plane, &cluster).await;
        an_event_sent_twice_is_there_once(&cluster).await;
        guards::names_stay_names(&cluster).await;
        lists_across_pages(&cluster).await;
    });
}

async fn says_what_it_did(cluster: &Cluster) {
    make_namespace(cluster, "said").await;
    let mut object = config_map("said", "a", &json!({"key": "1"}));
    let first = cluster.apply(&object, &Apply::flux()).await.unwrap();
    assert_eq!(first.action, Action::Created);
    let known = Apply {
        known: Some(version(&first.object)),
        ..Apply::flux()
    };

    let before = cluster.requests();
    assert_eq!(
        cluster.apply(&object, &known).await.unwrap().action,
        Action::Unchanged
    );
    assert_eq!(
        cluster.requests().total(),
        before.total() + 1,
        "one apply is one request"
    );
    assert_eq!(
        cluster.apply(&object, &Apply::flux()).await.unwrap().action,
        Action::Configured
    );

    object["data"]["key"] = "2".into();
    let changed = cluster.apply(&object, &known).await.unwrap();
    assert_eq!(
        (changed.action, &changed.object["data"]["key"]),
        (Action::Configured, &json!("2"))
    );
    // Exported objects have managed fields; an apply must not.
    let exported = cluster.apply(&changed.object, &Apply::flux()).await;
    exported.unwrap();
    let missing = config_map("nowhere", "a", &json!({}));
    let error = cluster.apply(&missing, &Apply::flux()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::NotFound { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Later);
    let homeless = config_map("", "a", &json!({}));
    let error = cluster.apply(&homeless, &Apply::flux()).await.unwrap_err();
    assert!(
        error.to_string().contains("namespace not specified"),
        "{error}"
    );
}

async fn dry_run_changes_nothing(cluster: &Cluster) {
    make_namespace(cluster, "dry").await;
    let object = config_map("dry", "a", &json!({"key": "1"}));
    let dry = Apply {
        mode: Mode::DryRun,
        ..Apply::flux()
    };
    assert_eq!(
        cluster.apply(&object, &dry).await.unwrap().action,
        Action::Created
    );
    assert_eq!(read(cluster, &object).await, None);
}

async fn takes_fields_only_by_force(cluster: &Cluster) {
    make_namespace(cluster, "shared").await;
    let theirs = config_map("shared", "a", &json!({"key": "theirs"}));
    let them = Apply {
        field_manager: "them".into(),
        ..Apply::flux()
    };
    cluster.apply(&theirs, &them).await.unwrap();
    let ours = config_map("shared", "a", &json!({"key": "ours"}));
    let polite = Apply {
        conflicts: Conflicts::Refuse,
        ..Apply::flux()
    };
    let error = cluster.apply(&ours, &polite).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("them"), "{error}");
    assert!(!error.immutable());
    let applied = cluster.apply(&ours, &Apply::flux()).await.unwrap();
    assert_eq!(applied.object["data"]["key"], "ours");
}

async fn deletes_only_what_was_meant(cluster: &Cluster) {
    make_namespace(cluster, "deleted").await;
    let object = config_map("deleted", "a", &json!({}));
    let reference = Reference::of(&object).unwrap();
    let applied = cluster.apply(&object, &Apply::flux()).await.unwrap().object;
    let uid = applied["metadata"]["uid"].as_str().map(ToOwned::to_owned);
    for wrong in [
        Delete {
            uid: Some("00000000-0000-0000-0000-000000000000".into()),
            ..Delete::default()
        },
        Delete {
            uid: uid.clone(),
            resource_version: Some("1".into()),
            ..Delete::default()
        },
    ] {
        let error = cluster.delete(&reference, &wrong).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Conflict { .. }), "{error}");
        assert!(read(cluster, &object).await.is_some());
    }
    let right = Delete {
        uid,
        resource_version: Some(version(&applied)),
        ..Delete::default()
    };
    assert_eq!(
        cluster.delete(&reference, &right).await.unwrap(),
        Deletion::Gone
    );
    assert_eq!(
        cluster.delete(&reference, &right).await.unwrap(),
        Deletion::AlreadyGone
    );
}

async fn finalizers_hold_until_removed(cluster: &Cluster) {
    make_namespace(cluster, "held").await;
    let object = config_map("held", "a", &json!({}));
    let reference = Reference::of(&object).unwrap();
    cluster.apply(&object, &Apply::flux()).await.unwrap();
    for finalizer in ["example.com/a", "example.com/b", "example.com/a"] {
        cluster
            .add_finalizer(&reference, finalizer, "test")
            .await
            .unwrap();
    }
    let held = read(cluster, &object).await.unwrap();
    assert_eq!(
        held["metadata"]["finalizers"],
        json!(["example.com/a", "example.com/b"])
    );
    assert_eq!(
        cluster
            .delete(&reference, &Delete::default())
            .await
            .unwrap(),
        Deletion::Going
    );
    for finalizer in [
        "example.com/a",
        "example.com/a",
        "example.com/b",
        "example.com/b",
    ] {
        cluster
            .remove_finalizer(&reference, finalizer, "test")
            .await
            .unwrap();
    }
    assert_eq!(read(cluster, &object).await, None);
}

async fn kinds_come_and_go(cluster: &Cluster) {
    make_namespace(cluster, "kinds").await;
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"namespace": "kinds", "name": "a"}, "spec": {"size": 1}});
    let error = cluster.apply(&widget, &Apply::flux()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot apply Widget/kinds/a: no matches for kind \"Widget\" in version \"example.com/v1\"; \
         install its CRD or correct apiVersion"
    );
    assert_eq!(
        (error.retry(), read(cluster, &widget).await),
        (Retry::Later, None)
    );

    who_waits_shares_the_answer(cluster).await;

    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}]}});
    cluster.apply(&definition, &Apply::flux()).await.unwrap();
    eventually(async || cluster.apply(&widget, &Apply::flux()).await.ok()).await;
    let resource = cluster.preferred("example.com", "Widget").await.unwrap();
    assert_eq!(
        (
            resource.plural.as_str(),
            resource.namespaced,
            resource.status
        ),
        ("widgets", true, true)
    );
    assert!(resource.can("watch"));

    let reference = Reference::of(&widget).unwrap();
    let patch = json!({"spec": {"size": 2}, "status": {"ready": true}});
    let patched = cluster
        .patch_status(&reference, &patch, "test")
        .await
        .unwrap();
    assert_eq!(
        (&patched["spec"]["size"], &patched["status"]["ready"]),
        (&json!(1), &json!(true))
    );
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"size": 3}});
    let error = cluster
        .merge_patch(&reference, &stale, "test")
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), Cause::Conflict { .. }), "{error}");
    let annotations = BTreeMap::from([("example.com/at".to_owned(), Some("now".to_owned()))]);
    let annotated = cluster
        .annotate(&reference, &annotations, "test")
        .await
        .unwrap();
    assert_eq!(
        annotated["metadata"]["annotations"]["example.com/at"],
        "now"
    );

    cluster
        .delete(&Reference::of(&definition).unwrap(), &Delete::default())
        .await
        .unwrap();
    eventually(async || read(cluster, &widget).await.is_none().then_some(())).await;
    // What was learnt about the kind is out of date by now, and that is found out.
    let deletion =
        eventually(async || cluster.delete(&reference, &Delete::default()).await.ok()).await;
    assert_eq!(deletion, Deletion::AlreadyGone);
}

async fn who_waits_shares_the_answer(cluster: &Cluster) {
    let before = cluster.requests().discover;
    let unknown = |index: usize| async move {
        cluster
            .resource("example.com", "v1", &format!("Unknown{index}"))
            .await
            .unwrap_err()
    };
    futures::future::join_all((0..50).map(unknown)).await;
    let asked = cluster.requests().discover - before;
    assert!(asked <= 4, "{asked} requests");
}

async fn immutable_is_told_from_invalid(cluster: &Cluster) {
    make_namespace(cluster, "fixed").await;
    let deployment = |app: &str, replicas: i32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "fixed", "name": "a"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": {
                "metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}}})
    };
    cluster
        .apply(&deployment("a", 0), &Apply::flux())
        .await
        .unwrap();
    let error = cluster
        .apply(&deployment("b", 0), &Apply::flux())
        .await
        .unwrap_err();
    assert!(error.immutable(), "{error}");
    let error = cluster
        .apply(&deployment("a", -1), &Apply::flux())
        .await
        .unwrap_err();
    assert!(
        !error.immutable() && error.retry() == Retry::Never,
        "{error}"
    );
    let Cause::Invalid { fields, .. } = error.cause() else {
        panic!("{error}")
    };
    assert_eq!(fields, &["spec.replicas"]);
}

async fn takes_over_from_kubectl(plane: &ControlPlane, cluster: &Cluster) {
    make_namespace(cluster, "takeover").await;
    let before = "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: takeover, name: NAME, \
                  labels: {left: behind}}, data: {kept: '1', dropped: '1'}}";
    for (name, arguments) in [
        ("client-side", &["apply", "-f", "-"][..]),
        ("server-side", &["apply", "--server-side", "-f", "-"][..]),
        ("created", &["create", "-f", "-"][..]),
    ] {
        plane
            .kubectl_with(arguments, &before.replace("NAME", name))
            .unwrap();
        let object = config_map("takeover", name, &json!({"kept": "2"}));
        let applied = cluster.apply(&object, &Apply::flux()).await.unwrap();
        assert_eq!(applied.action, Action::Configured);
        assert_eq!(applied.object["data"], json!({"kept": "2"}), "{name}");
        assert_eq!(applied.object["metadata"]["labels"], Value::Null, "{name}");
        assert_eq!(
            applied.object["metadata"]["annotations"],
            Value::Null,
            "{name}"
        );
        assert_eq!(
            managers(&applied.object),
            BTreeSet::from(["kustomize-controller"]),
            "{name}"
        );
        let known = Apply {
            known: Some(version(&applied.object)),
            ..Apply::flux()
        };
        let requests = cluster.requests().total();
        assert_eq!(
            cluster.apply(&object, &known).await.unwrap().action,
            Action::Unchanged
        );
        assert_eq!(cluster.requests().total(), requests + 1, "taken over once");
    }
    plane
        .kubectl_with(&["apply", "-f", "-"], &before.replace("NAME", "merged"))
        .unwrap();
    let mut shared = config_map("takeover", "merged", &json!({"kept": "2"}));
    shared["metadata"]["annotations"] = json!({"kustomize.toolkit.fluxcd.io/ssa": "Merge"});
    let applied = cluster.apply(&shared, &Apply::flux()).await.unwrap();
    assert_eq!(applied.object["data"], json!({"kept": "2", "dropped": "1"}));
}

fn managers(object: &Value) -> BTreeSet<&str> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect()
}

async fn an_event_sent_twice_is_there_once(cluster: &Cluster) {
    make_namespace(cluster, "events").await;
    let involved = Reference::new(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        "events",
        "apps",
    );
    let event = Event {
        involved,
        uid: "5f1e9c1e-0000-0000-0000-000000000000".into(),
        resource_version: "7".into(),
        id: "2a".into(),
        severity: Severity::Warning,
        reason: "BuildFailed".into(),
        message: "kustomize build failed".into(),
        component: "kustomize-controller".into(),
        annotations: BTreeMap::from([(
            "kustomize.toolkit.fluxcd.io/revision".into(),
            "main@sha1:a".into(),
        )]),
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_700),
    };
    cluster.create_event(&event).await.unwrap();
    cluster.create_event(&event).await.unwrap();
    let events = cluster.resource("", "v1", "Event").await.unwrap();
    let found = cluster
        .list_all(&events, &Selector::namespace("events"))
        .await
        .unwrap();
    let [found] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(found["involvedObject"]["kind"], "Kustomization");
    assert_eq!(
        (&found["type"], &found["source"]["component"]),
        (&json!("Warning"), &json!("kustomize-controller"))
    );
    assert_eq!(found["lastTimestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(found["kind"], "Event", "listed objects say what they are");
}

async fn lists_across_pages(cluster: &Cluster) {
    const OBJECTS: usize = 501;
    make_namespace(cluster, "many").await;
    for index in 0..OBJECTS {
        let object = config_map("many", &format!("a{index:03}"), &json!({}));
        cluster.create(&object, "test").await.unwrap();
    }
    let resource = cluster.resource("", "v1", "ConfigMap").await.unwrap();
    let selector = Selector {
        fields: "metadata.name!=kube-root-ca.crt".into(),
        ..Selector::namespace("many")
    };
    let pages = cluster.requests().list;
    let listed = cluster.list_all(&resource, &selector).await.unwrap();
    let names: BTreeSet<_> = listed
        .iter()
        .map(|object| object["metadata"]["name"].to_string())
        .collect();
    assert_eq!((listed.len(), names.len()), (OBJECTS, OBJECTS));
    assert_eq!(cluster.requests().list, pages + 2);
    let one = cluster
        .list_all(&resource, &Selector::namespace("many").named("a007"))
        .await
        .unwrap();
    assert_eq!(one.len(), 1);
}
