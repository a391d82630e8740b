//! What people change by hand is put back from the watch, and is on the record with who did it.

use std::time::Instant;

use fluvial_e2e::{Scenario, Scene, text};
use fluvial_support::wait;
use serde_json::{Value, json};

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("manual-changes-are-put-back", manual_changes_are_put_back),
    (
        "drift-is-recorded-with-who-made-it",
        drift_is_recorded_with_who_made_it,
    ),
    (
        "what-nobody-manages-is-left-alone",
        what_nobody_manages_is_left_alone,
    ),
    (
        "suspended-drift-waits-for-resume",
        suspended_drift_waits_for_resume,
    ),
];

/// What is done with kubectl, to what, and how it shows that it was undone.
struct Change {
    args: &'static [&'static str],
    kind: &'static str,
    name: &'static str,
    is_undone: fn(&Value) -> bool,
}

const CHANGES: [Change; 5] = [
    Change {
        args: &["scale", "deployment", "web", "--replicas=5"],
        kind: "Deployment",
        name: "web",
        is_undone: |it| it["spec"]["replicas"] == 2,
    },
    Change {
        args: &[
            "patch",
            "configmap",
            "settings",
            "-p",
            r#"{"data":{"value":"edited"}}"#,
        ],
        kind: "ConfigMap",
        name: "settings",
        is_undone: |it| it["data"]["value"] == "one",
    },
    Change {
        args: &[
            "label",
            "configmap",
            "settings",
            "kustomize.toolkit.fluxcd.io/name-",
        ],
        kind: "ConfigMap",
        name: "settings",
        is_undone: |it| it["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] == "app",
    },
    Change {
        args: &["delete", "configmap", "settings"],
        kind: "ConfigMap",
        name: "settings",
        is_undone: |it| it["data"]["value"] == "one",
    },
    Change {
        args: &["delete", "deployment", "web"],
        kind: "Deployment",
        name: "web",
        is_undone: |it| it["spec"]["replicas"] == 2,
    },
];

fn manual_changes_are_put_back(scene: &Scene<'_>) {
    scene.begin(&[
        ("web.yaml", &deployment("web", 2, "")),
        ("settings.yaml", &config_map("settings", "one")),
        ("other.yaml", &config_map("other", "one")),
    ]);
    scene.kustomization("app", json!({"wait": true}));
    scene.deployed("app");
    let other = version(scene, "ConfigMap", "other");
    for change in &CHANGES {
        let before = version(scene, change.kind, change.name);
        scene.kubectl(change.args).unwrap();
        let start = Instant::now();
        let said = format!("kubectl {}", change.args.join(" "));
        wait(
            &format!("{said} to be undone"),
            Scene::REPAIR,
            || match scene.find(change.kind, change.name) {
                None => Err("it is not there".to_owned()),
                Some(it) if text(&it, "/metadata/resourceVersion") == before => {
                    Err("nobody changed it".to_owned())
                }
                Some(it) if (change.is_undone)(&it) => Ok(()),
                Some(it) => Err(it.to_string()),
            },
        );
        println!(
            "       undone after {} ms: {said}",
            start.elapsed().as_millis()
        );
    }
    scene.told("app", "DriftCorrected", "Corrected drift: Deployment/");
    assert_eq!(
        version(scene, "ConfigMap", "other"),
        other,
        "it had not drifted"
    );
    scene.ready("Kustomization", "app");
}

fn version(scene: &Scene<'_>, kind: &str, name: &str) -> String {
    text(&scene.get(kind, name), "/metadata/resourceVersion").to_owned()
}

fn drift_is_recorded_with_who_made_it(scene: &Scene<'_>) {
    scene.begin(&[
        ("drifting.yaml", &config_map("drifting", "one")),
        ("b.yaml", &config_map("b", "one")),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let patch = r#"{"data":{"value":"two"}}"#;
    let args = [
        "patch",
        "configmap",
        "drifting",
        "--field-manager=kubectl-edit",
        "-p",
        patch,
    ];
    scene.kubectl(&args).unwrap();
    scene.until("ConfigMap", "drifting", "put back", |it| {
        it["data"]["value"] == "one"
    });
    scene.told(
        "app",
        "DriftCorrected",
        "data.value changed by kubectl-edit",
    );
    let object = format!("ConfigMap/{}/drifting", scene.namespace);
    let seen = records(scene, &object);
    let observed = seen
        .iter()
        .find(|record| record.contains("manager:kubectl-edit"));
    let observed = observed.unwrap_or_else(|| panic!("no record by kubectl-edit in {seen:#?}"));
    assert!(observed.contains("ObjectObserved"), "{observed}");
    // The repair is of that object alone, and says why.
    let commands = records(scene, &format!("Kustomization/{}/app", scene.namespace));
    let repair = commands
        .iter()
        .find(|record| record.contains("changed by kubectl-edit"));
    let repair = repair.unwrap_or_else(|| panic!("no repair in {commands:#?}"));
    assert!(
        !repair.contains(r#""name":"b""#),
        "more than what drifted: {repair}"
    );
}

/// Fields that are in no manifest belong to whoever set them; nothing is applied for them. (What
/// kubectl set goes with the next whole apply, as with Flux: people use it, controllers do not.)
fn what_nobody_manages_is_left_alone(scene: &Scene<'_>) {
    scene.begin(&[
        ("web.yaml", &deployment("web", 1, "")),
        ("a.yaml", &config_map("a", "one")),
    ]);
    scene.kustomization("app", json!({"wait": true}));
    scene.deployed("app");
    let note = json!({"metadata": {"annotations": {"example.org/note": "mine"}}});
    scene.patch("Deployment", "web", &note);
    scene.patch("ConfigMap", "a", &json!({"data": {"more": "mine"}}));
    scene.settled("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["more"], "mine");
    let web = scene.get("Deployment", "web");
    assert_eq!(web["metadata"]["annotations"]["example.org/note"], "mine");
    let commands = records(scene, &format!("Kustomization/{}/app", scene.namespace));
    assert!(
        !commands.iter().any(|it| it.contains("Corrected drift")),
        "{commands:#?}"
    );
}

fn suspended_drift_waits_for_resume(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.cli(&["suspend", "kustomization", "app"]).unwrap();
    assert_eq!(scene.get("Kustomization", "app")["spec"]["suspend"], true);
    scene.suspend("app");
    scene
        .kubectl(&[
            "patch",
            "configmap",
            "a",
            "-p",
            r#"{"data":{"value":"two"}}"#,
        ])
        .unwrap();
    // Seen, and on the record, and nothing done about it.
    let object = format!("ConfigMap/{}/a", scene.namespace);
    wait("the change on the record", Scene::REPAIR, || {
        let seen = records(scene, &object);
        if seen.iter().any(|it| it.contains("manager:kubectl-patch")) {
            Ok(())
        } else {
            Err(seen.join("\n"))
        }
    });
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "two");
    scene.cli(&["resume", "kustomization", "app"]).unwrap();
    scene.until("ConfigMap", "a", "put back", |it| {
        it["data"]["value"] == "one"
    });
    scene.ready("Kustomization", "app");
}

/// The records about an object, each as JSON.
fn records(scene: &Scene<'_>, about: &str) -> Vec<String> {
    let args = [
        "log", "tail", "--for", about, "--limit", "1000", "-o", "json",
    ];
    let printed = scene.stage.engine.of_data(&args).unwrap();
    printed.lines().map(str::to_owned).collect()
}
