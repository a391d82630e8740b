//! One fetch: list the remote, compare, receive the commit, read its tree.
//!
//! Where the objects are kept is `cache`'s matter, how bytes travel `http`'s and `ssh`'s.

mod cache;
mod clone;
mod context;
mod explain;
mod http;
mod session;
mod ssh;
mod target;
mod tree;

use std::path::Path;

use fluvial_manifest::Tree;
use gix::ObjectId;

use self::cache::Cache;
pub use self::clone::{Keys, clone};
use self::session::Session;
use crate::{Error, GitRequest};

/// What the remote says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// In Flux's form: `main@sha1:…`.
    pub revision: String,
    /// The commit.
    pub sha: String,
}

/// What a fetch brought.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The remote is where it was observed.
    Unchanged {
        /// The observed revision.
        revision: String,
    },
    /// Another revision than the observed one.
    New {
        /// In Flux's form: `main@sha1:…`.
        revision: String,
        /// The commit.
        commit: Commit,
        /// Its files, without what the ignore rules leave out.
        tree: Tree,
    },
}

/// A commit, as git has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// 40 digits.
    pub sha: String,
    /// Who wrote the change.
    pub author: Person,
    /// Who made the commit.
    pub committer: Person,
    /// The first line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
}

/// A name in a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// As configured.
    pub name: String,
    /// As configured.
    pub email: String,
    /// Seconds since 1970.
    pub time: i64,
}

/// Asks the remote which commit the reference is, and receives nothing.
pub fn resolve(request: &GitRequest, cache_dir: &Path) -> Result<Resolved, Error> {
    let session = Session::new(request)?;
    let mut cache = Cache::open(cache_dir, &request.tenant, session.url())?;
    session.start_clock();
    cache.heal(|repository| {
        let found = session.find(repository)?;
        Ok(Resolved {
            revision: found.revision(),
            sha: found.commit.to_string(),
        })
    })
}

/// Brings the tree of the commit that the reference is now, unless it is the one observed.
///
/// Doing it twice is harmless. `cache_dir` may be deleted at any time between two calls; two calls
/// for the same repository wait for each other, and the timeout counts from when it is a call's turn.
pub fn fetch(request: &GitRequest, cache_dir: &Path) -> Result<Fetched, Error> {
    target::check_fields(request)?;
    let session = Session::new(request)?;
    let mut cache = Cache::open(cache_dir, &request.tenant, session.url())?;
    session.start_clock();
    cache.heal(|repository| {
        let found = session.find(repository)?;
        let revision = found.revision();
        if request.observed.as_ref() == Some(&revision) {
            return Ok(Fetched::Unchanged { revision });
        }
        let (id, revision) = session.receive(repository, found)?;
        let (commit, root) = read_commit(repository, id, session.url())?;
        let tree = tree::read(repository, root, &revision, request)?;
        Ok(Fetched::New {
            revision,
            commit,
            tree,
        })
    })
}

fn read_commit(
    repository: &gix::Repository,
    id: ObjectId,
    url: &str,
) -> Result<(Commit, ObjectId), Error> {
    let broken = |error: gix::Error| Error::Remote {
        url: url.to_owned(),
        why: format!("commit {id} cannot be read: {error}"),
    };
    let object = repository.find_commit(id).map_err(broken)?;
    let commit = object.decode().map_err(broken)?;
    let message = commit.message.to_string();
    let read = Commit {
        sha: id.to_string(),
        author: person(commit.author().map_err(broken)?),
        committer: person(commit.committer().map_err(broken)?),
        subject: message
            .trim_start()
            .lines()
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
        message,
    };
    Ok((read, commit.tree()))
}

fn person(signature: gix::actor::SignatureRef<'_>) -> Person {
    Person {
        name: signature.name.to_string(),
        email: signature.email.to_string(),
        time: signature.seconds(),
    }
}
