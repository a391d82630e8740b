//! Charts in a registry: the few calls of the OCI distribution protocol that reading needs.
//!
//! This is the house's own client and not a crate's, so that every call goes through [`Web`]: addresses are
//! checked when names are resolved, redirects lose credentials, bytes are counted, and a token is asked for
//! only where the registry itself could have asked for the password.

use std::cell::RefCell;

use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::resolve::{Candidate, is_exact, pick};
use super::{Error, Limits, Repository, index};
use crate::web::{Place, Web, bearer};
use crate::{Error as SourceError, hex};

const CHART_LAYERS: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const TAGS_BYTES_MAX: u64 = 4 << 20;
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// One repository of one registry.
pub(super) struct Registry {
    web: Web,
    /// `https://host/v2/path/`.
    base: Url,
    /// `path`, for scopes and messages.
    name: String,
    /// The token that was given.
    token: RefCell<Option<HeaderValue>>,
    limits: Limits,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

impl Registry {
    /// The repository of one chart.
    pub(super) fn open(
        repository: &Repository,
        chart: &str,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let invalid = |error: &SourceError| Error::on_the_way("ChartPullError", error);
        let Some(rest) = repository.url.strip_prefix("oci://") else {
            return Err(Error::lasting(
                "URLInvalid",
                format!(
                    "invalid OCI registry URL: {}; write oci://host/path",
                    crate::address::redact(&repository.url)
                ),
            ));
        };
        let scheme = if repository.insecure { "http" } else { "https" };
        let place = Place::parse(&format!("{scheme}://{rest}")).map_err(|error| invalid(&error))?;
        let path = place.url.path().trim_matches('/');
        let name = if path.is_empty() {
            chart.to_owned()
        } else {
            format!("{path}/{chart}")
        };
        let mut base = place.url.clone();
        base.set_query(None);
        base.set_path(&format!("/v2/{name}/"));
        Ok(Self {
            web: index::open(repository, &place)?,
            base,
            name,
            token: RefCell::new(None),
            limits: *limits,
        })
    }

    /// The version that a range means; one that is written out is believed to be there.
    pub(super) fn find(&self, range: &str) -> Result<String, Error> {
        if is_exact(range) {
            return Ok(range.to_owned());
        }
        let failed = |error: &SourceError| {
            let error = Error::on_the_way("ChartPullError", error);
            Error {
                message: format!(
                    "chart pull error: failed to get chart version for remote reference: {}",
                    error.message
                ),
                ..error
            }
        };
        let refuse = |why: String| {
            Error::passing(
                "InvalidChartReference",
                format!(
                    "invalid chart reference: failed to get chart version for remote reference: {why}"
                ),
            )
        };
        let tags = self.tags().map_err(|error| failed(&error))?;
        let candidates: Vec<_> = tags
            .iter()
            .map(|version| Candidate {
                version,
                created: "",
            })
            .collect();
        match pick(&candidates, range) {
            Ok(Some(at)) => Ok(tags[at].clone()),
            Ok(None) => Err(refuse(format!(
                "could not locate a version matching provided version string {range}"
            ))),
            Err(why) => Err(refuse(format!("'{range}' is no range of versions: {why}"))),
        }
    }

    /// The archive of a version, as its manifest describes it.
    pub(super) fn pull(&self, version: &str) -> Result<Vec<u8>, Error> {
        self.archive(version).map_err(|error| {
            let error = Error::on_the_way("ChartPullError", &error);
            Error {
                message: format!(
                    "chart pull error: failed to download chart for remote reference: {}",
                    error.message
                ),
                ..error
            }
        })
    }

    fn archive(&self, version: &str) -> Result<Vec<u8>, SourceError> {
        // A tag has no plus. helm: registry.Client.Pull.
        let tag = version.replace('+', "_");
        let url = self.join(&format!("manifests/{tag}"))?;
        let response = self.get(&url, MANIFEST)?;
        let bytes = self.web.bytes(response, MANIFEST_BYTES_MAX)?;
        let manifest: Manifest = self.read(&bytes, "manifest")?;
        let mut charts = manifest
            .layers
            .iter()
            .filter(|layer| CHART_LAYERS.contains(&layer.media_type.as_str()));
        let (Some(layer), None) = (charts.next(), charts.next()) else {
            return Err(self.web.remote(format!(
                "{}:{tag} is no Helm chart: its manifest has not one layer of the type {}",
                self.name, CHART_LAYERS[0]
            )));
        };
        let digest = layer.digest.strip_prefix("sha256:").filter(|digest| {
            digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        let Some(digest) = digest else {
            return Err(self.web.remote(format!(
                "the chart in {}:{tag} has no digest by SHA-256",
                self.name
            )));
        };
        let url = self.join(&format!("blobs/sha256:{digest}"))?;
        let response = self.get(&url, "*/*")?;
        let archive = self.web.bytes(response, self.limits.chart_bytes_max)?;
        let found = hex::encode(&Sha256::digest(&archive));
        if found != digest.to_ascii_lowercase() {
            return Err(self.web.remote(format!(
                "the chart in {}:{tag} has the digest sha256:{found}, and its manifest says sha256:{digest}",
                self.name
            )));
        }
        Ok(archive)
    }

    /// All tags, as versions.
    fn tags(&self) -> Result<Vec<String>, SourceError> {
        let mut url = self.join("tags/list")?;
        url.set_query(Some("n=10000"));
        let mut all = Vec::new();
        let mut bytes_left = TAGS_BYTES_MAX;
        for _page in 0..self.limits.tag_pages_max {
            let response = self.get(&url, "application/json")?;
            let next = next_page(&url, response.headers());
            let bytes = self.web.bytes(response, bytes_left)?;
            bytes_left -= bytes.len() as u64;
            let page: Tags = self.read(&bytes, "list of tags")?;
            let tags = page.tags.unwrap_or_default();
            all.extend(tags.into_iter().map(|tag| tag.replace('_', "+")));
            let Some(next) = next else {
                return Ok(all);
            };
            if !self.web.is_home(&next) {
                return Err(self
                    .web
                    .remote("the server says that more tags are on another host".to_owned()));
            }
            url = next;
        }
        Err(self.web.remote(format!(
            "{} has more than {} pages of tags; name a version in spec.version",
            self.name, self.limits.tag_pages_max
        )))
    }

    /// An answer, with a token where the registry wants one.
    fn get(&self, url: &Url, accept: &'static str) -> Result<Response, SourceError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let token = self.token.borrow().clone();
        let response = match &token {
            Some(token) => self.web.get_as(url, &headers, Some(token))?,
            None => self.web.get_as(url, &headers, None)?,
        };
        if response.status() != StatusCode::UNAUTHORIZED || token.is_some() {
            return self.web.accept(response);
        }
        let challenge = challenge(response.headers());
        let proof = match challenge {
            Some(Challenge::Basic) => self.web.authorization().cloned(),
            Some(Challenge::Bearer { realm, service }) => {
                Some(self.ask_for_token(&realm, &service)?)
            }
            None => None,
        };
        let Some(proof) = proof else {
            return self.web.accept(response);
        };
        let response = self.web.get_as(url, &headers, Some(&proof))?;
        self.token.replace(Some(proof));
        self.web.accept(response)
    }

    fn ask_for_token(&self, realm: &str, service: &str) -> Result<HeaderValue, SourceError> {
        let mut url = Place::parse(realm)?.url;
        let scope = format!("repository:{}:pull", self.name);
        url.query_pairs_mut()
            .append_pair("scope", &scope)
            .append_pair("service", service);
        // A realm is what the server says. Another's host gets no password. (CVE-2026-33540)
        let login = self
            .web
            .authorization()
            .filter(|_| may_vouch(&self.base, &url));
        let response = self.web.get_as(&url, &HeaderMap::new(), login)?;
        let response = self.web.accept(response)?;
        let bytes = self.web.bytes(response, TOKEN_BYTES_MAX)?;
        let token: Token = self.read(&bytes, "token")?;
        let token = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        bearer(&token)
    }

    fn join(&self, path: &str) -> Result<Url, SourceError> {
        self.base.join(path).map_err(|error| SourceError::Url {
            url: self.web.shown().to_owned(),
            why: error.to_string(),
        })
    }

    fn read<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8], what: &str) -> Result<T, SourceError> {
        serde_json::from_slice(bytes).map_err(|error| {
            // What serde says of a token could repeat a part of it.
            self.web.remote(format!(
                "its {what} cannot be read: it breaks in line {} at {}",
                error.line(),
                error.column()
            ))
        })
    }
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: String },
}

fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .find_map(|value| read_challenge(value.to_str().ok()?))
}

fn read_challenge(text: &str) -> Option<Challenge> {
    let (scheme, parameters) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let field = |name: &str| {
        let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
        let rest = &parameters[start..];
        Some(rest[..rest.find('"')?].to_owned())
    };
    Some(Challenge::Bearer {
        realm: field("realm")?,
        service: field("service").unwrap_or_default(),
    })
}

/// Whether a password for `registry` may be shown to `realm`: the same host, or one of the same domain, over
/// a channel that is no worse.
fn may_vouch(registry: &Url, realm: &Url) -> bool {
    let (Some(registry_host), Some(realm_host)) = (registry.host_str(), realm.host_str()) else {
        return false;
    };
    if realm.scheme() == "http" && registry.scheme() != "http" {
        return false;
    }
    if registry_host == realm_host {
        return true;
    }
    let is_name = |host: &str| !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
    let Some((_, domain)) = registry_host.split_once('.') else {
        return false;
    };
    let is_within = realm_host == domain || realm_host.ends_with(&format!(".{domain}"));
    domain.contains('.') && is_name(registry_host) && is_within
}

/// `Link: <…>; rel="next"`.
fn next_page(at: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next")
        .then(|| at.join(target).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_within_the_domain_only() {
        for (registry, realm, expected) in [
            ("https://ghcr.io/v2/", "https://ghcr.io/token", true),
            (
                "https://registry-1.docker.io/v2/",
                "https://auth.docker.io/token",
                true,
            ),
            (
                "https://registry.gitlab.com/v2/",
                "https://gitlab.com/jwt/auth",
                true,
            ),
            (
                "http://127.0.0.1:5000/v2/",
                "http://127.0.0.1:5001/token",
                true,
            ),
            ("https://ghcr.io/v2/", "https://evil.io/token", false),
            ("https://ghcr.io/v2/", "http://ghcr.io/token", false),
            (
                "https://registry.example.com/v2/",
                "https://example.com.evil.io/token",
                false,
            ),
            (
                "https://registry.example.com/v2/",
                "https://evilexample.com/token",
                false,
            ),
            ("https://10.0.0.1/v2/", "https://10.9.0.1/token", false),
            ("https://localhost/v2/", "https://evil/token", false),
        ] {
            let url = |text| Url::parse(text).unwrap();
            assert_eq!(
                may_vouch(&url(registry), &url(realm)),
                expected,
                "{registry} {realm}"
            );
        }
    }

    #[test]
    fn a_challenge_is_read_in_any_case_and_order() {
        let bearer = |realm: &str, service: &str| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.into(),
            })
        };
        for (text, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"x\"",
                bearer("https://a/t", "s"),
            ),
            (
                "bearer service=\"s\", realm=\"https://a/t\"",
                bearer("https://a/t", "s"),
            ),
            ("Bearer realm=\"https://a/t\"", bearer("https://a/t", "")),
            ("Bearer realm=\"https://a", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(read_challenge(text), expected, "{text}");
        }
    }
}
