//! Keys for ssh, by the programs of OpenSSH: whoever reads the Secret uses its `ssh`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use tempfile::TempDir;

use super::read;
use crate::say;

/// How long a host may take to say its keys.
const SCAN_SECONDS: &str = "10";

#[derive(Args, Debug)]
#[command(next_help_heading = "Of ssh:// URLs")]
pub(super) struct KeyArgs {
    /// The private key; a new one is made otherwise
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// The algorithm of a new key
    #[arg(long, value_enum, default_value = "ecdsa")]
    ssh_key_algorithm: Algorithm,
    /// The curve of a new ECDSA key
    #[arg(long, value_enum, default_value = "p384")]
    ssh_ecdsa_curve: Curve,
    /// The bits of a new RSA key
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u16).range(2048..))]
    ssh_rsa_bits: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    Rsa,
    Ecdsa,
    Ed25519,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Curve {
    P256,
    P384,
    P521,
}

impl KeyArgs {
    pub(super) fn is_given(&self) -> bool {
        self.private_key_file.is_some()
    }

    /// The options of ssh-keygen for a new key.
    fn options(&self) -> [String; 4] {
        let (algorithm, bits) = match (self.ssh_key_algorithm, self.ssh_ecdsa_curve) {
            (Algorithm::Rsa, _) => ("rsa", self.ssh_rsa_bits),
            // All keys of this kind are of one size; the option is not read.
            (Algorithm::Ed25519, _) => ("ed25519", 256),
            (Algorithm::Ecdsa, Curve::P256) => ("ecdsa", 256),
            (Algorithm::Ecdsa, Curve::P384) => ("ecdsa", 384),
            (Algorithm::Ecdsa, Curve::P521) => ("ecdsa", 521),
        };
        let bits = bits.to_string();
        ["-t", algorithm, "-b", &bits].map(str::to_owned)
    }
}

/// Everything that a connection over ssh needs.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) private: String,
    pub(super) public: String,
    pub(super) known_hosts: String,
}

/// The key that is given or a new one, and the keys that `[user@]host[:port]` shows.
pub(super) fn keys(args: &KeyArgs, authority: &str, passphrase: Option<&str>) -> Result<Keys> {
    let folder = tempfile::tempdir().context("cannot make a folder for the key")?;
    let file = folder.path().join("identity");
    let public = if let Some(given) = &args.private_key_file {
        let text = read(given)?;
        // A key without a final line break is none to OpenSSH, and one that others may read neither.
        let text = format!("{}\n", text.trim_end().replace('\r', ""));
        write(&file, &text, 0o600)?;
        public_half(&folder, &file, given, passphrase)?
    } else {
        ensure!(
            passphrase.is_none(),
            "a new key has no passphrase: leave --password out, or name the key by --private-key-file"
        );
        make(args, &file)?;
        read(&file.with_extension("pub"))?
    };
    Ok(Keys {
        private: read(&file)?,
        public,
        known_hosts: scan(authority)?,
    })
}

fn make(args: &KeyArgs, file: &Path) -> Result<()> {
    let mut program = Command::new("ssh-keygen");
    program
        .args(["-q", "-N", "", "-C", ""])
        .args(args.options());
    run(program.arg("-f").arg(file)).context("cannot make a key")?;
    Ok(())
}

/// The public half of a private key. A passphrase is on nobody's command line.
fn public_half(
    folder: &TempDir,
    file: &Path,
    given: &Path,
    passphrase: Option<&str>,
) -> Result<String> {
    let askpass = folder.path().join("askpass");
    write(
        &folder.path().join("passphrase"),
        passphrase.unwrap_or_default(),
        0o600,
    )?;
    write(
        &askpass,
        "#!/bin/sh\nexec cat \"${0%/*}/passphrase\"\n",
        0o700,
    )?;
    let mut program = Command::new("ssh-keygen");
    program
        .env("SSH_ASKPASS", askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .arg("-y")
        .arg("-f")
        .arg(file);
    let output = run(&mut program).with_context(|| {
        format!(
            "cannot read {} as a private key: check that it is whole, and say --password where it is encrypted",
            given.display()
        )
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The keys that a host shows to whoever asks. They are said, so that somebody can compare them.
fn scan(authority: &str) -> Result<String> {
    let place = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (place, "22"),
    };
    let host = host.trim_matches(['[', ']']);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    ensure!(
        !host.is_empty() && !host.starts_with('-') && host.bytes().all(is_host),
        "cannot read the host of --url: write ssh://git@host/path"
    );
    ensure!(
        port.parse::<u16>().is_ok(),
        "cannot read the port of --url: write ssh://git@host:22/path"
    );
    say::action(&format!("collecting the keys of host {host}"));
    let mut program = Command::new("ssh-keyscan");
    let scanned = run(program.args(["-T", SCAN_SECONDS, "-p", port, host]))
        .with_context(|| format!("cannot collect the keys of host {host}, port {port}"))?;
    let text = String::from_utf8_lossy(&scanned.stdout);
    let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    if lines.is_empty() {
        bail!("host {host} shows no keys on port {port}: is that an ssh server?");
    }
    let known_hosts = lines.join("\n") + "\n";
    for line in fingerprints(&known_hosts)?.lines() {
        say::success(line);
    }
    Ok(known_hosts)
}

fn fingerprints(known_hosts: &str) -> Result<String> {
    let folder = tempfile::tempdir().context("cannot make a folder for the keys")?;
    let file = folder.path().join("known_hosts");
    write(&file, known_hosts, 0o600)?;
    let output = run(Command::new("ssh-keygen").args(["-l", "-f"]).arg(&file))
        .context("cannot read the keys of the host")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(program: &mut Command) -> Result<Output> {
    let name = program.get_program().to_string_lossy().into_owned();
    let output = program
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be started: install openssh-client"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

fn write(file: &Path, text: &str, mode: u32) -> Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file);
    made.and_then(|mut made| made.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: KeyArgs,
    }

    #[test]
    fn a_new_key_is_of_the_kind_that_is_asked_for() {
        for (line, kind) in [
            ("", "ecdsa-sha2-nistp384 "),
            ("--ssh-ecdsa-curve p521", "ecdsa-sha2-nistp521 "),
            ("--ssh-key-algorithm ed25519", "ssh-ed25519 "),
            ("--ssh-key-algorithm rsa", "ssh-rsa "),
        ] {
            let args = Line::parse_from(format!("key {line}").split_whitespace()).args;
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("identity");
            make(&args, &file).unwrap();
            let public = read(&file.with_extension("pub")).unwrap();
            assert!(public.starts_with(kind), "{line}: {public}");
        }
    }

    #[test]
    fn a_key_that_is_given_is_read_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let mut program = Command::new("ssh-keygen");
        let made = program.args(["-q", "-t", "ed25519", "-N", "hushhush", "-C", "", "-f"]);
        run(made.arg(&file)).unwrap();
        let read_with = |passphrase| {
            let other = tempfile::tempdir().unwrap();
            let found = public_half(&other, &file, &file, passphrase);
            found.map_err(|error| format!("{error:#}"))
        };
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        assert_eq!(read_with(Some("hushhush")).unwrap().trim(), public.trim());
        for passphrase in [None, Some("wrong")] {
            let error = read_with(passphrase).unwrap_err();
            assert!(error.contains("--password"), "{error}");
        }
    }

    #[test]
    fn a_host_that_is_none_is_not_asked() {
        for (authority, why) in [
            ("", "cannot read the host"),
            ("git@", "cannot read the host"),
            ("git@-oProxyCommand=x", "cannot read the host"),
            ("git@host name", "cannot read the host"),
            ("git@host:port", "cannot read the port"),
            ("git@host:70000", "cannot read the port"),
        ] {
            let error = scan(authority).unwrap_err().to_string();
            assert!(error.contains(why), "{authority}: {error}");
        }
    }
}
