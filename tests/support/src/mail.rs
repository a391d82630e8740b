//! A real mail server on loopback: Debian's exim4, which takes mail over STARTTLS from who logs in and
//! puts it into a Maildir.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::certificates::write;
use crate::{Authority, Process, wait};

const EXIM: &str = "/usr/sbin/exim4";
/// The user and the password that it lets in.
const USER: &str = "fluvial";
const PASSWORD: &str = "correct horse battery staple";
const START_MAX: Duration = Duration::from_secs(30);

/// A running exim. Killed on drop.
#[derive(Debug)]
pub struct MailServer {
    /// Dropped before the directory is.
    _process: Process,
    directory: TempDir,
    authority: Authority,
    port: u16,
}

impl MailServer {
    /// Starts exim with a certificate that only [`authority`](Self::authority) vouches for.
    pub fn start() -> Result<Self> {
        let directory = TempDir::with_prefix("mail-").context("cannot make a directory")?;
        let at = directory.path();
        let authority = Authority::new("mail")?;
        authority.server(&[])?.write(at, "server")?;
        for folder in ["spool", "log", "mail"] {
            fs::create_dir(at.join(folder)).context("cannot make a directory")?;
        }
        // A copy is not set-user-id: it stays who starts it, and dies with who started it.
        let exim = at.join("exim");
        fs::copy(EXIM, &exim).context("cannot copy exim4 (of the package exim4-daemon-light)")?;
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?
            .port();
        let (user, group) = identity()?;
        let config = at.join("exim.conf");
        write(&config, &configuration(at, port, &user, &group))?;
        let mut args = Vec::new();
        if output("id", &["-u"])? == "0" {
            // exim refuses to deliver as root.
            run("chown", &["-R", "nobody:nogroup", &text(at)])?;
            fs::set_permissions(at, fs::Permissions::from_mode(0o755))
                .context("cannot open a directory")?;
            for word in [
                "--reuid",
                "nobody",
                "--regid",
                "nogroup",
                "--clear-groups",
                "--pdeathsig",
                "KILL",
            ] {
                args.push(word.to_owned());
            }
        }
        args.extend([
            text(&exim),
            "-C".to_owned(),
            text(&config),
            "-bdf".to_owned(),
        ]);
        let mut process = Process::start("exim", Path::new("setpriv"), args, &at.join("exim.log"))?;
        wait("exim to listen", START_MAX, || {
            process.check().map_err(|error| error.to_string())?;
            TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        });
        Ok(Self {
            _process: process,
            directory,
            authority,
            port,
        })
    }

    /// `localhost` and its port, as in `smtp://localhost:2525`.
    pub fn url(&self) -> String {
        format!("smtp://localhost:{}", self.port)
    }

    /// Who vouches for it.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The user and the password that it lets in.
    pub fn login() -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// Every mail that was delivered, as it is on disk.
    pub fn mails(&self) -> Result<Vec<String>> {
        let folder = self.directory.path().join("mail/new");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let files = fs::read_dir(folder).context("cannot read the Maildir")?;
        let mut paths: Vec<PathBuf> = files
            .map(|file| file.map(|it| it.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        let read = |path: &PathBuf| fs::read_to_string(path).context("cannot read a mail");
        paths.iter().map(read).collect()
    }
}

/// Whom exim runs as.
fn identity() -> Result<(String, String)> {
    match output("id", &["-u"])?.as_str() {
        "0" => Ok(("nobody".to_owned(), "nogroup".to_owned())),
        user => Ok((user.to_owned(), output("id", &["-g"])?)),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn run(program: &str, args: &[&str]) -> Result<()> {
    output(program, args).map(drop)
}

fn configuration(at: &Path, port: u16, user: &str, group: &str) -> String {
    let at = text(at);
    format!(
        "exim_path = {at}/exim
exim_user = {user}
exim_group = {group}
primary_hostname = localhost
spool_directory = {at}/spool
log_file_path = {at}/log/%slog
pid_file_path = {at}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {at}/server.crt
tls_privatekey = {at}/server.key
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = rcpt
deliver_drop_privilege = true
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
begin acl
rcpt:
  require authenticated = *
  accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  directory = {at}/mail
  maildir_format
  create_directory
"
    )
}
