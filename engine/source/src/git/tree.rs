//! From git objects to a `Tree`: every name checked, every byte counted, nothing ignored read.

use std::collections::BTreeSet;

use fluvial_manifest::{Entry, Tree};
use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::objs::tree::EntryKind;
use gix::validate::path::component;

use crate::ignore::{IGNORE_FILE, Ignore};
use crate::{Error, GitRequest, Limits, address};

/// More patterns than anybody writes.
const IGNORE_BYTES_MAX: u64 = 1 << 20;
/// Where git keeps the URLs of submodules.
const MODULES_FILE: &str = ".gitmodules";
/// The longest target that a file system takes.
const LINK_BYTES_MAX: u64 = 4096;
/// What one directory's listing may take.
const LISTING_BYTES_MAX: u64 = 32 << 20;

/// Reads the tree `root`: the sparse directories if there are any, without what is ignored. Symbolic
/// links stay links; submodules are left out.
pub(super) fn read(
    repository: &gix::Repository,
    root: ObjectId,
    revision: &str,
    request: &GitRequest,
) -> Result<Tree, Error> {
    let reader = Reader {
        repository,
        revision,
        limits: &request.limits,
    };
    let listed = sparse(reader.list(root)?, request)?;
    let ignore = reader.ignore(&listed, request.ignore.as_deref())?;
    let kept = listed
        .into_iter()
        .filter(|listed| listed.kind != Kind::Submodule && !ignore.excludes(&listed.path));
    reader.load(kept)
}

/// All that a commit has.
pub(super) struct Whole {
    pub(super) tree: Tree,
    pub(super) submodules: Vec<Submodule>,
}

/// A commit of another repository, in place of a directory.
pub(super) struct Submodule {
    pub(super) path: String,
    /// 40 digits.
    pub(super) commit: String,
    /// As `.gitmodules` has it.
    pub(super) url: Option<String>,
}

/// Reads all of the tree `root`, whatever rules there are for artifacts.
pub(super) fn read_whole(
    repository: &gix::Repository,
    root: ObjectId,
    revision: &str,
    request: &GitRequest,
) -> Result<Whole, Error> {
    let reader = Reader {
        repository,
        revision,
        limits: &request.limits,
    };
    let listed = reader.list(root)?.into_iter();
    let (links, files): (Vec<_>, Vec<_>) = listed.partition(|it| it.kind == Kind::Submodule);
    let tree = reader.load(files.into_iter())?;
    if links.is_empty() {
        return Ok(Whole {
            tree,
            submodules: Vec::new(),
        });
    }
    let text = tree.file(MODULES_FILE).ok().map(str::from_utf8);
    let text = text.and_then(Result::ok).unwrap_or_default();
    let modules = gix::config::File::try_from(text)
        .map_err(|error| reader.refuse(MODULES_FILE, error.to_string()))?;
    let url = |path: &str| {
        let mut sections = modules.sections_by_name("submodule").into_iter().flatten();
        let section = sections.find(|section| section.value("path").is_some_and(|own| own == path));
        Some(section?.value("url")?.to_string())
    };
    let submodules = links.into_iter().map(|link| Submodule {
        url: url(&link.path),
        commit: link.id.to_string(),
        path: link.path,
    });
    Ok(Whole {
        tree,
        submodules: submodules.collect(),
    })
}

/// A file or link, not yet read.
struct Listed {
    path: String,
    id: ObjectId,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File {
        executable: bool,
    },
    Link,
    /// A commit of another repository.
    Submodule,
}

struct Reader<'a> {
    repository: &'a gix::Repository,
    revision: &'a str,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// Everything in the tree, parents before children.
    fn list(&self, root: ObjectId) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        let mut count = 0_usize;
        let mut pending = vec![(String::new(), root, 0_usize)];
        while let Some((directory, id, depth)) = pending.pop() {
            if depth > self.limits.depth_max {
                let why = format!(
                    "directories are nested more than {} deep",
                    self.limits.depth_max
                );
                return Err(self.refuse(&directory, why));
            }
            let size = self.size(id, &directory)?;
            if size > LISTING_BYTES_MAX {
                return Err(self.refuse(&directory, too_large(size, LISTING_BYTES_MAX)));
            }
            let tree = self
                .repository
                .find_tree(id)
                .map_err(|error| self.broken(&directory, &error))?;
            let mut seen = BTreeSet::new();
            for entry in tree.iter() {
                let entry = entry.map_err(|error| self.broken(&directory, &error))?;
                count += 1;
                if count > self.limits.entries_max {
                    let why = format!("it has more than {} files", self.limits.entries_max);
                    return Err(self.refuse("the tree", why));
                }
                let kind = entry.mode().kind();
                let path = self.path(&directory, entry.filename(), kind)?;
                if !seen.insert(entry.filename().to_owned()) {
                    return Err(self.refuse(&path, "two entries have this name".to_owned()));
                }
                let id = entry.object_id();
                match kind {
                    EntryKind::Tree => pending.push((format!("{path}/"), id, depth + 1)),
                    EntryKind::Blob => {
                        listed.push(Listed {
                            path,
                            id,
                            kind: Kind::File { executable: false },
                        });
                    }
                    EntryKind::BlobExecutable => {
                        listed.push(Listed {
                            path,
                            id,
                            kind: Kind::File { executable: true },
                        });
                    }
                    EntryKind::Link => listed.push(Listed {
                        path,
                        id,
                        kind: Kind::Link,
                    }),
                    EntryKind::Commit => listed.push(Listed {
                        path,
                        id,
                        kind: Kind::Submodule,
                    }),
                }
            }
        }
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// `directory/name`, if that may be a path.
    fn path(&self, directory: &str, name: &BStr, kind: EntryKind) -> Result<String, Error> {
        let shown = format!("{directory}{}", name.to_str_lossy().escape_debug());
        let mode = (kind == EntryKind::Link).then_some(component::Mode::Symlink);
        let options = component::Options {
            protect_windows: false,
            protect_hfs: true,
            protect_ntfs: true,
        };
        if let Err(error) = component(name, mode, options) {
            return Err(self.refuse(&shown, error.to_string()));
        }
        let Ok(name) = name.to_str() else {
            return Err(self.refuse(&shown, "its name is not UTF-8; rename it".to_owned()));
        };
        if name.chars().any(char::is_control) {
            return Err(self.refuse(&shown, "its name has a control character in it".to_owned()));
        }
        if directory.len() + name.len() > self.limits.path_bytes_max {
            let why = format!(
                "its path is longer than {} bytes",
                self.limits.path_bytes_max
            );
            return Err(self.refuse(&shown, why));
        }
        Ok(format!("{directory}{name}"))
    }

    fn ignore(&self, listed: &[Listed], spec: Option<&str>) -> Result<Ignore, Error> {
        let mut files = Vec::new();
        for file in listed {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            if name == IGNORE_FILE && matches!(file.kind, Kind::File { .. }) {
                files.push((file.path.as_str(), self.bytes(file, IGNORE_BYTES_MAX)?));
            }
        }
        // Byte order puts `a/.sourceignore` after `a/-/.sourceignore`; rules go parents first.
        files.sort_by_key(|(path, _)| (path.matches('/').count(), *path));
        Ok(Ignore::new(
            files.iter().map(|(path, text)| (*path, text.as_slice())),
            spec,
        ))
    }

    fn load(&self, kept: impl Iterator<Item = Listed>) -> Result<Tree, Error> {
        let mut tree = Tree::new();
        let mut total = 0_u64;
        for listed in kept {
            let bytes = match listed.kind {
                Kind::File { .. } => self.bytes(&listed, self.limits.file_bytes_max)?,
                Kind::Link => self.bytes(&listed, LINK_BYTES_MAX)?,
                Kind::Submodule => continue,
            };
            total += bytes.len() as u64;
            if total > self.limits.total_bytes_max {
                let why = format!(
                    "its files are larger than {} bytes together; exclude some in {IGNORE_FILE} or spec.ignore",
                    self.limits.total_bytes_max
                );
                return Err(self.refuse("the tree", why));
            }
            let entry = match listed.kind {
                Kind::File { executable } => Entry::File {
                    bytes: bytes.into(),
                    executable,
                },
                Kind::Link => match String::from_utf8(bytes) {
                    Ok(target) => Entry::Link { target },
                    Err(_not_utf8) => {
                        return Err(self.refuse(
                            &listed.path,
                            "it links to a name that is not UTF-8".to_owned(),
                        ));
                    }
                },
                Kind::Submodule => continue,
            };
            tree.insert(&listed.path, entry)
                .map_err(|error| self.refuse(&listed.path, error.to_string()))?;
        }
        Ok(tree)
    }

    /// The object's bytes; it is not even opened when it is too large.
    fn bytes(&self, listed: &Listed, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.size(listed.id, &listed.path)?;
        if size > limit {
            return Err(self.refuse(&listed.path, too_large(size, limit)));
        }
        let mut blob = self
            .repository
            .find_blob(listed.id)
            .map_err(|error| self.broken(&listed.path, &error))?;
        Ok(blob.take_data())
    }

    fn size(&self, id: ObjectId, path: &str) -> Result<u64, Error> {
        let header = self
            .repository
            .find_header(id)
            .map_err(|error| self.broken(path, &error))?;
        Ok(header.size())
    }

    /// An object is missing or not what its parent says: the copy is broken, and made anew.
    fn broken(&self, path: &str, error: &gix::Error) -> Error {
        Error::Cache {
            path: self.repository.path().display().to_string(),
            why: format!("'{path}' of {} cannot be read: {error}", self.revision),
        }
    }

    fn refuse(&self, path: &str, why: String) -> Error {
        let path = if path.is_empty() {
            "the tree".to_owned()
        } else {
            format!("'{path}'")
        };
        Error::Content {
            revision: self.revision.to_owned(),
            path,
            why,
        }
    }
}

fn too_large(size: u64, limit: u64) -> String {
    format!(
        "it has {size} bytes and {limit} are allowed; exclude it in {IGNORE_FILE} or spec.ignore"
    )
}

/// Only what is in one of the directories; each must exist.
fn sparse(listed: Vec<Listed>, request: &GitRequest) -> Result<Vec<Listed>, Error> {
    if request.sparse_checkout.is_empty() {
        return Ok(listed);
    }
    let mut prefixes = Vec::new();
    for directory in &request.sparse_checkout {
        let parts: Vec<&str> = directory
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        let prefix = if parts.is_empty() {
            String::new()
        } else {
            parts.join("/") + "/"
        };
        if !listed.iter().any(|listed| listed.path.starts_with(&prefix)) {
            return Err(Error::ReferenceNotFound {
                url: address::redact(&request.url),
                what: format!("directory '{directory}' of spec.sparseCheckout"),
                why: "the commit has no such directory".to_owned(),
            });
        }
        prefixes.push(prefix);
    }
    let wanted = |listed: &Listed| {
        prefixes
            .iter()
            .any(|prefix| listed.path.starts_with(prefix))
    };
    Ok(listed.into_iter().filter(wanted).collect())
}
