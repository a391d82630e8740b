//! The one way out over HTTP that is not git's: a POST to a place that somebody declared.
//!
//! It holds to the same rules: no address that serves a cloud's metadata, whatever name leads there; no
//! redirect is followed, so credentials go where they were sent and nowhere else; what comes back is
//! counted. What to send, and what an answer means, is the callers' business.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use reqwest::{Certificate, Identity, Url, redirect};

use crate::address::{self, FORBIDDEN};
use crate::request::{ClientIdentity, Proxy, Tls};
use crate::{Error, Secret};

const AGENT: &str = concat!("fluvial/", env!("CARGO_PKG_VERSION"));
/// What is read of an answer; the rest is of no use.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Sends `body` to `url`, and gives up after `timeout`. The error is a sentence without the URL, which may
/// hold a credential.
pub async fn post(
    url: &str,
    headers: &[(String, Secret)],
    body: Vec<u8>,
    tls: &Tls,
    proxy: Option<&Proxy>,
    timeout: Duration,
) -> Result<Answer, String> {
    let url = Url::parse(url).map_err(|error| format!("its address is no URL: {error}"))?;
    let host = url.host_str().ok_or("its address names no host")?;
    address::check_literal(host)?;
    let host = host.to_owned();
    let client = client(tls, proxy).map_err(|error| error.to_string())?;
    let mut request = client.post(url).timeout(timeout).header(USER_AGENT, AGENT);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_odd| format!("'{name}' is no name of a header"))?;
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_odd| format!("the value of the header '{name}' cannot be sent"))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let length = body.len();
    let sent = request
        .header(CONTENT_LENGTH, length)
        .body(body)
        .send()
        .await;
    let mut response = sent.map_err(|error| unreachable(&host, &error))?;
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: retry_after(response.headers()),
        body: Vec::new(),
    };
    while answer.body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(unreachable(&host, &error)),
        }
    }
    answer.body.truncate(ANSWER_BYTES_MAX);
    Ok(answer)
}

/// Where `host` is, less the places that nobody may be sent to.
pub async fn addresses(host: &str, port: u16) -> Result<Vec<IpAddr>, String> {
    address::check_literal(host)?;
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| format!("cannot find {host}: {error}"))?;
    let addresses = allowed(found.collect())?;
    Ok(addresses.into_iter().map(|address| address.ip()).collect())
}

/// `Retry-After`, in seconds or as a date. A date is that of the server's clock, so where the answer says
/// what time it is there, the difference counts.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    let now = text(DATE).and_then(date).unwrap_or_else(Timestamp::now);
    // What is over asks for nothing.
    Some(
        date(wanted)?
            .duration_since(now)
            .try_into()
            .unwrap_or_default(),
    )
}

fn client(tls: &Tls, proxy: Option<&Proxy>) -> Result<reqwest::Client, Error> {
    // Another part of the process may have chosen a provider; any will do.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap_or_default();
    let mut builder = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
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

fn unreachable(host: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("{host} did not answer in time");
    }
    let why = chain(error);
    let todo = if why.contains("certificate") || why.contains("UnknownIssuer") {
        "; if its authority is your own, put its certificate into 'ca.crt' of the Secret that spec.certSecretRef names"
    } else {
        ""
    };
    format!("cannot reach {host}: {why}{todo}")
}

fn allowed(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let (allowed, refused): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address::may_reach(address.ip()));
    match (allowed.is_empty(), refused.first()) {
        (true, Some(address)) => Err(format!("{} {FORBIDDEN}", address.ip())),
        _ => Ok(allowed),
    }
}

pub(crate) fn identity(client: &ClientIdentity) -> Result<Identity, Error> {
    let pem = format!("{}\n{}", client.certificate, client.key.expose());
    Identity::from_pem(pem.as_bytes()).map_err(|error| Error::Credentials {
        why: format!(
            "'tls.crt' and 'tls.key' are not a certificate and its key: {}",
            chain(&error)
        ),
    })
}

pub(crate) fn authorities(pem: &str) -> Result<Vec<Certificate>, Error> {
    let refuse = |why: &str| Error::Credentials {
        why: format!("'ca.crt' holds no certificate: {why}"),
    };
    let certificates =
        Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| refuse(&chain(&error)))?;
    if certificates.is_empty() {
        return Err(refuse("write it in PEM"));
    }
    Ok(certificates)
}

pub(crate) fn via(proxy: &Proxy) -> Result<reqwest::Proxy, Error> {
    let refuse = |why: &str| Error::Credentials {
        why: format!(
            "'address' of the proxy '{}' cannot be used: {why}",
            address::redact(&proxy.address)
        ),
    };
    let url = Url::parse(&proxy.address).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("write http://host:port"));
    }
    let through = reqwest::Proxy::all(url).map_err(|error| refuse(&chain(&error)))?;
    Ok(match &proxy.username {
        Some(username) => {
            through.basic_auth(username, proxy.password.as_ref().map_or("", Secret::expose))
        }
        None => through,
    })
}

/// An error with its causes; URLs left out, for they are said before.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        parts.retain(|part| !text.contains(part.as_str()));
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}

/// The system's resolver, without the addresses that nobody may be sent to.
pub(crate) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(found.collect())?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_in_seconds_or_by_its_clock_when_to_come_again() {
        const NOON: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
        for (wait, now, seconds) in [
            ("30", None, Some(30)),
            (" 30 ", Some(NOON), Some(30)),
            ("Mon, 23 Nov 2026 12:01:30 GMT", Some(NOON), Some(90)),
            ("Mon, 23 Nov 2026 11:00:00 GMT", Some(NOON), Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(0)),
            ("soon", Some(NOON), None),
            ("-1", Some(NOON), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, wait.parse().unwrap());
            if let Some(now) = now {
                headers.insert(DATE, now.parse().unwrap());
            }
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers), expected, "{wait} at {now:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn metadata_addresses_are_refused_before_anything_is_sent() {
        for url in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://[::ffff:169.254.169.254]/",
            "http://0.0.0.0:1/",
        ] {
            let refused = post(
                url,
                &[],
                Vec::new(),
                &Tls::default(),
                None,
                Duration::from_secs(1),
            )
            .await
            .unwrap_err();
            assert!(
                refused.contains("is a link-local, metadata or unspecified"),
                "{refused}"
            );
        }
        assert!(addresses("169.254.169.254", 25).await.is_err());
        assert!(addresses("localhost", 25).await.is_ok());
    }

    #[tokio::test]
    async fn no_error_shows_the_url() {
        let url = "http://127.0.0.1:1/services/s3cr3t?token=s3cr3t";
        let refused = post(
            url,
            &[],
            Vec::new(),
            &Tls::default(),
            None,
            Duration::from_secs(5),
        )
        .await
        .unwrap_err();
        assert!(refused.starts_with("cannot reach 127.0.0.1: "), "{refused}");
        assert!(!refused.contains("s3cr3t"), "{refused}");
    }
}
