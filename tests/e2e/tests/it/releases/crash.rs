//! The engine is killed in the middle of installs, upgrades and rollbacks: each is finished, once.

use std::time::Instant;

use fluvial_e2e::{Leading, PATIENCE, Scene, Stage, condition, text};
use serde_json::{Value, json};

use super::chart::committed;
use super::{history, release};
use crate::recovery::the_log_is_sound;

/// How far an action has come, as the cluster shows it.
type Sign = fn(&Scene<'_>, &Step<'_>) -> bool;

/// An action, and what it is to bring.
struct Step<'a> {
    name: &'a str,
    greeting: &'a str,
    revision: i64,
}

const SIGNS: [(&str, Sign); 3] = [
    ("its pending record is written", is_recorded),
    ("its first object is applied", is_greeting),
    ("its last object is applied", is_served),
];

pub(crate) fn killed_at_each_step() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let scene = Scene::new(&stage, "crash");
    committed(&scene);
    for (number, (what, sign)) in SIGNS.iter().enumerate() {
        let name = format!("shop-{number}");
        let step = |greeting, revision| Step {
            name: &name,
            greeting,
            revision,
        };
        let first = step("one", 1);
        release(&scene, &name, &values(&first, "passing"));
        killed_when(&scene, &format!("install: {what}"), *sign, &first);
        finished(&scene, &first, &[(1, "deployed")]);
        let second = step("two", 2);
        scene.patch(
            "HelmRelease",
            &name,
            &json!({"spec": values(&second, "passing")}),
        );
        killed_when(&scene, &format!("upgrade: {what}"), *sign, &second);
        finished(&scene, &second, &[(1, "superseded"), (2, "deployed")]);
    }
    killed_in_a_hook_and_in_its_rollback(&scene);
    killed_in_an_uninstall(&scene);
    the_log_is_sound(&stage);
}

fn values(step: &Step<'_>, hook: &str) -> Value {
    json!({
        "upgrade": {"remediation": {"remediateLastFailure": true}},
        "values": {"greeting": step.greeting, "hook": hook},
    })
}

fn killed_in_a_hook_and_in_its_rollback(scene: &Scene<'_>) {
    let step = |greeting, revision| Step {
        name: "shop-0",
        greeting,
        revision,
    };
    let failing = step("three", 3);
    scene.patch(
        "HelmRelease",
        "shop-0",
        &json!({"spec": values(&failing, "failing")}),
    );
    let has_hook = |scene: &Scene<'_>, _: &Step<'_>| scene.find("Job", "shop-0-before").is_some();
    killed_when(scene, "upgrade: its hook runs", has_hook, &failing);
    let back = step("two", 4);
    killed_when(scene, "rollback: its record is written", is_recorded, &back);
    scene.until("HelmRelease", "shop-0", "the rollback", |it| {
        text(condition(it, "Remediated"), "/reason") == "RollbackSucceeded"
    });
    let expected = [
        (1, "superseded"),
        (2, "superseded"),
        (3, "failed"),
        (4, "deployed"),
    ];
    is_history(scene, "shop-0", &expected);
    assert!(is_greeting(scene, &step("two", 4)));
}

fn killed_in_an_uninstall(scene: &Scene<'_>) {
    scene.delete("HelmRelease", "shop-1");
    let step = Step {
        name: "shop-1",
        greeting: "",
        revision: 2,
    };
    let is_begun = |scene: &Scene<'_>, step: &Step<'_>| {
        record(scene, step).is_none_or(|it| text(&it, "/metadata/labels/status") == "uninstalling")
    };
    killed_when(scene, "uninstall: its record says so", is_begun, &step);
    scene.gone("HelmRelease", "shop-1");
    for kind in ["ConfigMap", "Service", "Deployment"] {
        scene.gone(kind, "shop-1");
    }
    assert!(record(scene, &step).is_none());
}

/// Waits without a pause until `sign` shows, and kills the engine there; then it is started again.
fn killed_when(scene: &Scene<'_>, what: &str, sign: Sign, step: &Step<'_>) {
    let start = Instant::now();
    while !sign(scene, step) {
        assert!(
            start.elapsed() < PATIENCE,
            "{}: {what}: it never was so",
            step.name
        );
    }
    scene.stage.engine.kill();
    println!("       killed in {}, {what}", step.name);
    scene.stage.engine.start().unwrap();
}

fn finished(scene: &Scene<'_>, step: &Step<'_>, expected: &[(i64, &str)]) {
    scene.until("HelmRelease", step.name, "Ready with this revision", |it| {
        text(condition(it, "Ready"), "/status") == "True"
            && it["status"]["history"][0]["version"] == step.revision
    });
    is_history(scene, step.name, expected);
    assert!(is_greeting(scene, step), "{}", step.name);
}

fn is_history(scene: &Scene<'_>, name: &str, expected: &[(i64, &str)]) {
    let history = history(scene, name);
    let history: Vec<_> = history
        .iter()
        .map(|(it, state)| (*it, state.as_str()))
        .collect();
    assert_eq!(history, expected, "{name}");
}

fn record(scene: &Scene<'_>, step: &Step<'_>) -> Option<Value> {
    let name = format!("sh.helm.release.v1.{}.v{}", step.name, step.revision);
    scene.find("Secret", &name)
}

fn is_recorded(scene: &Scene<'_>, step: &Step<'_>) -> bool {
    record(scene, step).is_some()
}

fn is_greeting(scene: &Scene<'_>, step: &Step<'_>) -> bool {
    let map = scene.find("ConfigMap", step.name);
    map.is_some_and(|it| text(&it, "/data/greeting") == step.greeting)
}

/// The Deployment is applied after the ConfigMap, and says which revision it is of.
fn is_served(scene: &Scene<'_>, step: &Step<'_>) -> bool {
    let deployment = scene.find("Deployment", step.name);
    deployment.is_some_and(|it| text(&it, "/metadata/annotations/greeting") == step.greeting)
}
