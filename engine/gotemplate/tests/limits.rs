//! What would not end, or would take all memory, ends with a limit; and no text makes it panic.

use fluvial_gotemplate::{Execution, Limits, Options, Templates, Value};

fn run(text: &str, limits: Limits) -> Result<Vec<u8>, fluvial_gotemplate::Error> {
    let mut templates = Templates::new();
    templates.parse("row", text)?;
    let data =
        Value::from_json(&serde_json::json!({"a": {"b": "c"}, "l": [1, "x", null], "t": "text"}));
    Execution::new(
        &templates,
        Options {
            limits,
            ..Options::default()
        },
    )
    .execute("row", data)
}

#[test]
fn what_would_not_end_ends_with_a_limit() {
    let limits = Limits {
        steps: 50_000,
        text_bytes: 1 << 20,
        work_bytes: 32 << 20,
        list_items: 10_000,
        keys: 1,
        ..Limits::default()
    };
    for text in [
        r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#,
        r#"{{ define "x" }}{{ include "x" . }}{{ include "x" . }}{{ end }}{{ range 100000 }}{{ end }}{{ include "x" . }}"#,
        "{{ range 1000000000 }}x{{ end }}",
        "{{ range until 10000 }}{{ range until 10000 }}x{{ end }}{{ end }}",
        "{{ until 1000000000 }}",
        "{{ untilStep 0 1000000000 1 }}",
        "{{ seq 1 1000000000 }}",
        r#"{{ repeat 1000000000 "x" }}"#,
        r#"{{ "x" | indent 1000000000 }}"#,
        r#"{{ replace "" (repeat 100000 "y") (repeat 1000 "x") }}"#,
        r#"{{ $s := "x" }}{{ range 40 }}{{ $s = print $s $s }}{{ end }}{{ $s }}"#,
        r"{{ $l := list 1 }}{{ range 40 }}{{ $l = list $l $l }}{{ end }}{{ $l }}",
        r"{{ $l := list 1 }}{{ range 40 }}{{ $l = list $l $l }}{{ end }}{{ toYaml $l }}",
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toJson $d }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := deepCopy $d }}"#,
        r#"{{ regexMatch "(a{1000}){1000}" "x" }}"#,
        r"{{ randAlpha 1000000000 }}",
        r#"{{ range 10 }}{{ derivePassword 1 "long" "p" "u" "s" }}{{ end }}"#,
    ] {
        let error = run(text, limits).expect_err(text);
        let recursion = error.to_string().contains("nested reference name");
        assert!(error.limit().is_some() || recursion, "{text}: {error}");
    }
}

#[test]
fn a_limit_holds_exactly() {
    let limits = |text_bytes, list_items, depth| Limits {
        text_bytes,
        list_items,
        depth,
        ..Limits::default()
    };
    for (text, below, exact) in [
        (
            r#"{{ repeat 100 "x" }}"#,
            limits(99, 9, 9),
            limits(100, 9, 9),
        ),
        ("{{ len (until 9) }}", limits(99, 8, 9), limits(99, 9, 9)),
        (
            r#"{{ define "x" }}{{ if . }}{{ template "x" (rest .) }}{{ end }}{{ end }}{{ template "x" (until 3) }}"#,
            limits(99, 9, 4),
            limits(99, 9, 5),
        ),
    ] {
        assert!(
            run(text, below).expect_err(text).limit().is_some(),
            "{text}"
        );
        assert!(run(text, exact).is_ok(), "{text}: {:?}", run(text, exact));
    }
}

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "{{", "}}", "{{-", "-}}", " ", "\n", "if", "range", "with", "end", "else", "define", "block",
    "template", "break", "continue", "\"x\"", "`r`", "'c'", "\"", "`", "'", ".a", ".a.b", ".l", ".t",
    "$", "$x", ":=", "=", ",", "|", "(", ")", "1", "-1", "1e3", "0x", "nil", "true", "upper", "list",
    "dict", "index", "slice", "printf", "\"%*d%[9]q\"", "toYaml", "fromYaml", "tpl", "include",
    "trunc", "substr", "abbrev", "wrap", "merge", "set", "dig", "regexReplaceAll", "\"(\"", "semver",
    "toDate", "round", "chunk", "b32dec", "urlParse", "é", "😀", "\0", "/*", "*/",
];

/// Pieces of templates, put together at random: most are refused, and none may panic.
#[test]
fn no_text_makes_it_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("it is below")
    };
    let limits = Limits {
        steps: 10_000,
        text_bytes: 1 << 16,
        ..Limits::default()
    };
    let mut ran = 0;
    for round in 0..60_000 {
        let mut text = String::new();
        let whole = round % 2 == 0;
        for _ in 0..=draw(12) {
            if whole {
                // A command that at least parses, often.
                text.push_str("{{ ");
                text.push_str(PIECES[40 + draw(PIECES.len() - 40)]);
                for _ in 0..draw(4) {
                    text.push(' ');
                    text.push_str(PIECES[16 + draw(24)]);
                }
                text.push_str(" }}");
            } else {
                text.push_str(PIECES[draw(PIECES.len())]);
            }
        }
        ran += usize::from(run(&text, limits).is_ok());
    }
    assert!(ran > 100, "only {ran} of them ran at all");
}
