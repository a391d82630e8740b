//! What the engine asked of the API server, from the API server's own audit log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Requests by verb and kind: `patch kustomizations/status`.
pub(crate) type Requests = BTreeMap<String, u64>;

/// An audit log, read as it grows.
pub(crate) struct Audit {
    path: PathBuf,
    read: u64,
}

impl Audit {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: 0,
        }
    }

    /// The requests that were noted since this was last asked.
    pub(crate) fn news(&mut self) -> Result<Requests> {
        let mut requests = Requests::new();
        let mut file = File::open(&self.path).context("cannot read the audit log")?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        // The last line may be half written.
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            let event: Value = serde_json::from_str(&line)?;
            // A watch is noted when it begins and when it ends.
            if event["stage"] == "ResponseComplete" || event["verb"] == "watch" {
                *requests.entry(name(&event)).or_default() += 1;
            }
            line.clear();
        }
        Ok(requests)
    }

    /// The requests that are noted until one of this name is, and that one.
    pub(crate) async fn until(&mut self, name: &str) -> Result<Requests> {
        const LOOK: Duration = Duration::from_millis(10);
        let mut requests = self.news()?;
        while !requests.contains_key(name) {
            sleep(LOOK).await;
            for (name, number) in self.news()? {
                *requests.entry(name).or_default() += number;
            }
        }
        Ok(requests)
    }

    /// Waits until the engine asks nothing any more, but whether the Lease is still its own. It notes the head
    /// of its log there, once in a quarter of a minute at most: after the last record that is the last of the
    /// work, and no part of the rest.
    pub(crate) async fn until_quiet(&mut self) -> Result<()> {
        const QUIET: Duration = Duration::from_secs(20);
        const LOOK: Duration = Duration::from_millis(200);
        const PATIENCE: Duration = Duration::from_mins(1);
        let began = Instant::now();
        let mut last = began;
        while last.elapsed() < QUIET && began.elapsed() < PATIENCE {
            sleep(LOOK).await;
            if self.news()?.keys().any(|name| name != "get leases") {
                last = Instant::now();
            }
        }
        Ok(())
    }
}

fn name(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let verb = text("/verb").unwrap_or("?");
    let Some(resource) = text("/objectRef/resource") else {
        return format!("{verb} {}", text("/requestURI").unwrap_or("?"));
    };
    match text("/objectRef/subresource") {
        Some(part) => format!("{verb} {resource}/{part}"),
        None => format!("{verb} {resource}"),
    }
}
