//! What a race comes to, as a table and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// What a race has to come to, as the ratios of medians.
pub(super) struct Goals {
    pub(super) in_process: f64,
    pub(super) whole_process: f64,
    pub(super) peak: f64,
}

/// One thing more that has a limit.
pub(super) struct Extra {
    pub(super) what: String,
    /// How long it took, if anything came of it.
    pub(super) took: Option<Duration>,
    pub(super) max: Duration,
}

/// What both sides took in each case.
#[derive(Default)]
pub(super) struct Ratios {
    /// Theirs by ours.
    each: Vec<f64>,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Ratios {
    pub(super) fn add(&mut self, ours: f64, theirs: f64) {
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
            "theirs": {"sum": self.theirs.iter().sum::<f64>(), "median": at(&self.theirs, 50), "most": at(&self.theirs, 100)},
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
pub(super) struct Report {
    /// What was raced against.
    pub(super) tool: &'static str,
    pub(super) goals: Goals,
    pub(super) in_process: Ratios,
    /// The same of what is kept between two times, where the engine keeps it; theirs begins anew.
    pub(super) again: Option<Ratios>,
    /// Times and peaks of whole processes.
    pub(super) processes: Option<(Ratios, Ratios)>,
    pub(super) extra: Option<Extra>,
}

impl Report {
    pub(super) fn table(&self) -> String {
        let goals = &self.goals;
        let mut table = format!(
            "{:<16}{:>6}{:>15}{:>13}{:>10}{:>10}{:>10}{:>8}\n",
            "medians", "cases", "fluvial", self.tool, "10 %", "ratio", "90 %", "goal"
        );
        table += &self
            .in_process
            .line("in process", 1e3, "ms", goals.in_process);
        if let Some(again) = &self.again {
            table += &again.line("... loaded", 1e3, "ms", goals.in_process);
        }
        if let Some((times, peaks)) = &self.processes {
            table += &times.line("whole process", 1e3, "ms", goals.whole_process);
            table += &peaks.line("peak memory", 1.0, "MiB", goals.peak);
        }
        if let Some(Extra { what, took, max }) = &self.extra {
            let took = took.unwrap_or(Duration::MAX).as_secs_f64();
            let max = max.as_secs_f64();
            writeln!(table, "{what}: {took:.3} s (goal: below {max:.1} s)")
                .expect("a String takes everything");
        }
        table
    }

    pub(super) fn json(&self) -> Value {
        let processes = self.processes.as_ref();
        let extra = self.extra.as_ref();
        json!({
            "tool": self.tool,
            "inProcess": self.in_process.json("s"),
            "loaded": self.again.as_ref().map(|again| again.json("s")),
            "wholeProcess": processes.map(|(times, _)| times.json("s")),
            "peakMemory": processes.map(|(_, peaks)| peaks.json("MiB")),
            "extra": extra.map(|it| json!({"what": it.what, "seconds": it.took.map(|took| took.as_secs_f64())})),
        })
    }

    pub(super) fn reaches_its_goals(&self) -> bool {
        let goals = &self.goals;
        let whole = self.processes.as_ref().is_none_or(|(times, peaks)| {
            times.median() >= goals.whole_process && peaks.median() >= goals.peak
        });
        let is_in_time = |extra: &Extra| extra.took.is_some_and(|took| took < extra.max);
        let extra = self.extra.as_ref().is_none_or(is_in_time);
        self.in_process.median() >= goals.in_process && whole && extra
    }
}
