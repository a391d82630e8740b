//! CEL: what an expression says is healthy, and what it says is ready.

use fluvial_e2e::{Scenario, Scene, condition, text};
use serde_json::{Value, json};

use crate::manifests::config_map;
use crate::releases::release;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "an-expression-says-what-is-healthy",
        an_expression_says_what_is_healthy,
    ),
    (
        "an-expression-judges-what-others-own",
        an_expression_judges_what_others_own,
    ),
    (
        "a-dependency-is-ready-when-its-expression-says-so",
        a_dependency_is_ready_when_its_expression_says_so,
    ),
    (
        "an-expression-that-cannot-be-read-stalls",
        an_expression_that_cannot_be_read_stalls,
    ),
    (
        "expressions-judge-releases-too",
        expressions_judge_releases_too,
    ),
];

const GAUGE: &str =
    "apiVersion: e2e.example.org/v1\nkind: Gauge\nmetadata: {name: one}\nspec: {size: 3}\n";

/// Says of its state what no convention knows.
fn define(scene: &Scene<'_>) {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    scene.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gauges.e2e.example.org"},
        "spec": {
            "group": "e2e.example.org",
            "names": {"kind": "Gauge", "plural": "gauges", "singular": "gauge", "listKind": "GaugeList"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": anything, "status": anything},
                }},
            }],
        },
    }));
    let crd = "crd/gauges.e2e.example.org";
    let args = ["wait", "--for=condition=Established", crd, "--timeout=60s"];
    scene.kubectl(&args).unwrap();
}

fn checks(full: &str) -> Value {
    json!([{
        "apiVersion": "e2e.example.org/v1",
        "kind": "Gauge",
        "inProgress": "!has(status.phase) || status.phase == 'Filling'",
        "failed": "status.phase == 'Broken'",
        "current": format!("status.phase == '{full}'"),
    }])
}

fn phase(scene: &Scene<'_>, name: &str, phase: &str) {
    scene.patch_status("Gauge", name, &json!({"status": {"phase": phase}}));
}

fn under_way(scene: &Scene<'_>) {
    scene.until("Kustomization", "app", "health checks under way", |it| {
        text(condition(it, "Reconciling"), "/message").starts_with("Running health checks")
    });
}

fn an_expression_says_what_is_healthy(scene: &Scene<'_>) {
    define(scene);
    scene.begin(&[("gauge.yaml", GAUGE)]);
    let spec = json!({"wait": true, "timeout": "30m", "retryInterval": "1h", "healthCheckExprs": checks("Full")});
    scene.kustomization("app", spec);
    under_way(scene);
    let gauge = scene.until("Gauge", "one", "applied", |_| true);
    assert!(gauge["status"].is_null(), "{gauge}");
    phase(scene, "one", "Filling");
    phase(scene, "one", "Broken");
    let name = format!("Gauge/{}/one status: 'Failed'", scene.namespace);
    let words = ["failed early due to stalled resources", &name];
    scene.refused("Kustomization", "app", "HealthCheckFailed", &words);
    phase(scene, "one", "Full");
    scene.request("Kustomization", "app");
    let app = scene.deployed("app");
    assert_eq!(text(condition(&app, "Healthy"), "/status"), "True", "{app}");
    // Another expression judges what is there, though nothing is applied and nobody touches it.
    let version = text(&scene.get("Gauge", "one"), "/metadata/resourceVersion").to_owned();
    let spec = json!({"spec": {"timeout": "2s", "healthCheckExprs": checks("Overflowing")}});
    scene.patch("Kustomization", "app", &spec);
    let name = format!("Gauge/{}/one status: 'InProgress'", scene.namespace);
    scene.refused("Kustomization", "app", "HealthCheckFailed", &[&name]);
    // Without one it is by the conventions.
    let spec = json!({"spec": {"healthCheckExprs": null}});
    scene.patch("Kustomization", "app", &spec);
    scene.deployed("app");
    let now = scene.get("Gauge", "one");
    assert_eq!(text(&now, "/metadata/resourceVersion"), version, "{now}");
}

fn an_expression_judges_what_others_own(scene: &Scene<'_>) {
    define(scene);
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    let gauge = json!({
        "apiVersion": "e2e.example.org/v1",
        "kind": "Gauge",
        "metadata": {"name": "outside", "namespace": scene.namespace},
        "spec": {},
    });
    scene.apply(&gauge);
    phase(scene, "outside", "Filling");
    scene.kustomization("app", json!({
        "timeout": "30m",
        "healthCheckExprs": checks("Full"),
        "healthChecks": [{
            "apiVersion": "e2e.example.org/v1", "kind": "Gauge", "name": "outside", "namespace": scene.namespace,
        }],
    }));
    under_way(scene);
    phase(scene, "outside", "Full");
    scene.deployed("app");
}

fn a_dependency_is_ready_when_its_expression_says_so(scene: &Scene<'_>) {
    let commit = scene.begin(&[
        ("first/a.yaml", &config_map("first", "one")),
        ("second/a.yaml", &config_map("second", "one")),
    ]);
    scene.kustomization("first", json!({"path": "first"}));
    scene.deployed("first");
    let expression = format!(
        "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True') && \
         dep.metadata.generation == dep.status.observedGeneration && \
         dep.status.lastAppliedRevision.endsWith('{commit}') && \
         dep.metadata.?labels[?'tier'].orValue('') == self.metadata.name"
    );
    let depends = json!([{"name": "first", "readyExpr": expression}]);
    scene.kustomization("second", json!({"path": "second", "dependsOn": depends}));
    let words = [&*format!(
        "dependency '{}/first' is not ready according to readyExpr eval",
        scene.namespace
    )];
    scene.refused("Kustomization", "second", "DependencyNotReady", &words);
    assert!(scene.find("ConfigMap", "second").is_none());
    let label = json!({"metadata": {"labels": {"tier": "second"}}});
    scene.patch("Kustomization", "first", &label);
    scene.deployed("second");
}

fn an_expression_that_cannot_be_read_stalls(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    let depends = json!([{"name": "other", "readyExpr": "self.generation == deps.generation"}]);
    scene.kustomization("app", json!({"dependsOn": depends}));
    let words = [
        "terminally",
        "failed to parse",
        "undeclared reference to 'deps'",
    ];
    let app = scene.refused("Kustomization", "app", "InvalidCELExpression", &words);
    let stalled = condition(&app, "Stalled");
    assert_eq!(
        (text(stalled, "/status"), text(stalled, "/reason")),
        ("True", "InvalidCELExpression")
    );
    assert_eq!(
        app["status"]["observedGeneration"],
        app["metadata"]["generation"]
    );
    let hostile = "[0,1,2,3,4,5,6,7,8,9]".to_owned() + &".map(x, [x, x])".repeat(25) + " == []";
    let spec = json!({"spec": {"dependsOn": null, "wait": true, "timeout": "2s", "healthCheckExprs": [
        {"apiVersion": "v1", "kind": "ConfigMap", "current": hostile},
    ]}});
    scene.patch("Kustomization", "app", &spec);
    let name = format!("ConfigMap/{}/a status: 'Unknown'", scene.namespace);
    scene.refused("Kustomization", "app", "HealthCheckFailed", &[&name]);
    scene.patch(
        "Kustomization",
        "app",
        &json!({"spec": {"healthCheckExprs": null}}),
    );
    scene.deployed("app");
}

fn expressions_judge_releases_too(scene: &Scene<'_>) {
    define(scene);
    scene.commit(&[
        (
            "charts/shop/Chart.yaml",
            "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
        ),
        (
            "charts/shop/templates/gauge.yaml",
            &GAUGE.replace("one", "{{ .Release.Name }}"),
        ),
    ]);
    scene.source("1h");
    release(
        scene,
        "one",
        &json!({"timeout": "30m", "healthCheckExprs": checks("Full")}),
    );
    let depends = json!([{
        "name": "one",
        "readyExpr": "dep.status.?history[?0].?status.orValue('') == 'deployed' && \
            has(dep.metadata.labels) && dep.metadata.labels['tier'] == 'gold'",
    }]);
    release(scene, "two", &json!({"dependsOn": depends}));
    scene.until("Gauge", "one", "applied", |_| true);
    phase(scene, "one", "Filling");
    scene.refused(
        "HelmRelease",
        "two",
        "DependencyNotReady",
        &["readyExpr eval"],
    );
    phase(scene, "one", "Full");
    scene.ready("HelmRelease", "one");
    let label = json!({"metadata": {"labels": {"tier": "gold"}}});
    scene.patch("HelmRelease", "one", &label);
    scene.ready("HelmRelease", "two");
    let checks = json!([{"apiVersion": "v1", "kind": "Pod", "current": "status."}]);
    release(scene, "three", &json!({"healthCheckExprs": checks}));
    let words = ["healthchecks[0]", "failed to parse the expression Current"];
    let three = scene.refused("HelmRelease", "three", "InvalidCELExpression", &words);
    assert_eq!(text(condition(&three, "Stalled"), "/status"), "True");
}
