//! What the reader accepts, what it refuses, and where it says so.

use std::fmt::Write;

use serde_json::json;

use super::*;

#[test]
fn documents_are_read_in_order_and_empty_ones_left_out() {
    let text = "\u{feff}# nothing\n---\na: 1\n---\n# nothing\n---\n- b\n...\n---\nc: [d, {e: f}]\n";
    assert_eq!(
        documents(text),
        Ok(vec![
            json!({"a": 1}),
            json!(["b"]),
            json!({"c": ["d", {"e": "f"}]})
        ])
    );
    assert_eq!(documents(""), Ok(vec![]));
}

#[test]
fn a_block_that_the_end_cuts_off_has_no_newline() {
    assert_eq!(documents("a: |\n  b\n  c"), Ok(vec![json!({"a": "b\nc"})]));
    assert_eq!(
        documents("a: |\n  b\n  c\n"),
        Ok(vec![json!({"a": "b\nc\n"})])
    );
    assert_eq!(
        documents("a: |\n  b\nc: d"),
        Ok(vec![json!({"a": "b\n", "c": "d"})])
    );
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    let text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\nw: *x\n";
    assert_eq!(
        documents(text),
        Ok(vec![json!({
            "x": {"a": 1, "b": 2}, "y": {"b": 3, "c": 4},
            "z": {"a": 0, "b": 2, "c": 4}, "w": {"a": 1, "b": 2},
        })])
    );
}

#[test]
fn what_is_refused_says_where() {
    let cases = [
        ("a: 1\nb: 2\na: 3\n", 3, "the key \"a\" is there twice"),
        ("a:\n  1: b\n", 2, "the key 1 is not a string"),
        ("a:\n\tb: 1\n", 2, ""),
        ("a: .inf\n", 1, "no form in JSON"),
        ("a: &a [*a]\n", 1, "an anchor contains itself"),
        ("a: *b\n", 1, "anchor"),
        ("a:\n  <<: 3\n", 2, "the merge key"),
        ("a: !!int b\n", 1, "cannot decode"),
        ("a: [\n", 2, ""),
    ];
    for (text, line, message) in cases {
        let error = documents(text).expect_err(text);
        assert!(error.message.contains(message), "{text:?}: {error}");
        assert_eq!(error.line, line, "{text:?}: {error}");
    }
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let mut laughs = "a0: &a0 [lol]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        let all = vec![alias; 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{all}]").expect("a String takes it");
    }
    let long = "x".repeat(100_000);
    let quadratic = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 20_000].join(", "));
    for text in [
        laughs.as_str(),
        &quadratic,
        &"[".repeat(200_000),
        &"a: {".repeat(3_000),
        &"- ".repeat(3_000),
        &"---\na\n".repeat(100_001),
    ] {
        assert!(documents(text).is_err(), "{}…", &text[..20]);
    }
}

#[test]
fn limits_hold_at_the_limit() {
    let limits = Limits {
        depth: 2,
        documents: 2,
        alias_nodes: 2,
        alias_bytes: 100,
    };
    let accepted = |text| documents_within(text, &limits).is_ok();
    assert!(accepted("[[a]]") && !accepted("[[[a]]]"));
    assert!(accepted("--- a\n--- b\n") && !accepted("--- a\n--- b\n--- c\n"));
    assert!(accepted("[&a b, *a]") && !accepted("[&a b, *a, *a]"));
}

#[test]
fn the_last_of_two_keys_wins_where_that_is_asked_for() {
    assert_eq!(
        documents_of_kustomization("a: 1\na: 2\n"),
        Ok(vec![json!({"a": 2})])
    );
}

#[test]
fn what_is_absent_can_be_told_from_null() {
    assert_eq!(
        documents_absent("---\n---\na:\nb: null\nc: ''\n"),
        Ok(vec![json!({"a": ABSENT, "b": null, "c": ""})])
    );
}

#[test]
fn yaml_1_1_has_more_booleans() {
    assert_eq!(
        documents_yaml11("[yes, 'yes', Off, n, nope]"),
        Ok(vec![json!([true, "yes", false, false, "nope"])])
    );
}

#[test]
fn verbatim_keeps_the_text_of_decimals_and_of_the_named_scalars() {
    let text = "metadata:\n  annotations:\n    a: 1.10\n    b: 2001-01-01\n    c: yes\n    d: ~\n  x: 1.10\n  y: 0x10\n";
    let mut read = documents_verbatim(text, &["metadata", "annotations"]).expect("it is YAML");
    assert_eq!(
        read[0].to_string(),
        r#"{"metadata":{"annotations":{"a":"1.10","b":"2001-01-01","c":"yes","d":null},"x":1.10,"y":16}}"#
    );
    canonical(&mut read[0]);
    assert_eq!(read[0]["metadata"]["x"].to_string(), "1.1");
}
