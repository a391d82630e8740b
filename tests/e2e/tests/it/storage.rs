//! The disk under the log is full, read-only, or fails to sync: the engine stops and says so, does
//! nothing that is not on record, and goes on by itself after a restart.

use std::collections::BTreeSet;

use fluvial_e2e::{Leading, PATIENCE, Scene, Stage, text};
use fluvial_support::{Faults, Volume, wait};
use serde_json::{Value, json};

use crate::manifests::config_map;
use crate::recovery::the_log_is_sound;

/// Of the volume that the data is on, before it is made full.
const VOLUME_BYTES: u64 = 256 << 20;
/// What is left of it for the engine to fill.
const LEFT_BYTES: u64 = 512 << 10;
/// More commits than can fit.
const COMMITS_MAX: usize = 40;

pub(crate) fn disks() {
    let volume = tempfile::tempdir().unwrap();
    // It is an error, and not a pass, where no file system of our own can be had.
    let volume = Volume::mount(&volume.path().join("disk"), VOLUME_BYTES).unwrap();
    let stage = Stage::start_with(Leading::Alone, |engine, directory| {
        let faults = Faults::build(&directory.join("faults"))?;
        let data = volume.path().join("data");
        Ok(engine.with_data(data).with_faults(faults))
    })
    .unwrap();
    let scene = Scene::new(&stage, "disks");
    scene.commit(&[("a.yaml", &config_map("a", "first"))]);
    scene.source("1s");
    scene.kustomization("app", json!({"retryInterval": "1s"}));
    scene.deployed("app");
    full(&scene, &volume);
    read_only(&scene, &volume);
    failing(&scene);
    the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

/// Every record, as the command line prints it.
fn records(stage: &Stage) -> Vec<Value> {
    let tail = ["log", "tail", "--limit", "1000000", "-o", "json"];
    let printed = stage.engine.of_data(&tail).unwrap();
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The revisions that the log says were to be applied.
fn ordered(stage: &Stage) -> BTreeSet<String> {
    let (mut built, mut ordered) = (String::new(), BTreeSet::new());
    for record in records(stage) {
        let event = &record["event"];
        match text(event, "/type") {
            "ManifestsBuilt" => text(event, "/data/revision").clone_into(&mut built),
            "CommandIssued" if event.to_string().contains("\"ApplyObjects\"") => {
                ordered.insert(built.clone());
            }
            _ => {}
        }
    }
    ordered
}

/// Noise, so that a commit takes room in the log.
fn noise(seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..700_000).map(|_| letter()).collect()
}

fn full(scene: &Scene<'_>, volume: &Volume) {
    let stage = scene.stage;
    volume.leave_free(LEFT_BYTES).unwrap();
    let mut revisions = Vec::new();
    let mut ended = false;
    for number in 0..COMMITS_MAX {
        let value = format!("commit-{number}");
        let (a, noise) = (config_map("a", &value), config_map("noise", &noise(number)));
        let commit = scene.commit(&[("a.yaml", &a), ("noise.yaml", &noise)]);
        revisions.push((value.clone(), format!("main@sha1:{commit}")));
        // Until this one arrived, or the engine has ended.
        ended = wait("the commit, or the end", PATIENCE, || {
            if stage.engine.check().is_err() {
                return Ok(true);
            }
            let seen = scene.find("ConfigMap", "a").unwrap_or_default();
            (seen["data"]["value"] == value)
                .then_some(false)
                .ok_or(seen.to_string())
        });
        if ended {
            break;
        }
    }
    assert!(ended, "the disk was never full");
    let (status, said) = stage.engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    for words in ["No space left on device", "free space", "restart"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What was acknowledged is there, and can be read without a byte of room.
    volume.leave_free(0).unwrap();
    the_log_is_sound(stage);
    // Nothing was applied that the log did not order.
    let seen = text(&scene.get("ConfigMap", "a"), "/data/value").to_owned();
    let (_, revision) = revisions.iter().find(|(value, _)| *value == seen).unwrap();
    let ordered = ordered(stage);
    assert!(
        ordered.contains(revision),
        "{seen} is not on record: {ordered:?}"
    );
    let before = records(stage);
    // It cannot start on a full disk, says so, and breaks nothing.
    stage.engine.start().unwrap();
    let (status, said) = stage.engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    volume.leave_free(VOLUME_BYTES).unwrap();
    the_log_is_sound(stage);
    assert_eq!(records(stage), before);
    stage.engine.start().unwrap();
    let newest = revisions.last().unwrap().0.clone();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], newest);
    let after = records(stage);
    assert_eq!(after[..before.len()], before);
}

fn read_only(scene: &Scene<'_>, volume: &Volume) {
    let stage = scene.stage;
    stage.engine.stop().unwrap();
    volume.read_only().unwrap();
    the_log_is_sound(stage);
    stage.engine.start().unwrap();
    let (status, said) = stage.engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    let data = stage.engine.data().display().to_string();
    for words in ["Read-only file system", &data] {
        assert!(said.contains(words), "{words}: {said}");
    }
    volume.writable().unwrap();
    scene.commit(&[("a.yaml", &config_map("a", "writable"))]);
    stage.engine.start().unwrap();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "writable");
}

/// After a sync that failed nobody knows what is on the disk: the engine stops at once.
fn failing(scene: &Scene<'_>) {
    let stage = scene.stage;
    let faults = stage.engine.faults();
    faults.fail_syncs().unwrap();
    let commit = scene.commit(&[("a.yaml", &config_map("a", "unsynced"))]);
    let (status, said) = stage.engine.end().unwrap();
    println!(
        "       {status}: {}",
        said.lines().last().unwrap_or_default()
    );
    assert_eq!(status.code(), Some(1), "{said}");
    for words in ["Input/output error", "restart"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "writable");
    assert!(!ordered(stage).contains(&format!("main@sha1:{commit}")));
    faults.heal_syncs().unwrap();
    stage.engine.start().unwrap();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "unsynced");
}
