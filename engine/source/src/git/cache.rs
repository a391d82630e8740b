//! The bare repositories that fetched objects are kept in: one per tenant and URL.
//!
//! They only save bytes on the wire. A cache that does not open, misses objects or has grown too large is
//! deleted and filled again; one that was not used for long is deleted by the next that is made.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::{Error, hex};

/// Every fetch of a new commit adds a pack.
const PACKS_MAX: usize = 40;
const PACK_BYTES_MAX: u64 = 2 << 30;
const UNUSED_MAX: Duration = Duration::from_hours(7 * 24);
/// No object may take more memory than this, whatever a pack claims.
const OBJECT_BYTES_MAX: &str = "gitoxide.objects.allocLimit=512m";

/// A bare repository that nobody else uses while this lives.
pub(super) struct Cache {
    path: PathBuf,
    repository: gix::Repository,
    /// Nothing was in it when it was opened.
    fresh: bool,
    _lock: File,
}

impl Cache {
    /// Opens the repository, and makes it if need be. Waits while another operation uses it.
    pub(super) fn open(cache_dir: &Path, tenant: &str, url: &str) -> Result<Self, Error> {
        let path = cache_dir.join(name(tenant, url));
        let failed = |error: std::io::Error| cache_error(&path, &error);
        fs::create_dir_all(cache_dir).map_err(failed)?;
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        lock.set_modified(SystemTime::now()).map_err(failed)?;
        if path.exists() && has_outgrown(&path) {
            remove(&path)?;
        }
        if path.exists()
            && let Ok(repository) = gix::open_opts(&path, options())
        {
            return Ok(Self {
                path,
                repository,
                fresh: false,
                _lock: lock,
            });
        }
        sweep(cache_dir, &path);
        let repository = make(&path)?;
        Ok(Self {
            path,
            repository,
            fresh: true,
            _lock: lock,
        })
    }

    /// Runs `work`; when it fails in a way that a broken cache explains, once more with an empty one.
    pub(super) fn heal<T>(
        &mut self,
        work: impl Fn(&gix::Repository) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match work(&self.repository) {
            Err(Error::Cache { .. } | Error::Remote { .. }) if !self.fresh => {
                self.repository = make(&self.path)?;
                self.fresh = true;
                work(&self.repository)
            }
            outcome => outcome,
        }
    }
}

/// Short, and safe as a file name whatever the URL holds.
fn name(tenant: &str, url: &str) -> String {
    let digest = Sha256::new()
        .chain_update(tenant)
        .chain_update([0])
        .chain_update(url)
        .finalize();
    hex::encode(&digest[..16])
}

/// Nothing from the machine's git configuration takes part.
pub(super) fn options() -> gix::open::Options {
    gix::open::Options::isolated().config_overrides([
        OBJECT_BYTES_MAX,
        "user.name=fluvial",
        "user.email=fluvial@localhost",
    ])
}

fn make(path: &Path) -> Result<gix::Repository, Error> {
    remove(path)?;
    gix::ThreadSafeRepository::init_opts(
        path,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        options(),
    )
    .map(Into::into)
    .map_err(|error| cache_error(path, &error))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(cache_error(path, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn has_outgrown(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path.join("objects/pack")) else {
        return false;
    };
    let packs: Vec<u64> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
        })
        .map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
        .collect();
    packs.len() > PACKS_MAX || packs.iter().sum::<u64>() > PACK_BYTES_MAX
}

/// Deletes the caches that were not used for long. Best effort: what cannot be deleted now is met again.
fn sweep(cache_dir: &Path, current: &Path) {
    let Ok(entries) = fs::read_dir(cache_dir) else {
        return;
    };
    for lock_path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let path = lock_path.with_extension("");
        let is_lock = lock_path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if !is_lock || path == current {
            continue;
        }
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        let unused = lock
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|used| used.elapsed().is_ok_and(|age| age > UNUSED_MAX));
        if unused
            && !matches!(
                lock.try_lock(),
                Err(TryLockError::WouldBlock | TryLockError::Error(_))
            )
        {
            // The lock's file stays: another operation may be waiting for it by its inode.
            remove(&path).unwrap_or(());
        }
    }
}

fn cache_error(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Cache {
        path: path.display().to_string(),
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_outgrown_by_one_pack_more_than_it_may_hold() {
        let folder = tempfile::TempDir::new().unwrap();
        let packs = folder.path().join("objects/pack");
        fs::create_dir_all(&packs).unwrap();
        for number in 0..PACKS_MAX {
            fs::write(packs.join(format!("{number}.pack")), "").unwrap();
            fs::write(packs.join(format!("{number}.idx")), "").unwrap();
        }
        assert!(!has_outgrown(folder.path()));
        fs::write(packs.join("last.pack"), "").unwrap();
        assert!(has_outgrown(folder.path()));
    }

    #[test]
    fn only_what_was_not_used_for_long_is_swept() {
        let folder = tempfile::TempDir::new().unwrap();
        let old = SystemTime::now() - UNUSED_MAX - Duration::from_mins(1);
        for (name, used) in [("old", old), ("held", old), ("young", SystemTime::now())] {
            fs::create_dir(folder.path().join(name)).unwrap();
            let lock = File::create(folder.path().join(format!("{name}.lock"))).unwrap();
            lock.set_modified(used).unwrap();
        }
        let held = File::open(folder.path().join("held.lock")).unwrap();
        held.lock().unwrap();
        sweep(folder.path(), &folder.path().join("current"));
        let left = |name: &str| folder.path().join(name).exists();
        assert_eq!(
            (left("old"), left("held"), left("young")),
            (false, true, true)
        );
    }

    #[test]
    fn names_differ_by_tenant_and_url() {
        assert_ne!(name("a", "b"), name("", "ab"));
        assert_ne!(name("a", "b"), name("a", "c"));
        assert_eq!(name("a", "b").len(), 32);
    }
}
