//! A git server over http on loopback: `git http-backend` behind our own listener, with the
//! authentication, TLS and failures that a test asks for.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::repository::{Repository, git};
use super::request::{Request, respond};
use crate::Authority;

/// Who may use a server.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everyone.
    Anonymous,
    /// Whoever knows the user name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// Whoever sends the token.
    Bearer {
        /// The token.
        token: String,
    },
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain http.
    Http,
    /// https, with a certificate that only [`GitServer::authority`] vouches for.
    Tls,
}

/// A git server. Stopped on drop; its directory is removed unless the caller named it.
#[derive(Debug)]
pub struct GitServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    transport: Transport,
    authority: Option<Authority>,
    listener: Mutex<Option<JoinHandle<()>>>,
    /// Never read: removes the directory on drop. `None` when the caller keeps it.
    temporary: Option<TempDir>,
}

/// What the connections' threads share with the server's owner.
#[derive(Debug)]
struct Shared {
    root: PathBuf,
    expected: Option<String>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    stalled: Mutex<bool>,
    resumed: Condvar,
    requests: Mutex<Vec<String>>,
}

impl GitServer {
    /// An anonymous http server with no repositories.
    pub fn start() -> Result<Self> {
        Self::start_with(&Access::Anonymous, Transport::Http)
    }

    /// A server with the given access and transport.
    pub fn start_with(access: &Access, transport: Transport) -> Result<Self> {
        let directory = TempDir::with_prefix("git-").context("cannot make a directory")?;
        let mut server = Self::start_in(directory.path(), access, transport)?;
        server.temporary = Some(directory);
        Ok(server)
    }

    /// A server of the bare repositories (`NAME.git`) in a directory that the caller keeps.
    pub fn start_in(root: &Path, access: &Access, transport: Transport) -> Result<Self> {
        let (authority, tls) = match transport {
            Transport::Http => (None, None),
            Transport::Tls => {
                let authority = Authority::new("git")?;
                let config = tls(&authority)?;
                (Some(authority), Some(config))
            }
        };
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            expected: access.header(),
            tls,
            stopped: AtomicBool::new(true),
            stalled: Mutex::new(false),
            resumed: Condvar::new(),
            requests: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener
            .local_addr()
            .context("cannot read the server's address")?;
        let server = Self {
            shared,
            address,
            transport,
            authority,
            listener: Mutex::new(None),
            temporary: None,
        };
        server.listen(listener);
        Ok(server)
    }

    /// The repository of this name, made on first use.
    pub fn repository(&self, name: &str) -> Result<Repository> {
        Repository::open(&self.shared.root.join(format!("{name}.git")))
    }

    /// The server's address, `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        let scheme = match self.transport {
            Transport::Http => "http",
            Transport::Tls => "https",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Where a client finds the repository of this name.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.base())
    }

    /// Who vouches for the server's certificate; `None` without TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Every request so far, as `METHOD PATH?QUERY`, refused ones too.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// Refuses connections until [`restart`](Self::restart).
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.resume();
        // Wakes the listener; when it cannot be reached it has ended already.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = lock(&self.listener).take() {
            // A panic of the listener has been printed where it happened.
            drop(thread.join());
        }
    }

    /// Listens again on the same port.
    pub fn restart(&self) -> Result<()> {
        ensure!(
            self.shared.stopped.load(Ordering::SeqCst),
            "cannot restart a server that runs"
        );
        let listener = TcpListener::bind(self.address)
            .with_context(|| format!("cannot listen on {} again", self.address))?;
        self.listen(listener);
        Ok(())
    }

    /// From now on requests are read and not answered, until [`resume`](Self::resume).
    pub fn stall(&self) {
        *lock(&self.shared.stalled) = true;
    }

    /// Answers what stalled.
    pub fn resume(&self) {
        *lock(&self.shared.stalled) = false;
        self.shared.resumed.notify_all();
    }

    fn listen(&self, listener: TcpListener) {
        self.shared.stopped.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                // A client that goes away in the middle is its own business, and often the test's.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        *lock(&self.listener) = Some(thread);
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Access {
    /// The `Authorization` header that a client must send.
    fn header(&self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::Basic { username, password } => Some(format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{username}:{password}"))
            )),
            Self::Bearer { token } => Some(format!("Bearer {token}")),
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Result<()> {
        match &self.tls {
            None => self.answer(stream),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).context("cannot begin TLS")?;
                let mut tls = StreamOwned::new(connection, stream);
                self.answer(&mut tls)?;
                tls.conn.send_close_notify();
                tls.flush().context("cannot end TLS")
            }
        }
    }

    fn answer(&self, mut stream: impl Read + Write) -> Result<()> {
        let Some(request) = Request::read(&mut stream)? else {
            return Ok(());
        };
        let mark = if request.query.is_empty() { "" } else { "?" };
        let line = format!("{} {}{mark}{}", request.method, request.path, request.query);
        lock(&self.requests).push(line);
        drop(
            self.resumed
                .wait_while(lock(&self.stalled), |stalled| *stalled)
                .map_err(|_poison| anyhow!("cannot wait: a thread panicked"))?,
        );
        if self
            .expected
            .as_deref()
            .is_some_and(|all| request.header("authorization") != Some(all))
        {
            let ask = "WWW-Authenticate: Basic realm=\"git\"\r\n";
            return respond(
                &mut stream,
                "401 Unauthorized",
                ask,
                b"authentication required\n",
            );
        }
        match self.backend(&request) {
            Ok((status, headers, body)) => respond(&mut stream, &status, &headers, &body),
            Err(error) => {
                let text = format!("{error:#}\n");
                respond(
                    &mut stream,
                    "500 Internal Server Error",
                    "",
                    text.as_bytes(),
                )
            }
        }
    }

    /// Asks `git http-backend` (CGI, RFC 3875): status, header lines and body.
    fn backend(&self, request: &Request) -> Result<(String, String, Vec<u8>)> {
        let mut environment = BTreeMap::from([
            ("GIT_HTTP_EXPORT_ALL", "1".to_owned()),
            ("GIT_PROJECT_ROOT", self.root.display().to_string()),
            ("PATH_INFO", request.path.clone()),
            ("QUERY_STRING", request.query.clone()),
            ("REQUEST_METHOD", request.method.clone()),
            ("CONTENT_LENGTH", request.body.len().to_string()),
            ("REMOTE_ADDR", "127.0.0.1".to_owned()),
        ]);
        for (variable, header) in [
            ("CONTENT_TYPE", "content-type"),
            ("HTTP_CONTENT_ENCODING", "content-encoding"),
            ("GIT_PROTOCOL", "git-protocol"),
        ] {
            if let Some(value) = request.header(header) {
                environment.insert(variable, value.to_owned());
            }
        }
        let mut child = git()
            .arg("http-backend")
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start git http-backend")?;
        let mut stdin = child
            .stdin
            .take()
            .ok_or_else(|| anyhow!("git has no input"))?;
        let body = request.body.clone();
        // Beside the reading below, or a long body and a long answer would wait for each other.
        let writer = thread::spawn(move || stdin.write_all(&body));
        let output = child
            .wait_with_output()
            .context("cannot wait for git http-backend")?;
        // A write that failed means that git had read enough; its answer says the rest.
        drop(writer.join());
        let end = output
            .stdout
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .ok_or_else(|| {
                anyhow!(
                    "no answer from git: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                )
            })?;
        let mut status = "200 OK".to_owned();
        let mut headers = String::new();
        for line in String::from_utf8_lossy(&output.stdout[..end]).split("\r\n") {
            match line.strip_prefix("Status: ") {
                Some(other) => other.clone_into(&mut status),
                None => headers.extend([line, "\r\n"]),
            }
        }
        Ok((status, headers, output.stdout[end + 4..].to_vec()))
    }
}

fn tls(authority: &Authority) -> Result<Arc<ServerConfig>> {
    let signed = authority.server(&[])?;
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes())
        .context("cannot read the certificate just made")?;
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes())
        .context("cannot read the key just made")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot choose TLS versions")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .context("cannot use the certificate just made")?;
    Ok(Arc::new(config))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("nothing panics while it holds the lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `git ls-remote` from outside, with extra configuration.
    fn ls_remote(url: &str, configuration: &[&str]) -> Result<String, String> {
        let mut command = git();
        for each in configuration {
            command.args(["-c", each]);
        }
        let output = command
            .args(["ls-remote", url, "refs/heads/main"])
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    #[test]
    fn clones_pushes_stops_and_comes_back() {
        let server = GitServer::start().unwrap();
        let first = server
            .repository("app")
            .unwrap()
            .commit("main", "One", &[("a", "1")])
            .unwrap();
        let clone = tempfile::tempdir().unwrap();
        let url = server.url("app");
        let run = |args: &[&str]| {
            let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
            let status = git()
                .arg("-C")
                .arg(clone.path())
                .args(identity)
                .args(args)
                .status()
                .unwrap();
            assert!(status.success(), "git {args:?}");
        };
        run(&["clone", "--quiet", &url, "."]);
        run(&["commit", "--quiet", "--allow-empty", "--message", "Two"]);
        run(&["push", "--quiet", "origin", "main"]);
        let second = server.repository("app").unwrap().head("main").unwrap();
        assert_ne!(first, second);
        assert!(
            server
                .requests()
                .iter()
                .any(|line| line == "POST /app.git/git-receive-pack")
        );
        server.stop();
        ls_remote(&url, &[]).unwrap_err();
        server.restart().unwrap();
        assert!(ls_remote(&url, &[]).unwrap().starts_with(&second));
    }

    #[test]
    fn only_whoever_knows_the_secret_and_trusts_the_authority_gets_in() {
        let access = Access::Basic {
            username: "u".to_owned(),
            password: "p w".to_owned(),
        };
        let server = GitServer::start_with(&access, Transport::Tls).unwrap();
        let commit = server
            .repository("app")
            .unwrap()
            .commit("main", "One", &[("a", "1")])
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("ca.pem");
        std::fs::write(&bundle, server.authority().unwrap().certificate()).unwrap();
        let trust = format!("http.sslCAInfo={}", bundle.display());
        let url = server.url("app");
        let with_secret = url.replace("https://", "https://u:p%20w@");
        let with_another = url.replace("https://", "https://u:p@");
        assert!(
            ls_remote(&with_secret, &[&trust])
                .unwrap()
                .starts_with(&commit)
        );
        for (url, configuration, expected) in [
            (&url, &[trust.as_str()][..], "could not read Username"),
            (&with_another, &[&trust], "Authentication failed"),
            (&with_secret, &[], "certificate"),
        ] {
            let error = ls_remote(url, configuration).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
        }
    }

    #[test]
    fn a_stalled_server_answers_when_it_resumes() {
        let server = GitServer::start().unwrap();
        server
            .repository("app")
            .unwrap()
            .commit("main", "One", &[("a", "1")])
            .unwrap();
        server.stall();
        let url = server.url("app");
        let asked = thread::spawn(move || ls_remote(&url, &[]));
        crate::wait("the request", std::time::Duration::from_secs(20), || {
            if server.requests().is_empty() {
                Err("none".to_owned())
            } else {
                Ok(())
            }
        });
        assert!(!asked.is_finished());
        server.resume();
        asked.join().unwrap().unwrap();
    }
}
