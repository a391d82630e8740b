//! Ready means ready: `wait`, `healthChecks`, and the order of `dependsOn`.

use fluvial_e2e::{Scenario, Scene, condition, text};
use serde_json::json;

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "what-never-becomes-ready-is-named",
        what_never_becomes_ready_is_named,
    ),
    (
        "a-fix-does-not-wait-for-the-timeout",
        a_fix_does_not_wait_for_the_timeout,
    ),
    (
        "health-checks-look-at-what-they-name",
        health_checks_look_at_what_they_name,
    ),
    ("dependents-follow-in-order", dependents_follow_in_order),
    (
        "a-dependency-that-is-not-ready-is-named",
        a_dependency_that_is_not_ready_is_named,
    ),
    (
        "a-circle-of-dependencies-is-named",
        a_circle_of_dependencies_is_named,
    ),
    ("kubectl-can-wait", kubectl_can_wait),
];

fn what_never_becomes_ready_is_named(scene: &Scene<'_>) {
    scene.begin(&[
        (
            "web.yaml",
            &deployment("web", 1, "fluvial.dev/pod: pending"),
        ),
        ("settings.yaml", &config_map("settings", "one")),
    ]);
    scene.kustomization(
        "app",
        json!({"wait": true, "timeout": "3s", "retryInterval": "1h"}),
    );
    let name = format!("Deployment/{}/web status: 'InProgress'", scene.namespace);
    let words = ["health check failed after", "timeout waiting for", &name];
    let app = scene.refused("Kustomization", "app", "HealthCheckFailed", &words);
    let healthy = condition(&app, "Healthy");
    assert_eq!(
        (text(healthy, "/status"), text(healthy, "/reason")),
        ("False", "HealthCheckFailed")
    );
    assert_eq!(
        text(&app, "/status/lastAppliedRevision"),
        "",
        "it was never applied with success"
    );
    assert!(!text(&app, "/status/lastAttemptedRevision").is_empty());
    scene.told("app", "HealthCheckFailed", "timeout waiting for");
    scene.get("ConfigMap", "settings");
}

fn a_fix_does_not_wait_for_the_timeout(scene: &Scene<'_>) {
    scene.begin(&[(
        "web.yaml",
        &deployment("web", 1, "fluvial.dev/pod: pending"),
    )]);
    scene.kustomization("app", json!({"wait": true, "timeout": "30m"}));
    scene.until("Kustomization", "app", "health checks under way", |it| {
        text(condition(it, "Reconciling"), "/message").starts_with("Running health checks")
    });
    scene.commit(&[("web.yaml", &deployment("web", 1, ""))]);
    scene.fetch();
    let app = scene.deployed("app");
    assert_eq!(text(condition(&app, "Healthy"), "/status"), "True", "{app}");
}

/// Of two that were applied, the one that is named counts; and so does one of another owner.
fn health_checks_look_at_what_they_name(scene: &Scene<'_>) {
    scene.begin(&[
        ("app/web.yaml", &deployment("web", 1, "")),
        (
            "app/slow.yaml",
            &deployment("slow", 1, "fluvial.dev/pod: pending"),
        ),
    ]);
    let checks = json!([
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": scene.namespace},
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "outside", "namespace": scene.namespace},
    ]);
    scene.kustomization(
        "app",
        json!({"path": "app", "healthChecks": checks, "timeout": "30m"}),
    );
    scene.until("Deployment", "web", "applied", |_| true);
    scene.until("Kustomization", "app", "health checks under way", |it| {
        text(condition(it, "Healthy"), "/status") == "Unknown"
    });
    scene
        .kubectl(&[
            "create",
            "deployment",
            "outside",
            "--image=example.org/outside:1",
        ])
        .unwrap();
    scene.deployed("app");
}

fn dependents_follow_in_order(scene: &Scene<'_>) {
    scene.begin(&[
        ("first/web.yaml", &deployment("first", 1, "")),
        ("second/a.yaml", &config_map("second", "one")),
        ("third/a.yaml", &config_map("third", "one")),
    ]);
    scene.kustomization(
        "third",
        json!({"path": "third", "dependsOn": [{"name": "second"}]}),
    );
    scene.kustomization(
        "second",
        json!({"path": "second", "dependsOn": [{"name": "first"}]}),
    );
    let words = [&*format!(
        "dependency '{}/first' not found",
        scene.namespace
    )];
    scene.refused("Kustomization", "second", "DependencyNotReady", &words);
    assert!(scene.find("ConfigMap", "second").is_none());
    scene.kustomization("first", json!({"path": "first", "wait": true}));
    for name in ["first", "second", "third"] {
        scene.deployed(name);
    }
    let made = |kind, name| text(&scene.get(kind, name), "/metadata/creationTimestamp").to_owned();
    let times = [
        made("Deployment", "first"),
        made("ConfigMap", "second"),
        made("ConfigMap", "third"),
    ];
    assert!(times.is_sorted(), "{times:?}");
    // A new commit goes through them in the same order.
    scene.commit(&[
        ("first/web.yaml", &deployment("first", 2, "")),
        ("third/a.yaml", &config_map("third", "two")),
    ]);
    scene.fetch();
    scene.deployed("third");
    assert_eq!(
        scene.get("Deployment", "first")["status"]["readyReplicas"],
        2
    );
    scene.deployed("first");
}

fn a_dependency_that_is_not_ready_is_named(scene: &Scene<'_>) {
    scene.begin(&[
        (
            "first/web.yaml",
            &deployment("first", 1, "fluvial.dev/pod: pending"),
        ),
        ("second/a.yaml", &config_map("second", "one")),
    ]);
    scene.kustomization(
        "first",
        json!({"path": "first", "wait": true, "timeout": "1s", "retryInterval": "1h"}),
    );
    scene.kustomization(
        "second",
        json!({"path": "second", "dependsOn": [{"name": "first"}]}),
    );
    scene.refused("Kustomization", "first", "HealthCheckFailed", &[]);
    let words = [&*format!(
        "dependency '{}/first' is not ready",
        scene.namespace
    )];
    scene.refused("Kustomization", "second", "DependencyNotReady", &words);
    scene.told(
        "second",
        "DependencyNotReady",
        "Dependencies do not meet ready condition",
    );
    assert!(scene.find("ConfigMap", "second").is_none());
}

fn a_circle_of_dependencies_is_named(scene: &Scene<'_>) {
    scene.begin(&[
        ("a/a.yaml", &config_map("a", "one")),
        ("b/b.yaml", &config_map("b", "one")),
    ]);
    scene.kustomization("a", json!({"path": "a", "dependsOn": [{"name": "b"}]}));
    scene.kustomization("b", json!({"path": "b", "dependsOn": [{"name": "a"}]}));
    for name in ["a", "b"] {
        scene.refused(
            "Kustomization",
            name,
            "DependencyNotReady",
            &["circular dependency"],
        );
    }
    // Broken, it ends.
    scene.patch("Kustomization", "b", &json!({"spec": {"dependsOn": null}}));
    scene.deployed("a");
    scene.deployed("b");
}

fn kubectl_can_wait(scene: &Scene<'_>) {
    scene.begin(&[("web.yaml", &deployment("web", 1, ""))]);
    scene.kustomization("app", json!({"wait": true}));
    let args = [
        "wait",
        "--for=condition=Ready",
        "gitrepository/source",
        "kustomization/app",
    ];
    let said = scene
        .kubectl(&[&args[..], &["--timeout=60s"]].concat())
        .unwrap();
    assert_eq!(said.matches("condition met").count(), 2, "{said}");
}
