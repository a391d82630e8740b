//! `fluvial logs`: the log as `flux logs` prints those of its controllers.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fluvial_api::kinds;
use fluvial_event::{Event, Offset, Record, Timestamp};
use fluvial_log::EventLog;
use serde::Serialize;

use crate::cli::parse_duration;
use crate::commands::log::said;
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::index::backward;
use crate::output;
use crate::table::truncate_hex;

/// Print what was done for Flux objects, in the form of `flux logs`
///
/// Read from the log: needs no cluster, and reaches back as far as the log does.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial logs --all-namespaces --data ./data
  fluvial logs -A --level error --since 2h
  fluvial logs --kind Kustomization --name app --tail 20
  fluvial logs -A --follow")]
pub(crate) struct LogsArgs {
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only of this level; without it, info and error
    #[arg(long, ignore_case = true)]
    level: Option<Level>,
    /// Only of this kind, by any of its names
    #[arg(long)]
    kind: Option<String>,
    /// Only of the objects with this name
    #[arg(long)]
    name: Option<String>,
    /// Go on with what is appended, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines, the newest
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
    /// Only what is not older, such as 5s, 2m or 3h
    #[arg(long, value_name = "AGE", value_parser = parse_duration, conflicts_with = "since_time")]
    since: Option<Duration>,
    /// Only what came at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    since_time: Option<Timestamp>,
    /// For scripts written for flux: the log has no namespace
    #[arg(long, value_name = "NAMESPACE", hide = true)]
    flux_namespace: Option<String>,
    /// How to print: json is one object a line
    #[arg(short, long)]
    output: Option<Lines>,
    #[command(flatten)]
    data: DataArgs,
}

/// How to print what has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// One JSON object on each line
    Json,
}

/// How much somebody may want to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Level {
    /// What was seen and decided
    Debug,
    /// What was done
    Info,
    /// What failed
    Error,
}

impl Level {
    fn of(event: &Event) -> Self {
        match event {
            Event::ResourceObserved(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::FinalizerSet(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseRendered(_)
            | Event::CommandIssued(_) => Self::Debug,
            Event::FetchFailed(_)
            | Event::BuildFailed(_)
            | Event::RecallFailed(_)
            | Event::CommandFailed(_)
            | Event::ReleaseFailed(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => Self::Error,
            Event::Concluded(it) if !it.ready => Self::Error,
            Event::ResourceDeleted(_)
            | Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::ManifestsBuilt(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ManifestsRecalled(_)
            | Event::WatchGap(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::Waited(_)
            | Event::Concluded(_)
            | Event::HoldEnded(_) => Self::Info,
        }
    }
}

/// A record as a line, with the names that flux's controllers give its parts.
#[derive(Debug, Serialize)]
struct Line<'a> {
    ts: Timestamp,
    level: Level,
    #[serde(rename = "controllerKind")]
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    msg: String,
    offset: Offset,
}

/// Which lines are wanted.
#[derive(Debug, Default)]
struct Filter<'a> {
    level: Option<Level>,
    kind: Option<&'a str>,
    name: Option<&'a str>,
    namespace: Option<&'a str>,
}

impl Filter<'_> {
    /// The line of a record, if it has one that is wanted.
    fn line<'a>(&self, record: &'a Record) -> Option<Line<'a>> {
        let object = record.event.object()?;
        let kind = kinds::ALL.iter().find(|it| it.kind == object.kind)?;
        let level = Level::of(&record.event);
        let is_level = match self.level {
            Some(wanted) => level == wanted,
            None => level != Level::Debug,
        };
        let is = |wanted: Option<&str>, it: &str| wanted.is_none_or(|wanted| wanted == it);
        let is_wanted = kind.group == object.group
            && is_level
            && is(self.kind, &object.kind)
            && is(self.name, &object.name)
            && is(self.namespace, &object.namespace);
        is_wanted.then(|| Line {
            ts: record.time,
            level,
            kind: &object.kind,
            namespace: &object.namespace,
            name: &object.name,
            msg: format!("{}: {}", record.event.name(), said(&record.event)),
            offset: record.offset,
        })
    }
}

pub(crate) fn run(globals: &Globals, args: &LogsArgs) -> Result<ExitCode> {
    let kind = match &args.kind {
        None => None,
        Some(word) => Some(kinds::named(word).with_context(|| {
            format!("cannot tell what --kind {word} is: say a kind of Flux, such as Kustomization")
        })?),
    };
    let filter = Filter {
        level: args.level,
        kind: kind.map(|it| it.kind),
        name: args.name.as_deref(),
        namespace: (!args.all_namespaces).then_some(&globals.namespace),
    };
    let memory = args.data.memory()?;
    let end = memory.log().head().offset;
    let since = match (args.since, args.since_time) {
        (Some(age), _) => {
            let age = i64::try_from(age.as_nanos()).context("--since is too long ago")?;
            Some(Timestamp(fluvial_runtime::now().0.saturating_sub(age)))
        }
        (None, time) => time,
    };
    let from = match since {
        None => Offset::FIRST,
        Some(Timestamp(since)) => memory.index()?.at(Timestamp(since - 1))?.next(),
    };
    match args.tail {
        None => {
            for record in memory.log().read(from) {
                print(&filter, &record?, args.output)?;
            }
        }
        Some(lines) => {
            for record in newest(memory.log(), &filter, (from, end), lines)? {
                print(&filter, &record, args.output)?;
            }
        }
    }
    drop(memory);
    if args.follow {
        let each = |record: &Record| print(&filter, record, args.output);
        args.data.follow(end.next(), each)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// The newest records with a wanted line, read back from the end as far as it takes.
fn newest(
    log: &dyn EventLog,
    filter: &Filter<'_>,
    range: (Offset, Offset),
    lines: usize,
) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    backward(log, range, |record| {
        if found.len() < lines && filter.line(&record).is_some() {
            found.push(record);
        }
        Ok(if found.len() < lines {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    found.reverse();
    Ok(found)
}

fn print(filter: &Filter<'_>, record: &Record, format: Option<Lines>) -> Result<()> {
    let Some(line) = filter.line(record) else {
        return Ok(());
    };
    match format {
        Some(Lines::Json) => output::json_line(&line),
        None => output::print(&output::clean(&text(&line))),
    }
}

/// `2026-11-23T10:16:00.000Z info Kustomization/app.apps - ObjectsApplied: …`
fn text(line: &Line<'_>) -> String {
    let level = match line.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Error => "error",
    };
    let said = truncate_hex(&line.msg).replace('\n', "; ");
    let Line {
        ts,
        kind,
        name,
        namespace,
        ..
    } = line;
    format!("{ts} {level} {kind}/{name}.{namespace} - {said}\n")
}

#[cfg(test)]
mod tests {
    use fluvial_event::{
        Chain, Concluded, Draft, Head, Id, ObjectRef, SourceUnchanged, TimerFired,
    };
    use fluvial_log::memory::MemoryLog;

    use super::*;

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            group: kinds::KUSTOMIZATION.group.into(),
            version: "v1".into(),
            kind: "Kustomization".into(),
            namespace: "apps".into(),
            name: name.into(),
        }
    }

    fn records(events: Vec<Event>) -> Vec<Record> {
        let mut chain = Chain::new(Head::default(), 1);
        let mut second = 0;
        let mut seal = |event| {
            second += 1_000_000_000;
            chain.seal(Draft::news(event), Id::NONE, Timestamp(second))
        };
        events.into_iter().map(&mut seal).collect()
    }

    #[test]
    fn a_line_reads_as_flux_prints_it() {
        let failed = Concluded {
            object: Some(object("app")),
            reason: "BuildFailed".into(),
            message: "no such file:\n  a.yaml".into(),
            ..Concluded::default()
        };
        let timer = TimerFired {
            object: Some(object("app")),
        };
        let records = records(vec![failed.into(), timer.into()]);
        let all = Filter::default();
        let line = text(&all.line(&records[0]).unwrap());
        assert!(
            line.starts_with("1970-01-01T00:00:01.000Z error Kustomization/app.apps - Concluded: ")
                && line.ends_with("no such file:;   a.yaml\n"),
            "{line}"
        );
        assert!(all.line(&records[1]).is_none());
        for (filter, wanted) in [
            (
                Filter {
                    level: Some(Level::Info),
                    ..all
                },
                false,
            ),
            (
                Filter {
                    level: Some(Level::Error),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    kind: Some("HelmRelease"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    name: Some("app"),
                    ..Filter::default()
                },
                true,
            ),
            (
                Filter {
                    name: Some("other"),
                    ..Filter::default()
                },
                false,
            ),
            (
                Filter {
                    namespace: Some("flux-system"),
                    ..Filter::default()
                },
                false,
            ),
        ] {
            assert_eq!(filter.line(&records[0]).is_some(), wanted, "{filter:?}");
        }
    }

    #[test]
    fn the_newest_lines_are_found_however_far_back_they_are() {
        // More than are read at once.
        const MANY: u64 = 5000;
        let unchanged = |name: &str| -> Event {
            let object = Some(object(name));
            SourceUnchanged {
                object,
                ..SourceUnchanged::default()
            }
            .into()
        };
        let mut events = Vec::new();
        for _ in 0..2 {
            events.push(unchanged("rare"));
            events.extend((0..MANY).map(|_| unchanged("often")));
        }
        let log = MemoryLog::default();
        log.append(&records(events)).unwrap();
        let filter = Filter {
            name: Some("rare"),
            ..Filter::default()
        };
        let ends = (Offset::FIRST, log.head().offset);
        let offsets = |lines| -> Vec<u64> {
            let found = newest(&log, &filter, ends, lines).unwrap();
            found.iter().map(|it| it.offset.0).collect()
        };
        assert_eq!(offsets(1), [MANY + 2]);
        assert_eq!(offsets(9), [1, MANY + 2]);
        assert!(offsets(0).is_empty());
    }
}
