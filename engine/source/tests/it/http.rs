//! References, credentials, trust and redirects, over HTTP.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fluvial_manifest::{Entry, Tree};
use fluvial_source::{
    Credentials, Error, Fetched, GitRequest, Reference, Retry, Secret, Tls, fetch,
    from_secret_data, proxy_from_secret_data, resolve,
};
use tempfile::TempDir;

use crate::repository::Repository;
use crate::server::{Manners, Server};

const ME: &str = "Basic bWU6czNjcjN0";

fn basic(password: &str) -> Credentials {
    Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new(password),
    }
}

pub(crate) fn new(request: &GitRequest, cache: &TempDir) -> (String, Tree) {
    match fetch(request, cache.path()).unwrap() {
        Fetched::New { revision, tree, .. } => (revision, tree),
        Fetched::Unchanged { revision } => panic!("nothing new at {revision}"),
    }
}

pub(crate) fn at(url: &str, reference: Reference) -> GitRequest {
    GitRequest {
        reference,
        ..GitRequest::new(url)
    }
}

pub(crate) fn branch(name: &str) -> Reference {
    Reference {
        branch: Some(name.to_owned()),
        ..Reference::default()
    }
}

fn tag(name: &str) -> Reference {
    Reference {
        tag: Some(name.to_owned()),
        ..Reference::default()
    }
}

fn semver(range: &str) -> Reference {
    Reference {
        semver: Some(range.to_owned()),
        ..Reference::default()
    }
}

fn commit(sha: &str) -> Reference {
    Reference {
        commit: Some(sha.to_owned()),
        ..Reference::default()
    }
}

fn on_main(sha: &str) -> Reference {
    Reference {
        branch: Some("main".to_owned()),
        ..commit(sha)
    }
}

fn name(name: &str) -> Reference {
    Reference {
        name: Some(name.to_owned()),
        ..Reference::default()
    }
}

#[test]
fn every_kind_of_reference_leads_to_its_revision_and_files() {
    let repository = Repository::with(&[("a.yaml", "one")]);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "v1.0.0"]);
    repository.git(&["update-ref", "refs/pull/7/head", &first]);
    let second = repository.commit(&[("a.yaml", "two")]);
    repository.git(&["tag", "-a", "-m", "annotated", "1.1.0"]);
    repository.git(&["tag", "v2.0.0-rc.1"]);
    let third = repository.commit(&[("a.yaml", "three")]);
    repository.git(&["branch", "dev/next", &second]);

    let table = [
        (branch("main"), format!("main@sha1:{third}"), "three"),
        (branch("dev/next"), format!("dev/next@sha1:{second}"), "two"),
        (tag("v1.0.0"), format!("v1.0.0@sha1:{first}"), "one"),
        (tag("1.1.0"), format!("1.1.0@sha1:{second}"), "two"),
        (semver("1.x"), format!("1.1.0@sha1:{second}"), "two"),
        (semver("~1.0"), format!("v1.0.0@sha1:{first}"), "one"),
        (
            semver(">=1.0.0-0"),
            format!("v2.0.0-rc.1@sha1:{second}"),
            "two",
        ),
        (commit(&first), format!("sha1:{first}"), "one"),
        (on_main(&first), format!("main@sha1:{first}"), "one"),
        (
            name("refs/pull/7/head"),
            format!("refs/pull/7/head@sha1:{first}"),
            "one",
        ),
        (
            name("refs/heads/main"),
            format!("refs/heads/main@sha1:{third}"),
            "three",
        ),
        (name("HEAD"), format!("HEAD@sha1:{third}"), "three"),
    ];
    for old_protocol in [false, true] {
        let server = Server::start(
            repository.root(),
            Manners {
                old_protocol,
                ..Manners::default()
            },
        );
        let cache = TempDir::new().unwrap();
        for (reference, revision, text) in &table {
            let mut request = at(&server.url(), reference.clone());
            let (got, tree) = new(&request, &cache);
            assert_eq!(&got, revision);
            assert_eq!(
                tree.file("a.yaml").unwrap(),
                text.as_bytes(),
                "{reference:?}"
            );
            assert_eq!(&resolve(&request, cache.path()).unwrap().revision, revision);

            request.observed = Some(got);
            let again = fetch(&request, cache.path()).unwrap();
            assert!(
                matches!(again, Fetched::Unchanged { .. }),
                "{reference:?} was fetched again"
            );
        }
    }
}

#[test]
fn a_commit_need_not_be_a_tip() {
    let repository = Repository::with(&[("a", "1")]);
    let inner = repository.commit(&[("a", "2")]);
    repository.commit(&[("a", "3")]);
    for old_protocol in [false, true] {
        let manners = Manners {
            old_protocol,
            ..Manners::default()
        };
        let server = Server::start(repository.root(), manners);
        for reference in [commit(&inner), on_main(&inner)] {
            let (revision, tree) = new(&at(&server.url(), reference), &TempDir::new().unwrap());
            assert!(revision.ends_with(&format!("sha1:{inner}")), "{revision}");
            assert_eq!(tree.file("a").unwrap(), b"2");
        }
        let elsewhere = Reference {
            branch: Some("gone".to_owned()),
            ..commit(&inner)
        };
        let request = at(&server.url(), elsewhere);
        let error = fetch(&request, TempDir::new().unwrap().path()).unwrap_err();
        assert!(error.to_string().contains("branch 'gone'"), "{error}");
    }
}

#[test]
fn a_commit_tells_who_and_why() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let Fetched::New { commit, .. } =
        fetch(&at(&server.url(), branch("main")), cache.path()).unwrap()
    else {
        panic!("nothing new")
    };
    assert_eq!(
        (commit.author.name.as_str(), commit.author.time),
        ("Ada", 1_700_000_000)
    );
    assert_eq!(
        (commit.committer.email.as_str(), commit.committer.time),
        ("grace@example.com", 1_700_000_001)
    );
    assert_eq!(commit.subject, "Add files.");
    assert_eq!(commit.message, "Add files.\n\nAll of them.\n");
}

#[test]
fn files_links_and_modes_arrive_as_they_are_and_submodules_do_not() {
    let repository = Repository::with(&[("dir/run.sh", "#!/bin/sh"), ("b.bin", "\u{0}\u{1}")]);
    std::os::unix::fs::symlink("dir/run.sh", repository.path().join("link")).unwrap();
    repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},sub", "1".repeat(40)),
    ]);
    repository.git(&["add", "link"]);
    repository.git(&["update-index", "--chmod=+x", "dir/run.sh"]);
    repository.git(&["commit", "-q", "-m", "more"]);
    let server = Server::start(repository.root(), Manners::default());
    let (_, tree) = new(&at(&server.url(), branch("main")), &TempDir::new().unwrap());
    let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["b.bin", "dir/run.sh", "link"]);
    assert!(matches!(
        tree.get("dir/run.sh"),
        Some(Entry::File {
            executable: true,
            ..
        })
    ));
    assert!(matches!(
        tree.get("b.bin"),
        Some(Entry::File {
            executable: false,
            ..
        })
    ));
    assert_eq!(
        tree.get("link"),
        Some(&Entry::Link {
            target: "dir/run.sh".to_owned()
        })
    );
}

#[test]
fn a_rewritten_branch_is_followed() {
    let repository = Repository::with(&[("a", "1")]);
    let base = repository.git(&["rev-parse", "HEAD"]);
    repository.commit(&[("a", "2"), ("old", "x")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let mut request = at(&server.url(), branch("main"));
    request.observed = Some(new(&request, &cache).0);
    repository.git(&["reset", "-q", "--hard", &base]);
    let rewritten = repository.commit(&[("a", "3")]);
    let (revision, tree) = new(&request, &cache);
    assert_eq!(revision, format!("main@sha1:{rewritten}"));
    assert_eq!(tree.file("a").unwrap(), b"3");
    assert!(tree.get("old").is_none());
}

#[test]
fn credentials_decide_who_may_read() {
    let repository = Repository::with(&[("a", "1")]);
    let bearer = |token: &str| Credentials::Bearer {
        token: Secret::new(token),
    };
    let table = [
        (ME, basic("s3cr3t"), true),
        (ME, basic("wrong-pass"), false),
        (ME, Credentials::Anonymous, false),
        (ME, bearer("t0k3n"), false),
        ("Bearer t0k3n", bearer("t0k3n"), true),
        ("Bearer t0k3n", bearer("wrong-token"), false),
    ];
    for (wanted, credentials, may) in table {
        let manners = Manners {
            authorization: Some(wanted.to_owned()),
            ..Manners::default()
        };
        let server = Server::start(repository.root(), manners);
        let request = GitRequest {
            credentials: credentials.clone(),
            ..at(&server.url(), branch("main"))
        };
        let outcome = fetch(&request, TempDir::new().unwrap().path());
        match outcome {
            Ok(Fetched::New { .. }) => assert!(may, "{credentials:?}"),
            Err(error @ Error::Authentication { .. }) => {
                assert!(!may, "{error}");
                assert_eq!(
                    (error.reason(), error.retry()),
                    ("AuthenticationFailed", Retry::Later)
                );
                let text = format!("{error} {error:?}");
                assert!(
                    !text.contains("wrong-") && text.contains("secretRef"),
                    "{text}"
                );
            }
            other => panic!("{credentials:?}: {other:?}"),
        }
    }
}

#[test]
fn user_and_password_in_the_url_serve_and_are_never_shown() {
    let repository = Repository::with(&[("a", "1")]);
    let manners = Manners {
        authorization: Some(ME.to_owned()),
        ..Manners::default()
    };
    let server = Server::start(repository.root(), manners);
    new(
        &at(&server.url_with("me:s3cr3t"), branch("main")),
        &TempDir::new().unwrap(),
    );
    let error = fetch(
        &at(&server.url_with("me:b4d"), branch("main")),
        TempDir::new().unwrap().path(),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }));
    assert!(!format!("{error} {error:?}").contains("b4d"), "{error}");
}

#[test]
fn a_server_is_trusted_by_its_authority_only() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start_tls(repository.root(), Manners::default());
    let data = BTreeMap::from([("ca.crt".to_owned(), server.ca.clone().into_bytes())]);
    let (credentials, tls) = from_secret_data(&server.url(), &data).unwrap();
    let trusting = GitRequest {
        credentials,
        tls,
        ..at(&server.url(), branch("main"))
    };
    new(&trusting, &TempDir::new().unwrap());

    let error = fetch(
        &at(&server.url(), branch("main")),
        TempDir::new().unwrap().path(),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Trust { .. }), "{error:?}");
    assert!(error.to_string().contains("ca.crt"), "{error}");
}

#[test]
fn a_redirect_is_followed_and_leaves_the_credentials_behind() {
    let repository = Repository::with(&[("a", "1")]);
    let new_home = Server::start(repository.root(), Manners::default());
    let manners = Manners {
        redirect: Some(new_home.base()),
        ..Manners::default()
    };
    let old_home = Server::start(repository.root(), manners);
    let request = GitRequest {
        credentials: basic("s3cr3t"),
        ..at(&old_home.url(), branch("main"))
    };
    new(&request, &TempDir::new().unwrap());
    assert_eq!(
        old_home.seen().first(),
        Some(&Some(ME.to_owned())),
        "the old home is not asked"
    );
    assert!(new_home.seen().len() > 1, "the new home was not used");
    assert!(
        new_home.seen().iter().all(Option::is_none),
        "credentials crossed hosts"
    );
}

#[test]
fn redirects_that_lead_astray_are_refused() {
    let repository = Repository::with(&[("a", "1")]);
    for target in [
        "file:///etc",
        "ssh://host",
        "gopher://host",
        "http://169.254.169.254",
        "http://0.0.0.0",
    ] {
        let manners = Manners {
            redirect: Some(target.to_owned()),
            ..Manners::default()
        };
        let server = Server::start(repository.root(), manners);
        let error = fetch(
            &at(&server.url(), branch("main")),
            TempDir::new().unwrap().path(),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains("redirects to"),
            "{target}: {error}"
        );
    }
}

#[test]
fn a_loop_of_redirects_ends() {
    let repository = Repository::with(&[("a", "1")]);
    // Relative to where it was asked: to itself.
    let manners = Manners {
        redirect: Some(String::new()),
        ..Manners::default()
    };
    let server = Server::start(repository.root(), manners);
    let error = fetch(
        &at(&server.url(), branch("main")),
        TempDir::new().unwrap().path(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("redirects more than 5 times"),
        "{error}"
    );
    assert_eq!(server.seen().len(), 6);
}

#[test]
fn a_proxy_is_gone_through() {
    let repository = Repository::with(&[("a", "1")]);
    let proxy = Server::start(repository.root(), Manners::default());
    let data = [
        ("address", proxy.base()),
        ("username", "me".to_owned()),
        ("password", "pw".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value.into_bytes()));
    let request = GitRequest {
        proxy: Some(proxy_from_secret_data(&BTreeMap::from(data)).unwrap()),
        ..at("http://git.invalid/repo", branch("main"))
    };
    new(&request, &TempDir::new().unwrap());

    let data = BTreeMap::from([("address".to_owned(), b"socks5://h:1".to_vec())]);
    let request = GitRequest {
        proxy: Some(proxy_from_secret_data(&data).unwrap()),
        ..request
    };
    let error = fetch(&request, TempDir::new().unwrap().path()).unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }), "{error:?}");
}

#[test]
fn a_server_may_ask_for_the_clients_certificate() {
    let repository = Repository::with(&[("a", "1")]);
    let (server, certificate, key) = Server::start_mutual_tls(repository.root());
    let data = BTreeMap::from(
        [
            ("ca.crt", server.ca.clone()),
            ("tls.crt", certificate),
            ("tls.key", key),
        ]
        .map(|(name, pem)| (name.to_owned(), pem.into_bytes())),
    );
    let (credentials, tls) = from_secret_data(&server.url(), &data).unwrap();
    let request = GitRequest {
        credentials,
        tls,
        ..at(&server.url(), branch("main"))
    };
    new(&request, &TempDir::new().unwrap());

    let nameless = GitRequest {
        tls: Tls {
            client: None,
            ..request.tls.clone()
        },
        ..request
    };
    fetch(&nameless, TempDir::new().unwrap().path()).unwrap_err();
}

#[test]
fn refusals_of_a_server_are_told_apart() {
    let repository = Repository::with(&[("a", "1")]);
    let table = [
        ("404 Not Found", "RepositoryNotFound", Retry::Later),
        ("403 Forbidden", "Authentication", Retry::Later),
        ("503 Service Unavailable", "Unreachable", Retry::Soon),
        ("429 Too Many Requests", "Unreachable", Retry::Soon),
        ("418 I'm a teapot", "Remote", Retry::Soon),
    ];
    for (status, variant, retry) in table {
        let server = Server::start(
            repository.root(),
            Manners {
                status: Some(status),
                ..Manners::default()
            },
        );
        let error = fetch(
            &at(&server.url(), branch("main")),
            TempDir::new().unwrap().path(),
        )
        .unwrap_err();
        assert!(
            format!("{error:?}").starts_with(variant),
            "{status}: {error:?}"
        );
        assert_eq!(error.retry(), retry, "{status}");
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let absent = "0123456789abcdef0123456789abcdef01234567";
    let table = [
        (Reference::default(), "branch 'master'", "main"),
        (branch("gone"), "branch 'gone'", "main"),
        (tag("v1"), "tag 'v1'", "no tags"),
        (semver(">=1"), "range '>=1'", "no tags"),
        (name("refs/pull/1/head"), "refs/pull/1/head", "main"),
        (commit(absent), absent, "branch"),
    ];
    for (reference, what, instead) in table {
        let error = fetch(&at(&server.url(), reference), cache.path()).unwrap_err();
        assert!(
            matches!(error, Error::ReferenceNotFound { .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(instead), "{text}");
    }
}

#[test]
fn an_empty_repository_is_called_empty() {
    let repository = Repository::new();
    let server = Server::start(repository.root(), Manners::default());
    let error = fetch(
        &GitRequest::new(server.url()),
        TempDir::new().unwrap().path(),
    )
    .unwrap_err();
    assert_eq!(
        (error.reason(), error.retry()),
        ("EmptyGitRepository", Retry::Later),
        "{error}"
    );
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:s3cr3t@{}/repo", listener.local_addr().unwrap());
    drop(listener);
    let error = fetch(&GitRequest::new(url), TempDir::new().unwrap().path()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("refused") && !text.contains("s3cr3t"),
        "{text}"
    );
}

#[test]
fn a_server_that_hangs_costs_no_more_than_the_timeout() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start(
        repository.root(),
        Manners {
            hangs: true,
            ..Manners::default()
        },
    );
    let timeout = Duration::from_millis(300);
    let request = GitRequest {
        timeout,
        ..at(&server.url(), branch("main"))
    };
    let start = Instant::now();
    let error = fetch(&request, TempDir::new().unwrap().path()).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Soon);
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
}
