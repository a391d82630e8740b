//! `fluvial history`: the deployments of one Kustomization or HelmRelease, from the log.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fluvial_api::kinds;
use fluvial_event::{Concluded, Event, ObjectRef, Offset, Record, Role, command};
use fluvial_log::index::Index;
use fluvial_view::Projection as _;
use fluvial_view::history::{Deployment, History, is_routine};

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Format};
use crate::table::{Table, truncate_hex};
use crate::{objects, say};

/// Print the deployments of a Kustomization or HelmRelease, newest first
///
/// Read from the log: needs no cluster, and may run beside the engine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial history kustomization app --data ./data
  fluvial history ks/app -n apps -o wide
  fluvial history hr/web -n apps
  fluvial history kustomization/app --limit 5 -o json")]
pub(crate) struct HistoryArgs {
    /// Which: `kustomization app`, `ks/app`, `hr/web`
    #[arg(required = true, value_name = "KIND/NAME")]
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
        [&kinds::KUSTOMIZATION, &kinds::HELM_RELEASE].contains(&kind) && names.len() == 1,
        "cannot print that history: name one Kustomization or HelmRelease, such as `kustomization/app`"
    );
    let object = ObjectRef {
        group: kind.group.to_owned(),
        version: String::new(),
        kind: kind.kind.to_owned(),
        namespace: globals.namespace.clone(),
        name: names[0].clone(),
    };
    let memory = args.data.memory()?;
    let deployments = read(&memory.index()?, &object, args)?;
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

/// The newest deployments: the records of each, and the one that began it all.
fn read(index: &Index<'_>, object: &ObjectRef, args: &HistoryArgs) -> Result<Vec<Deployment>> {
    let attempts = attempts(index, object, args)?;
    let mut records = BTreeMap::new();
    for attempt in &attempts {
        for offset in gather(index, object, *attempt, &mut records)? {
            // What a rollback puts back is told by the attempt that it was first put there by.
            let earlier = attempt_around(index, object, offset)?;
            gather(index, object, earlier, &mut records)?;
        }
    }
    let mut history = History::of(object, usize::MAX).with_routine();
    for record in records.values() {
        history.apply(record);
    }
    let is_wanted = |it: &Deployment| attempts.iter().any(|(_, ended)| *ended == it.offset);
    Ok(history.deployments().filter(is_wanted).collect())
}

/// The records of an attempt, and what began it all. Answers where it puts manifests back from.
fn gather(
    index: &Index<'_>,
    object: &ObjectRef,
    (began, ended): (Offset, Offset),
    records: &mut BTreeMap<Offset, Record>,
) -> Result<Vec<Offset>> {
    let mut recalled = Vec::new();
    for mention in index.mentions(object, ended) {
        let mention = mention?;
        if mention.offset <= began {
            break;
        }
        if mention.role != Role::Subject {
            continue;
        }
        let record = index.record(mention.offset)?;
        match beginning(&record) {
            Some(command::Kind::BuildKustomization(_) | command::Kind::InspectRelease(_)) => {}
            Some(command::Kind::RecallManifests(it)) => {
                recalled.extend(it.rollback.as_ref().map(|it| Offset(it.offset)));
            }
            _ => {
                records.insert(record.offset, record);
                continue;
            }
        }
        if let Some(first) = index.by_id(record.correlation)? {
            records.insert(first.offset, first);
        }
        records.insert(record.offset, record);
    }
    Ok(recalled)
}

/// The attempt that `offset` is a record of.
fn attempt_around(
    index: &Index<'_>,
    object: &ObjectRef,
    offset: Offset,
) -> Result<(Offset, Offset)> {
    let mut ended = offset;
    for mention in index.mentions(object, index.end()) {
        let mention = mention?;
        let is_end = mention.role == Role::Subject && mention.name() == "Concluded";
        match (is_end, mention.offset < offset) {
            (true, false) => ended = mention.offset,
            (true, true) => return Ok((mention.offset, ended)),
            (false, _) => {}
        }
    }
    Ok((Offset::default(), ended))
}

/// The newest attempts that are to be printed: behind which record each stands, and its last.
fn attempts(
    index: &Index<'_>,
    object: &ObjectRef,
    args: &HistoryArgs,
) -> Result<Vec<(Offset, Offset)>> {
    let mut attempts = Vec::new();
    let mut newer: Option<(Offset, Concluded)> = None;
    for mention in index.mentions(object, index.end()) {
        let mention = mention?;
        if mention.role != Role::Subject || mention.name() != "Concluded" {
            continue;
        }
        let record = index
            .record(mention.offset)
            .context("run `fluvial log verify` to see what else is wrong")?;
        let Event::Concluded(it) = record.event else {
            continue;
        };
        if it.repair {
            continue;
        }
        if let Some((ended, concluded)) = newer.take()
            && (args.all || !is_routine(&it, &concluded))
        {
            attempts.push((record.offset, ended));
        }
        if attempts.len() == args.limit {
            return Ok(attempts);
        }
        newer = Some((record.offset, it));
    }
    attempts.extend(newer.map(|(ended, _)| (Offset::default(), ended)));
    Ok(attempts)
}

/// The command that a record issues.
fn beginning(record: &Record) -> Option<&command::Kind> {
    let Event::CommandIssued(issued) = &record.event else {
        return None;
    };
    issued.command.as_ref()?.kind.as_ref()
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
