//! `fluvial why`: what an object is as, who said so, and why nothing newer happened.

use std::process::ExitCode;

use anyhow::{Context as _, Error, Result, bail};
use clap::Args;
use fluvial_event::{Id, Mention, ObjectRef, Offset, Record, Timestamp};
use fluvial_log::index::Index;
use fluvial_view::why::name::{Meant, Namespace, Wanted};
use fluvial_view::why::{Answer, Past, Step, answer};
use serde::Serialize;

use crate::commands::log::said;
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Format};
use crate::table::{Table, truncate_hex};
use crate::{position, say};

/// Say why an object is as it is, back to the commit, and why nothing newer happened
///
/// Read from the log: needs no cluster, and may run beside the engine. The first line is the answer; what
/// stands in the way follows, the root cause last; then the records that say so, newest first.
/// Exits with 1 where no record names the object.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial why deployment/podinfo -n apps --data ./data
  fluvial why kustomization/app
  fluvial why deploy podinfo --at 2h        # as it was two hours ago
  fluvial why deployment.apps/podinfo -o json")]
pub(crate) struct WhyArgs {
    /// The object: `deployment/podinfo`, `deploy podinfo`, `ks/app`, `source git app`, `Kind/namespace/name`
    #[arg(required = true, value_name = "OBJECT")]
    words: Vec<String>,
    /// As of then: an offset, a time (RFC 3339), an age such as 2h, a revision
    #[arg(long, default_value = "now", value_name = "OFFSET|TIME")]
    at: String,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(globals: &Globals, args: &WhyArgs) -> Result<ExitCode> {
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let until = position::parse(&args.at, &index)?.offset;
    let Some(object) = find(&index, &args.words, globals.looked_in())? else {
        return Ok(ExitCode::FAILURE);
    };
    let Some(answer) = answer(&Asked(&index), &object, until)? else {
        say::failure(&format!(
            "no record up to {until} names {object}: it was seen later; leave out --at"
        ));
        return Ok(ExitCode::FAILURE);
    };
    print(&answer, args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// The object that is meant. Says so where it is not known.
pub(crate) fn find(
    index: &Index<'_>,
    words: &[String],
    namespace: Namespace<'_>,
) -> Result<Option<ObjectRef>> {
    let wanted = Wanted::parse(words).with_context(|| {
        format!(
            "cannot tell which object {:?} is: say KIND/NAME, such as deployment/podinfo",
            words.join(" ")
        )
    })?;
    match wanted.among(&index.objects()?, namespace) {
        Meant::One(object) => Ok(Some(object)),
        Meant::Many(objects) => {
            let named = |it: &ObjectRef| {
                let group = if it.group.is_empty() {
                    String::new()
                } else {
                    format!(".{}", it.group)
                };
                format!("{}{group}/{}/{}", it.kind, it.namespace, it.name)
            };
            let all: Vec<_> = objects.iter().map(named).collect();
            bail!(
                "cannot tell which {wanted} is meant: say -n, or one of {}",
                all.join(", ")
            )
        }
        Meant::Nothing(near) => {
            let near: Vec<_> = near.iter().map(ToString::to_string).collect();
            let near = if near.is_empty() {
                "no name is near".to_owned()
            } else {
                format!("near are {}", near.join(", "))
            };
            say::failure(&format!(
                "nobody manages {wanted}: no record names it; {near}"
            ));
            Ok(None)
        }
    }
}

/// The index, as a history that can be asked.
pub(super) struct Asked<'a>(pub(super) &'a Index<'a>);

impl Past for Asked<'_> {
    type Error = Error;

    fn mentions<'a>(
        &'a self,
        object: &ObjectRef,
        until: Offset,
    ) -> Box<dyn Iterator<Item = Result<Mention, Self::Error>> + 'a> {
        Box::new(self.0.mentions(object, until).map(|it| Ok(it?)))
    }

    fn record(&self, offset: Offset) -> Result<Record, Self::Error> {
        Ok(self.0.record(offset)?)
    }

    fn by_id(&self, id: Id) -> Result<Option<Record>, Self::Error> {
        Ok(self.0.by_id(id)?)
    }
}

/// An answer with its records as they read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    chain: Vec<Link>,
}

/// One record of the chain.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    offset: Offset,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<i64>,
    event: &'static str,
    object: String,
    said: String,
    actor: String,
}

fn print(answer: &Answer, format: Option<Format>) -> Result<()> {
    let printed = || Printed {
        answer,
        chain: answer.chain.iter().map(link).collect(),
    };
    match format {
        Some(Format::Json) => output::json(&printed()),
        Some(Format::Yaml) => output::yaml(&printed()),
        Some(Format::Name) => output::print(&format!("{}\n", answer.object)),
        None => output::print(&text(answer, false)),
        Some(Format::Wide) => output::print(&text(answer, true)),
    }
}

fn link(step: &Step) -> Link {
    let record = &step.record;
    Link {
        offset: record.offset,
        time: record.time,
        took_ms: step.took_ms,
        event: record.event.name(),
        object: record
            .event
            .object()
            .map(ToString::to_string)
            .unwrap_or_default(),
        said: said(&record.event),
        actor: record.actor.clone(),
    }
}

fn text(answer: &Answer, is_wide: bool) -> String {
    let mut text = format!("{}\n", answer.sentence);
    let reasons = answer.reasons.iter().map(|it| it.sentence.as_str());
    for sentence in reasons.chain(answer.drift.iter().map(|it| it.sentence.as_str())) {
        text = format!("{text}  - {}\n", sentence.replace('\n', "; "));
    }
    let mut header = vec!["OFFSET", "TIME", "TOOK", "EVENT", "OBJECT"];
    if is_wide {
        header.push("BY");
    }
    header.push("SAID");
    let mut table = Table::new(header);
    for link in answer.chain.iter().map(link) {
        let took = link
            .took_ms
            .map_or_else(String::new, |it| format!("{it} ms"));
        let mut row = vec![
            link.offset.to_string(),
            link.time.to_string(),
            took,
            link.event.to_owned(),
            link.object,
        ];
        if is_wide {
            row.push(link.actor);
        }
        row.push(link.said);
        table.row(row);
    }
    text = format!("{text}\n{}", table.text(true));
    output::clean(&truncate_hex(&text))
}
