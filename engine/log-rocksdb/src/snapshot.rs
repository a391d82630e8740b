//! Snapshots: copies of the state that are used only where every byte of them, and the history they
//! were folded from, is as it was.
//!
//! A snapshot is a directory named by its offset, with a RocksDB checkpoint and a `manifest`:
//!
//! ```text
//! fluvial-snapshot 1
//! format <how the values are written>
//! applied <offset> sha256:<hash of that record>
//! file <name> sha256:<digest>
//! digest sha256:<of the lines above>
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fluvial_event::{Digest, Offset};
use fluvial_log::{Applied, Error, EventLog, Result, belongs};

use crate::data::{Data, remove};
use crate::state::RocksState;

const KEPT: usize = 2;
const MANIFEST: &str = "manifest";
const STATE: &str = "state";
const UNFINISHED: &str = "unfinished";

/// Takes a snapshot of `state`.
pub(crate) fn take(data: &Data, state: &RocksState, format: &str) -> Result<Applied> {
    let snapshots = data.snapshots_directory();
    let unfinished = snapshots.join(UNFINISHED);
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).map_err(doing)?;
    let applied = state.checkpoint(&unfinished.join(STATE))?;
    let manifest = manifest(format, applied, &digests(&unfinished.join(STATE))?);
    fs::write(unfinished.join(MANIFEST), manifest).map_err(doing)?;
    let finished = snapshots.join(applied.offset.to_string());
    remove(&finished)?;
    fs::rename(&unfinished, &finished).map_err(doing)?;
    for (_, old) in list(data)?.iter().rev().skip(KEPT) {
        remove(old)?;
    }
    Ok(applied)
}

/// Puts the newest snapshot that is whole, of `format` and of the history in `log` in the place of
/// the state, which must not be there. Answers how far it goes; `None` where none fits.
pub(crate) fn restore(data: &Data, log: &dyn EventLog, format: &str) -> Result<Option<Applied>> {
    for snapshot in list(data)?.values().rev() {
        if let Some(applied) = whole(snapshot, format)
            && belongs(log, applied).is_ok()
        {
            copy(&snapshot.join(STATE), &data.state_directory())?;
            return Ok(Some(applied));
        }
    }
    Ok(None)
}

/// How far the snapshot in `directory` goes; `None` unless it is as it was taken, and of `format`.
fn whole(directory: &Path, format: &str) -> Option<Applied> {
    let found = fs::read_to_string(directory.join(MANIFEST)).ok()?;
    let line = found.lines().nth(2)?.strip_prefix("applied ")?;
    let (offset, hash) = line.split_once(' ')?;
    let applied = Applied {
        offset: Offset(offset.parse().ok()?),
        hash: hash.parse().ok()?,
    };
    let digests = digests(&directory.join(STATE)).ok()?;
    (found == manifest(format, applied, &digests)).then_some(applied)
}

fn manifest(format: &str, applied: Applied, files: &BTreeMap<String, Digest>) -> String {
    let Applied { offset, hash } = applied;
    let mut text = format!("fluvial-snapshot 1\nformat {format}\napplied {offset} {hash}\n");
    for (name, digest) in files {
        writeln!(text, "file {name} {digest}").expect("a string takes what is written to it");
    }
    let digest = Digest::of(text.as_bytes());
    text + &format!("digest {digest}\n")
}

/// The digest of every file in `directory`, a part at a time.
fn digests(directory: &Path) -> Result<BTreeMap<String, Digest>> {
    let mut digests = BTreeMap::new();
    for path in files(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = fs::read(&path).map_err(doing)?;
        digests.insert(name.into_owned(), Digest::of(&bytes));
    }
    Ok(digests)
}

/// Copies all files, and lets them appear in their place at once.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let unfinished = to.with_extension(UNFINISHED);
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).map_err(doing)?;
    for path in files(from)? {
        fs::copy(&path, unfinished.join(path.file_name().unwrap_or_default())).map_err(doing)?;
    }
    fs::rename(&unfinished, to).map_err(doing)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(doing)
}

/// The snapshots that are finished, by offset.
fn list(data: &Data) -> Result<BTreeMap<u64, PathBuf>> {
    let directory = data.snapshots_directory();
    if !directory.exists() {
        return Ok(BTreeMap::new());
    }
    let offset = |path: &Path| path.file_name()?.to_str()?.parse().ok();
    let numbered = |path: PathBuf| Some((offset(&path)?, path));
    Ok(files(&directory)?
        .into_iter()
        .filter_map(numbered)
        .collect())
}

fn doing(error: std::io::Error) -> Error {
    Error::storage("handle a snapshot", error)
}
