//! The table of rows: every function and every part of the language, against Go in the same run.
//!
//! `ONLY=part` runs the rows that have that part; `SHOW=1` prints what both sides say of each.

use std::fs;
use std::path::Path;

use fluvial_conformance::{Printed, Row, TemplatePeer};
use fluvial_gotemplate::{Execution, Options, Templates, Value};

/// What a chart's functions are called with, in all combinations.
const ARGUMENTS: &[&str] = &[
    ".text",
    ".empty",
    ".unicode",
    ".one",
    ".float",
    ".whole",
    "3",
    "-2",
    "1.5",
    ".yes",
    ".nothing",
    ".list",
    ".numbers",
    ".mixed",
    ".none",
    ".map",
    ".single",
    "\"a\"",
    "\"1.2.3\"",
    ".lines",
    "(list 1 2)",
    "(until 4)",
    "(splitList \",\" \"x,y\")",
    "(int64 7)",
];

/// Those for the second of three arguments.
const FEW: &[&str] = &[
    ".text", ".one", "2", ".list", ".single", "\"o\"", ".nothing",
];

/// What chance or the clock decides, or what takes a second each: these have tests of their own.
const ELSEWHERE: &[&str] = &[
    // sorted
    "ago",
    "bcrypt",
    "buildCustomCert",
    "date",
    "dateInZone",
    "date_in_zone",
    "decryptAES",
    "derivePassword",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htmlDate",
    "htmlDateInZone",
    "htpasswd",
    "now",
    "randAlpha",
    "randAlphaNum",
    "randAscii",
    "randBytes",
    "randInt",
    "randNumeric",
    "shuffle",
    "uuidv4",
];

/// The libraries of the two sides word the errors of a broken text each in its own way.
const WORDED_APART: &[&str] = &["fromToml"];

/// Go gives what is in a map in any order: these are asked of maps with one key.
const UNORDERED: &[&str] = &["keys", "values"];

fn data() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/gotemplate/data.json");
    serde_json::from_str(&fs::read_to_string(path).expect("it is there")).expect("it is JSON")
}

fn written(data: &serde_json::Value) -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/gotemplate");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the rows are there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            rows.push(Row::one(&line.replace('¶', "\n"), data));
            rows.push(Row {
                strict: true,
                ..Row::one(&line.replace('¶', "\n"), data)
            });
        }
    }
    rows
}

/// How many arguments a function wants, by what Go says when it gets two.
fn wanted(name: &str, peer: &mut TemplatePeer) -> std::ops::RangeInclusive<usize> {
    let probe = Row::one(
        &format!("{{{{ {name} . . . . . . . }}}}"),
        &serde_json::Value::Null,
    );
    let Err(error) = peer.run(&probe) else {
        return 1..=3;
    };
    let want = error
        .split(": want ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    want.and_then(|count| count.parse().ok())
        .map_or(1..=3, |count| count..=count)
}

/// Templates that call functions in all combinations of arguments.
fn generated(functions: &[String], peer: &mut TemplatePeer) -> Vec<String> {
    let mut rows = Vec::new();
    let left_out = [ELSEWHERE, WORDED_APART].concat();
    for name in functions
        .iter()
        .filter(|name| !left_out.contains(&name.as_str()))
    {
        let counts = wanted(name, peer);
        let mut add = |text: String| {
            let many = text.contains(".map") || text.contains(".mixed");
            let unordered = many && UNORDERED.contains(&name.as_str());
            // A map that holds itself is the end of Go's whole process when it is printed.
            let endless = name == "set" && text.matches(".single").count() > 1;
            // Go tells nil of a pipeline from nil of a map here, and nowhere else.
            let nil_of_pipeline = name == "len" && text.contains(".nothing |");
            if !unordered && !endless && !nil_of_pipeline {
                rows.push(text);
            }
        };
        for first in ARGUMENTS {
            if counts.contains(&1) {
                add(format!("{{{{ {name} {first} }}}}"));
                add(format!("{{{{ {first} | {name} | typeOf }}}}"));
            }
            for second in ARGUMENTS.iter().filter(|_| counts.contains(&2)) {
                add(format!("{{{{ {name} {first} {second} }}}}"));
            }
            for second in FEW.iter().filter(|_| counts.contains(&3)) {
                for third in FEW {
                    add(format!("{{{{ {name} {second} {third} {first} }}}}"));
                }
            }
        }
    }
    rows
}

fn said(printed: &Printed) -> String {
    match printed {
        Ok(text) => String::from_utf8_lossy(text).into_owned(),
        Err(error) => format!("refused: {error}"),
    }
}

/// Says so if the two sides differ.
fn differs(text: &str, ours: &Printed, theirs: &Printed) -> bool {
    let same = ours == theirs;
    if !same || std::env::var("SHOW").is_ok() {
        println!(
            "=== {text}\n  ours:   {}\n  theirs: {}",
            said(ours),
            said(theirs)
        );
    }
    !same
}

/// Runs rows on both sides; the number that differ, each of which it prints.
fn compare(rows: &[Row], peer: &mut TemplatePeer) -> usize {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut different = 0;
    for row in rows
        .iter()
        .filter(|row| row.templates[&row.name].contains(&only))
    {
        let text = &row.templates[&row.name];
        different += usize::from(differs(text, &row.ours(), &peer.run(row)));
    }
    println!("{} rows, {different} differ", rows.len());
    different
}

#[test]
fn every_function_is_there_and_no_other() {
    let Some(program) = TemplatePeer::program(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    assert_eq!(
        fluvial_gotemplate::function_names(),
        TemplatePeer::functions(&program)
    );
}

#[test]
fn every_row_is_printed_as_go_prints_it() {
    let Some(program) = TemplatePeer::program(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let mut peer = TemplatePeer::start(&program);
    assert_eq!(compare(&written(&data()), &mut peer), 0);
}

#[test]
fn every_function_takes_and_refuses_what_it_does_in_go() {
    let Some(program) = TemplatePeer::program(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let functions = TemplatePeer::functions(&program);
    let mut peer = TemplatePeer::start(&program);
    let only = std::env::var("ONLY").unwrap_or_default();
    let data = data();
    let mut rows = generated(&functions, &mut peer);
    rows.retain(|row| row.contains(&only));
    let mut different = 0;
    for chunk in rows.chunks(500) {
        let theirs = peer.rows(chunk, &data);
        for (text, theirs) in chunk.iter().zip(&theirs) {
            different += usize::from(differs(text, &Row::one(text, &data).ours(), theirs));
        }
    }
    println!("{} rows, {different} differ", rows.len());
    assert_eq!(different, 0);
}

/// A server's certificate, by an authority that the same run made, as Go's TLS would take it.
#[test]
fn certificates_are_good_for_go() {
    const NOW: i64 = 1_700_000_000;
    let Some(program) = TemplatePeer::program(Path::new(env!("CARGO_TARGET_TMPDIR"))) else {
        return;
    };
    let mut templates = Templates::new();
    let text = r#"{{ $ca := genCA "authority" 10 }}{{ $names := list "app.example" "*.app.example" }}
        {{- $cert := genSignedCert "app" (list "10.0.0.1" "::1") $names 5 $ca }}
        {{- dict "authority" $ca.Cert "cert" $cert.Cert "key" $cert.Key | toJson }}"#;
    templates.parse("row", text).expect("it parses");
    let drawn = || {
        let options = Options {
            now: (NOW, 0),
            seed: [7; 32],
            ..Options::default()
        };
        let run = Execution::new(&templates, options).execute("row", Value::Nil);
        run.expect("it runs")
    };
    let made = drawn();
    assert_eq!(
        made,
        drawn(),
        "the same seed and clock make the same certificate"
    );
    let made: serde_json::Value = serde_json::from_slice(&made).expect("it is JSON");
    for (host, after_days, good) in [
        ("app.example", 1, true),
        ("10.0.0.1", 1, true),
        ("a.app.example", 4, true),
        ("other.example", 1, false),
        ("app.example", 6, false),
    ] {
        let mut asked = made.clone();
        asked["host"] = host.into();
        asked["now"] = (NOW + after_days * 86_400).into();
        let verdict = TemplatePeer::verify(&program, &asked);
        assert_eq!(
            verdict.is_ok(),
            good,
            "{host} after {after_days} days: {verdict:?}"
        );
    }
}
