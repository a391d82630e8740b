//! Charts among the files of another source: packed with what they need, and with nothing from elsewhere.

use fluvial_helm::Package;
use fluvial_manifest::{Entry, Tree};
use fluvial_source::Retry;
use fluvial_source::helm::{Built, ChartRequest, From, Repository, build};

use super::shelf::Shelf;
use super::{asking, entry, index, nobody, packed};

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.insert(path, Entry::file(text.as_bytes())).unwrap();
    }
    tree
}

fn from_tree(tree: Tree, chart: &str) -> ChartRequest {
    ChartRequest {
        from: From::Tree(tree),
        chart: chart.into(),
        ..asking(&Repository::new(""), Vec::new())
    }
}

#[test]
fn a_chart_among_files_is_packed_with_what_it_needs() {
    let shelf = Shelf::start();
    shelf.body(
        "/index.yaml",
        index(&entry("redis", "17.0.1", "redis.tgz", "")),
    );
    shelf.body("/redis.tgz", packed("redis", "17.0.1"));
    let address = shelf.url("");
    let chart = format!(
        "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n\
         - {{name: lib, version: '>=0.1', repository: 'file://../lib'}}\n\
         - {{name: redis, version: 17.x, repository: '{address}', alias: cache}}\n"
    );
    let lib = "apiVersion: v2\nname: lib\nversion: 0.2.0\n";
    let files = [
        ("charts/app/Chart.yaml", chart.as_str()),
        ("charts/app/values.yaml", "a: 1\n"),
        ("charts/lib/Chart.yaml", lib),
        ("prod.yaml", "a: 2\n"),
    ];
    let request = ChartRequest {
        values_files: vec!["charts/app/values.yaml".into(), "prod.yaml".into()],
        version_metadata: "0123456789ab.7".into(),
        ..from_tree(tree(&files), "./charts/app")
    };
    let anonymous = |url: &str| Ok(Repository::new(url));
    let Built::New {
        version,
        archive,
        dependencies,
        ..
    } = build(&request, &anonymous).unwrap()
    else {
        panic!("nothing was at hand")
    };
    assert_eq!(
        (version.as_str(), dependencies),
        ("0.1.0+0123456789ab.7", 2)
    );
    let package = Package::from_archive(&archive).unwrap();
    assert!(package.file("charts/lib/Chart.yaml").is_some());
    assert!(package.file("charts/cache/Chart.yaml").is_some());
    assert_eq!(package.file("values.yaml").unwrap(), b"a: 2\n");
    assert!(package.missing().is_empty());
}

#[test]
fn nothing_beside_the_source_is_taken() {
    let chart = |dependency: &str| {
        format!("apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n- {dependency}\n")
    };
    for (dependency, message) in [
        (
            "{name: x, version: '*', repository: 'file://../../../etc'}",
            "no chart found at",
        ),
        (
            "{name: x, version: '*', repository: 'file:///etc/x'}",
            "no chart found at",
        ),
        ("{name: ../../x, version: '*'}", ""),
        (
            "{name: x, version: '*', repository: 'alias:stable'}",
            "invalid chart repository url",
        ),
        (
            "{name: lib, version: '9.x', repository: 'file://../lib'}",
            "can't get a valid version for constraint '9.x'",
        ),
        (
            "{name: x, version: '*', repository: 'http://169.254.169.254/'}",
            "is a link-local, metadata or unspecified address",
        ),
    ] {
        let text = chart(dependency);
        let files = [
            ("app/Chart.yaml", text.as_str()),
            (
                "lib/Chart.yaml",
                "apiVersion: v2\nname: lib\nversion: 0.2.0\n",
            ),
        ];
        let request = from_tree(tree(&files), "app");
        let error = build(&request, &|url: &str| Ok(Repository::new(url))).unwrap_err();
        assert!(error.message.contains(message), "{dependency}: {error}");
    }
    // A lock that is a link is read in the source or not at all, and nothing is ever written to it.
    let mut hostile = tree(&[(
        "app/Chart.yaml",
        &chart("{name: x, version: '*', repository: 'https://h'}"),
    )]);
    let target = "../../../etc/passwd".to_owned();
    hostile
        .insert("app/Chart.lock", Entry::Link { target })
        .unwrap();
    let error = build(&from_tree(hostile, "app"), &nobody).unwrap_err();
    assert!(
        error.message.contains("leads out of the repository"),
        "{error}"
    );
    for chart in ["../app", "/../app", "missing", "app/Chart.yaml"] {
        let request = from_tree(
            tree(&[(
                "app/Chart.yaml",
                "apiVersion: v2\nname: a\nversion: 1.0.0\n",
            )]),
            chart,
        );
        let error = build(&request, &nobody).unwrap_err();
        assert_eq!(
            (error.reason, error.retry),
            ("InvalidChartReference", Retry::Never),
            "{chart}: {error}"
        );
    }
}
