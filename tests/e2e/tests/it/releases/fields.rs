//! What the fields of a HelmRelease change of its release: values, namespaces, what is done after rendering,
//! what comes first, how much is kept, how it ends.

use fluvial_e2e::{Scenario, Scene, condition, text};
use serde_json::{Value, json};

use super::chart::{chart_files, committed};
use super::{helm, history, release, states};

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "values-are-preserved-where-that-is-asked",
        values_are_preserved,
    ),
    (
        "a-template-looks-up-what-its-account-may-see",
        a_template_looks_up,
    ),
    ("what-is-rendered-is-patched", what_is_rendered_is_patched),
    (
        "a-release-has-namespaces-of-its-own",
        a_release_has_namespaces_of_its_own,
    ),
    (
        "an-uninstall-waits-for-what-is-held",
        an_uninstall_waits_for_what_is_held,
    ),
    ("a-release-waits-for-another", a_release_waits_for_another),
    ("only-the-tests-that-are-asked-for-run", only_some_tests_run),
    ("no-more-history-than-asked-for-is-kept", history_is_bounded),
    (
        "a-rollback-of-helm-is-put-right",
        a_rollback_of_helm_is_put_right,
    ),
    (
        "a-release-of-helm-with-other-values-is-upgraded",
        another_release_is_upgraded,
    ),
];

/// Merges `spec` into the release, and waits until helm has this revision of it deployed.
fn upgraded(scene: &Scene<'_>, spec: &Value, revision: i64) -> Value {
    scene.patch("HelmRelease", "shop", &json!({"spec": spec}));
    until_revision(scene, revision)
}

fn until_revision(scene: &Scene<'_>, revision: i64) -> Value {
    scene.until("HelmRelease", "shop", "the revision deployed", |it| {
        let latest = &it["status"]["history"][0];
        text(condition(it, "Ready"), "/status") == "True"
            && latest["version"] == revision
            && latest["status"] == "deployed"
    })
}

fn greeting(scene: &Scene<'_>) -> String {
    text(&scene.get("ConfigMap", "shop"), "/data/greeting").to_owned()
}

fn values_are_preserved(scene: &Scene<'_>) {
    committed(scene);
    let first =
        json!({"values": {"greeting": "one", "replicas": 2}, "upgrade": {"preserveValues": true}});
    release(scene, "shop", &first);
    scene.ready("HelmRelease", "shop");
    upgraded(
        scene,
        &json!({"values": {"greeting": null, "replicas": 3}}),
        2,
    );
    assert_eq!(
        helm(scene, &["get", "values", "shop"]),
        json!({"greeting": "one", "replicas": 3})
    );
    assert_eq!(greeting(scene), "one");
    // Without it, what the declaration does not say is what the chart says.
    upgraded(
        scene,
        &json!({"upgrade": null, "values": {"replicas": 1}}),
        3,
    );
    assert_eq!(
        helm(scene, &["get", "values", "shop"]),
        json!({"replicas": 1})
    );
    assert_eq!(greeting(scene), "hello");
}

const LOOKUP: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-found
data:
  one: {{ (lookup "v1" "ConfigMap" .Release.Namespace "seed").data.text | default "nothing" | quote }}
  absent: {{ lookup "v1" "ConfigMap" .Release.Namespace "absent" | len | quote }}
  unheard: {{ lookup "example.org/v1" "Unheard" "" "of" | len | quote }}
  {{- $all := (lookup "v1" "ConfigMap" .Release.Namespace "").items }}
  listed: {{ range $all }}{{ if eq .metadata.name "seed" }}seed{{ end }}{{ end }}
"#;

fn a_template_looks_up(scene: &Scene<'_>) {
    let seed = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "seed", "namespace": scene.namespace}, "data": {"text": "of the cluster"},
    });
    scene.apply(&seed);
    let mut files: Vec<_> = chart_files("1.0.0").into();
    files.push(("templates/found.yaml", LOOKUP.to_owned()));
    let files = files
        .iter()
        .map(|(path, text)| (format!("charts/shop/{path}"), text));
    let files: Vec<_> = files.collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    scene.begin(&files);
    release(scene, "shop", &json!({}));
    scene.ready("HelmRelease", "shop");
    let found = scene.get("ConfigMap", "shop-found");
    let expected =
        json!({"one": "of the cluster", "absent": "0", "unheard": "0", "listed": "seed"});
    assert_eq!(found["data"], expected);
    // A tenant's template sees no more than the tenant.
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "tenant", "namespace": scene.namespace},
    });
    scene.apply(&account);
    let secrets = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "tenant", "namespace": scene.namespace},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}],
    });
    scene.apply(&secrets);
    scene.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "tenant", "namespace": scene.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": scene.namespace}],
    }));
    let tenant = json!({"spec": {"serviceAccountName": "tenant", "values": {"replicas": 2}}});
    scene.patch("HelmRelease", "shop", &tenant);
    scene.refused(
        "HelmRelease",
        "shop",
        "UpgradeFailed",
        &["lookup", "forbidden"],
    );
    assert_eq!(states(&history(scene, "shop")), [(1, "deployed")]);
}

fn what_is_rendered_is_patched(scene: &Scene<'_>) {
    committed(scene);
    let patch = r#"[{"op": "add", "path": "/data/patched", "value": "yes"}]"#;
    let renderers = json!([{"kustomize": {
        "images": [{"name": "example.org/shop", "newTag": "2"}],
        "patches": [{"target": {"kind": "ConfigMap"}, "patch": patch}],
    }}]);
    release(
        scene,
        "shop",
        &json!({"postRenderers": renderers, "commonMetadata": {"labels": {"team": "one"}}}),
    );
    scene.ready("HelmRelease", "shop");
    let map = scene.get("ConfigMap", "shop");
    assert_eq!(text(&map, "/data/patched"), "yes");
    assert_eq!(text(&map, "/metadata/labels/team"), "one");
    let image = "/spec/template/spec/containers/0/image";
    assert_eq!(
        text(&scene.get("Deployment", "shop"), image),
        "example.org/shop:2"
    );
    let manifest = ["get", "manifest", "shop", "-n", &scene.namespace];
    let manifest = scene.stage.plane.helm(&manifest).unwrap();
    assert!(
        manifest.contains("patched: \"yes\""),
        "helm sees it, too: {manifest}"
    );
    upgraded(scene, &json!({"postRenderers": null}), 2);
    assert_eq!(
        scene.get("ConfigMap", "shop")["data"]["patched"],
        Value::Null
    );
}

fn a_release_has_namespaces_of_its_own(scene: &Scene<'_>) {
    committed(scene);
    let (target, storage) = ("elsewhere", "records");
    let cluster = &scene.stage.cluster;
    scene.namespace(storage);
    let places = json!({
        "targetNamespace": target,
        "storageNamespace": storage,
        "releaseName": "shop",
        "install": {"createNamespace": true},
    });
    release(scene, "shop", &places);
    let seen = scene.ready("HelmRelease", "shop");
    assert_eq!(text(&seen, "/status/storageNamespace"), storage);
    assert!(cluster.get("ConfigMap", target, "shop").unwrap().is_some());
    assert_eq!(cluster.list("Secret", target).unwrap(), Vec::<Value>::new());
    let listed = scene
        .stage
        .plane
        .helm(&["list", "-n", storage, "-o", "json"])
        .unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["name"], "shop", "{listed}");
    assert_eq!(listed[0]["namespace"], target, "{listed}");
    scene.delete("HelmRelease", "shop");
    scene.gone("HelmRelease", "shop");
    assert!(cluster.get("ConfigMap", target, "shop").unwrap().is_none());
    assert_eq!(
        cluster.list("Secret", storage).unwrap(),
        Vec::<Value>::new()
    );
    let namespace = cluster.get("Namespace", "", target).unwrap().unwrap();
    assert_eq!(
        text(&namespace, "/status/phase"),
        "Active",
        "it is not the release's own"
    );
}

fn an_uninstall_waits_for_what_is_held(scene: &Scene<'_>) {
    committed(scene);
    release(scene, "shop", &json!({"uninstall": {"timeout": "1s"}}));
    scene.ready("HelmRelease", "shop");
    let hold = json!({"metadata": {"finalizers": ["example.org/hold"]}});
    scene.patch("ConfigMap", "shop", &hold);
    scene.delete("HelmRelease", "shop");
    let words = ["ConfigMap", "is not gone after 1s", "example.org/hold"];
    scene.refused("HelmRelease", "shop", "UninstallFailed", &words);
    let kept = helm(scene, &["list"]);
    assert_eq!(
        kept[0]["status"], "uninstalling",
        "what is not through is not forgotten: {kept}"
    );
    scene.patch(
        "ConfigMap",
        "shop",
        &json!({"metadata": {"finalizers": null}}),
    );
    scene.gone("HelmRelease", "shop");
    assert!(scene.find("ConfigMap", "shop").is_none());
    assert_eq!(helm(scene, &["list"]), json!([]));
}

fn a_release_waits_for_another(scene: &Scene<'_>) {
    committed(scene);
    release(scene, "shop", &json!({"dependsOn": [{"name": "base"}]}));
    scene.refused("HelmRelease", "shop", "DependencyNotReady", &["base"]);
    assert!(scene.find("ConfigMap", "shop").is_none());
    release(
        scene,
        "base",
        &json!({"timeout": "5s", "values": {"pod": "pending"}}),
    );
    scene.until("ConfigMap", "base", "the first object", |_| true);
    assert!(
        scene.find("ConfigMap", "shop").is_none(),
        "it is not ready yet"
    );
    scene.refused("HelmRelease", "base", "InstallFailed", &[]);
    assert!(scene.find("ConfigMap", "shop").is_none(), "nor will it be");
    let mended = json!({"spec": {"timeout": "1m", "values": {"pod": "running"}}});
    scene.patch("HelmRelease", "base", &mended);
    scene.ready("HelmRelease", "base");
    scene.ready("HelmRelease", "shop");
}

fn only_some_tests_run(scene: &Scene<'_>) {
    committed(scene);
    let filters = json!([{"name": "shop-test", "exclude": true}]);
    release(
        scene,
        "shop",
        &json!({"test": {"enable": true, "filters": filters}}),
    );
    let seen = scene.ready("HelmRelease", "shop");
    let tested = condition(&seen, "TestSuccess");
    assert_eq!(text(tested, "/status"), "True", "{}", seen["status"]);
    assert!(
        text(tested, "/message").ends_with("no test hooks"),
        "{}",
        seen["status"]
    );
    assert!(scene.find("Job", "shop-test").is_none());
    let included = json!({"test": {"enable": true, "filters": [{"name": "shop-test"}]}, "values": {"replicas": 2}});
    let seen = upgraded(scene, &included, 2);
    let seen = if seen["status"]["history"][0]["testHooks"]["shop-test"].is_null() {
        scene.until("HelmRelease", "shop", "its test", |it| {
            text(it, "/status/history/0/testHooks/shop-test/phase") == "Succeeded"
        })
    } else {
        seen
    };
    assert_eq!(
        text(&seen, "/status/history/0/testHooks/shop-test/phase"),
        "Succeeded"
    );
}

fn history_is_bounded(scene: &Scene<'_>) {
    committed(scene);
    release(scene, "shop", &json!({"maxHistory": 2}));
    scene.ready("HelmRelease", "shop");
    for replicas in 2..4 {
        upgraded(scene, &json!({"values": {"replicas": replicas}}), replicas);
    }
    assert_eq!(
        states(&history(scene, "shop")),
        [(2, "superseded"), (3, "deployed")]
    );
}

fn a_rollback_of_helm_is_put_right(scene: &Scene<'_>) {
    committed(scene);
    release(scene, "shop", &json!({"values": {"greeting": "one"}}));
    scene.ready("HelmRelease", "shop");
    upgraded(scene, &json!({"values": {"greeting": "two"}}), 2);
    let rollback = ["rollback", "shop", "1", "--force-conflicts", "-n"];
    let rollback = [&rollback[..], &[&scene.namespace]].concat();
    scene.stage.plane.helm(&rollback).unwrap();
    assert_eq!(greeting(scene), "one");
    scene.request("HelmRelease", "shop");
    until_revision(scene, 4);
    assert_eq!(greeting(scene), "two");
    let expected = [
        (1, "superseded"),
        (2, "superseded"),
        (3, "superseded"),
        (4, "deployed"),
    ];
    assert_eq!(states(&history(scene, "shop")), expected);
}

fn another_release_is_upgraded(scene: &Scene<'_>) {
    committed(scene);
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in chart_files("0.9.0") {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let chart = directory.path().display().to_string();
    let install = [
        "install",
        "shop",
        &chart,
        "-n",
        &scene.namespace,
        "--set",
        "greeting=helm",
    ];
    scene.stage.plane.helm(&install).unwrap();
    let before = text(&scene.get("Service", "shop"), "/metadata/uid").to_owned();
    release(scene, "shop", &json!({"values": {"greeting": "ours"}}));
    until_revision(scene, 2);
    assert_eq!(greeting(scene), "ours");
    assert_eq!(text(&scene.get("Service", "shop"), "/metadata/uid"), before);
    assert_eq!(
        states(&history(scene, "shop")),
        [(1, "superseded"), (2, "deployed")]
    );
    // helm may go on with it.
    let args = [
        "upgrade",
        "shop",
        &chart,
        "-n",
        &scene.namespace,
        "--set",
        "greeting=helm",
        "--force-conflicts",
    ];
    scene.stage.plane.helm(&args).unwrap();
    assert_eq!(greeting(scene), "helm");
}
