//! What leaves git leaves the cluster, and nothing else does.

use fluvial_e2e::{Scenario, Scene, text};
use serde_json::json;

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("what-leaves-git-is-deleted", what_leaves_git_is_deleted),
    ("without-prune-it-stays", without_prune_it_stays),
    (
        "anothers-namesake-is-not-deleted",
        anothers_namesake_is_not_deleted,
    ),
    ("a-kept-object-stays", a_kept_object_stays),
    (
        "a-deleted-kustomization-prunes",
        a_deleted_kustomization_prunes,
    ),
    (
        "a-suspended-one-leaves-its-objects",
        a_suspended_one_leaves_its_objects,
    ),
    (
        "an-orphaning-one-leaves-its-objects",
        an_orphaning_one_leaves_its_objects,
    ),
];

fn what_leaves_git_is_deleted(scene: &Scene<'_>) {
    scene.begin(&[
        ("stays.yaml", &config_map("stays", "one")),
        ("goes.yaml", &config_map("goes", "one")),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.apply(&serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "bystander", "namespace": scene.namespace},
    }));
    let before = text(
        &scene.get("ConfigMap", "stays"),
        "/metadata/resourceVersion",
    )
    .to_owned();
    scene.change(&[], &["goes.yaml"]);
    scene.fetch();
    let app = scene.deployed("app");
    scene.gone("ConfigMap", "goes");
    let inventory = app["status"]["inventory"].to_string();
    assert!(
        !inventory.contains("_goes_") && inventory.contains("_stays_"),
        "{inventory}"
    );
    assert_eq!(
        text(
            &scene.get("ConfigMap", "stays"),
            "/metadata/resourceVersion"
        ),
        before
    );
    scene.get("ConfigMap", "bystander");
    scene.told("app", "Progressing", "goes deleted");
}

fn without_prune_it_stays(scene: &Scene<'_>) {
    scene.begin(&[
        ("a.yaml", &config_map("a", "one")),
        ("b.yaml", &config_map("b", "one")),
    ]);
    scene.kustomization("app", json!({"prune": false}));
    scene.deployed("app");
    scene.change(&[], &["b.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.get("ConfigMap", "b");
}

/// Two ways to become another's: made again by somebody, and labelled as another owner's.
fn anothers_namesake_is_not_deleted(scene: &Scene<'_>) {
    scene.begin(&[
        ("stays.yaml", &config_map("stays", "one")),
        ("taken.yaml", &config_map("taken", "one")),
        ("remade.yaml", &config_map("remade", "one")),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    // Suspended, so that neither is repaired before it leaves git.
    scene.suspend("app");
    let other = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "another"}}});
    scene.patch("ConfigMap", "taken", &other);
    scene.delete("ConfigMap", "remade");
    scene.gone("ConfigMap", "remade");
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "remade", "namespace": scene.namespace},
        "data": {"value": "mine"},
    }));
    scene.change(&[], &["taken.yaml", "remade.yaml"]);
    scene.fetch();
    scene.patch("Kustomization", "app", &json!({"spec": {"suspend": false}}));
    let app = scene.deployed("app");
    scene.get("ConfigMap", "taken");
    assert_eq!(scene.get("ConfigMap", "remade")["data"]["value"], "mine");
    let inventory = app["status"]["inventory"].to_string();
    assert!(
        !inventory.contains("_taken_") && !inventory.contains("_remade_"),
        "{inventory}"
    );
}

fn a_kept_object_stays(scene: &Scene<'_>) {
    let kept = config_map("kept", "one").replace(
        "metadata:\n",
        "metadata:\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n",
    );
    scene.begin(&[("a.yaml", &config_map("a", "one")), ("kept.yaml", &kept)]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.change(&[], &["kept.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.get("ConfigMap", "kept");
}

fn a_deleted_kustomization_prunes(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    let app = scene.deployed("app");
    let finalizers = app["metadata"]["finalizers"].to_string();
    assert!(finalizers.contains("finalizers.fluxcd.io"), "{finalizers}");
    scene.delete("Kustomization", "app");
    scene.gone("ConfigMap", "a");
    scene.gone("Kustomization", "app");
    scene.delete("GitRepository", "source");
    scene.gone("GitRepository", "source");
}

fn a_suspended_one_leaves_its_objects(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.patch("Kustomization", "app", &json!({"spec": {"suspend": true}}));
    scene.delete("Kustomization", "app");
    scene.gone("Kustomization", "app");
    scene.get("ConfigMap", "a");
}

fn an_orphaning_one_leaves_its_objects(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({"deletionPolicy": "Orphan"}));
    scene.deployed("app");
    scene.delete("Kustomization", "app");
    scene.gone("Kustomization", "app");
    scene.get("ConfigMap", "a");
}
