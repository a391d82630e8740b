//! What can be typed.

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::commands::{
    build, check, completion, create, delete, deliveries, diff, export, get, history, install, log,
    reconcile, render, replay, rollback, run, suspend, uninstall, version, why,
};
use crate::connect::Globals;

/// GitOps with a memory: what Flux does, from the same YAML, with every decision on the record
#[derive(Debug, Parser)]
#[command(
    name = "fluvial",
    version,
    max_term_width = 100,
    after_help = "Examples:
  fluvial install                          # CRDs, namespace and roles
  fluvial run --data ./data                # the engine
  fluvial get all -A
  fluvial reconcile kustomization app --with-source
  fluvial history kustomization/app --data ./data
  fluvial why deployment/podinfo -n apps --data ./data
  fluvial diff 2h now --data ./data
  fluvial rollback kustomization/app --to 2h --data ./data
  fluvial log verify --data ./data"
)]
pub(crate) struct Cli {
    /// The flags that every command has.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every command; each is a file in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // sorted
    Build(build::BuildArgs),
    Check(check::CheckArgs),
    Completion(completion::CompletionArgs),
    Create(create::CreateArgs),
    Delete(delete::DeleteArgs),
    Deliveries(deliveries::DeliveriesArgs),
    Diff(diff::DiffArgs),
    Export(export::ExportArgs),
    Get(get::GetArgs),
    History(history::HistoryArgs),
    Install(install::InstallArgs),
    Log(log::LogArgs),
    Reconcile(reconcile::ReconcileArgs),
    Render(render::RenderArgs),
    Replay(replay::ReplayArgs),
    Resume(suspend::ResumeArgs),
    Rollback(rollback::RollbackArgs),
    Run(run::RunArgs),
    Suspend(suspend::SuspendArgs),
    Uninstall(uninstall::UninstallArgs),
    Version(version::VersionArgs),
    Why(why::WhyArgs),
}

/// A duration as Go writes it: `30s`, `1m30s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<fluvial_api::Duration>()
        .map(fluvial_api::Duration::as_std)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn without(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string);
            if !help.is_some_and(|help| help.contains("fluvial ")) {
                found.push(path.clone());
            }
            for sub in command.get_subcommands() {
                without(sub, &path, found);
            }
        }
        let mut found = Vec::new();
        without(&Cli::command(), "", &mut found);
        assert!(found.is_empty(), "without an example: {found:?}");
    }
}
