//! The engine dies and comes back, the API server too: nothing is lost, nothing is done for nothing.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use fluvial_e2e::{Engine, Leading, PATIENCE, Scene, Stage, text};
use fluvial_support::wait;
use serde_json::{Value, json};

use crate::manifests::{config_map, deployment};

/// Kustomizations that reconcile while the engine is killed.
const APPS: usize = 10;
/// How often it is killed, as soon as another of them has what is new.
const KILLS: usize = 6;

/// What must hold of any log at any time, also while the engine writes it.
pub(crate) fn the_log_is_sound(stage: &Stage) {
    let verified = stage.engine.of_data(&["log", "verify"]).unwrap();
    println!("       {}", verified.trim().replace('\n', "; "));
    let replayed = stage.engine.json_of_data(&["replay"]).unwrap();
    assert_eq!(replayed["differences"], 0, "{replayed:#}");
    assert!(replayed["records"].as_u64() > Some(0), "{replayed:#}");
    assert!(!text(&replayed, "/stateDigest").is_empty(), "{replayed:#}");
}

pub(crate) fn crashes() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let scene = Scene::new(&stage, "crash");
    killed_at_any_point(&scene);
    the_log_is_sound(&stage);
    crate::rollback::a_hold_survives_kills(&stage);
    restarted_it_is_quiet(&scene);
    without_its_state_it_makes_it_anew(&scene);
    the_api_server_goes_and_comes_back(&scene);
    what_changed_while_it_was_away_is_found(&scene);
    the_log_is_sound(&stage);
    a_flipped_bit_is_found(&stage);
}

pub(crate) fn name(app: usize) -> String {
    format!("app-{app}")
}

fn commit(scene: &Scene<'_>, value: &str) {
    commit_apps(scene, APPS, value);
}

/// Commits one value for each of so many apps. Every third has a Deployment too, to be waited for.
pub(crate) fn commit_apps(scene: &Scene<'_>, apps: usize, value: &str) {
    let mut files = Vec::new();
    for app in 0..apps {
        let name = name(app);
        files.push((format!("{name}/a.yaml"), config_map(&name, value)));
        if app % 3 == 0 {
            let label = format!("value: {value:?}");
            files.push((format!("{name}/web.yaml"), deployment(&name, 1, &label)));
        }
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, file)| (path.as_str(), file.as_str()))
        .collect();
    scene.commit(&files);
}

/// How many apps have this value.
fn arrived(scene: &Scene<'_>, value: &str) -> usize {
    (0..APPS)
        .filter(|app| {
            let seen = scene.find("ConfigMap", &name(*app));
            seen.is_some_and(|it| it["data"]["value"] == value)
        })
        .count()
}

/// Waits until an app has this value, without a pause: what follows should come in the middle of things.
fn arrives(scene: &Scene<'_>, app: &str, value: &str) {
    let start = Instant::now();
    while scene
        .find("ConfigMap", app)
        .is_none_or(|it| it["data"]["value"] != value)
    {
        let printed = || scene.stage.engine.printed();
        assert!(
            start.elapsed() < PATIENCE,
            "{app} never had {value}; {}",
            printed()
        );
    }
}

fn killed_at_any_point(scene: &Scene<'_>) {
    let engine = &scene.stage.engine;
    commit(scene, "first");
    scene.source("1s");
    for app in 0..APPS {
        scene.kustomization(&name(app), json!({"path": name(app), "wait": true}));
    }
    for kill in 0..KILLS {
        let value = format!("value-{kill}");
        commit(scene, &value);
        arrives(scene, &name(kill), &value);
        engine.kill();
        let done = arrived(scene, &value);
        println!("       killed with {done} of {APPS} apps at {value}");
        engine.start().unwrap();
    }
    commit(scene, "last");
    for app in 0..APPS {
        let seen = scene.deployed(&name(app));
        let id = format!("{}_{}__ConfigMap", scene.namespace, name(app));
        let entries = seen["status"]["inventory"]["entries"].as_array().unwrap();
        assert_eq!(entries.len(), if app % 3 == 0 { 2 } else { 1 }, "{seen}");
        assert!(entries.contains(&json!({"id": id, "v": "v1"})), "{seen}");
    }
    assert_eq!(arrived(scene, "last"), APPS);
    engine.check().unwrap();
}

/// The resource version of everything that is managed.
fn versions(scene: &Scene<'_>) -> BTreeMap<String, String> {
    (0..APPS)
        .map(|app| {
            let object = scene.get("ConfigMap", &name(app));
            (
                name(app),
                text(&object, "/metadata/resourceVersion").to_owned(),
            )
        })
        .collect()
}

/// The records of the newest term, and of it alone.
fn newest_term(engine: &Engine) -> Vec<Value> {
    let printed = engine
        .of_data(&["log", "tail", "--limit", "100000", "-o", "json"])
        .unwrap();
    let all: Vec<&str> = printed.lines().collect();
    let start = all
        .iter()
        .rposition(|line| line.contains("TermStarted"))
        .unwrap_or_default();
    all[start..]
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Restarts as told, and asserts that nothing was done that nobody asked for.
fn quietly(scene: &Scene<'_>, restart: impl FnOnce(&Engine)) {
    let engine = &scene.stage.engine;
    // The source is asked for by hand only, and everything is at rest.
    scene.source("1h");
    scene.fetch();
    scene.ready("GitRepository", "source");
    let before = versions(scene);
    restart(engine);
    // Proof that it is at work again.
    let at = scene.request("GitRepository", "source");
    scene.handled("GitRepository", "source", &at);
    let seen = newest_term(engine);
    let acts: Vec<_> = seen
        .iter()
        .map(Value::to_string)
        .filter(|it| it.contains("\"ApplyObjects\"") || it.contains("\"PruneObjects\""))
        .collect();
    assert!(acts.is_empty(), "{acts:#?}");
    assert_eq!(versions(scene), before);
}

fn restarted_it_is_quiet(scene: &Scene<'_>) {
    quietly(scene, |engine| {
        engine.stop().unwrap();
        engine.start().unwrap();
    });
}

fn without_its_state_it_makes_it_anew(scene: &Scene<'_>) {
    quietly(scene, |engine| {
        engine.kill();
        fs::remove_dir_all(engine.data().join("state")).unwrap();
        engine.start().unwrap();
    });
}

fn the_api_server_goes_and_comes_back(scene: &Scene<'_>) {
    let plane = &scene.stage.plane;
    scene.source("1s");
    scene.ready("GitRepository", "source");
    plane.stop_apiserver();
    commit(scene, "away");
    plane.start_apiserver().unwrap();
    for app in 0..APPS {
        scene.deployed(&name(app));
    }
    assert_eq!(arrived(scene, "away"), APPS);
    scene.stage.engine.check().unwrap();
}

/// Drift, a deletion and a declaration that nobody watched.
fn what_changed_while_it_was_away_is_found(scene: &Scene<'_>) {
    let engine = &scene.stage.engine;
    engine.kill();
    scene
        .kubectl(&[
            "patch",
            "configmap",
            "app-0",
            "-p",
            r#"{"data":{"value":"drifted"}}"#,
        ])
        .unwrap();
    scene.delete("ConfigMap", "app-1");
    scene.delete("Kustomization", "app-2");
    scene.commit(&[("new/web.yaml", &deployment("web", 1, ""))]);
    scene.kustomization("new", json!({"path": "new", "wait": true}));
    engine.start().unwrap();
    let value = "away";
    scene.until("ConfigMap", "app-0", "put back", |it| {
        it["data"]["value"] == value
    });
    scene.until("ConfigMap", "app-1", "made again", |it| {
        it["data"]["value"] == value
    });
    scene.gone("Kustomization", "app-2");
    scene.gone("ConfigMap", "app-2");
    scene.deployed("new");
}

/// In a copy of the log one byte is another: `verify` says so.
fn a_flipped_bit_is_found(stage: &Stage) {
    stage.engine.stop().unwrap();
    let log = stage.engine.data().join("log");
    let table = fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|it| it == "sst" || it == "log")
        })
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&table, bytes).unwrap();
    let refused = stage
        .engine
        .of_data(&["log", "verify"])
        .unwrap_err()
        .to_string();
    println!("       {}", refused.lines().last().unwrap_or_default());
}

pub(crate) fn leaders() {
    let stage = Stage::start(Leading::Elected).unwrap();
    let scene = Scene::new(&stage, "leaders");
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let second = stage.another_engine("second").unwrap();
    second.start().unwrap();
    wait("the second to wait for the lead", PATIENCE, || {
        let printed = second.printed();
        if printed.contains("Waiting for the lead") {
            Ok(())
        } else {
            Err(printed)
        }
    });
    let holder = || {
        let lease = stage
            .cluster
            .get("Lease", "flux-system", "fluvial")
            .unwrap();
        lease
            .map(|it| text(&it, "/spec/holderIdentity").to_owned())
            .unwrap_or_default()
    };
    let first = holder();
    assert!(!first.is_empty());
    // While the first lives, the second says and does nothing.
    scene.commit(&[("a.yaml", &config_map("a", "two"))]);
    scene.fetch();
    scene.deployed("app");
    assert_eq!(holder(), first);
    let before = text(&scene.get("ConfigMap", "a"), "/metadata/resourceVersion").to_owned();
    stage.engine.kill();
    wait("the second to lead", PATIENCE, || {
        let now = holder();
        if now == first || now.is_empty() {
            Err(format!("{now:?} leads"))
        } else {
            Ok(())
        }
    });
    // From a log of its own: it takes over what it finds, unchanged, and goes on.
    let at = scene.request("Kustomization", "app");
    scene.handled("Kustomization", "app", &at);
    scene.ready("Kustomization", "app");
    let after = text(&scene.get("ConfigMap", "a"), "/metadata/resourceVersion").to_owned();
    assert_eq!(after, before);
    scene.commit(&[("a.yaml", &config_map("a", "three"))]);
    scene.fetch();
    scene.deployed("app");
    // Told to end, it hands the lead over at once.
    stage.engine.start().unwrap();
    second.stop().unwrap();
    scene.commit(&[("a.yaml", &config_map("a", "four"))]);
    scene.fetch();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "four");
    the_log_is_sound(&stage);
}
