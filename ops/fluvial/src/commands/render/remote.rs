//! Brings what a kustomization has elsewhere: a file, a git repository at a reference, a chart.
//!
//! It is fetched as sources are (`fluvial_source`): without a worktree, within the same limits, and with no
//! credentials but those in a URL.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fluvial_kustomize::chart::{ChartAt, Charts};
use fluvial_kustomize::{
    Brought, Built as Kustomized, Means, Options, Remote, Remotes, Repository, build_with,
};
use fluvial_manifest::{Tree, Value, yaml};
use fluvial_source::helm::{
    self, Built, ChartRequest, FetchedIndex, From, IndexRequest, Validators,
};
use fluvial_source::{Fetched, GitRequest, Limits, Reference, archive, fetch, fetch_file};

/// URLs that one build may name.
const REMOTES_MAX: usize = 200;

/// How long a server may take for a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(1);

/// Builds, and fetches what the build asks for, until it asks for nothing; unless that is allowed, it is refused.
pub(super) fn build(
    tree: &Tree,
    path: &str,
    options: Options,
    charts: Option<Charts<'_>>,
    allow_remote: bool,
) -> Result<Vec<Value>> {
    let cache = tempfile::tempdir().context("cannot make a folder for git's objects")?;
    let mut remotes = Remotes::new();
    loop {
        let means = Means {
            remotes: allow_remote.then_some(&remotes),
            charts,
        };
        let needs = match build_with(tree, path, &options, means)? {
            Kustomized::Objects(objects) => return Ok(objects),
            Kustomized::Needs(needs) => needs,
        };
        if remotes.len() + needs.len() > REMOTES_MAX {
            bail!("cannot fetch what is remote: the build names more than {REMOTES_MAX} URLs");
        }
        for remote in needs {
            let brought = bring(&remote, cache.path())
                .with_context(|| format!("cannot fetch {:?}", remote.url))?;
            remotes.insert(remote.url, brought);
        }
    }
}

/// As kustomize does: a file if there is one, else a repository.
fn bring(remote: &Remote, cache: &Path) -> Result<Brought> {
    if let Some(chart) = &remote.chart {
        return pull(chart).map(Brought::Chart);
    }
    let file = remote
        .may_be_file
        .then(|| fetch_file(&remote.url, FILE_TIMEOUT, &Limits::default()));
    match (file, &remote.repository) {
        (Some(Ok(bytes)), None) => Ok(Brought::File(bytes)),
        // A forge shows a page to people where its repository is.
        (Some(Ok(bytes)), Some(_)) if is_manifest(&bytes) => Ok(Brought::File(bytes)),
        (_, Some(repository)) => clone(repository, cache).map(Brought::Repository),
        (Some(Err(error)), None) => Err(error.into()),
        (None, None) => bail!(
            "it is no URL that kustomize knows; write https://HOST/ORG/REPOSITORY//PATH?ref=REFERENCE"
        ),
    }
}

/// The files of a chart, as `helm pull --untar` gets them.
fn pull(at: &ChartAt) -> Result<Tree> {
    let repository = helm::Repository::new(&at.repository);
    let from = if repository.is_registry() {
        From::Registry(repository)
    } else {
        let asked = IndexRequest {
            repository: repository.clone(),
            observed: None,
            validators: Validators::default(),
            limits: helm::Limits::default(),
        };
        match helm::fetch_index(&asked)? {
            FetchedIndex::New { index, .. } => From::Index { repository, index },
            FetchedIndex::Unchanged { revision, .. } => bail!("{revision} was not fetched"),
        }
    };
    // helm: what `--devel` stands for.
    let version = match at.version.as_str() {
        "" if at.devel => ">0.0.0-0",
        version => version,
    };
    let request = ChartRequest {
        chart: at.name.clone(),
        version: version.to_owned(),
        version_metadata: String::new(),
        values_files: Vec::new(),
        ignore_missing_values_files: false,
        from,
        known: None,
        limits: helm::Limits::default(),
    };
    let Built::New { name, archive, .. } =
        helm::build(&request, &|url: &str| Ok(helm::Repository::new(url)))?
    else {
        bail!("nothing was at hand, and nothing came");
    };
    let tree = archive::unpack(&archive, &Limits::default())?;
    Ok(tree.subtree(&name)?)
}

fn is_manifest(bytes: &[u8]) -> bool {
    let documents = std::str::from_utf8(bytes).ok().map(yaml::documents);
    documents.is_some_and(|read| read.is_ok_and(|read| read.iter().all(Value::is_object)))
}

/// The tree of a repository at its reference: a commit, or what git takes a name for, first a tag.
fn clone(repository: &Repository, cache: &Path) -> Result<Tree> {
    let name = repository.reference.as_str();
    let is_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let references = if name.is_empty() {
        vec![named("HEAD")]
    } else if is_commit {
        let commit = Some(name.to_owned());
        vec![Reference {
            commit,
            ..Reference::default()
        }]
    } else if name.starts_with("refs/") {
        vec![named(name)]
    } else {
        vec![
            named(&format!("refs/tags/{name}")),
            named(&format!("refs/heads/{name}")),
        ]
    };
    let mut refused = None;
    for reference in references {
        let request = GitRequest {
            reference,
            timeout: repository.timeout,
            ..GitRequest::new(url(&repository.clone))
        };
        match fetch(&request, cache) {
            Ok(Fetched::New { tree, .. }) => return Ok(tree),
            Ok(Fetched::Unchanged { revision }) => bail!("{revision} was not fetched"),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.context("there is no reference to ask for")?.into())
}

fn named(name: &str) -> Reference {
    Reference {
        name: Some(name.to_owned()),
        ..Reference::default()
    }
}

/// `user@host:path` as the URL that it stands for.
fn url(clone: &str) -> String {
    match clone.split_once(':') {
        Some((host, path)) if !clone.contains("://") => format!("ssh://{host}/{path}"),
        _ => clone.to_owned(),
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
        ] {
            assert_eq!(url(clone), want);
        }
    }

    #[test]
    fn a_page_for_people_is_no_manifest() {
        assert!(is_manifest(b"kind: A\n---\nkind: B\n"));
        for page in [
            &b"<!DOCTYPE html>\n<html lang=\"en\">"[..],
            b"404: Not Found",
            b"not: a: map",
            b"\xff",
        ] {
            assert!(!is_manifest(page), "{page:?}");
        }
    }
}
