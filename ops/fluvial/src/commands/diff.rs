//! `fluvial diff`: two points in time, or local files and the cluster.

mod changes;
mod comparison;
mod helm_release;
mod kustomization;
mod live;
mod positions;
pub(crate) mod print;
mod report;
mod sets;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::output::Format;
use crate::say;

/// Compare what was declared at two points in time, or local files with the cluster
///
/// A and B are offsets, revisions (Flux's form, a commit or how one begins), times (RFC 3339), ages such
/// as 2h, or `now`. What is compared are the manifests as they were built and recorded; needs no cluster,
/// and may run beside the engine. With a revision, what is not named by --for is what was built from it.
/// Values of Secrets are never shown. Exits with 0 where nothing differs, with 1 where something does, and
/// with 2 when it cannot tell.
#[derive(Args, Debug)]
#[command(
    subcommand_negates_reqs = true,
    override_usage = "fluvial diff [OPTIONS] <A> [B]\n       fluvial diff kustomization [OPTIONS] --path <DIR> <NAME>\n       fluvial diff helmrelease [OPTIONS] --path <CHART> <NAME>",
    after_help = "Examples:
  fluvial diff 2h now --data ./data
  fluvial diff 6f1c0a2b 9d3e7c11 --for kustomization/app
  fluvial diff 42 97 --for deployment/podinfo -n apps
  fluvial diff 2026-11-23T10:00:00Z now -o json
  fluvial diff kustomization app --path ./deploy     # what these files would change in the cluster
  fluvial diff helmrelease web --path ./charts/web   # what this chart would change in the cluster"
)]
pub(crate) struct DiffArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    positions: PositionArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what a chart would change in the cluster, as a HelmRelease
    ///
    /// Renders a chart of this machine with the values of the HelmRelease, as the engine would, asks the API
    /// server what an apply of each object would come to (a server-side dry run: nothing changes), and shows
    /// what differs. Hooks are left out. Values of Secrets are masked. Exits with 0 where nothing differs, with
    /// 1 where something does, and with 2 when it cannot tell.
    #[command(
        visible_alias = "hr",
        after_help = "Examples:
  fluvial diff helmrelease web --path ./charts/web -n apps
  fluvial diff helmrelease web --path ./web-1.2.3.tgz
  fluvial diff helmrelease web --path ./charts/web --helmrelease-file ./apps/web.yaml --ignore-not-found
  fluvial diff helmrelease web --path ./charts/web --progress-bar=false -o json"
    )]
    Helmrelease(Box<helm_release::HelmReleaseArgs>),
    /// Show what local files would change in the cluster, as a Kustomization
    ///
    /// Builds as `fluvial build kustomization` does, asks the API server what an apply of each object would
    /// come to (a server-side dry run: nothing changes), and shows what differs. Values of Secrets are
    /// masked. Exits with 0 where nothing differs, with 1 where something does, and with 2 when it cannot
    /// tell.
    #[command(
        visible_alias = "ks",
        after_help = "Examples:
  fluvial diff kustomization app --path ./deploy
  fluvial diff kustomization app --path ./deploy --kustomization-file ./clusters/app.yaml
  fluvial diff kustomization app --path ./deploy --kustomization-file app.yaml --ignore-not-found
  fluvial diff kustomization app --path ./deploy --progress-bar=false -o json
  fluvial diff kustomization apps --path ./clusters/a --recursive \\
    --local-sources GitRepository/flux-system/flux-system=."
    )]
    Kustomization(Box<kustomization::KustomizationArgs>),
}

#[derive(Args, Debug)]
struct PositionArgs {
    /// The older point
    #[arg(value_name = "A", required = true)]
    from: Option<String>,
    /// The newer point
    #[arg(value_name = "B", default_value = "now")]
    to: String,
    /// Only this object, or what this Kustomization declares
    #[arg(long = "for", value_name = "KIND/NAME")]
    about: Option<String>,
    /// How to print
    #[arg(short, long)]
    output: Option<Format>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) async fn run(globals: &Globals, args: &DiffArgs) -> ExitCode {
    /// As of diff(1), and of flux.
    const TROUBLE: u8 = 2;
    let differs = match &args.what {
        None => positions::run(globals, &args.positions),
        Some(What::Helmrelease(it)) => helm_release::run(globals, it).await,
        Some(What::Kustomization(it)) => kustomization::run(globals, it).await,
    };
    match differs {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}
