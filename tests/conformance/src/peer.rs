//! The real kustomize as a process that answers one build after the other.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_kustomize::{Reorder, Restriction};
use serde_json::{Map, Value, json};

use crate::Case;
use crate::go::{self, Process};

/// What it says of itself in objects that ask for it.
const VERSION: &str = "-ldflags=-X=sigs.k8s.io/kustomize/api/provenance.version=v5.8.2";

/// What a build printed, or why it was refused.
pub type Answer = Result<String, String>;

/// The process. It ends when this is dropped.
pub struct Peer(Process);

impl Peer {
    /// Builds the program from its Go modules into a directory, and starts it.
    pub fn start(directory: &Path) -> Self {
        let program = go::build("peer", &[VERSION], directory)
            .expect("Go is needed to build the real kustomize: https://go.dev/dl");
        Self(Process::start(&program))
    }

    /// The paths of all fields that a kustomization of the real kustomize has, such as `patches.target.name`.
    pub fn fields(directory: &Path) -> Vec<String> {
        let program = go::build("peer", &[VERSION], directory)
            .expect("Go is needed to build the real kustomize: https://go.dev/dl");
        let listed = Command::new(program).arg("fields").output();
        let listed = String::from_utf8(listed.expect("it was built").stdout).expect("it is text");
        listed.lines().map(str::to_owned).collect()
    }

    /// What the real kustomize makes of a case.
    pub fn build(&mut self, case: &Case) -> Answer {
        self.race(case, 1).map(|(text, _)| text)
    }

    /// As [`Peer::build`], with the shortest time of `count` builds.
    pub fn race(&mut self, case: &Case, count: usize) -> Result<(String, Duration), String> {
        let answer = self.0.ask(&request(case, count));
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(error.to_owned());
        }
        let text = answer["text"].as_str().unwrap_or_default().to_owned();
        let took = answer["nanoseconds"].as_u64().unwrap_or_default();
        Ok((text, Duration::from_nanos(took)))
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
