//! What the recorded manifests of two points in time say differently.

use anyhow::{Result, bail};
use fluvial_api::kinds;
use fluvial_event::{ObjectRef, Offset, Timestamp};
use fluvial_log::index::Index;
use fluvial_view::difference::{self, Difference};
use serde::Serialize;

use super::{PositionArgs, print, sets};
use crate::commands::why;
use crate::connect::Globals;
use crate::output::{self, Format};
use crate::position::{self, Position};
use crate::say;

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

/// Prints it; whether anything differs.
pub(super) fn run(globals: &Globals, args: &PositionArgs) -> Result<bool> {
    let compared = compare(globals, args)?;
    show(&compared, args.output)?;
    Ok(!compared.objects.is_empty())
}

fn compare(globals: &Globals, args: &PositionArgs) -> Result<Compared> {
    let memory = args.data.memory()?;
    let index = memory.index()?;
    let (from, to) = (
        position::parse(args.from.as_deref().unwrap_or_default(), &index)?,
        position::parse(&args.to, &index)?,
    );
    let about = match &args.about {
        None => None,
        Some(text) => match why::find(&index, std::slice::from_ref(text), globals.looked_in())? {
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

pub(super) fn is_kustomization(object: &ObjectRef) -> bool {
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
            let is_coloured = output::is_coloured();
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
