//! All that a clone has: every file of a commit, and its submodules in their place.
//!
//! Artifacts are made by `fetch`, which leaves out what Flux leaves out; this is for who reads a repository as git
//! does, such as kustomize a remote base.

use std::path::Path;

use fluvial_manifest::Tree;
use gix::ObjectId;

use super::cache::{self, Cache};
use super::session::Session;
use super::tree::{self, Submodule, Whole};
use super::{read_commit, target};
use crate::{Credentials, Error, GitRequest, Reference, address};

/// Submodules inside each other.
const DEPTH_MAX: usize = 8;
/// Submodules of one clone, with those inside them.
const COUNT_MAX: usize = 100;

/// Who asks at a URL, for a submodule may be on another host than what names it.
pub type Keys<'a> = dyn Fn(&str) -> Result<Credentials, Error> + 'a;

/// All files of the commit that the reference is now. With `submodules`, what those have is in their place; they
/// come over http, https and ssh alone, as in git. A repository of this disk is `file://PATH`, and
/// `user@host:path` stands for `ssh://user@host/path`.
pub fn clone(
    request: &GitRequest,
    submodules: bool,
    keys: &Keys<'_>,
    cache_dir: &Path,
) -> Result<Tree, Error> {
    let mut cloning = Cloning {
        keys,
        cache_dir,
        submodules,
        left: COUNT_MAX,
    };
    cloning.tree(request, 0)
}

struct Cloning<'a> {
    keys: &'a Keys<'a>,
    cache_dir: &'a Path,
    submodules: bool,
    left: usize,
}

impl Cloning<'_> {
    fn tree(&mut self, request: &GitRequest, depth: usize) -> Result<Tree, Error> {
        let Whole {
            mut tree,
            submodules,
        } = self.files(request)?;
        if !self.submodules {
            return Ok(tree);
        }
        for submodule in submodules {
            let refuse = |why: String| Error::Content {
                revision: address::redact(&request.url),
                path: format!("the submodule '{}'", submodule.path),
                why,
            };
            if depth == DEPTH_MAX {
                let why = format!("submodules are nested more than {DEPTH_MAX} deep");
                return Err(refuse(why));
            }
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| refuse(format!("there are more than {COUNT_MAX} submodules")))?;
            let inner = self.tree(&self.request_of(&submodule, request, &refuse)?, depth + 1)?;
            for (path, entry) in inner.iter() {
                tree.insert(&format!("{}/{path}", submodule.path), entry.clone())
                    .map_err(|error| refuse(error.to_string()))?;
            }
        }
        Ok(tree)
    }

    fn request_of(
        &self,
        submodule: &Submodule,
        around: &GitRequest,
        refuse: &dyn Fn(String) -> Error,
    ) -> Result<GitRequest, Error> {
        let Some(written) = &submodule.url else {
            return Err(refuse(
                ".gitmodules has no `url` for it; add one, or say ?submodules=false".to_owned(),
            ));
        };
        let url = url(&relative(&around.url, written));
        if is_file(&url) || !url.contains("://") {
            return Err(refuse(format!(
                "{} is on a disk; give it a URL of http, https or ssh, or say ?submodules=false",
                address::redact(&url)
            )));
        }
        Ok(GitRequest {
            reference: Reference {
                commit: Some(submodule.commit.clone()),
                ..Reference::default()
            },
            credentials: (self.keys)(&url)?,
            url,
            ..around.clone()
        })
    }

    fn files(&self, request: &GitRequest) -> Result<Whole, Error> {
        let request = &GitRequest {
            url: url(&request.url),
            ..request.clone()
        };
        if let Some(path) = request.url.strip_prefix("file://") {
            return on_disk(Path::new(path), request);
        }
        let session = Session::new(request)?;
        let mut cache = Cache::open(self.cache_dir, &request.tenant, session.url())?;
        session.start_clock();
        cache.heal(|repository| {
            let found = session.find(repository)?;
            let (id, revision) = session.receive(repository, found)?;
            let (_, root) = read_commit(repository, id, session.url())?;
            tree::read_whole(repository, root, &revision, request)
        })
    }
}

/// A repository of this disk, which needs no cache.
fn on_disk(path: &Path, request: &GitRequest) -> Result<Whole, Error> {
    let url = request.url.clone();
    let repository =
        gix::open_opts(path, cache::options()).map_err(|error| Error::RepositoryNotFound {
            url: url.clone(),
            why: format!("{error}; check the path"),
        })?;
    let name = request.reference.name.as_deref().unwrap_or("HEAD");
    let what = match &request.reference.commit {
        Some(commit) => format!("commit {commit}"),
        None => format!("reference '{name}'"),
    };
    let absent = |why: &str| Error::ReferenceNotFound {
        url: url.clone(),
        what: what.clone(),
        why: why.to_owned(),
    };
    let id = match &request.reference.commit {
        Some(commit) => ObjectId::from_hex(commit.as_bytes())
            .ok()
            .filter(|id| repository.has_object(*id)),
        None => repository
            .try_find_reference(name)
            .ok()
            .flatten()
            .and_then(|reference| reference.into_fully_peeled_id().ok())
            .map(gix::Id::detach),
    };
    let id = id.ok_or_else(|| absent("the repository does not have it; correct the reference"))?;
    let (_, root) = read_commit(&repository, id, &url)?;
    let revision = target::revision(Some(name), &id.to_string());
    tree::read_whole(&repository, root, &revision, request)
}

fn is_file(url: &str) -> bool {
    let scheme = url.get(.."file://".len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://"))
}

/// `user@host:path` as the URL that it stands for.
fn url(clone: &str) -> String {
    match clone.split_once(':') {
        Some((host, path))
            if !clone.contains("://") && !host.contains('/') && !path.starts_with(':') =>
        {
            format!("ssh://{host}/{path}")
        }
        _ => clone.to_owned(),
    }
}

/// What `.gitmodules` names, `./` and `../` counted from the URL of the repository that it is in.
fn relative(around: &str, written: &str) -> String {
    if !written.starts_with("./") && !written.starts_with("../") {
        return written.to_owned();
    }
    let mut base = around.trim_end_matches('/');
    let mut rest = written;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
            rest = after;
        } else {
            return format!("{base}/{rest}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_calls_a_place_is_a_url() {
        for (clone, want) in [
            (
                "git@github.com:org/repo.git",
                "ssh://git@github.com/org/repo.git",
            ),
            ("https://host:8443/org/repo", "https://host:8443/org/repo"),
            ("ssh://git@host:22/repo", "ssh://git@host:22/repo"),
            ("/srv/a:b", "/srv/a:b"),
            ("ext::sh", "ext::sh"),
        ] {
            assert_eq!(url(clone), want);
        }
    }

    #[test]
    fn submodules_are_named_from_the_repository_around_them() {
        for (written, want) in [
            ("https://other/x.git", "https://other/x.git"),
            ("../x.git", "https://host/org/x.git"),
            ("../../x.git", "https://host/x.git"),
            ("./x.git", "https://host/org/repo.git/x.git"),
        ] {
            assert_eq!(relative("https://host/org/repo.git/", written), want);
        }
    }
}
