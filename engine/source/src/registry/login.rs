//! Logins to registries as Docker keeps them, and Kubernetes in Secrets.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::request::Credentials;
use crate::{Error, Secret};

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
pub(crate) const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// The names of one registry.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Who may ask which registry.
pub(crate) struct Logins(BTreeMap<String, Login>);

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    username: String,
    password: String,
    /// `username:password` in base64.
    auth: String,
}

impl Logins {
    /// Reads what stands under [`DOCKER_CONFIG`].
    pub(crate) fn parse(config: &str) -> Result<Self, Error> {
        // What serde says of it could repeat a part of it.
        let config: Config = serde_json::from_str(config).map_err(|error| {
            refuse(&format!(
                "'{DOCKER_CONFIG}' is no Docker configuration: it breaks in line {}",
                error.line()
            ))
        })?;
        Ok(Self(config.auths))
    }

    /// The login for `place`, a host with a path, if there is one: of those that fit, the one that says most.
    /// kubernetes: `DockerKeyring.Lookup`, pkg/credentialprovider/keyring.go.
    pub(crate) fn of(&self, place: &str) -> Result<Option<Credentials>, Error> {
        let fitting = self.0.iter().filter(|(key, _)| fits(key, place));
        let login = fitting.max_by_key(|(key, _)| bare(key).len());
        login.map(|(_, login)| login.credentials()).transpose()
    }
}

impl Login {
    fn credentials(&self) -> Result<Credentials, Error> {
        let (username, password) = if self.username.is_empty() {
            let decoded = STANDARD.decode(self.auth.trim()).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.and_then(|text| {
                let (username, password) = text.split_once(':')?;
                Some((username.to_owned(), password.to_owned()))
            });
            pair.ok_or_else(|| {
                refuse(&format!(
                    "'auth' in '{DOCKER_CONFIG}' is not user:password in base64"
                ))
            })?
        } else {
            (self.username.clone(), self.password.clone())
        };
        if username.is_empty() || username.chars().any(char::is_control) {
            return Err(refuse(&format!(
                "the login in '{DOCKER_CONFIG}' has no user name"
            )));
        }
        Ok(Credentials::Basic {
            username,
            password: Secret::new(password),
        })
    }
}

/// `host/path` of a key, which Docker also writes as `https://host/v1/`.
fn bare(key: &str) -> &str {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1")
        .or_else(|| key.strip_suffix("/v2"))
        .unwrap_or(key)
}

/// Whether a key is for `place`: the same host, its parts perhaps with `*`, and the beginning of the path.
fn fits(key: &str, place: &str) -> bool {
    let split = |text: &str| match text.split_once('/') {
        Some((host, path)) => (host.to_ascii_lowercase(), path.to_owned()),
        None => (text.to_ascii_lowercase(), String::new()),
    };
    let ((key_host, key_path), (host, path)) = (split(bare(key)), split(place));
    let is_hub = |host: &str| DOCKER_HUB.contains(&host);
    let is_host = key_host == host
        || is_hub(&key_host) && is_hub(&host)
        || key_host.contains('*') && host_fits(&key_host, &host);
    let is_within = path
        .strip_prefix(&key_path)
        .is_some_and(|rest| key_path.is_empty() || rest.is_empty() || rest.starts_with('/'));
    is_host && is_within
}

/// `*.example.com` fits `a.example.com` and not `a.b.example.com`; a port is never left open.
fn host_fits(pattern: &str, host: &str) -> bool {
    let split = |text: &str| match text.split_once(':') {
        Some((name, port)) => (name.to_owned(), port.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let ((pattern, wanted), (name, port)) = (split(pattern), split(host));
    let (patterns, labels): (Vec<_>, Vec<_>) =
        (pattern.split('.').collect(), name.split('.').collect());
    wanted == port
        && patterns.len() == labels.len()
        && patterns
            .iter()
            .zip(labels)
            .all(|(pattern, label)| match pattern.split_once('*') {
                None => *pattern == label,
                Some((start, end)) => {
                    label.len() >= start.len() + end.len()
                        && label.starts_with(start)
                        && label.ends_with(end)
                }
            })
}

fn refuse(why: &str) -> Error {
    Error::Credentials {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose login is taken where the keys' names are the users.
    fn found(keys: &[&str], place: &str) -> Option<String> {
        let logins = keys.iter().map(|key| {
            let login = Login {
                username: (*key).to_owned(),
                ..Login::default()
            };
            ((*key).to_owned(), login)
        });
        match Logins(logins.collect()).of(place).unwrap() {
            Some(Credentials::Basic { username, .. }) => Some(username),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    #[test]
    fn the_login_that_says_most_is_taken() {
        let all = [
            "ghcr.io",
            "ghcr.io/org",
            "https://index.docker.io/v1/",
            "*.example.com",
            "*.example.com:5000",
            "reg-*.example.org",
        ];
        for (place, expected) in [
            ("ghcr.io/other/app", Some("ghcr.io")),
            ("ghcr.io/org/app", Some("ghcr.io/org")),
            ("ghcr.io/organs/app", Some("ghcr.io")),
            ("GHCR.io/org", Some("ghcr.io/org")),
            ("docker.io/org/app", Some("https://index.docker.io/v1/")),
            (
                "registry-1.docker.io/app",
                Some("https://index.docker.io/v1/"),
            ),
            ("a.example.com/app", Some("*.example.com")),
            ("a.example.com:5000/app", Some("*.example.com:5000")),
            ("a.example.com:5001/app", None),
            ("a.b.example.com/app", None),
            ("example.com/app", None),
            ("reg-1.example.org/app", Some("reg-*.example.org")),
            ("reg.example.org/app", None),
            ("ghcr.io.evil.com/org", None),
            ("evil.com/ghcr.io/org", None),
        ] {
            assert_eq!(found(&all, place).as_deref(), expected, "{place}");
        }
    }
}
