//! The one program: the controller, and the command line that talks to it and to its log.
//!
//! Start at `cli.rs`, what can be typed; each command has a file in `commands/`. What is decided about
//! a cluster, and what the log holds, is other crates' knowledge: here they are put together.

mod cli;
mod commands;
mod connect;
mod data;
mod disk;
mod engine;
mod index;
mod json;
mod objects;
mod output;
mod position;
mod say;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;

fn main() -> ExitCode {
    // A worker gives up its rights before anything else happens, threads among it.
    if fluvial_render::is_worker() {
        return fluvial_render::work();
    }
    converse(Cli::parse())
}

#[tokio::main]
async fn converse(cli: Cli) -> ExitCode {
    match Box::pin(commands::run(cli)).await {
        Ok(code) => code,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
