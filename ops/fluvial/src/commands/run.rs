//! `fluvial run`: the engine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::connect::Globals;
use crate::engine;

/// Run the engine: reconcile the cluster, and record everything in the log
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial run --data ./data
  fluvial run --data ./data --leader-election=false --kubeconfig ./kubeconfig

What it says on standard error is set by FLUVIAL_LOG: info (the default), debug, fluvial_ingest=debug, …
It ends with exit status 0 when it is told to stop (SIGTERM, Ctrl-C), and with 1 when it loses the lead or
the log takes no more.")]
pub(crate) struct RunArgs {
    /// The directory of the log; made where there is none
    #[arg(long, env = "FLUVIAL_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Wait for the Lease, so that one engine at a time is active
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) leader_election: bool,
}

/// Runs the engine until it is told to stop.
pub(crate) async fn run(globals: &Globals, args: RunArgs) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("FLUVIAL_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    std::fs::create_dir_all(&args.data)?;
    let cluster = globals.cluster().await?;
    engine::run(
        cluster,
        engine::Options {
            data: args.data,
            leader_election: args.leader_election,
            namespace: globals.namespace.clone(),
        },
    )
    .await?;
    Ok(ExitCode::SUCCESS)
}
