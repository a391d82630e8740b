//! A repository in memory: sorted paths, files and links, and the one resolver of both.
//!
//! Paths are relative, `/`-separated and normal (no `.`, `..` or empty part). The root is the
//! empty string. Where the bytes come from is left to the caller.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Links followed in one resolution before it is called a loop; Linux's own limit.
const LINKS_MAX: usize = 40;

/// One thing stored in a tree. Directories exist by what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file and its contents.
    File {
        /// The contents, shared and never copied.
        bytes: Arc<[u8]>,
        /// Whether its mode had the executable bit.
        executable: bool,
    },
    /// A symbolic link, followed inside the tree only.
    Link {
        /// As stored: relative to the directory of the link.
        target: String,
    },
}

impl Entry {
    /// A plain file with these contents.
    pub fn file(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::File {
            bytes: bytes.into(),
            executable: false,
        }
    }
}

/// A repository in memory. A clone shares everything until one of the two is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: Arc<BTreeMap<String, Entry>>,
    /// How many of them are links: without any, a path leads where it says.
    links: usize,
}

/// What a directory lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child<'a> {
    /// A directory of this name.
    Dir(&'a str),
    /// A file of this name.
    File(&'a str),
    /// A link of this name, wherever it leads.
    Link(&'a str),
}

impl<'a> Child<'a> {
    /// The last part of the path.
    pub fn name(self) -> &'a str {
        match self {
            Child::Dir(name) | Child::File(name) | Child::Link(name) => name,
        }
    }
}

/// Why a path has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The path itself cannot be stored.
    #[error("cannot store {path:?}: {why}")]
    Refused {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The path, or a link on its way, leads out of the tree.
    #[error("cannot follow {0:?}: it leads out of the repository")]
    Outside(String),
    /// Nothing is there.
    #[error("cannot find {0:?}")]
    NotFound(String),
    /// A file was wanted.
    #[error("cannot read {0:?}: it is a directory")]
    IsDirectory(String),
    /// A directory was wanted.
    #[error("cannot list {0:?}: it is not a directory")]
    NotDirectory(String),
    /// Links that lead to each other, or too many of them.
    #[error("cannot follow {0:?}: more than {LINKS_MAX} links, or a loop of them")]
    LinkLoop(String),
}

impl Tree {
    /// A tree with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry under a normal, relative path.
    ///
    /// Refused, so that no two readers can disagree about what a path means: a path that is empty,
    /// absolute, not normal or holds a NUL; anything under `.git`; a path that is there already,
    /// or that is both a directory and something else.
    pub fn insert(&mut self, path: &str, entry: Entry) -> Result<(), Error> {
        let refuse = |why| {
            Err(Error::Refused {
                path: path.to_owned(),
                why,
            })
        };
        if path.is_empty() || path.contains('\0') {
            return refuse("a path is neither empty nor holds a NUL");
        }
        if path.starts_with('/') {
            return refuse("it is absolute");
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("it is not normal: no part is empty, `.` or `..`");
        }
        if path
            .split('/')
            .any(|part| part.eq_ignore_ascii_case(".git"))
        {
            return refuse("`.git` is no part of a tree");
        }
        if self.entries.contains_key(path) {
            return refuse("it is there already");
        }
        if self.has_children(path) || ancestors(path).any(|dir| self.entries.contains_key(dir)) {
            return refuse("it is a directory and something else at once");
        }
        self.links += usize::from(matches!(entry, Entry::Link { .. }));
        Arc::make_mut(&mut self.entries).insert(path.to_owned(), entry);
        Ok(())
    }

    /// The entry stored under exactly this path; links are not followed.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All entries in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// How many entries are stored.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The contents of the file at `path`, `.` and `..` removed and links followed.
    pub fn file(&self, path: &str) -> Result<&[u8], Error> {
        // Most callers have the path that a link or a name led to already.
        if let Some(Entry::File { bytes, .. }) = self.entries.get(path) {
            return Ok(bytes);
        }
        let real = self.resolve("", path)?;
        match self.entries.get(&real) {
            Some(Entry::File { bytes, .. }) => Ok(bytes),
            Some(Entry::Link { .. }) | None => Err(Error::IsDirectory(path.to_owned())),
        }
    }

    /// Whether `path` leads to a file.
    pub fn is_file(&self, path: &str) -> bool {
        let is_file = |path: &str| matches!(self.entries.get(path), Some(Entry::File { .. }));
        if self.links == 0 {
            return join("", path).is_ok_and(|path| is_file(&path));
        }
        self.resolve("", path).is_ok_and(|real| is_file(&real))
    }

    /// Whether `path` leads to a directory.
    pub fn is_dir(&self, path: &str) -> bool {
        // What a path leads to and is not stored itself has something in it.
        self.resolve("", path)
            .is_ok_and(|real| !self.entries.contains_key(&real))
    }

    /// What is in the directory that `path` leads to, in the order of the names.
    pub fn list(&self, path: &str) -> Result<Vec<Child<'_>>, Error> {
        let real = self.resolve("", path)?;
        if self.entries.contains_key(&real) {
            return Err(Error::NotDirectory(path.to_owned()));
        }
        let prefix = as_prefix(&real);
        let mut children = Vec::new();
        let mut from = Bound::Included(prefix.clone());
        while let Some((key, entry)) = self.entries.range((from, Bound::Unbounded)).next() {
            let Some(rest) = key.strip_prefix(prefix.as_str()) else {
                break;
            };
            if let Some((name, _)) = rest.split_once('/') {
                children.push(Child::Dir(name));
                // `0` is the character after `/`: past everything in this directory.
                from = Bound::Included(format!("{prefix}{name}0"));
            } else {
                children.push(match entry {
                    Entry::File { .. } => Child::File(rest),
                    Entry::Link { .. } => Child::Link(rest),
                });
                from = Bound::Excluded(key.clone());
            }
        }
        children.sort_by_key(|child| child.name());
        Ok(children)
    }

    /// The part of the tree under a directory, with paths relative to it.
    ///
    /// Links that led elsewhere are kept and lead out of the new tree.
    pub fn subtree(&self, path: &str) -> Result<Self, Error> {
        let real = self.resolve("", path)?;
        if self.entries.contains_key(&real) {
            return Err(Error::NotDirectory(path.to_owned()));
        }
        let prefix = as_prefix(&real);
        let entries: BTreeMap<String, Entry> = self
            .entries
            .range(prefix.clone()..)
            .map_while(|(key, entry)| Some((key.strip_prefix(&prefix)?.to_owned(), entry.clone())))
            .collect();
        let is_link = |entry: &&Entry| matches!(entry, Entry::Link { .. });
        Ok(Self {
            links: entries.values().filter(is_link).count(),
            entries: Arc::new(entries),
        })
    }

    /// Where `relative`, written in the directory `base`, really leads: a path that is stored, or
    /// that is a directory, with every link on the way followed.
    pub fn resolve(&self, base: &str, relative: &str) -> Result<String, Error> {
        let wanted = join(base, relative)?;
        if self.entries.is_empty() && wanted.is_empty() {
            return Ok(wanted);
        }
        if let Some(Entry::File { .. }) = self.entries.get(&wanted) {
            return Ok(wanted);
        }
        if self.links == 0 {
            return if self.has_children(&wanted) {
                Ok(wanted)
            } else {
                Err(Error::NotFound(wanted))
            };
        }
        let mut pending: Vec<String> = wanted.rsplit('/').map(str::to_owned).collect();
        let mut real = String::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    let Some(parent) = parent(&real) else {
                        return Err(Error::Outside(relative.to_owned()));
                    };
                    real.truncate(parent.len());
                    continue;
                }
                _ => {}
            }
            if !real.is_empty() {
                real.push('/');
            }
            real.push_str(&part);
            match self.entries.get(&real) {
                Some(Entry::Link { target }) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Error::LinkLoop(relative.to_owned()));
                    }
                    if target.starts_with('/') {
                        return Err(Error::Outside(relative.to_owned()));
                    }
                    real.truncate(parent(&real).map_or(0, str::len));
                    pending.extend(target.rsplit('/').map(str::to_owned));
                }
                Some(Entry::File { .. }) if pending.iter().all(String::is_empty) => {}
                None if self.has_children(&real) => {}
                Some(Entry::File { .. }) | None => return Err(Error::NotFound(wanted)),
            }
        }
        Ok(real)
    }

    fn has_children(&self, path: &str) -> bool {
        if path.is_empty() {
            return !self.entries.is_empty();
        }
        let prefix = as_prefix(path);
        let next = self.entries.range(prefix.clone()..).next();
        next.is_some_and(|(key, _)| key.starts_with(&prefix))
    }
}

/// Joins two paths and removes `.`, `..` and empty parts, by their text alone.
///
/// An absolute `relative`, one with a NUL, and one that climbs above the root are refused.
pub fn join(base: &str, relative: &str) -> Result<String, Error> {
    if relative.starts_with('/') || relative.contains('\0') {
        return Err(Error::Outside(relative.to_owned()));
    }
    let mut joined = String::with_capacity(base.len() + relative.len() + 1);
    for part in base.split('/').chain(relative.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                let Some(parent) = parent(&joined) else {
                    return Err(Error::Outside(relative.to_owned()));
                };
                let length = parent.len();
                joined.truncate(length);
            }
            name => {
                if !joined.is_empty() {
                    joined.push('/');
                }
                joined.push_str(name);
            }
        }
    }
    Ok(joined)
}

/// The directory that holds `path`; `None` for the root.
pub fn parent(path: &str) -> Option<&str> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').map_or("", |(dir, _)| dir))
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn as_prefix(dir: &str) -> String {
    if dir.is_empty() {
        String::new()
    } else {
        format!("{dir}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, content) in entries {
            let entry = match content.strip_prefix("-> ") {
                Some(target) => Entry::Link {
                    target: target.to_owned(),
                },
                None => Entry::file(content.as_bytes()),
            };
            tree.insert(path, entry)
                .expect("the test's paths are normal");
        }
        tree
    }

    #[test]
    fn paths_that_readers_could_disagree_about_are_refused() {
        let mut tree = tree(&[("a/b", "x"), ("l", "-> a")]);
        for path in [
            "",
            "/a",
            "a/../c",
            "a//c",
            "./c",
            "c/.",
            "c\0",
            ".git/config",
            "x/.GIT/y",
            "a/b",
            "a",
            "a/b/c",
            "l/c",
        ] {
            assert!(tree.insert(path, Entry::file(*b"")).is_err(), "{path:?}");
        }
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn links_are_followed_inside_the_tree_only() {
        let tree = tree(&[
            ("a/f", "f"),
            ("a/up", "-> ../b"),
            ("b/g", "g"),
            ("b/self", "-> self"),
            ("b/ping", "-> pong"),
            ("b/pong", "-> ping"),
            ("b/abs", "-> /etc/passwd"),
            ("b/out", "-> ../../etc/passwd"),
            ("b/round", "-> ../../b/g"),
            ("chain", "-> a/up/g"),
            ("gone", "-> nothing"),
        ]);
        let cases: [(&str, Result<&str, Error>); 13] = [
            ("a/f", Ok("f")),
            ("a/./x/../f", Ok("f")),
            ("a/up/g", Ok("g")),
            ("chain", Ok("g")),
            ("a", Err(Error::IsDirectory("a".into()))),
            ("a/f/g", Err(Error::NotFound("a/f/g".into()))),
            ("c", Err(Error::NotFound("c".into()))),
            ("gone", Err(Error::NotFound("gone".into()))),
            ("b/self", Err(Error::LinkLoop("b/self".into()))),
            ("b/ping", Err(Error::LinkLoop("b/ping".into()))),
            ("b/abs", Err(Error::Outside("b/abs".into()))),
            ("b/out", Err(Error::Outside("b/out".into()))),
            // It would come back in, but only on a disk where the tree has this parent.
            ("b/round", Err(Error::Outside("b/round".into()))),
        ];
        for (path, want) in cases {
            assert_eq!(tree.file(path), want.map(str::as_bytes), "{path}");
        }
        assert_eq!(tree.file("../x"), Err(Error::Outside("../x".into())));
        assert_eq!(tree.resolve("a/up", "g"), Ok("b/g".into()));
        assert!(
            tree.is_dir("a/up") && tree.is_dir("") && !tree.is_dir("a/f") && !tree.is_dir("zz")
        );
        assert!(tree.is_file("chain") && !tree.is_file("a"));
    }

    #[test]
    fn a_directory_lists_its_children_in_order() {
        let tree = tree(&[
            ("b/c/d", ""),
            ("b/c-e", ""),
            ("b/c.f", ""),
            ("b/l", "-> c"),
            ("z", ""),
        ]);
        assert_eq!(
            tree.list("b"),
            Ok(vec![
                Child::Dir("c"),
                Child::File("c-e"),
                Child::File("c.f"),
                Child::Link("l")
            ])
        );
        assert_eq!(tree.list("b/l"), Ok(vec![Child::File("d")]));
        assert_eq!(tree.list(""), Ok(vec![Child::Dir("b"), Child::File("z")]));
        assert_eq!(tree.list("z"), Err(Error::NotDirectory("z".into())));
    }

    #[test]
    fn a_subtree_has_its_own_root() {
        let tree = tree(&[("a/b/c", "1"), ("a/d", "2"), ("ab", "3")]);
        let part = tree.subtree("a").expect("a is a directory");
        assert_eq!(
            part.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["b/c", "d"]
        );
        assert!(tree.subtree("ab").is_err());
    }

    #[test]
    fn a_clone_is_not_changed_by_its_sibling() {
        let first = tree(&[("a", "1")]);
        let mut second = first.clone();
        second.insert("b", Entry::file(*b"2")).expect("b is new");
        assert_eq!((first.len(), second.len()), (1, 2));
    }
}
