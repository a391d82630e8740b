//! A small file system of its own: a disk that can be full, or read-only.
//!
//! It is a tmpfs in a mount namespace that a shell keeps open, so that nothing is left behind whatever
//! becomes of the test. Others reach it through `/proc`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

/// What the shell does: mounts, says so, and then carries out one line after the other.
const SCRIPT: &str = r#"
    mount -t tmpfs -o "size=$1" tmpfs "$2" && echo ready || exit 1
    while read -r options; do mount -o "remount,$options" "$2" && echo done || echo failed; done"#;

/// A mounted file system. It is gone when this is dropped, with everything on it.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Volume {
    /// Makes a file system of so many bytes on the directory `on`, which is made. An error says that
    /// this machine does not let us: then what needs it cannot be tested here.
    pub fn mount(on: &Path, bytes: u64) -> Result<Self> {
        fs::create_dir_all(on).with_context(|| format!("cannot make {}", on.display()))?;
        let mut child = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                SCRIPT,
                "sh",
            ])
            .arg(bytes.to_string())
            .arg(on)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start unshare (of the package util-linux)")?;
        let path = format!("/proc/{}/root{}", child.id(), on.display()).into();
        let orders = child.stdin.take();
        let answers = child.stdout.take().context("the shell has no output")?;
        let mut shell = Shell {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        let said = shell.answer()?;
        ensure!(
            said == "ready",
            "cannot mount a file system of our own: it takes user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
             or a container that allows unshare and mount); a full disk CANNOT BE TESTED without"
        );
        let shell = Mutex::new(shell);
        Ok(Self { path, shell })
    }

    /// Where it is, for every program of this user.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing on it can be written; fails while a file is open for writing.
    pub fn read_only(&self) -> Result<()> {
        self.remount("ro")
    }

    /// It can be written again.
    pub fn writable(&self) -> Result<()> {
        self.remount("rw")
    }

    /// Leaves room for so many bytes; none while that is less than what is on it.
    pub fn leave_free(&self, bytes: u64) -> Result<()> {
        let used = self.used()?;
        self.remount(&format!("size={}", used + bytes))
    }

    /// Bytes that are taken, by whole blocks.
    pub fn used(&self) -> Result<u64> {
        // Not df, which looks for a mount that it can see.
        let output = Command::new("stat")
            .args(["--file-system", "--format=%S %b %f"])
            .arg(&self.path)
            .output()
            .context("cannot start stat (of the package coreutils)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers = text.split_whitespace().map(str::parse::<u64>);
        let numbers: Vec<_> = numbers.collect::<Result<_, _>>()?;
        let &[block, blocks, free] = numbers.as_slice() else {
            bail!("cannot read what stat says: {text:?}");
        };
        Ok(block * (blocks - free))
    }

    fn remount(&self, options: &str) -> Result<()> {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = shell.orders.as_mut().context("the volume is going away")?;
        writeln!(orders, "{options}").context("the shell of the volume has ended")?;
        let said = shell.answer()?;
        ensure!(said == "done", "cannot remount {options}: {said}");
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        // At the end of its orders the shell ends, and the file system goes with it.
        shell.orders = None;
        drop(shell.child.wait());
    }
}

impl Shell {
    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .context("cannot hear the shell of a volume")?;
        Ok(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_full_and_read_only_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let on = directory.path().join("volume");
        let volume = Volume::mount(&on, 1 << 20).unwrap();
        let file = volume.path().join("file");
        fs::write(&file, vec![1; 100 << 10]).unwrap();
        volume.leave_free(64 << 10).unwrap();
        let full = fs::write(volume.path().join("more"), vec![1; 100 << 10]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        volume.leave_free(100 << 10).unwrap();
        fs::write(volume.path().join("more"), vec![1; 100 << 10]).unwrap();
        volume.read_only().unwrap();
        let refused = fs::write(&file, "").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        volume.writable().unwrap();
        fs::remove_file(&file).unwrap();
        assert!(
            fs::read_dir(&on).unwrap().next().is_none(),
            "seen from here"
        );
        let path = volume.path().to_owned();
        drop(volume);
        assert!(!path.exists());
    }
}
