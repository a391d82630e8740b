//! The story on a real Kafka, read by Kafka's own consumer: whole and in order, whoever is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fluvial_e2e::{Leading, PATIENCE, Scene, Stage, condition, text};
use fluvial_support::{Authority, Consumed, Kafka, wait};
use serde_json::{Value, json};

use crate::manifests::config_map;
use crate::recovery::the_log_is_sound;

/// Stands in a Secret, and so in no message.
const SECRET: &str = "correct-horse-battery";

/// Records of one log on one topic, each at least once.
pub(crate) fn whole_and_in_order() {
    let authority = Authority::new("kafka").unwrap();
    let mut kafka = Kafka::start(&authority).unwrap();
    let target = format!("kafka://{}/prod", kafka.host());
    let stage = Stage::start_with(Leading::Alone, |engine, directory| {
        let (ca, properties) = (directory.join("ca.pem"), directory.join("kafka.properties"));
        fs::write(&ca, authority.certificate())?;
        let trust = format!("security.protocol=SSL\nssl.ca.location={}\n", ca.display());
        fs::write(&properties, trust)?;
        Ok(engine.published_to(target, properties))
    })
    .unwrap();
    let scene = Scene::new(&stage, "published");
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token"},
        "stringData": {"token": SECRET},
    });
    scene.begin(&[
        ("a.yaml", &config_map("a", "one")),
        ("secret.yaml", &secret.to_string()),
    ]);
    scene.kustomization("app", json!({}));
    scene.kustomization("gone", json!({"path": "./nowhere"}));
    scene.deployed("app");
    published(&kafka, &stage);

    // A Kafka that is down delays nothing but what it is to be told.
    kafka.down();
    scene.change(&[("a.yaml", &config_map("a", "two"))], &[]);
    scene.fetch();
    let app = scene.deployed("app");
    scene.delete("Kustomization", "gone");
    stage.engine.kill();
    stage.engine.start().unwrap();
    scene.change(&[("a.yaml", &config_map("a", "three"))], &[]);
    scene.fetch();
    scene.deployed("app");
    kafka.up().unwrap();
    let events = published(&kafka, &stage);
    assert_ne!(app["status"], scene.get("Kustomization", "app")["status"]);

    for message in &events {
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(message.headers[name], value, "{message:?}");
        }
        assert_eq!(message.headers["ce_subject"], message.key, "{message:?}");
        assert!(!format!("{message:?}").contains(SECRET), "{message:?}");
    }
    each_is_as_its_schema_says(&events);
    let sources: BTreeSet<_> = events.iter().map(|it| &it.headers["ce_source"]).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");

    let of = |topic: &str, kind: &str| {
        let messages = kafka.read(topic).unwrap();
        let kind = format!("dev.fluvial.{kind}.v1");
        assert!(
            messages.iter().any(|it| it.headers["ce_type"] == kind),
            "no {kind} on {topic}: {messages:?}"
        );
    };
    of("prod.decisions", "CommandIssued");
    of("prod.outcomes", "ObjectsApplied");
    of("prod.health", "Concluded");
    the_state_is_that_of_the_cluster(&scene, &kafka.read("prod.state").unwrap());
    the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

/// Waits until every record is on Kafka, and returns them; each key's came in the order of the log.
fn published(kafka: &Kafka, stage: &Stage) -> Vec<Consumed> {
    let messages = wait("every record to be on Kafka", PATIENCE, || {
        let stats = stage.engine.json_of_data(&["log", "stats"]).unwrap();
        let end = stats["last"].as_u64().unwrap();
        let messages = kafka.read("prod.events").map_err(|it| it.to_string())?;
        let offsets: BTreeSet<_> = messages.iter().map(offset).collect();
        let missing: Vec<_> = (1..=end).filter(|it| !offsets.contains(it)).collect();
        if missing.is_empty() {
            Ok(messages)
        } else {
            Err(format!("of {end} these are missing: {missing:?}"))
        }
    });
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for message in &messages {
        let offset = offset(message);
        // At least once: what is there again says nothing new.
        if seen.insert(offset) {
            let before = last.insert(&message.key, offset);
            assert!(
                before < Some(offset),
                "{offset} after {before:?}: {message:?}"
            );
        }
    }
    messages
}

fn each_is_as_its_schema_says(messages: &[Consumed]) {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/json");
    let mut validators = BTreeMap::new();
    for message in messages {
        let name = message.headers["ce_type"].trim_start_matches("dev.fluvial.");
        let validator = validators.entry(name).or_insert_with(|| {
            let text = fs::read_to_string(schemas.join(format!("{name}.json"))).unwrap();
            jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
        });
        let value: Value = serde_json::from_str(message.value.as_ref().unwrap()).unwrap();
        validator.validate(&value).unwrap();
    }
    assert!(validators.len() > 5, "{:?}", validators.keys());
}

fn offset(message: &Consumed) -> u64 {
    message.headers["ce_fluvialoffset"].parse().unwrap()
}

fn the_state_is_that_of_the_cluster(scene: &Scene<'_>, messages: &[Consumed]) {
    let mut state = BTreeMap::new();
    for message in messages {
        state.insert(&message.key, &message.value);
    }
    let named = |name: &str| {
        let end = format!("/{}/{name}", scene.namespace);
        let mut found = state
            .iter()
            .filter(|(key, _)| key.contains("Kustomization") && key.ends_with(&end));
        *found.next().unwrap().1
    };
    let app: Value = serde_json::from_str(named("app").as_ref().unwrap()).unwrap();
    let now = scene.get("Kustomization", "app");
    assert_eq!(
        text(condition(&app, "Ready"), "/message"),
        text(condition(&now, "Ready"), "/message"),
    );
    assert_eq!(app["metadata"]["uid"], now["metadata"]["uid"]);
    assert_eq!(named("gone"), &None, "it was deleted");
}
