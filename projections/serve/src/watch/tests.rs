//! What a watch tells of a small history, from wherever it begins.
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes the strings"
)]

use expect_test::{Expect, expect};
use fluvial_event::{
    Chain, Draft, Event, Head, Id, ObjectsPruned, Offset, Record, TermStarted, Timestamp,
};
use fluvial_log::EventLog as _;
use fluvial_log::memory::{MemoryBlobs, MemoryLog};
use fluvial_view::Projection as _;
use fluvial_view::past::Past;
use serde_json::{Value, json};

use crate::answer::answer;
use crate::answer::tests::{TABLE, object, request, stage};
use crate::world::{Secrets, World};

/// A ConfigMap of an app.
fn config_map(app: &str, value: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "data": {"key": value}})
}

/// Served as of the second record: a and b are there. Then b leaves the app, a goes, a Secret comes with a
/// copy of its value, and a term begins.
fn history() -> (World, MemoryLog, MemoryBlobs) {
    let blobs = MemoryBlobs::default();
    let named = |name: &str| object(("", "v1", "ConfigMap"), "apps", name);
    let secret = object(("", "v1", "Secret"), "apps", "s");
    let pruned = ObjectsPruned {
        pruned: vec![named("a")],
        ..ObjectsPruned::default()
    };
    let events = [
        Event::from(stage(&blobs, vec![(named("a"), config_map("web", "one"))])),
        stage(&blobs, vec![(named("b"), config_map("web", "one"))]).into(),
        stage(&blobs, vec![(named("b"), config_map("db", "two"))]).into(),
        pruned.into(),
        stage(
            &blobs,
            vec![
                (named("copy"), config_map("web", "hunter2")),
                (secret, json!({"stringData": {"password": "hunter2"}})),
            ],
        )
        .into(),
        TermStarted::default().into(),
    ];
    let mut chain = Chain::new(Head::default(), 1);
    let seal = |event| chain.seal(Draft::news(event), Id::NONE, Timestamp(1));
    let records: Vec<Record> = events.into_iter().map(seal).collect();
    let mut past = Past::default();
    records.iter().take(2).for_each(|it| past.apply(it));
    let log = MemoryLog::default();
    log.append(&records).unwrap();
    let world = World::new(past, &blobs, Secrets::Redacted).unwrap();
    (world, log, blobs)
}

/// Type, name, resource version and data of every event.
fn check(query: &str, expected: &Expect) {
    let (world, log, blobs) = history();
    let url = format!("api/v1/configmaps?watch=true&{query}");
    let answer = answer(&world, &request("GET", &url, ""));
    let mut text = String::new();
    let told = answer.watch.unwrap().play(world, &log, &blobs, |event| {
        let object = &event["object"];
        let words = [
            &event["type"],
            &object["metadata"]["name"],
            &object["metadata"]["resourceVersion"],
            &object["data"]["key"],
            &object["metadata"]["annotations"]["k8s.io/initial-events-end"],
        ];
        let words: Vec<_> = words.iter().filter_map(|it| it.as_str()).collect();
        text.extend([words.join(" "), "\n".to_owned()]);
        Ok(())
    });
    assert!(told.is_ok());
    expected.assert_eq(&text);
}

#[test]
fn what_became_of_objects_is_told_from_where_the_client_is() {
    check(
        "resourceVersion=2",
        &expect![[r#"
        MODIFIED b 3 two
        DELETED a 4 one
        ADDED copy 5 ***
    "#]],
    );
    check(
        "resourceVersion=4",
        &expect![[r#"
        ADDED copy 5 ***
    "#]],
    );
    check(
        "resourceVersion=9&allowWatchBookmarks=true",
        &expect![[r#"
            BOOKMARK 6
        "#]],
    );
    check(
        "",
        &expect![[r#"
        ADDED a 1 one
        ADDED b 2 one
        MODIFIED b 3 two
        DELETED a 4 one
        ADDED copy 5 ***
    "#]],
    );
    check(
        "sendInitialEvents=true&resourceVersion=1&allowWatchBookmarks=true",
        &expect![[r#"
            ADDED a 1 one
            ADDED b 2 one
            BOOKMARK 2 true
            MODIFIED b 3 two
            DELETED a 4 one
            ADDED copy 5 ***
            BOOKMARK 6
        "#]],
    );
    check(
        "resourceVersion=2&labelSelector=app=web",
        &expect![[r#"
        DELETED b 3 one
        DELETED a 4 one
        ADDED copy 5 ***
    "#]],
    );
    check(
        "resourceVersion=2&fieldSelector=metadata.name=b",
        &expect![[r#"
            MODIFIED b 3 two
        "#]],
    );
    check(
        "resourceVersion=2&fieldSelector=metadata.namespace=other",
        &expect![[r#""#]],
    );
}

#[test]
fn a_watch_for_a_table_tells_tables() {
    let (world, log, blobs) = history();
    let url = "api/v1/configmaps?watch=true&resourceVersion=4";
    let watch = answer(&world, &request("GET", url, TABLE)).watch.unwrap();
    let mut cells = Vec::new();
    let told = watch.play(world, &log, &blobs, |event| {
        assert_eq!(event["object"]["kind"], "Table");
        cells.push(event["object"]["rows"][0]["cells"][0].to_string());
        Ok(())
    });
    assert!(told.is_ok());
    assert_eq!(cells, [r#""copy""#]);
}

#[test]
fn it_ends_where_nobody_listens() {
    let (world, log, blobs) = history();
    let url = "api/v1/configmaps?watch=true&resourceVersion=2";
    let watch = answer(&world, &request("GET", url, "")).watch.unwrap();
    assert_eq!(watch.since, Some(Offset(2)));
    let mut count = 0;
    let told = watch.play(world, &log, &blobs, |_| {
        count += 1;
        Err(super::Gone)
    });
    assert!(told.is_err() && count == 1);
}
