//! `fluvial delete`: take objects out of the cluster, and with them what they own.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;
use fluvial_cluster::{Delete, Deletion, Propagation};

use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::say;

/// Delete a Flux object; a Kustomization that prunes takes with it what it applied
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial delete kustomization app
  fluvial delete source git app --silent")]
pub(crate) struct DeleteArgs {
    /// The object: `kustomization app`, `source git app`
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    silent: bool,
}

pub(crate) async fn run(globals: &Globals, args: &DeleteArgs) -> Result<ExitCode> {
    let (kind, names) = objects::parse_one(&args.words)?;
    ensure!(
        !names.is_empty(),
        "cannot tell which {} to delete: name it",
        kind.kind
    );
    let cluster = globals.cluster().await?;
    for name in &names {
        let target = reference(kind, &globals.namespace, name);
        if !args.silent && !confirm(&format!("delete {target}"))? {
            say::failure("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
        say::action(&format!(
            "deleting {} {name} in {} namespace",
            kind.kind, globals.namespace
        ));
        let delete = Delete {
            uid: None,
            resource_version: None,
            propagation: Propagation::Background,
        };
        match cluster.delete(&target, &delete).await? {
            Deletion::Gone => say::success(&format!("{} deleted", kind.kind)),
            Deletion::Going => say::success(&format!(
                "{} is being deleted: it is gone once what it owns is",
                kind.kind
            )),
            Deletion::AlreadyGone => say::success(&format!("{} was not there", kind.kind)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks on the terminal; without one there is nobody to ask.
pub(super) fn confirm(what: &str) -> Result<bool> {
    let stdin = std::io::stdin();
    ensure!(
        stdin.is_terminal(),
        "cannot ask whether to {what}: there is no terminal; say --silent"
    );
    eprint!("? Are you sure you want to {what} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
