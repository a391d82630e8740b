//! A packaged chart: a gzipped tar with one directory in it.

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::{Error, File};

/// helm v4.3.1: `archive.MaxDecompressedChartSize`.
pub(crate) const CHART_BYTES_MAX: u64 = 100 << 20;

/// Files in one chart, those of the charts in it included.
pub(crate) const FILES_MAX: usize = 20_000;

/// What may still be read of a chart; the charts in it share it.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    files: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: CHART_BYTES_MAX,
            files: FILES_MAX,
        }
    }
}

impl Budget {
    /// Takes one file of so many bytes.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            Error::Limit(format!(
                "it is larger than {CHART_BYTES_MAX} bytes when it is unpacked"
            ))
        })?;
        self.files = self
            .files
            .checked_sub(1)
            .ok_or_else(|| Error::Limit(format!("it has more than {FILES_MAX} files")))?;
        Ok(())
    }
}

/// The files of an archive, without the directory that they are in.
pub(crate) fn unpack(archive: &[u8], budget: &mut Budget) -> Result<Vec<File>, Error> {
    let broken = |error: io::Error| Error::chart(format!("it is no packaged chart: {error}"));
    let unzipped = MultiGzDecoder::new(archive).take(budget.bytes + (32 << 20));
    let mut files = Vec::new();
    for entry in tar::Archive::new(unzipped).entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        let whole = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_dir() || whole.ends_with('/') || kind.is_pax_global_extensions() {
            continue;
        }
        let name = inside(&whole)?;
        let size = entry.size();
        budget.take(size)?;
        let mut bytes = Vec::new();
        entry.take(size).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(Error::chart(format!("{name} is cut short in the archive")));
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let data = Arc::from(text);
        files.push(File { name, data });
    }
    if files.is_empty() {
        return Err(Error::chart("no files in chart archive"));
    }
    Ok(files)
}

/// A path without its first part; one that leads elsewhere is refused, as helm refuses it.
fn inside(whole: &str) -> Result<String, Error> {
    let windows = whole.replace('\\', "/");
    let (first, rest) = windows.split_once('/').unwrap_or((&windows, ""));
    if rest.starts_with('/') {
        return Err(Error::chart("chart illegally contains absolute paths"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(Error::chart("chart illegally references parent directory"));
                }
            }
            name => parts.push(name),
        }
    }
    if first == "Chart.yaml" {
        return Err(Error::chart("chart yaml not in base directory"));
    }
    let drive = parts
        .first()
        .is_some_and(|part| part.len() == 2 && part.ends_with(':'));
    if parts.is_empty() || parts.iter().any(|part| part.contains('\0')) || drive {
        return Err(Error::chart(format!(
            "chart illegally contains content outside the base directory: {whole:?}"
        )));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_the_chart() {
        for (path, expected) in [
            ("chart/Chart.yaml", Some("Chart.yaml")),
            ("chart/templates/./a.yaml", Some("templates/a.yaml")),
            ("chart\\templates\\a.yaml", Some("templates/a.yaml")),
            ("./Chart.yaml", Some("Chart.yaml")),
            ("chart/../x", None),
            ("chart/a/../../x", None),
            ("chart//etc/passwd", None),
            ("/etc/passwd", Some("etc/passwd")),
            ("Chart.yaml", None),
            ("README.md", None),
            ("chart/c:/x", None),
        ] {
            assert_eq!(inside(path).ok().as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_budget_is_spent_to_the_last_byte_and_file() {
        let mut budget = Budget::default();
        assert!(budget.take(CHART_BYTES_MAX - 1).is_ok());
        assert!(budget.take(1).is_ok());
        assert!(budget.take(1).is_err());
        let mut budget = Budget::default();
        for _ in 0..FILES_MAX {
            assert!(budget.take(0).is_ok());
        }
        assert!(budget.take(0).is_err());
    }
}
