//! The HTTP client of one operation: to whom it speaks, what it shows, and what it makes of a refusal.

use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{StatusCode, Url, redirect};

use super::super::context::Context;
use crate::address::{Address, FORBIDDEN};
use crate::outbound::{Resolver, authorities, chain, identity, via};
use crate::request::{Proxy, Tls};
use crate::{Credentials, Error};

/// Some servers answer differently to clients whose name does not begin with `git/`.
const AGENT: &str = concat!("git/fluvial-", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP client of one operation.
pub(super) struct Client {
    connections: reqwest::blocking::Client,
    /// Scheme, host and port that the credentials are for.
    home: Url,
    authorization: Option<HeaderValue>,
    pub(super) context: Arc<Context>,
}

impl Client {
    pub(super) fn new(
        address: &Address,
        credentials: &Credentials,
        tls: &Tls,
        proxy: Option<&Proxy>,
        context: Arc<Context>,
    ) -> Result<Self, Error> {
        // Another part of the process may have chosen a provider; any will do.
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap_or_default();
        let mut builder = reqwest::blocking::Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(Resolver));
        if let Some(ca) = &tls.ca {
            builder = builder.tls_certs_merge(authorities(ca)?);
        }
        if let Some(client) = &tls.client {
            builder = builder.identity(identity(client)?);
        }
        if let Some(proxy) = proxy {
            builder = builder.proxy(via(proxy)?);
        }
        let connections = builder.build().map_err(|error| Error::Credentials {
            why: format!("TLS cannot be set up: {}", chain(&error)),
        })?;
        let authorization = authorization(credentials)?;
        Ok(Self {
            connections,
            home: address.url.clone(),
            authorization,
            context,
        })
    }

    /// For messages.
    pub(super) fn shown_url(&self) -> String {
        self.context.url.clone()
    }

    pub(super) fn parse(&self, url: &str) -> Result<Url, Error> {
        Url::parse(url).map_err(|error| Error::Url {
            url: self.shown_url(),
            why: error.to_string(),
        })
    }

    pub(super) fn get(&self, url: &Url, headers: HeaderMap) -> RequestBuilder {
        self.signed(url, self.connections.get(url.clone()).headers(headers))
    }

    pub(super) fn post(&self, url: &Url, headers: HeaderMap, body: Vec<u8>) -> RequestBuilder {
        self.signed(
            url,
            self.connections
                .post(url.clone())
                .headers(headers)
                .body(body),
        )
    }

    /// Credentials go home and nowhere else.
    fn signed(&self, url: &Url, request: RequestBuilder) -> RequestBuilder {
        let request = request.header(USER_AGENT, AGENT);
        match &self.authorization {
            Some(value) if url.origin() == self.home.origin() => {
                request.header(AUTHORIZATION, value.clone())
            }
            Some(_) | None => request,
        }
    }

    pub(super) fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let remaining = self
            .context
            .remaining()
            .ok_or_else(|| self.context.timed_out())?;
        request
            .timeout(remaining)
            .send()
            .map_err(|error| self.failure(&error))
    }

    /// An answer that git can read, or what the server's refusal means.
    pub(super) fn accept(&self, response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let url = self.shown_url();
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let todo = if self.authorization.is_some() {
                    "check the user name and password, or token, in the Secret that spec.secretRef names, \
                     and that they may read the repository"
                } else {
                    "the repository needs credentials: name a Secret with them in spec.secretRef"
                };
                Error::Authentication {
                    url,
                    why: format!("the server answers {status}; {todo}"),
                }
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Error::Authentication {
                url,
                why: format!(
                    "the proxy answers {status}; check the Secret that spec.proxySecretRef names"
                ),
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::RepositoryNotFound {
                url,
                why: format!(
                    "the server answers {status}; check spec.url, and that the credentials may read the \
                     repository"
                ),
            },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Error::Unreachable {
                url,
                why: format!("the server answers {status}"),
            },
            _ if status.is_server_error() => Error::Unreachable {
                url,
                why: format!("the server answers {status}"),
            },
            _ => Error::Remote {
                url,
                why: format!("the server answers {status}"),
            },
        })
    }

    fn failure(&self, error: &reqwest::Error) -> Error {
        let url = self.shown_url();
        if self.context.remaining().is_none() {
            return self.context.timed_out();
        }
        let why = chain(error);
        if why.contains(FORBIDDEN) {
            return Error::Url { url, why };
        }
        if why.contains("certificate") || why.contains("UnknownIssuer") {
            return Error::Trust {
                url,
                why: format!(
                    "{why}; if the server's authority is your own, put its certificate into 'ca.crt' of the \
                     Secret that spec.secretRef names"
                ),
            };
        }
        Error::Unreachable {
            url,
            why: format!("{why}; check spec.url, and that the server runs"),
        }
    }
}

/// The lines that `gix` writes, without those that are set here.
pub(super) fn header_map(lines: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    lines
        .into_iter()
        .filter_map(|line| {
            let (name, value) = line.as_ref().split_once(':')?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .filter(|(name, _)| name != USER_AGENT && name != AUTHORIZATION)
        .collect()
}

fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, Error> {
    let text = match credentials {
        Credentials::Anonymous | Credentials::Ssh { .. } => return Ok(None),
        Credentials::Basic { username, password } => {
            if username.contains(':') {
                return Err(Error::Credentials {
                    why: "'username' has a colon in it".to_owned(),
                });
            }
            format!(
                "Basic {}",
                base64(format!("{username}:{}", password.expose()).as_bytes())
            )
        }
        Credentials::Bearer { token } => format!("Bearer {}", token.expose()),
    };
    match HeaderValue::from_str(&text) {
        Ok(mut value) => {
            value.set_sensitive(true);
            Ok(Some(value))
        }
        Err(_unprintable) => Err(Error::Credentials {
            why: "'bearerToken' has a character that no token has".to_owned(),
        }),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
