//! Programs in Go: built from their modules, and asked in JSON, a line for each question and each answer.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Builds the module in `folder` of this crate into a directory, which costs a second when it is there.
/// An error is that there is no Go.
pub(crate) fn build(folder: &str, flags: &[&str], directory: &Path) -> io::Result<PathBuf> {
    let program = directory.join(format!("conformance-{folder}"));
    let built = Command::new("go")
        .args(["build", "-trimpath"])
        .args(flags)
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .status()?;
    assert!(built.success(), "cannot build {folder}");
    Ok(program)
}

/// The process. It ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a program that was built.
    pub(crate) fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self {
            child,
            requests,
            answers,
        }
    }

    /// What it answers.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        let requests = self.requests.as_mut().expect("it is open until the drop");
        writeln!(requests, "{request}").expect("it reads");
        requests.flush().expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{request}: {error}: {answer:?}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.requests.take());
        drop(self.child.wait());
    }
}
