//! A small HTTP server that answers each path as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a path is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A status, headers and a body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Answers 304 to those who know this tag, and with the body to others.
    Tagged(&'static str, Vec<u8>),
    /// Answers with the body to those with this `Authorization`, and 401 with the challenge to others.
    Guarded(String, String, Box<Self>),
    /// Begins, and never ends.
    Endless(&'static [u8]),
    /// Takes the question and is silent.
    Silent,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The server. It ends with the test's process.
pub(crate) struct Shelf {
    address: SocketAddr,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Shelf {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let (answers, asked) = (Arc::clone(&this.answers), Arc::clone(&this.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                thread::spawn(move || serve(&stream.unwrap(), &answers, &asked));
            }
        });
        this
    }

    pub(crate) fn put(&self, target: &str, answer: Answer) {
        self.answers
            .lock()
            .unwrap()
            .insert(target.to_owned(), answer);
    }

    pub(crate) fn body(&self, target: &str, body: impl Into<Vec<u8>>) {
        self.put(target, Answer::Whole(200, Vec::new(), body.into()));
    }

    /// Sends who asks elsewhere.
    pub(crate) fn redirect(&self, target: &str, to: &str) {
        let location = vec![("Location", to.to_owned())];
        self.put(target, Answer::Whole(302, location, Vec::new()));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `127.0.0.1:port`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was shown to prove who asks, question by question.
    pub(crate) fn proofs(&self) -> Vec<Option<String>> {
        let asked = self.asked().into_iter();
        asked
            .map(|asked| asked.headers.get("authorization").cloned())
            .collect()
    }
}

fn serve(stream: &TcpStream, answers: &Mutex<BTreeMap<String, Answer>>, asked: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let target = line.split(' ').nth(1).unwrap().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let question = Asked { target, headers };
    asked.lock().unwrap().push(question.clone());
    let found = answers.lock().unwrap().get(&question.target).cloned();
    let answer = found.unwrap_or(Answer::Whole(404, Vec::new(), Vec::new()));
    // Who asks may hang up: that is its right.
    reply(stream, &question, answer).unwrap_or_default();
}

fn reply(mut stream: &TcpStream, question: &Asked, answer: Answer) -> std::io::Result<()> {
    let header = |name: &str| question.headers.get(name).map(String::as_str);
    match answer {
        Answer::Whole(status, headers, body) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n"
            )?;
            for (name, value) in headers {
                write!(stream, "{name}: {value}\r\n")?;
            }
            stream.write_all(b"Connection: close\r\n\r\n")?;
            stream.write_all(&body)
        }
        Answer::Tagged(tag, body) => {
            let (status, body) = if header("if-none-match") == Some(tag) {
                (304, Vec::new())
            } else {
                (200, body)
            };
            let tag = vec![("ETag", tag.to_owned())];
            reply(stream, question, Answer::Whole(status, tag, body))
        }
        Answer::Guarded(proof, challenge, then) => {
            if header("authorization") == Some(proof.as_str()) {
                return reply(stream, question, *then);
            }
            let challenge = vec![("WWW-Authenticate", challenge)];
            reply(stream, question, Answer::Whole(401, challenge, Vec::new()))
        }
        Answer::Endless(part) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(part)?;
            }
        }
        Answer::Silent => stream.read(&mut [0]).map(drop),
    }
}
