//! `fluvial replay`: would we decide the same today?

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_event::{Event, Offset};
use fluvial_log::{EventLog as _, ahead};
use fluvial_runtime::replay::{Replay, Report};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::data::DataArgs;
use crate::output::{self, Plain};
use crate::say;
use crate::table::Table;

/// Fold the log again, and compare what was decided with what would be decided today
///
/// Reads from the first record on, needs no cluster, changes nothing, and may run beside the engine.
/// Exits with 1 if a decision differs.
#[derive(Args, Debug)]
#[command(
    visible_alias = "rehearse",
    after_help = "Examples:
  fluvial replay --data ./data
  fluvial replay --data ./data --from 100 --to 200
  fluvial rehearse --data ./data            # with a new version, before it is rolled out
  fluvial replay --data ./data -o json"
)]
pub(crate) struct ReplayArgs {
    /// Compare from this offset on; what is before is folded only
    #[arg(long, default_value_t = 1, value_name = "OFFSET")]
    from: u64,
    /// Stop after this offset and the decisions that belong to it; without it, at the end
    #[arg(long, value_name = "OFFSET")]
    to: Option<u64>,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<ExitCode> {
    let to = args.to.unwrap_or(u64::MAX);
    ensure!(
        args.from <= to,
        "cannot replay from {} to {to}: the first must not be after the last",
        args.from
    );
    let report = replay(args, to)?;
    match args.output {
        Some(format) => output::plain(format, &report)?,
        None => print(&report)?,
    }
    Ok(if report.differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn replay(args: &ReplayArgs, to: u64) -> Result<Report> {
    let log = args.data.log()?;
    let bar = progress(log.head().offset.0.min(to));
    let mut replay = Replay::from(Offset(args.from));
    let ended = ahead::for_each(&log, Offset::FIRST, |record| {
        if record.offset.0 > to && !record.event.is_decision() {
            return Err(Ended::Enough);
        }
        replay.feed(record);
        bar.inc(1);
        Ok(())
    });
    if let Err(Ended::Failed(error)) = ended {
        return Err(error).context("run `fluvial log verify` to see what else is wrong");
    }
    bar.finish_and_clear();
    Ok(replay.finish().0)
}

/// Why no more is read.
enum Ended {
    Enough,
    Failed(fluvial_log::Error),
}

impl From<fluvial_log::Error> for Ended {
    fn from(error: fluvial_log::Error) -> Self {
        Self::Failed(error)
    }
}

/// A bar on stderr where somebody looks at it.
fn progress(records: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(records), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("► replaying {bar:40} {pos}/{len} records, {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn print(report: &Report) -> Result<()> {
    let mut text = format!(
        "records:      {}\ndecisions:    {}\ndifferences:  {}\noffset:       {}\nstate digest: {}\n",
        report.records, report.decisions, report.differences, report.offset, report.state_digest
    );
    if !report.examples.is_empty() {
        let mut table = Table::new(["OFFSET", "TIME", "RECORDED", "TODAY"]);
        for it in &report.examples {
            let name = |event: &Option<Event>| event.as_ref().map_or("nothing", Event::name);
            let (recorded, decided) = (name(&it.recorded), name(&it.decided));
            let (offset, time) = (it.offset.to_string(), it.time.to_string());
            table.row([offset, time, recorded.to_owned(), decided.to_owned()]);
        }
        text.push('\n');
        text.push_str(&table.text(true));
    }
    output::print(&text)?;
    if report.differences == 0 {
        say::success("every decision is the same today");
    } else {
        say::failure("some decisions would be others today; -o json shows them whole");
    }
    Ok(())
}
