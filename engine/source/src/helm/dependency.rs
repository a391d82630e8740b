//! The charts that a chart needs and does not have: from beside it, or from their repositories.
//!
//! flux: internal/helm/chart/dependency_manager.go. Nothing is written but into the package: no lock file is
//! updated, so none can be a link to elsewhere.

use std::collections::BTreeMap;

use fluvial_helm::{Dependency, Package};
use fluvial_manifest::Tree;

use super::chart::{download, find};
use super::index::{FetchedIndex, IndexRequest, Validators, fetch_index};
use super::registry::Registry;
use super::resolve::{Candidate, pick};
use super::{Error, Limits, Repository};

/// With what right the repository of an address is asked.
pub type Repositories<'a> = dyn Fn(&str) -> Result<Repository, Error> + 'a;

/// Adds what is missing, and says how many that were.
pub(super) fn add_missing(
    package: &mut Package,
    tree: &Tree,
    path: &str,
    repositories: &Repositories<'_>,
    limits: &Limits,
) -> Result<usize, Error> {
    let missing: Vec<Dependency> = package.missing().into_iter().cloned().collect();
    if missing.len() > limits.dependencies_max {
        return Err(refuse(format!(
            "more than {} dependencies are missing",
            limits.dependencies_max
        )));
    }
    let mut indexes = Indexes {
        repositories,
        limits,
        fetched: BTreeMap::new(),
    };
    for dependency in &missing {
        let is_local =
            dependency.repository.is_empty() || dependency.repository.starts_with("file://");
        let (chart, place) = if is_local {
            (beside(tree, path, dependency), "local")
        } else {
            (indexes.pull(dependency), "remote")
        };
        let chart = chart.map_err(|error| Error {
            message: format!(
                "dependency build error: failed to add {place} dependency '{}': {}",
                dependency.name, error.message
            ),
            ..error
        })?;
        package
            .add(chart, dependency)
            .map_err(|error| refuse(error.to_string()))?;
    }
    Ok(missing.len())
}

/// A chart in the same source.
fn beside(tree: &Tree, path: &str, dependency: &Dependency) -> Result<Package, Error> {
    let at = match dependency.repository.strip_prefix("file://") {
        Some(relative) => format!("{path}/{relative}"),
        None => format!("{path}/charts/{}", dependency.name),
    };
    let shown = at.escape_debug();
    let package = if tree.is_file(&at) {
        let bytes = tree.file(&at).map_err(|error| refuse(error.to_string()))?;
        Package::from_archive(bytes)
    } else if tree.is_dir(&at) {
        Package::from_tree(tree, &at)
    } else {
        return Err(refuse(format!(
            "no chart found at '{shown}' (reference '{}')",
            dependency.repository.escape_debug()
        )));
    };
    let package =
        package.map_err(|error| refuse(format!("failed to load chart from '{shown}': {error}")))?;
    let candidate = Candidate {
        version: &package.metadata().version,
        created: "",
    };
    match pick(&[candidate], &dependency.version) {
        Ok(Some(_)) => Ok(package),
        Ok(None) => Err(refuse(format!(
            "can't get a valid version for constraint '{}'",
            dependency.version
        ))),
        Err(why) => Err(refuse(format!(
            "invalid version/constraint format '{}': {why}",
            dependency.version
        ))),
    }
}

/// The indexes that one chart's dependencies were looked up in.
struct Indexes<'a> {
    repositories: &'a Repositories<'a>,
    limits: &'a Limits,
    fetched: BTreeMap<String, (Repository, Vec<u8>)>,
}

impl Indexes<'_> {
    fn pull(&mut self, dependency: &Dependency) -> Result<Package, Error> {
        let url = normalized(&dependency.repository);
        if !["http://", "https://", "oci://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(refuse(format!(
                "invalid chart repository url '{}': write https:// or oci://, or name no alias of helm's",
                crate::address::redact(&url)
            )));
        }
        let archive = if url.starts_with("oci://") {
            let repository = (self.repositories)(&url)?;
            let registry = Registry::open(&repository, &dependency.name, self.limits)?;
            let version = registry.find(&dependency.version)?;
            registry.pull(&version)?
        } else {
            let (repository, index) = self.index(&url)?;
            let version = find(index, &dependency.name, &dependency.version)?;
            download(repository, &version, &Limits::default())?
        };
        Package::from_archive(&archive)
            .map_err(|error| refuse(format!("failed to load downloaded archive: {error}")))
    }

    fn index(&mut self, url: &str) -> Result<(&Repository, &[u8]), Error> {
        if !self.fetched.contains_key(url) {
            let repository = (self.repositories)(url)?;
            let request = IndexRequest {
                repository: repository.clone(),
                observed: None,
                validators: Validators::default(),
                limits: *self.limits,
            };
            if let FetchedIndex::New { index, .. } = fetch_index(&request)? {
                self.fetched.insert(url.to_owned(), (repository, index));
            }
        }
        let found = self.fetched.get(url);
        let (repository, index) =
            found.ok_or_else(|| refuse("its index did not come".to_owned()))?;
        Ok((repository, index))
    }
}

/// Whether two addresses are of one repository.
pub fn is_same_address(one: &str, other: &str) -> bool {
    normalized(one) == normalized(other)
}

/// An address as repositories are told apart by it. flux: `NormalizeURL`, internal/helm/repository/utils.go.
fn normalized(url: &str) -> String {
    let trimmed = url.trim_end_matches('/');
    if trimmed.starts_with("oci://") {
        trimmed.to_owned()
    } else {
        format!("{trimmed}/")
    }
}

fn refuse(why: String) -> Error {
    Error::passing("DependencyBuildError", why)
}
