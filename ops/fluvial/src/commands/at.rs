//! `fluvial at`: kubectl, or any other client, in the past.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use fluvial_event::Offset;
use fluvial_log::ahead;
use fluvial_serve::{Secrets, Server, Source, World};
use fluvial_view::Projection as _;
use fluvial_view::past::Past;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::connect::Globals;
use crate::data::DataArgs;
use crate::{output, position, say};

/// Run kubectl, or any other client, on the past
///
/// Serves the objects as they were known then, read-only, as a Kubernetes API on this machine, and runs a command
/// whose KUBECONFIG leads there; the exit code is the command's. Without a command it serves until it is
/// interrupted. What is served are the Flux objects with their status, and the owned objects as they were applied,
/// with what was seen of their health. What was not seen is told: as an annotation fluvial.dev/gap, and as warnings.
/// Values of Secrets are withheld wherever they stand.
///
/// Read from the log: needs no cluster, and may run beside the engine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial at 2h -- kubectl get deploy -A
  fluvial at 9d3e7c11 -- kubectl get ks,deploy -n apps -o wide
  fluvial at 2026-11-23T10:00:00Z -- kubectl describe deployment podinfo -n apps
  fluvial at 4711 --data ./data -- sh -c 'kubectl get cm -A -o yaml > then.yaml'
  fluvial at 2h -- kubectl get deploy -A --watch   # and what became of it since
  fluvial at 2h --port 8011                # serves until ctrl-c, and prints what to export")]
pub(crate) struct AtArgs {
    /// When: an offset, a time (RFC 3339), an age such as 2h, a revision, or `now`
    #[arg(value_name = "OFFSET|TIME|REVISION")]
    at: String,
    /// The port to serve on; 0 is a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Show the values of Secrets, with the key of the data directory
    #[arg(long)]
    unseal_secrets: bool,
    /// What to run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) async fn run(globals: &Globals, args: &AtArgs) -> Result<ExitCode> {
    let (world, source) = world(args)?;
    let (offset, time) = (world.offset(), world.time());
    let server = Server::bind(world, source, args.port, token()?).await?;
    let directory = TempDir::with_prefix("fluvial-at-")
        .context("cannot make a directory for the kubeconfig")?;
    let namespace = globals
        .is_namespace_typed
        .then_some(globals.namespace.as_str());
    let kubeconfig = write_kubeconfig(directory.path(), offset, &server.url(), namespace)?;
    let serving = server.run();
    if args.command.is_empty() {
        say::success(&format!(
            "serving the past as of offset {offset} ({time}) until ctrl-c"
        ));
        output::print(&format!("export KUBECONFIG={}\n", kubeconfig.display()))?;
        tokio::select! {
            never = serving => match never {},
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for ctrl-c")?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let status = tokio::select! {
        never = serving => match never {},
        status = carry_out(&args.command, &kubeconfig, directory.path()) => status?,
    };
    Ok(exit_code(status))
}

/// The objects as of the point that was named: folded once, from the first record on.
fn world(args: &AtArgs) -> Result<(World, Source)> {
    let until = position::parse(&args.at, &args.data.memory()?.index()?)?.offset;
    let log = Arc::new(args.data.log()?);
    let secrets = if args.unseal_secrets {
        Secrets::Shown
    } else {
        Secrets::Redacted
    };
    let mut past = Past::default();
    let ended = ahead::for_each(&*log, Offset::FIRST, |record| {
        if record.offset > until {
            return Err(Ended::Enough);
        }
        past.apply(record);
        Ok(())
    });
    if let Err(Ended::Failed(error)) = ended {
        return Err(error).context("run `fluvial log verify` to see what else is wrong");
    }
    let world = World::new(past, &*log, secrets).context(
        "cannot read what was applied; run `fluvial log verify` to see what else is wrong",
    )?;
    let blobs = Arc::clone(&log);
    Ok((world, Source { log, blobs }))
}

/// Why no more is read.
enum Ended {
    Enough,
    Failed(fluvial_log::Error),
}

impl From<fluvial_log::Error> for Ended {
    fn from(error: fluvial_log::Error) -> Self {
        Self::Failed(error)
    }
}

/// What nobody guesses.
fn token() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot draw a token from /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// The file is in a directory that only this user can enter.
fn write_kubeconfig(
    directory: &Path,
    offset: Offset,
    url: &str,
    namespace: Option<&str>,
) -> Result<PathBuf> {
    let name = format!("fluvial@{offset}");
    let mut context = json!({"cluster": name, "user": name});
    if let Some(namespace) = namespace {
        context["namespace"] = json!(namespace);
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "contexts": [{"name": name, "context": context}],
        "users": [{"name": name, "user": {}}],
    });
    let path = directory.join("kubeconfig");
    fs::write(&path, config.to_string())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Runs a command to its end. An interruption is for the command: it ends as it likes.
async fn carry_out(command: &[OsString], kubeconfig: &Path, cache: &Path) -> Result<ExitStatus> {
    let (program, words) = command.split_first().context("there is a command")?;
    let mut child = Command::new(program)
        .args(words)
        .env("KUBECONFIG", kubeconfig)
        .env("KUBECACHEDIR", cache.join("cache"))
        .spawn()
        .with_context(|| {
            let program = program.to_string_lossy();
            format!("cannot run {program}: give a command that is on the PATH behind --")
        })?;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("cannot wait for the command"),
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for ctrl-c")?,
        }
    }
}

/// As a shell says it.
fn exit_code(status: ExitStatus) -> ExitCode {
    const SIGNALED: i32 = 128;
    let code = status
        .code()
        .unwrap_or_else(|| SIGNALED + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
