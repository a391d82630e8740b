//! Repositories that others wrote, served and reconciled as they are.

use std::fs;
use std::path::{Path, PathBuf};

use fluvial_e2e::{Leading, Scenario, Scene, Stage, play, text};
use serde_json::{Value, json};

const SCENARIOS: &[Scenario] = &[
    ("podinfo-becomes-ready", podinfo_becomes_ready),
    (
        "podinfo-of-many-parts-is-applied",
        podinfo_of_many_parts_is_applied,
    ),
    ("flux-system", flux2_kustomize_helm_example),
];

/// Where they are, if they are here.
pub(crate) fn conformance() -> Option<PathBuf> {
    let named = std::env::var_os("FLUVIAL_CONFORMANCE").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let open = named.unwrap_or(beside).join("open");
    if open.is_dir() { Some(open) } else { None }
}

pub(crate) fn repositories() {
    if conformance().is_none() {
        println!(
            "NOT RUN: there are no repositories in ../shared/conformance; FLUVIAL_CONFORMANCE says where else"
        );
        return;
    }
    let stage = Stage::start(Leading::Elected).unwrap();
    play(&stage, SCENARIOS);
    crate::recovery::the_log_is_sound(&stage);
}

/// Serves a repository from its files.
fn import(scene: &Scene<'_>, name: &str) -> PathBuf {
    let directory = conformance().expect("it was there before").join(name);
    scene.repository.import("main", name, &directory).unwrap();
    scene.source("1h");
    directory
}

fn podinfo_becomes_ready(scene: &Scene<'_>) {
    import(scene, "podinfo");
    let spec = json!({"path": "./kustomize", "targetNamespace": scene.namespace, "wait": true});
    scene.kustomization("podinfo", spec);
    let seen = scene.deployed("podinfo");
    let deployment = scene.get("Deployment", "podinfo");
    assert!(
        deployment["status"]["readyReplicas"].as_i64() >= Some(1),
        "{deployment}"
    );
    assert_eq!(inventory(&seen).len(), 3, "{seen}");
    // As it is now, it is right: nothing is put back that a controller set (the autoscaler's replicas).
    scene.settled("podinfo");
    scene.ready("Kustomization", "podinfo");
}

/// Bases, generators, a transformer, a namespace.
fn podinfo_of_many_parts_is_applied(scene: &Scene<'_>) {
    import(scene, "podinfo");
    scene.kustomization("dev", json!({"path": "./deploy/overlays/dev"}));
    let seen = scene.deployed("dev");
    assert!(inventory(&seen).len() > 20, "{seen}");
    assert!(
        scene
            .stage
            .cluster
            .get("Deployment", "dev", "frontend")
            .unwrap()
            .is_some()
    );
}

/// As `flux bootstrap` leaves it: a GitRepository and a Kustomization, both named flux-system. What
/// the example then declares needs kinds that are not reconciled yet, and says so.
fn flux2_kustomize_helm_example(scene: &Scene<'_>) {
    let directory = import(scene, "flux2-kustomize-helm-example");
    // The example was cut from a cluster: `flux bootstrap` writes this file anew for each.
    let sync = "clusters/staging/flux-system/gotk-sync.yaml";
    assert!(
        fs::read_to_string(directory.join(sync))
            .unwrap()
            .contains("generated")
    );
    // Its chart repository is on the internet, where tests do not go.
    let repository = "apps/base/podinfo/repository.yaml";
    let declared = fs::read_to_string(directory.join(repository)).unwrap();
    scene.commit(&[
        (
            sync,
            &synchronisation(&scene.stage.git.url(&scene.namespace)),
        ),
        (
            repository,
            &declared.replace("https://stefanprodan.github.io", "http://127.0.0.1:1"),
        ),
    ]);
    let objects = synchronisation(&scene.stage.git.url(&scene.namespace));
    scene.stage.plane.apply(&objects).unwrap();
    scene.request("GitRepository", "flux-system");
    let seen = scene.deployed("flux-system");
    let ids = inventory(&seen);
    for id in [
        "flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization",
        "flux-system_infra-controllers_kustomize.toolkit.fluxcd.io_Kustomization",
        "flux-system_flux-system_source.toolkit.fluxcd.io_GitRepository",
        "flux-system_flux-system_kustomize.toolkit.fluxcd.io_Kustomization",
    ] {
        assert!(ids.iter().any(|it| it == id), "{id} is not in {ids:?}");
    }
    for (name, artifact) in [("infra-controllers", "infrastructure"), ("apps", "apps")] {
        let artifact = format!("ExternalArtifact/flux-system/{artifact}");
        let words = [&*artifact, "does not reconcile"];
        scene.refused("Kustomization", name, "ArtifactFailed", &words);
    }
    // The same directories straight from git: applied, and the Helm kinds say what they wait for.
    let source = json!({"kind": "GitRepository", "name": "flux-system"});
    for (name, path) in [
        ("controllers", "./infrastructure/controllers"),
        ("staging", "./apps/staging"),
    ] {
        scene.kustomization(name, json!({"path": path, "sourceRef": source}));
        scene.deployed(name);
    }
    for (kind, namespace, name, reason) in [
        ("HelmRelease", "podinfo", "podinfo", "SourceNotReady"),
        (
            "HelmRelease",
            "cert-manager",
            "cert-manager",
            "SourceNotReady",
        ),
        (
            "OCIRepository",
            "envoy-gateway-system",
            "gateway-helm",
            "ReadOperationFailed",
        ),
    ] {
        says(scene, (kind, namespace, name), reason);
    }
}

/// Waits until an object is not ready for this reason.
fn says(scene: &Scene<'_>, (kind, namespace, name): (&str, &str, &str), reason: &str) {
    let what = format!("{kind} {namespace}/{name} to say {reason}");
    fluvial_support::wait(&what, fluvial_e2e::PATIENCE, || {
        let seen = scene.stage.cluster.get(kind, namespace, name).unwrap();
        let seen = seen.ok_or("it is not there")?;
        let ready = fluvial_e2e::condition(&seen, "Ready");
        if text(ready, "/reason") == reason {
            Ok(())
        } else {
            Err(seen["status"].to_string())
        }
    });
}

fn synchronisation(url: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 1m0s
  ref:
    branch: main
  url: {url}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 10m0s
  path: ./clusters/staging
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
"
    )
}

fn inventory(kustomization: &Value) -> Vec<String> {
    let entries = kustomization["status"]["inventory"]["entries"].as_array();
    entries
        .into_iter()
        .flatten()
        .map(|it| text(it, "/id").to_owned())
        .collect()
}
