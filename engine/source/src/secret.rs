//! Credentials as Flux's Secrets spell them.

use std::collections::BTreeMap;
use std::fmt;

use crate::request::{ClientIdentity, Credentials, Proxy, Tls};
use crate::{Error, address};

/// Text that is shown as `***` wherever it is printed and that no serializer accepts.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads the keys that Flux documents for a GitRepository's `secretRef`.
///
/// The URL decides which keys count: `ssh://` needs `identity` and `known_hosts`; `http(s)://` takes
/// `bearerToken`, or `username` and `password`, or neither. TLS keys are read for `https://`, in their new
/// spelling first (`ca.crt`, `tls.crt`, `tls.key`), then the old (`caFile`, `certFile`, `keyFile`).
pub fn from_secret_data(
    url: &str,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<(Credentials, Tls), Error> {
    let keys = Keys(data);
    match address::parse(url)?.scheme {
        address::Scheme::Ssh => Ok((keys.ssh()?, Tls::default())),
        address::Scheme::Http | address::Scheme::Https => Ok((keys.http()?, keys.tls()?)),
    }
}

/// Reads the keys of a `proxySecretRef`: `address`, and `username` with `password`.
pub fn proxy_from_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Proxy, Error> {
    let keys = Keys(data);
    Ok(Proxy {
        address: keys
            .text("address")?
            .ok_or_else(|| missing("address", "the proxy's URL"))?
            .trim()
            .to_owned(),
        username: keys.text("username")?,
        password: keys.text("password")?.map(Secret::new),
    })
}

/// Reads the keys of a `certSecretRef`: `ca.crt`, and `tls.crt` with `tls.key`, or their old spelling.
pub fn tls_from_secret_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Tls, Error> {
    Keys(data).tls()
}

pub(crate) struct Keys<'a>(pub(crate) &'a BTreeMap<String, Vec<u8>>);

impl Keys<'_> {
    /// An absent or empty key is `None`.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.0.get(key).filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        match String::from_utf8(bytes.clone()) {
            Ok(text) => Ok(Some(text)),
            Err(_not_utf8) => Err(Error::Credentials {
                why: format!("'{key}' is not UTF-8 text"),
            }),
        }
    }

    fn either(&self, key: &str, old: &str) -> Result<Option<String>, Error> {
        Ok(match self.text(key)? {
            Some(text) => Some(text),
            None => self.text(old)?,
        })
    }

    fn ssh(&self) -> Result<Credentials, Error> {
        let identity = self
            .text("identity")?
            .ok_or_else(|| missing("identity", "the private key"))?;
        let known_hosts = self
            .text("known_hosts")?
            .ok_or_else(|| missing("known_hosts", "the host's keys, as ssh-keyscan prints them"))?;
        Ok(Credentials::Ssh {
            identity: Secret::new(identity),
            known_hosts,
            password: self.text("password")?.map(Secret::new),
        })
    }

    pub(crate) fn http(&self) -> Result<Credentials, Error> {
        if self.0.contains_key("githubAppID") {
            return Err(Error::Unsupported {
                field: "spec.provider: github",
                why: "GitHub App credentials are not supported; use username and password with an \
                      access token"
                    .to_owned(),
            });
        }
        if let Some(token) = self.text("bearerToken")? {
            return Ok(Credentials::Bearer {
                token: Secret::new(one_line("bearerToken", token)?),
            });
        }
        match (self.text("username")?, self.text("password")?) {
            (Some(username), Some(password)) => Ok(Credentials::Basic {
                username: one_line("username", username)?,
                password: Secret::new(password),
            }),
            (Some(_), None) => Err(missing(
                "password",
                "the password or access token of 'username'",
            )),
            (None, Some(_)) => Err(missing("username", "the user that 'password' belongs to")),
            (None, None) => Ok(Credentials::Anonymous),
        }
    }

    pub(crate) fn tls(&self) -> Result<Tls, Error> {
        let certificate = self.either("tls.crt", "certFile")?;
        let key = self.either("tls.key", "keyFile")?;
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientIdentity {
                certificate,
                key: Secret::new(key),
            }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("tls.key", "the key of 'tls.crt'")),
            (None, Some(_)) => return Err(missing("tls.crt", "the certificate of 'tls.key'")),
        };
        Ok(Tls {
            ca: self.either("ca.crt", "caFile")?,
            client,
        })
    }
}

fn missing(key: &str, what: &str) -> Error {
    Error::Credentials {
        why: format!("the Secret has no '{key}'; add {what}"),
    }
}

fn one_line(key: &str, text: String) -> Result<String, Error> {
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.chars().any(char::is_control) {
        return Err(Error::Credentials {
            why: format!("'{key}' has a line break or control character in it"),
        });
    }
    Ok(if trimmed.len() == text.len() {
        text
    } else {
        trimmed.to_owned()
    })
}
