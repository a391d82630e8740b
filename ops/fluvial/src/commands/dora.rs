//! `fluvial dora`: the four measures of software delivery, from the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use fluvial_event::{Offset, Timestamp};
use fluvial_view::dora::{Four, Samples};
use serde::Serialize;

use crate::commands::history::{self, Told};
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Plain};
use crate::table::Table;
use crate::{age, position, say};

/// Measure delivery: how often, how fast, how often it fails, and how long until it is well again
///
/// DORA's four, of every Kustomization and HelmRelease that is on record, back to the first one: deployments a day; lead
/// time, from the commit to the cluster; change failure rate, of deployments that failed or were rolled back; and time
/// to restore, from there to the next success. Times are medians. Needs no cluster.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial dora --data ./data
  fluvial dora --since 720h
  fluvial dora --by reconciler -n apps
  fluvial dora -o json")]
pub(crate) struct DoraArgs {
    /// Only since then: an age such as 720h, a time (RFC 3339), an offset, a revision
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// What is measured together
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
    #[command(flatten)]
    data: DataArgs,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// Everything in a namespace: a team's
    #[default]
    Namespace,
    /// Each Kustomization and HelmRelease
    Reconciler,
    /// All
    All,
}

/// The four of one group.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(rename = "group")]
    name: String,
    #[serde(flatten)]
    four: Four,
}

pub(crate) fn run(globals: &Globals, args: &DoraArgs) -> Result<ExitCode> {
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let first = match &args.since {
        Some(since) => position::parse(since, &index)?.offset.next(),
        None => Offset::FIRST,
    };
    let mut groups: BTreeMap<String, Samples> = BTreeMap::new();
    history::walk(
        globals,
        &index,
        first,
        false,
        |Told { object, deployment }| {
            let group = match args.by {
                By::Namespace => object.namespace.clone(),
                By::Reconciler => object.to_string(),
                By::All => "all".to_owned(),
            };
            groups.entry(group).or_default().add(&object, &deployment);
            ControlFlow::Continue(())
        },
    )?;
    if first > index.end() || groups.is_empty() {
        say::failure("nothing was deployed in that time");
        return Ok(ExitCode::SUCCESS);
    }
    let (from, to) = (index.record(first)?.time, fluvial_runtime::now());
    let measured = groups.into_iter().map(|(name, samples)| Measured {
        name,
        four: samples.measure(from, to),
    });
    let measured: Vec<_> = measured.collect();
    match args.output {
        Some(format) => output::plain(format, &measured)?,
        None => output::print(&table(&measured, from).text(true))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(measured: &[Measured], from: Timestamp) -> Table {
    let mut table = Table::new([
        "group",
        "since",
        "deployments",
        "a day",
        "lead time",
        "change failure rate",
        "time to restore",
    ]);
    let time = |seconds: Option<f64>| {
        let duration = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
        duration.map_or_else(|| "-".to_owned(), age::human)
    };
    for Measured { name, four } in measured {
        let rate = four.change_failure_rate;
        table.row([
            name.clone(),
            from.to_string(),
            four.deployments.to_string(),
            format!("{:.1}", four.deployments_per_day),
            time(four.lead_time_seconds),
            rate.map_or_else(|| "-".to_owned(), |it| format!("{:.0} %", it * 100.0)),
            time(four.time_to_restore_seconds),
        ]);
    }
    table
}
