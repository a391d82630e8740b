//! What one test's scenarios share: a control plane, a git server, and the engine.

use std::path::Path;

use anyhow::{Context, Result};
use fluvial_support::{ControlPlane, GitServer};
use tempfile::TempDir;

use crate::{Cluster, Engine, Leading};

/// A control plane with Fluvial installed, a git server, and an engine that is running.
///
/// Fields are dropped in order: the engine goes before what it talks to.
pub struct Stage {
    /// The engine.
    pub engine: Engine,
    /// The administrator's view.
    pub cluster: Cluster,
    /// The git server that every scenario has a repository on.
    pub git: GitServer,
    /// The control plane.
    pub plane: ControlPlane,
    /// Removed at the end, when all went well.
    directory: Option<TempDir>,
}

impl Stage {
    /// Starts everything, installs with `fluvial install`, and runs the engine.
    pub fn start(leading: Leading) -> Result<Self> {
        Self::start_with(leading, |engine, _directory| Ok(engine))
    }

    /// The same with another engine than usual, made from the usual one and a directory for what it
    /// needs.
    pub fn start_with(
        leading: Leading,
        change: impl FnOnce(Engine, &Path) -> Result<Engine>,
    ) -> Result<Self> {
        let directory = TempDir::with_prefix("fluvial-e2e-").context("cannot make a directory")?;
        let plane = ControlPlane::start()?;
        let git = GitServer::start()?;
        let cluster = Cluster::connect(&plane.kubeconfig())?;
        let engine = Engine::new("engine", &plane.kubeconfig(), directory.path(), leading)?;
        let engine = change(engine, directory.path())?;
        engine.cli(&["install"])?;
        engine.start()?;
        Ok(Self {
            engine,
            cluster,
            git,
            plane,
            directory: Some(directory),
        })
    }

    /// A second engine beside the first, with data of its own, not running yet.
    pub fn another_engine(&self, name: &str) -> Result<Engine> {
        let directory = self
            .directory
            .as_ref()
            .context("the directory is there until the end")?;
        Engine::new(
            name,
            &self.plane.kubeconfig(),
            directory.path(),
            Leading::Elected,
        )
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            eprintln!(
                "The engine's log and data are kept in {}.",
                directory.keep().display()
            );
        }
    }
}
