//! A small HTTP server that hands every request to `git http-backend`, or misbehaves as told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::PrivateKeyDer;

/// How the server treats requests.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    /// The `Authorization` that is wanted; others are answered with 401.
    pub(crate) authorization: Option<String>,
    /// Redirects everything there.
    pub(crate) redirect: Option<String>,
    /// Answers with this status and nothing else.
    pub(crate) status: Option<&'static str>,
    /// Takes the request and never answers.
    pub(crate) hangs: bool,
    /// Hides the protocol's version from git, as old servers do.
    pub(crate) old_protocol: bool,
}

/// A server of the repositories in one folder. It ends with the test's process.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    /// The `Authorization` of every request so far.
    seen: Arc<Mutex<Vec<Option<String>>>>,
    /// The certificate of the server's authority.
    pub(crate) ca: String,
}

impl Server {
    pub(crate) fn start(root: &Path, manners: Manners) -> Self {
        Self::start_on(root, manners, None, String::new())
    }

    /// Over TLS, with a certificate for `127.0.0.1` by an authority of its own.
    pub(crate) fn start_tls(root: &Path, manners: Manners) -> Self {
        let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        Self::start_on(root, manners, Some(Arc::new(config)), issued.cert.pem())
    }

    /// Over TLS, for clients with the one certificate whose PEM and key follow.
    pub(crate) fn start_mutual_tls(root: &Path) -> (Self, String, String) {
        let server = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let client = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(client.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        )
        .build()
        .unwrap();
        let key = PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.cert.der().clone()], key)
            .unwrap();
        let config = Some(Arc::new(config));
        let this = Self::start_on(root, Manners::default(), config, server.cert.pem());
        (this, client.cert.pem(), client.signing_key.serialize_pem())
    }

    fn start_on(
        root: &Path,
        manners: Manners,
        tls: Option<Arc<rustls::ServerConfig>>,
        ca: String,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let root = root.to_owned();
        let records = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (root, manners) = (root.clone(), manners.clone());
                let (tls, seen) = (tls.clone(), Arc::clone(&records));
                thread::spawn(move || serve(stream.unwrap(), tls, &root, &manners, &seen));
            }
        });
        Self {
            address,
            scheme,
            seen,
            ca,
        }
    }

    /// The URL of the repository named `repo`.
    pub(crate) fn url(&self) -> String {
        format!("{}/repo", self.base())
    }

    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// With the user and password in it.
    pub(crate) fn url_with(&self, user: &str) -> String {
        format!("{}://{user}@{}/repo", self.scheme, self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    root: &Path,
    manners: &Manners,
    seen: &Mutex<Vec<Option<String>>>,
) {
    let mut stream: Box<dyn Stream> = match tls {
        Some(config) => Box::new(rustls::StreamOwned::new(
            rustls::ServerConnection::new(config).unwrap(),
            stream,
        )),
        None => Box::new(stream),
    };
    // A client may hang up, or refuse the certificate; that is its right.
    let Some(request) = Request::read(&mut stream) else {
        return;
    };
    let authorization = request.headers.get("authorization").cloned();
    seen.lock().unwrap().push(authorization.clone());
    if manners.hangs {
        thread::park();
    }
    let response = if let Some(base) = &manners.redirect {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {base}{}\r\n",
            request.target
        )
        .into_bytes()
    } else if manners.authorization.is_some() && manners.authorization != authorization {
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n".to_vec()
    } else if let Some(status) = manners.status {
        format!("HTTP/1.1 {status}\r\n").into_bytes()
    } else {
        let answer = backend(root, &request, manners.old_protocol);
        stream
            .write_all(&answer)
            .and_then(|()| stream.flush())
            .unwrap_or(());
        return;
    };
    let response = [
        response.as_slice(),
        b"Content-Length: 0\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    stream
        .write_all(&response)
        .and_then(|()| stream.flush())
        .unwrap_or(());
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        // A proxy is given whole URLs.
        let target = match target
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|at| &rest[at..]))
        {
            Some(path) => path.to_owned(),
            None => target.to_owned(),
        };
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            method,
            target,
            headers,
            body,
        })
    }
}

fn backend(root: &Path, request: &Request, old_protocol: bool) -> Vec<u8> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let root = PathBuf::from(root);
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env(
            "GIT_PROTOCOL",
            if old_protocol {
                String::new()
            } else {
                header("git-protocol")
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&request.body)
        .unwrap_or(());
    let output = child.wait_with_output().unwrap().stdout;
    let split = output
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let headers = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = headers
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK")
        .to_owned();
    let body = &output[split + 4..];
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
