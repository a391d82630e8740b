//! Texts that are small and would become large, deep or endless.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fluvial_kustomize::flux::Overlay;
use fluvial_kustomize::{build_flux, substitute};

use crate::Verdict::{Built, Refused};
use crate::{Files, case, check, kustomization, manifest, owned, tree};

#[test]
fn small_texts_do_not_become_large_objects() {
    let mut laughs = "a0: &a0 [lol]\n".to_owned();
    for level in 1..9 {
        let all = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{all}]").expect("a String takes it");
    }
    let long = "x".repeat(100_000);
    let quadratic = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 20_000].join(", "));
    let mut chain = "x0: &x0 {a: 1}\n".to_owned();
    for level in 1..24 {
        writeln!(
            chain,
            "x{level}: &x{level} {{l: *x{0}, r: *x{0}}}",
            level - 1
        )
        .expect("a String takes it");
    }
    let documents = "---\na: 1\n".repeat(200_000);
    let deep = (0..3000).fold(String::new(), |mut text, depth| {
        writeln!(text, "{}a:", " ".repeat(depth)).expect("a String takes it");
        text
    });
    check(vec![
        case(
            "B1",
            "a thousand million laughs",
            "CVE-2019-11253",
            manifest(laughs),
            Refused(&["k/a.yaml", "alias"]),
        ),
        case(
            "B2",
            "a long text, often",
            "CVE-2019-11253",
            manifest(quadratic),
            Refused(&["k/a.yaml", "alias"]),
        ),
        case(
            "B2",
            "doubling, level by level",
            "CVE-2019-11253",
            manifest(chain),
            Refused(&["k/a.yaml", "alias"]),
        ),
        case(
            "B3",
            "two hundred thousand brackets",
            "",
            manifest("[".repeat(200_000)),
            Refused(&["k/a.yaml", "nested more than 256 deep"]),
        ),
        case(
            "B3",
            "three thousand maps",
            "",
            manifest(deep),
            Refused(&["k/a.yaml", "nested more than 256 deep"]),
        ),
        case(
            "B4",
            "an anchor in itself",
            "",
            manifest("a: &a [*a]\n"),
            Refused(&["k/a.yaml", "an anchor contains itself"]),
        ),
        case(
            "B5",
            "two hundred thousand documents",
            "",
            manifest(documents),
            Refused(&["k/a.yaml", "more than 100000 documents"]),
        ),
        case(
            "B6",
            "one key twice",
            "",
            manifest("kind: A\nkind: B\n"),
            Refused(&["k/a.yaml", "the key \"kind\" is there twice"]),
        ),
        case(
            "B6",
            "one key twice by merging",
            "",
            manifest("kind: A\n<<: {kind: B}\nmetadata: {name: a}\n"),
            Built(1),
        ),
        case(
            "B7",
            "a merge of itself",
            "",
            manifest("a: &a\n  <<: *a\n"),
            Refused(&["k/a.yaml", "anchor"]),
        ),
        case(
            "B7",
            "a merge of a number",
            "",
            manifest("a:\n  <<: 3\n"),
            Refused(&["k/a.yaml", "merge key"]),
        ),
    ]);
}

#[test]
fn text_is_read_as_kubernetes_reads_it() {
    let object = |value: &str| {
        manifest(format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{k: {value}}}\n"
        ))
    };
    let read = |value: &str| {
        let objects = build_flux(&tree(&object(value)), "k", &Overlay::default()).expect(value);
        objects[0]["data"]["k"].to_string()
    };
    // B8, as sigs.k8s.io/yaml has them after kustomize: only what YAML 1.2 calls a boolean is one.
    for (value, json) in [
        ("no", "\"no\""),
        ("on", "\"on\""),
        ("yes", "\"yes\""),
        ("true", "true"),
        ("~", "null"),
        ("2001-01-01", "\"2001-01-01T00:00:00Z\""),
        ("0o17", "15"),
        ("1e3", "1000"),
        ("'1'", "\"1\""),
        ("!!str 1", "\"1\""),
    ] {
        assert_eq!(read(value), json, "B8 {value}");
    }
}

#[test]
fn builds_that_multiply_are_stopped() {
    let loops = |base: &str| {
        let mut files = owned(&[("a/kustomization.yaml", "resources: [../k]\n")]);
        files.extend(kustomization(format!("resources: [{base}]\n")));
        files
    };
    let mut doubling = owned(&[("base0/kustomization.yaml", "resources: []\n")]);
    for level in 1..30 {
        let below = level - 1;
        doubling.push((
            format!("base{level}/kustomization.yaml"),
            format!("resources: [../base{below}, ../twin{below}]\n"),
        ));
        doubling.push((
            format!("twin{level}/kustomization.yaml"),
            format!("resources: [../base{below}]\n"),
        ));
    }
    doubling.push(("twin0/kustomization.yaml".into(), "resources: []\n".into()));
    doubling.push((
        "k/kustomization.yaml".into(),
        "resources: [../base29]\n".into(),
    ));
    let mut tower = owned(&[("k/kustomization.yaml", "resources: [../t0]\n")]);
    for level in 0..100 {
        tower.push((
            format!("t{level}/kustomization.yaml"),
            format!("namePrefix: x-\nresources: [../t{}]\n", level + 1),
        ));
    }
    check(vec![
        case(
            "B12",
            "a base that is its overlay",
            "CVE-2022-24878",
            loops("../a"),
            Refused(&["leads back to"]),
        ),
        case(
            "B12",
            "a base that is itself",
            "CVE-2022-24878",
            kustomization("resources: [.]\n"),
            Refused(&["resources", "leads back to"]),
        ),
        case(
            "B12",
            "a base around its overlay",
            "CVE-2022-24878",
            kustomization("resources: [..]\n"),
            Refused(&["resources"]),
        ),
        case(
            "B12",
            "bases that double at every level",
            "",
            doubling,
            Refused(&["more than 10000 kustomizations in one build"]),
        ),
        case(
            "B12",
            "a hundred levels",
            "",
            tower,
            Refused(&["nested more than 64 deep"]),
        ),
        case(
            "B12",
            "copies of copies",
            "",
            copies(),
            Refused(&["k/kustomization.yaml", "copies more than 500000 values"]),
        ),
        case(
            "B16",
            "an expression that backtracks",
            "",
            backtracking("(a+)+$"),
            Built(1),
        ),
        case(
            "B16",
            "an expression without end",
            "",
            backtracking(&"(a{1000}){1000}".repeat(3)),
            Refused(&["k/kustomization.yaml", "exceeds size limit"]),
        ),
    ]);
}

/// A JSON patch that doubles a field with every operation.
fn copies() -> Files {
    let mut operations = String::new();
    for number in 0..40 {
        let (from, to) = (number % 2, (number + 1) % 2);
        writeln!(
            operations,
            "      - {{op: copy, from: /data/f{from}, path: /data/f{to}/n{number}}}"
        )
        .expect("a String takes it");
    }
    let mut files = kustomization(format!(
        "resources: [m.yaml]\npatches:\n  - target: {{kind: M}}\n    patch: |-\n{operations}"
    ));
    files.push((
        "k/m.yaml".into(),
        "{kind: M, apiVersion: v1, metadata: {name: m}, data: {f0: {a: 1}, f1: {a: 1}}}\n".into(),
    ));
    files
}

fn backtracking(name: &str) -> Files {
    let mut files = kustomization(format!(
        "resources: [m.yaml]\npatches: [{{target: {{name: {name:?}}}, patch: '[{{\"op\": \"test\", \"path\": \"/kind\", \"value\": \"M\"}}]'}}]\n"
    ));
    files.push((
        "k/m.yaml".into(),
        format!(
            "{{kind: M, apiVersion: v1, metadata: {{name: {}b}}}}\n",
            "a".repeat(5000)
        ),
    ));
    files
}

#[test]
fn variables_do_not_multiply() {
    let objects = |text: &str| {
        build_flux(&tree(&manifest(text)), "k", &Overlay::default()).expect("it is well formed")
    };
    let text = format!(
        "kind: A\nmetadata: {{name: a}}\nx: '{}'\n",
        "${v}".repeat(2000)
    );
    let long = BTreeMap::from([("v".to_owned(), "x".repeat(100_000))]);
    let error = substitute(objects(&text), &long, true)
        .expect_err("it is 200 MB")
        .to_string();
    assert!(error.contains("larger than 64 MiB"), "B2 {error}");
    let nested = format!(
        "kind: A\nmetadata: {{name: a}}\nx: '{}v{}'\n",
        "${u:-".repeat(100),
        "}".repeat(100)
    );
    let error = substitute(objects(&nested), &BTreeMap::new(), true)
        .expect_err("it is 100 deep")
        .to_string();
    assert!(
        error.contains("more than 64 expansions inside each other"),
        "B12 {error}"
    );
    // A value is text: it is not looked into again.
    let again = BTreeMap::from([("v".to_owned(), "${v}${v}".to_owned())]);
    let built = substitute(
        objects("kind: A\nmetadata: {name: a}\nx: ${v}\n"),
        &again,
        true,
    )
    .expect("it ends");
    assert_eq!(built[0]["x"], "${v}${v}");
    // E1, E3: a message never shows a value.
    let secret = BTreeMap::from([("v".to_owned(), "t0ps3cret: [".to_owned())]);
    let error = substitute(
        objects("kind: A\nmetadata: {name: a}\nx: ${v}\n"),
        &secret,
        true,
    );
    let shown = error
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(!shown.contains("t0ps3cret"), "E1 {shown}");
}
