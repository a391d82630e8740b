//! A place that has Helm charts, on loopback: a web server with the index that the real helm wrote.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::tools;

/// A web server with charts, each packed by `helm package`. Its threads end with the process.
#[derive(Debug)]
pub struct ChartRepository {
    directory: TempDir,
    address: SocketAddr,
}

impl ChartRepository {
    /// Starts a server whose index has nothing in it.
    pub fn start() -> Result<Self> {
        let directory = TempDir::with_prefix("charts-").context("cannot make a directory")?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr().context("cannot read an address")?;
        let served = directory.path().join("served");
        fs::create_dir(&served).context("cannot make a directory")?;
        let this = Self { directory, address };
        this.index()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                // A client that breaks off is its own affair.
                thread::spawn(move || serve(&stream, &served).unwrap_or_default());
            }
        });
        Ok(this)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Packs the chart of these files, puts it on the shelf, and returns where the archive is.
    pub fn publish(&self, files: &[(&str, String)]) -> Result<PathBuf> {
        let chart = TempDir::with_prefix_in("chart-", self.directory.path())
            .context("cannot make a directory")?;
        for (file, contents) in files {
            let path = chart.path().join(file);
            let parent = path.parent().unwrap_or(chart.path());
            fs::create_dir_all(parent).context("cannot make a directory")?;
            fs::write(&path, contents)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        self.pack(chart.path(), &[])
    }

    /// Packs the chart in a directory as this version of it, puts it on the shelf, and returns where the
    /// archive is.
    pub fn publish_directory(&self, chart: &Path, version: &str) -> Result<PathBuf> {
        self.pack(chart, &["--version", version])
    }

    fn pack(&self, chart: &Path, how: &[&str]) -> Result<PathBuf> {
        let (served, chart) = (text(&self.served()), text(chart));
        let package = ["package", "--destination", &served, &chart];
        let printed = helm(&[&package, how].concat())?;
        self.index()?;
        let packed = printed.trim().rsplit(": ").next().unwrap_or_default();
        Ok(PathBuf::from(packed))
    }

    fn served(&self) -> PathBuf {
        self.directory.path().join("served")
    }

    fn index(&self) -> Result<()> {
        helm(&["repo", "index", &text(&self.served())]).map(drop)
    }
}

/// Runs the real helm and returns what it printed; an error has what it complained of.
pub(crate) fn helm(args: &[&str]) -> Result<String> {
    let output = Command::new(tools::program("helm")?)
        .args(args)
        .output()
        .context("cannot run helm")?;
    ensure!(
        output.status.success(),
        "cannot run helm {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("cannot read what helm printed")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Answers one question for a file.
fn serve(mut stream: &TcpStream, served: &Path) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let name = target.trim_start_matches('/');
    let file = Some(served.join(name)).filter(|_| !name.contains(['/', '?']));
    let (status, body) = match file.and_then(|file| fs::read(file).ok()) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    Ok(())
}
