//! How one kustomization reaches its files: relative to its directory, inside the tree, and inside
//! its own directory when that is asked for.

use std::str;

use fluvial_manifest::Tree;
use fluvial_manifest::tree::{self, join};

use crate::Restriction;
use crate::chart::{ChartAt, Charts};
use crate::error::{Error, Result};
use crate::remote::{Asked, Brought, Remote, Repository, is_remote};

/// A directory that is being built, and the directories that led to it.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    tree: &'a Tree,
    restriction: Restriction,
    root: String,
    /// Directories being built around this one, outermost first.
    referrers: Vec<String>,
    /// What was brought from elsewhere; nothing when that is not allowed.
    asked: Option<&'a Asked<'a>>,
    /// How charts are rendered; nothing when they are not.
    charts: Option<Charts<'a>>,
    /// URLs of the repositories around this directory, outermost first.
    repositories: Vec<String>,
}

impl<'a> Loader<'a> {
    /// With `asked`, what is remote may have been brought; otherwise it is refused.
    pub(crate) fn new(
        tree: &'a Tree,
        path: &str,
        restriction: Restriction,
        asked: Option<&'a Asked<'a>>,
    ) -> Result<Self> {
        let root = tree
            .resolve("", path)
            .map_err(|error| refused(path, &error))?;
        if !tree.is_dir(&root) {
            return Err(Error::new("it is not a directory").in_file(path));
        }
        Ok(Self {
            tree,
            restriction,
            root,
            referrers: Vec::new(),
            asked,
            charts: None,
            repositories: Vec::new(),
        })
    }

    /// The same, with charts.
    pub(crate) fn with_charts(self, charts: Option<Charts<'a>>) -> Self {
        Self { charts, ..self }
    }

    pub(crate) fn charts(&self) -> Option<Charts<'a>> {
        self.charts
    }

    /// The directory, relative to the tree.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// The path of a file of this directory, for messages.
    pub(crate) fn path(&self, relative: &str) -> String {
        join(&self.root, relative).unwrap_or_else(|_| relative.to_owned())
    }

    /// The loader of another directory, which must be no ancestor of one that is being built.
    pub(crate) fn enter(&self, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::new("an empty path; remove it"));
        }
        match self.brought(path)? {
            None => {}
            Some(Brought::Repository(tree)) => return self.clone_of(path, tree),
            Some(Brought::File(_) | Brought::Chart(_)) => {
                return Err(Error::new(format!("{path:?} is a file, not a directory")));
            }
        }
        let ambiguous = |part: &str| part != ".." && part.contains("..");
        if path.split('/').any(ambiguous) {
            return Err(Error::new(format!(
                "{path:?} has `..` inside a name; check the indentation of the list"
            )));
        }
        let root = self
            .tree
            .resolve(&self.root, path)
            .map_err(|error| refused(path, &error))?;
        if !self.tree.is_dir(&root) {
            return Err(Error::new(format!("{path:?} is not a directory")));
        }
        let visited = self.referrers.iter().chain([&self.root]);
        for visited in visited {
            if is_within(visited, &root) {
                return Err(Error::new(format!(
                    "{path:?} leads back to {root:?}, which contains {visited:?} that is being built; a base cannot be around its overlay"
                )));
            }
        }
        let mut referrers = self.referrers.clone();
        referrers.push(self.root.clone());
        Ok(Self {
            root,
            referrers,
            repositories: self.repositories.clone(),
            ..*self
        })
    }

    /// The directory that a URL names in its repository, of which only that may be read.
    fn clone_of(&self, url: &str, tree: &'a Tree) -> Result<Self> {
        let path = Repository::parse(url).unwrap_or_default().path;
        let mut repositories = self.repositories.clone();
        repositories.push(url.to_owned());
        Ok(Self {
            repositories,
            charts: self.charts,
            ..Self::new(tree, &path, Restriction::RootOnly, self.asked)?
        })
    }

    /// The directory that a path leads to, whatever may be read of it.
    pub(crate) fn directory(&self, path: &str) -> Option<String> {
        let real = self.tree.resolve(&self.root, path).ok()?;
        self.tree.is_dir(&real).then_some(real)
    }

    /// The files of a chart that is in a repository.
    pub(crate) fn chart(&self, at: &ChartAt) -> Result<&'a Tree> {
        let remote = Remote::chart(at);
        let Some(asked) = self.asked else {
            return Err(Error::new(format!(
                "the chart {:?} is in {}, and a build fetches nothing; put it into charts/ with `helm pull --untar`",
                at.name, at.repository
            )));
        };
        match asked.brought.get(&remote.url) {
            Some(Brought::Chart(tree)) => Ok(tree),
            Some(Brought::File(_) | Brought::Repository(_)) => {
                Err(Error::new(format!("{:?} is no chart", remote.url)))
            }
            None => {
                let missing = Error::new(format!("{:?} was not fetched", remote.url));
                asked.want(remote);
                Err(missing)
            }
        }
    }

    /// What was brought for a path that is remote; nothing for any other.
    fn brought(&self, path: &str) -> Result<Option<&'a Brought>> {
        if !is_remote(path) {
            return Ok(None);
        }
        let Some(asked) = self.bases() else {
            return Err(Error::new(format!(
                "{path:?} is remote, and a build fetches nothing; copy it into the repository, make it a source of its own, or render with --allow-remote"
            )));
        };
        if self.leads_back(path) {
            return Err(Error::new(format!(
                "{path:?} leads back to a repository that is being built; a base cannot be around its overlay"
            )));
        }
        let Some(brought) = asked.brought.get(path) else {
            asked.want(Remote::of(path));
            return Err(Error::new(format!(
                "{path:?} is remote, and was not fetched"
            )));
        };
        Ok(Some(brought))
    }

    /// What was brought, where bases may be remote.
    fn bases(&self) -> Option<&'a Asked<'a>> {
        self.asked.filter(|asked| !asked.only_charts)
    }

    fn leads_back(&self, url: &str) -> bool {
        let mut around = self.repositories.iter();
        around.any(|around| url.starts_with(around))
    }

    /// Asks for all of these that are remote and were not brought yet, so that they can be fetched at once.
    pub(crate) fn ask_for<'p>(&self, paths: impl IntoIterator<Item = &'p String>) {
        let Some(asked) = self.bases() else {
            return;
        };
        let missing = |path: &&String| {
            is_remote(path) && !asked.brought.contains_key(*path) && !self.leads_back(path)
        };
        paths
            .into_iter()
            .filter(missing)
            .for_each(|path| asked.want(Remote::of(path)));
    }

    /// Whether `path` leads to a directory.
    pub(crate) fn is_dir(&self, path: &str) -> bool {
        if is_remote(path) {
            return matches!(self.brought(path), Ok(Some(Brought::Repository(_))));
        }
        self.tree
            .resolve(&self.root, path)
            .is_ok_and(|real| self.tree.get(&real).is_none())
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Result<&'a [u8]> {
        match self.brought(path)? {
            None => {}
            Some(Brought::File(bytes)) => return Ok(bytes),
            Some(Brought::Repository(_) | Brought::Chart(_)) => {
                return Err(Error::new(format!(
                    "{path:?} is a git repository, not a file"
                )));
            }
        }
        let real = self
            .tree
            .resolve(&self.root, path)
            .map_err(|error| refused(path, &error))?;
        if self.restriction == Restriction::RootOnly && !is_within(&real, &self.root) {
            return Err(Error::new(format!(
                "{path:?} is not in or below {:?}; move it there, or allow it with --load-restrictor LoadRestrictionsNone",
                self.root
            )));
        }
        self.tree.file(&real).map_err(|error| refused(path, &error))
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Result<&'a str> {
        str::from_utf8(self.bytes(path)?).map_err(|error| {
            Error::new(format!("it is not UTF-8 text: {error}")).in_file(&self.path(path))
        })
    }
}

/// Whether `path` is `dir` or below it.
fn is_within(path: &str, dir: &str) -> bool {
    dir.is_empty()
        || path
            .strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn refused(path: &str, error: &tree::Error) -> Error {
    if path.starts_with('/') {
        return Error::new(format!(
            "{path:?} is an absolute path; write it relative to the kustomization"
        ));
    }
    match error {
        tree::Error::NotFound(_) => Error::new(format!("cannot find {path:?}")),
        error => Error::new(error.to_string()),
    }
}
