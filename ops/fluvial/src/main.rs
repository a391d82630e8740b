//! The one program: the controller, and the command line that talks to it and to its log.
//!
//! Start at `cli.rs`, what can be typed; each command has a file in `commands/`. What is decided about
//! a cluster, and what the log holds, is other crates' knowledge: here they are put together.

mod age;
mod cli;
mod commands;
mod connect;
mod data;
mod disk;
mod engine;
mod index;
mod json;
mod local;
mod objects;
mod output;
mod position;
mod say;
mod table;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use cli::{Cli, Command};

fn main() -> ExitCode {
    // A worker gives up its rights before anything else happens, threads among it.
    if fluvial_render::is_worker() {
        return fluvial_render::work();
    }
    let cli = Cli::read();
    // Rendering needs no runtime, whose threads cost more than a small build.
    let done = if let Command::Render(args) = &cli.command {
        commands::render::run(&cli.globals, args)
    } else {
        on_runtime(cli)
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn on_runtime(cli: Cli) -> Result<ExitCode> {
    Runtime::new()
        .context("cannot start the threads that wait for the network")?
        .block_on(Box::pin(commands::run(cli)))
}
