//! Credentials for charts as Flux's Secrets spell them.

use std::collections::BTreeMap;

use crate::registry::login::{DOCKER_CONFIG, Logins};
use crate::request::{Credentials, Tls};
use crate::secret::Keys;
use crate::{Error, address};

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
    let place = url.trim_start_matches("oci://");
    let login = Logins::parse(&config)?.of(place)?.ok_or_else(|| {
        let host = address::redact(place.split('/').next().unwrap_or_default());
        let why = format!("'{DOCKER_CONFIG}' has no login for {host}; add one");
        Error::Credentials { why }
    })?;
    Ok((login, keys.tls()?))
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
