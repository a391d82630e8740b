//! `fluvial build`: what a directory here would become, as the engine builds it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use fluvial_api::Kustomization;
use fluvial_manifest::{Value, yaml};

use crate::connect::Globals;
use crate::local::{self, Local, LocalArgs};
use crate::output;

/// Build what a Flux object would apply, from local files
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial build kustomization app --path ./deploy")]
pub(crate) struct BuildArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the manifests that a Kustomization makes of a local directory
    ///
    /// The Kustomization's spec is read from the cluster, or from --kustomization-file: its patches,
    /// images, components, variables and names are applied to the directory as the engine would. What is
    /// encrypted with SOPS is masked.
    #[command(
        visible_alias = "ks",
        after_help = "Examples:
  fluvial build kustomization app --path ./deploy
  fluvial build kustomization app --path ./deploy --kustomization-file ./clusters/app.yaml
  fluvial build kustomization app --path ./deploy --kustomization-file app.yaml --dry-run   # no cluster
  fluvial build kustomization app --path ./deploy --ignore-paths '/drafts/**/*.yaml,old.yaml'
  fluvial build kustomization apps --path ./clusters/a --recursive \\
    --local-sources GitRepository/flux-system/flux-system=."
    )]
    Kustomization(Box<KustomizationArgs>),
}

#[derive(Args, Debug)]
struct KustomizationArgs {
    #[command(flatten)]
    local: LocalArgs,
    /// Ask no cluster; variables from ConfigMaps and Secrets are left out
    #[arg(long, requires = "kustomization_file")]
    dry_run: bool,
}

pub(crate) async fn run(globals: &Globals, args: &BuildArgs) -> Result<ExitCode> {
    let What::Kustomization(args) = &args.what;
    let cluster = if args.dry_run {
        None
    } else {
        let hint = "to build without a cluster, give --kustomization-file and --dry-run";
        Some(globals.cluster().await.context(hint)?)
    };
    let local = Local {
        args: &args.local,
        cluster,
    };
    let built = async {
        let (owner, _) = local.declared(&globals.namespace).await?;
        let mut objects = Vec::new();
        build(
            &local,
            &owner,
            &args.local.path,
            &mut Vec::new(),
            &mut objects,
        )
        .await?;
        anyhow::Ok(objects)
    };
    let objects = tokio::time::timeout(globals.timeout, built)
        .await
        .context("cannot build in time: the cluster does not answer; see --timeout")??;
    output::print(&text(&objects))?;
    Ok(ExitCode::SUCCESS)
}

/// The manifests of `owner`, and behind them, where that is asked for, those of the Kustomizations among
/// them; `above` are those that led here.
async fn build(
    local: &Local<'_>,
    owner: &Kustomization,
    directory: &Path,
    above: &mut Vec<(String, String)>,
    objects: &mut Vec<Value>,
) -> Result<()> {
    let key = (
        owner.metadata.namespace.clone(),
        owner.metadata.name.clone(),
    );
    ensure!(
        !above.contains(&key),
        "cannot build Kustomization/{}/{}: it is declared by what it declares; leave --recursive out",
        key.0,
        key.1
    );
    let built = local.build(owner, directory).await?;
    let start = objects.len();
    objects.extend(built);
    if !local.args.recursive {
        return Ok(());
    }
    above.push(key);
    for at in start..objects.len() {
        if let Some(child) = local::child(&objects[at], owner)? {
            let directory = local.directory(&child)?;
            Box::pin(build(local, &child, &directory, above, objects)).await?;
        }
    }
    above.pop();
    Ok(())
}

/// As flux prints it: a line `---` behind each.
fn text(objects: &[Value]) -> String {
    let documents = objects.iter().map(|it| yaml::to_string(it) + "---\n");
    documents.collect()
}
