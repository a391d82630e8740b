//! `fluvial what-if`: what a commit or a directory would do, decided by the reducers, with no cluster.

mod checkout;
mod markdown;
mod plan;
mod play;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fluvial_api::kinds;
use fluvial_event::ObjectRef;
use fluvial_reduce::World;
use fluvial_runtime::Rehearsal;
use fluvial_view::why::name::{Meant, Wanted};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::commands::diff::print;
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::{output, position, say};
use checkout::Checkout;
use plan::Plan;
use play::Play;

/// Say what a commit would do, before it is merged
///
/// Reads the log up to --at, and lets the reducers decide what would follow if the source were at this commit or
/// directory: what would be built, applied and deleted, in which order, and what would stand in the way. Nothing is
/// written and no cluster is asked; whatever would be applied is taken to become healthy. Values of Secrets are
/// never shown. What comes from ConfigMaps and Secrets of the cluster (substituteFrom) is left out, and HelmReleases
/// are not rendered: both are said. Exits with 0 where nothing would change, with 1 where something would, and
/// with 2 when it cannot tell or something would fail.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial what-if . --data ./data                     # the files here
  fluvial what-if 9d3e7c11 --data ./data              # a commit of the repository here
  fluvial what-if origin/feature --source GitRepository/apps/app
  fluvial what-if . --for kustomization/app -o json
  fluvial what-if HEAD -o markdown > comment.md       # for a pull request")]
pub(crate) struct WhatIfArgs {
    /// A directory, or a commit of the repository that --repository is in
    #[arg(value_name = "DIR|COMMIT")]
    what: String,
    /// The source whose content it is: Kind/namespace/name, or Kind/name; not needed where there is one GitRepository
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// The repository that the commit is in
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: std::path::PathBuf,
    /// As of then: an offset, a time (RFC 3339), an age such as 2h, a revision
    #[arg(long, default_value = "now", value_name = "OFFSET|TIME")]
    at: String,
    /// Only what this Kustomization would do
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// How to print
    #[arg(short, long)]
    output: Option<Form>,
    #[command(flatten)]
    data: DataArgs,
}

/// How to print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// For a pull request
    Markdown,
    /// The text, with nothing cut
    Wide,
}

pub(crate) async fn run(globals: &Globals, args: &WhatIfArgs) -> ExitCode {
    /// As of `fluvial diff`.
    const TROUBLE: u8 = 2;
    let plan = match plan(globals, args).await {
        Ok(plan) => plan,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            return ExitCode::from(TROUBLE);
        }
    };
    if let Err(error) = show(&plan, args.output) {
        say::failure(&format!("{error:#}"));
        return ExitCode::from(TROUBLE);
    }
    if plan.has_failed() {
        ExitCode::from(TROUBLE)
    } else if plan.changes() > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn plan(globals: &Globals, args: &WhatIfArgs) -> Result<Plan> {
    let checkout = Checkout::of(&args.what, &args.repository)?;
    let data = args.data.data()?;
    let memory = args.data.memory()?;
    let until = position::parse(&args.at, &memory.index()?)?.offset;
    let bar = progress(until.0);
    let rehearsal = Rehearsal::after(memory.log(), until, || bar.inc(1));
    bar.finish_and_clear();
    let rehearsal = rehearsal.context("run `fluvial log verify` to see what is wrong")?;
    let source = source(rehearsal.world(), args.source.as_deref(), globals)?;
    let play = Play::new(rehearsal, &memory, &data, source, checkout)?;
    let mut plan = play.play().await?;
    if let Some(about) = &args.about {
        let about = named(about, plan.owners(), globals)
            .with_context(|| format!("{about} would do nothing because of this"))?;
        plan.keep(&about);
    }
    Ok(plan)
}

/// The source that is meant.
fn source(world: &World, wanted: Option<&str>, globals: &Globals) -> Result<ObjectRef> {
    let known = world.sources().names().map(|it| (**it).clone());
    let Some(wanted) = wanted else {
        let git: Vec<_> = known
            .filter(|it| it.kind == kinds::GIT_REPOSITORY.kind)
            .collect();
        return match git.as_slice() {
            [one] => Ok(one.clone()),
            [] => bail!("cannot tell what this is the content of: no GitRepository is on record"),
            many => {
                let all: Vec<_> = many.iter().map(ToString::to_string).collect();
                bail!(
                    "cannot tell what this is the content of: say --source, one of {}",
                    all.join(", ")
                )
            }
        };
    };
    named(wanted, known, globals)
}

/// The one of `known` that is called so.
fn named(
    text: &str,
    known: impl Iterator<Item = ObjectRef>,
    globals: &Globals,
) -> Result<ObjectRef> {
    let wanted = Wanted::parse(&[text.to_owned()])
        .with_context(|| format!("cannot read {text}: say Kind/name or Kind/namespace/name"))?;
    let known = known.map(|it| it.identity()).collect();
    match wanted.among(&known, globals.looked_in()) {
        Meant::One(object) => Ok(object),
        Meant::Many(all) | Meant::Nothing(all) => {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            let near = if all.is_empty() {
                "nothing is near".to_owned()
            } else {
                format!("near are {}", all.join(", "))
            };
            bail!("cannot find {text}: {near}")
        }
    }
}

fn show(plan: &Plan, form: Option<Form>) -> Result<()> {
    match form {
        Some(Form::Json) => output::json(plan),
        Some(Form::Yaml) => output::yaml(plan),
        Some(Form::Markdown) => output::print(&markdown::text(plan)),
        None | Some(Form::Wide) => {
            output::print(&text(plan, output::is_coloured(), form.is_some()))?;
            if plan.changes() == 0 && !plan.has_failed() {
                say::success("nothing would change");
            }
            Ok(())
        }
    }
}

fn text(plan: &Plan, is_coloured: bool, is_whole: bool) -> String {
    let mut text = String::new();
    for note in &plan.notes {
        text.extend(["⚠️ ", &output::clean(note), "\n"]);
    }
    for owner in &plan.reconcilers {
        let sign = if owner.has_failed { "✗" } else { "►" };
        let said = output::clean(&owner.said());
        text.extend([sign, " ", &owner.object.to_string(), ": ", &said, "\n"]);
        text.push_str(&print::text(&owner.objects, is_coloured, is_whole));
    }
    text
}

/// A bar on stderr where somebody looks at it.
fn progress(records: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(records), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("► remembering {bar:40} {pos}/{len} records, {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
