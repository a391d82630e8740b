//! What the engine talks to goes away in the middle of its work, or the engine itself does not notice
//! that time has passed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use fluvial_e2e::{Engine, Leading, PATIENCE, Scene, Stage, text};
use fluvial_support::wait;
use serde_json::json;

use crate::manifests::config_map;
use crate::recovery::{commit_apps, name, the_log_is_sound};

/// Kustomizations of one ConfigMap each; every third has a Deployment.
const APPS: usize = 12;
/// How often each program is killed.
const ROUNDS: usize = 3;

fn commit(scene: &Scene<'_>, value: &str) {
    commit_apps(scene, APPS, value);
}

/// The uid of everything that was applied.
fn uids(scene: &Scene<'_>) -> Vec<String> {
    let of = |kind, name: &str| text(&scene.get(kind, name), "/metadata/uid").to_owned();
    (0..APPS)
        .flat_map(|app| {
            let deployed = (app % 3 == 0).then(|| of("Deployment", &name(app)));
            deployed.into_iter().chain([of("ConfigMap", &name(app))])
        })
        .collect()
}

/// Waits until the first of the apps has `value`: now the others are being applied.
fn is_under_way(scene: &Scene<'_>, value: &str) {
    wait("the first object", PATIENCE, || {
        let all = scene.stage.cluster.list("ConfigMap", &scene.namespace);
        let all = all.map_err(|error| error.to_string())?;
        let arrived = all.iter().any(|it| it["data"]["value"] == value);
        arrived.then_some(()).ok_or("none".to_owned())
    });
}

fn gaps(stage: &Stage) -> usize {
    let tail = ["log", "tail", "--limit", "100000", "-o", "json"];
    let printed = stage.engine.of_data(&tail).unwrap();
    printed
        .lines()
        .filter(|it| it.contains("\"WatchGap\""))
        .count()
}

pub(crate) fn outages() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let scene = Scene::new(&stage, "outages");
    commit(&scene, "first");
    scene.source("1s");
    for app in 0..APPS {
        let spec = json!({"path": name(app), "wait": true, "retryInterval": "1s"});
        scene.kustomization(&name(app), spec);
    }
    for app in 0..APPS {
        scene.deployed(&name(app));
    }
    let before = uids(&scene);
    let gaps_before = gaps(&stage);
    for round in 0..ROUNDS {
        let value = format!("without-apiserver-{round}");
        commit(&scene, &value);
        is_under_way(&scene, &value);
        stage.plane.stop_apiserver();
        stage.plane.start_apiserver().unwrap();
        arrives(&scene, &value);
    }
    let gaps_between = gaps(&stage);
    assert!(gaps_between > gaps_before, "a lost watch is not on record");
    for round in 0..ROUNDS {
        let value = format!("without-etcd-{round}");
        commit(&scene, &value);
        is_under_way(&scene, &value);
        stage.plane.stop_etcd();
        if round == 1 {
            // Both at once, as when the machine of the control plane restarts.
            stage.plane.stop_apiserver();
        }
        stage.plane.start_etcd().unwrap();
        if round == 1 {
            stage.plane.start_apiserver().unwrap();
        }
        arrives(&scene, &value);
    }
    println!("       watch gaps on record: {}", gaps(&stage));
    stage.engine.check().unwrap();
    assert_eq!(uids(&scene), before, "something was deleted and made again");
    the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

/// Everything has `value`, and is Ready with it.
fn arrives(scene: &Scene<'_>, value: &str) {
    for app in 0..APPS {
        scene.deployed(&name(app));
        assert_eq!(scene.get("ConfigMap", &name(app))["data"]["value"], value);
    }
}

/// Who leads now.
fn holder(stage: &Stage) -> String {
    let lease = stage
        .cluster
        .get("Lease", "flux-system", "fluvial")
        .unwrap();
    lease
        .map(|it| text(&it, "/spec/holderIdentity").to_owned())
        .unwrap_or_default()
}

pub(crate) fn frozen() {
    let stage = Stage::start(Leading::Elected).unwrap();
    let scene = Scene::new(&stage, "frozen");
    scene.begin(&[
        ("a.yaml", &config_map("a", "one")),
        ("b.yaml", &config_map("b", "one")),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let first = holder(&stage);
    let second = stage.another_engine("second").unwrap();
    second.start().unwrap();

    stage.engine.freeze().unwrap();
    wait("the second to lead", PATIENCE, || {
        let now = holder(&stage);
        (now != first && !now.is_empty()).then_some(()).ok_or(now)
    });
    // The world goes on without the first: to it, all of this will look like drift.
    scene.change(&[("a.yaml", &config_map("a", "two"))], &["b.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.gone("ConfigMap", "b");
    let before = scene.get("ConfigMap", "a");

    stage.engine.thaw().unwrap();
    let (status, said) = stage.engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the Lease was lost"), "{said}");
    assert!(scene.find("ConfigMap", "b").is_none(), "it came back");
    assert_eq!(scene.get("ConfigMap", "a"), before);
    let leads = holder(&stage);
    assert!(leads != first, "{leads}");
    // It may wait for its turn again, while the second goes on.
    stage.engine.start().unwrap();
    scene.commit(&[("a.yaml", &config_map("a", "three"))]);
    scene.fetch();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "three");
    the_log_is_sound(&stage);
    second.of_data(&["log", "verify"]).unwrap();
    assert_eq!(second.json_of_data(&["replay"]).unwrap()["differences"], 0);
    stage.engine.stop().unwrap();
    an_older_copy_of_everything_is_refused(&scene, &second);
}

/// The data directory as a whole, its own pin included, is put back as it was before: only the Lease knows
/// that there was more.
fn an_older_copy_of_everything_is_refused(scene: &Scene<'_>, engine: &Engine) {
    let copy = |from: &Path, to: &Path| {
        let args = [OsStr::new("-a"), from.as_os_str(), to.as_os_str()];
        assert!(Command::new("cp").args(args).status().unwrap().success());
    };
    engine.stop().unwrap();
    let (data, older) = (engine.data(), engine.data().with_extension("older"));
    copy(&data, &older);
    engine.start().unwrap();
    scene.commit(&[("a.yaml", &config_map("a", "four"))]);
    scene.fetch();
    scene.deployed("app");
    engine.stop().unwrap();
    fs::rename(&data, data.with_extension("newer")).unwrap();
    fs::rename(&older, &data).unwrap();
    engine.of_data(&["log", "verify"]).unwrap();
    engine.start().unwrap();
    let (status, said) = engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("restore it from a backup"), "{said}");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "four");
    fs::remove_dir_all(&data).unwrap();
    fs::rename(data.with_extension("newer"), &data).unwrap();
    engine.start().unwrap();
    scene.commit(&[("a.yaml", &config_map("a", "five"))]);
    scene.fetch();
    scene.deployed("app");
    engine.stop().unwrap();
}
