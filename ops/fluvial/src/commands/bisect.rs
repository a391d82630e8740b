//! `fluvial bisect`: since when something is true of an object no longer, and whose commit that was.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use fluvial_apply::cel::Expression;
use fluvial_event::{Digest, Offset};
use fluvial_log::BlobStore;
use fluvial_manifest::Value;
use fluvial_view::why::bisect::{Answer, Bisected, Question, Turn, bisect};

use super::why::{self, Asked};
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Format};
use crate::{position, say};

/// Find the first record after which something was true of an object no longer
///
/// The expression is CEL. Its variables are the fields of the object (spec, status, metadata, data, …), as
/// `fluvial at` shows it; self, the whole of it; health: Current, InProgress, Failed, Terminating or NotFound; and
/// drifted: whether somebody else changed what its manifest says. It is asked after each record that changed the object.
/// Where there is no object it is not true, and neither where it has no answer, such as for a field that is missing.
///
/// Read from the log: needs no cluster, and may run beside the engine. The values of Secrets can be asked
/// about; none is shown.
/// Exits with 1 where it never turned false, and with 2 where the expression cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial bisect deploy/podinfo 'spec.replicas >= 2' -n apps --data ./data
  fluvial bisect deploy/podinfo 'health == \"Current\"' --from 7d --last
  fluvial bisect deploy/podinfo '!drifted'          # who changed it by hand first?
  fluvial bisect ks/app 'status.conditions.exists(c, c.type == \"Ready\" && c.status == \"True\")'
  fluvial bisect cm/settings 'has(data.timeout)' -o json")]
pub(crate) struct BisectArgs {
    /// The object: `deployment/podinfo`, `ks/app`, `Kind/namespace/name`
    object: String,
    /// What is to be true, in CEL
    expression: String,
    /// Only what turned after this: an offset, a time (RFC 3339), an age such as 2h, a revision
    #[arg(long, value_name = "OFFSET|TIME|REVISION")]
    from: Option<String>,
    /// Only what turned until then
    #[arg(long, default_value = "now", value_name = "OFFSET|TIME|REVISION")]
    to: String,
    /// The last time that it turned false, rather than the first
    #[arg(long)]
    last: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(globals: &Globals, args: &BisectArgs) -> Result<ExitCode> {
    const UNREADABLE: u8 = 2;
    let expression = match Expression::parse(&args.expression) {
        Ok(expression) => expression,
        Err(error) => {
            say::failure(&error.to_string());
            return Ok(ExitCode::from(UNREADABLE));
        }
    };
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let until = position::parse(&args.to, &index)?.offset;
    let from = args.from.as_deref().map(|it| position::parse(it, &index));
    let named = std::slice::from_ref(&args.object);
    let Some(object) = why::find(&index, named, globals.looked_in())? else {
        return Ok(ExitCode::FAILURE);
    };
    let question = Question {
        expression: &expression,
        after: from.transpose()?.map_or(Offset::default(), |it| it.offset),
        until,
        last: args.last,
    };
    let read = |name: &str| manifest(memory.log(), name);
    let found = bisect(&Asked(&index), &object, &question, read)?;
    match args.output {
        Some(Format::Json) => output::json(&found)?,
        Some(Format::Yaml) => output::yaml(&found)?,
        Some(Format::Name) => {
            let offset = found.turn.as_ref().map(|it| format!("{}\n", it.offset));
            output::print(&offset.unwrap_or_default())?;
        }
        None | Some(Format::Wide) => output::print(&output::clean(&text(&found)))?,
    }
    Ok(if found.turn.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A manifest, unless it is not stored any more.
fn manifest(blobs: &dyn BlobStore, name: &str) -> Result<Option<Value>> {
    let failed = || format!("cannot read the recorded manifest {name}; run `fluvial log verify`");
    let digest: Digest = name.parse().with_context(failed)?;
    let bytes = match blobs.get(&digest) {
        Err(fluvial_log::Error::NoBlob(_)) => return Ok(None),
        read => read.with_context(failed)?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .with_context(failed)
}

fn text(found: &Bisected) -> String {
    let Bisected { object, asked, .. } = found;
    let Some(turn) = &found.turn else {
        let end = match &found.end {
            Answer::True => "it is true",
            Answer::False => "it was never true",
            Answer::Absent => "there is no such object now",
            Answer::Unclear(problem) => problem,
        };
        return format!(
            "{object}: it never turned false there: {end} ({asked} changes looked at)\n"
        );
    };
    let mut text = format!(
        "{object}: turned false at offset {} ({}), {}\n",
        turn.offset,
        turn.time,
        cause(turn)
    );
    let mut line = |it: String| {
        text.push_str("  - ");
        text.push_str(&it);
        text.push('\n');
    };
    line(format!("it had been true since offset {}", turn.true_since));
    match (turn.true_again, &found.end) {
        (Some(offset), Answer::True) => line(format!("true again since offset {offset}")),
        (Some(offset), Answer::False | Answer::Absent | Answer::Unclear(_)) => line(format!(
            "true again at offset {offset}, and false at the end; --last says since when"
        )),
        (None, _) => line("it is so still".to_owned()),
    }
    if found.turns > 1 {
        line(format!("it turned false {} times", found.turns));
    }
    text
}

/// What happened, in words.
fn cause(turn: &Turn) -> String {
    let what = match &turn.became {
        Answer::Absent => format!("{}: the object is gone", turn.event),
        Answer::Unclear(problem) => format!("{}: {problem}", turn.event),
        Answer::True | Answer::False => turn.event.to_owned(),
    };
    let by = match (&turn.commit, turn.manager.as_str()) {
        (_, manager) if !manager.is_empty() => format!("; last written by {manager}"),
        (Some(commit), _) => {
            let put_back = commit.rolled_back_by.as_ref();
            let put_back = put_back.map(|by| format!(", put back by {by}"));
            format!(
                "; commit {} by {} '{}'{}",
                commit.revision,
                commit.author,
                commit.subject,
                put_back.unwrap_or_default()
            )
        }
        (None, _) => String::new(),
    };
    format!("{what}{by}")
}
