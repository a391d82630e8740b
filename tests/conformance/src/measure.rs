//! How long whole processes run, and how much memory they have at most.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::go::{self, Process};

/// What one run of a program took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the start to the end of the process.
    pub took: Duration,
    /// The largest resident set that it had.
    pub peak_bytes: u64,
}

/// A small process that starts others and measures them. It ends when this is dropped.
pub struct Measure(Process);

impl Measure {
    /// Builds the program into a directory and starts it.
    pub fn start(directory: &Path) -> Self {
        let program = go::build("measure", &[], directory)
            .expect("Go is needed to build what measures: https://go.dev/dl");
        Self(Process::start(&program))
    }

    /// The fastest of `count` runs and the smallest of their peaks; `None` when the command fails.
    pub fn run(&mut self, command: &[&str], count: usize) -> Option<Run> {
        let answer = self.0.ask(&json!({"command": command, "repeat": count}));
        let number = |field: &str| answer[field].as_u64();
        (answer["failed"] == false).then_some(Run {
            took: Duration::from_nanos(number("nanoseconds")?),
            peak_bytes: number("peakBytes")?,
        })
    }
}
