//! Stories, and since when something is not true in them.

use super::*;

use fluvial_apply::cel::Expression;
use fluvial_view::why::bisect::{Question, bisect};

/// `c1` brings one replica, `c2` two, and so on; somebody deletes it; `c3` brings it again.
fn story() -> Told {
    let mut told = begun();
    for (commit, manifest) in [("c1", "1"), ("c2", "3"), ("c3", "2")] {
        told = deploy(told, commit, &[rendered(web(), manifest)]);
    }
    told.news(
        ObjectObserved {
            object: Some(web()),
            health: Health::Failed.into(),
            manager: "kubectl-edit".into(),
            changed: vec!["spec.replicas".into()],
            ..ObjectObserved::default()
        },
        "",
    )
    .news(
        ObjectGone {
            object: Some(web()),
            ..ObjectGone::default()
        },
        "",
    )
}

fn check(expression: &str, after: u64, until: u64, last: bool, expected: &Expect) {
    let told = story();
    let question = Question {
        expression: &Expression::parse(expression).unwrap(),
        after: Offset(after),
        until: Offset(until),
        last,
    };
    let Ok(found) = bisect(&told, &web(), &question, |name| {
        let replicas: u32 = name.parse().unwrap();
        Ok(Some(json!({"spec": {"replicas": replicas}})))
    });
    let turn = found.turn.map(|it| {
        format!(
            "{} {} {:?}; true since {}, again {:?}; {}; by hand {:?}\n",
            it.offset,
            it.event,
            it.became,
            it.true_since,
            it.true_again.map(|it| it.0),
            it.commit.unwrap_or_default().subject,
            it.manager
        )
    });
    let (turns, end) = (found.turns, found.end);
    let text = format!(
        "{}{turns} turns, {end:?} at the end\n",
        turn.unwrap_or_default()
    );
    expected.assert_eq(&text);
}

#[test]
fn the_first_or_the_last_turn_is_found_with_its_commit() {
    check(
        "spec.replicas < 3",
        0,
        999,
        false,
        &expect![[r#"
        19 ObjectsApplied False; true since 10, again Some(28); Change c2; by hand ""
        2 turns, Absent at the end
    "#]],
    );
    check(
        "spec.replicas < 3",
        0,
        999,
        true,
        &expect![[r#"
        31 ObjectGone Absent; true since 28, again None; Change c3; by hand ""
        2 turns, Absent at the end
    "#]],
    );
    check(
        "self.spec.replicas == 3",
        0,
        999,
        false,
        &expect![[r#"
        28 ObjectsApplied False; true since 19, again None; Change c3; by hand ""
        1 turns, Absent at the end
    "#]],
    );
}

#[test]
fn health_and_changes_by_hand_can_be_asked_about() {
    check(
        "health != 'Failed'",
        0,
        999,
        false,
        &expect![[r#"
        30 ObjectObserved False; true since 10, again None; Change c3; by hand "kubectl-edit"
        1 turns, Absent at the end
    "#]],
    );
    check(
        "!drifted",
        0,
        999,
        false,
        &expect![[r#"
        30 ObjectObserved False; true since 10, again None; Change c3; by hand "kubectl-edit"
        1 turns, Absent at the end
    "#]],
    );
}

#[test]
fn what_turned_outside_of_the_range_does_not_count() {
    check(
        "spec.replicas < 3",
        30,
        33,
        false,
        &expect![[r#"
        31 ObjectGone Absent; true since 28, again None; Change c3; by hand ""
        1 turns, Absent at the end
    "#]],
    );
    check(
        "spec.replicas < 3",
        0,
        18,
        false,
        &expect![[r#"
        0 turns, True at the end
    "#]],
    );
}

#[test]
fn what_has_no_answer_is_not_true_and_is_told() {
    check(
        "spec.nothing == 1",
        0,
        33,
        false,
        &expect![[r#"
        0 turns, Absent at the end
    "#]],
    );
    check(
        "spec.replicas",
        0,
        33,
        false,
        &expect![[r#"
        0 turns, Absent at the end
    "#]],
    );
}
