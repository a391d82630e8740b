//! An OpenSSH server on loopback that serves git repositories to one key.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::Repository;
use crate::certificates::write;
use crate::process::Process;

/// How long sshd may take until it listens.
const START_MAX: Duration = Duration::from_secs(30);
/// How long to leave between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// A running sshd that lets one key in, as the user who runs the test. Killed on drop.
#[derive(Debug)]
pub struct SshServer {
    /// Dropped before the directory is.
    _process: Process,
    directory: TempDir,
    user: String,
    port: u16,
    identity: String,
    known_hosts: String,
}

impl SshServer {
    /// Starts sshd with new host and client keys.
    pub fn start() -> Result<Self> {
        let directory = TempDir::with_prefix("ssh-").context("cannot make a directory")?;
        let at = directory.path();
        let host = key(at, "host")?;
        let client = key(at, "client")?;
        write(&at.join("authorized_keys"), &client)?;
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?
            .port();
        let user = user()?;
        write(&at.join("sshd_config"), &configuration(at, &user, port))?;
        if user == "root" {
            // Compiled into sshd, which refuses to start as root without it.
            fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
        }
        let config = at.join("sshd_config").display().to_string();
        let mut process = Process::start(
            "sshd",
            // sshd starts itself anew for each connection, and so wants its absolute path.
            Path::new("/usr/sbin/sshd"),
            ["-D", "-e", "-f", &config],
            &at.join("sshd.log"),
        )?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            process
                .check()
                .context("cannot start sshd (of the package openssh-server)")?;
            if start.elapsed() > START_MAX {
                bail!(
                    "sshd did not listen in {START_MAX:?}; {}",
                    process.log_end()
                );
            }
            thread::sleep(PAUSE);
        }
        let identity = fs::read_to_string(at.join("client")).context("cannot read the key")?;
        let known_hosts = format!("[127.0.0.1]:{port} {host}");
        Ok(Self {
            _process: process,
            directory,
            user,
            port,
            identity,
            known_hosts,
        })
    }

    /// Where a client finds this repository.
    pub fn url(&self, repository: &Repository) -> String {
        format!(
            "ssh://{}@127.0.0.1:{}{}",
            self.user,
            self.port,
            repository.path().display()
        )
    }

    /// The repository of this name, made on first use in the server's own directory.
    pub fn repository(&self, name: &str) -> Result<Repository> {
        Repository::open(&self.directory.path().join(format!("{name}.git")))
    }

    /// The private key that is let in, in OpenSSH's format (ed25519).
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The line of `known_hosts` that the server's key matches.
    pub fn known_hosts(&self) -> &str {
        &self.known_hosts
    }
}

fn configuration(directory: &Path, user: &str, port: u16) -> String {
    let at = directory.display();
    format!(
        "ListenAddress 127.0.0.1\n\
         Port {port}\n\
         HostKey {at}/host\n\
         PidFile none\n\
         AuthorizedKeysFile {at}/authorized_keys\n\
         AllowUsers {user}\n\
         PermitRootLogin prohibit-password\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UsePAM no\n\
         StrictModes no\n\
         AcceptEnv GIT_PROTOCOL\n"
    )
}

/// Makes a key pair and returns the public line without its comment.
fn key(directory: &Path, name: &str) -> Result<String> {
    let path = directory.join(name);
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(&path)
        .output()
        .context("cannot start ssh-keygen (of the package openssh-client)")?;
    ensure!(
        output.status.success(),
        "cannot make an ssh key: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let public = fs::read_to_string(path.with_extension("pub")).context("cannot read the key")?;
    Ok(format!("{}\n", public.trim()))
}

fn user() -> Result<String> {
    let output = Command::new("id")
        .arg("-un")
        .output()
        .context("cannot ask who runs the test")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lets_its_key_in_and_is_the_known_host() {
        let server = SshServer::start().unwrap();
        let repository = server.repository("app").unwrap();
        let commit = repository.commit("main", "One", &[("a", "1")]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let identity = directory.path().join("identity");
        write(&identity, server.identity()).unwrap();
        fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
        let hosts = directory.path().join("known_hosts");
        let ls_remote = |known: &str| {
            write(&hosts, known).unwrap();
            let ssh = format!(
                "ssh -F none -i {} -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o BatchMode=yes",
                identity.display(),
                hosts.display()
            );
            let args = ["ls-remote", &server.url(&repository)];
            Command::new("git")
                .args(args)
                .env("GIT_SSH_COMMAND", ssh)
                .output()
                .unwrap()
        };
        let output = ls_remote(server.known_hosts());
        assert!(output.stdout.starts_with(commit.as_bytes()), "{output:?}");
        let refused = String::from_utf8(ls_remote("").stderr).unwrap();
        assert!(
            refused.contains("Host key verification failed"),
            "{refused}"
        );
    }
}
