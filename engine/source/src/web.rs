//! Getting things over HTTP from a place that somebody declared: indexes, charts, registries.
//!
//! One value is one operation, with one deadline. It holds to the rules of this crate: no address that
//! serves a cloud's metadata, wherever a name or a redirect leads; credentials and client certificates go to
//! the host that they are for; every byte counts against a limit. What an answer means is its callers'
//! business.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, StatusCode, Url, redirect};

use crate::address::{self, FORBIDDEN};
use crate::outbound::{Resolver, authorities, chain, identity, via};
use crate::request::{Credentials, Proxy, Tls};
use crate::{Error, Secret};

const AGENT: &str = concat!("fluvial/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 10;

/// Where something is, its user and password apart from it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Without user name and password, with the query.
    pub(crate) url: Url,
    /// The same without the query, which may hold a token: the only form that is shown.
    pub(crate) shown: String,
    /// What the URL itself says.
    pub(crate) login: Option<Credentials>,
}

impl Place {
    /// Reads an `http` or `https` URL, or says why nothing may be fetched from there.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (base, query) = match text.split_once('?') {
            Some((base, query)) => (base, Some(query)),
            None => (text, None),
        };
        let address = address::parse(base)?;
        if address.scheme == address::Scheme::Ssh {
            return Err(Error::Url {
                url: address::redact(text),
                why: "indexes, charts and artifacts come by http and https".to_owned(),
            });
        }
        let shown = address.url.to_string();
        let mut url = address.url;
        url.set_query(query);
        let password = address.password.unwrap_or_else(|| Secret::new(""));
        let login = address
            .username
            .map(|username| Credentials::Basic { username, password });
        Ok(Self { url, shown, login })
    }
}

/// To whom credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidants {
    /// The scheme, host and port that was declared.
    Home,
    /// Wherever the index says that charts are; never where a redirect leads.
    Named,
}

/// One operation.
pub(crate) struct Web {
    home: Url,
    shown: String,
    authorization: Option<HeaderValue>,
    confidants: Confidants,
    /// Shows the client certificate.
    ours: Client,
    /// Does not.
    others: Client,
    deadline: Instant,
    timeout: Duration,
}

impl Web {
    /// An operation that begins now.
    pub(crate) fn new(
        place: &Place,
        credentials: &Credentials,
        tls: &Tls,
        proxy: Option<&Proxy>,
        confidants: Confidants,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let login = match (credentials, &place.login) {
            (Credentials::Anonymous, Some(login)) => login,
            (credentials, _) => credentials,
        };
        let now = Instant::now();
        let anonymous = Tls {
            client: None,
            ..tls.clone()
        };
        Ok(Self {
            home: place.url.clone(),
            shown: place.shown.clone(),
            authorization: authorization(login)?,
            confidants,
            ours: client(tls, proxy)?,
            others: client(&anonymous, proxy)?,
            // A time beyond what the clock can count is no limit worth having.
            deadline: now
                .checked_add(timeout)
                .unwrap_or_else(|| now + Duration::from_hours(24 * 365)),
            timeout,
        })
    }

    /// For messages.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The answer to a GET, wherever it comes from: redirects are followed, to http from http only.
    pub(crate) fn get(&self, url: &Url, headers: &HeaderMap) -> Result<Response, Error> {
        let is_trusted = self.confidants == Confidants::Named || self.is_home(url);
        self.follow(
            &Method::GET,
            url,
            headers,
            is_trusted.then_some(self.authorization.as_ref()).flatten(),
        )
    }

    /// The same by any method that only reads, with an `Authorization` of the caller's own, for the host of
    /// `url` alone.
    pub(crate) fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Error> {
        self.follow(method, url, headers, authorization)
    }

    /// What proves who asks, where anything does.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Whether this is the declared scheme, host and port.
    pub(crate) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.home.origin()
    }

    fn follow(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Error> {
        let mut at = url.clone();
        for _hop in 0..=REDIRECTS_MAX {
            let refuse = |why: String| Error::Url {
                url: shown(&at),
                why,
            };
            let host = at.host_str().unwrap_or_default();
            address::check_literal(host).map_err(refuse)?;
            let shows_certificate =
                self.is_home(&at) || self.confidants == Confidants::Named && at == *url;
            let client = if shows_certificate {
                &self.ours
            } else {
                &self.others
            };
            let mut request = client
                .request(method.clone(), at.clone())
                .headers(headers.clone())
                .header(USER_AGENT, AGENT)
                .timeout(self.remaining()?);
            if let Some(value) = authorization.filter(|_| at.origin() == url.origin()) {
                request = request.header(AUTHORIZATION, value.clone());
            }
            let response = request.send().map_err(|error| self.failure(&at, &error))?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            let next = response.headers().get(LOCATION);
            let next = next.and_then(|next| at.join(next.to_str().ok()?).ok());
            let Some(next) = next else {
                return Err(self.remote("the server redirects to nowhere".to_owned()));
            };
            let is_allowed = match next.scheme() {
                "https" => true,
                "http" => at.scheme() == "http",
                _ => false,
            };
            if !is_allowed {
                return Err(self.remote(format!(
                    "the server redirects from {} to {}",
                    at.scheme(),
                    next.scheme()
                )));
            }
            at = next;
        }
        Err(self.remote(format!(
            "the server redirects more than {REDIRECTS_MAX} times"
        )))
    }

    /// The body of an answer, no longer than it may be and not after the deadline.
    pub(crate) fn body(&self, response: Response, bytes_max: u64) -> Body<Response> {
        Body {
            inner: response,
            received: 0,
            bytes_max,
            deadline: self.deadline,
            breach: Breach::default(),
        }
    }

    /// All of a body.
    pub(crate) fn bytes(&self, response: Response, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut body = self.body(response, bytes_max);
        let mut bytes = Vec::new();
        match body.read_to_end(&mut bytes) {
            Ok(_count) => Ok(bytes),
            Err(error) => Err(self.broken(&body.breach, &error)),
        }
    }

    /// What went wrong while a body was read.
    pub(crate) fn broken(&self, breach: &Breach, error: &dyn std::error::Error) -> Error {
        match breach.0.borrow_mut().take() {
            Some(Limit::Time) => self.timed_out(),
            Some(Limit::Bytes(bytes_max)) => self.remote(format!(
                "the server sent more than {bytes_max} bytes in one answer"
            )),
            None => Error::Unreachable {
                url: self.shown.clone(),
                why: format!("the answer breaks off: {}", chain(error)),
            },
        }
    }

    /// An answer that holds what was asked for, or what the server's refusal means.
    pub(crate) fn accept(&self, response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(self.refusal(status, &shown(response.url())))
    }

    /// What a refusal means.
    pub(crate) fn refusal(&self, status: StatusCode, url: &str) -> Error {
        let url = url.to_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let todo = if self.authorization.is_some() {
                    "check the credentials in the Secret that spec.secretRef names; they are sent to the host of \
                     spec.url only, unless spec.passCredentials of a HelmRepository says otherwise"
                } else {
                    "it needs credentials: name a Secret with them in spec.secretRef"
                };
                Error::Authentication {
                    url,
                    why: format!("the server answers {status}; {todo}"),
                }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::RepositoryNotFound {
                url,
                why: format!("the server answers {status}; check spec.url"),
            },
            _ if status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::REQUEST_TIMEOUT =>
            {
                Error::Unreachable {
                    url,
                    why: format!("the server answers {status}"),
                }
            }
            _ => Error::Remote {
                url,
                why: format!("the server answers {status}"),
            },
        }
    }

    pub(crate) fn remote(&self, why: String) -> Error {
        Error::Remote {
            url: self.shown.clone(),
            why,
        }
    }

    fn remaining(&self) -> Result<Duration, Error> {
        self.deadline
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| self.timed_out())
    }

    fn timed_out(&self) -> Error {
        Error::Timeout {
            url: self.shown.clone(),
            seconds: self.timeout.as_secs(),
        }
    }

    fn failure(&self, url: &Url, error: &reqwest::Error) -> Error {
        if self.remaining().is_err() {
            return self.timed_out();
        }
        let url = shown(url);
        let why = chain(error);
        if why.contains(FORBIDDEN) {
            return Error::Url { url, why };
        }
        if why.contains("certificate") || why.contains("UnknownIssuer") {
            return Error::Trust {
                url,
                why: format!(
                    "{why}; if the server's authority is your own, put its certificate into 'ca.crt' of the \
                     Secret that spec.certSecretRef names"
                ),
            };
        }
        Error::Unreachable {
            url,
            why: format!("{why}; check spec.url, and that the server runs"),
        }
    }
}

/// What a body broke.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breach(Rc<RefCell<Option<Limit>>>);

impl Breach {
    /// Whether anything was broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.0.borrow().is_some()
    }
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Time,
    Bytes(u64),
}

/// A reader that ends with the operation's time, and at the limit of what may be received.
pub(crate) struct Body<R> {
    inner: R,
    received: u64,
    bytes_max: u64,
    deadline: Instant,
    breach: Breach,
}

impl<R> Body<R> {
    /// Says, after a read that failed, what was broken.
    pub(crate) fn breach(&self) -> Breach {
        self.breach.clone()
    }
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stop = |limit, text: String| {
            self.breach.0.replace(Some(limit));
            Err(io::Error::other(text))
        };
        if Instant::now() >= self.deadline {
            return stop(Limit::Time, "the time is up".to_owned());
        }
        let count = self.inner.read(buffer)?;
        self.received += count as u64;
        if self.received > self.bytes_max {
            let text = format!(
                "the server sent more than {} bytes in one answer",
                self.bytes_max
            );
            return stop(Limit::Bytes(self.bytes_max), text);
        }
        Ok(count)
    }
}

/// A URL as it may stand in a message.
fn shown(url: &Url) -> String {
    address::redact(url.as_str())
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn client(tls: &Tls, proxy: Option<&Proxy>) -> Result<Client, Error> {
    // Another part of the process may have chosen a provider; any will do.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    let mut builder = Client::builder()
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
    builder.build().map_err(|error| Error::Credentials {
        why: format!("TLS cannot be set up: {}", chain(&error)),
    })
}

fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, Error> {
    match credentials {
        Credentials::Anonymous | Credentials::Ssh { .. } => Ok(None),
        Credentials::Basic { username, password } => {
            if username.contains(':') {
                return Err(Error::Credentials {
                    why: "'username' has a colon in it".to_owned(),
                });
            }
            let login = format!("{username}:{}", password.expose());
            secret_header(&format!("Basic {}", STANDARD.encode(login))).map(Some)
        }
        Credentials::Bearer { token } => bearer(token.expose()).map(Some),
    }
}

/// An `Authorization` by a token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, Error> {
    secret_header(&format!("Bearer {token}"))
}

fn secret_header(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_unprintable| Error::Credentials {
        why: "the token has a character that no token has".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_its_query_and_shows_none() {
        let place = Place::parse("https://me:s3cr3t@host/charts?sig=s3cr3t").unwrap();
        assert_eq!(place.url.as_str(), "https://host/charts?sig=s3cr3t");
        assert_eq!(place.shown, "https://host/charts");
        assert!(
            matches!(place.login, Some(Credentials::Basic { username, password })
            if username == "me" && password.expose() == "s3cr3t")
        );
        for url in [
            "ssh://git@host/charts",
            "oci://host/charts",
            "file:///etc",
            "http://169.254.169.254/x",
            "https://",
        ] {
            let error = Place::parse(url).unwrap_err();
            assert!(matches!(error, Error::Url { .. }), "{url}: {error}");
        }
    }
}
