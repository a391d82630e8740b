//! What is stored of a view is all that it needs.

use std::collections::BTreeMap;
use std::convert::Infallible;

use expect_test::expect;
use fluvial_event::{Digest, ResourceDeleted};
use fluvial_view::notice::Notices;
use fluvial_view::status::Statuses;
use fluvial_view::{Projection as _, Stored};

use crate::story::{
    Told, app, app_concluded, app_failed, build, deployed, fetch, source, source_concluded, waited,
};

/// Everything that a status or a notice depends on, over and over.
fn told() -> Told {
    deployed()
        .then(build("b2"))
        .then(app_failed("BuildFailed", "no such file", false))
        .then(build("b2"))
        .then(app_failed("BuildFailed", "no such file", false))
        .then(waited(app(), "Progressing", "Running health checks"))
        .then(app_concluded("b2", 1))
        .then(fetch(2))
        .then(source_concluded(
            false,
            "GitOperationFailed",
            "no route",
            "",
        ))
        .then(ResourceDeleted {
            object: Some(app()),
            ..ResourceDeleted::default()
        })
        .then(source_concluded(true, "Succeeded", "", "main@sha1:a1"))
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

fn store(view: &mut impl Stored, pairs: &mut Pairs) {
    for (key, value) in view.changes() {
        match value {
            Some(value) => pairs.insert(key, value),
            None => pairs.remove(&key),
        };
    }
}

fn load<V: Stored>(empty: V, pairs: &Pairs) -> V {
    let pairs = pairs.clone().into_iter().map(Ok::<_, Infallible>);
    empty.load(pairs).unwrap()
}

/// What `say` of a view that was stored after any record, and fed the rest, is what it is of the one that
/// was fed everything.
fn check<V: Stored, S: PartialEq + std::fmt::Debug>(empty: impl Fn() -> V, say: fn(&V) -> S) {
    let told = told();
    let mut followed = empty();
    let mut pairs = Pairs::new();
    for (count, record) in told.records.iter().enumerate() {
        followed.apply(record);
        store(&mut followed, &mut pairs);
        let (mut again, mut whole) = (load(empty(), &pairs), empty());
        for before in &told.records[..=count] {
            whole.apply(before);
        }
        for after in &told.records[count + 1..] {
            again.apply(after);
            whole.apply(after);
            assert_eq!(say(&again), say(&whole), "stored after {}", record.offset);
        }
    }
}

#[test]
fn a_status_goes_on_from_where_it_was_stored() {
    check(
        || Statuses::new("host"),
        |statuses| statuses.iter().collect::<Vec<_>>(),
    );
}

#[test]
fn a_notice_goes_on_from_where_it_was_stored() {
    check(Notices::default, |notices| notices.latest().cloned());
}

#[test]
fn every_status_that_was_stored_is_compared_with_the_cluster_again() {
    let mut statuses = Statuses::new("host");
    for record in &deployed().records {
        statuses.apply(record);
    }
    statuses.take_changed();
    let mut pairs = Pairs::new();
    store(&mut statuses, &mut pairs);
    let mut again = load(Statuses::new("host"), &pairs);
    let changed = again.take_changed();
    assert_eq!(changed, [source(), app()].map(|it| it.identity()).into());
    assert_eq!(again.changes(), []);
    assert_ne!(again.format(), Statuses::new("elsewhere").format());
}

#[test]
fn what_is_torn_is_refused() {
    let mut statuses = Statuses::new("host");
    for record in &deployed().records {
        statuses.apply(record);
    }
    let mut pairs = Pairs::new();
    store(&mut statuses, &mut pairs);
    for (key, value) in &pairs {
        for length in 0..value.len() {
            let torn = [(key.clone(), value[..length].to_vec())];
            let torn = torn.into_iter().map(Ok::<_, Infallible>);
            assert!(Statuses::new("host").load(torn).is_err(), "cut at {length}");
        }
    }
    let failed = std::iter::once(Err::<(Vec<u8>, Vec<u8>), _>("no disk"));
    assert!(Notices::default().load(failed).is_err());
}

/// The view's format, and the digest of what is stored of it.
fn layout(mut view: impl Stored) -> String {
    let mut pairs = Pairs::new();
    for record in &told().records {
        view.apply(record);
        // While all are there.
        if record.offset.0 == 16 {
            store(&mut view, &mut pairs);
        }
    }
    let bytes: Vec<u8> = pairs
        .into_iter()
        .flat_map(|(key, value)| [key, value].concat())
        .collect();
    format!("{} {}\n", view.format(), Digest::of(&bytes))
}

/// Another digest is another layout, which wants another number in the view's format.
#[test]
fn the_layout_is_that_of_its_format() {
    let all = [layout(Statuses::new("host")), layout(Notices::default())];
    expect![[r#"
        status/4 host sha256:38651c175fb0150e1890af37f076b71ced492fc2ff8c17fc184b8491fdee2641
        notice/5 sha256:d3b674bc0f5950f87290f234cd206d654f0ddd66c49f53a07f231d28edf653c1
    "#]]
    .assert_eq(&all.concat());
}
