//! How long whole processes run, and how much memory they have at most.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// What one run of a program took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the start to the end of the process.
    pub took: Duration,
    /// The largest resident set that it had.
    pub peak_bytes: u64,
}

/// A small process that starts others and measures them. It ends when this is dropped.
pub struct Measure {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Measure {
    /// Builds the program into a directory and starts it.
    pub fn start(directory: &Path) -> Self {
        let program = directory.join("kustomize-measure");
        let built = Command::new("go")
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("measure"))
            .status()
            .expect("Go is needed to build what measures: https://go.dev/dl");
        assert!(built.success(), "cannot build what measures");
        let mut process = Command::new(&program)
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

    /// The fastest of `count` runs and the smallest of their peaks; `None` when the command fails.
    pub fn run(&mut self, command: &[&str], count: usize) -> Option<Run> {
        let request = json!({"command": command, "repeat": count});
        let requests = self.requests.as_mut().expect("it is open until the drop");
        writeln!(requests, "{request}").expect("it reads");
        requests.flush().expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        let answer: Value = serde_json::from_str(&answer).expect("it answers in JSON");
        let number = |field: &str| answer[field].as_u64();
        (answer["failed"] == false).then_some(Run {
            took: Duration::from_nanos(number("nanoseconds")?),
            peak_bytes: number("peakBytes")?,
        })
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        drop(self.requests.take());
        drop(self.process.wait());
    }
}
