//! An artifact: a tree as a gzipped tar with the same bytes wherever and whenever it is packed.
//!
//! As Flux normalises: no owners, names or times; modes 0600, 0700 and 0750. Unlike Flux's, links are
//! kept, for whoever reads a [`Tree`] resolves them inside it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use fluvial_manifest::{Entry, Tree};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::{Error, Limits, hex};

/// What the header of a gzip file says when it was made on no system in particular.
const NO_SYSTEM: u8 = 255;

/// Packs a tree. Equal trees give equal bytes.
pub fn pack(tree: &Tree) -> Result<Vec<u8>, Error> {
    write(tree).map_err(|error| Error::Archive {
        why: format!("it cannot be written: {error}"),
    })
}

/// The digest of an archive's bytes, as artifacts carry it: `sha256:…`.
pub fn digest(archive: &[u8]) -> String {
    format!("sha256:{}", hex::encode(&Sha256::digest(archive)))
}

/// Reads an archive that anyone may have made. What is not a plain file, directory or symbolic link
/// under a normal path of its own, once, and within the limits, is refused.
pub fn unpack(archive: &[u8], limits: &Limits) -> Result<Tree, Error> {
    // Room for headers, padding and the end: a megabyte, and a kilobyte for every file.
    let bytes_max = limits.total_bytes_max + (1 << 20) + 1024 * limits.entries_max as u64;
    let unzipped = MultiGzDecoder::new(archive).take(bytes_max);
    let mut unpacker = Unpacker {
        limits,
        tree: Tree::new(),
        directories: BTreeSet::new(),
        total: 0,
    };
    let mut tar = tar::Archive::new(unzipped);
    let broken = |error: io::Error| Error::Archive {
        why: format!("it cannot be read: {error}"),
    };
    for (index, entry) in tar.entries().map_err(broken)?.enumerate() {
        if index >= limits.entries_max {
            let why = format!("it has more than {} entries", limits.entries_max);
            return Err(refuse("the archive", why));
        }
        unpacker.take(entry.map_err(broken)?)?;
    }
    Ok(unpacker.tree)
}

fn write(tree: &Tree) -> io::Result<Vec<u8>> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(NO_SYSTEM)
        .write(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    let mut directories: BTreeSet<&str> = BTreeSet::new();
    for (path, entry) in tree.iter() {
        for (end, _) in path.match_indices('/') {
            if directories.insert(&path[..end]) {
                let mut header = header(EntryType::Directory, 0o750, 0);
                tar.append_data(&mut header, format!("{}/", &path[..end]), io::empty())?;
            }
        }
        match entry {
            Entry::File { bytes, executable } => {
                let mode = if *executable { 0o700 } else { 0o600 };
                let mut header = header(EntryType::Regular, mode, bytes.len() as u64);
                tar.append_data(&mut header, path, bytes.as_ref())?;
            }
            Entry::Link { target } => {
                let mut header = header(EntryType::Symlink, 0o600, 0);
                tar.append_link(&mut header, path, target)?;
            }
        }
    }
    tar.into_inner()?.finish()
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

struct Unpacker<'a> {
    limits: &'a Limits,
    tree: Tree,
    directories: BTreeSet<String>,
    total: u64,
}

impl Unpacker<'_> {
    fn take<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), Error> {
        let raw = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&raw)
            .chars()
            .take(200)
            .collect::<String>();
        let shown = shown.escape_debug().to_string();
        if raw.len() > self.limits.path_bytes_max {
            let why = format!(
                "its path is longer than {} bytes",
                self.limits.path_bytes_max
            );
            return Err(refuse(&shown, why));
        }
        let Ok(written) = String::from_utf8(raw) else {
            return Err(refuse(&shown, "its name is not UTF-8".to_owned()));
        };
        check_size(&mut entry, &shown)?;
        // `./a` and `a/` are how tar itself writes `a`.
        let path = written.strip_prefix("./").unwrap_or(&written);
        let path = path.strip_suffix('/').unwrap_or(path);
        match entry.header().entry_type() {
            EntryType::Directory if path.is_empty() || path == "." => Ok(()),
            EntryType::Directory => self.directory(path, &shown),
            EntryType::Regular | EntryType::Continuous => {
                let mode = entry
                    .header()
                    .mode()
                    .map_err(|error| refuse(&shown, error.to_string()))?;
                if mode & 0o7000 != 0 {
                    return Err(refuse(
                        &shown,
                        format!("its mode {mode:o} raises privileges"),
                    ));
                }
                let bytes = self.bytes(&mut entry, &shown)?;
                self.insert(
                    path,
                    Entry::File {
                        bytes: bytes.into(),
                        executable: mode & 0o111 != 0,
                    },
                    &shown,
                )
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().map(Cow::into_owned);
                match target.map(String::from_utf8) {
                    Some(Ok(target)) if !target.is_empty() => {
                        self.insert(path, Entry::Link { target }, &shown)
                    }
                    Some(Ok(_) | Err(_)) | None => Err(refuse(
                        &shown,
                        "it links to no name, or one that is not UTF-8".to_owned(),
                    )),
                }
            }
            EntryType::XGlobalHeader => Ok(()),
            other => Err(refuse(
                &shown,
                format!("it is neither file, directory nor link but {other:?}"),
            )),
        }
    }

    fn directory(&mut self, path: &str, shown: &str) -> Result<(), Error> {
        // A tree has no empty directories, so whether this could be one is tried on the side.
        let mut trial = Tree::new();
        trial
            .insert(path, Entry::file(Vec::new()))
            .map_err(|error| refuse(shown, error.to_string()))?;
        if self.tree.get(path).is_some() {
            return Err(refuse(
                shown,
                "it is a directory and something else at once".to_owned(),
            ));
        }
        self.directories.insert(path.to_owned());
        Ok(())
    }

    fn insert(&mut self, path: &str, entry: Entry, shown: &str) -> Result<(), Error> {
        if self.directories.contains(path) {
            return Err(refuse(
                shown,
                "it is a directory and something else at once".to_owned(),
            ));
        }
        self.tree
            .insert(path, entry)
            .map_err(|error| refuse(shown, error.to_string()))
    }

    fn bytes<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        shown: &str,
    ) -> Result<Vec<u8>, Error> {
        let size = entry.size();
        if size > self.limits.file_bytes_max {
            let why = format!(
                "it has {size} bytes and {} are allowed",
                self.limits.file_bytes_max
            );
            return Err(refuse(shown, why));
        }
        self.total += size;
        if self.total > self.limits.total_bytes_max {
            let why = format!(
                "the files are larger than {} bytes together",
                self.limits.total_bytes_max
            );
            return Err(refuse(shown, why));
        }
        // Memory grows with what arrives, not with what the header claims.
        let mut bytes = Vec::new();
        entry
            .read_to_end(&mut bytes)
            .map_err(|error| refuse(shown, error.to_string()))?;
        if bytes.len() as u64 != size {
            return Err(refuse(
                shown,
                "the archive ends in the middle of it".to_owned(),
            ));
        }
        Ok(bytes)
    }
}

/// Two sizes in one entry are how one reader is shown other files than the next.
fn check_size<R: Read>(entry: &mut tar::Entry<'_, R>, shown: &str) -> Result<(), Error> {
    let in_header = entry
        .header()
        .entry_size()
        .map_err(|error| refuse(shown, error.to_string()))?;
    let extensions = entry
        .pax_extensions()
        .map_err(|error| refuse(shown, error.to_string()))?;
    for extension in extensions.into_iter().flatten() {
        let extension = extension.map_err(|error| refuse(shown, error.to_string()))?;
        if extension.key_bytes() == b"size"
            && extension.value().ok().and_then(|size| size.parse().ok()) != Some(in_header)
        {
            return Err(refuse(shown, "it gives two sizes".to_owned()));
        }
    }
    Ok(())
}

fn refuse(path: &str, why: String) -> Error {
    let path = if path == "the archive" {
        path.to_owned()
    } else {
        format!("'{path}'")
    };
    Error::Content {
        revision: "the archive".to_owned(),
        path,
        why,
    }
}
