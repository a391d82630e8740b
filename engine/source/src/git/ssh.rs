//! Git over the `ssh` program.
//!
//! The program sees only what is given here: no configuration file, no agent, no known hosts but the
//! request's. Key and known hosts live in a private folder for as long as the connection does.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use gix_transport::Protocol;
use gix_transport::client::blocking_io::Transport;
use gix_transport::client::git::{ConnectMode, blocking_io::Connection};
use tempfile::TempDir;

use super::context::{Bounded, Context, locked};
use crate::address::Address;
use crate::{Credentials, Error, Secret};

/// What the program prints is read to its end, and kept up to here.
const STDERR_BYTES_MAX: u64 = 16 << 10;

/// Starts `ssh`; the conversation follows when the result is used.
pub(super) fn open(
    address: &Address,
    credentials: &Credentials,
    context: &Arc<Context>,
) -> Result<Box<dyn Transport + Send>, Error> {
    let Credentials::Ssh {
        identity,
        known_hosts,
        password,
    } = credentials
    else {
        return Err(Error::Credentials {
            why: "an ssh:// URL needs an SSH key".to_owned(),
        });
    };
    let path = address.ssh_path().ok_or_else(|| Error::Url {
        url: context.url.clone(),
        why: "its path is malformed".to_owned(),
    })?;
    let failed = |error: io::Error| Error::Credentials {
        why: format!("the key cannot be laid out for the ssh program: {error}"),
    };
    let folder = lay_out(identity, known_hosts, password.as_ref()).map_err(failed)?;
    let seconds = context
        .remaining()
        .ok_or_else(|| context.timed_out())?
        .as_secs()
        .clamp(1, 30);
    let mut child = command(address, &path, folder.path(), password.is_some(), seconds)
        .spawn()
        .map_err(|error| Error::Unreachable {
            url: context.url.clone(),
            why: format!("the ssh program cannot be started ({error}); install openssh-client"),
        })?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::Unreachable {
            url: context.url.clone(),
            why: "the ssh program has no standard streams".to_owned(),
        });
    };
    let process = Process::watch(child, stderr, folder, context)?;
    let reader = Bounded::new(
        Output {
            stdout,
            _process: process,
        },
        Arc::clone(context),
    );
    Ok(Box::new(Connection::new(
        reader,
        stdin,
        Protocol::V2,
        path,
        None::<(String, _)>,
        ConnectMode::Process,
        false,
    )))
}

/// Writes the files that `ssh` reads, for this user's eyes only.
fn lay_out(identity: &Secret, known_hosts: &str, password: Option<&Secret>) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("fluvial-ssh-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()?;
    let write = |name: &str, text: &str, mode: u32| -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(folder.path().join(name))?;
        file.write_all(text.as_bytes())
    };
    // A key without a final line break is "invalid format" to OpenSSH.
    write(
        "identity",
        &format!("{}\n", identity.expose().trim_end().replace('\r', "")),
        0o600,
    )?;
    write("known_hosts", known_hosts, 0o600)?;
    if let Some(password) = password {
        write("passphrase", password.expose(), 0o600)?;
        write(
            "askpass",
            "#!/bin/sh\nexec cat \"${0%/*}/passphrase\"\n",
            0o700,
        )?;
    }
    Ok(folder)
}

fn command(
    address: &Address,
    path: &str,
    folder: &Path,
    encrypted: bool,
    connect_seconds: u64,
) -> Command {
    let mut command = Command::new("ssh");
    command.env_clear();
    if let Some(programs) = std::env::var_os("PATH") {
        command.env("PATH", programs);
    }
    command.env("GIT_PROTOCOL", "version=2").env("LC_ALL", "C");
    if encrypted {
        command
            .env("SSH_ASKPASS", folder.join("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env("DISPLAY", "none");
    }
    command.args(["-F", "/dev/null", "-T"]);
    let option = |command: &mut Command, name: &str, value: &str| {
        command.arg("-o").arg(format!("{name}={value}"));
    };
    // Batch mode would keep the passphrase from being asked for; nothing else can be.
    option(
        &mut command,
        "BatchMode",
        if encrypted { "no" } else { "yes" },
    );
    option(&mut command, "NumberOfPasswordPrompts", "1");
    for (name, file) in [
        ("IdentityFile", "identity"),
        ("UserKnownHostsFile", "known_hosts"),
    ] {
        option(
            &mut command,
            name,
            &format!("\"{}\"", folder.join(file).display()),
        );
    }
    option(&mut command, "ConnectTimeout", &connect_seconds.to_string());
    for setting in [
        "CheckHostIP=no",
        "ClearAllForwardings=yes",
        "ControlMaster=no",
        "ControlPath=none",
        "ForwardAgent=no",
        "GSSAPIAuthentication=no",
        "GlobalKnownHostsFile=/dev/null",
        "HostbasedAuthentication=no",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "KbdInteractiveAuthentication=no",
        "LogLevel=ERROR",
        "PasswordAuthentication=no",
        "PermitLocalCommand=no",
        "PreferredAuthentications=publickey",
        "ProxyCommand=none",
        "SendEnv=GIT_PROTOCOL",
        "ServerAliveCountMax=3",
        "ServerAliveInterval=10",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
    ] {
        command.args(["-o", setting]);
    }
    if let Some(port) = address.url.port() {
        command.args(["-p", &port.to_string()]);
    }
    // Flux's default, as every forge's.
    command.args(["-l", address.username.as_deref().unwrap_or("git")]);
    command.args(["--", address.host.trim_matches(['[', ']'])]);
    command.arg(format!("git-upload-pack {}", quoted(path)));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// In single quotes, for the shell at the other end.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// The running program. It does not outlive the connection, nor the operation's time.
struct Process {
    child: Arc<Mutex<Child>>,
    stderr: Option<JoinHandle<String>>,
    context: Arc<Context>,
    /// Dropping it lets the watch end.
    _stop: mpsc::Sender<()>,
    _folder: TempDir,
}

impl Process {
    fn watch(
        child: Child,
        stderr: std::process::ChildStderr,
        folder: TempDir,
        context: &Arc<Context>,
    ) -> Result<Self, Error> {
        let remaining = context.remaining().ok_or_else(|| context.timed_out())?;
        let child = Arc::new(Mutex::new(child));
        let (stop, stopped) = mpsc::channel::<()>();
        let watched = Arc::clone(&child);
        thread::spawn(move || {
            if matches!(
                stopped.recv_timeout(remaining),
                Err(mpsc::RecvTimeoutError::Timeout)
            ) {
                end(&watched);
            }
        });
        Ok(Self {
            child,
            stderr: Some(thread::spawn(move || read_stderr(stderr))),
            context: Arc::clone(context),
            _stop: stop,
            _folder: folder,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&self.child);
        if let Some(text) = self.stderr.take().and_then(|reader| reader.join().ok()) {
            self.context.set_stderr(text);
        }
    }
}

/// Kills and reaps; a program that ended before is only reaped.
fn end(child: &Mutex<Child>) {
    let mut child = locked(child);
    child
        .kill()
        .and_then(|()| child.wait().map(drop))
        .unwrap_or(());
}

fn read_stderr(mut stderr: std::process::ChildStderr) -> String {
    let mut text = Vec::new();
    let kept = (&mut stderr).take(STDERR_BYTES_MAX).read_to_end(&mut text);
    let rest = io::copy(&mut stderr, &mut io::sink());
    match kept.and(rest.map(drop).map(|()| 0)) {
        Ok(_) | Err(_) => String::from_utf8_lossy(&text).into_owned(),
    }
}

struct Output {
    stdout: ChildStdout,
    _process: Process,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_for_the_remote_shell() {
        for (path, word) in [
            ("/a", "'/a'"),
            ("/a b;id", "'/a b;id'"),
            ("/it's", r"'/it'\''s'"),
            ("/$(id)", "'/$(id)'"),
        ] {
            assert_eq!(quoted(path), word);
        }
    }
}
