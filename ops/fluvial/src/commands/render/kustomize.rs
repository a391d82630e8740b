//! `fluvial render kustomize`: what `kustomize build` prints.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fluvial_kustomize::{Options, Reorder, Restriction, build, file_names};
use fluvial_manifest::yaml;

use super::{remote, write};
use crate::{disk, output};

#[derive(Args, Debug)]
pub(super) struct KustomizeArgs {
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
    /// Fetch bases and files that are named by URL (git, http), which are refused otherwise; without submodules
    #[arg(long)]
    allow_remote: bool,
    /// Write to this file, or one file for each object into this folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    accepted: Accepted,
}

/// Flags of `kustomize build` that say what may be executed. They are accepted, so that a script need not
/// change; a kustomization that needs what they allow is refused with what to do instead.
#[derive(Args, Debug)]
#[command(next_help_heading = "Accepted and of no effect: nothing is ever executed")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each flag of kustomize build"
)]
struct Accepted {
    /// Charts in a kustomization are refused: make each a HelmRelease
    #[arg(long)]
    enable_helm: bool,
    /// See --enable-helm
    #[arg(long, value_name = "PROGRAM")]
    helm_command: Option<String>,
    /// See --enable-helm
    #[arg(long, value_name = "VERSION")]
    helm_api_versions: Vec<String>,
    /// See --enable-helm
    #[arg(long, value_name = "VERSION")]
    helm_kube_version: Option<String>,
    /// See --enable-helm
    #[arg(long)]
    helm_debug: bool,
    /// Functions to execute are refused
    #[arg(long)]
    enable_exec: bool,
    /// Plugins to execute are refused; the built-in ones need no flag
    #[arg(long)]
    enable_alpha_plugins: bool,
    /// Functions in containers are refused
    #[arg(long)]
    as_current_user: bool,
    /// See --as-current-user
    #[arg(long)]
    network: bool,
    /// See --as-current-user
    #[arg(long, value_name = "NAME")]
    network_name: Option<String>,
    /// See --as-current-user
    #[arg(long, value_name = "OPTIONS")]
    mount: Vec<String>,
    /// See --as-current-user
    #[arg(short, long, value_name = "VARIABLE")]
    env: Vec<String>,
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

pub(super) fn run(args: &KustomizeArgs) -> Result<ExitCode> {
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
    let objects = if args.allow_remote {
        remote::build(&tree, &path, options)?
    } else {
        build(&tree, &path, &options)?
    };
    match &args.output {
        None => output::print(&yaml::to_multi(&objects))?,
        Some(folder) if folder.is_dir() => {
            for (object, name) in objects.iter().zip(file_names(&objects)) {
                write(&folder.join(name), &yaml::to_string(object))?;
            }
        }
        Some(file) => write(file, &yaml::to_multi(&objects))?,
    }
    Ok(ExitCode::SUCCESS)
}
