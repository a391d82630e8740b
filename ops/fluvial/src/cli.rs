//! What can be typed.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _, Parser,
    Subcommand,
};

use crate::commands::{
    at, bisect, blame, build, check, completion, create, debug, delete, deliveries, diff, dora,
    events, export, get, history, install, log, logs, reconcile, render, replay, rollback, run,
    stats, suspend, trace, tree, uninstall, version, what_if, why,
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
  fluvial bisect deployment/podinfo 'health == \"Current\"' --data ./data
  fluvial diff 2h now --data ./data
  fluvial at 2h -- kubectl get deploy -A   # the cluster as it was
  fluvial what-if HEAD --data ./data       # before it is merged
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
    At(at::AtArgs),
    Bisect(bisect::BisectArgs),
    Blame(blame::BlameArgs),
    Build(build::BuildArgs),
    Check(check::CheckArgs),
    Completion(completion::CompletionArgs),
    Create(create::CreateArgs),
    Debug(debug::DebugArgs),
    Delete(delete::DeleteArgs),
    Deliveries(deliveries::DeliveriesArgs),
    Diff(diff::DiffArgs),
    Dora(dora::DoraArgs),
    Events(events::EventsArgs),
    Export(export::ExportArgs),
    Get(get::GetArgs),
    History(history::HistoryArgs),
    Install(install::InstallArgs),
    Log(log::LogArgs),
    Logs(logs::LogsArgs),
    Reconcile(reconcile::ReconcileArgs),
    Render(render::RenderArgs),
    Replay(replay::ReplayArgs),
    Resume(suspend::ResumeArgs),
    Rollback(rollback::RollbackArgs),
    Run(run::RunArgs),
    Stats(stats::StatsArgs),
    Suspend(suspend::SuspendArgs),
    Trace(trace::TraceArgs),
    Tree(tree::TreeArgs),
    Uninstall(uninstall::UninstallArgs),
    Version(version::VersionArgs),
    WhatIf(what_if::WhatIfArgs),
    Why(why::WhyArgs),
}

/// What of the grammar `fluvial render` alone needs: to make all of it takes longer than most renders.
#[derive(Debug, Parser)]
#[command(name = "fluvial", version, max_term_width = 100)]
struct RenderCli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: OnlyRender,
}

#[derive(Debug, Subcommand)]
enum OnlyRender {
    Render(render::RenderArgs),
}

/// Verbs of flux that are not here, and what to say instead.
const ELSEWHERE: [(&str, &str); 2] = [
    // sorted
    (
        "bootstrap",
        "commit your manifests, and run `fluvial install`, `fluvial create source git` and `fluvial create kustomization`",
    ),
    (
        "trigger",
        "`fluvial reconcile KIND NAME` asks for a run now",
    ),
];

impl Cli {
    /// Reads the command line; ends the program with what is wrong with it.
    pub(crate) fn read() -> Self {
        let words: Vec<_> = env::args_os().collect();
        Self::parse(&words).unwrap_or_else(|error| {
            if let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand)
                && let Some((_, instead)) = ELSEWHERE.iter().find(|it| it.0 == verb)
            {
                crate::say::failure(&format!("cannot {verb}: {instead}"));
                std::process::exit(error.exit_code());
            }
            error.exit()
        })
    }

    fn parse(words: &[OsString]) -> Result<Self, clap::Error> {
        if words.get(1).is_some_and(|it| it == "render") {
            return Self::parse_render(words);
        }
        let matches = Self::grammar().try_get_matches_from(words)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.globals.is_namespace_typed = is_namespace_typed(&matches);
        Ok(cli)
    }

    fn parse_render(words: &[OsString]) -> Result<Self, clap::Error> {
        let matches = match Self::quickly(words) {
            Some(matches) => matches,
            None => with_values(RenderCli::command()).try_get_matches_from(words)?,
        };
        let RenderCli {
            mut globals,
            command,
        } = RenderCli::from_arg_matches(&matches)?;
        globals.is_namespace_typed = is_namespace_typed(&matches);
        let OnlyRender::Render(args) = command;
        let command = Command::Render(args);
        Ok(Self { globals, command })
    }

    /// What one renderer alone makes of the words. What it does not take is for the whole grammar to refuse, or
    /// to answer with help.
    fn quickly(words: &[OsString]) -> Option<ArgMatches> {
        let alone = render::grammar_of(words.get(2)?.to_str()?)?;
        let grammar = Globals::augment_args(clap::Command::new("fluvial")).subcommand(alone);
        with_values(grammar).try_get_matches_from(words).ok()
    }

    /// All that can be typed. A switch also takes a value, as flags of Go programs do: `--prune=true`.
    pub(crate) fn grammar() -> clap::Command {
        with_values(Self::command())
    }
}

/// Of what may stand anywhere, the last command knows the most.
fn is_namespace_typed(matches: &ArgMatches) -> bool {
    let mut last = matches;
    while let Some((_, next)) = last.subcommand() {
        last = next;
    }
    last.value_source("namespace") == Some(ValueSource::CommandLine)
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
    use std::ffi::OsString;

    use clap::CommandFactory as _;

    use super::{Cli, RenderCli, with_values};

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
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        Cli::parse(&words).unwrap()
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
            ("fluvial render helm a ./a", false),
            ("fluvial render helm a ./a -n apps", true),
        ] {
            assert_eq!(typed(line).globals.is_namespace_typed, is_typed, "{line}");
        }
    }

    #[test]
    fn render_alone_is_typed_as_among_all_commands() {
        fn pages(mut all: clap::Command) -> Vec<String> {
            all.build();
            let mut render = all.find_subcommand("render").unwrap().clone();
            let mut pages = vec![render.render_long_help().to_string()];
            for command in render.get_subcommands_mut() {
                pages.push(command.render_long_help().to_string());
            }
            pages
        }
        let alone = pages(with_values(RenderCli::command()));
        assert_eq!(alone, pages(Cli::grammar()));
        assert!(alone.len() > 2, "{alone:?}");
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
