//! `fluvial deliveries`: who was told what, when, and what could not be told, from the log.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use fluvial_api::kinds;
use fluvial_event::{Event, Notification, ObjectRef, Offset, Record, Timestamp};
use fluvial_log::EventLog;
use serde::Serialize;

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::index::own;
use crate::output::{self, Format};
use crate::say;
use crate::table::Table;

/// Print which notifications were delivered, failed or were given up, newest first
///
/// Read from the log: needs no cluster, and may run beside the engine. Without a name it reads the whole log.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial deliveries on-call --data ./data
  fluvial deliveries on-call -n apps --limit 5 -o json
  fluvial deliveries --parked")]
pub(crate) struct DeliveriesArgs {
    /// The Alert; all of every namespace when left out
    alert: Option<String>,
    /// Only what was given up
    #[arg(long)]
    parked: bool,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

/// One outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    offset: Offset,
    time: Timestamp,
    alert: String,
    result: &'static str,
    attempts: u32,
    message: String,
    notification: Notification,
}

pub(crate) fn run(globals: &Globals, args: &DeliveriesArgs) -> Result<ExitCode> {
    let mut lines = Vec::new();
    if let Some(name) = &args.alert {
        let name = name.rsplit('/').next().unwrap_or(name);
        let memory = args.data.memory()?;
        let index = memory.index()?;
        for record in own(&index, &alert(&globals.namespace, name)) {
            lines.extend(line(
                record.context("run `fluvial log verify`")?,
                args.parked,
            ));
            if lines.len() >= args.limit {
                break;
            }
        }
    } else {
        for record in args.data.log()?.read(Offset::FIRST) {
            lines.extend(line(
                record.context("run `fluvial log verify`")?,
                args.parked,
            ));
        }
        lines.reverse();
        lines.truncate(args.limit);
    }
    match args.output {
        Some(Format::Json) => output::json(&lines)?,
        Some(Format::Yaml) => output::yaml(&lines)?,
        Some(Format::Name) => {
            let ids = lines.iter().map(|it| format!("{}\n", it.notification.id));
            output::print(&ids.collect::<String>())?;
        }
        None | Some(Format::Wide) if lines.is_empty() => say::failure("nothing was told so far"),
        None => output::print(&table(&lines, false).text(true))?,
        Some(Format::Wide) => output::print(&table(&lines, true).text(true))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn alert(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: kinds::ALERT.group.to_owned(),
        version: String::new(),
        kind: kinds::ALERT.kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn line(record: Record, parked: bool) -> Option<Line> {
    let (result, notification, attempts, message) =
        if let Event::NotificationParked(it) = record.event {
            ("parked", it.notification, it.attempts, it.message)
        } else if parked {
            return None;
        } else if let Event::NotificationDelivered(it) = record.event {
            ("delivered", it.notification, it.attempts, it.answer)
        } else if let Event::NotificationFailed(it) = record.event {
            ("failed", it.notification, it.attempts, it.message)
        } else {
            return None;
        };
    // `Alert.<group>/<namespace>/<name>`
    let alert = record
        .stream
        .split_once('/')
        .map(|(_, name)| name.to_owned());
    Some(Line {
        offset: record.offset,
        time: record.time,
        alert: alert.unwrap_or_default(),
        result,
        attempts,
        message,
        notification: notification?,
    })
}

fn table(lines: &[Line], wide: bool) -> Table {
    let mut header = vec![
        "time", "alert", "provider", "result", "record", "about", "reason", "message",
    ];
    if wide {
        header.extend(["attempts", "id"]);
    }
    let mut table = Table::new(header);
    for line in lines {
        let it = &line.notification;
        let mut row = vec![
            line.time.to_string(),
            line.alert.clone(),
            it.provider.clone(),
            line.result.to_owned(),
            it.offset.to_string(),
            it.about
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            it.reason.clone(),
            line.message.clone(),
        ];
        if wide {
            row.extend([line.attempts.to_string(), it.id.clone()]);
        }
        table.row(row);
    }
    table
}
