//! What was deployed before is put back and held, until there is something newer or somebody resumes.

use fluvial_e2e::{Scenario, Scene, Stage, condition, text};
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "a-rollback-is-held-until-a-newer-commit",
        a_rollback_is_held_until_a_newer_commit,
    ),
    ("resume-ends-a-hold", resume_ends_a_hold),
    (
        "what-cannot-be-rolled-back-says-why",
        what_cannot_be_rolled_back_says_why,
    ),
];

const SECRET: &str = "correct-horse-battery";

fn secret(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: password\nstringData:\n  password: {value}\n"
    )
}

/// Commits good manifests and then bad ones, and waits for each. Answers the good commit.
fn good_then_bad(scene: &Scene<'_>) -> String {
    let good = scene.begin(&[
        ("a.yaml", &config_map("a", "good")),
        ("b.yaml", &config_map("b", "good")),
        ("password.yaml", &secret(SECRET)),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let bad = [
        ("a.yaml", &*config_map("a", "bad")),
        ("c.yaml", &config_map("c", "bad")),
        ("password.yaml", &secret("incorrect-horse")),
    ];
    scene.change(&bad, &["b.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.gone("ConfigMap", "b");
    good
}

fn rollback(scene: &Scene<'_>, args: &[&str]) -> anyhow::Result<String> {
    let place = ["rollback", "kustomization/app", "-n", &scene.namespace];
    scene.stage.engine.of_data(&[&place, args].concat())
}

fn value(scene: &Scene<'_>, name: &str) -> Option<String> {
    let found = scene.find("ConfigMap", name)?;
    Some(text(&found, "/data/value").to_owned())
}

fn is_good(scene: &Scene<'_>) {
    let found = ["a", "b", "c"].map(|name| value(scene, name));
    assert_eq!(found, [Some("good".into()), Some("good".into()), None]);
}

fn held(scene: &Scene<'_>) -> Value {
    let is_held = |it: &Value| text(condition(it, "Held"), "/status") == "True";
    scene.until("Kustomization", "app", "held", is_held)
}

fn a_rollback_is_held_until_a_newer_commit(scene: &Scene<'_>) {
    let good = good_then_bad(scene);
    let plan = rollback(scene, &["--to", &good[..8], "--dry-run"]).unwrap();
    for line in [
        format!(
            "~ ConfigMap/{}/a\n    data.value: \"bad\" -> \"good\"",
            scene.namespace
        ),
        format!("+ ConfigMap/{}/b", scene.namespace),
        format!("- ConfigMap/{}/c", scene.namespace),
        format!("~ Secret/{}/password", scene.namespace),
        "1 created, 2 changed, 1 deleted, 0 unchanged".to_owned(),
    ] {
        assert!(plan.contains(&line), "{line} is not in:\n{plan}");
    }
    assert!(!plan.contains("horse"), "{plan}");
    assert_eq!(value(scene, "a").as_deref(), Some("bad"), "only looked at");

    rollback(
        scene,
        &["--to", &good[..8], "--reason", "incident 7", "--yes"],
    )
    .unwrap();
    is_good(scene);
    is_said(scene, &good);

    scene.cli(&["reconcile", "kustomization", "app"]).unwrap();
    scene.fetch();
    is_good(scene);
    let patch = r#"{"data":{"value":"edited"}}"#;
    scene
        .kubectl(&["patch", "configmap", "a", "-p", patch])
        .unwrap();
    scene.until("ConfigMap", "a", "what is held", |it| {
        it["data"]["value"] == "good"
    });
    scene.kubectl(&["delete", "configmap", "b"]).unwrap();
    scene.until("ConfigMap", "b", "what is held", |it| {
        it["data"]["value"] == "good"
    });
    held(scene);

    scene.commit(&[("a.yaml", &config_map("a", "mended"))]);
    scene.fetch();
    let seen = scene.deployed("app");
    assert_eq!(condition(&seen, "Held"), &Value::Null, "{seen}");
    assert_eq!(value(scene, "a").as_deref(), Some("mended"));
    scene.gone("ConfigMap", "b");
    scene.told("app", "NewRevision", "no longer held");
}

/// On the object, in its table, in its history and as an Event.
fn is_said(scene: &Scene<'_>, good: &str) {
    let seen = held(scene);
    let message = text(condition(&seen, "Held"), "/message");
    for words in ["incident 7", good, "fluvial resume kustomization app"] {
        assert!(message.contains(words), "{message}");
    }
    let seen = scene.ready("Kustomization", "app");
    let message = text(condition(&seen, "Ready"), "/message");
    assert!(message.starts_with("Rolled back to offset"), "{message}");
    let revision = format!("main@sha1:{good}");
    assert_eq!(text(&seen, "/status/lastAppliedRevision"), revision);
    let wide = scene.cli(&["get", "kustomizations", "-o", "wide"]).unwrap();
    let (header, row) = wide.trim().split_once('\n').unwrap();
    assert!(header.trim().ends_with("HELD"), "{wide}");
    assert!(row.trim().ends_with("True"), "{wide}");
    let history = ["history", "kustomization/app", "-n", &scene.namespace];
    let history = scene.stage.engine.json_of_data(&history).unwrap();
    assert!(history[0]["rolledBackTo"].as_u64() > Some(0), "{history:#}");
    assert_eq!(history[0]["revision"], revision);
    assert_eq!(history[1]["rolledBackTo"], Value::Null, "{history:#}");
    scene.told("app", "RolledBack", "held until a newer commit or resume");
}

fn resume_ends_a_hold(scene: &Scene<'_>) {
    good_then_bad(scene);
    let history = [
        "history",
        "kustomization/app",
        "-n",
        &scene.namespace,
        "-o",
        "name",
    ];
    let offsets = scene.stage.engine.of_data(&history).unwrap();
    let first = offsets.split_whitespace().last().unwrap();
    rollback(scene, &["--to", first, "--yes"]).unwrap();
    is_good(scene);
    scene.patch("Kustomization", "app", &json!({"spec": {"interval": "2h"}}));
    scene.ready("Kustomization", "app");
    scene.settled("app");
    is_good(scene);
    let again = rollback(scene, &["--to", first, "--yes"])
        .unwrap_err()
        .to_string();
    assert!(again.contains("held there already"), "{again}");

    scene.cli(&["resume", "kustomization", "app"]).unwrap();
    let seen = scene.deployed("app");
    assert_eq!(condition(&seen, "Held"), &Value::Null, "{seen}");
    assert_eq!(value(scene, "a").as_deref(), Some("bad"));
    assert_eq!(value(scene, "c").as_deref(), Some("bad"));
    scene.gone("ConfigMap", "b");
    scene.told("app", "Resumed", "no longer held");
}

fn what_cannot_be_rolled_back_says_why(scene: &Scene<'_>) {
    let good = good_then_bad(scene);
    let newest = scene.repository.head("main").unwrap();
    for (args, words) in [
        (
            ["--to", "0badbad", "--yes"].as_slice(),
            "see `fluvial history`",
        ),
        (&["--to", "1", "--yes"], "the earliest is at offset"),
        (&["--to", "9h", "--yes"], "the earliest is at offset"),
        (&["--to", "soon", "--yes"], "cannot tell what --to soon is"),
        (&["--to", &newest, "--yes"], "is what is applied"),
        (&["--to", &good], "no terminal; say --yes"),
    ] {
        let error = rollback(scene, args).unwrap_err().to_string();
        assert!(error.contains(words), "{args:?}: {error}");
    }
    let none = ["rollback", "ks/none", "--to", "1", "-n", &scene.namespace];
    let error = scene.stage.engine.of_data(&none).unwrap_err().to_string();
    assert!(error.contains("cannot find"), "{error}");
    scene.suspend("app");
    let error = rollback(scene, &["--to", &good, "--yes"])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fluvial resume kustomization app"),
        "{error}"
    );
    scene.cli(&["resume", "kustomization", "app"]).unwrap();

    let asked = json!({"offset": 1, "digest": "sha256:00", "at": "now"}).to_string();
    let annotations = json!({"fluvial.dev/rollback": asked});
    scene.patch(
        "Kustomization",
        "app",
        &json!({"metadata": {"annotations": annotations}}),
    );
    scene.told("app", "RollbackFailed", "cannot roll back");
    let seen = scene.deployed("app");
    assert_eq!(
        text(condition(&seen, "Held"), "/reason"),
        "RollbackFailed",
        "{seen}"
    );
    assert_eq!(
        value(scene, "a").as_deref(),
        Some("bad"),
        "nothing was put back"
    );
}

/// The engine is killed when it has just been asked, and again while it holds.
pub(crate) fn a_hold_survives_kills(stage: &Stage) {
    let scene = Scene::new(stage, "held");
    let good = good_then_bad(&scene);
    let asked = ["--to", &*good, "--yes", "--wait=false"];
    rollback(&scene, &asked).unwrap();
    stage.engine.kill();
    stage.engine.start().unwrap();
    held(&scene);
    scene.until("ConfigMap", "b", "to be back", |_| true);
    scene.gone("ConfigMap", "c");
    stage.engine.kill();
    stage.engine.start().unwrap();
    scene.settled("app");
    is_good(&scene);
    held(&scene);
    scene.commit(&[("a.yaml", &config_map("a", "mended"))]);
    scene.fetch();
    scene.deployed("app");
    assert_eq!(value(&scene, "a").as_deref(), Some("mended"));
}
