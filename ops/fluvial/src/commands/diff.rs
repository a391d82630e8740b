//! `fluvial diff`: what the recorded manifests of two points in time say differently.

mod print;
mod sets;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use fluvial_api::kinds;
use fluvial_event::{ObjectRef, Offset, Timestamp};
use fluvial_log::index::Index;
use fluvial_view::difference::{self, Difference};
use serde::Serialize;

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::{self, Format};
use crate::position::{self, Position};
use crate::{commands::why, say};

/// Compare what was declared at two points in time, object by object and field by field
///
/// A and B are offsets, revisions (Flux's form, a commit or how one begins), times (RFC 3339), ages such
/// as 2h, or `now`. What is compared are the manifests as they were built and recorded; needs no cluster,
/// and may run beside the engine. With a revision, what is not named by --for is what was built from it.
/// Values of Secrets are never shown. Exits with 0 where nothing differs, with 1 where something does, and
/// with 2 when it cannot tell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial diff 2h now --data ./data
  fluvial diff 6f1c0a2b 9d3e7c11 --for kustomization/app
  fluvial diff 42 97 --for deployment/podinfo -n apps
  fluvial diff 2026-11-23T10:00:00Z now -o json")]
pub(crate) struct DiffArgs {
    /// The older point
    #[arg(value_name = "A")]
    from: String,
    /// The newer point
    #[arg(value_name = "B", default_value = "now")]
    to: String,
    /// Only this object, or what this Kustomization declares
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

/// A side of the comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    offset: Offset,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
}

/// The whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    from: Side,
    to: Side,
    objects: Vec<Difference>,
}

pub(crate) fn run(globals: &Globals, args: &DiffArgs) -> ExitCode {
    /// As of diff(1).
    const TROUBLE: u8 = 2;
    match compare(globals, args).and_then(|compared| {
        show(&compared, args.output)?;
        Ok(compared.objects.is_empty())
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}

fn compare(globals: &Globals, args: &DiffArgs) -> Result<Compared> {
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let (from, to) = (
        position::parse(&args.from, &index)?,
        position::parse(&args.to, &index)?,
    );
    let about = match &args.about {
        None => None,
        Some(text) => match why::find(&index, std::slice::from_ref(text), &globals.namespace)? {
            None => bail!("cannot compare {text}: it is on no record"),
            about => about,
        },
    };
    let owners = sets::owners(&index, about.as_ref(), [&from, &to])?;
    let (mut old, mut new) = (sets::Set::new(), sets::Set::new());
    for owner in &owners {
        old.extend(sets::of(&index, owner, &from)?);
        new.extend(sets::of(&index, owner, &to)?);
    }
    let (before, after) = sets::manifests(memory.log(), &old, &new)?;
    let mut objects = difference::objects(&before, &after);
    if let Some(about) = about.filter(|it| !is_kustomization(it)) {
        objects.retain(|it| it.object.is_same(&about));
    }
    Ok(Compared {
        from: side(&index, from)?,
        to: side(&index, to)?,
        objects,
    })
}

fn is_kustomization(object: &ObjectRef) -> bool {
    object.kind == kinds::KUSTOMIZATION.kind && object.group == kinds::KUSTOMIZATION.group
}

fn side(index: &Index<'_>, position: Position) -> Result<Side> {
    Ok(Side {
        offset: position.offset,
        time: index.record(position.offset)?.time,
        commit: position.commit,
    })
}

fn show(compared: &Compared, format: Option<Format>) -> Result<()> {
    match format {
        Some(Format::Json) => output::json(compared),
        Some(Format::Yaml) => output::yaml(compared),
        Some(Format::Name) => {
            let lines = compared.objects.iter().map(|it| format!("{}\n", it.object));
            output::print(&lines.collect::<String>())
        }
        None | Some(Format::Wide) => {
            if compared.objects.is_empty() {
                say::success("nothing differs");
                return Ok(());
            }
            let is_coloured =
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let head = |sign: &str, side: &Side| {
                let commit = side.commit.as_ref().map(|it| format!("  {it}"));
                format!(
                    "{sign} offset {}  {}{}\n",
                    side.offset,
                    side.time,
                    commit.unwrap_or_default()
                )
            };
            let sides = format!(
                "{}{}",
                head("---", &compared.from),
                head("+++", &compared.to)
            );
            let whole = format == Some(Format::Wide);
            output::print(&format!(
                "{sides}{}",
                print::text(&compared.objects, is_coloured, whole)
            ))
        }
    }
}
