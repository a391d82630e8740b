//! A child process that cannot outlive us; what it is for is its caller's business.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

/// How many lines of its log a failed process is quoted with.
const LOG_LINES_QUOTED: usize = 20;
/// How long to leave between two looks at whether it ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts a program with nothing open but its standard streams: what we were started with would be
/// passed on, and a program is to be seen with what it opened itself.
const ALONE: &str = "for file in /proc/self/fd/*; do
    number=${file##*/}
    if ((number > 2)); then eval \"exec $number>&-\"; fi
done
exec setpriv \"$@\"";

type Order = (Command, Sender<io::Result<Child>>);

/// The one thread that starts every child. The kernel sends the parent-death signal when the
/// *thread* that forked ends, and a test's threads come and go; this one stays as long as the process.
static STARTER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, inbox) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in inbox {
            // An error here means that whoever ordered the child has gone; the child's pipe closes.
            drop(answer.send(command.spawn()));
        }
    });
    Mutex::new(orders)
});

/// A running program, its output in a file. Killed on drop, and by the kernel when we die.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `args`; its output is appended to `log`.
    pub fn start<A: AsRef<std::ffi::OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Result<Self> {
        Self::start_with(name, program, args, log, [])
    }

    /// The same, with more in its environment.
    pub fn start_with<'a, A: AsRef<std::ffi::OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        log: &Path,
        environment: impl IntoIterator<Item = (&'static str, &'a Path)>,
    ) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot start {name}: cannot write {}", log.display()))?;
        let mut command = Command::new("bash");
        command
            .args(["-c", ALONE, "bash", "--pdeathsig", "KILL"])
            .arg(program)
            .args(args)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share a log file")?)
            .stderr(output);
        let child = spawn(command).with_context(|| {
            format!("cannot start {name} (through setpriv, of the package util-linux)")
        })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error, quoting the end of the log, when the program has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self
            .child
            .try_wait()
            .with_context(|| format!("cannot ask after {}", self.name))?
        {
            None => Ok(()),
            Some(status) => Err(anyhow!(
                "{} ended ({status})\n{}",
                self.name,
                self.log_end()
            )),
        }
    }

    /// Sends a signal by its name: `STOP`, `CONT`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status()
            .context("cannot start kill (of the package procps)")?;
        ensure!(
            sent.success(),
            "cannot send {signal} to {}: {sent}",
            self.name
        );
        Ok(())
    }

    /// Asks the program to end (SIGTERM), and returns how it did.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.end(deadline)
    }

    /// Waits for the program to end by itself, and returns how it did.
    pub fn end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait();
            if let Some(status) =
                ended.with_context(|| format!("cannot ask after {}", self.name))?
            {
                return Ok(status);
            }
            ensure!(
                start.elapsed() < deadline,
                "{} did not end in {deadline:?}; {}",
                self.name,
                self.log_end()
            );
            thread::sleep(PAUSE);
        }
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_else(|error| error.to_string().into_bytes());
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_QUOTED);
        format!(
            "the end of {}:\n{}",
            self.log.display(),
            lines[from..].join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has already gone, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(command: Command) -> Result<Child> {
    let (answer, inbox) = channel();
    STARTER
        .lock()
        .expect("nothing panics while it holds the lock")
        .send((command, answer))
        .expect("the starter thread never ends");
    inbox
        .recv()
        .expect("the starter thread answers every order")
        .map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    fn shell(script: &str, directory: &Path) -> Process {
        Process::start(
            "a script",
            Path::new("/bin/sh"),
            ["-c", script],
            &directory.join("log"),
        )
        .unwrap()
    }

    #[test]
    fn an_early_end_is_told_with_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell("echo out of cheese; exit 3", directory.path());
        let told = wait("the script to end", Duration::from_secs(20), || {
            process
                .check()
                .err()
                .map(|error| error.to_string())
                .ok_or("running".to_owned())
        });
        assert!(told.contains("a script ended (exit status: 3)"), "{told}");
        assert!(told.ends_with("out of cheese"), "{told}");
    }

    #[test]
    fn ends_as_it_likes_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let polite = "trap 'exit 7' TERM; echo set; while :; do sleep 0.01; done";
        let mut process = shell(polite, directory.path());
        wait("the trap", Duration::from_secs(20), || {
            let log = process.log_end();
            if log.ends_with("set") {
                Ok(())
            } else {
                Err(log)
            }
        });
        let status = process.terminate(Duration::from_secs(20)).unwrap();
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn survives_the_thread_that_asked_for_it_and_dies_on_drop() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_owned();
        let mut process = thread::spawn(move || shell("echo $$; exec sleep 600", &at))
            .join()
            .unwrap();
        let pid = wait("the pid", Duration::from_secs(20), || {
            let text = fs::read_to_string(directory.path().join("log")).unwrap();
            text.trim()
                .parse::<u32>()
                .map_err(|error| format!("{text:?}: {error}"))
        });
        process.check().unwrap();
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
