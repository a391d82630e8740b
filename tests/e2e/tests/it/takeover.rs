//! A cluster that Flux ran changes hands without a workload noticing.

use fluvial_e2e::{Scenario, Scene, text};
use serde_json::json;

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "what-flux-applied-is-adopted-unchanged",
    what_flux_applied_is_adopted_unchanged,
)];

/// Objects as kustomize-controller leaves them: applied by its field manager, with its labels, named
/// in the inventory; one of them is no longer in git.
fn what_flux_applied_is_adopted_unchanged(scene: &Scene<'_>) {
    let commit = scene.commit(&[
        ("web.yaml", &deployment("web", 1, "")),
        ("a.yaml", &config_map("a", "one")),
    ]);
    let labels = format!(
        "metadata:
  labels:
    kustomize.toolkit.fluxcd.io/name: app
    kustomize.toolkit.fluxcd.io/namespace: {}
",
        scene.namespace
    );
    let left: Vec<_> = [
        deployment("web", 1, ""),
        config_map("a", "one"),
        config_map("outdated", "one"),
    ]
    .iter()
    .map(|manifest| manifest.replacen("metadata:\n", &labels, 1))
    .collect();
    let args = [
        "apply",
        "--server-side",
        "--field-manager=kustomize-controller",
        "-f",
        "-",
        "-n",
        &scene.namespace,
    ];
    scene
        .stage
        .plane
        .kubectl_with(&args, &left.join("---\n"))
        .unwrap();
    scene
        .kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"])
        .unwrap();
    let version = |kind, name| text(&scene.get(kind, name), "/metadata/resourceVersion").to_owned();
    let before = (version("Deployment", "web"), version("ConfigMap", "a"));
    // Suspended until its status is as Flux left it, so that it is found whole.
    scene.kustomization("app", json!({"suspend": true, "wait": true}));
    let entry = |id: &str| json!({"id": format!("{}_{id}", scene.namespace), "v": "v1"});
    let status = json!({"status": {
        "observedGeneration": 1,
        "lastAppliedRevision": format!("main@sha1:{commit}"),
        "lastAttemptedRevision": format!("main@sha1:{commit}"),
        "inventory": {"entries": [
            entry("a__ConfigMap"), entry("outdated__ConfigMap"), entry("web_apps_Deployment"),
        ]},
    }});
    scene.patch_status("Kustomization", "app", &status);
    scene.source("1h");
    scene.patch("Kustomization", "app", &json!({"spec": {"suspend": false}}));
    let app = scene.deployed("app");
    assert_eq!(
        (version("Deployment", "web"), version("ConfigMap", "a")),
        before
    );
    scene.gone("ConfigMap", "outdated");
    let inventory = app["status"]["inventory"].to_string();
    assert!(!inventory.contains("outdated"), "{inventory}");
}
