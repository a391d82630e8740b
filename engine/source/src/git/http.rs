//! Git over HTTP, on one client whose every property is set here.
//!
//! Redirects are followed by hand, and only while listing references, as git does: so that the
//! credentials meet no other host, and no scheme but `http` and `https` is ever opened.

mod client;

use std::any::Any;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use gix_transport::Protocol;
use gix_transport::client::blocking_io::Transport;
use gix_transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, connect_http,
};
use reqwest::Url;
use reqwest::header::HeaderMap;

use self::client::{Client, header_map};
use super::context::{Bounded, Context, locked};
use crate::address::{self, Address};
use crate::request::{Proxy, Tls};
use crate::{Credentials, Error};

const REDIRECTS_MAX: usize = 5;
/// What is wanted and what is at hand; a pack is never sent.
const POST_BYTES_MAX: usize = 16 << 20;

type Bytes = BufReader<Box<dyn Read + Send>>;

/// Prepares a conversation; nothing is sent before it is used.
pub(super) fn open(
    address: &Address,
    credentials: &Credentials,
    tls: &Tls,
    proxy: Option<&Proxy>,
    context: &Arc<Context>,
) -> Result<Box<dyn Transport + Send>, Error> {
    let url = gix::Url::try_from(address.url.as_str()).map_err(|error| Error::Url {
        url: context.url.clone(),
        why: error.to_string(),
    })?;
    let client = Client::new(address, credentials, tls, proxy, Arc::clone(context))?;
    let wire = Wire {
        client: Arc::new(client),
        redirected: None,
    };
    Ok(Box::new(connect_http(wire, url, Protocol::V2, false)))
}

struct Wire {
    client: Arc<Client>,
    redirected: Option<String>,
}

impl Wire {
    fn list(
        &mut self,
        url: &str,
        base_url: &str,
        headers: &HeaderMap,
    ) -> Result<reqwest::blocking::Response, Error> {
        let tail = url
            .strip_prefix(base_url)
            .unwrap_or_default()
            .trim_start_matches('/');
        let mut current = self.client.parse(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self
                .client
                .send(self.client.get(&current, headers.clone()))?;
            if !response.status().is_redirection() {
                let response = self.client.accept(response)?;
                if current.as_str() != url {
                    let base = current.as_str().strip_suffix(tail).unwrap_or_default();
                    self.redirected = Some(base.trim_end_matches('/').to_owned());
                }
                return Ok(response);
            }
            current = next_hop(&current, &response, tail).map_err(|why| Error::Remote {
                url: self.client.shown_url(),
                why,
            })?;
        }
        Err(Error::Remote {
            url: self.client.shown_url(),
            why: format!("the server redirects more than {REDIRECTS_MAX} times"),
        })
    }
}

/// Where a redirect leads, if it may be followed.
fn next_hop(
    current: &Url,
    response: &reqwest::blocking::Response,
    tail: &str,
) -> Result<Url, String> {
    let location = response
        .headers()
        .get(reqwest::header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .ok_or("the server redirects without saying where")?;
    let mut next = current
        .join(location)
        .map_err(|error| format!("the server redirects to a malformed URL: {error}"))?;
    let shown = address::redact(next.as_str());
    match (current.scheme(), next.scheme()) {
        ("http" | "https", "https") | ("http", "http") => {}
        ("https", "http") => {
            return Err(format!(
                "the server redirects from https to {shown}, which is refused"
            ));
        }
        (_, other) => {
            return Err(format!(
                "the server redirects to {other}:, which is refused"
            ));
        }
    }
    if !next.as_str().ends_with(tail) {
        return Err(format!(
            "the server redirects to {shown}, which is not a git repository"
        ));
    }
    address::check_literal(next.host_str().unwrap_or_default())
        .map_err(|why| format!("the server redirects to {why}"))?;
    if next.set_username("").is_err() || next.set_password(None).is_err() {
        return Err(format!("the server redirects to {shown}, which is refused"));
    }
    Ok(next)
}

impl Http for Wire {
    type Headers = Bytes;
    type ResponseBody = Bytes;
    type PostBody = Question;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Bytes, Bytes>> {
        let headers = header_map(headers);
        let client = Arc::clone(&self.client);
        match self.list(url, base_url, &headers) {
            Ok(response) => {
                let (headers, body) = answer(response, true, &client.context);
                Ok(GetResponse {
                    headers: bytes(headers),
                    body: bytes(body),
                })
            }
            Err(error) => Err(gix::Error::from_error(client.context.fail(error))),
        }
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Bytes, Bytes, Question>> {
        let url = match self.client.parse(url) {
            Ok(url) => url,
            Err(error) => return Err(gix::Error::from_error(self.client.context.fail(error))),
        };
        let exchange = Arc::new(Mutex::new(Exchange {
            client: Arc::clone(&self.client),
            unsent: Some((url, header_map(headers))),
            question: Vec::new(),
            answer: None,
        }));
        Ok(PostResponse {
            post_body: Question(Arc::clone(&exchange)),
            headers: bytes(Headers(Arc::clone(&exchange))),
            body: bytes(Body(exchange)),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

fn bytes(reader: impl Read + Send + 'static) -> Bytes {
    BufReader::new(Box::new(reader))
}

type Answer = (Cursor<Vec<u8>>, Bounded<reqwest::blocking::Response>);

fn answer(response: reqwest::blocking::Response, lists: bool, context: &Arc<Context>) -> Answer {
    let mut headers = Vec::new();
    for (name, value) in response.headers() {
        headers.extend_from_slice(name.as_str().as_bytes());
        headers.extend_from_slice(b": ");
        headers.extend_from_slice(value.as_bytes());
        headers.push(b'\n');
    }
    let context = Arc::clone(context);
    let body = if lists {
        Bounded::listing(response, context)
    } else {
        Bounded::new(response, context)
    };
    (Cursor::new(headers), body)
}

/// A question that is sent when its answer is first read; by then `gix` has written all of it.
struct Exchange {
    client: Arc<Client>,
    unsent: Option<(Url, HeaderMap)>,
    question: Vec<u8>,
    answer: Option<Answer>,
}

impl Exchange {
    fn answer(&mut self) -> io::Result<&mut Answer> {
        if let Some((url, headers)) = self.unsent.take() {
            let question = std::mem::take(&mut self.question);
            // After the four digits of its length.
            let lists = question
                .get(4..)
                .is_some_and(|line| line.starts_with(b"command=ls-refs"));
            let request = self.client.post(&url, headers, question);
            let response = self
                .client
                .send(request)
                .and_then(|response| self.client.accept(response));
            match response {
                Ok(response) => self.answer = Some(answer(response, lists, &self.client.context)),
                Err(error) => return Err(self.client.context.fail(error)),
            }
        }
        self.answer
            .as_mut()
            .ok_or_else(|| io::Error::other("the request failed before"))
    }
}

struct Question(Arc<Mutex<Exchange>>);

impl Write for Question {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let question = &mut locked(&self.0).question;
        if question.len() + bytes.len() > POST_BYTES_MAX {
            return Err(io::Error::other("the request grows beyond all bounds"));
        }
        question.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Headers(Arc<Mutex<Exchange>>);

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        locked(&self.0).answer()?.0.read(buffer)
    }
}

struct Body(Arc<Mutex<Exchange>>);

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        locked(&self.0).answer()?.1.read(buffer)
    }
}
