//! `fluvial render`: what manifests look like, without a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use fluvial_kustomize::{Options, Reorder, Restriction, build};
use fluvial_manifest::yaml;

use crate::{disk, output};

/// Render manifests, as the tools that they are written for do
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial render kustomize ./apps/production")]
pub(crate) struct RenderArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print what `kustomize build DIR` prints
    #[command(after_help = "Examples:
  fluvial render kustomize ./apps/production
  fluvial render kustomize --load-restrictor LoadRestrictionsNone ./apps")]
    Kustomize(KustomizeArgs),
}

#[derive(Args, Debug)]
struct KustomizeArgs {
    /// The directory of the kustomization
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// Which files a kustomization may read
    #[arg(long, default_value = "LoadRestrictionsRootOnly", value_name = "WHICH")]
    load_restrictor: LoadRestrictor,
    /// The order of the objects, unless the kustomization has sortOptions
    #[arg(long, default_value = "legacy")]
    reorder: Order,
    /// Label every object with app.kubernetes.io/managed-by
    #[arg(long)]
    enable_managedby_label: bool,
    /// Accepted and of no effect: nothing is ever executed
    #[arg(long)]
    enable_exec: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LoadRestrictor {
    /// Those in or below its own directory
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    /// All
    #[value(name = "LoadRestrictionsNone")]
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Namespaces first, webhooks last
    Legacy,
    /// As they are listed
    None,
}

pub(crate) fn run(args: &RenderArgs) -> Result<ExitCode> {
    let What::Kustomize(args) = &args.what;
    let options = Options {
        restriction: match args.load_restrictor {
            LoadRestrictor::RootOnly => Restriction::RootOnly,
            LoadRestrictor::None => Restriction::None,
        },
        reorder: match args.reorder {
            Order::Legacy => Reorder::Legacy,
            Order::None => Reorder::None,
        },
        managed_by_label: args.enable_managedby_label,
    };
    let shown = args.directory.display();
    let (tree, path) =
        disk::read(&args.directory).with_context(|| format!("cannot read {shown}"))?;
    let objects = build(&tree, &path, &options)?;
    output::print(&yaml::to_multi(&objects))?;
    Ok(ExitCode::SUCCESS)
}
