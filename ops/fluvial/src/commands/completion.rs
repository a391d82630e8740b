//! `fluvial completion`: what a shell needs to complete commands.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::output;

/// Print a script that completes commands in a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  source <(fluvial completion bash)
  fluvial completion fish > ~/.config/fish/completions/fluvial.fish")]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Known,
}

/// The shells that flux knows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Known {
    // sorted
    Bash,
    Fish,
    Powershell,
    Zsh,
}

pub(crate) fn run(args: &CompletionArgs) -> Result<ExitCode> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Fish => Shell::Fish,
        Known::Powershell => Shell::PowerShell,
        Known::Zsh => Shell::Zsh,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::grammar(), "fluvial", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
