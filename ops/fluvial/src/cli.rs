//! What can be typed.

use std::time::Duration;

use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
};

use crate::commands::{
    build, check, completion, create, debug, delete, deliveries, diff, export, get, history,
    install, log, reconcile, render, replay, rollback, run, suspend, uninstall, version, why,
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
    Debug(debug::DebugArgs),
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

impl Cli {
    /// Reads the command line; ends the program with what is wrong with it.
    pub(crate) fn read() -> Self {
        let matches = Self::grammar().get_matches();
        Self::from(&matches).unwrap_or_else(|error| error.exit())
    }

    /// All that can be typed. A switch also takes a value, as flags of Go programs do: `--prune=true`.
    pub(crate) fn grammar() -> clap::Command {
        with_values(Self::command())
    }

    fn from(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut cli = Self::from_arg_matches(matches)?;
        // Of what may stand anywhere, the last command knows the most.
        let mut last = matches;
        while let Some((_, next)) = last.subcommand() {
            last = next;
        }
        cli.globals.is_namespace_typed =
            last.value_source("namespace") == Some(ValueSource::CommandLine);
        Ok(cli)
    }
}

fn with_values(command: clap::Command) -> clap::Command {
    let switch = |argument: Arg| match argument.get_action() {
        ArgAction::SetTrue => argument
            .action(ArgAction::Set)
            .value_parser(clap::builder::BoolishValueParser::new())
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_possible_values(true),
        _ => argument,
    };
    command.mut_args(switch).mut_subcommands(with_values)
}

/// A duration as Go writes it: `30s`, `1m30s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<fluvial_api::Duration>()
        .map(fluvial_api::Duration::as_std)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::Cli;

    #[test]
    fn the_grammar_is_sound() {
        Cli::grammar().debug_assert();
    }

    fn typed(line: &str) -> Cli {
        let words = line.split(' ');
        Cli::from(&Cli::grammar().try_get_matches_from(words).unwrap()).unwrap()
    }

    #[test]
    fn a_switch_takes_a_value_as_in_go() {
        for (line, is_on) in [
            ("fluvial get ks", false),
            ("fluvial --verbose get ks", true),
            ("fluvial get ks -v", true),
            ("fluvial get ks --verbose=true", true),
            ("fluvial get ks --verbose=false", false),
            ("fluvial get --verbose ks", true),
        ] {
            assert_eq!(typed(line).globals.verbose, is_on, "{line}");
        }
    }

    #[test]
    fn a_namespace_that_was_typed_is_known_as_such() {
        for (line, is_typed) in [
            ("fluvial why cm/a", false),
            ("fluvial why cm/a -n apps", true),
            ("fluvial -n apps why cm/a", true),
            (
                "fluvial create source git a --namespace=apps --url x --branch y",
                true,
            ),
        ] {
            assert_eq!(typed(line).globals.is_namespace_typed, is_typed, "{line}");
        }
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
        without(&Cli::grammar(), "", &mut found);
        assert!(found.is_empty(), "without an example: {found:?}");
    }
}
