//! One chart: found, pulled or packed, and told from the one at hand.
//!
//! flux: internal/helm/chart/builder_remote.go and builder_local.go.

use fluvial_helm::repository::{ChartVersion, versions_of};
use fluvial_helm::{Defaults, Error as HelmError, Package};
use fluvial_manifest::Tree;
use fluvial_semver::Version;
use reqwest::Url;
use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};

use super::dependency::{self, Repositories};
use super::registry::Registry;
use super::resolve::{Candidate, pick};
use super::{Error, Limits, Repository, index};
use crate::web::{Place, Web};
use crate::{Error as SourceError, hex};

const VALUES_FILE: &str = "values.yaml";

/// One chart that is asked for, complete: nothing else decides what it is.
#[derive(Clone, Debug)]
pub struct ChartRequest {
    /// Its name, or its path in a tree.
    pub chart: String,
    /// A range of versions; for repositories and registries.
    pub version: String,
    /// Build metadata for the version that is packed; empty for none.
    pub version_metadata: String,
    /// Files whose values are merged in this order and take the place of its own; none leaves them.
    pub values_files: Vec<String>,
    /// Whether such a file may be missing.
    pub ignore_missing_values_files: bool,
    /// Where it is.
    pub from: From,
    /// What is at hand already, and was made for the same request.
    pub known: Option<Known>,
    /// What may be taken in.
    pub limits: Limits,
}

/// Where a chart is.
#[derive(Clone, Debug)]
pub enum From {
    /// In a repository whose index this is, as [`super::fetch_index`] gave it.
    Index {
        /// Where, and with what right.
        repository: Repository,
        /// Its index.
        index: Vec<u8>,
    },
    /// In a registry.
    Registry(Repository),
    /// Among the files of another source.
    Tree(Tree),
}

/// A chart that is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its version, with build metadata.
    pub version: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// The one at hand is still it.
    Unchanged,
    /// Another, or none was at hand.
    New {
        /// Its name in its own `Chart.yaml`.
        name: String,
        /// Its version, with build metadata.
        version: String,
        /// The `.tgz`.
        archive: Vec<u8>,
        /// The values files that were there, where any were asked for.
        values_files: Vec<String>,
        /// Whether it was packed here.
        packaged: bool,
        /// Dependencies that were added.
        dependencies: usize,
    },
}

/// Finds, pulls or packs a chart. `repositories` says with what right a dependency's repository is asked.
pub fn build(request: &ChartRequest, repositories: &Repositories<'_>) -> Result<Built, Error> {
    match &request.from {
        From::Index { repository, index } => {
            check_name(&request.chart)?;
            let found = find(index, &request.chart, &request.version)?;
            remote(request, &found.version, || {
                download(repository, &found, &request.limits)
            })
        }
        From::Registry(repository) => {
            check_name(&request.chart)?;
            let registry = Registry::open(repository, &request.chart, &request.limits)?;
            let version = registry.find(&request.version)?;
            remote(request, &version, || registry.pull(&version))
        }
        From::Tree(tree) => local(request, tree, repositories),
    }
}

/// flux: `RemoteReference.Validate`.
fn check_name(name: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b'.')
    };
    let is_path = |part: &str| !matches!(part, "" | "." | "..");
    if !name.is_empty() && name.bytes().all(is_plain) && name.split('/').all(is_path) {
        return Ok(());
    }
    Err(Error::lasting(
        "InvalidChartReference",
        format!(
            "invalid chart reference: invalid chart name '{}': a valid name must be lower case letters and \
             numbers and MAY be separated with dashes (-), slashes (/) or periods (.)",
            name.escape_debug()
        ),
    ))
}

/// The version of a chart in an index that a range means.
pub(super) fn find(index: &[u8], chart: &str, range: &str) -> Result<ChartVersion, Error> {
    let refuse = |why: String| {
        let message = format!(
            "invalid chart reference: failed to get chart version for remote reference: {why}"
        );
        Error::lasting("InvalidChartReference", message)
    };
    let broken = |error: fluvial_helm::repository::IndexError| {
        Error::passing("ChartPullError", format!("chart pull error: {error}"))
    };
    let mut versions = versions_of(index, chart)
        .map_err(broken)?
        .ok_or_else(|| refuse("no chart name found".to_owned()))?;
    let candidates: Vec<_> = versions
        .iter()
        .map(|it| Candidate {
            version: &it.version,
            created: &it.created,
        })
        .collect();
    let picked = pick(&candidates, range)
        .map_err(|why| refuse(format!("'{range}' is no range of versions: {why}")))?;
    match picked {
        Some(at) => Ok(versions.swap_remove(at)),
        None => Err(refuse(format!(
            "no '{chart}' chart with version matching '{range}' found"
        ))),
    }
}

/// A chart that comes packed.
fn remote(
    request: &ChartRequest,
    version: &str,
    pull: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<Built, Error> {
    let version = with_metadata(version, &request.version_metadata)?;
    let is_known = request
        .known
        .as_ref()
        .is_some_and(|known| known.version == version && is_name(&request.chart, &known.name));
    if is_known {
        return Ok(Built::Unchanged);
    }
    let archive = pull()?;
    let package = Package::from_archive(&archive);
    if request.values_files.is_empty() && request.version_metadata.is_empty() {
        let package = package.map_err(|error| {
            let message = format!(
                "chart pull error: failed to load chart metadata from written chart: {error}"
            );
            Error::passing("ChartPullError", message)
        })?;
        return Ok(Built::New {
            name: package.metadata().name.clone(),
            version,
            archive,
            values_files: Vec::new(),
            packaged: false,
            dependencies: 0,
        });
    }
    let mut package = package.map_err(|error| unpackable(&error))?;
    let in_chart = |path: &str| {
        let file = package.file(&cleaned(path)?)?;
        Some(file.to_vec())
    };
    let merged = merge(request, in_chart)?;
    finish(&mut package, request, version, merged, 0)
}

/// The name in a registry may be a path; that in the chart is its last part.
fn is_name(asked: &str, found: &str) -> bool {
    asked == found || asked.rsplit('/').next() == Some(found)
}

/// A chart among the files of another source: a directory, or a `.tgz`.
fn local(
    request: &ChartRequest,
    tree: &Tree,
    repositories: &Repositories<'_>,
) -> Result<Built, Error> {
    let refuse = |why: String| {
        Error::lasting(
            "InvalidChartReference",
            format!("invalid chart reference: {why}"),
        )
    };
    let Some(path) = cleaned(&request.chart) else {
        return Err(refuse(format!(
            "'{}' leads out of the source",
            request.chart.escape_debug()
        )));
    };
    let is_archive = tree.is_file(&path);
    if !is_archive && !tree.is_dir(&path) {
        return Err(refuse(format!(
            "there is neither a chart nor a directory at '{}'",
            request.chart.escape_debug()
        )));
    }
    let archive = if is_archive {
        let bytes = tree
            .file(&path)
            .map_err(|error| refuse(error.to_string()))?;
        if bytes.len() as u64 > request.limits.chart_bytes_max {
            return Err(too_large(request.limits.chart_bytes_max));
        }
        Some(bytes)
    } else {
        None
    };
    let package = match archive {
        Some(bytes) => Package::from_archive(bytes),
        None => Package::from_tree(tree, &path),
    };
    let mut package = package.map_err(|error| refuse(error.to_string()))?;
    let version = with_metadata(&package.metadata().version, &request.version_metadata)?;
    let known = Known {
        name: package.metadata().name.clone(),
        version: version.clone(),
    };
    if request.known.as_ref() == Some(&known) {
        return Ok(Built::Unchanged);
    }
    if let Some(bytes) = archive
        && request.values_files.is_empty()
        && request.version_metadata.is_empty()
    {
        return Ok(Built::New {
            name: known.name,
            version,
            archive: bytes.to_vec(),
            values_files: Vec::new(),
            packaged: false,
            dependencies: 0,
        });
    }
    let in_source = |path: &str| Some(tree.file(&cleaned(path)?).ok()?.to_vec());
    let merged = merge(request, in_source)?;
    let dependencies = if is_archive {
        0
    } else {
        dependency::add_missing(&mut package, tree, &path, repositories, &request.limits)?
    };
    finish(&mut package, request, version, merged, dependencies)
}

/// Packs what was changed.
fn finish(
    package: &mut Package,
    request: &ChartRequest,
    version: String,
    merged: Option<(Defaults, Vec<String>)>,
    dependencies: usize,
) -> Result<Built, Error> {
    if package.metadata().version != version {
        package
            .set_version(&version)
            .map_err(|error| unpackable(&error))?;
    }
    let values_files = match merged {
        Some((values, files)) => {
            package.set_values(values);
            files
        }
        None => Vec::new(),
    };
    let archive = package.pack().map_err(|error| unpackable(&error))?;
    if archive.len() as u64 > request.limits.chart_bytes_max {
        return Err(too_large(request.limits.chart_bytes_max));
    }
    Ok(Built::New {
        name: package.metadata().name.clone(),
        version,
        archive,
        values_files,
        packaged: true,
        dependencies,
    })
}

/// The values of the files that are asked for, and which of them were there.
fn merge(
    request: &ChartRequest,
    read: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Option<(Defaults, Vec<String>)>, Error> {
    if request.values_files.is_empty() {
        return Ok(None);
    }
    let refuse = |why: String| {
        Error::lasting(
            "ValuesFilesError",
            format!("values files merge error: failed to merge chart values: {why}"),
        )
    };
    let mut values = Defaults::default();
    let mut found = Vec::new();
    for path in &request.values_files {
        let shown = path.escape_debug();
        let text = match read(path) {
            Some(text) => text,
            // The chart's own may be absent: then it says nothing.
            None if path == VALUES_FILE
                && matches!(request.from, From::Index { .. } | From::Registry(_)) =>
            {
                Vec::new()
            }
            None if request.ignore_missing_values_files => continue,
            None => return Err(refuse(format!("no values file found at path '{shown}'"))),
        };
        values.merge(&text).map_err(|error| {
            refuse(format!(
                "unmarshaling values from '{shown}' failed: {error}"
            ))
        })?;
        found.push(path.clone());
    }
    Ok(Some((values, found)))
}

/// A path without `.` and `..`; `None` where it leads out.
fn cleaned(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// `1.2.3+metadata`.
fn with_metadata(version: &str, metadata: &str) -> Result<String, Error> {
    if metadata.is_empty() {
        return Ok(version.to_owned());
    }
    let patched = Version::parse_whole(version).and_then(|it| it.with_metadata(metadata));
    let patched = patched.map_err(|error| {
        Error::lasting(
            "MetadataPatchError",
            format!(
                "chart metadata patch error: failed to parse version from chart metadata as SemVer: {error}"
            ),
        )
    })?;
    Ok(patched.to_string())
}

/// Pulls one version of a chart, and checks that it is what the index says.
pub(super) fn download(
    repository: &Repository,
    version: &ChartVersion,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let failed = |error: &SourceError| {
        let error = Error::on_the_way("ChartPullError", error);
        Error {
            message: format!(
                "chart pull error: failed to download chart for remote reference: {}",
                error.message
            ),
            ..error
        }
    };
    let refuse = |why: String| {
        Error::passing(
            "ChartPullError",
            format!("chart pull error: failed to download chart for remote reference: {why}"),
        )
    };
    let Some(reference) = version.urls.first() else {
        return Err(refuse(format!(
            "chart '{}' has no downloadable URLs",
            version.name
        )));
    };
    let place = Place::parse(&repository.url).map_err(|error| failed(&error))?;
    let url = resolve_url(&place.url, reference).map_err(|error| failed(&error))?;
    let web = index::open(repository, &place)?;
    let archive = get(&web, &url, limits).map_err(|error| failed(&error))?;
    let digest = version.digest.trim().to_ascii_lowercase();
    let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
    let found = hex::encode(&Sha256::digest(&archive));
    if !digest.is_empty() && digest != found {
        return Err(refuse(format!(
            "it has the digest sha256:{found}, and the index says another; the index is stale, or the chart was \
             replaced"
        )));
    }
    Ok(archive)
}

fn get(web: &Web, url: &Url, limits: &Limits) -> Result<Vec<u8>, SourceError> {
    let response = web.accept(web.get(url, &HeaderMap::new())?)?;
    web.bytes(response, limits.chart_bytes_max)
}

/// Where a chart is: what the index says, seen from the repository.
/// helm: `ResolveReferenceURL`, pkg/repo/v1/chartrepo.go.
fn resolve_url(repository: &Url, reference: &str) -> Result<Url, SourceError> {
    if reference.contains("://") {
        // What the index itself says of users and passwords is not used.
        return Place::parse(reference).map(|place| place.url);
    }
    let mut base = repository.clone();
    base.set_path(&format!("{}/", repository.path().trim_end_matches('/')));
    base.set_query(None);
    let mut url = base.join(reference).map_err(|error| SourceError::Url {
        url: crate::address::redact(reference),
        why: error.to_string(),
    })?;
    url.set_query(repository.query());
    Ok(url)
}

fn unpackable(error: &HelmError) -> Error {
    Error::passing("ChartPackageError", format!("chart package error: {error}"))
}

fn too_large(bytes_max: u64) -> Error {
    Error::passing(
        "ChartPackageError",
        format!(
            "chart package error: the packed chart has more than {bytes_max} bytes; leave files out with .helmignore"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_where_the_index_says() {
        for (repository, reference, expected) in [
            (
                "https://host/charts",
                "a-1.tgz",
                "https://host/charts/a-1.tgz",
            ),
            (
                "https://host/charts/",
                "sub/a.tgz",
                "https://host/charts/sub/a.tgz",
            ),
            (
                "https://host/charts?sig=x",
                "a.tgz",
                "https://host/charts/a.tgz?sig=x",
            ),
            ("https://host/charts", "/a.tgz", "https://host/a.tgz"),
            (
                "https://host/charts",
                "https://other/a.tgz",
                "https://other/a.tgz",
            ),
            (
                "https://host/charts",
                "https://me:x@other/a.tgz",
                "https://other/a.tgz",
            ),
        ] {
            let url = resolve_url(&Url::parse(repository).unwrap(), reference).unwrap();
            assert_eq!(url.as_str(), expected);
        }
        let host = Url::parse("https://host").unwrap();
        for reference in [
            "oci://host/a",
            "file:///etc/passwd",
            "http://169.254.169.254/a.tgz",
        ] {
            assert!(resolve_url(&host, reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn a_name_is_plain() {
        for name in ["podinfo", "org/app", "a.b-c1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "", "..", "../a", "a//b", "/a", "A", "a b", "a?b", "a%2e", "a\n", ".",
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn metadata_takes_the_place_of_what_was_there() {
        for (version, metadata, expected) in [
            ("1.2.3", "", "1.2.3"),
            ("1.2", "", "1.2"),
            ("1.2.3", "7", "1.2.3+7"),
            ("v1.2.3-rc.1+old", "abc.7", "1.2.3-rc.1+abc.7"),
        ] {
            assert_eq!(with_metadata(version, metadata).unwrap(), expected);
        }
        assert_eq!(
            with_metadata("latest", "7").unwrap_err().reason,
            "MetadataPatchError"
        );
    }

    #[test]
    fn a_path_stays_inside() {
        assert_eq!(cleaned("./charts//app/../b").as_deref(), Some("charts/b"));
        assert_eq!(cleaned("").as_deref(), Some(""));
        assert_eq!(cleaned("a/../../b"), None);
        assert_eq!(cleaned("/../etc"), None);
    }
}
