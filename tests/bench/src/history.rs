//! `history`: whether anything costs more because much has happened: a start, an append and the load, on an
//! empty log and on one with a million records, in turns.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fluvial_event::{Draft, Record, TermStarted, Timestamp};
use fluvial_log::{EventLog as _, Plain, Stage as _};
use fluvial_log_rocksdb::{Data, Mode, RocksLog};
use fluvial_reduce::World;
use fluvial_runtime::recover;
use serde::Serialize;

use crate::load::{self, Plan};
use crate::report::{Row, Table, count, percent};
use crate::story::Story;

const APPS: usize = 100;
/// How many appends of one record, and how many of a thousand, are timed.
const SINGLES: usize = 2000;
const BATCHES: usize = 50;
/// How often each load is run.
const TURNS: usize = 2;

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    records: u64,
    comparisons: Vec<Comparison>,
}

/// One cost, without and with a history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    what: &'static str,
    unit: &'static str,
    empty: f64,
    history: f64,
    more: f64,
}

/// Compares on a history of `records`.
pub(crate) async fn run(records: u64, kustomizations: usize) -> Result<Measured> {
    let place = tempfile::tempdir()?;
    let [empty, history] = ["empty", "history"].map(|name| place.path().join(name));
    let told = tell(&history, records)?;
    tell(&empty, 0)?;
    let mut comparisons = vec![compare(
        "start with state",
        "ms",
        start(&empty)?,
        start(&history)?,
    )];
    let plan = Plan {
        count: kustomizations,
        edits: 0,
        idle: Duration::ZERO,
        warm: true,
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let fresh = place.path().join(format!("fresh{turn}"));
        tell(&fresh, 0)?;
        without.push(load::run(plan, &fresh).await?);
        // What the engine wrote in the turn before is history, too.
        with.push(load::run(plan, &history).await?);
    }
    for (what, of) in [
        (
            "all Ready",
            (|it| it.ready_seconds) as fn(&load::Measured) -> f64,
        ),
        ("engine CPU", |it| it.engine_cpu_seconds),
        ("peak memory", |it| it.peak_mebibytes),
    ] {
        let unit = if what == "peak memory" { "MiB" } else { "s" };
        let least = |all: &[load::Measured]| all.iter().map(of).fold(f64::INFINITY, f64::min);
        comparisons.push(compare(what, unit, least(&without), least(&with)));
    }
    for (what, batch, times) in [
        ("append of 1", 1, SINGLES),
        ("append of 1,000", 1000, BATCHES),
    ] {
        let (without, with) = appends(&empty, &history, batch, times)?;
        comparisons.push(compare(what, "ms", without, with));
    }
    Ok(Measured {
        records: told,
        comparisons,
    })
}

/// A log of at least `records`, in which everything is over.
fn tell(at: &Path, records: u64) -> Result<u64> {
    let data = Data::new(at);
    let log = Arc::new(data.open_log(Mode::Write)?);
    let (state, _) = data.open_state(&*log, World::FORMAT)?;
    let apps = if records == 0 { 0 } else { APPS };
    let mut story = Story::begin(log.clone(), Arc::new(state), apps)?;
    story.tell(records)?;
    story.end()?;
    log.settle()?;
    Ok(log.head().offset.0)
}

fn start(at: &Path) -> Result<f64> {
    let began = Instant::now();
    let data = Data::new(at);
    let log = data.open_log(Mode::Write)?;
    let (state, _) = data.open_state(&log, World::FORMAT)?;
    let recovered = recover(&log, &state)?;
    ensure!(recovered.head == log.head(), "recovered to another head");
    Ok(milliseconds(began.elapsed()))
}

/// The median append to each, in turns.
fn appends(empty: &Path, history: &Path, batch: usize, times: usize) -> Result<(f64, f64)> {
    let logs = [empty, history].map(|at| Data::new(at).open_log(Mode::Write));
    let [empty, history] = logs;
    let (empty, history) = (empty?, history?);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..times {
        without.push(append(&empty, batch)?);
        with.push(append(&history, batch)?);
    }
    Ok((median(without), median(with)))
}

fn append(log: &RocksLog, batch: usize) -> Result<f64> {
    let identity = "x".repeat(500);
    let draft = || {
        let identity = identity.clone();
        Draft::news(
            TermStarted {
                identity,
                ..TermStarted::default()
            }
            .into(),
        )
    };
    let drafts = std::iter::repeat_with(draft).take(batch).collect();
    let records: Vec<Record> = Plain::new(log.head(), 1).stage(drafts, Timestamp(0));
    let began = Instant::now();
    log.append(&records)?;
    Ok(milliseconds(began.elapsed()))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn compare(what: &'static str, unit: &'static str, empty: f64, history: f64) -> Comparison {
    Comparison {
        what,
        unit,
        empty,
        history,
        more: history / empty - 1.0,
    }
}

impl Measured {
    /// As people read it.
    pub(crate) fn table(&self) -> Table {
        let line = |it: &Comparison| {
            Row(vec![
                it.what.to_owned(),
                format!("{:.2} {}", it.empty, it.unit),
                format!("{:.2} {}", it.history, it.unit),
                percent(it.more),
            ])
        };
        Table {
            title: format!("History: a log with {} records", count(self.records)),
            head: vec!["", "empty", "with history", "more"],
            rows: self.comparisons.iter().map(line).collect(),
        }
    }
}
