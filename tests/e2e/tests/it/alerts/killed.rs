//! The engine is killed in the middle of telling: nothing is lost, and at most what was under way comes twice.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_e2e::{PATIENCE, Scene, text};
use fluvial_support::{Inbox, wait};
use serde_json::json;

use super::alert;
use crate::manifests::config_map;

/// Kustomizations that have something to tell while the engine is killed.
const APPS: usize = 6;
/// How often it is killed, in the middle of telling.
const KILLS: usize = 4;

fn commit_to_all(scene: &Scene<'_>, value: &str) {
    let files: Vec<_> = (0..APPS)
        .map(|app| {
            (
                format!("app-{app}/a.yaml"),
                config_map(&format!("app-{app}"), value),
            )
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, file)| (path.as_str(), file.as_str()))
        .collect();
    scene.commit(&files);
}

pub(super) fn nothing_is_lost(scene: &Scene<'_>) {
    let inbox = Inbox::start().unwrap();
    let engine = &scene.stage.engine;
    scene.declare(
        "Provider",
        "hook",
        &json!({"type": "generic", "address": inbox.url("hook")}),
    );
    alert(scene, "all", "hook", &json!({}));
    commit_to_all(scene, "first");
    scene.source("1h");
    for app in 0..APPS {
        let name = format!("app-{app}");
        scene.kustomization(&name, json!({"path": name}));
    }
    for kill in 0..KILLS {
        let before = inbox.received().len();
        commit_to_all(scene, &format!("value-{kill}"));
        scene.fetch();
        wait("some more to be told", PATIENCE, || {
            let count = inbox.received().len();
            if count >= before + 3 {
                Ok(())
            } else {
                Err(count.to_string())
            }
        });
        engine.kill();
        engine.start().unwrap();
    }
    // Every notice of the log that the Alert asks for is delivered in the end.
    commit_to_all(scene, "last");
    scene.fetch();
    for app in 0..APPS {
        scene.deployed(&format!("app-{app}"));
    }
    let (delivered, requests) = everything_is_told(scene, &inbox);
    assert!(
        delivered.values().all(|count| *count == 1),
        "told twice on record: {delivered:?}"
    );
    let told = delivered.len();
    let duplicates = requests - told;
    println!(
        "       {requests} requests for {told} notifications: {duplicates} twice after {KILLS} kills"
    );
    assert!(
        duplicates <= KILLS,
        "{duplicates} twice after {KILLS} kills"
    );
}

/// The ids that are on record as delivered, and how often.
fn on_record_as_delivered(scene: &Scene<'_>) -> BTreeMap<String, usize> {
    let engine = &scene.stage.engine;
    let all = [
        "deliveries",
        "all",
        "-n",
        &scene.namespace,
        "--limit",
        "100000",
    ];
    let printed = engine.json_of_data(&all).unwrap();
    let mut ids = BTreeMap::new();
    for line in printed.as_array().unwrap() {
        if line["result"] == "delivered" {
            let id = format!("msg_{}", text(line, "/notification/id"));
            *ids.entry(id).or_default() += 1;
        }
    }
    ids
}

/// Waits until what arrived and what is on record is the same, and no less than there are Events, which
/// are written of the same notices, at most once. Returns what is on record, and how many requests it took:
/// counted later, they could be of what was told since.
fn everything_is_told(scene: &Scene<'_>, inbox: &Inbox) -> (BTreeMap<String, usize>, usize) {
    wait("everything to be told and recorded", PATIENCE * 3, || {
        let received = inbox.received();
        let ids = received.iter().map(|it| it.headers["webhook-id"].clone());
        let sent: BTreeSet<_> = ids.collect();
        let told = on_record_as_delivered(scene);
        let events = scene.stage.cluster.list("Event", &scene.namespace).unwrap();
        let last = received
            .iter()
            .filter(|it| it.body.contains("Reconciliation finished"));
        let is_same = sent.iter().eq(told.keys());
        if is_same && told.len() >= events.len() && last.count() >= APPS {
            Ok((told, received.len()))
        } else {
            let (sent, told, events) = (sent.len(), told.len(), events.len());
            Err(format!("{sent} sent, {told} recorded, {events} Events"))
        }
    })
}
