//! One `fluvial run`, and the command line beside it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, Result, bail, ensure};
use fluvial_support::{Faults, Process, built};
use serde_json::Value;

use crate::PATIENCE;

/// Whether an engine waits for the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leading {
    /// It does, and acts once it has it.
    Elected,
    /// It acts at once: after a kill nobody waits for the Lease to run out.
    Alone,
}

/// An engine with a data directory of its own. Killed on drop.
pub struct Engine {
    name: String,
    binary: PathBuf,
    kubeconfig: PathBuf,
    directory: PathBuf,
    leading: Leading,
    /// Where its data is, unless beside its log.
    data: Option<PathBuf>,
    faults: Option<Faults>,
    /// Which Kafka it publishes to, and the file of properties.
    publish: Option<(String, PathBuf)>,
    process: Mutex<Option<Process>>,
}

impl Engine {
    /// An engine that is not running yet, with its data and its log in `directory`.
    pub fn new(name: &str, kubeconfig: &Path, directory: &Path, leading: Leading) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            binary: built("fluvial")?,
            kubeconfig: kubeconfig.to_owned(),
            directory: directory.to_owned(),
            leading,
            data: None,
            faults: None,
            publish: None,
            process: Mutex::new(None),
        })
    }

    /// The same engine with its data in `data`.
    #[must_use]
    pub fn with_data(self, data: PathBuf) -> Self {
        Self {
            data: Some(data),
            ..self
        }
    }

    /// The same engine, subject to `faults`.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self {
            faults: Some(faults),
            ..self
        }
    }

    /// The same engine, which publishes to this Kafka, by what a file of properties says.
    #[must_use]
    pub fn published_to(self, target: String, properties: PathBuf) -> Self {
        Self {
            publish: Some((target, properties)),
            ..self
        }
    }

    /// What it is subject to.
    ///
    /// # Panics
    ///
    /// Unless it was made to be.
    pub fn faults(&self) -> &Faults {
        self.faults.as_ref().unwrap()
    }

    /// Starts it, or starts it again on the same data.
    pub fn start(&self) -> Result<()> {
        let mut process = self.process();
        ensure!(process.is_none(), "cannot start {} twice", self.name);
        let election = match self.leading {
            Leading::Elected => "--leader-election=true",
            Leading::Alone => "--leader-election=false",
        };
        let (data, kubeconfig) = (self.data(), &self.kubeconfig);
        let mut args = vec![
            "run".as_ref(),
            "--data".as_ref(),
            data.as_os_str(),
            "--kubeconfig".as_ref(),
            kubeconfig.as_os_str(),
            election.as_ref(),
        ];
        if let Some((target, properties)) = &self.publish {
            args.extend(["--publish".as_ref(), OsStr::new(target)]);
            args.extend(["--publish-config".as_ref(), properties.as_os_str()]);
        }
        let environment = self.faults.iter().flat_map(Faults::environment);
        *process = Some(Process::start_with(
            &self.name,
            &self.binary,
            args,
            &self.log(),
            environment,
        )?);
        Ok(())
    }

    /// Stops it where it is (SIGSTOP), without its knowing.
    pub fn freeze(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on after [`Engine::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let process = self.process();
        let process = process.as_ref().context("it is not running")?;
        process.signal(signal)
    }

    /// Waits until it ends by itself, and returns how, and what it printed since it was started last.
    pub fn end(&self) -> Result<(ExitStatus, String)> {
        let Some(mut process) = self.process().take() else {
            bail!("cannot wait for {}: it is not running", self.name);
        };
        let status = process.end(PATIENCE)?;
        let printed = self.printed();
        let started = printed.rfind(" Starting.").unwrap_or_default();
        Ok((status, printed[started..].to_owned()))
    }

    /// Kills it with SIGKILL, wherever it is.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Asks it to end with SIGTERM, and fails unless it does and says that all is well.
    pub fn stop(&self) -> Result<()> {
        let Some(mut process) = self.process().take() else {
            bail!("cannot stop {}: it is not running", self.name);
        };
        let status = process.terminate(PATIENCE)?;
        ensure!(
            status.success(),
            "{} ended with {status}; {}",
            self.name,
            process.log_end()
        );
        Ok(())
    }

    /// An error, with the end of its log, when it has ended by itself.
    pub fn check(&self) -> Result<()> {
        match &mut *self.process() {
            Some(process) => process.check(),
            None => bail!("{} is not running", self.name),
        }
    }

    /// The processes of this name that it has started and that have not ended.
    pub fn children(&self, name: &str) -> Vec<u32> {
        let Some(own) = self.process().as_ref().map(Process::id) else {
            return Vec::new();
        };
        let is_child = |id: &u32| {
            let read = |what: &str| fs::read_to_string(format!("/proc/{id}/{what}"));
            let (Ok(status), Ok(arguments)) = (read("status"), read("cmdline")) else {
                return false;
            };
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            parent.is_some_and(|parent| parent.trim() == own.to_string())
                && arguments.split('\0').next() == Some(name)
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(is_child).collect()
    }

    /// The most memory that it ever had, its children apart.
    pub fn peak_memory_bytes(&self) -> u64 {
        let own = self.process().as_ref().map_or(0, Process::id);
        let status = fs::read_to_string(format!("/proc/{own}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        kilobytes.map_or(u64::MAX, |kilobytes: u64| kilobytes << 10)
    }

    /// Where its log of events and its state are.
    pub fn data(&self) -> PathBuf {
        let beside = || self.directory.join(format!("{}-data", self.name));
        self.data.clone().unwrap_or_else(beside)
    }

    /// Everything that it printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Runs the command line against the cluster; an error has what it complained of.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        self.run(args, &[])
    }

    /// Runs a command of the command line that reads the data directory, which the engine may hold.
    pub fn of_data(&self, args: &[&str]) -> Result<String> {
        let data = self.data();
        let data = data
            .to_str()
            .context("the data directory has a strange name")?;
        self.run(args, &["--data", data])
    }

    /// The same, for one that prints JSON.
    pub fn json_of_data(&self, args: &[&str]) -> Result<Value> {
        let printed = self.of_data(&[args, &["-o", "json"]].concat())?;
        serde_json::from_str(&printed)
            .with_context(|| format!("{args:?} printed no JSON: {printed}"))
    }

    /// The exit code of a command, and all that it said.
    pub fn exit(&self, args: &[&str]) -> Result<(i32, String)> {
        let output = self.output(args, &[])?;
        let code = output.status.code().context("it was killed")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((code, String::from_utf8(said)?))
    }

    /// The same, of a command that reads the data directory.
    pub fn exit_of_data(&self, args: &[&str]) -> Result<(i32, String)> {
        let data = self.data();
        let data = data
            .to_str()
            .context("the data directory has a strange name")?;
        self.exit(&[args, &["--data", data]].concat())
    }

    fn run(&self, args: &[&str], more: &[&str]) -> Result<String> {
        let output = self.output(args, more)?;
        ensure!(
            output.status.success(),
            "cannot run fluvial {}: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).context("cannot read what fluvial printed")
    }

    fn output(&self, args: &[&str], more: &[&str]) -> Result<Output> {
        Command::new(&self.binary)
            .args(args)
            .args(more)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .context("cannot start fluvial")
    }

    fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process
            .lock()
            .expect("nothing panics while it holds the lock")
    }
}
