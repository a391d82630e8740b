//! Clones: everything of a commit, and what a submodule may be.

use std::cell::RefCell;

use fluvial_source::{Credentials, GitRequest, Secret, clone};
use tempfile::TempDir;

use crate::repository::Repository;
use crate::server::{Manners, Server};

/// A repository whose submodule `lib` is this commit, at this URL.
fn with_submodule(commit: &str, url: Option<&str>) -> Repository {
    let modules = match url {
        Some(url) => format!("[submodule \"x\"]\n\tpath = lib\n\turl = {url}\n"),
        None => "[submodule \"x\"]\n\tpath = other\n\turl = https://host/x\n".to_owned(),
    };
    let repository = Repository::with(&[
        ("a", "1"),
        (".gitmodules", &modules),
        (".sourceignore", "/a\n"),
        ("x.zip", "z"),
    ]);
    repository.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},lib"),
    ]);
    repository.git(&["commit", "-q", "-m", "Lib"]);
    repository
}

fn disk(repository: &Repository) -> GitRequest {
    GitRequest::new(format!("file://{}", repository.path().display()))
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of `Keys`")]
fn nobody(_url: &str) -> Result<Credentials, fluvial_source::Error> {
    Ok(Credentials::Anonymous)
}

#[test]
fn what_artifacts_leave_out_is_there_and_submodules_are_in_their_place() {
    let lib = Repository::with(&[("b", "2"), ("c/d", "3")]);
    let server = Server::start(lib.root(), Manners::default());
    let repository = with_submodule(&lib.git(&["rev-parse", "HEAD"]), Some(&server.url()));
    let cache = TempDir::new().unwrap();
    let paths = |submodules: bool| {
        let tree = clone(&disk(&repository), submodules, &nobody, cache.path()).unwrap();
        let paths = tree.iter().map(|(path, _)| path.to_owned());
        paths.collect::<Vec<_>>()
    };
    let own = [".gitmodules", ".sourceignore", "a", "x.zip"];
    assert_eq!(paths(false), own);
    let mut all = own.to_vec();
    all.splice(3..3, ["lib/b", "lib/c/d"]);
    assert_eq!(paths(true), all);
}

#[test]
fn a_submodule_is_fetched_with_the_credentials_of_its_own_url() {
    let lib = Repository::with(&[("b", "2")]);
    let server = Server::start(lib.root(), Manners::default());
    let repository = with_submodule(&lib.git(&["rev-parse", "HEAD"]), Some(&server.url()));
    let asked = RefCell::new(Vec::new());
    let keys = |url: &str| {
        asked.borrow_mut().push(url.to_owned());
        Ok(Credentials::Anonymous)
    };
    let request = GitRequest {
        credentials: Credentials::Bearer {
            token: Secret::new("s3cr3t"),
        },
        ..disk(&repository)
    };
    clone(&request, true, &keys, TempDir::new().unwrap().path()).unwrap();
    assert_eq!(*asked.borrow(), [server.url()]);
    let shown = server.seen();
    assert!(!shown.is_empty() && shown.iter().all(Option::is_none));
}

#[test]
fn hostile_submodules_are_refused() {
    let commit = "1".repeat(40);
    for (url, words) in [
        (None, "has no `url`"),
        (Some("-uhttp://x"), "cannot use the URL"),
        (Some("/etc"), "on a disk"),
        (Some("file:///etc"), "on a disk"),
        (Some("FILE:///etc"), "on a disk"),
        (Some("../other"), "on a disk"),
        (Some("ext::sh -c x"), "on a disk"),
        (Some("http://169.254.169.254/x"), "cannot use the URL"),
        (Some("ssh://-oProxyCommand=x/y"), "cannot use the URL"),
    ] {
        let repository = with_submodule(&commit, url);
        let cache = TempDir::new().unwrap();
        let said = match clone(&disk(&repository), true, &nobody, cache.path()) {
            Ok(_) => "it is cloned".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(words), "{url:?}: {said}");
    }
}
