//! `fluvial blame`: whose commit made each field of an object what it is.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fluvial_view::why::blame::{Blame, Blamed, blame};

use super::why::{self, Asked};
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::index;
use crate::output::{self, Format};
use crate::table::{Table, truncate_hex};
use crate::{position, say};

/// Say for each field of an object which commit made it what it is, and who changed it by hand since
///
/// Read from the log: needs no cluster, and may run beside the engine. Of a Helm release, the chart's version
/// stands where the commit does. Values of Secrets are not shown.
/// Exits with 1 where the object is in no set, or has no such field.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial blame deployment/podinfo -n apps --data ./data
  fluvial blame deploy/podinfo spec.replicas
  fluvial blame deploy/podinfo 'spec.template.spec.containers[podinfo]' -o wide
  fluvial blame configmap/settings --at 2d -o json")]
pub(crate) struct BlameArgs {
    /// The object: `deployment/podinfo`, `Deployment.apps/podinfo`, `Kind/namespace/name`
    object: String,
    /// Only these fields and their parts, such as `spec.replicas`
    #[arg(value_name = "FIELD")]
    fields: Vec<String>,
    /// As of then: an offset, a time (RFC 3339), an age such as 2h, a revision
    #[arg(long, default_value = "now", value_name = "OFFSET|TIME")]
    at: String,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(globals: &Globals, args: &BlameArgs) -> Result<ExitCode> {
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let until = position::parse(&args.at, &index)?.offset;
    let named = std::slice::from_ref(&args.object);
    let Some(object) = why::find(&index, named, globals.looked_in())? else {
        return Ok(ExitCode::FAILURE);
    };
    let read = |member: &_| index::manifest(memory.log(), member);
    let Some(mut blamed) = blame(&Asked(&index), &object, until, read)? else {
        say::failure(&format!(
            "{object} was in no set at {until}, so no commit says what it is; see `fluvial why {}`",
            args.object
        ));
        return Ok(ExitCode::FAILURE);
    };
    for field in &args.fields {
        if !blamed.fields.iter().any(|it| it.is_in(field)) {
            say::failure(&format!(
                "the manifest of {object} has no {field}; leave it out to see every field"
            ));
            return Ok(ExitCode::FAILURE);
        }
    }
    if !args.fields.is_empty() {
        let is_wanted = |it: &Blamed| args.fields.iter().any(|field| it.is_in(field));
        blamed.fields.retain(is_wanted);
    }
    match args.output {
        Some(Format::Json) => output::json(&blamed)?,
        Some(Format::Yaml) => output::yaml(&blamed)?,
        Some(Format::Name) => {
            let lines = blamed.fields.iter().map(|it| format!("{}\n", it.path));
            output::print(&output::clean(&lines.collect::<String>()))?;
        }
        None => output::print(&text(&blamed, false))?,
        Some(Format::Wide) => output::print(&text(&blamed, true))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(blamed: &Blame, is_wide: bool) -> String {
    let mut header = vec!["OFFSET", "TIME", "REVISION", "BY"];
    if is_wide {
        header.extend(["SUBJECT", "OWNER"]);
    }
    header.extend(["FIELD", "VALUE"]);
    let mut table = Table::new(header);
    for field in &blamed.fields {
        let mut row = vec![
            field.offset.to_string(),
            field.time.to_string(),
            field.commit.revision.clone(),
            by(field),
        ];
        if is_wide {
            row.extend([field.commit.subject.clone(), field.owner.clone()]);
        }
        row.extend([field.path.clone(), value(field)]);
        table.row(row);
    }
    output::clean(&truncate_hex(&table.text(true)))
}

/// Who wrote the commit, and who put it back if somebody did.
fn by(field: &Blamed) -> String {
    match &field.commit.rolled_back_by {
        Some(by) => format!("{}, put back by {by}", field.commit.author),
        None => field.commit.author.clone(),
    }
}

fn value(field: &Blamed) -> String {
    let value = field.value.to_string();
    match &field.by_hand {
        Some(hand) => {
            let manager = if hand.manager.is_empty() {
                "somebody"
            } else {
                &hand.manager
            };
            let (time, offset) = (hand.time, hand.offset);
            format!("{value}  (changed by {manager} at {time}, offset {offset})")
        }
        None => value,
    }
}
