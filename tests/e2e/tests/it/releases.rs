//! HelmReleases install, upgrade, test, roll back, heal and go, and the real helm sees each step as its own.

pub(crate) mod chart;
mod compared;
pub(crate) mod crash;
pub(crate) mod fields;
pub(crate) mod life;

use fluvial_e2e::{PATIENCE, Scenario, Scene, condition, text};
use fluvial_support::{ChartRepository, wait};
use serde_json::{Value, json};

use chart::{chart_files, committed};

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "a-release-installs-upgrades-and-goes-as-helm-sees-it",
        a_release_installs_upgrades_and_goes_as_helm_sees_it,
    ),
    (
        "a-failing-hook-is-rolled-back",
        a_failing_hook_is_rolled_back,
    ),
    (
        "a-failed-install-is-uninstalled",
        a_failed_install_is_uninstalled,
    ),
    (
        "what-somebody-deletes-of-a-release-comes-back",
        what_somebody_deletes_of_a_release_comes_back,
    ),
    (
        "a-release-of-helm-is-taken-over-as-it-is",
        a_release_of_helm_is_taken_over_as_it_is,
    ),
    (
        "a-release-of-a-repository-is-tested",
        a_release_of_a_repository_is_tested,
    ),
    (
        "a-tenant-releases-only-what-it-may",
        a_tenant_releases_only_what_it_may,
    ),
    (
        "a-chart-of-files-is-compared-with-its-release",
        compared::a_chart_of_files_is_compared_with_its_release,
    ),
];

/// A HelmRelease of the chart in git, with what `spec` says besides.
pub(crate) fn release(scene: &Scene<'_>, name: &str, spec: &Value) {
    let mut all = json!({
        "interval": "1h",
        "timeout": "1m",
        "chart": {"spec": {
            "chart": "charts/shop",
            "reconcileStrategy": "Revision",
            "sourceRef": {"kind": "GitRepository", "name": "source"},
        }},
    });
    for (field, value) in spec.as_object().unwrap() {
        all[field] = value.clone();
    }
    scene.declare("HelmRelease", name, &all);
}

/// What helm prints as JSON, in the namespace of the scene.
pub(crate) fn helm(scene: &Scene<'_>, args: &[&str]) -> Value {
    let more = ["-n", scene.namespace.as_str(), "-o", "json"];
    let printed = scene.stage.plane.helm(&[args, &more].concat()).unwrap();
    serde_json::from_str(&printed).unwrap()
}

/// Revision and state of each record, as `helm history` prints them.
pub(crate) fn history(scene: &Scene<'_>, name: &str) -> Vec<(i64, String)> {
    let history = helm(scene, &["history", name]);
    let one = |it: &Value| {
        (
            it["revision"].as_i64().unwrap(),
            text(it, "/status").to_owned(),
        )
    };
    history.as_array().unwrap().iter().map(one).collect()
}

pub(crate) fn states(history: &[(i64, String)]) -> Vec<(i64, &str)> {
    history
        .iter()
        .map(|(revision, state)| (*revision, state.as_str()))
        .collect()
}

fn a_release_installs_upgrades_and_goes_as_helm_sees_it(scene: &Scene<'_>) {
    committed(scene);
    installed_with_values(scene);
    // Asked again, nothing is done again.
    let at = scene.request("HelmRelease", "shop");
    scene.handled("HelmRelease", "shop", &at);
    assert_eq!(states(&history(scene, "shop")), [(1, "deployed")]);
    let another = json!({"spec": {"values": {"replicas": 3, "service": false}}});
    scene.patch("HelmRelease", "shop", &another);
    scene.until("HelmRelease", "shop", "the second revision", |it| {
        text(condition(it, "Ready"), "/status") == "True"
            && text(condition(it, "Ready"), "/reason") == "UpgradeSucceeded"
    });
    assert_eq!(
        states(&history(scene, "shop")),
        [(1, "superseded"), (2, "deployed")]
    );
    assert_eq!(scene.get("Deployment", "shop")["spec"]["replicas"], 3);
    assert_eq!(
        text(&scene.get("ConfigMap", "shop"), "/data/how"),
        "upgrade 2"
    );
    scene.gone("Service", "shop");
    let status = helm(scene, &["status", "shop"]);
    assert_eq!(status["info"]["status"], "deployed", "{status}");
    scene.delete("HelmRelease", "shop");
    scene.gone("HelmRelease", "shop");
    scene.gone("Deployment", "shop");
    scene.gone("ConfigMap", "shop");
    assert_eq!(helm(scene, &["list"]), json!([]));
    assert!(
        scene
            .find("HelmChart", &format!("{}-shop", scene.namespace))
            .is_none()
    );
}

fn a_failing_hook_is_rolled_back(scene: &Scene<'_>) {
    committed(scene);
    let remediation = json!({"remediation": {"remediateLastFailure": true}});
    release(
        scene,
        "shop",
        &json!({"upgrade": remediation, "values": {"greeting": "one"}}),
    );
    scene.ready("HelmRelease", "shop");
    let failing = json!({"spec": {"values": {"greeting": "two", "hook": "failing"}}});
    scene.patch("HelmRelease", "shop", &failing);
    let seen = scene.until("HelmRelease", "shop", "a rollback", |it| {
        text(condition(it, "Remediated"), "/reason") == "RollbackSucceeded"
            && text(condition(it, "Stalled"), "/status") == "True"
    });
    let released = condition(&seen, "Released");
    assert_eq!(text(released, "/reason"), "UpgradeFailed", "{seen}");
    assert!(
        text(released, "/message").contains("pre-upgrade hooks failed"),
        "{seen}"
    );
    assert_eq!(
        states(&history(scene, "shop")),
        [(1, "superseded"), (2, "failed"), (3, "deployed")]
    );
    assert_eq!(
        text(&scene.get("ConfigMap", "shop"), "/data/greeting"),
        "one"
    );
    // What is mended is released again.
    let mended = json!({"spec": {"values": {"hook": "passing"}}});
    scene.patch("HelmRelease", "shop", &mended);
    scene.ready("HelmRelease", "shop");
    assert_eq!(
        text(&scene.get("ConfigMap", "shop"), "/data/greeting"),
        "two"
    );
    // Its policy deletes the hook that passed.
    scene.gone("Job", "shop-before");
}

fn a_failed_install_is_uninstalled(scene: &Scene<'_>) {
    committed(scene);
    let install = json!({"timeout": "5s", "remediation": {"remediateLastFailure": true}});
    release(
        scene,
        "shop",
        &json!({"install": install, "values": {"pod": "pending"}}),
    );
    let seen = scene.until("HelmRelease", "shop", "an uninstall", |it| {
        text(condition(it, "Remediated"), "/reason") == "UninstallSucceeded"
            && text(condition(it, "Stalled"), "/status") == "True"
    });
    assert_eq!(
        text(condition(&seen, "Released"), "/reason"),
        "InstallFailed"
    );
    scene.gone("Deployment", "shop");
    scene.gone("ConfigMap", "shop");
    let patch = json!({"spec": {"values": {"pod": "running"}}});
    scene.patch("HelmRelease", "shop", &patch);
    scene.ready("HelmRelease", "shop");
    let listed = helm(scene, &["list"]);
    assert_eq!(listed[0]["status"], "deployed", "{listed}");
}

fn what_somebody_deletes_of_a_release_comes_back(scene: &Scene<'_>) {
    committed(scene);
    let ignore = json!([{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]);
    let detection = json!({"mode": "enabled", "ignore": ignore});
    release(scene, "shop", &json!({"driftDetection": detection}));
    scene.ready("HelmRelease", "shop");
    let before = text(&scene.get("Service", "shop"), "/metadata/uid").to_owned();
    scene.delete("Service", "shop");
    scene.until("Service", "shop", "another Service of this name", |it| {
        text(it, "/metadata/uid") != before
    });
    // What is ignored stays as somebody set it, also when another field of the object is repaired.
    let scaled = json!({"spec": {"replicas": 4}});
    scene.patch("Deployment", "shop", &scaled);
    let edited = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "example.org/else:1"}]}}}});
    scene.patch("Deployment", "shop", &edited);
    let seen = scene.until("Deployment", "shop", "its own image again", |it| {
        text(it, "/spec/template/spec/containers/0/image") == "example.org/shop:1"
    });
    assert_eq!(seen["spec"]["replicas"], 4, "{seen}");
    assert_eq!(states(&history(scene, "shop")), [(1, "deployed")]);
}

fn a_release_of_helm_is_taken_over_as_it_is(scene: &Scene<'_>) {
    let charts = ChartRepository::start().unwrap();
    let packed = charts.publish(&chart_files("1.0.0")).unwrap();
    let packed = packed.display().to_string();
    let args = [
        "install",
        "shop",
        &packed,
        "-n",
        &scene.namespace,
        "--set",
        "greeting=hi",
    ];
    scene.stage.plane.helm(&args).unwrap();
    let version =
        |kind: &str| text(&scene.get(kind, "shop"), "/metadata/resourceVersion").to_owned();
    let map = version("ConfigMap");
    scene.declare(
        "HelmRepository",
        "charts",
        &json!({"url": charts.url(), "interval": "1h"}),
    );
    let of_repository = json!({"spec": {
        "chart": "shop", "version": "1.x", "sourceRef": {"kind": "HelmRepository", "name": "charts"},
    }});
    release(
        scene,
        "shop",
        &json!({"chart": of_repository, "values": {"greeting": "hi"}}),
    );
    let seen = scene.ready("HelmRelease", "shop");
    assert_eq!(seen["status"]["history"][0]["version"], 1, "{seen}");
    assert_eq!(states(&history(scene, "shop")), [(1, "deployed")]);
    assert_eq!(
        version("ConfigMap"),
        map,
        "the taken over object was touched"
    );
    // What follows is an upgrade of it, which helm can take back.
    charts.publish(&chart_files("1.1.0")).unwrap();
    scene.request("HelmRepository", "charts");
    scene.until("HelmRelease", "shop", "the newer chart", |it| {
        text(condition(it, "Ready"), "/status") == "True"
            && text(it, "/status/history/0/chartVersion") == "1.1.0"
    });
    assert_eq!(
        states(&history(scene, "shop")),
        [(1, "superseded"), (2, "deployed")]
    );
    scene.delete("HelmRelease", "shop");
    scene.gone("HelmRelease", "shop");
    scene.gone("Deployment", "shop");
}

fn a_release_of_a_repository_is_tested(scene: &Scene<'_>) {
    let charts = ChartRepository::start().unwrap();
    charts.publish(&chart_files("1.0.0")).unwrap();
    scene.declare(
        "HelmRepository",
        "charts",
        &json!({"url": charts.url(), "interval": "1h"}),
    );
    let of_repository = json!({"spec": {
        "chart": "shop", "sourceRef": {"kind": "HelmRepository", "name": "charts"},
    }});
    let spec = json!({"chart": of_repository, "test": {"enable": true}, "targetNamespace": scene.namespace});
    release(scene, "shop", &spec);
    let seen = scene.ready("HelmRelease", "shop");
    let name = format!("{}-shop", scene.namespace);
    assert_eq!(
        text(condition(&seen, "TestSuccess"), "/status"),
        "True",
        "{seen}"
    );
    let tests = &seen["status"]["history"][0]["testHooks"];
    assert_eq!(
        tests[format!("{name}-test")]["phase"],
        "Succeeded",
        "{seen}"
    );
    let status = helm(scene, &["status", &name]);
    let hooks = status["hooks"].as_array().unwrap();
    let test = hooks
        .iter()
        .find(|it| it["events"] == json!(["test"]))
        .unwrap();
    assert_eq!(test["last_run"]["phase"], "Succeeded", "{status}");
}

fn a_tenant_releases_only_what_it_may(scene: &Scene<'_>) {
    committed(scene);
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "tenant", "namespace": scene.namespace},
    });
    scene.apply(&account);
    release(scene, "shop", &json!({"serviceAccountName": "tenant"}));
    scene.until("HelmRelease", "shop", "a refusal", |it| {
        text(condition(it, "Ready"), "/message").contains("forbidden")
    });
    assert!(scene.find("ConfigMap", "shop").is_none());
    let role = |name: &str, rules: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": name, "namespace": scene.namespace}, "rules": rules,
        })
    };
    scene.apply(&role(
        "tenant",
        json!([{
            "apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["*"],
        }]),
    ));
    scene.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "tenant", "namespace": scene.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": scene.namespace}],
    }));
    scene.request("HelmRelease", "shop");
    scene.ready("HelmRelease", "shop");
    wait("the release as helm sees it", PATIENCE, || {
        let history = history(scene, "shop");
        let last = history.last().map(|it| it.1.as_str());
        if last == Some("deployed") {
            Ok(())
        } else {
            Err(format!("{history:?}"))
        }
    });
}

/// Installs with values of a Secret, and asserts that helm sees them and what they made.
fn installed_with_values(scene: &Scene<'_>) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "more", "namespace": scene.namespace},
        "stringData": {"values.yaml": "greeting: from a Secret\nreplicas: 2\n", "who": "you, and me"},
    });
    scene.apply(&secret);
    let values_from = json!([
        {"kind": "Secret", "name": "more"},
        {"kind": "Secret", "name": "more", "valuesKey": "who", "targetPath": "names.last", "literal": true},
        {"kind": "ConfigMap", "name": "absent", "optional": true},
    ]);
    let first = json!({"valuesFrom": values_from, "values": {"replicas": 1}});
    release(scene, "shop", &first);
    let seen = scene.ready("HelmRelease", "shop");
    assert_eq!(
        text(condition(&seen, "Ready"), "/reason"),
        "InstallSucceeded"
    );
    let listed = helm(scene, &["list"]);
    assert_eq!(listed[0]["name"], "shop", "{listed}");
    assert_eq!(listed[0]["status"], "deployed", "{listed}");
    let values = helm(scene, &["get", "values", "shop"]);
    assert_eq!(
        values,
        json!({"greeting": "from a Secret", "replicas": 1, "names": {"last": "you, and me"}})
    );
    let map = scene.get("ConfigMap", "shop");
    assert_eq!(text(&map, "/data/greeting"), "from a Secret");
    assert_eq!(text(&map, "/data/how"), "install 1");
    assert_eq!(
        map["metadata"]["annotations"]["meta.helm.sh/release-name"],
        "shop"
    );
    let manifest = scene
        .stage
        .plane
        .helm(&["get", "manifest", "shop", "-n", &scene.namespace]);
    let manifest = manifest.unwrap();
    for line in [
        "# Source: shop/templates/objects.yaml",
        "helm.toolkit.fluxcd.io/name: shop",
    ] {
        assert!(manifest.contains(line), "{line} is not in {manifest}");
    }
}
