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
        documents_absent("---\n---\na:\nb: null\nc: ''\nd: ~\ne: {f: }\n"),
        Ok(vec![json!({
            "a": ABSENT, "b": null, "c": "",
            "d": format!("{NULL_WRITTEN}~"), "e": {"f": ABSENT_IN_BRACKETS},
        })])
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

/// Every reader that the simple one may stand in for.
const READINGS: [Reading<'static>; 5] = [
    Reading::Standard,
    Reading::Kustomization,
    Reading::Yaml11,
    Reading::MarkAbsent,
    Reading::Verbatim {
        text_at: &["metadata", "annotations"],
    },
];

/// What the simple reader makes of a text, which must be what the grammar makes of it.
fn held_to_the_grammar(text: &str) -> bool {
    let limits = Limits::default();
    let mut is_common = false;
    for reading in READINGS {
        if let Some(read) = common::documents(text, &limits, reading) {
            assert_eq!(Ok(read), by_grammar(text, &limits, reading), "{text:?}");
            is_common = true;
        }
    }
    is_common
}

#[test]
fn simple_texts_are_read_without_the_grammar_and_alike() {
    for text in [
        "",
        "# nothing\n---\n# nothing\n",
        "--- # one\na: 1\n---\n---\nb: 2",
        "a:\n  b: c d  # e\n  'f': \"g # h\"\n\n  i: j#k:l\n",
        "a: http://b:80/c?d=e\n",
        "- a\n-\n- b: c\n  d: e\n- - f\n  - g\n- - - h\n",
        "a:\n- b\n-\n- c: d\ne:\n  - f\n",
        "a:\nb: # c\nd: ''\ne: ~\nf: null\n",
        "metadata:\n  annotations:\n    a: 1.10\n    b:\n    c: 2001-01-01\n    d: yes\n  labels: {a: 1.10}\n",
        "a: |\n  b\n    c\n\n  d\n\n\ne: |-\n   f\n\n\ng: |+\n  h\n\n\ni: j\n",
        "a: |\n  b\n \n  c\n   \n# d\ne: |-\n  f",
        "- |\n b\n- c: |\n   d\n  e: f\n",
        "a: [b, 'c: d', \"e\", {f: 1, \"g\":2}, [], {}]\nh: {}\n",
        "é: ü\n",
        "on: off\n",
        "a: yes\n",
    ] {
        assert!(held_to_the_grammar(text), "{text:?}");
    }
}

#[test]
fn what_is_not_simple_is_left_to_the_grammar() {
    for text in [
        "a",
        "[a]",
        "{a: b}",
        "a: b\n c\n",
        "a: 'b\n c'\n",
        "a: b: c\n",
        "a: - b\n",
        "a: &b c\n",
        "a: *b\n",
        "a: !c b\n",
        "? a\n",
        "<<: {a: b}\n",
        "1: a\n",
        "a: 1\na: 2\nb\n",
        "a:\tb\n",
        "a: b\r\n",
        "a: >\n  b\n",
        "a: |2\n  b\n",
        "a: |\n\n  b\n",
        "a: |\nb: c\n",
        "a: \"\\n\"\n",
        "a: 'b''c'\n",
        "a: [b,\n c]\n",
        "a: [b, ]\n",
        "a: {b}\n",
        "a: {b:c}\n",
        "a: b\n  c: d\n",
        "a:\n    b: c\n  d: e\n",
        "  a: b\nc: d\n",
        "a: b\n- c\n",
        "- a\nb: c\n",
        "- a\n  - b\n",
        "%YAML 1.1\n---\na: b\n",
        "a: b\n...\n",
        "--- a: b\n",
        "---\n---a: b\n",
        "a: .inf\n",
        "a: \u{85}\n",
        "\u{feff}\u{feff}a: b\n",
        "a: |\n    b\n  c\n",
        "'a' : b\n",
    ] {
        for reading in [Reading::Standard, Reading::Verbatim { text_at: &[] }] {
            assert_eq!(
                common::documents(text, &Limits::default(), reading),
                None,
                "{text:?}"
            );
        }
        held_to_the_grammar(text);
    }
}

#[test]
fn changed_texts_are_read_alike_or_left_to_the_grammar() {
    const PARTS: [&str; 48] = [
        "a",
        "b",
        ": ",
        ":",
        "- ",
        "-",
        "\n",
        "\n  ",
        "\n    ",
        "\n\n",
        " ",
        "  ",
        "#",
        " # c",
        "|",
        "|-\n",
        "|+\n   ",
        ">",
        "'",
        "\"",
        "''",
        "\\",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ",",
        "---\n",
        "\n---",
        "...",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "? ",
        "1",
        "1.10",
        "~",
        "null",
        "yes",
        "2001-01-01",
        "é",
        "\t",
        "%",
        "metadata:\n  annotations:\n    ",
        "a: b\n",
        "- c: d\n",
    ];
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % bound
    };
    let mut common = 0;
    for _ in 0..60_000 {
        let text: String = (0..=below(14)).map(|_| PARTS[below(PARTS.len())]).collect();
        common += usize::from(held_to_the_grammar(&text));
    }
    assert!(common > 2_000, "only {common} of the texts were simple");
}
