//! `fluvial render`: what manifests look like, without a cluster.

pub(crate) mod chart;
pub(crate) mod helm;
mod kustomize;
mod remote;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::connect::Globals;

/// Render manifests, as the tools that they are written for do
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial render kustomize ./apps/production
  fluvial render helm podinfo ./charts/podinfo -f values.yaml")]
pub(crate) struct RenderArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    // sorted
    /// Print what `helm template NAME CHART` prints
    #[command(after_help = "Examples:
  fluvial render helm podinfo ./charts/podinfo -n apps -f values.yaml --set replicaCount=2
  fluvial render helm podinfo ./podinfo-6.9.0.tgz --include-crds --kube-version 1.33
  fluvial render helm podinfo ./charts/podinfo -s templates/deployment.yaml")]
    Helm(Box<helm::HelmArgs>),
    /// Print what `kustomize build DIR` prints
    #[command(after_help = "Examples:
  fluvial render kustomize ./apps/production
  fluvial render kustomize --load-restrictor LoadRestrictionsNone ./apps
  fluvial render kustomize --allow-remote ./apps   # fetches bases and files that are named by URL
  fluvial render kustomize --enable-helm ./apps   # renders helmCharts, those of repositories too
  fluvial render kustomize -o ./rendered ./apps   # a file for each object, if ./rendered is a folder")]
    Kustomize(kustomize::KustomizeArgs),
}

/// The grammar of one of them alone, without what its help says.
pub(crate) fn grammar_of(what: &str) -> Option<clap::Command> {
    let grammar = match what {
        "helm" => helm::HelmArgs::augment_args(clap::Command::new("helm")),
        "kustomize" => kustomize::KustomizeArgs::augment_args(clap::Command::new("kustomize")),
        _ => return None,
    };
    Some(clap::Command::new("render").subcommand(grammar))
}

pub(crate) fn run(globals: &Globals, args: &RenderArgs) -> Result<ExitCode> {
    match &args.what {
        What::Helm(args) => helm::run(globals, args),
        What::Kustomize(args) => kustomize::run(args),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
