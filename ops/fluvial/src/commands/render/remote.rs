//! Brings what a kustomization has elsewhere: a file, a git repository at a reference, a chart.
//!
//! It is fetched as sources are (`fluvial_source`): without a worktree, within the same limits, and with no
//! credentials but those in a URL and the user's own SSH key.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow, bail};
use fluvial_kustomize::chart::{ChartAt, Charts};
use fluvial_kustomize::{
    Brought, Built as Kustomized, Means, Options, Remote, Remotes, Repository, build_with,
};
use fluvial_manifest::{Tree, Value, yaml};
use fluvial_source::helm::{
    self, Built, ChartRequest, FetchedIndex, From, IndexRequest, Validators,
};
use fluvial_source::{
    Credentials, Error, GitRequest, Limits, Reference, Secret, archive, fetch_file,
};

/// URLs that one build may name.
const REMOTES_MAX: usize = 200;

/// Files of `~/.ssh` that ssh looks for a key in, in its order.
const KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

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
    let mut cache = None;
    let mut remotes = Remotes::new();
    loop {
        let means = Means {
            // Who asks for charts asks for those of repositories too, as kustomize takes it.
            remotes: (allow_remote || charts.is_some()).then_some(&remotes),
            only_charts: !allow_remote,
            charts,
        };
        let needs = match build_with(tree, path, &options, means)? {
            Kustomized::Objects(objects) => return Ok(objects),
            Kustomized::Needs(needs) => needs,
        };
        if remotes.len() + needs.len() > REMOTES_MAX {
            bail!("cannot fetch what is remote: the build names more than {REMOTES_MAX} URLs");
        }
        let folder = match &mut cache {
            Some(folder) => folder,
            none => {
                none.insert(tempfile::tempdir().context("cannot make a folder for git's objects")?)
            }
        };
        for remote in needs {
            let brought = bring(&remote, folder.path())
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
        (Some(Err(error)), None) => Err(in_words_of_a_url(&error)),
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
        match helm::fetch_index(&asked).map_err(|error| in_words_of_a_url(&error))? {
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
    let built = helm::build(&request, &|url: &str| Ok(helm::Repository::new(url)))
        .map_err(|error| in_words_of_a_url(&error))?;
    let Built::New { name, archive, .. } = built else {
        bail!("nothing was at hand, and nothing came");
    };
    let tree = archive::unpack(&archive, &Limits::default())?;
    Ok(tree.subtree(&name)?)
}

fn is_manifest(bytes: &[u8]) -> bool {
    let documents = std::str::from_utf8(bytes).ok().map(yaml::documents);
    documents.is_some_and(|read| read.is_ok_and(|read| read.iter().all(Value::is_object)))
}

/// The files of a repository at its reference: a commit, or what git takes a name for, first a tag.
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
            credentials: keys(&repository.clone)?,
            ..GitRequest::new(&repository.clone)
        };
        match fluvial_source::clone(&request, repository.submodules, &keys, cache) {
            Ok(tree) => return Ok(tree),
            Err(error @ Error::ReferenceNotFound { .. }) => refused = Some(error),
            Err(error) => return Err(in_words_of_a_url(&error)),
        }
    }
    Err(in_words_of_a_url(
        &refused.context("there is no reference to ask for")?,
    ))
}

/// What the user's own ssh would show: the first key of theirs, to hosts that they know.
fn keys(url: &str) -> Result<Credentials, Error> {
    let is_scp = !url.contains("://") && url.contains('@');
    if !url.starts_with("ssh://") && !is_scp {
        return Ok(Credentials::Anonymous);
    }
    let folder = PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".ssh");
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let identity = KEYS.iter().find_map(|name| read(name));
    let (Some(identity), Some(known_hosts)) = (identity, read("known_hosts")) else {
        return Err(Error::Credentials {
            why: format!(
                "{} has no known_hosts, or no key of {}; use an https:// URL, or make them with ssh-keygen and ssh-keyscan",
                folder.display(),
                KEYS.join(", ")
            ),
        });
    };
    Ok(Credentials::Ssh {
        identity: Secret::new(identity),
        known_hosts,
        password: None,
    })
}

/// An error of a source, with the parts of a URL in place of the fields of an object.
fn in_words_of_a_url(error: &impl Display) -> anyhow::Error {
    let said = error.to_string();
    let said = said.replace("spec.timeout", "?timeout= in the URL");
    let said = said.replace("spec.ref", "?ref= in the URL");
    anyhow!(said.replace("spec.url", "the URL"))
}

fn named(name: &str) -> Reference {
    Reference {
        name: Some(name.to_owned()),
        ..Reference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
