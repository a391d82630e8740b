//! What can be typed.

use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
};

use crate::commands::{
    blame, build, check, completion, create, debug, delete, deliveries, diff, export, get, history,
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
  fluvial blame deployment/podinfo spec.replicas --data ./data
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
    Blame(blame::BlameArgs),
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

/// Verbs of flux that are not here, and what to say instead.
const ELSEWHERE: [(&str, &str); 7] = [
    // sorted
    (
        "bootstrap",
        "commit your manifests, and run `fluvial install`, `fluvial create source git` and `fluvial create kustomization`",
    ),
    (
        "events",
        "`fluvial log tail --for KIND/NAME` has more than them; `kubectl events --for KIND/NAME` has them",
    ),
    (
        "logs",
        "`fluvial log tail --follow` tells the story as it happens",
    ),
    (
        "stats",
        "`fluvial get all -A` has every object and its state",
    ),
    (
        "trace",
        "`fluvial why KIND/NAME` goes back from an object to the commit, and says why nothing newer came",
    ),
    (
        "tree",
        "`fluvial get kustomizations -o yaml` has the inventories, and `fluvial why KIND/NAME` the way to one object",
    ),
    (
        "trigger",
        "`fluvial reconcile KIND NAME` asks for a run now",
    ),
];

impl Cli {
    /// Reads the command line; ends the program with what is wrong with it.
    pub(crate) fn read() -> Self {
        let read = Self::grammar().try_get_matches();
        read.and_then(|it| Self::from(&it)).unwrap_or_else(|error| {
            if let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand)
                && let Some((_, instead)) = ELSEWHERE.iter().find(|it| it.0 == verb)
            {
                crate::say::failure(&format!("cannot {verb}: {instead}"));
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
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

    #[test]
    fn what_flux_has_and_we_have_not_is_said_with_what_there_is() {
        let grammar = Cli::grammar();
        let has = |verb: &str| grammar.find_subcommand(verb).is_some();
        for (verb, instead) in super::ELSEWHERE {
            assert!(!has(verb), "{verb} is there");
            let named = instead.split("`fluvial ").skip(1);
            for named in named.filter_map(|it| it.split([' ', '`']).next()) {
                assert!(has(named), "{verb}: {named} is not there");
            }
        }
        assert!(super::ELSEWHERE.is_sorted_by_key(|it| it.0));
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
