//! What the command line makes of flags, and what it says of what it made: the objects of Helm.

use std::fs;

use fluvial_e2e::{Scenario, Scene};
use serde_json::json;

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "helm-objects-are-made-shown-and-taken-away",
    helm_objects_are_made_shown_and_taken_away,
)];

fn helm_objects_are_made_shown_and_taken_away(scene: &Scene<'_>) {
    let files = tempfile::tempdir().unwrap();
    let values = files.path().join("values.yaml");
    fs::write(&values, "auth: {enabled: false}\n").unwrap();
    let values = format!("--values={}", values.display());
    let release = [
        "create",
        "helmrelease",
        "redis",
        "--source=HelmRepository/charts",
        "--chart=redis",
        "--chart-version=17.x",
        &values,
        "--values-from=Secret/more",
        "--export",
    ];
    let repository = [
        "create",
        "source",
        "helm",
        "charts",
        "--url=oci://registry.example.org/charts",
        "--interval=1h",
        "--export",
    ];
    let chart = [
        "create",
        "source",
        "chart",
        "web",
        "--source=HelmRepository/charts",
        "--chart=web",
        "--export",
    ];
    for (name, command) in [("r", &release[..]), ("h", &repository), ("c", &chart)] {
        let file = files.path().join(format!("{name}.yaml"));
        fs::write(&file, scene.cli(command).unwrap()).unwrap();
        scene
            .kubectl(&["apply", "-f", file.to_str().unwrap()])
            .unwrap();
    }
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"values.yaml": "auth: {user: x, enabled: true}"},
        "metadata": {"name": "more", "namespace": scene.namespace},
    }));
    let composed = scene
        .cli(&["debug", "helmrelease", "redis", "--show-values"])
        .unwrap();
    assert_eq!(composed, "auth:\n  enabled: false\n  user: x\n");
    let listed = scene
        .cli(&["get", "helmreleases", "--show-source"])
        .unwrap();
    assert!(
        listed.contains(&format!("HelmRepository/{}/charts", scene.namespace)),
        "{listed}"
    );
    let listed = scene.cli(&["get", "sources", "helm"]).unwrap();
    assert!(listed.contains("Helm repository is Ready"), "{listed}");

    taken_away(scene);
}

fn taken_away(scene: &Scene<'_>) {
    scene.cli(&["suspend", "hr", "redis"]).unwrap();
    assert_eq!(scene.get("HelmRelease", "redis")["spec"]["suspend"], true);
    let exported = scene.cli(&["export", "hr", "redis"]).unwrap();
    for words in ["chart: redis", "version: 17.x", "kind: HelmRepository"] {
        assert!(exported.contains(words), "{words} in {exported}");
    }
    assert!(!exported.contains("status:"), "{exported}");
    scene.cli(&["delete", "hr", "redis", "--silent"]).unwrap();
    scene
        .cli(&["delete", "source", "chart", "web", "-s"])
        .unwrap();
    scene
        .cli(&["delete", "source", "helm", "charts", "-s"])
        .unwrap();
    scene.gone("HelmRelease", "redis");
    scene.gone("HelmRepository", "charts");
}
