//! The API over HTTP, on loopback, for whoever knows the token.
//!
//! The token is the first part of every path, because clients send no credentials over plain HTTP; so it
//! stands in the kubeconfig alone.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use fluvial_log::{BlobStore, EventLog};
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Request, answer};
use crate::status::refuse;
use crate::watch::{Gone, Watch};
use crate::world::World;

/// Nothing that is answered needs a longer body: reviews are small.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve on port {port} of this machine: {source}")]
pub struct Error {
    port: u16,
    source: std::io::Error,
}

/// A world that is served, until this is dropped.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    served: Arc<Served>,
}

/// The log that a world was folded from: what a watch goes on with.
#[derive(Clone)]
pub struct Source {
    /// Its records.
    pub log: Arc<dyn EventLog>,
    /// Its manifests.
    pub blobs: Arc<dyn BlobStore>,
}

struct Served {
    world: World,
    source: Source,
    token: String,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Server {
    /// Listens on a port of the loopback interface; 0 is a free one.
    pub async fn bind(
        world: World,
        source: Source,
        port: u16,
        token: String,
    ) -> Result<Self, Error> {
        let failed = |source| Error { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let served = Arc::new(Served {
            world,
            source,
            token,
        });
        Ok(Self {
            listener,
            address,
            served,
        })
    }

    /// What stands in a kubeconfig as the server, token and all.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, self.served.token)
    }

    /// Answers until it is dropped.
    pub async fn run(self) -> Infallible {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "A connection was not taken.");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let served = Arc::clone(&self.served);
            tokio::spawn(async move {
                let service = service_fn(move |request| respond(Arc::clone(&served), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "A connection ended.");
                }
            });
        }
    }
}

async fn respond(
    served: Arc<Served>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let mut path: Vec<_> = head
        .uri
        .path()
        .split('/')
        .filter(|it| !it.is_empty())
        .map(decoded)
        .collect();
    let is_known = path.first().is_some_and(|it| is_same(it, &served.token));
    if !is_known {
        return Ok(response(&refuse(
            401,
            "Unauthorized",
            "use the kubeconfig that `fluvial at` writes: it has the token",
        )));
    }
    path.remove(0);
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(response(&refuse(
            413,
            "RequestEntityTooLarge",
            "cannot take so much: nothing is written here",
        )));
    };
    let accept = head
        .headers
        .get(header::ACCEPT)
        .and_then(|it| it.to_str().ok());
    let request = Request {
        method: head.method.to_string(),
        path,
        query: query(head.uri.query().unwrap_or_default()),
        accept: accept.unwrap_or_default().to_owned(),
        body: body.to_bytes().to_vec(),
    };
    let mut answer = answer(&served.world, &request);
    let watch = answer.watch.take();
    let mut response = response(&answer);
    if let Some(watch) = watch {
        *response.body_mut() = told(&served, *watch);
    }
    Ok(response)
}

/// What a watch tells, a line for each event; open until it times out or the client leaves.
fn told(served: &Arc<Served>, watch: Watch) -> Body {
    /// How many events wait for a client that is slow.
    const WAITING_MAX: usize = 64;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let deadline = watch.timeout.and_then(|it| Instant::now().checked_add(it));
    let served = Arc::clone(served);
    tokio::spawn(async move {
        let told = sender.clone();
        let played = tokio::task::spawn_blocking(move || {
            let Source { log, blobs } = &served.source;
            watch.play(served.world.clone(), &**log, &**blobs, |event| {
                told.blocking_send(event).map_err(|_closed| Gone)
            })
        });
        if let Err(error) = played.await {
            tracing::error!(%error, "A watch ended.");
            return;
        }
        sender.closed().await;
    });
    let lines = stream::unfold(receiver, move |mut receiver| async move {
        let next = match deadline {
            Some(deadline) => timeout_at(deadline, receiver.recv()).await.ok()?,
            None => receiver.recv().await,
        };
        let line = Bytes::from(format!("{}\n", next?));
        Some((Ok(Frame::data(line)), receiver))
    });
    StreamBody::new(lines).boxed_unsync()
}

fn response(answer: &Answer) -> Response<Body> {
    let body = Full::new(Bytes::from(answer.body.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.code).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content_type),
    );
    for warning in &answer.warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        let quoted: String = quoted.chars().filter(|it| !it.is_control()).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            headers.append(header::WARNING, value);
        }
    }
    response
}

/// Whether two tokens are the same, in a time that says nothing of where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one
            .bytes()
            .zip(other.bytes())
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}

fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|it| !it.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// A part of an address as it was before it was escaped.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|it| char::from(*it).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (byte, digit(0), digit(1)) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use fluvial_log::memory::{MemoryBlobs, MemoryLog};
    use fluvial_view::past::Past;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::world::Secrets;

    /// All that is answered to a request for this path, with a token that is `right` or not.
    async fn ask(path: &str, is_right: bool) -> String {
        let source = Source {
            log: Arc::new(MemoryLog::default()),
            blobs: Arc::new(MemoryBlobs::default()),
        };
        let world = World::new(Past::default(), &*source.blobs, Secrets::Redacted).unwrap();
        let server = Server::bind(world, source, 0, "token".to_owned()).await;
        let server = server.unwrap();
        let address = server.address;
        assert_eq!(server.url(), format!("http://{address}/token"));
        assert!(address.ip().is_loopback());
        let running = tokio::spawn(server.run());
        let mut stream = TcpStream::connect(address).await.unwrap();
        let token = if is_right { "token" } else { "tokem" };
        let request =
            format!("GET /{token}/{path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        running.abort();
        answer
    }

    #[tokio::test]
    async fn only_who_has_the_token_is_answered() {
        let answer = ask("api/v1/pods", true).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("warning: 299 - \"pods: "), "{answer}");
        assert!(answer.contains("\"kind\":\"PodList\""), "{answer}");
        for path in ["api/v1/pods", "healthz", ""] {
            let answer = ask(path, false).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
            assert!(answer.contains("fluvial at"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_watch_ends_when_its_time_is_over() {
        let watch = "api/v1/pods?watch=true&timeoutSeconds=1";
        let answer = ask(watch, true).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[test]
    fn addresses_are_read_as_they_were_meant() {
        for (text, plain) in [
            ("a%2Fb", "a/b"),
            ("%3d", "="),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%c3%a4", "ä"),
        ] {
            assert_eq!(decoded(text), plain);
        }
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            query("a=b%3Dc&d&e=f+g"),
            [pair("a", "b=c"), pair("d", ""), pair("e", "f g")]
        );
    }

    #[test]
    fn only_the_same_token_is_the_same() {
        for (one, other, expected) in [
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("abc", "ab", false),
            ("", "a", false),
        ] {
            assert_eq!(is_same(one, other), expected);
        }
    }
}
