//! A model of git: repositories with branches, whose commits hold folders of manifests.

use std::collections::BTreeMap;

use fluvial_api::metadata::{annotation, marker};
use fluvial_event::{Digest, ObjectRef};
use serde::{Deserialize, Serialize};

use crate::helm::RELEASE;

/// One object as it is written in a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The kind, as `group/version/kind`; the group may be empty.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// What it sets.
    pub fields: BTreeMap<String, String>,
    /// The marker `prune: disabled`.
    pub keep: bool,
    /// The marker `force: enabled`.
    pub force: bool,
    /// The marker `ssa`.
    pub policy: String,
}

impl Manifest {
    /// A manifest of a kind that the model knows.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let (group, version) = match kind {
            "Deployment" => ("apps", "v1"),
            "Job" => ("batch", "v1"),
            "Widget" => ("example.org", "v1"),
            "CustomResourceDefinition" => ("apiextensions.k8s.io", "v1"),
            _ => ("", "v1"),
        };
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Self::default()
        }
    }

    /// The same with a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        self.fields.insert(field.into(), value.into());
        self
    }

    /// How it wants to be treated, as annotations.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let is_released = self.fields.contains_key(RELEASE);
        [
            (
                self.keep && is_released,
                annotation::RESOURCE_POLICY,
                "keep",
            ),
            (self.keep && !is_released, marker::PRUNE, marker::DISABLED),
            (self.force, marker::FORCE, marker::ENABLED),
            (!self.policy.is_empty(), marker::SSA, &*self.policy),
        ]
        .into_iter()
        .filter(|(is_set, ..)| *is_set)
        .map(|(_, name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// Its name in the cluster.
    pub fn object(&self) -> ObjectRef {
        ObjectRef {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Definitions and namespaces come first; others wait for them.
    pub fn stage(&self) -> u32 {
        match self.kind.as_str() {
            "Namespace" | "CustomResourceDefinition" => 1,
            _ => 3,
        }
    }
}

/// One folder of a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Folder {
    /// It renders to these.
    Good(Vec<Manifest>),
    /// It does not render.
    Broken,
}

/// The folders of a commit by path.
pub type Tree = BTreeMap<String, Folder>;

/// One commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Its name.
    pub sha: String,
    /// What it holds.
    pub tree: Tree,
}

/// Whether a server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It does.
    #[default]
    Open,
    /// It does not.
    Unreachable,
    /// It refuses.
    Denied,
}

/// A repository with one branch, `main`.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// The branch, oldest first; empty before the first commit.
    pub commits: Vec<Commit>,
    /// Whether it can be read.
    pub access: Access,
}

/// Every repository, by URL, and every commit that there ever was.
#[derive(Clone, Debug, Default)]
pub struct Git {
    pub repositories: BTreeMap<String, Repository>,
    /// What each revision held, whether it is still reachable or not.
    pub history: BTreeMap<String, Tree>,
    made: u64,
}

impl Git {
    /// Commits `tree` on top of what `url` has.
    pub fn commit(&mut self, url: &str, tree: Tree) -> String {
        self.made += 1;
        let digest = Digest::of(format!("{url} {}", self.made).as_bytes()).to_string();
        let sha: String = digest.chars().skip("sha256:".len()).take(40).collect();
        self.history.insert(revision(&sha), tree.clone());
        let repository = self.repositories.entry(url.to_owned()).or_default();
        repository.commits.push(Commit {
            sha: sha.clone(),
            tree,
        });
        revision(&sha)
    }

    /// Drops the last `count` commits but the first, as a force-push does.
    pub fn drop_commits(&mut self, url: &str, count: usize) {
        if let Some(repository) = self.repositories.get_mut(url) {
            let kept = repository.commits.len().saturating_sub(count).max(1);
            repository.commits.truncate(kept);
        }
    }

    /// Whether `url` can be read from now on.
    pub fn set_access(&mut self, url: &str, access: Access) {
        self.repositories.entry(url.to_owned()).or_default().access = access;
    }

    /// The newest tree of `url`.
    pub fn tree(&self, url: &str) -> Tree {
        let commits = self.repositories.get(url).map(|it| &it.commits);
        commits
            .and_then(|commits| commits.last())
            .map(|commit| commit.tree.clone())
            .unwrap_or_default()
    }

    /// The newest revision of `url`.
    pub fn head(&self, url: &str) -> Option<String> {
        let last = self.repositories.get(url)?.commits.last()?;
        Some(revision(&last.sha))
    }
}

fn revision(sha: &str) -> String {
    format!("main@sha1:{sha}")
}
