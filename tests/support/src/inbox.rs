//! A web server on loopback that keeps what it is sent, and answers as a test asks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use anyhow::{Context, Result};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// How a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a status line's number and word, further header lines, and a body.
    Now(&'static str, &'static str, &'static str),
    /// Not before it is told to answer otherwise.
    Never,
}

/// A running server. Its threads end with the process.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    received: Mutex<Vec<Received>>,
    answer: Mutex<Answer>,
    changed: Condvar,
}

impl Inbox {
    /// Starts a server that answers 200.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr().context("cannot read an address")?;
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answer: Mutex::new(Answer::Now("200 OK", "", "ok")),
            changed: Condvar::new(),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A client that breaks off is what some tests are about.
                thread::spawn(move || server.serve(&stream).unwrap_or_default());
            }
        });
        Ok(Self { shared, address })
    }

    /// The URL of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Answers so from now on, also to who waits.
    pub fn answer(&self, answer: Answer) {
        *lock(&self.shared.answer) = answer;
        self.shared.changed.notify_all();
    }

    /// Everything that was received so far, in order.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(stream);
        let received = read(&mut reader)?;
        lock(&self.received).push(received);
        let mut answer = lock(&self.answer);
        while *answer == Answer::Never {
            answer = self
                .changed
                .wait(answer)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        let Answer::Now(status, headers, body) = answer.clone() else {
            return Ok(());
        };
        drop(answer);
        let length = body.len();
        write!(
            &mut &*stream,
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn read(reader: &mut impl BufRead) -> Result<Received> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line
        .split(' ')
        .nth(1)
        .context("no request line")?
        .to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .context("no length")?
        .parse()?;
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    Ok(Received {
        path,
        headers,
        body,
    })
}
