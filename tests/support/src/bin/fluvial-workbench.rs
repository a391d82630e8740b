//! The workbench: one piece of the test world, run from a shell until it is ended. For the
//! quickstart, and for trying things by hand.
//!
//!     fluvial-workbench controlplane DIRECTORY   prints `kubeconfig: PATH`
//!     fluvial-workbench git DIRECTORY            serves its NAME.git, prints `url: http://127.0.0.1:PORT`
//!
//! The line is printed once everything is ready. SIGTERM ends the program, and with it what it started.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;

use anyhow::{Result, bail};
use fluvial_support::{Access, ControlPlane, GitServer, Transport};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["controlplane", directory] => {
            let plane = ControlPlane::start_in(Path::new(directory))?;
            say(&format!("kubeconfig: {}", plane.kubeconfig().display()))?;
            stay()
        }
        ["git", directory] => {
            let server =
                GitServer::start_in(Path::new(directory), &Access::Anonymous, Transport::Http)?;
            say(&format!("url: {}", server.base()))?;
            stay()
        }
        _ => bail!(
            "use it as: fluvial-workbench controlplane DIRECTORY, or: fluvial-workbench git DIRECTORY"
        ),
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Stays until a signal ends the program. What it started is ended by the kernel then.
fn stay() -> ! {
    loop {
        thread::park();
    }
}
