//! `fluvial render kustomize`: what `kustomize build` prints.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fluvial_helm::Template;
use fluvial_kustomize::chart::{Chart, Charts};
use fluvial_kustomize::{Options, Reorder, Restriction, file_names};
use fluvial_manifest::{Tree, yaml};

use super::helm::{now, seed};
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
    /// Fetch bases and files that are elsewhere (git over http, ssh or from this disk; files over http), which are
    /// refused otherwise, as in the engine
    #[arg(long)]
    allow_remote: bool,
    /// Render the charts of a kustomization (helmCharts), and pull those of repositories (http, oci), all of which
    /// are refused otherwise, as in the engine
    #[arg(long)]
    enable_helm: bool,
    /// More API versions that those charts see which name none themselves
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    helm_api_versions: Vec<String>,
    /// The version of Kubernetes that those charts see which name none themselves
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "",
        hide_default_value = true
    )]
    helm_kube_version: String,
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
    /// Charts are rendered without a program: see --enable-helm
    #[arg(long, value_name = "PROGRAM")]
    helm_command: Option<String>,
    /// See --helm-command
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
    let (seed, now) = (seed()?, now());
    let inflate = |chart: &Chart, tree: &Tree, path: &str| {
        let told = told(chart, seed, now);
        told.print(tree, path).map_err(|error| error.to_string())
    };
    let charts = args.enable_helm.then_some(Charts {
        inflate: &inflate,
        kube_version: &args.helm_kube_version,
        api_versions: &args.helm_api_versions,
    });
    let objects = remote::build(&tree, &path, options, charts, args.allow_remote)?;
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

/// What a kustomization says of a chart, as helm is told it.
fn told(chart: &Chart, seed: [u8; 32], now: (i64, u32)) -> Template {
    Template {
        name: chart.release_name.clone(),
        name_template: chart.name_template.clone(),
        namespace: chart.namespace.clone(),
        values: chart.values.clone(),
        api_versions: chart.api_versions.clone(),
        kube_version: chart.kube_version.clone(),
        include_crds: chart.include_crds,
        skip_hooks: chart.skip_hooks,
        skip_tests: chart.skip_tests,
        seed,
        now,
    }
}
