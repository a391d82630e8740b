//! Credentials for charts as Flux's Secrets spell them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::request::{Credentials, Tls};
use crate::secret::Keys;
use crate::{Error, Secret, address};

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// Reads the `secretRef` of a repository: `username` and `password`, and, as older versions had it, TLS keys.
pub fn login_from_secret_data(
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<(Credentials, Tls), Error> {
    let keys = Keys(data);
    Ok((keys.http()?, keys.tls()?))
}

/// Reads the `secretRef` of a registry: what `docker login` would have written for its host, or `username`
/// and `password`.
pub fn registry_login_from_secret_data(
    url: &str,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<(Credentials, Tls), Error> {
    let keys = Keys(data);
    let Some(config) = keys.text(DOCKER_CONFIG)? else {
        return Ok((keys.http()?, keys.tls()?));
    };
    let host = url.trim_start_matches("oci://").split('/').next();
    let host = host.unwrap_or_default();
    Ok((docker_login(host, &config)?, keys.tls()?))
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerLogin>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerLogin {
    username: String,
    password: String,
    /// `username:password` in base64.
    auth: String,
}

fn docker_login(host: &str, config: &str) -> Result<Credentials, Error> {
    let refuse = |why: String| Error::Credentials { why };
    // What serde says of it could repeat a part of it.
    let config: DockerConfig = serde_json::from_str(config).map_err(|error| {
        refuse(format!(
            "'{DOCKER_CONFIG}' is no Docker configuration: it breaks in line {}",
            error.line()
        ))
    })?;
    let found = config.auths.into_iter().find(|(place, _)| {
        let place = place
            .split_once("://")
            .map_or(place.as_str(), |(_, rest)| rest);
        place.split('/').next() == Some(host)
    });
    let Some((_, login)) = found else {
        let host = address::redact(host);
        return Err(refuse(format!(
            "'{DOCKER_CONFIG}' has no login for {host}; add one"
        )));
    };
    let (username, password) = if login.username.is_empty() {
        let decoded = STANDARD.decode(login.auth.trim()).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.and_then(|text| {
            let (username, password) = text.split_once(':')?;
            Some((username.to_owned(), password.to_owned()))
        });
        pair.ok_or_else(|| {
            refuse(format!(
                "'auth' in '{DOCKER_CONFIG}' is not user:password in base64"
            ))
        })?
    } else {
        (login.username, login.password)
    };
    if username.is_empty() || username.chars().any(char::is_control) {
        return Err(refuse(format!(
            "the login in '{DOCKER_CONFIG}' has no user name"
        )));
    }
    Ok(Credentials::Basic {
        username,
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(url: &str, config: &str) -> Result<(String, String), String> {
        let data = BTreeMap::from([(DOCKER_CONFIG.to_owned(), config.as_bytes().to_vec())]);
        match registry_login_from_secret_data(url, &data) {
            Ok((Credentials::Basic { username, password }, _)) => {
                Ok((username, password.expose().to_owned()))
            }
            Ok((other, _)) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_login_is_that_of_the_host() {
        let me = || Ok(("me".to_owned(), "p:w".to_owned()));
        for (url, config, expected) in [
            (
                "oci://ghcr.io/org",
                r#"{"auths": {"ghcr.io": {"username": "me", "password": "p:w"}}}"#,
                me(),
            ),
            (
                "oci://ghcr.io/org",
                r#"{"auths": {"https://ghcr.io/v2/": {"auth": "bWU6cDp3"}}}"#,
                me(),
            ),
            (
                "oci://127.0.0.1:5000/org",
                r#"{"auths": {"127.0.0.1:5000": {"auth": "bWU6cDp3"}}}"#,
                me(),
            ),
            (
                "oci://evil.io/org",
                r#"{"auths": {"ghcr.io": {"auth": "bWU6cDp3"}}}"#,
                Err(
                    "cannot use the credentials: '.dockerconfigjson' has no login for evil.io; add one",
                ),
            ),
            (
                "oci://ghcr.io/org",
                r#"{"auths": {"ghcr.io": {"auth": "s3cr3t"}}}"#,
                Err(
                    "cannot use the credentials: 'auth' in '.dockerconfigjson' is not user:password in base64",
                ),
            ),
            (
                "oci://ghcr.io/org",
                "{\"auths\": s3cr3t}",
                Err(
                    "cannot use the credentials: '.dockerconfigjson' is no Docker configuration: it breaks in line 1",
                ),
            ),
        ] {
            assert_eq!(
                login(url, config),
                expected.map_err(str::to_owned),
                "{config}"
            );
        }
    }
}
