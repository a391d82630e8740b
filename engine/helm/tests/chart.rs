//! What charts are read from files and archives, and which are refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use fluvial_helm::{Chart, Error};
use fluvial_manifest::{Entry, Tree};

const CHART: &str = "apiVersion: v2\nname: app\nversion: 1.2.3\n";

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        let entry = match text.strip_prefix("-> ") {
            Some(target) => Entry::Link {
                target: target.to_owned(),
            },
            None => Entry::file(text.as_bytes()),
        };
        tree.insert(path, entry).expect("it can be stored");
    }
    tree
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // Not `set_path`, which keeps a path from being as bad as an attacker's.
        header.as_gnu_mut().expect("it is one").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).expect("memory takes it");
    }
    let gzip = tar.into_inner().expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

fn names(files: &[fluvial_helm::File]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn files_are_sorted_by_what_they_are_for() {
    let chart = Chart::from_tree(
        &tree(&[
            ("c/.helmignore", "*.bak\n"),
            ("c/Chart.yaml", CHART),
            ("c/Chart.lock", "digest: x\n"),
            ("c/values.yaml", "\u{feff}a: 1\n"),
            ("c/values.schema.json", "{}"),
            ("c/README.md", "r"),
            ("c/old.bak", "b"),
            ("c/crds/b/z.yaml", "crd"),
            ("c/crds/b.yaml", "crd"),
            ("c/crds/a.txt", "no crd"),
            ("c/templates/a.yaml", "t"),
            ("c/templates/.hidden", "h"),
            ("c/templates/link.yaml", "-> ../../shared.yaml"),
            ("c/charts/sub/Chart.yaml", "{name: sub, version: v1.0}"),
            ("c/charts/sub/crds/c.json", "crd"),
            ("c/charts/_left/Chart.yaml", "out"),
            ("c/charts/README.md", "no chart"),
            ("shared.yaml", "shared"),
        ]),
        "c",
    );
    // A file in `charts/` that is no chart is refused by helm too.
    let error = chart.unwrap_err().to_string();
    assert!(
        error.contains("README.md in app: Chart.yaml file is missing"),
        "{error}"
    );
}

#[test]
fn a_chart_holds_its_files_its_charts_and_its_crds() {
    let chart = Chart::from_tree(
        &tree(&[
            ("c/.helmignore", "*.bak\n"),
            ("c/Chart.yaml", CHART),
            ("c/Chart.lock", "digest: x\n"),
            ("c/values.yaml", "\u{feff}a: 1\n"),
            ("c/values.schema.json", "{}"),
            ("c/old.bak", "b"),
            ("c/crds/b/z.yaml", "crd"),
            ("c/crds/b.yaml", "crd"),
            ("c/crds/a.txt", "no crd"),
            ("c/templates/a.yaml", "t"),
            ("c/templates/.hidden", "h"),
            ("c/templates/link.yaml", "-> ../../shared.yaml"),
            ("c/charts/sub/Chart.yaml", "{name: sub, version: v1.0}"),
            ("c/charts/sub/crds/c.json", "crd"),
            ("c/charts/_left/Chart.yaml", "out"),
            ("shared.yaml", "shared"),
        ]),
        "c",
    )
    .unwrap();
    assert_eq!(chart.metadata.api_version, "v2");
    assert_eq!(
        names(&chart.templates),
        ["templates/a.yaml", "templates/link.yaml"]
    );
    assert_eq!(&*chart.templates[1].data, b"shared");
    assert_eq!(
        names(&chart.files),
        [".helmignore", "crds/a.txt", "crds/b/z.yaml", "crds/b.yaml"]
    );
    assert_eq!(chart.dependencies.len(), 1);
    assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
    let crds = chart.crds();
    let crds: Vec<&str> = crds.iter().map(|crd| crd.filename.as_str()).collect();
    assert_eq!(
        crds,
        [
            "app/crds/b/z.yaml",
            "app/crds/b.yaml",
            "app/charts/sub/crds/c.json"
        ]
    );
}

#[test]
fn charts_that_helm_refuses_are_refused() {
    for (files, why) in [
        (vec![("c/values.yaml", "")], "has no Chart.yaml"),
        (
            vec![("c/Chart.yaml", "apiVersion: v2\nversion: 1.0.0")],
            "name is required",
        ),
        (
            vec![("c/Chart.yaml", "name: a/b\nversion: 1.0.0")],
            "is invalid",
        ),
        (
            vec![("c/Chart.yaml", "name: a\nversion: one")],
            "version \"one\" is invalid",
        ),
        (
            vec![("c/Chart.yaml", "name: a\nversion: 1.0.0\ntype: x")],
            "type must be",
        ),
        (
            vec![("c/Chart.yaml", "name: [a]\nversion: 1.0.0")],
            "name is a list",
        ),
        (
            vec![("c/Chart.yaml", "apiVersion: v3\nname: a\nversion: 1.0.0")],
            "unsupported",
        ),
        (
            vec![(
                "c/Chart.yaml",
                "name: a\nversion: 1.0.0\ndependencies: [{name: b}, {name: c, alias: b}]",
            )],
            "more than one dependency",
        ),
        (
            vec![(
                "c/Chart.yaml",
                "name: a\nversion: 1.0.0\ndependencies: [{name: b, alias: ../x}]",
            )],
            "disallowed characters",
        ),
        (
            vec![("c/Chart.yaml", CHART), ("c/values.yaml", "- a list")],
            "values.yaml",
        ),
        (
            vec![("c/Chart.yaml", CHART), ("c/values.yaml", "a: 1\n--- b\n")],
            "separator",
        ),
        (
            vec![
                ("c/Chart.yaml", CHART),
                ("c/Chart.lock", "-> ../../../etc/passwd"),
            ],
            "leads out",
        ),
        (vec![("c/Chart.yaml", CHART), ("c/loop", "-> loop")], "loop"),
        (
            vec![("c/Chart.yaml", CHART), ("c/self", "-> ../c")],
            "more than 40 links",
        ),
    ] {
        let error = Chart::from_tree(&tree(&files), "c")
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn an_archive_is_read_as_its_directory_is() {
    let inner = archive(&[("sub/Chart.yaml", b"{name: sub, version: 0.1.0}")]);
    let chart = Chart::from_archive(&archive(&[
        ("app/Chart.yaml", CHART.as_bytes()),
        ("app/values.yaml", b"a: {b: 1}\n---\na: {c: 2}\n"),
        ("app/.helmignore", b"templates\n"),
        ("app/templates/a.yaml", b"t"),
        ("app/charts/sub-0.1.0.tgz", &inner),
        ("app/charts/sub-0.1.0.tgz.prov", b"signed"),
    ]))
    .unwrap();
    assert_eq!(names(&chart.templates), ["templates/a.yaml"]);
    assert_eq!(
        names(&chart.files),
        [".helmignore", "charts/sub-0.1.0.tgz.prov"]
    );
    assert_eq!(chart.dependencies[0].name(), "sub");
    assert_eq!(
        fluvial_gotemplate::to_json(&chart.values.into()),
        r#"{"a":{"b":1,"c":2}}"#
    );
}

#[test]
fn hostile_archives_are_refused() {
    let chart = ("app/Chart.yaml", CHART.as_bytes());
    let mut nested = archive(&[chart]);
    for _ in 0..40 {
        nested = archive(&[chart, ("app/charts/x.tgz", &nested)]);
    }
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_path("app/values.yaml").unwrap();
    header.set_size(200 << 20);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    bomb.write_all(&vec![0; 1 << 20]).unwrap();
    let cut = archive(&[chart]);
    for (name, bytes) in [
        ("no gzip", b"name: app".to_vec()),
        ("empty", archive(&[])),
        ("cut", cut[..cut.len() / 2].to_vec()),
        ("traversal", archive(&[chart, ("app/../../x", b"x")])),
        ("absolute", archive(&[chart, ("app//etc/x", b"x")])),
        ("no directory", archive(&[("Chart.yaml", CHART.as_bytes())])),
        ("nested", nested),
        ("bomb", bomb.finish().unwrap()),
    ] {
        let error = Chart::from_archive(&bytes).unwrap_err();
        let is_limit = matches!(error, Error::Limit(_));
        assert_eq!(
            is_limit,
            matches!(name, "nested" | "bomb"),
            "{name}: {error}"
        );
    }
}
