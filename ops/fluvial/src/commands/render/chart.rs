//! A chart on disk: a directory or a packaged chart.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fluvial_helm::Chart;
use fluvial_helm::ignore::Rules;
use fluvial_manifest::{Entry, Tree};

/// helm v4.3.1: `archive.MaxDecompressedChartSize`.
const CHART_BYTES_MAX: u64 = 100 << 20;

/// Directories inside each other; links can make loops of them.
const DEPTH_MAX: usize = 64;

/// Reads a chart. In a directory links are followed wherever they lead, as helm follows them: it is the
/// disk of who calls.
pub(crate) fn read(path: &Path) -> Result<Chart> {
    let shown = path.display();
    if path.is_file() {
        let archive = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        return Ok(Chart::from_archive(&archive)?);
    }
    if !path.is_dir() {
        bail!(
            "cannot find the chart {shown}: there is no such directory or file; repositories are not asked"
        );
    }
    let rules = fs::read_to_string(path.join(".helmignore")).unwrap_or_default();
    let mut reader = Reader {
        tree: Tree::new(),
        rules: Rules::read(&rules)?,
        bytes_left: CHART_BYTES_MAX,
    };
    reader
        .directory(path, "", 0)
        .with_context(|| format!("cannot read the chart {shown}"))?;
    Ok(Chart::from_tree(&reader.tree, "")?)
}

struct Reader {
    tree: Tree,
    rules: Rules,
    bytes_left: u64,
}

impl Reader {
    fn directory(&mut self, directory: &Path, inside: &str, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            bail!("more than {DEPTH_MAX} directories are inside each other at {inside}");
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                bail!("the name of {} is not UTF-8", path.display());
            };
            let inside = match inside {
                "" => name.to_owned(),
                inside => format!("{inside}/{name}"),
            };
            let metadata = fs::metadata(&path).with_context(|| inside.clone())?;
            // git's own files are no part of a chart, whatever `.helmignore` says.
            if name == ".git" || self.rules.ignores(&inside, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() {
                self.directory(&path, &inside, depth + 1)?;
                continue;
            }
            if !metadata.is_file() {
                bail!("{inside} is neither a file nor a directory");
            }
            let Some(left) = self.bytes_left.checked_sub(metadata.len()) else {
                bail!("it has more than {CHART_BYTES_MAX} bytes; `.helmignore` leaves files out");
            };
            self.bytes_left = left;
            let bytes = fs::read(&path).with_context(|| inside.clone())?;
            self.tree.insert(&inside, Entry::file(bytes))?;
        }
        Ok(())
    }
}
