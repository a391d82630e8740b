//! Indexes and charts over HTTP: what is asked, what is believed, and to whom credentials are shown.

mod files;
mod registry;
pub(crate) mod shelf;

use std::time::Duration;

use fluvial_helm::Package;
use fluvial_manifest::{Entry, Tree};
use fluvial_source::helm::{
    Built, ChartRequest, Error, FetchedIndex, From, IndexRequest, Known, Limits, Repository,
    Validators, build, fetch_index,
};
use fluvial_source::{Credentials, Retry, Secret};

use shelf::{Answer, Shelf};

/// A chart of one file besides its own.
fn packed(name: &str, version: &str) -> Vec<u8> {
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let mut tree = Tree::new();
    for (path, text) in [
        ("c/Chart.yaml", chart.as_str()),
        ("c/values.yaml", "replicas: 1\nname: a\n"),
        ("c/prod.yaml", "replicas: 3\n"),
        ("c/templates/all.yaml", "kind: ConfigMap\n"),
    ] {
        tree.insert(path, Entry::file(text.as_bytes())).unwrap();
    }
    Package::from_tree(&tree, "c").unwrap().pack().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    fluvial_source::archive::digest(bytes).replace("sha256:", "")
}

fn entry(name: &str, version: &str, url: &str, digest: &str) -> String {
    format!(
        "  {name}:\n  - name: {name}\n    version: {version}\n    urls: ['{url}']\n    digest: '{digest}'\n"
    )
}

fn index(entries: &str) -> String {
    format!("apiVersion: v1\nentries:\n{entries}")
}

fn question(url: &str) -> IndexRequest {
    IndexRequest {
        repository: Repository::new(url),
        observed: None,
        validators: Validators::default(),
        limits: Limits::default(),
    }
}

fn basic(repository: &mut Repository) -> String {
    repository.credentials = Credentials::Basic {
        username: "me".into(),
        password: Secret::new("s3cr3t"),
    };
    "Basic bWU6czNjcjN0".to_owned()
}

/// The index of the shelf's `/charts`, as it is kept.
fn indexed(repository: &Repository) -> Vec<u8> {
    let request = IndexRequest {
        repository: repository.clone(),
        ..question("")
    };
    match fetch_index(&request).unwrap() {
        FetchedIndex::New { index, .. } => index,
        FetchedIndex::Unchanged { .. } => panic!("nothing was observed"),
    }
}

fn asking(repository: &Repository, index: Vec<u8>) -> ChartRequest {
    ChartRequest {
        chart: "app".into(),
        version: "*".into(),
        version_metadata: String::new(),
        values_files: Vec::new(),
        ignore_missing_values_files: false,
        from: From::Index {
            repository: repository.clone(),
            index,
        },
        known: None,
        limits: Limits::default(),
    }
}

fn nobody(_: &str) -> Result<Repository, Error> {
    panic!("no dependency is asked for")
}

#[test]
fn an_index_that_is_known_costs_one_question() {
    let shelf = Shelf::start();
    let text = index(&entry("app", "1.0.0", "app-1.0.0.tgz", ""));
    shelf.put(
        "/charts/index.yaml",
        Answer::Tagged("\"1\"", text.clone().into()),
    );
    let first = fetch_index(&question(&shelf.url("/charts"))).unwrap();
    let FetchedIndex::New {
        revision,
        validators,
        ..
    } = first
    else {
        panic!("{first:?}")
    };
    assert_eq!(revision, format!("sha256:{}", digest(text.as_bytes())));
    let again = IndexRequest {
        observed: Some(revision.clone()),
        validators: validators.clone(),
        ..question(&shelf.url("/charts/"))
    };
    let unchanged = FetchedIndex::Unchanged {
        revision: revision.clone(),
        validators,
    };
    assert_eq!(fetch_index(&again).unwrap(), unchanged);
    assert_eq!(shelf.asked()[1].headers["if-none-match"], "\"1\"");
    // A server that knows no tags sends it all, and its hash tells.
    shelf.body("/charts/index.yaml", text);
    assert!(
        matches!(fetch_index(&again).unwrap(), FetchedIndex::Unchanged { revision: it, .. } if it == revision)
    );
    shelf.body("/charts/index.yaml", index(&entry("app", "2.0.0", "a", "")));
    assert!(matches!(
        fetch_index(&again).unwrap(),
        FetchedIndex::New { .. }
    ));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn what_is_too_much_or_no_index_is_refused_with_the_limit() {
    let shelf = Shelf::start();
    let limits = Limits {
        index_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let text = index(&entry("app", "1.0.0", "app-1.0.0.tgz", ""));
    let whole = text.len() as u64;
    let of = |text: &str| Answer::Whole(200, Vec::new(), text.into());
    let cases: [(Answer, Limits, &str, &str); 7] = [
        (
            Answer::Endless(b"# and so on\n"),
            limits,
            "Failed",
            "the server sent more than 65536 bytes in one answer",
        ),
        (
            of(&text),
            Limits {
                index_bytes_max: whole - 1,
                ..limits
            },
            "Failed",
            "bytes in one answer",
        ),
        (
            of(&text),
            Limits {
                index_kept_bytes_max: 10,
                ..limits
            },
            "IndexationFailed",
            "have more than 10 bytes; split the repository",
        ),
        (
            of("<html>"),
            limits,
            "IndexationFailed",
            "is this the address of a chart repository?",
        ),
        (
            of("entries: {}"),
            limits,
            "IndexationFailed",
            "no API version specified",
        ),
        (
            Answer::Whole(404, Vec::new(), Vec::new()),
            limits,
            "Failed",
            "the server answers 404 Not Found; check spec.url",
        ),
        (
            Answer::Whole(503, Vec::new(), Vec::new()),
            limits,
            "Failed",
            "the server answers 503 Service Unavailable",
        ),
    ];
    for (answer, limits, reason, message) in cases {
        shelf.put("/index.yaml", answer);
        let request = IndexRequest {
            limits,
            ..question(&shelf.url(""))
        };
        let error = fetch_index(&request).unwrap_err();
        assert_eq!(error.reason, reason, "{error}");
        assert!(error.message.contains(message), "{error}");
        assert_ne!(error.retry, Retry::Never, "it may be mended there");
    }
    shelf.put("/index.yaml", of(&text));
    let exactly = IndexRequest {
        limits: Limits {
            index_bytes_max: whole,
            ..limits
        },
        ..question(&shelf.url(""))
    };
    assert!(fetch_index(&exactly).is_ok());
}

#[test]
fn a_silent_server_is_given_up_on_in_time() {
    let shelf = Shelf::start();
    shelf.put("/index.yaml", Answer::Silent);
    let mut request = question(&shelf.url(""));
    request.repository.timeout = Duration::from_millis(300);
    let error = fetch_index(&request).unwrap_err();
    assert!(
        error.message.contains("within 0 s; raise spec.timeout"),
        "{error}"
    );
}

#[test]
fn places_that_nobody_may_be_sent_to_are_refused() {
    for url in [
        "http://169.254.169.254/charts",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0:1/",
        "oci://host/charts",
        "ssh://git@host/x",
    ] {
        let error = fetch_index(&question(url)).unwrap_err();
        assert_eq!(
            (error.reason, error.retry),
            ("URLInvalid", Retry::Never),
            "{url}: {error}"
        );
    }
    let shelf = Shelf::start();
    for target in [
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
    ] {
        shelf.redirect("/index.yaml", target);
        assert!(fetch_index(&question(&shelf.url(""))).is_err(), "{target}");
    }
    shelf.redirect("/index.yaml", "/index.yaml");
    let error = fetch_index(&question(&shelf.url(""))).unwrap_err();
    assert!(
        error.message.contains("redirects more than 10 times"),
        "{error}"
    );
}

#[test]
fn credentials_stay_at_home() {
    let (home, other) = (Shelf::start(), Shelf::start());
    let chart = packed("app", "1.0.0");
    other.body("/app.tgz", chart.clone());
    let mut repository = Repository::new(home.url("/charts"));
    let proof = basic(&mut repository);
    let there = index(&entry(
        "app",
        "1.0.0",
        &other.url("/app.tgz"),
        &digest(&chart),
    ));
    let guarded = Answer::Guarded(
        proof.clone(),
        "Basic realm=\"x\"".into(),
        Box::new(Answer::Whole(200, Vec::new(), there.into())),
    );
    home.put("/charts/index.yaml", guarded);
    let request = asking(&repository, indexed(&repository));
    assert_eq!(home.proofs(), [Some(proof.clone())]);
    build(&request, &nobody).unwrap();
    assert_eq!(other.proofs(), [None], "another host is told nothing");

    // Unless the owner says so.
    repository.pass_credentials = true;
    let index = indexed(&repository);
    build(&asking(&repository, index), &nobody).unwrap();
    assert_eq!(other.proofs().last().unwrap().as_ref(), Some(&proof));

    // Where a redirect leads, they never go.
    home.redirect("/charts/index.yaml", &other.url("/app.tgz"));
    let redirected = IndexRequest {
        repository,
        ..question("")
    };
    fetch_index(&redirected).unwrap_err();
    assert_eq!(other.proofs().last().unwrap(), &None);
    assert!(other.asked().iter().all(|it| it.target == "/app.tgz"));
}

#[test]
fn who_may_not_ask_is_told_what_to_do() {
    let shelf = Shelf::start();
    let guarded = Answer::Guarded(
        "Basic bWU6czNjcjN0".into(),
        "Basic realm=\"x\"".into(),
        Box::new(Answer::Silent),
    );
    shelf.put("/index.yaml", guarded);
    let error = fetch_index(&question(&shelf.url(""))).unwrap_err();
    assert_eq!(error.reason, "AuthenticationFailed");
    assert!(
        error
            .message
            .contains("name a Secret with them in spec.secretRef"),
        "{error}"
    );
    let mut request = question(&shelf.url(""));
    request.repository.credentials = Credentials::Basic {
        username: "me".into(),
        password: Secret::new("0ther"),
    };
    let error = fetch_index(&request).unwrap_err();
    assert!(error.message.contains("check the credentials"), "{error}");
    assert!(!error.message.contains("0ther"), "{error}");
}

#[test]
fn a_chart_is_the_one_that_the_index_says() {
    let shelf = Shelf::start();
    let chart = packed("app", "1.0.0");
    shelf.body("/charts/app-1.0.0.tgz", chart.clone());
    let repository = Repository::new(shelf.url("/charts"));
    for (found, expected) in [
        (digest(&chart), None),
        (String::new(), None),
        ("0".repeat(64), Some("the index says another")),
    ] {
        shelf.body(
            "/charts/index.yaml",
            index(&entry("app", "1.0.0", "app-1.0.0.tgz", &found)),
        );
        let request = asking(&repository, indexed(&repository));
        match (build(&request, &nobody), expected) {
            (
                Ok(Built::New {
                    name,
                    version,
                    archive,
                    packaged,
                    ..
                }),
                None,
            ) => {
                assert_eq!(
                    (name.as_str(), version.as_str(), packaged),
                    ("app", "1.0.0", false)
                );
                assert_eq!(archive, chart, "it is taken as it is");
            }
            (Err(error), Some(expected)) => {
                assert_eq!(error.reason, "ChartPullError");
                assert!(error.message.contains(expected), "{error}");
            }
            (other, _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_chart_at_hand_is_not_pulled_again() {
    let shelf = Shelf::start();
    shelf.body("/index.yaml", index(&entry("app", "1.0.0", "app.tgz", "")));
    let repository = Repository::new(shelf.url(""));
    let mut request = asking(&repository, indexed(&repository));
    request.known = Some(Known {
        name: "app".into(),
        version: "1.0.0".into(),
    });
    assert_eq!(build(&request, &nobody).unwrap(), Built::Unchanged);
    assert_eq!(shelf.asked().len(), 1, "the index alone");
    "7".clone_into(&mut request.version_metadata);
    assert!(build(&request, &nobody).is_err(), "another one is pulled");
}

#[test]
fn what_is_asked_for_wrongly_waits_for_a_change() {
    let shelf = Shelf::start();
    shelf.body("/index.yaml", index(&entry("app", "1.0.0", "app.tgz", "")));
    shelf.body("/app.tgz", packed("app", "1.0.0"));
    let repository = Repository::new(shelf.url(""));
    let base = asking(&repository, indexed(&repository));
    for (chart, version, files, reason, message) in [
        (
            "other",
            "*",
            vec![],
            "InvalidChartReference",
            "no chart name found",
        ),
        (
            "app",
            "2.x",
            vec![],
            "InvalidChartReference",
            "no 'app' chart with version matching '2.x' found",
        ),
        (
            "app",
            "nonsense",
            vec![],
            "InvalidChartReference",
            "'nonsense' is no range of versions",
        ),
        (
            "../app",
            "*",
            vec![],
            "InvalidChartReference",
            "invalid chart name '../app'",
        ),
        (
            "app",
            "*",
            vec!["none.yaml"],
            "ValuesFilesError",
            "no values file found at path 'none.yaml'",
        ),
        (
            "app",
            "*",
            vec!["../../secrets.yaml"],
            "ValuesFilesError",
            "no values file found",
        ),
        (
            "app",
            "*",
            vec!["https://host/x.yaml"],
            "ValuesFilesError",
            "no values file found",
        ),
    ] {
        let request = ChartRequest {
            chart: chart.into(),
            version: version.into(),
            values_files: files.into_iter().map(str::to_owned).collect(),
            ..base.clone()
        };
        let error = build(&request, &nobody).unwrap_err();
        assert_eq!(
            (error.reason, error.retry),
            (reason, Retry::Never),
            "{error}"
        );
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn values_files_take_the_place_of_the_charts_own() {
    let shelf = Shelf::start();
    shelf.body("/index.yaml", index(&entry("app", "1.0.0", "app.tgz", "")));
    shelf.body("/app.tgz", packed("app", "1.0.0"));
    let repository = Repository::new(shelf.url(""));
    let request = ChartRequest {
        values_files: ["values.yaml", "none.yaml", "prod.yaml"]
            .map(str::to_owned)
            .into(),
        ignore_missing_values_files: true,
        version_metadata: "7".into(),
        ..asking(&repository, indexed(&repository))
    };
    let Built::New {
        version,
        archive,
        values_files,
        packaged,
        ..
    } = build(&request, &nobody).unwrap()
    else {
        panic!("nothing was at hand")
    };
    assert_eq!((version.as_str(), packaged), ("1.0.0+7", true));
    assert_eq!(values_files, ["values.yaml", "prod.yaml"]);
    let package = Package::from_archive(&archive).unwrap();
    assert_eq!(
        package.file("values.yaml").unwrap(),
        b"name: a\nreplicas: 3\n"
    );
    assert_eq!(package.metadata().version, "1.0.0+7");
}
