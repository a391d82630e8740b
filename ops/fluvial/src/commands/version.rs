//! `fluvial version`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::output::{self, Plain};

/// Print the version
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial version
  fluvial version -o json")]
pub(crate) struct VersionArgs {
    /// Accepted and of no effect: the client's version is all there is to print
    #[arg(long)]
    client: bool,
    /// How to print
    #[arg(short, long)]
    output: Option<Plain>,
}

pub(crate) fn run(args: &VersionArgs) -> Result<ExitCode> {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    match args.output {
        Some(format) => output::plain(format, &json!({"fluvial": version}))?,
        None => output::print(&format!("fluvial: {version}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}
