//! Go's own text/template, with Helm's functions, as a process that answers one row after the other.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_gotemplate::{Execution, MissingKey, Options, Templates, Value};
use serde_json::json;

use crate::go::{self, Process};

/// What running templates gave: bytes, or the text of the error.
pub type Printed = Result<Vec<u8>, String>;

/// Templates by name, the one of them that is run, and what with.
#[derive(Clone, Debug)]
pub struct Row {
    /// All templates; they are parsed in the order of their names.
    pub templates: BTreeMap<String, String>,
    /// The one that is run.
    pub name: String,
    /// Its data.
    pub data: serde_json::Value,
    /// `missingkey=error`, as `helm template --strict` has it.
    pub strict: bool,
}

impl Row {
    /// A single template.
    pub fn one(text: &str, data: &serde_json::Value) -> Self {
        Self {
            templates: [("row".to_owned(), text.to_owned())].into_iter().collect(),
            name: "row".to_owned(),
            data: data.clone(),
            strict: false,
        }
    }

    /// What ours prints.
    pub fn ours(&self) -> Printed {
        self.race(1).map(|(text, _)| text)
    }

    /// As [`Row::ours`], with the shortest time of `count` runs, parsing included.
    pub fn race(&self, count: usize) -> Result<(Vec<u8>, Duration), String> {
        let mut best: Option<(Vec<u8>, Duration)> = None;
        for _ in 0..count.max(1) {
            let data = Value::from_json(&self.data);
            let start = Instant::now();
            let text = self.run(data)?;
            let took = start.elapsed();
            if best.as_ref().is_none_or(|(_, least)| took < *least) {
                best = Some((text, took));
            }
        }
        best.ok_or_else(|| "never run".to_owned())
    }

    fn run(&self, data: Value) -> Printed {
        let mut templates = Templates::new();
        for (name, text) in &self.templates {
            templates
                .parse(name, text)
                .map_err(|error| error.to_string())?;
        }
        let missing_key = if self.strict {
            MissingKey::Error
        } else {
            MissingKey::Zero
        };
        let options = Options {
            missing_key,
            ..Options::default()
        };
        Execution::new(&templates, options)
            .execute(&self.name, data)
            .map_err(|error| error.to_string())
    }
}

/// The process. It ends when this is dropped.
pub struct TemplatePeer(Process);

impl TemplatePeer {
    /// Builds the program from its Go modules into a directory; `None` where there is no Go, which
    /// it says.
    pub fn program(directory: &Path) -> Option<PathBuf> {
        let built = go::build("template-peer", &[], directory);
        built
            .inspect_err(|error| {
                println!("SKIPPED: Go is needed to compare with ({error}): https://go.dev/dl");
            })
            .ok()
    }

    /// Starts the program.
    pub fn start(program: &Path) -> Self {
        Self(Process::start(program))
    }

    /// The names of all functions that Helm gives to templates.
    pub fn functions(program: &Path) -> Vec<String> {
        let output = Command::new(program)
            .arg("functions")
            .output()
            .expect("it was built");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether Go's TLS takes a certificate for a host; if not, what it says.
    pub fn verify(program: &Path, chain: &serde_json::Value) -> Result<(), String> {
        let mut process = Command::new(program)
            .arg("verify")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut stdin = process.stdin.take().expect("it is piped");
        write!(stdin, "{chain}").expect("Go reads");
        drop(stdin);
        let output = process.wait_with_output().expect("it ends");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What Go prints.
    pub fn run(&mut self, row: &Row) -> Printed {
        self.race(row, 1).map(|(text, _)| text)
    }

    /// What Go prints of templates, each on its own over the same data.
    pub fn rows(&mut self, rows: &[String], data: &serde_json::Value) -> Vec<Printed> {
        let answer = self.0.ask(&json!({ "rows": rows, "data": data }));
        let answers = answer["rows"].as_array().expect("Go answers each");
        answers
            .iter()
            .map(|answer| printed(answer).map(|(text, _)| text))
            .collect()
    }

    /// As [`TemplatePeer::run`], with the shortest time of `count` runs.
    pub fn race(&mut self, row: &Row, count: usize) -> Result<(Vec<u8>, Duration), String> {
        let request = json!({
            "templates": row.templates,
            "name": row.name,
            "data": row.data,
            "strict": row.strict,
            "repeat": count,
        });
        printed(&self.0.ask(&request))
    }
}

fn printed(answer: &serde_json::Value) -> Result<(Vec<u8>, Duration), String> {
    if let Some(error) = answer.get("error").and_then(serde_json::Value::as_str) {
        return Err(error.to_owned());
    }
    let text = answer["text"].as_str().unwrap_or_default();
    let text = STANDARD.decode(text).expect("Go encodes");
    let took = answer["nanoseconds"].as_u64().unwrap_or_default();
    Ok((text, Duration::from_nanos(took)))
}
