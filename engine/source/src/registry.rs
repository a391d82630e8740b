//! A registry: the few calls of the OCI distribution protocol that reading needs.
//!
//! This is the house's own client and not a crate's, so that every call goes through [`Web`]: addresses are
//! checked when names are resolved, redirects lose credentials, bytes are counted, and a token is asked for
//! only where the registry itself could have asked for the password. What is pulled, and what it is worth, is
//! the business of `helm` and `oci`.

pub(crate) mod login;

use std::cell::RefCell;

use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, LINK, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::web::{Place, Web, bearer};
use crate::{Error, hex};

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const TAGS_BYTES_MAX: u64 = 4 << 20;
const TOKEN_BYTES_MAX: u64 = 1 << 20;
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Docker's own registry has a name for people and one for programs.
pub(crate) const DOCKER: &str = "registry-1.docker.io";
const DOCKER_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];

/// One repository of one registry.
pub(crate) struct Registry {
    web: Web,
    /// `https://host/v2/path/`.
    base: Url,
    /// `path`, for scopes and messages.
    name: String,
    /// The token that was given.
    token: RefCell<Option<HeaderValue>>,
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

/// The digest of a manifest or a blob: by SHA-256, as everybody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest(String);

impl Digest {
    /// Reads `sha256:…`; what is anything else could be a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Self(format!("sha256:{}", digits.to_ascii_lowercase())))
    }

    /// That of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(&Sha256::digest(bytes))))
    }

    /// `sha256:…`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a registry is: `oci://host/path`, by the protocol that it speaks.
pub(crate) fn place(url: &str, is_insecure: bool) -> Result<Place, Error> {
    let Some(rest) = url.strip_prefix("oci://") else {
        return Err(Error::Url {
            url: crate::address::redact(url),
            why: "write oci://host/path".to_owned(),
        });
    };
    let scheme = if is_insecure { "http" } else { "https" };
    let mut place = Place::parse(&format!("{scheme}://{rest}"))?;
    if place
        .url
        .host_str()
        .is_some_and(|host| DOCKER_NAMES.contains(&host))
        && let Err(error) = place.url.set_host(Some(DOCKER))
    {
        return Err(Error::Url {
            url: place.shown,
            why: error.to_string(),
        });
    }
    Ok(place)
}

impl Registry {
    /// The repository `name` of the registry that `web` asks at `place`.
    pub(crate) fn open(web: Web, place: &Place, name: String) -> Self {
        let mut base = place.url.clone();
        base.set_query(None);
        base.set_path(&format!("/v2/{name}/"));
        Self {
            web,
            base,
            name,
            token: RefCell::new(None),
        }
    }

    /// Its name in the registry.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An answer of this registry that makes no sense.
    pub(crate) fn remote(&self, why: String) -> Error {
        self.web.remote(why)
    }

    /// What a tag stands for now, without asking for it; `None` where the registry does not say.
    pub(crate) fn digest_of(&self, tag: &str) -> Result<Option<Digest>, Error> {
        let url = self.join(&format!("manifests/{tag}"))?;
        let response = self.ask(&Method::HEAD, &url, MANIFESTS)?;
        let digest = response.headers().get(CONTENT_DIGEST);
        Ok(digest.and_then(|it| Digest::parse(it.to_str().ok()?)))
    }

    /// The manifest that a tag or a digest means, and its own digest.
    pub(crate) fn manifest(&self, reference: &str) -> Result<(Vec<u8>, Digest), Error> {
        let url = self.join(&format!("manifests/{reference}"))?;
        let response = self.ask(&Method::GET, &url, MANIFESTS)?;
        let bytes = self.web.bytes(response, MANIFEST_BYTES_MAX)?;
        let found = Digest::of(&bytes);
        match Digest::parse(reference) {
            Some(wanted) if wanted != found => Err(self.web.remote(format!(
                "the manifest {reference} of {} has the digest {}",
                self.name,
                found.as_str()
            ))),
            Some(_) | None => Ok((bytes, found)),
        }
    }

    /// A blob, of which its digest is believed and nothing else.
    pub(crate) fn blob(&self, digest: &Digest, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let url = self.join(&format!("blobs/{}", digest.as_str()))?;
        let response = self.ask(&Method::GET, &url, "*/*")?;
        let bytes = self.web.bytes(response, bytes_max)?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(self.web.remote(format!(
                "a layer of {} has the digest {}, and its manifest says {}",
                self.name,
                found.as_str(),
                digest.as_str()
            )));
        }
        Ok(bytes)
    }

    /// All tags.
    pub(crate) fn tags(&self, pages_max: usize) -> Result<Vec<String>, Error> {
        let mut url = self.join("tags/list")?;
        url.set_query(Some("n=10000"));
        let mut all = Vec::new();
        let mut bytes_left = TAGS_BYTES_MAX;
        for _page in 0..pages_max {
            let response = self.ask(&Method::GET, &url, "application/json")?;
            let next = next_page(&url, response.headers());
            let bytes = self.web.bytes(response, bytes_left)?;
            bytes_left -= bytes.len() as u64;
            let page: Tags = self.read(&bytes, "list of tags")?;
            all.extend(page.tags.unwrap_or_default());
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
            "{} has more than {pages_max} pages of tags; name a version or a tag in place of a range",
            self.name
        )))
    }

    /// An answer, with a token where the registry wants one.
    fn ask(&self, method: &Method, url: &Url, accept: &'static str) -> Result<Response, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let token = self.token.borrow().clone();
        let response = self.web.ask(method, url, &headers, token.as_ref())?;
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
        let response = self.web.ask(method, url, &headers, Some(&proof))?;
        self.token.replace(Some(proof));
        self.web.accept(response)
    }

    fn ask_for_token(&self, realm: &str, service: &str) -> Result<HeaderValue, Error> {
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
        let response = self.web.ask(&Method::GET, &url, &HeaderMap::new(), login)?;
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

    fn join(&self, path: &str) -> Result<Url, Error> {
        self.base.join(path).map_err(|error| Error::Url {
            url: self.web.shown().to_owned(),
            why: error.to_string(),
        })
    }

    /// What a registry answered, as JSON.
    pub(crate) fn read<'a, T: Deserialize<'a>>(
        &self,
        bytes: &'a [u8],
        what: &str,
    ) -> Result<T, Error> {
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
    fn docker_hub_is_asked_where_its_programs_are() {
        for (url, expected) in [
            (
                "oci://docker.io/org/app",
                "https://registry-1.docker.io/org/app",
            ),
            (
                "oci://index.docker.io/app",
                "https://registry-1.docker.io/app",
            ),
            ("oci://ghcr.io/org/app", "https://ghcr.io/org/app"),
            ("oci://127.0.0.1:5000/app", "https://127.0.0.1:5000/app"),
        ] {
            assert_eq!(place(url, false).unwrap().url.as_str(), expected);
        }
        for url in ["https://ghcr.io/org", "oci://", "oci://169.254.169.254/x"] {
            assert!(matches!(place(url, false), Err(Error::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_digest_is_no_path() {
        let whole = format!("sha256:{}", "aB".repeat(32));
        assert_eq!(
            Digest::parse(&whole).unwrap().as_str(),
            whole.to_ascii_lowercase()
        );
        for text in ["sha256:../../x", "sha256:", "md5:00", "", &whole[..70]] {
            assert_eq!(Digest::parse(text), None, "{text}");
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
