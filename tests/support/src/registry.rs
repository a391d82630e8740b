//! A real registry on loopback: CNCF distribution, filled by the real helm, or by curl as `flux push artifact` does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::charts::helm;
use crate::process::Process;
use crate::{Authority, tools, wait};

const START_MAX: Duration = Duration::from_secs(30);
/// The user and the password that a guarded registry lets in, and how it knows them.
const USER: &str = "fluvial";
const PASSWORD: &str = "s3cr3t";
const PASSWORD_BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuu9Avu/WgbsK7g7xfCY1X3pdjsTgxqQLS";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
/// What `flux push artifact` calls its only layer.
const CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

/// A running registry. Killed on drop.
#[derive(Debug)]
pub struct Registry {
    /// Dropped before the directory is.
    _process: Process,
    directory: TempDir,
    port: u16,
    is_guarded: bool,
}

impl Registry {
    /// Starts an empty registry that speaks plain HTTP with everybody.
    pub fn start() -> Result<Self> {
        Self::start_in(TempDir::with_prefix("registry-"), false, "", "")
    }

    /// Starts an empty registry that speaks HTTPS, with a certificate of `authority`, with who logs in as
    /// [`login`](Self::login) says.
    pub fn start_guarded(authority: &Authority) -> Result<Self> {
        let directory = TempDir::with_prefix("registry-").context("cannot make a directory")?;
        let at = directory.path().display().to_string();
        authority.server(&[])?.write(directory.path(), "server")?;
        for (file, text) in [
            ("users", format!("{USER}:{PASSWORD_BCRYPT}\n")),
            ("ca.crt", authority.certificate().to_owned()),
        ] {
            fs::write(directory.path().join(file), text)
                .with_context(|| format!("cannot write {file}"))?;
        }
        let tls = format!(", tls: {{certificate: '{at}/server.crt', key: '{at}/server.key'}}");
        let auth = format!("auth: {{htpasswd: {{realm: tests, path: '{at}/users'}}}}\n");
        Self::start_in(Ok(directory), true, &tls, &auth)
    }

    fn start_in(
        directory: std::io::Result<TempDir>,
        is_guarded: bool,
        http: &str,
        more: &str,
    ) -> Result<Self> {
        let directory = directory.context("cannot make a directory")?;
        let at = directory.path();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?
            .port();
        let config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             http: {{addr: '127.0.0.1:{port}'{http}}}\n{more}",
            at.join("storage").display()
        );
        let file = at.join("config.yaml");
        fs::write(&file, config).context("cannot write the registry's configuration")?;
        let program = tools::program("registry")?;
        let args = ["serve".to_owned(), file.display().to_string()];
        let mut process = Process::start("registry", &program, args, &at.join("registry.log"))?;
        wait("the registry to listen", START_MAX, || {
            process.check().map_err(|error| error.to_string())?;
            TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        });
        Ok(Self {
            _process: process,
            directory,
            port,
            is_guarded,
        })
    }

    /// The user and the password that a guarded registry lets in.
    pub fn login() -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// `127.0.0.1` and its port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where the repository `name` is, as `oci://…`.
    pub fn url(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.host())
    }

    /// Pushes a packed chart into `folder` as `helm push` does: its name and its version say where there.
    pub fn push_chart(&self, archive: &Path, folder: &str) -> Result<()> {
        let archive = archive.display().to_string();
        helm(&["push", "--plain-http", &archive, &self.url(folder)]).map(drop)
    }

    /// Pushes files under a tag as `flux push artifact` does, and returns the digest of the manifest.
    pub fn push(
        &self,
        name: &str,
        tag: &str,
        files: &[(&str, &str)],
        annotations: &Value,
    ) -> Result<String> {
        self.push_layers(name, tag, &[(CONTENT, &packed(files)?)], annotations)
    }

    /// Pushes layers (media types and bytes) under a tag, and returns the digest of the manifest.
    pub fn push_layers(
        &self,
        name: &str,
        tag: &str,
        layers: &[(&str, &[u8])],
        annotations: &Value,
    ) -> Result<String> {
        let described = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()});
        let mut all = Vec::new();
        for (media_type, bytes) in layers {
            self.push_blob(name, bytes)?;
            all.push(described(media_type, bytes));
        }
        self.push_blob(name, b"{}")?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(CONFIG, b"{}"),
            "layers": all,
            "annotations": annotations,
        });
        let manifest = manifest.to_string().into_bytes();
        let header = format!("Content-Type: {MANIFEST}");
        let target = self.target(&format!("{name}/manifests/{tag}"));
        self.put(&target, &["--header", &header], &manifest)?;
        Ok(digest(&manifest))
    }

    fn push_blob(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let begin = self.target(&format!("{name}/blobs/uploads/"));
        let headers = self.curl(&["--request", "POST", "--dump-header", "-", &begin])?;
        let location = headers.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key.eq_ignore_ascii_case("location")).then(|| value.trim().to_owned())
        });
        let location = location.context("cannot push: the registry names no place to upload to")?;
        self.put(&format!("{location}&digest={}", digest(bytes)), &[], bytes)
    }

    fn put(&self, target: &str, more: &[&str], bytes: &[u8]) -> Result<()> {
        let file = self.directory.path().join("upload");
        fs::write(&file, bytes).context("cannot write what is to be uploaded")?;
        let file = file.display().to_string();
        let args = ["--upload-file", &file, target];
        self.curl(&[more, &args].concat()).map(drop)
    }

    fn target(&self, path: &str) -> String {
        let scheme = if self.is_guarded { "https" } else { "http" };
        format!("{scheme}://{}/v2/{path}", self.host())
    }

    fn curl(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        if self.is_guarded {
            let authority = self.directory.path().join("ca.crt");
            command.arg("--cacert").arg(authority);
            command.args(["--user", &format!("{USER}:{PASSWORD}")]);
        }
        let output = command.args(args).output().context("cannot run curl")?;
        ensure!(
            output.status.success(),
            "cannot run curl {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).context("cannot read what curl printed")
    }
}

/// A gzipped tar of these files, made by the real tar.
fn packed(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let directory = TempDir::with_prefix("artifact-").context("cannot make a directory")?;
    for (file, text) in files {
        let path = directory.path().join(file);
        let parent = path.parent().unwrap_or(directory.path());
        fs::create_dir_all(parent).context("cannot make a directory")?;
        fs::write(&path, text).with_context(|| format!("cannot write {file}"))?;
    }
    let output = Command::new("tar")
        .args(["--create", "--gzip", "--file", "-", "--directory"])
        .arg(directory.path())
        .arg(".")
        .output()
        .context("cannot run tar")?;
    ensure!(
        output.status.success(),
        "cannot pack an artifact: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}
