//! The real kustomize as a process that answers one build after the other.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_kustomize::{Reorder, Restriction};
use serde_json::{Map, Value, json};

use crate::Case;

/// What a build printed, or why it was refused.
pub type Answer = Result<String, String>;

/// The process. It ends when this is dropped.
pub struct Peer {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Builds the program from its Go modules into a directory, which costs a second when it is there.
    pub fn program(directory: &Path) -> PathBuf {
        let program = directory.join("kustomize-peer");
        let built = Command::new("go")
            .args(["build", "-trimpath"])
            .arg("-ldflags=-X=sigs.k8s.io/kustomize/api/provenance.version=v5.8.2")
            .arg("-o")
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("peer"))
            .status()
            .expect("Go is needed to build the real kustomize: https://go.dev/dl");
        assert!(built.success(), "cannot build the real kustomize");
        program
    }

    /// Starts the program.
    pub fn start(program: &Path) -> Self {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Self {
            process,
            requests,
            answers,
        }
    }

    /// What the real kustomize makes of a case.
    pub fn build(&mut self, case: &Case) -> Answer {
        self.race(case, 1).map(|(text, _)| text)
    }

    /// As [`Peer::build`], with the shortest time of `count` builds.
    pub fn race(&mut self, case: &Case, count: usize) -> Result<(String, Duration), String> {
        let mut line = request(case, count).to_string();
        line.push('\n');
        let requests = self.requests.as_mut().expect("it is open until the drop");
        requests
            .write_all(line.as_bytes())
            .expect("the real kustomize reads");
        requests.flush().expect("the real kustomize reads");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the real kustomize answers");
        let answer: Value = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{}: {error}: {answer:?}", case.title));
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(error.to_owned());
        }
        let text = answer["text"].as_str().unwrap_or_default().to_owned();
        let took = answer["nanoseconds"].as_u64().unwrap_or_default();
        Ok((text, Duration::from_nanos(took)))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.requests.take());
        drop(self.process.wait());
    }
}

fn request(case: &Case, count: usize) -> Value {
    let files: Map<String, Value> = case
        .files
        .iter()
        .map(|(path, text)| (path.clone(), Value::String(STANDARD.encode(text))))
        .collect();
    json!({
        "files": files,
        "path": case.path,
        "unlimited": case.options.restriction == Restriction::None,
        "reorder": match case.options.reorder {
            Reorder::Legacy => "legacy",
            Reorder::None => "none",
        },
        "managedBy": case.options.managed_by_label,
        "repeat": count,
    })
}
