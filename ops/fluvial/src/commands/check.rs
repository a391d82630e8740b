//! `fluvial check`: whether the cluster answers, and has what is needed.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fluvial_api::kinds;
use fluvial_render::{Confinement, Fence, Limits, Missing, Pool};

use super::install;
use crate::connect::Globals;
use crate::{json as read, say};

/// Check that the cluster answers and that everything is installed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial check
  fluvial check --pre")]
pub(crate) struct CheckArgs {
    /// Only what is needed before installing
    #[arg(long)]
    pre: bool,
}

pub(crate) async fn run(globals: &Globals, args: &CheckArgs) -> Result<ExitCode> {
    say::action("checking prerequisites");
    let cluster = globals.cluster().await?;
    let version = cluster.version().await?;
    say::success(&format!("Kubernetes {version}"));
    rendering().await?;
    if args.pre {
        say::success("prerequisites checks passed");
        return Ok(ExitCode::SUCCESS);
    }
    say::action("checking crds");
    let mut failed = false;
    for kind in kinds::ALL {
        let name = kind.definition();
        match cluster.get(&install::definition(&name)).await? {
            Some(found) if install::is_established(&found) => {
                let stored = found.pointer("/status/storedVersions");
                let last = stored.and_then(|it| it.as_array()?.last()?.as_str());
                say::success(&format!("{name}/{}", last.unwrap_or_default()));
            }
            Some(found) => {
                failed = true;
                let why = read::condition(&found, "NamesAccepted");
                let why = why.map(|it| read::text(it, "/message")).unwrap_or_default();
                say::failure(&format!("{name} is not served: {why}"));
            }
            None => {
                failed = true;
                say::failure(&format!("{name} is missing"));
            }
        }
    }
    if failed {
        say::failure("check failed: run `fluvial install`");
        return Ok(ExitCode::FAILURE);
    }
    say::success("all checks passed");
    Ok(ExitCode::SUCCESS)
}

/// Whether an engine on this machine could render, and how well that is confined.
async fn rendering() -> Result<()> {
    let Confinement { fences, missing } = Pool::new(Limits::default(), true).probe().await?;
    let fences: Vec<_> = fences.into_iter().map(Fence::name).collect();
    say::success(&format!(
        "rendering on this machine is confined by {}",
        fences.join(", ")
    ));
    for Missing { fence, why } in missing {
        let what = if fence.is_needed() {
            "an engine here needs --allow-unconfined-rendering"
        } else {
            "rendering does without"
        };
        say::waiting(&format!("{} is missing here ({why}): {what}", fence.name()));
    }
    Ok(())
}
