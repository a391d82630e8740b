//! What a race comes to, as a table and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::large;

/// What a race has to come to, as the ratios of medians.
const IN_PROCESS_MIN: f64 = 50.0;
const WHOLE_PROCESS_MIN: f64 = 20.0;
const PEAK_MIN: f64 = 4.0;

/// What both sides took in each case.
#[derive(Default)]
pub(crate) struct Ratios {
    /// Theirs by ours.
    each: Vec<f64>,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Ratios {
    pub(crate) fn add(&mut self, ours: f64, theirs: f64) {
        self.each.push(theirs / ours);
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    fn median(&self) -> f64 {
        at(&self.each, 50)
    }

    fn json(&self, unit: &str) -> Value {
        json!({
            "cases": self.each.len(),
            "unit": unit,
            "fluvial": {"sum": self.ours.iter().sum::<f64>(), "median": at(&self.ours, 50), "most": at(&self.ours, 100)},
            "kustomize": {"sum": self.theirs.iter().sum::<f64>(), "median": at(&self.theirs, 50), "most": at(&self.theirs, 100)},
            "ratio": {"tenth": at(&self.each, 10), "median": self.median(), "ninetieth": at(&self.each, 90)},
        })
    }

    fn line(&self, name: &str, scale: f64, unit: &str, goal: f64) -> String {
        format!(
            "{name:<16}{:>6}{:>11.2} {unit:<3}{:>9.2} {unit:<3}{:>10.1}{:>10.1}{:>10.1}{goal:>8.0}\n",
            self.each.len(),
            at(&self.ours, 50) * scale,
            at(&self.theirs, 50) * scale,
            at(&self.each, 10),
            self.median(),
            at(&self.each, 90),
        )
    }
}

/// The value below which so many of a hundred are.
fn at(values: &[f64], part: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * part / 100).copied().unwrap_or(f64::NAN)
}

/// All that was measured.
pub(crate) struct Report {
    pub(crate) in_process: Ratios,
    /// Times and peaks of whole processes.
    pub(crate) processes: Option<(Ratios, Ratios)>,
    pub(crate) large: Option<Duration>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<16}{:>6}{:>15}{:>13}{:>10}{:>10}{:>10}{:>8}\n",
            "medians", "cases", "fluvial", "kustomize", "10 %", "ratio", "90 %", "goal"
        );
        table += &self
            .in_process
            .line("in process", 1e3, "ms", IN_PROCESS_MIN);
        if let Some((times, peaks)) = &self.processes {
            table += &times.line("whole process", 1e3, "ms", WHOLE_PROCESS_MIN);
            table += &peaks.line("peak memory", 1.0, "MiB", PEAK_MIN);
        }
        let large = self.large.unwrap_or(Duration::MAX).as_secs_f64();
        writeln!(
            table,
            "one kustomization of {} objects, in process: {large:.3} s (goal: below {:.1} s)",
            large::OBJECTS,
            large::TIME_MAX.as_secs_f64()
        )
        .expect("a String takes everything");
        table
    }

    pub(crate) fn json(&self) -> Value {
        let processes = self.processes.as_ref();
        json!({
            "inProcess": self.in_process.json("s"),
            "wholeProcess": processes.map(|(times, _)| times.json("s")),
            "peakMemory": processes.map(|(_, peaks)| peaks.json("MiB")),
            "large": {"objects": large::OBJECTS, "seconds": self.large.map(|took| took.as_secs_f64())},
        })
    }

    pub(crate) fn reaches_its_goals(&self) -> bool {
        let whole = self.processes.as_ref().is_none_or(|(times, peaks)| {
            times.median() >= WHOLE_PROCESS_MIN && peaks.median() >= PEAK_MIN
        });
        let large = self.large.is_some_and(|took| took < large::TIME_MAX);
        self.in_process.median() >= IN_PROCESS_MIN && whole && large
    }
}
