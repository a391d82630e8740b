//! `fluvial rollback`: put back what was deployed before, and hold it.
//!
//! It reads the log and the cluster, shows what would change, and asks; then it annotates the
//! Kustomization and follows the log until the engine has done it. What the engine does is decided
//! there: anyone who may annotate a Kustomization may roll it back.

mod follow;
mod plan;
mod target;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fluvial_api::{Rollback, kinds, rollback};
use fluvial_cluster::{Cluster, Reference};
use fluvial_event::ObjectRef;
use fluvial_log::EventLog as _;
use serde_json::Value;

use super::reconcile::MANAGER;
use crate::connect::Globals;
use crate::data::DataArgs;
use crate::objects::{self, reference};
use crate::output::{self, Plain};
use crate::{json as read, say};
use plan::Plan;

/// Put back what a Kustomization deployed before, and hold it
///
/// Shows what would change, and asks. Then the recorded manifests are applied, what is not among them
/// is pruned, and health is checked, as with any deployment. They are held until the source has
/// another revision, or until `fluvial resume kustomization NAME`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial history kustomization/app                        # what there is to go back to
  fluvial rollback kustomization/app --to 41
  fluvial rollback ks/app --to 0a1b2c3 --reason 'incident 7'
  fluvial rollback ks/app -n apps --to 2h --yes
  fluvial rollback ks/app --to 2026-11-23T10:16:00Z --dry-run
  fluvial resume kustomization app                         # hold it no longer")]
pub(crate) struct RollbackArgs {
    /// The Kustomization: `kustomization/app`, `ks app`
    #[arg(required = true, value_name = "KUSTOMIZATION")]
    words: Vec<String>,
    /// The last success at or before this: an offset, a revision (`main@sha1:…`, or 7 digits of a
    /// commit at least), a time (RFC 3339) or an age (`2h`)
    #[arg(long, value_name = "OFFSET|REVISION|TIME")]
    to: String,
    /// Why: it stands in the log, on the object and in its history
    #[arg(long, default_value = "")]
    reason: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is done
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    wait: bool,
    /// How to print what would change
    #[arg(short, long)]
    output: Option<Plain>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) async fn run(globals: &Globals, args: &RollbackArgs) -> Result<ExitCode> {
    let object = named(globals, &args.words)?;
    let memory = args.data.memory()?;
    let end = memory.log().head().offset;
    let target = target::parse(&args.to, fluvial_runtime::now(), end)?;
    let cluster = globals.cluster().await?;
    let place = reference(&kinds::KUSTOMIZATION, &object.namespace, &object.name);
    let declared = cluster.get(&place).await?;
    let declared =
        declared.with_context(|| format!("cannot find {place}: see `fluvial get all -A`"))?;
    check(&declared, &place)?;
    let plan = Plan::make(&memory, &object, &target, &args.to, &declared)?;
    match args.output {
        Some(format) => output::plain(format, &plan)?,
        None => output::print(&plan.text())?,
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !(args.yes || confirmed(&place)?) {
        say::failure("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    let rollback = Rollback {
        offset: plan.built.0,
        digest: plan.digest.clone(),
        by: cluster.whoami().await?,
        reason: args.reason.clone(),
        at: fluvial_runtime::now().to_string(),
    };
    // What is in the log by now is of before.
    let next = args.data.log()?.head().offset.next();
    submit(&cluster, &place, &rollback).await?;
    if !args.wait {
        say::success("rollback asked for; see `fluvial get kustomizations` for how it goes");
        return Ok(ExitCode::SUCCESS);
    }
    let followed = follow::until_done(&args.data, &object, &rollback, next);
    tokio::time::timeout(globals.timeout, followed)
        .await
        .with_context(|| {
            format!(
                "cannot wait any longer for {place}: it is rolled back as soon as the engine comes to it; \
                 see `fluvial get kustomizations`, and whether `fluvial run` is running"
            )
        })??;
    Ok(ExitCode::SUCCESS)
}

fn named(globals: &Globals, words: &[String]) -> Result<ObjectRef> {
    let (kind, names) = objects::parse_one(words)?;
    ensure!(
        *kind == kinds::KUSTOMIZATION && names.len() == 1,
        "cannot roll that back: name one Kustomization, such as `kustomization/app`"
    );
    Ok(ObjectRef {
        group: kind.group.to_owned(),
        version: String::new(),
        kind: kind.kind.to_owned(),
        namespace: globals.namespace.clone(),
        name: names[0].clone(),
    })
}

/// Whether the engine would do it at all.
fn check(declared: &Value, place: &Reference) -> Result<()> {
    if read::is_suspended(declared) {
        bail!(
            "cannot roll {place} back: it is suspended; run `fluvial resume kustomization {} -n {}` first",
            place.name,
            place.namespace
        );
    }
    if declared.pointer("/metadata/deletionTimestamp").is_some() {
        bail!("cannot roll {place} back: it is being deleted");
    }
    Ok(())
}

/// Asks on the terminal; without one there is nobody to ask.
fn confirmed(place: &Reference) -> Result<bool> {
    let stdin = std::io::stdin();
    ensure!(
        stdin.is_terminal(),
        "cannot ask whether to roll {place} back: there is no terminal; say --yes, or --dry-run to look only"
    );
    eprint!("Roll {place} back? [y/N] ");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn submit(cluster: &Cluster, place: &Reference, rollback: &Rollback) -> Result<()> {
    say::action(&format!(
        "annotating Kustomization {} in {} namespace",
        place.name, place.namespace
    ));
    let value = rollback.value()?;
    // What the engine could not read, nobody should write.
    Rollback::read(&value).map_err(anyhow::Error::msg)?;
    let annotation = (rollback::ANNOTATION.to_owned(), Some(value));
    let annotations = BTreeMap::from([annotation]);
    cluster.annotate(place, &annotations, MANAGER).await?;
    say::success("Kustomization annotated");
    Ok(())
}
