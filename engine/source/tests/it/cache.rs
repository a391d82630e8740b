//! The cache of git objects: damaged, shared between tenants, used by several at once.

use std::fs;

use fluvial_source::GitRequest;
use tempfile::TempDir;

use crate::http::{at, branch, new};
use crate::repository::Repository;
use crate::server::{Manners, Server};

#[test]
fn a_broken_cache_is_made_anew() {
    let repository = Repository::with(&[("a", "1"), ("dir/b", "2")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let request = at(&server.url(), branch("main"));
    let (revision, tree) = new(&request, &cache);
    let damages: [fn(&std::path::Path); 3] = [
        |repository| fs::write(repository.join("HEAD"), "nonsense").unwrap(),
        |repository| {
            for pack in fs::read_dir(repository.join("objects/pack")).unwrap() {
                fs::remove_file(pack.unwrap().path()).unwrap();
            }
        },
        |repository| {
            for pack in fs::read_dir(repository.join("objects/pack")).unwrap() {
                let pack = pack.unwrap().path();
                if pack
                    .extension()
                    .is_some_and(|extension| extension == "pack")
                {
                    fs::remove_file(&pack).unwrap();
                    fs::write(&pack, "PACKnonsense").unwrap();
                }
            }
        },
    ];
    for damage in damages {
        for entry in fs::read_dir(cache.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                damage(&path);
            }
        }
        assert_eq!(new(&request, &cache), (revision.clone(), tree.clone()));
    }
}

#[test]
fn tenants_share_no_objects() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let request = at(&server.url(), branch("main"));
    new(&request, &cache);
    let count = || fs::read_dir(cache.path()).unwrap().count();
    let before = count();
    new(
        &GitRequest {
            tenant: "other".to_owned(),
            ..request.clone()
        },
        &cache,
    );
    assert_eq!(count(), 2 * before);
    new(&request, &cache);
    assert_eq!(count(), 2 * before);
}

#[test]
fn two_at_once_wait_for_each_other() {
    let repository = Repository::with(&[("a", "1")]);
    let server = Server::start(repository.root(), Manners::default());
    let cache = TempDir::new().unwrap();
    let request = at(&server.url(), branch("main"));
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| new(&request, &cache)))
            .collect();
        for one in both {
            assert_eq!(one.join().unwrap().1.len(), 1);
        }
    });
}
