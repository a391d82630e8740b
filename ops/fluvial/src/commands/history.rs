//! `fluvial history`: the deployments of one Kustomization, from the log.

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_api::{KustomizationSpec, kinds};
use fluvial_event::{Event, ObjectRef, Record, command};
use fluvial_log::EventLog;
use fluvial_view::Projection as _;
use fluvial_view::history::{Deployment, History};

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Format};
use crate::table::{Table, truncate_hex};
use crate::{objects, say};

/// How far back it is looked, in records about the object.
const RECORDS_MAX: usize = 50_000;
/// How many records of the source older than the oldest deployment may hold what began it.
const BEGINNINGS_MAX: usize = 1_000;

/// Print the deployments of a Kustomization, newest first
///
/// Read from the log: needs no cluster, and may run beside the engine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial history kustomization app --data ./data
  fluvial history ks/app -n apps -o wide
  fluvial history kustomization/app --limit 5 -o json")]
pub(crate) struct HistoryArgs {
    /// The Kustomization: `kustomization app`, `ks/app`
    #[arg(required = true, value_name = "KUSTOMIZATION")]
    words: Vec<String>,
    /// How many deployments
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Also the runs that found nothing to do
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(globals: &Globals, args: &HistoryArgs) -> Result<ExitCode> {
    let (kind, names) = objects::parse_one(&args.words)?;
    ensure!(
        *kind == kinds::KUSTOMIZATION && names.len() == 1,
        "cannot print that history: name one Kustomization, such as `kustomization/app`"
    );
    let object = ObjectRef {
        group: kind.group.to_owned(),
        version: String::new(),
        kind: kind.kind.to_owned(),
        namespace: globals.namespace.clone(),
        name: names[0].clone(),
    };
    let log = args.data.log()?;
    let (deployments, is_cut) = read(&log, &object, args)?;
    if is_cut {
        say::waiting(&format!("only the newest {RECORDS_MAX} records were read"));
    }
    match args.output {
        Some(Format::Json) => output::json(&deployments)?,
        Some(Format::Yaml) => output::yaml(&deployments)?,
        Some(Format::Name) => {
            let lines = deployments.iter().map(|it| format!("{}\n", it.offset));
            output::print(&lines.collect::<String>())?;
        }
        None | Some(Format::Wide) if deployments.is_empty() => {
            say::failure(&format!("no deployments of {object} in the log"));
        }
        None => output::print(&table(&deployments, false).text(true))?,
        Some(Format::Wide) => output::print(&table(&deployments, true).text(true))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest deployments, and whether there may be more than was looked at.
fn read(
    log: &dyn EventLog,
    object: &ObjectRef,
    args: &HistoryArgs,
) -> Result<(Vec<Deployment>, bool)> {
    let (mut records, is_cut) = own(log, object, args)?;
    if let (Some(oldest), Some(source)) = (
        records.last().map(|record| record.offset),
        records.iter().find_map(|record| source(object, record)),
    ) {
        let mut older = 0;
        for record in log.stream(&source.stream()) {
            let record = record?;
            older += usize::from(record.offset < oldest);
            if older > BEGINNINGS_MAX {
                break;
            }
            records.push(record);
        }
    }
    records.sort_by_key(|record| record.offset);
    let mut history = if args.all {
        History::of(object, args.limit).with_routine()
    } else {
        History::of(object, args.limit)
    };
    for record in &records {
        history.apply(record);
    }
    Ok((history.deployments().collect(), is_cut))
}

/// The object's own records, newest first, as far back as `limit` deployments and the one before.
fn own(log: &dyn EventLog, object: &ObjectRef, args: &HistoryArgs) -> Result<(Vec<Record>, bool)> {
    let mut records = Vec::new();
    let mut conclusions = 0;
    for record in log.stream(&object.stream()).take(RECORDS_MAX) {
        let record = record.context("run `fluvial log verify` to see what else is wrong")?;
        if let Event::Concluded(it) = &record.event
            && !it.repair
            && (args.all || !it.ready || it.changed > 0 || it.pruned > 0)
        {
            conclusions += 1;
        }
        let is_beginning = source(object, &record).is_some();
        records.push(record);
        if conclusions > args.limit && is_beginning {
            return Ok((records, false));
        }
    }
    let is_cut = records.len() == RECORDS_MAX;
    Ok((records, is_cut))
}

/// The source of the deployment that `record` begins, if it does.
fn source(object: &ObjectRef, record: &Record) -> Option<ObjectRef> {
    let Event::CommandIssued(issued) = &record.event else {
        return None;
    };
    let build = match &issued.command.as_ref()?.kind {
        Some(command::Kind::BuildKustomization(build)) => build,
        Some(command::Kind::RecallManifests(recall)) => return recall.source.clone(),
        _ => return None,
    };
    let spec: KustomizationSpec = serde_json::from_slice(&build.spec).ok()?;
    let reference = spec.source_ref;
    let group = kinds::ALL
        .into_iter()
        .find(|kind| kind.kind == reference.kind)
        .map_or("", |kind| kind.group);
    Some(ObjectRef {
        group: group.to_owned(),
        version: String::new(),
        kind: reference.kind.clone(),
        namespace: reference
            .namespace
            .clone()
            .unwrap_or_else(|| object.namespace.clone()),
        name: reference.name,
    })
}

fn table(deployments: &[Deployment], is_wide: bool) -> Table {
    let mut header = vec![
        "OFFSET", "TIME", "REVISION", "AUTHOR", "CHANGED", "PRUNED", "DURATION", "OUTCOME",
    ];
    if is_wide {
        header.extend(["BEGAN BY", "COMMIT", "OBJECTS"]);
    }
    header.push("MESSAGE");
    let mut table = Table::new(header);
    for it in deployments {
        let mut row = vec![
            it.offset.to_string(),
            it.time.to_string(),
            truncate_hex(&it.revision),
            it.author.clone(),
            it.changed.to_string(),
            it.pruned.to_string(),
            duration(it.duration_ms),
            it.reason.clone(),
        ];
        if is_wide {
            let objects = it.objects.iter();
            let objects: Vec<_> = objects
                .map(|change| format!("{} {}", change.object, change.action))
                .collect();
            let began = format!("{} {}", it.trigger, it.actor).trim().to_owned();
            row.extend([began, it.subject.clone(), objects.join(", ")]);
        }
        row.push(truncate_hex(&it.message));
        table.row(row);
    }
    table
}

fn duration(milliseconds: i64) -> String {
    fluvial_api::Duration::from_milliseconds(u64::try_from(milliseconds).unwrap_or_default())
        .to_string()
}
