//! What counts as drift, and whom it is laid to.

use serde_json::json;

use super::*;

/// What was applied to make [`live`].
fn desired() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app.kubernetes.io/name": "web"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {
                "containers": [
                    {
                        "name": "app", "image": "web:1", "args": ["a", "b"],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {"limits": {"cpu": 1}},
                    },
                    {"name": "proxy", "image": "proxy:1", "securityContext": {}},
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }},
        },
    })
}

/// The API server's answer: with defaults, a status, another spelling, and the owners.
fn live() -> Value {
    let ours = json!({
        "f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {"f:spec": {
                "f:containers": {
                    r#"k:{"name":"app"}"#: {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                        "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:containerPort": {}, "f:protocol": {}}},
                        "f:resources": {"f:limits": {"f:cpu": {}}},
                    },
                    r#"k:{"name":"proxy"}"#: {".": {}, "f:name": {}, "f:image": {}, "f:securityContext": {}},
                },
                "f:volumes": {r#"k:{"name":"tmp"}"#: {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }},
        },
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "10", "generation": 1,
            "labels": {"app.kubernetes.io/name": "web"},
            "managedFields": [
                {"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": ours},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "time": "2026-01-05T00:00:00Z",
                 "fieldsV1": {"f:status": {"f:replicas": {}}}},
            ],
        },
        "spec": {
            "replicas": 2, "revisionHistoryLimit": 10,
            "template": {"spec": {
                "restartPolicy": "Always",
                "containers": [
                    {
                        "name": "app", "image": "web:1", "args": ["a", "b"], "imagePullPolicy": "IfNotPresent",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "resources": {"limits": {"cpu": "1"}},
                    },
                    {"name": "proxy", "image": "proxy:1", "securityContext": {}},
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }},
        },
        "status": {"replicas": 2},
    })
}

/// Changes a live object as another manager would.
fn edited(pointer: &str, value: Value, fields: &Value) -> Value {
    let mut live = live();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match live.pointer_mut(parent).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    live["metadata"]["resourceVersion"] = json!("11");
    let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
    entries.push(json!({"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields}));
    entries.push(
        json!({"manager": "autoscaler", "operation": "Update", "time": "2026-01-03T00:00:00Z",
        "fieldsV1": {"f:metadata": {"f:annotations": {"f:seen": {}}}}}),
    );
    live
}

const CONTAINERS: &str = "/spec/template/spec/containers";

#[test]
fn right_after_the_apply_nothing_has_drifted() {
    assert_eq!(changed_paths(&desired(), &live()), Vec::<String>::new());
    let projected = projection(&desired(), &live());
    assert_eq!(projected.pointer("/metadata/name"), None);
    assert_eq!(projected.get("status"), None);
    assert_eq!(
        projected.pointer("/spec/template/spec/containers/0/resources/limits/cpu"),
        Some(&json!("1"))
    );
    assert_eq!(changed_paths(&projected, &live()), Vec::<String>::new());
}

#[test]
fn what_the_manifest_does_not_set_is_no_drift() {
    let baseline = projection(&desired(), &live());
    for (pointer, value) in [
        ("/spec/paused", json!(true)),
        ("/spec/revisionHistoryLimit", json!(3)),
        ("/metadata/annotations", json!({"seen": "1"})),
        ("/metadata/labels/team", json!("x")),
        ("/status/replicas", json!(7)),
        (
            "/spec/template/spec/containers/-",
            json!({"name": "injected", "image": "sidecar:1"}),
        ),
        (
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!("Always"),
        ),
        (
            "/spec/template/spec/containers/1/securityContext/runAsUser",
            json!(1),
        ),
    ] {
        let live = edited(pointer, value, &json!({}));
        assert_eq!(projection(&desired(), &live), baseline, "{pointer}");
        assert_eq!(
            changed_paths(&desired(), &live),
            Vec::<String>::new(),
            "{pointer}"
        );
    }
    let mut reordered = live();
    reordered
        .pointer_mut(CONTAINERS)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .reverse();
    assert_eq!(projection(&desired(), &reordered), baseline);
}

#[test]
fn a_change_of_what_the_manifest_sets_is_found_and_named() {
    let baseline = projection(&desired(), &live());
    for (pointer, value, path) in [
        ("/spec/replicas", json!(3), "spec.replicas"),
        (
            "/metadata/labels/app.kubernetes.io~1name",
            json!("x"),
            "metadata.labels[app.kubernetes.io/name]",
        ),
        (
            "/metadata/labels",
            json!({}),
            "metadata.labels[app.kubernetes.io/name]",
        ),
        (
            "/spec/template/spec/containers/0/image",
            json!("web:2"),
            "spec.template.spec.containers[app].image",
        ),
        (
            "/spec/template/spec/containers/0/args",
            json!(["a"]),
            "spec.template.spec.containers[app].args",
        ),
        (
            "/spec/template/spec/containers/0/args/1",
            json!("c"),
            "spec.template.spec.containers[app].args[1]",
        ),
        (
            "/spec/template/spec/containers/0/args/-",
            json!("c"),
            "spec.template.spec.containers[app].args",
        ),
        (
            "/spec/template/spec/containers/0/resources/limits/cpu",
            json!("2"),
            "spec.template.spec.containers[app].resources.limits.cpu",
        ),
        (
            "/spec/template/spec/containers/0/ports",
            json!([]),
            "spec.template.spec.containers[app].ports[80/TCP]",
        ),
        (
            "/spec/template/spec/containers/1",
            json!({"name": "other"}),
            "spec.template.spec.containers[proxy]",
        ),
    ] {
        let pointer = pointer.to_owned();
        let live = if let Some(parent) = pointer.strip_suffix("/app.kubernetes.io~1name") {
            edited(parent, json!({"app.kubernetes.io/name": value}), &json!({}))
        } else {
            edited(&pointer, value, &json!({}))
        };
        assert_ne!(projection(&desired(), &live), baseline, "{pointer}");
        assert_eq!(changed_paths(&desired(), &live), [path], "{pointer}");
    }
}

#[test]
fn a_volume_of_another_type_is_drift() {
    let live = edited(
        "/spec/template/spec/volumes/0",
        json!({"name": "tmp", "hostPath": {"path": "/"}}),
        &json!({}),
    );
    assert_ne!(
        projection(&desired(), &live),
        projection(&desired(), &self::live())
    );
}

#[test]
fn lists_without_known_owners_are_paired_by_their_usual_keys() {
    let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "x"}, "spec": spec});
    for (desired, live, paths) in [
        (
            json!([{"name": "a", "v": 1}]),
            json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
            vec![],
        ),
        (
            json!([{"name": "a", "v": 1}]),
            json!([{"name": "a", "v": 2}]),
            vec!["spec.list[a].v"],
        ),
        (
            json!([{"x": 1}, {"x": 2}]),
            json!([{"x": 1}, {"x": 3, "y": 1}]),
            vec!["spec.list[1].x"],
        ),
        (json!([1, 2]), json!([1]), vec!["spec.list"]),
        (json!([]), json!([1]), vec![]),
    ] {
        let (desired, live) = (
            object(json!({"list": desired})),
            object(json!({"list": live})),
        );
        assert_eq!(changed_paths(&desired, &live), paths, "{desired} {live}");
    }
}

#[test]
fn an_atomic_list_is_one_value_even_if_its_items_have_names() {
    let rule = |name: &str| json!({"name": name});
    let owned = json!([{"manager": "m", "operation": "Apply", "fieldsV1": {"f:rules": {}}}]);
    let role = |rules: Vec<Value>| json!({"apiVersion": "v1", "kind": "Role", "metadata": {"name": "x", "managedFields": owned}, "rules": rules});
    let desired = role(vec![rule("a")]);
    let widened = role(vec![rule("a"), rule("b")]);
    assert_ne!(
        projection(&desired, &widened),
        projection(&desired, &desired)
    );
    assert_eq!(changed_paths(&desired, &widened), ["rules"]);
}

#[test]
fn a_set_keeps_the_values_of_others() {
    let owned = json!([{"manager": "m", "operation": "Apply", "fieldsV1": {"f:metadata": {"f:finalizers": {"v:\"a\"": {}}}}}]);
    let object =
        |finalizers: Value| json!({"metadata": {"finalizers": finalizers, "managedFields": owned}});
    let desired = object(json!(["a"]));
    assert_eq!(
        changed_paths(&desired, &object(json!(["b", "a"]))),
        Vec::<String>::new()
    );
    assert_eq!(
        changed_paths(&desired, &object(json!(["b"]))),
        ["metadata.finalizers[a]"]
    );
    assert_eq!(
        projection(&desired, &object(json!(["b", "a"]))),
        projection(&desired, &desired)
    );
}

#[test]
fn secrets_show_where_and_never_what() {
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"password": value}});
    let paths = changed_paths(&secret("b25l"), &secret("dHdv"));
    assert_eq!(paths, ["data.password"]);
    assert!(is_secret(&secret("")));
}

#[test]
fn drift_is_laid_to_the_manager_that_owns_it() {
    let ours = ["kustomize-controller"];
    let live = edited(
        "/spec/replicas",
        json!(5),
        &json!({"f:spec": {"f:replicas": {}}}),
    );
    let name = |manager: Option<Manager>| manager.map(|manager| manager.name);
    assert_eq!(
        name(last_manager(&live, &ours)).as_deref(),
        Some("autoscaler")
    );
    assert_eq!(
        name(blame(&desired(), &live, &ours)).as_deref(),
        Some("kubectl-edit")
    );

    // Whoever removed a field owns nothing there.
    let live = edited("/metadata/labels", json!({}), &json!({}));
    assert_eq!(
        name(blame(&desired(), &live, &ours)).as_deref(),
        Some("autoscaler")
    );

    assert_eq!(last_manager(&self::live(), &ours), None);
    assert_eq!(blame(&desired(), &json!({}), &ours), None);
}

/// As a later apply of ours leaves the object: with `value` at `pointer`, owned by us at `owned`.
fn applied_besides(pointer: &str, value: Value, owned: &str, fields: Value) -> Value {
    fn put(place: &mut Value, key: &str, value: Value) {
        match place {
            Value::Array(items) => items.push(value),
            place => place[key] = value,
        }
    }
    let mut live = live();
    let (place, key) = pointer.rsplit_once('/').unwrap();
    put(
        live.pointer_mut(place).unwrap(),
        &key.replace("~1", "/"),
        value,
    );
    let all = live
        .pointer_mut("/metadata/managedFields/0/fieldsV1")
        .unwrap();
    let (place, key) = owned.rsplit_once('/').unwrap();
    put(all.pointer_mut(place).unwrap(), key, fields);
    live
}

#[test]
fn what_we_own_besides_the_manifest_is_drift() {
    let baseline = projection(&desired(), &live());
    assert_eq!(baseline.get(SURPLUS), None, "after an apply there is none");
    let sidecar = json!({"name": "old", "image": "old:1"});
    let containers = "/f:spec/f:template/f:spec/f:containers";
    for (pointer, value, owned, fields, paths) in [
        (
            "/spec/paused",
            json!(true),
            "/f:spec/f:paused",
            json!({}),
            vec!["spec.paused"],
        ),
        (
            "/metadata/labels/tier",
            json!("x"),
            "/f:metadata/f:labels/f:tier",
            json!({}),
            vec!["metadata.labels.tier"],
        ),
        (
            "/metadata/annotations",
            json!({"a/b": "x"}),
            "/f:metadata/f:annotations",
            json!({"f:a/b": {}}),
            vec!["metadata.annotations[a/b]"],
        ),
        (
            "/spec/template/spec/containers/-",
            sidecar,
            &format!("{containers}/k:{{\"name\":\"old\"}}"),
            json!({".": {}, "f:name": {}, "f:image": {}}),
            vec![
                r#"spec.template.spec.containers[{"name":"old"}].image"#,
                r#"spec.template.spec.containers[{"name":"old"}].name"#,
            ],
        ),
        // What is no part of a manifest, and what is empty.
        (
            "/status/replicas",
            json!(1),
            "/f:status",
            json!({"f:replicas": {}}),
            vec![],
        ),
        (
            "/metadata/generateName",
            json!("x"),
            "/f:metadata/f:generateName",
            json!({}),
            vec![],
        ),
        (
            "/spec/revisionHistoryLimit",
            json!(10),
            "/f:spec/f:selector",
            json!({}),
            vec![],
        ),
    ] {
        let live = applied_besides(pointer, value, owned, fields);
        let projected = projection(&desired(), &live);
        assert_eq!(projected == baseline, paths.is_empty(), "{owned}");
        assert_eq!(changed_paths(&desired(), &live), paths, "{owned}");
    }
    // Another's field is another's.
    let mut theirs = applied_besides("/spec/paused", json!(true), "/f:spec/f:paused", json!({}));
    theirs["metadata"]["managedFields"][0]["manager"] = "hpa".into();
    assert_eq!(projection(&desired(), &theirs), baseline);
}

#[test]
fn a_key_left_to_its_default_finds_its_item() {
    let mut desired = desired();
    let port = desired.pointer_mut("/spec/template/spec/containers/0/ports/0");
    port.unwrap().as_object_mut().unwrap().remove("protocol");
    let mut live = live();
    let ports = "/metadata/managedFields/0/fieldsV1/f:spec/f:template/f:spec/f:containers/\
                 k:{\"name\":\"app\"}/f:ports/k:{\"containerPort\":80,\"protocol\":\"TCP\"}";
    let port = live.pointer_mut(ports).unwrap();
    port.as_object_mut().unwrap().remove("f:protocol");
    assert_eq!(projection(&desired, &live).get(SURPLUS), None);
}

#[test]
fn what_is_left_to_others_is_neither_compared_nor_changed() {
    let manifest = json!({"spec": {"replicas": 1, "a/b": 1, "ports": [{"port": 80}], "only": 1}});
    let live = json!({"spec": {"replicas": 4, "a/b": 2, "ports": [{"port": 81}], "more": 1}});
    let pointers =
        |list: &[&str]| -> Vec<String> { list.iter().map(|it| (*it).to_owned()).collect() };
    for (ignored, compared, applied) in [
        (
            &["/spec/replicas"][..],
            json!({"spec": {"a/b": 1, "ports": [{"port": 80}], "only": 1}}),
            json!({"spec": {"replicas": 4, "a/b": 1, "ports": [{"port": 80}], "only": 1}}),
        ),
        (
            &["/spec/a~1b", "/spec/ports/0/port"],
            json!({"spec": {"replicas": 1, "ports": [{}], "only": 1}}),
            json!({"spec": {"replicas": 1, "a/b": 2, "ports": [{"port": 81}], "only": 1}}),
        ),
        // What the live object does not have is not given to it, and what the manifest does not say is not said.
        (
            &["/spec/only", "/spec/more", "/spec/ports/7", ""],
            json!({"spec": {"replicas": 1, "a/b": 1, "ports": [{"port": 80}]}}),
            json!({"spec": {"replicas": 1, "a/b": 1, "ports": [{"port": 80}]}}),
        ),
    ] {
        let ignored = pointers(ignored);
        assert_eq!(*without(&manifest, &ignored), compared, "{ignored:?}");
        assert_eq!(*leave(&manifest, &live, &ignored), applied, "{ignored:?}");
    }
}
