//! `fluvial history`: what was deployed, by one Kustomization or HelmRelease or by all, from the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fluvial_api::kinds::{self, Kind};
use fluvial_event::{Concluded, Event, ObjectRef, Offset, Record, Role, command};
use fluvial_log::index::Index;
use fluvial_view::Projection as _;
use fluvial_view::history::{Deployment, History, is_routine};
use serde::{Serialize, Serializer};

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::index::backward;
use crate::output::{self, Format};
use crate::table::{Table, truncate_hex};
use crate::{objects, position, say};

/// Print what was deployed, newest first: by one Kustomization or HelmRelease, or by all of them
///
/// Read from the log: needs no cluster, and may run beside the engine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial history --since 2h                     # what changed, and who did it
  fluvial history --commit 9d3e7c11              # where a commit was deployed
  fluvial history --author jane --failed
  fluvial history kustomization app --data ./data
  fluvial history ks/app -n apps -o wide
  fluvial history hr/web -n apps
  fluvial history kustomization/app --limit 5 -o json")]
pub(crate) struct HistoryArgs {
    /// Which: `kustomization app`, `ks/app`, `hr/web`; without it, all
    #[arg(value_name = "KIND/NAME")]
    words: Vec<String>,
    /// How many deployments
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Also the runs that found nothing to do
    #[arg(long)]
    all: bool,
    /// Only those since then: an age such as 2h, a time (RFC 3339), an offset, a revision
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those of this commit, or of those that begin so
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
    /// Only those whose author, or who asked for them, has this in the name or address
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Only those that failed
    #[arg(long)]
    failed: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

/// A deployment, and whose.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    #[serde(serialize_with = "named")]
    pub(crate) object: ObjectRef,
    #[serde(flatten)]
    pub(crate) deployment: Deployment,
}

/// `Kustomization/apps/web`.
fn named<S: Serializer>(object: &ObjectRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}

impl HistoryArgs {
    fn wants(&self, deployment: &Deployment) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let of_commit = |commit: &String| {
            let sha = deployment.revision.rsplit([':', '/']).next();
            sha.is_some_and(|sha| sha.starts_with(commit))
        };
        self.commit.as_ref().is_none_or(of_commit)
            && self.author.as_ref().is_none_or(|author| {
                has(&deployment.author, author) || has(&deployment.actor, author)
            })
            && !(self.failed && deployment.ready)
    }
}

pub(crate) fn run(globals: &Globals, args: &HistoryArgs) -> Result<ExitCode> {
    let object = match args.words.as_slice() {
        [] => None,
        words => Some(meant(globals, words)?),
    };
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let first = first(&index, args)?;
    let deployments = match &object {
        Some(object) => read(&index, object, first, args)?,
        None => read_all(globals, &index, first, args)?,
    };
    match args.output {
        Some(Format::Json) => output::json(&deployments)?,
        Some(Format::Yaml) => output::yaml(&deployments)?,
        Some(Format::Name) => {
            let lines = deployments.iter();
            let lines = lines.map(|it| format!("{}\n", it.deployment.offset));
            output::print(&lines.collect::<String>())?;
        }
        None | Some(Format::Wide) if deployments.is_empty() => {
            say::failure(&match object {
                Some(object) => format!("no deployments of {object} in the log"),
                None => "no deployments in the log".to_owned(),
            });
        }
        None | Some(Format::Wide) => {
            let is_wide = args.output.is_some();
            let table = table(&deployments, object.is_none(), is_wide);
            output::print(&output::clean(&table.text(true)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The one object whose deployments are asked for.
fn meant(globals: &Globals, words: &[String]) -> Result<ObjectRef> {
    let (kind, names) = objects::parse_one(words)?;
    ensure!(
        DEPLOYING.contains(&kind) && names.len() == 1,
        "cannot print that history: name one Kustomization or HelmRelease, such as `kustomization/app`"
    );
    Ok(ObjectRef {
        group: kind.group.to_owned(),
        version: String::new(),
        kind: kind.kind.to_owned(),
        namespace: globals.namespace.clone(),
        name: names[0].clone(),
    })
}

/// The kinds that deploy.
const DEPLOYING: [&Kind; 2] = [&kinds::HELM_RELEASE, &kinds::KUSTOMIZATION];

/// The first record that counts: nothing in front of it is read.
fn first(index: &Index<'_>, args: &HistoryArgs) -> Result<Offset> {
    let since = match &args.since {
        Some(since) => position::parse(since, index)?.offset.next(),
        None => Offset::FIRST,
    };
    let Some(commit) = &args.commit else {
        return Ok(since);
    };
    let seen = index.revisions(commit, index.end())?;
    let seen = seen.iter().map(|it| it.offset).min();
    let Some(seen) = seen else {
        bail!("cannot find the commit {commit}: no record names it");
    };
    Ok(since.max(seen))
}

/// The newest deployments of all.
fn read_all(
    globals: &Globals,
    index: &Index<'_>,
    first: Offset,
    args: &HistoryArgs,
) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    walk(globals, index, first, args.all, |it| {
        if told.len() < args.limit && args.wants(&it.deployment) {
            told.push(it);
        }
        more(told.len() < args.limit)
    })?;
    Ok(told)
}

/// Deployments from the newest back to `first`, read from the end of the log on as long as `each` wants more.
pub(crate) fn walk(
    globals: &Globals,
    index: &Index<'_>,
    first: Offset,
    with_routine: bool,
    mut each: impl FnMut(Told) -> ControlFlow<()>,
) -> Result<()> {
    backward(index.log(), (first, index.end()), |record| {
        let Event::Concluded(concluded) = &record.event else {
            return Ok(ControlFlow::Continue(()));
        };
        let object = concluded.object.clone().unwrap_or_default().identity();
        let is_one = DEPLOYING
            .iter()
            .any(|it| it.kind == object.kind && it.group == object.group);
        let is_there = !globals.is_namespace_typed || object.namespace == globals.namespace;
        if !is_one || !is_there || concluded.repair {
            return Ok(ControlFlow::Continue(()));
        }
        let before = before(index, &object, record.offset)?;
        let is_news = before
            .as_ref()
            .is_none_or(|(_, before)| with_routine || !is_routine(before, concluded));
        if !is_news {
            return Ok(ControlFlow::Continue(()));
        }
        let began = before.map_or(Offset::default(), |(offset, _)| offset);
        for deployment in deployments(index, &object, &[(began, record.offset)])? {
            let object = object.clone();
            if each(Told { object, deployment }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn more(is_wanted: bool) -> ControlFlow<()> {
    if is_wanted {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// How the attempt in front of the one that ended at `ended` did.
fn before(
    index: &Index<'_>,
    object: &ObjectRef,
    ended: Offset,
) -> Result<Option<(Offset, Concluded)>> {
    for mention in index.mentions(object, Offset(ended.0 - 1)) {
        let mention = mention?;
        if mention.role != Role::Subject || mention.name() != "Concluded" {
            continue;
        }
        if let Event::Concluded(it) = index.record(mention.offset)?.event
            && !it.repair
        {
            return Ok(Some((mention.offset, it)));
        }
    }
    Ok(None)
}

/// The newest deployments of one object.
fn read(
    index: &Index<'_>,
    object: &ObjectRef,
    first: Offset,
    args: &HistoryArgs,
) -> Result<Vec<Told>> {
    let is_filtered = args.commit.is_some() || args.author.is_some() || args.failed;
    // What is filtered out may be any of them.
    let limit = if is_filtered { usize::MAX } else { args.limit };
    let mut attempts = attempts(index, object, args.all, limit)?;
    attempts.retain(|(_, ended)| *ended >= first);
    let found = deployments(index, object, &attempts)?;
    let found = found.into_iter().filter(|it| args.wants(it));
    let told = found.take(args.limit).map(|deployment| Told {
        object: object.clone(),
        deployment,
    });
    Ok(told.collect())
}

/// These attempts as deployments: the records of each, and the one that began it all.
fn deployments(
    index: &Index<'_>,
    object: &ObjectRef,
    attempts: &[(Offset, Offset)],
) -> Result<Vec<Deployment>> {
    let mut records = BTreeMap::new();
    for attempt in attempts {
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
    with_routine: bool,
    limit: usize,
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
            && (with_routine || !is_routine(&it, &concluded))
        {
            attempts.push((record.offset, ended));
        }
        if attempts.len() == limit {
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

fn table(told: &[Told], with_object: bool, is_wide: bool) -> Table {
    let mut header = vec!["OFFSET", "TIME"];
    if with_object {
        header.push("OBJECT");
    }
    header.extend([
        "REVISION", "AUTHOR", "CHANGED", "PRUNED", "DURATION", "OUTCOME",
    ]);
    if is_wide {
        header.extend(["BEGAN BY", "COMMIT", "OBJECTS"]);
    }
    header.push("MESSAGE");
    let mut table = Table::new(header);
    for Told {
        object,
        deployment: it,
    } in told
    {
        let mut row = vec![it.offset.to_string(), it.time.to_string()];
        if with_object {
            row.push(object.to_string());
        }
        row.extend([
            truncate_hex(&it.revision),
            it.author.clone(),
            it.changed.to_string(),
            it.pruned.to_string(),
            duration(it.duration_ms),
            it.reason.clone(),
        ]);
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
