//! An API server that says what it is told to: for answers that a real one gives too rarely.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use fluvial_cluster::{Cluster, Error, Options};

/// What to answer to one request.
pub(crate) enum Answer {
    /// A whole answer.
    Whole(u16, &'static str),
    /// These bytes of a watch, and then the connection breaks.
    Broken(&'static str),
    /// These bytes of a watch, and then nothing more.
    Open(&'static str),
}

/// A server that gives `answers` in order, and then drops connections.
pub(crate) struct Server {
    address: String,
    asked: mpsc::Receiver<String>,
}

impl Server {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (heard, asked) = mpsc::channel();
        thread::spawn(move || {
            let mut open = Vec::new();
            let mut answers = answers.into_iter();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let Some(path) = request(&connection) else {
                    continue;
                };
                // The test that asked may have ended.
                heard.send(path).ok();
                match answers.next() {
                    Some(Answer::Whole(status, body)) => write!(
                        connection,
                        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    )
                    .unwrap(),
                    Some(Answer::Broken(body)) => chunk(&mut connection, body),
                    Some(Answer::Open(body)) => {
                        chunk(&mut connection, body);
                        open.push(connection);
                    }
                    None => {}
                }
            }
        });
        Self { address, asked }
    }

    pub(crate) async fn connect(&self) -> Cluster {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: a, \
             clusters: [{{name: a, cluster: {{server: 'http://{}'}}}}], users: [{{name: a, user: {{}}}}], \
             contexts: [{{name: a, context: {{cluster: a, user: a}}}}]}}",
            self.address
        );
        connect(&text).await.unwrap()
    }

    /// The paths asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }
}

/// Connects with this text as the kubeconfig.
pub(crate) async fn connect(kubeconfig: &str) -> Result<Cluster, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig).unwrap();
    let options = Options {
        kubeconfig: Some(file.path().to_owned()),
        ..Options::default()
    };
    Cluster::connect(&options).await
}

fn request(connection: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    Some(path)
}

fn chunk(connection: &mut TcpStream, body: &str) {
    let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
    write!(connection, "{head}{:x}\r\n{body}\r\n", body.len()).unwrap();
}
