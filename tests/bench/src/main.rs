//! How fast and how cheap Fluvial is, beside what it stands on, measured in the same run.
//!
//! `log` needs nothing; `load` and `history` start a control plane, and the program `fluvial` from beside
//! this one. `ops/bench` builds all of it.

mod cluster;
mod history;
mod load;
mod log;
mod report;
mod story;
mod usage;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value, json};

use crate::report::Table;

#[derive(Debug, Parser)]
#[command(
    name = "bench",
    about = "Measure how fast and how cheap Fluvial is, beside what it stands on",
    after_help = "Without a command: log, load and history, one after the other."
)]
struct Command {
    /// Print JSON in place of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// N Kustomizations of three objects each, on a control plane of their own
    Load(LoadArgs),
    /// Appends, reads and replays, beside RocksDB itself
    Log(LogArgs),
    /// A start, an append and the load, with a million records and without
    History(HistoryArgs),
}

#[derive(Args, Debug)]
struct LoadArgs {
    /// How many Kustomizations; each number is a run
    #[arg(default_values_t = LOADS)]
    counts: Vec<usize>,
    /// How many edits are made, to see how fast they are repaired
    #[arg(long, default_value_t = EDITS)]
    edits: usize,
    /// How many seconds nothing happens
    #[arg(long, default_value_t = IDLE_SECONDS)]
    idle: u64,
}

#[derive(Args, Debug)]
struct LogArgs {
    /// How many records
    #[arg(long, default_value_t = LOG_RECORDS)]
    records: u64,
}

#[derive(Args, Debug)]
struct HistoryArgs {
    /// How many records there are already
    #[arg(long, default_value_t = HISTORY_RECORDS)]
    records: u64,
    /// How many Kustomizations the load has
    #[arg(long, default_value_t = HISTORY_LOAD)]
    kustomizations: usize,
}

const LOADS: [usize; 3] = [100, 300, 1000];
const EDITS: usize = 200;
const IDLE_SECONDS: u64 = 60;
const LOG_RECORDS: u64 = 200_000;
const HISTORY_RECORDS: u64 = 1_000_000;
const HISTORY_LOAD: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let command = Command::parse();
    let all = match command.what {
        Some(what) => vec![what],
        None => vec![
            What::Log(LogArgs {
                records: LOG_RECORDS,
            }),
            What::Load(LoadArgs {
                counts: LOADS.to_vec(),
                edits: EDITS,
                idle: IDLE_SECONDS,
            }),
            What::History(HistoryArgs {
                records: HISTORY_RECORDS,
                kustomizations: HISTORY_LOAD,
            }),
        ],
    };
    let mut printed = Map::new();
    for what in all {
        let (name, measured, table) = Box::pin(measure(what)).await?;
        if command.json {
            printed.insert(name.to_owned(), measured);
        } else {
            println!("{}", table.text());
        }
    }
    if command.json {
        println!("{:#}", Value::Object(printed));
    }
    Ok(())
}

async fn measure(what: What) -> Result<(&'static str, Value, Table)> {
    Ok(match what {
        What::Load(args) => {
            let mut all = Vec::new();
            for count in args.counts {
                let place = tempfile::tempdir()?;
                let plan = load::Plan {
                    count,
                    edits: args.edits,
                    idle: Duration::from_secs(args.idle),
                    warm: false,
                };
                all.push(load::run(plan, &place.path().join("data")).await?);
            }
            ("load", json!(all), load::table(&all))
        }
        What::Log(args) => {
            let measured = log::run(args.records)?;
            ("log", json!(measured), measured.table())
        }
        What::History(args) => {
            let measured = history::run(args.records, args.kustomizations).await?;
            ("history", json!(measured), measured.table())
        }
    })
}
