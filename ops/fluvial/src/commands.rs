//! One file for each thing that can be done.

// sorted
pub(crate) mod at;
pub(crate) mod bisect;
pub(crate) mod blame;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod create;
pub(crate) mod debug;
pub(crate) mod delete;
pub(crate) mod deliveries;
pub(crate) mod diff;
pub(crate) mod dora;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod install;
pub(crate) mod log;
pub(crate) mod logs;
pub(crate) mod reconcile;
pub(crate) mod render;
pub(crate) mod replay;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod stats;
pub(crate) mod suspend;
pub(crate) mod trace;
pub(crate) mod tree;
pub(crate) mod uninstall;
pub(crate) mod version;
pub(crate) mod what_if;
pub(crate) mod why;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Command};

/// Does what was typed. Failures that the output tells already are an exit code.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { globals, command } = cli;
    match command {
        // sorted
        Command::At(args) => at::run(&globals, &args).await,
        Command::Bisect(args) => bisect::run(&globals, &args),
        Command::Blame(args) => blame::run(&globals, &args),
        Command::Build(args) => build::run(&globals, &args).await,
        Command::Check(args) => check::run(&globals, &args).await,
        Command::Completion(args) => completion::run(&args),
        Command::Create(args) => create::run(&globals, &args).await,
        Command::Debug(args) => debug::run(&globals, &args).await,
        Command::Delete(args) => delete::run(&globals, &args).await,
        Command::Deliveries(args) => deliveries::run(&globals, &args),
        Command::Diff(args) => Ok(diff::run(&globals, &args).await),
        Command::Dora(args) => dora::run(&globals, &args),
        Command::Events(args) => events::run(&globals, &args).await,
        Command::Export(args) => export::run(&globals, &args).await,
        Command::Get(args) => get::run(&globals, &args).await,
        Command::History(args) => history::run(&globals, &args),
        Command::Install(args) => install::run(&globals, &args).await,
        Command::Log(args) => log::run(&args),
        Command::Logs(args) => logs::run(&globals, &args),
        Command::Reconcile(args) => reconcile::run(&globals, &args).await,
        Command::Render(args) => render::run(&globals, &args),
        Command::Replay(args) => replay::run(&args),
        Command::Resume(args) => suspend::resume(&globals, &args).await,
        Command::Rollback(args) => rollback::run(&globals, &args).await,
        Command::Run(args) => run::run(&globals, args).await,
        Command::Stats(args) => stats::run(&globals, &args).await,
        Command::Suspend(args) => suspend::suspend(&globals, &args).await,
        Command::Trace(args) => trace::run(&globals, &args).await,
        Command::Tree(args) => tree::run(&globals, &args).await,
        Command::Uninstall(args) => uninstall::run(&globals, &args).await,
        Command::Version(args) => version::run(&args),
        Command::WhatIf(args) => Ok(what_if::run(&globals, &args).await),
        Command::Why(args) => why::run(&globals, &args),
    }
}
