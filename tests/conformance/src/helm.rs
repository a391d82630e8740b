//! The real helm as a process that renders one chart after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::go::{self, Process};

/// A chart in a directory, and what it is rendered with.
#[derive(Clone, Debug)]
pub struct ChartCase {
    /// Where it is.
    pub directory: PathBuf,
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Values as YAML; later ones win.
    pub values: Vec<String>,
    /// Whether the definitions in `crds/` are printed as well.
    pub with_crds: bool,
}

/// The process. It ends when this is dropped.
pub struct HelmPeer(Process);

impl HelmPeer {
    /// Builds the program from its Go modules into a directory, and starts it.
    pub fn start(directory: &Path) -> Self {
        let program = go::build("helm-peer", &[], directory)
            .expect("Go is needed to build the real helm: https://go.dev/dl");
        Self(Process::start(&program))
    }

    /// The shortest time of `count`, from the chart's files in memory to all that `helm template` prints; or
    /// why it is refused.
    pub fn race(&mut self, case: &ChartCase, count: usize) -> Result<Duration, String> {
        let answer = self.0.ask(&json!({
            "directory": case.directory,
            "name": case.name,
            "namespace": case.namespace,
            "values": case.values,
            "crds": case.with_crds,
            "repeat": count,
        }));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let took = answer["nanoseconds"].as_u64().unwrap_or_default();
        Ok(Duration::from_nanos(took))
    }
}
