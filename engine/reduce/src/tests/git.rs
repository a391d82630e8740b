//! When the artifact of a GitRepository is taken for what would be made again, and when it is not.

use fluvial_event::{
    ArtifactFetched, Event, FetchFailed, ResourceObserved, SourceUnchanged, command,
};

use crate::script::{Script, artifact, requested, source};

const INTERVAL_MS: i64 = 1_000 * 3_600_000;

/// The revision that the last fetch was told to be in hand, with the generation it is for.
fn asked(script: &Script) -> (i64, String) {
    let fetch = script.records.iter().rev().find_map(|record| {
        let Event::CommandIssued(issued) = &record.event else {
            return None;
        };
        let Some(command::Kind::FetchGit(fetch)) = &issued.command.as_ref()?.kind else {
            return None;
        };
        Some((fetch.generation, fetch.observed.clone()))
    });
    fetch.unwrap()
}

/// As it is declared with another spec.
fn declared(generation: i64) -> Event {
    let seen = ResourceObserved {
        generation,
        ..requested("")
    };
    seen.into()
}

fn fetched(generation: i64) -> Event {
    let fetched = ArtifactFetched {
        object: Some(source()),
        generation,
        artifact: Some(artifact("r1")),
        ..ArtifactFetched::default()
    };
    fetched.into()
}

fn unchanged(generation: i64) -> Event {
    let unchanged = SourceUnchanged {
        object: Some(source()),
        generation,
        revision: "r1".into(),
        ..SourceUnchanged::default()
    };
    unchanged.into()
}

fn failed(generation: i64) -> Event {
    let failed = FetchFailed {
        object: Some(source()),
        generation,
        reason: "GitOperationFailed".into(),
        ..FetchFailed::default()
    };
    failed.into()
}

/// Asks at the next interval, or after the pause that follows a failure.
fn asks_again(script: &mut Script) -> (i64, String) {
    assert_eq!(script.after(2 * INTERVAL_MS), ["fetch"]);
    asked(script)
}

#[test]
fn the_same_revision_is_not_fetched_twice() {
    let mut script = Script::new();
    assert_eq!(asked(&script), (1, String::new()), "nothing is in hand");
    assert_eq!(asks_again(&mut script), (1, "r1".into()));
    script.answer(&source(), unchanged(1));
    assert_eq!(asks_again(&mut script), (1, "r1".into()));
}

#[test]
fn what_was_made_of_an_earlier_declaration_is_made_again() {
    for answer in [fetched(2), unchanged(2)] {
        let mut script = Script::new();
        assert_eq!(script.tell(declared(2)), ["fetch"]);
        assert_eq!(
            asked(&script),
            (2, String::new()),
            "its `ignore` may differ"
        );
        script.answer(&source(), answer);
        assert_eq!(asks_again(&mut script), (2, "r1".into()));
    }
}

#[test]
fn a_failure_leaves_an_artifact_that_is_still_not_the_right_one() {
    let mut script = Script::new();
    script.tell(declared(2));
    let said = script.answer(&source(), failed(2));
    assert_eq!(said, ["failed GitOperationFailed"]);
    assert_eq!(asks_again(&mut script), (2, String::new()));
    script.answer(&source(), fetched(2));
    // Of the right one a failure takes nothing away.
    asks_again(&mut script);
    script.answer(&source(), failed(2));
    assert_eq!(asks_again(&mut script), (2, "r1".into()));
}

#[test]
fn an_answer_to_an_earlier_declaration_is_right_for_that_one_alone() {
    let mut script = Script::new();
    script.tell(declared(2));
    script.tell(declared(3));
    script.answer(&source(), fetched(2));
    assert_eq!(asked(&script), (3, String::new()), "asked again at once");
}

#[test]
fn who_asks_for_a_run_gets_a_whole_one() {
    let mut script = Script::new();
    assert_eq!(script.tell(requested("now").into()), ["fetch"]);
    assert_eq!(asked(&script), (1, String::new()));
    script.answer(&source(), fetched(1));
    assert_eq!(asks_again(&mut script), (1, "r1".into()));
}
