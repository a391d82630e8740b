//! Charts made to harm whoever renders them: what each is, and the verdict that it must get.
//!
//! Every row has the id of a kind of attack, as in `SECURITY.md`, which lists them all. A chart is rendered as `helm
//! template` renders it; one that takes longer than a test may is a failure, too. What a template alone can do is also
//! in `engine/gotemplate/tests/limits.rs`, archives of the wrong form are in `chart.rs`.

use std::fmt::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use fluvial_helm::{Chart, Options, Values, render};
use fluvial_manifest::{Entry, Tree};
use tar::EntryType;

const CHART: &str = "apiVersion: v2\nname: app\nversion: 1.2.3\n";

/// The id and what it is; a file of the chart; and words of the refusal.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Asserts that a chart with this file is refused, in so many words; `-> ` makes it a link. No message shows what is in a file that
/// was not to be read.
fn check(rows: &[Row<'_>]) {
    let mut wrong = String::new();
    for (what, path, text, words) in rows {
        let said = match rendered(path, text) {
            Ok(manifest) => format!("it renders {} bytes", manifest.len()),
            Err(error) => error,
        };
        if !said.contains(words) || said.contains("root:") || said.len() > 2_000 {
            let said: String = said.chars().take(2_000).collect();
            writeln!(wrong, "{what} in {path}: {said}").expect("a String takes it");
        }
    }
    assert!(wrong.is_empty(), "the verdict is another:\n{wrong}");
}

fn rendered(path: &str, text: &str) -> Result<String, String> {
    let mut files = vec![("app/Chart.yaml", CHART), ("secret/token", "root:x")];
    files.retain(|(own, _)| *own != path);
    files.push((path, text));
    let mut tree = Tree::new();
    for (path, text) in files {
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Link {
                target: target.to_owned(),
            },
            None => Entry::file(text.as_bytes()),
        };
        tree.insert(path, entry)
            .map_err(|error| error.to_string())?;
    }
    let chart = Chart::from_tree(&tree, "app").map_err(|error| error.to_string())?;
    let rendered = render(chart, &Values::new(), &Options::default());
    Ok(rendered.map_err(|error| error.to_string())?.manifest())
}

fn laughs(levels: usize) -> String {
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..levels {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(yaml, "a{level}: &a{level} [{below}]").expect("a String takes it");
    }
    yaml
}

#[test]
fn yaml_that_grows_out_of_proportion_is_refused() {
    let long = "x".repeat(100_000);
    let quadratic = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 20_000].join(","));
    let texts = [
        ("B1 a thousand million laughs", laughs(9), "alias"),
        ("B2 a long text, often", quadratic, "alias"),
        ("B3 200,000 brackets", "[".repeat(200_000), "deep"),
        ("B3 3,000 maps", "{a: ".repeat(3_000), "deep"),
        (
            "B4 an anchor in itself",
            "a: &a [*a]\n".to_owned(),
            "itself",
        ),
    ];
    for (what, text, words) in &texts {
        check(&[(what, "app/values.yaml", text, words)]);
        let below = text.replace('\n', "\n  ");
        let chart = format!("{CHART}annotations:\n  {below}");
        check(&[(what, "app/Chart.yaml", &chart, words)]);
    }
}

#[test]
fn names_and_links_that_lead_elsewhere_are_refused() {
    for name in [".", "..", "a/b", "../x"] {
        let chart = format!("apiVersion: v2\nname: \"{name}\"\nversion: 1.2.3\n");
        check(&[(
            "A13 a name (CVE-2026-35206)",
            "app/Chart.yaml",
            &chart,
            "name",
        )]);
    }
    check(&[
        (
            "A3 an absolute link",
            "app/values.yaml",
            "-> /etc/passwd",
            "leads out",
        ),
        (
            "A3 a link out",
            "app/values.yaml",
            "-> ../../../etc/passwd",
            "leads out",
        ),
        (
            "A3 a link to nothing",
            "app/values.yaml",
            "-> ../var/run/token",
            "cannot find",
        ),
        (
            "A3 a template out",
            "app/templates/a.yaml",
            "-> ../../../etc/passwd",
            "leads out",
        ),
        (
            "A4 a directory out",
            "app/templates",
            "-> ../../etc",
            "leads out",
        ),
        ("A5 a loop", "app/values.yaml", "-> values.yaml", "link"),
        (
            "A14 a lock out (CVE-2025-53547)",
            "app/Chart.lock",
            "-> ../../../etc/passwd",
            "leads out",
        ),
    ]);
}

#[test]
fn a_chart_reads_its_own_files_alone() {
    let read = |template: &str| rendered("app/templates/a.yaml", template);
    for template in [
        r#"a: {{ .Files.Get "../secret/token" | quote }}"#,
        r#"a: {{ .Files.Get "/etc/passwd" | quote }}"#,
        r#"a: {{ range $path, $_ := .Files.Glob "../**" }}{{ $path }}{{ end }}"#,
        r#"a: {{ .Files.Get "templates/../../secret/token" | quote }}"#,
        r#"a: {{ env "HOME" | quote }}"#,
        r#"a: {{ getHostByName "localhost" | quote }}"#,
    ] {
        match read(template) {
            Ok(manifest) => assert!(!manifest.contains("root:"), "A16 {template}: {manifest}"),
            Err(error) => assert!(error.contains("not defined"), "A16 {template}: {error}"),
        }
    }
}

#[test]
fn what_would_not_end_is_ended() {
    let template = "app/templates/a.yaml";
    check(&[
        (
            "B10 a loop",
            template,
            r"{{ range until 1000000000 }}x{{ end }}",
            "no more than 1000000 are allowed",
        ),
        (
            "B10 loops in each other",
            template,
            r"{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}",
            "have made more than 4294967296 bytes",
        ),
        (
            "B10 repeat",
            template,
            r#"{{ repeat 1000000000 "x" }}"#,
            "no more than 67108864 are allowed",
        ),
        (
            "B10 include",
            template,
            r#"{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}"#,
            "nested reference name: x",
        ),
        (
            "B10 tpl",
            template,
            r#"{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t "Template" .Template) }}"#,
            "templates call each other more than 5000 deep",
        ),
        (
            "B10 values in themselves",
            template,
            r#"{{ $_ := set .Values "me" .Values }}{{ toYaml .Values }}"#,
            "holds itself",
        ),
        (
            "B10 a pattern",
            template,
            r#"{{ regexMatch "((a{100}){100}){100}" "x" }}"#,
            "more than 4194304 bytes",
        ),
        (
            "B10 certificates",
            template,
            r#"{{ range 1000000 }}{{ $_ := genCA "x" 1 }}{{ end }}"#,
            "no more than 32",
        ),
    ]);
}

#[test]
fn a_schema_is_no_way_out() {
    let schema = "app/values.schema.json";
    let pattern = r#"{"properties": {"a": {"pattern": "(a{1000}){1000}"}}}"#;
    let round = r##"{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}"##;
    check(&[
        (
            "B11 references in a ring (CVE-2025-32387)",
            schema,
            round,
            "without end",
        ),
        ("B11 a huge pattern", schema, pattern, "is not a \"regex\""),
        (
            "D1 a schema elsewhere",
            schema,
            r#"{"$ref": "http://169.254.169.254/"}"#,
            "is not in the chart",
        ),
        (
            "A1 a schema in a file",
            schema,
            r#"{"$ref": "file:///etc/passwd"}"#,
            "is not in the chart",
        ),
    ]);
}

/// An archive of a chart and one entry more, of any type.
fn archive(kind: EntryType, target: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(CHART.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "app/Chart.yaml", CHART.as_bytes())
        .expect("memory takes it");
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o6755);
    let old = header.as_gnu_mut().expect("it is one");
    let path = b"app/values.yaml";
    old.name[..path.len()].copy_from_slice(path);
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    tar.append(&header, std::io::empty())
        .expect("memory takes it");
    let gzip = tar.into_inner().expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

#[test]
fn entries_of_an_archive_that_are_no_files_are_none_of_the_chart() {
    for (what, kind, target) in [
        ("A11 a link", EntryType::Symlink, "/etc/passwd"),
        ("A11 a link out", EntryType::Symlink, "../../../etc/passwd"),
        ("A11 a hard link", EntryType::Link, "/etc/passwd"),
        ("A11 a device", EntryType::Char, ""),
        ("A11 a disk", EntryType::Block, ""),
        ("A11 a pipe", EntryType::Fifo, ""),
    ] {
        if let Ok(chart) = Chart::from_archive(&archive(kind, target)) {
            let rendered = render(chart, &Values::new(), &Options::default());
            let recorded = rendered.map(|it| it.chart.recorded().to_string());
            let recorded = recorded.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!recorded.contains("root:"), "{what}: {recorded}");
        }
    }
}
