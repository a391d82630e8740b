//! An artifact in a registry: which one a reference means, and what is in the layer that is asked for.
//!
//! Start at [`fetch`]. As elsewhere in this crate everything is synchronous, so call it from `spawn_blocking`.
//! When to ask, and where artifacts are kept, is the callers' business; signatures are nobody's yet.

use std::collections::BTreeMap;
use std::time::Duration;

use fluvial_manifest::{Entry, Tree};
use fluvial_semver::Constraints;
use regex::Regex;
use serde::Deserialize;

use crate::registry::login::{DOCKER_CONFIG, Logins};
use crate::registry::{self, Digest, Registry};
use crate::request::{Credentials, Proxy, Tls};
use crate::secret::Keys;
use crate::web::{Confidants, Web};
use crate::{Error as SourceError, IGNORE_FILE, Ignore, Limits, address, archive};

pub use crate::refused::Error;

const PULL_FAILED: &str = "OCIArtifactPullFailed";
const LAYER_FAILED: &str = "OCIArtifactLayerOperationFailed";
const UNREADABLE: &str = "ReadOperationFailed";
const TAG_DEFAULT: &str = "latest";
const TAG_CHARACTERS_MAX: usize = 128;
/// In the tags of charts, where a tag may have none, `_` stands for `+`. helm: `registry.Client`.
const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What stands in every record and status of the object.
const ANNOTATIONS_BYTES_MAX: usize = 64 << 10;
const FILTER_BYTES_MAX: usize = 1 << 20;
const TAG_PAGES_MAX: usize = 100;

/// One question for an artifact, complete: nothing else decides what it brings.
#[derive(Clone, Debug)]
pub struct Request {
    /// `oci://host/path`.
    pub url: String,
    /// Which artifact.
    pub reference: Reference,
    /// `spec.layerSelector.mediaType`: the first layer of this type, not the first of all.
    pub media_type: Option<String>,
    /// Whether the layer is the artifact as it is, and not unpacked.
    pub copies: bool,
    /// Who asks.
    pub credentials: Credentials,
    /// Whom to trust, and the certificate to show.
    pub tls: Tls,
    /// The HTTP proxy to go through.
    pub proxy: Option<Proxy>,
    /// Whether the registry speaks plain HTTP.
    pub insecure: bool,
    /// For the whole operation, from the first byte to the last.
    pub timeout: Duration,
    /// The revision that is already at hand. Leave it out when `ignore` or the like changed.
    pub observed: Option<String>,
    /// `spec.ignore`.
    pub ignore: Option<String>,
    /// Bytes of the layer, as received.
    pub layer_bytes_max: u64,
    /// What may be unpacked.
    pub limits: Limits,
}

impl Request {
    /// An anonymous request for the tag `latest`, with Flux's timeout.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            reference: Reference::default(),
            media_type: None,
            copies: false,
            credentials: Credentials::Anonymous,
            tls: Tls::default(),
            proxy: None,
            insecure: false,
            timeout: Duration::from_mins(1),
            observed: None,
            ignore: None,
            layer_bytes_max: 128 << 20,
            limits: Limits::default(),
        }
    }
}

/// `spec.ref`: the first that is set of digest, semver, tag; else the tag `latest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// `spec.ref.digest`.
    pub digest: Option<String>,
    /// `spec.ref.semver`.
    pub semver: Option<String>,
    /// `spec.ref.semverFilter`.
    pub semver_filter: Option<String>,
    /// `spec.ref.tag`.
    pub tag: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is the one at hand.
    Unchanged {
        /// Its revision.
        revision: String,
    },
    /// It is another.
    New {
        /// `tag@sha256:…`, or `sha256:…` where the digest was asked for.
        revision: String,
        /// The artifact: a gzipped tar, or the layer as it is.
        content: Vec<u8>,
        /// What its manifest says about it.
        annotations: BTreeMap<String, String>,
    },
}

/// Who may ask the registry of `url`, by Secrets as Docker keeps logins; anonymous where none is for it.
pub fn login_from_secrets(
    url: &str,
    secrets: &[BTreeMap<String, Vec<u8>>],
) -> Result<Credentials, SourceError> {
    let place = url.trim_start_matches("oci://");
    for data in secrets {
        let config = Keys(data).text(DOCKER_CONFIG)?;
        let Some(config) = config else {
            let why = format!(
                "the Secret has no '{DOCKER_CONFIG}'; make one with kubectl create secret docker-registry"
            );
            return Err(SourceError::Credentials { why });
        };
        if let Some(login) = Logins::parse(&config)?.of(place)? {
            return Ok(login);
        }
    }
    Ok(Credentials::Anonymous)
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    digest: String,
}

/// Asks for an artifact. One that is at hand already costs one question, and one for the tags of a range.
pub fn fetch(request: &Request) -> Result<Fetched, Error> {
    let registry = open(request)?;
    let wanted = wanted(request, &registry)?;
    let (revision, digest) = match wanted {
        Wanted::Digest(digest) => (digest.as_str().to_owned(), digest),
        Wanted::Tag(tag) => {
            let digest = resolve(request, &registry, &tag)?;
            (format!("{tag}@{}", digest.as_str()), digest)
        }
    };
    if request.observed.as_ref() == Some(&revision) {
        return Ok(Fetched::Unchanged { revision });
    }
    let manifest = manifest(request, &registry, &digest)?;
    let layer = layer(request, &registry, &manifest)?;
    let content = if request.copies {
        layer
    } else {
        extract(request, &layer)?
    };
    Ok(Fetched::New {
        revision,
        content,
        annotations: manifest.annotations.unwrap_or_default(),
    })
}

fn open(request: &Request) -> Result<Registry, Error> {
    let shown = address::redact(&request.url);
    let refuse = |why: String| {
        Error::lasting(
            "URLInvalid",
            format!("URL validation failed for '{shown}': {why}"),
        )
    };
    let place = registry::place(&request.url, request.insecure)
        .map_err(|error| refuse(error.to_string()))?;
    // As it is written: reading a URL takes `..` out of its path, also where it is escaped.
    let written = request.url.split("://").nth(1).unwrap_or_default();
    let name = written.split_once('/').map_or("", |(_, path)| path);
    let name = name.trim_matches('/');
    if let Some((_, tag)) = name.rsplit_once([':', '@']) {
        return Err(refuse(format!(
            "URL must not contain a tag; remove ':{tag}', and put it into spec.ref"
        )));
    }
    let is_name = |part: &str| {
        !part.trim_matches('.').is_empty()
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    };
    if !name.split('/').all(is_name) {
        return Err(refuse(
            "its path is no name of a repository; write oci://host/path in lower case".to_owned(),
        ));
    }
    // The official images of Docker's registry are in a folder that nobody writes.
    let is_short = !name.contains('/') && place.url.host_str() == Some(registry::DOCKER);
    let name = if is_short {
        format!("library/{name}")
    } else {
        name.to_owned()
    };
    let web = Web::new(
        &place,
        &request.credentials,
        &request.tls,
        request.proxy.as_ref(),
        Confidants::Home,
        request.timeout,
    )
    .map_err(|error| Error::on_the_way("AuthenticationFailed", &error))?;
    Ok(Registry::open(web, &place, name))
}

/// What a reference means.
enum Wanted {
    Digest(Digest),
    Tag(String),
}

fn wanted(request: &Request, registry: &Registry) -> Result<Wanted, Error> {
    let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let reference = &request.reference;
    if let Some(text) = set(&reference.digest) {
        let digest = Digest::parse(&text).ok_or_else(|| {
            let message = format!(
                "failed to determine artifact digest: spec.ref.digest is no digest by SHA-256: '{}'; write \
                 sha256: and 64 hexadecimal digits",
                text.escape_debug()
            );
            Error::lasting(PULL_FAILED, message)
        })?;
        return Ok(Wanted::Digest(digest));
    }
    if let Some(range) = set(&reference.semver) {
        return highest(request, registry, &range).map(Wanted::Tag);
    }
    let tag = set(&reference.tag).unwrap_or_else(|| TAG_DEFAULT.to_owned());
    if !is_tag(&tag) {
        return Err(undetermined(
            request,
            &format!(
                "spec.ref.tag is no tag: '{}'; a tag has up to {TAG_CHARACTERS_MAX} letters, digits, and _ . -",
                tag.escape_debug()
            ),
        ));
    }
    Ok(Wanted::Tag(tag))
}

fn is_tag(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let is_first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.len() <= TAG_CHARACTERS_MAX
        && text.as_bytes().first().is_some_and(is_first)
        && text.bytes().all(is_inner)
}

/// The highest of the tags in a range. flux: `getTagBySemver`, ocirepository_controller.go.
fn highest(request: &Request, registry: &Registry, range: &str) -> Result<String, Error> {
    let constraints = Constraints::parse(range).map_err(|error| {
        undetermined(request, &format!("semver '{range}' parse error: {error}"))
    })?;
    let filter = request.reference.semver_filter.as_deref();
    let filter = filter.filter(|text| !text.is_empty()).map(|text| {
        let compiled = regex::RegexBuilder::new(text)
            .size_limit(FILTER_BYTES_MAX)
            .build();
        compiled.map_err(|_of_many_lines| {
            undetermined(
                request,
                &format!("spec.ref.semverFilter is no regular expression: {text}"),
            )
        })
    });
    let filter: Option<Regex> = filter.transpose()?;
    let tags = registry.tags(TAG_PAGES_MAX).map_err(|error| {
        let error = Error::on_the_way(UNREADABLE, &error);
        let message = undetermined(request, &error.message).message;
        Error { message, ..error }
    })?;
    let is_chart = request.media_type.as_deref() == Some(CHART_LAYER);
    let version = |tag: &str| {
        if is_chart {
            tag.replace('_', "+")
        } else {
            tag.to_owned()
        }
    };
    let versions: Vec<_> = tags
        .iter()
        .filter(|tag| is_tag(tag) && filter.as_ref().is_none_or(|filter| filter.is_match(tag)))
        .map(|tag| version(tag))
        .collect();
    let highest = constraints.highest(versions.iter().map(String::as_str));
    let Some(highest) = highest else {
        let filtered = if filter.is_some() {
            ", and the filter"
        } else {
            ""
        };
        let why = format!(
            "no match found for semver: {range}: of {} tags none is in it{filtered}",
            tags.len()
        );
        return Err(Error::passing(
            UNREADABLE,
            undetermined(request, &why).message,
        ));
    };
    Ok(if is_chart {
        highest.replace('+', "_")
    } else {
        highest.to_owned()
    })
}

/// That nobody can say which artifact is meant, until the object is changed.
fn undetermined(request: &Request, why: &str) -> Error {
    let message = format!(
        "failed to determine the artifact tag for '{}': {why}",
        address::redact(&request.url)
    );
    Error::lasting(UNREADABLE, message)
}

/// What a tag stands for now.
fn resolve(request: &Request, registry: &Registry, tag: &str) -> Result<Digest, Error> {
    let digest = match registry.digest_of(tag) {
        Ok(Some(digest)) => Ok(digest),
        // Some registries do not answer to the shorter question.
        Ok(None) | Err(SourceError::Remote { .. }) => {
            registry.manifest(tag).map(|(_, digest)| digest)
        }
        Err(error) => Err(error),
    };
    digest.map_err(|error| {
        let what = format!("tag '{tag}'");
        prefixed(
            "failed to determine artifact digest",
            &absent(request, what, error),
        )
    })
}

/// In place of an answer that there is no such thing, what it is that is missing.
fn absent(request: &Request, what: String, error: SourceError) -> SourceError {
    match error {
        SourceError::RepositoryNotFound { .. } => SourceError::ReferenceNotFound {
            url: address::redact(&request.url),
            what,
            why: "the registry has no such artifact; push it, or correct spec.url or spec.ref"
                .to_owned(),
        },
        error => error,
    }
}

fn prefixed(what: &str, error: &SourceError) -> Error {
    let error = Error::on_the_way(PULL_FAILED, error);
    Error {
        message: format!("{what}: {}", error.message),
        ..error
    }
}

fn manifest(request: &Request, registry: &Registry, digest: &Digest) -> Result<Manifest, Error> {
    let what = format!(
        "failed to pull artifact from '{}'",
        address::redact(&request.url)
    );
    let manifest = registry.manifest(digest.as_str());
    let (bytes, _digest) = manifest.map_err(|error| {
        let named = format!("digest '{}'", digest.as_str());
        prefixed(&what, &absent(request, named, error))
    })?;
    let manifest: Manifest = registry.read(&bytes, "manifest").map_err(|error| {
        Error::passing(
            LAYER_FAILED,
            format!("failed to parse artifact manifest: {error}"),
        )
    })?;
    let annotations = manifest.annotations.iter().flatten();
    let size: usize = annotations
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > ANNOTATIONS_BYTES_MAX {
        return Err(Error::passing(
            LAYER_FAILED,
            format!(
                "failed to parse artifact manifest: its annotations have {size} bytes and \
                 {ANNOTATIONS_BYTES_MAX} are allowed"
            ),
        ));
    }
    Ok(manifest)
}

fn layer(request: &Request, registry: &Registry, manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let refuse = |why: &str| Error::passing(LAYER_FAILED, why);
    let wanted = request.media_type.as_deref().filter(|it| !it.is_empty());
    let found = match wanted {
        None => manifest.layers.first(),
        Some(wanted) => manifest.layers.iter().find(|it| it.media_type == wanted),
    };
    let Some(layer) = found else {
        return Err(match wanted {
            Some(wanted) if !manifest.layers.is_empty() => refuse(&format!(
                "failed to find layer with media type '{wanted}' in artifact"
            )),
            _ => refuse(
                "no layers found in artifact; an index of several is none: name one in spec.ref.digest",
            ),
        });
    };
    let Some(digest) = Digest::parse(&layer.digest) else {
        return Err(refuse(
            "failed to parse artifact layers: the layer has no digest by SHA-256",
        ));
    };
    let what = format!(
        "failed to pull artifact from '{}'",
        address::redact(&request.url)
    );
    let blob = registry.blob(&digest, request.layer_bytes_max);
    blob.map_err(|error| prefixed(&what, &error))
}

/// The files of a layer that are not ignored, packed as every artifact. flux: links are left out.
fn extract(request: &Request, layer: &[u8]) -> Result<Vec<u8>, Error> {
    let failed = |error: SourceError| {
        Error::passing(
            LAYER_FAILED,
            format!("failed to extract layer contents from artifact: {error}"),
        )
    };
    let whole = archive::unpack(layer, &request.limits).map_err(failed)?;
    let rules = whole.iter().filter_map(|(path, entry)| match entry {
        Entry::File { bytes, .. } if path.rsplit('/').next() == Some(IGNORE_FILE) => {
            Some((path, &**bytes))
        }
        Entry::File { .. } | Entry::Link { .. } => None,
    });
    // Parents before children: the last rule decides.
    let mut rules: Vec<_> = rules.collect();
    rules.sort_by_key(|(path, _)| path.matches('/').count());
    let ignore = Ignore::new(rules, request.ignore.as_deref());
    let mut kept = Tree::new();
    for (path, entry) in whole.iter() {
        let is_file = matches!(entry, Entry::File { .. });
        if is_file && !ignore.excludes(path) {
            kept.insert(path, entry.clone()).map_err(|error| {
                failed(SourceError::Archive {
                    why: error.to_string(),
                })
            })?;
        }
    }
    archive::pack(&kept).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_no_path() {
        for (tag, expected) in [
            ("latest", true),
            ("6.7.1_b", true),
            ("_x", true),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
            ("", false),
            (".x", false),
            ("-x", false),
            ("../../x", false),
            ("a/b", false),
            ("a:b", false),
            ("a@b", false),
            ("a?b", false),
            ("ä", false),
        ] {
            assert_eq!(is_tag(tag), expected, "{tag}");
        }
    }

    #[test]
    fn a_url_is_a_repository_and_nothing_more() {
        let says = |url: &str| open(&Request::new(url)).map(|it| it.name().to_owned());
        for (url, expected) in [
            ("oci://ghcr.io/org/app", "org/app"),
            ("oci://ghcr.io/app/", "app"),
            ("oci://docker.io/nginx", "library/nginx"),
            ("oci://docker.io/org/app", "org/app"),
        ] {
            assert_eq!(says(url).ok().as_deref(), Some(expected), "{url}");
        }
        for (url, why) in [
            (
                "oci://ghcr.io/org/app:6.7.1",
                "URL must not contain a tag; remove ':6.7.1', and put it into spec.ref",
            ),
            (
                "oci://ghcr.io/org/app@sha256:00",
                "URL must not contain a tag",
            ),
            ("oci://ghcr.io", "its path is no name of a repository"),
            (
                "oci://ghcr.io/Org/app",
                "its path is no name of a repository",
            ),
            (
                "oci://ghcr.io/org/%2e%2e/app",
                "its path is no name of a repository",
            ),
            ("oci://169.254.169.254/org/app", "metadata"),
        ] {
            let error = says(url).unwrap_err();
            assert_eq!(
                (error.reason, error.retry),
                ("URLInvalid", crate::Retry::Never)
            );
            assert!(error.message.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn of_several_secrets_the_first_with_a_login_counts() {
        let secret = |host: &str, user: &str| {
            let config =
                format!(r#"{{"auths": {{"{host}": {{"username": "{user}", "password": "p"}}}}}}"#);
            BTreeMap::from([(DOCKER_CONFIG.to_owned(), config.into_bytes())])
        };
        let secrets = [
            secret("ghcr.io", "a"),
            secret("quay.io", "b"),
            secret("quay.io", "c"),
        ];
        for (url, expected) in [
            ("oci://ghcr.io/org/app", Some("a")),
            ("oci://quay.io/org/app", Some("b")),
            ("oci://docker.io/org/app", None),
        ] {
            let found = match login_from_secrets(url, &secrets).unwrap() {
                Credentials::Basic { username, .. } => Some(username),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{url}");
        }
        let other = BTreeMap::from([("username".to_owned(), b"me".to_vec())]);
        let error = login_from_secrets("oci://ghcr.io/app", &[other]).unwrap_err();
        assert!(
            error.to_string().contains("has no '.dockerconfigjson'"),
            "{error}"
        );
    }
}
