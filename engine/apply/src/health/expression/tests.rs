//! Health by expressions: order, kinds, refusals, marks.

use serde_json::json;

use super::*;

fn check(api_version: &str, kind: &str, current: &str) -> HealthCheckExpression {
    HealthCheckExpression {
        api_version: api_version.to_owned(),
        kind: Some(kind.to_owned()).filter(|it| !it.is_empty()),
        current: current.to_owned(),
        in_progress: None,
        failed: None,
    }
}

#[test]
fn expressions_are_asked_in_order_and_an_unobserved_generation_comes_first() {
    let judge = |in_progress: &str, failed: &str, current: &str| {
        let check = HealthExpression {
            current: current.to_owned(),
            in_progress: in_progress.to_owned(),
            failed: failed.to_owned(),
            ..HealthExpression::default()
        };
        let live = |observed: Value| {
            json!({
                "metadata": {"generation": 2, "deletionTimestamp": "2026-11-24T00:00:00Z"},
                "status": {"observedGeneration": observed, "phase": "Up"},
            })
        };
        let health = |observed| status_by(Some(&check), &live(observed), 0).as_str();
        [health(json!(2)), health(json!(1)), health(json!("2"))]
    };
    let (yes, no) = ("status.phase == 'Up'", "status.phase == 'Down'");
    for (checks, expected) in [
        (["", "", yes], "Current"),
        (["", "", no], "InProgress"),
        ([yes, yes, yes], "InProgress"),
        ([no, yes, yes], "Failed"),
        ([no, no, yes], "Current"),
        ([no, no, "status.absent == 1"], "Unknown"),
        (["status.absent == 1", yes, yes], "Unknown"),
        (["", "", "status.phase"], "Unknown"),
        (["", "", "foo."], "Unknown"),
    ] {
        let [in_progress, failed, current] = checks;
        let unobserved = if current == "foo." {
            "Unknown"
        } else {
            "InProgress"
        };
        let found = judge(in_progress, failed, current);
        assert_eq!(found, [expected, unobserved, "Unknown"], "{checks:?}");
    }
}

#[test]
fn the_first_expression_of_a_kind_counts_and_one_of_its_group_after_it() {
    let checks = [
        check("example.com/v1", "", "1 == 1"),
        check("example.com/v1beta1", "Foo", "2 == 2"),
        check("example.com/v1", "Foo", "3 == 3"),
        check("v1", "Pod", "4 == 4"),
    ];
    let found = |group, kind| find(&checks, group, kind).map(|it| it.current.as_str());
    assert_eq!(found("example.com", "Foo"), Some("2 == 2"));
    assert_eq!(found("example.com", "Bar"), Some("1 == 1"));
    assert_eq!(found("", "Pod"), Some("4 == 4"));
    assert_eq!(found("", "Secret"), None);
    assert_eq!(found("example.org", "Foo"), None);
}

#[test]
fn expressions_that_cannot_be_read_are_named() {
    let refused = |checks: &[HealthCheckExpression]| refusal(checks).unwrap_or_default();
    assert_eq!(refused(&[check("v1", "Pod", "true")]), "");
    let mut bad = check("example.com/v1", "Foo", "true");
    bad.in_progress = Some("foo.".to_owned());
    assert_eq!(
        refused(&[check("v1", "Pod", "true"), bad.clone()]),
        "failed to create custom status reader for healthchecks[1]: failed to parse the expression \
         InProgress: failed to parse the CEL expression 'foo.': ERROR: <input>:1:5: expected identifier \
         after '.'"
    );
    assert_eq!(
        refused(&[check("v1", "Pod", "")]),
        "failed to create custom status reader for healthchecks[0]: expression Current not specified"
    );
    // Only the first for a kind is read.
    assert_eq!(refused(&[check("example.com/v2", "Foo", "true"), bad]), "");
}

#[test]
fn a_mark_tells_apart_what_is_asked() {
    let mark_of = |in_progress: &str, current: &str| {
        mark(&HealthExpression {
            in_progress: in_progress.to_owned(),
            current: current.to_owned(),
            ..HealthExpression::default()
        })
    };
    assert_eq!(mark_of("a", "b"), mark_of("a", "b"));
    assert_ne!(mark_of("a", "b"), mark_of("b", "a"));
    assert_ne!(mark_of("a", "b"), mark_of("", "ab"));
}
