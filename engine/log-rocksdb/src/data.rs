//! A data directory: where everything is, who may write to it, and how its state comes back.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fluvial_event::Offset;
use fluvial_log::{Applied, Error, EventLog, Key, Result, StateStore as _, belongs};

use crate::{Mode, RocksLog, RocksState, pin, snapshot};

/// A data directory, which need not be there yet.
#[derive(Clone, Debug)]
pub struct Data {
    root: PathBuf,
}

/// What was found of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The state itself.
    Kept,
    /// A snapshot up to this offset; why not the state itself.
    Restored(Offset, String),
    /// Nothing: everything is to be folded again; why.
    Nothing(String),
}

impl Data {
    /// The data directory `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the log is.
    pub fn log_directory(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the state is.
    pub fn state_directory(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Where the index is.
    pub fn index_directory(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Where snapshots of the state are.
    pub fn snapshots_directory(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Where the key is, if it is kept with the data.
    pub fn key_file(&self) -> PathBuf {
        self.root.join("key")
    }

    /// Where the pin is.
    pub fn pin_file(&self) -> PathBuf {
        self.root.join("pin")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Whether a log was ever made here.
    pub(crate) fn has_log(&self) -> bool {
        self.log_directory().join("CURRENT").exists()
    }

    /// Opens the log under the key that is kept with it. For a new log a new key is made; for one that
    /// is there already the key must be, too.
    pub fn open_log(&self, mode: Mode) -> Result<RocksLog> {
        match mode {
            Mode::Read => RocksLog::open(&self.root, Key::open_file(&self.key_file())?, mode),
            Mode::Write => {
                let lock = self.lock()?;
                let key = if self.has_log() {
                    Key::open_file(&self.key_file())?
                } else {
                    Key::open_or_create(&self.key_file())?
                };
                RocksLog::open_to_write(self, key, lock)
            }
        }
    }

    /// Opens the state that was folded from `log` and whose values are of `format`, read whole and
    /// found to be of this history. One that is damaged, of another format or of another history is
    /// deleted; then the newest snapshot that fits takes its place, or an empty state does.
    ///
    /// Only for the process that has the log open for writing.
    pub fn open_state(&self, log: &dyn EventLog, format: &str) -> Result<(RocksState, Found)> {
        let directory = self.state_directory();
        let missing = !directory.exists();
        let why = match self.sound_state(log, format) {
            Ok(state) if !missing => return Ok((state, Found::Kept)),
            Ok(empty) => {
                drop(empty);
                "there was none".to_owned()
            }
            Err(error @ Error::Locked(_)) => return Err(error),
            Err(error) => error.to_string(),
        };
        self.discard_state()?;
        let restored = snapshot::restore(self, log, format)?;
        let state = RocksState::open(&directory, format)?;
        let found = match restored {
            Some(applied) => Found::Restored(applied.offset, why),
            None => Found::Nothing(why),
        };
        Ok((state, found))
    }

    /// Deletes the state, which nobody may have open. It is folded again.
    pub fn discard_state(&self) -> Result<()> {
        remove(&self.state_directory())
    }

    /// Takes a snapshot of `state`, whose values are of `format`, and answers how far it goes. The two
    /// newest snapshots are kept.
    pub fn snapshot(&self, state: &RocksState, format: &str) -> Result<Applied> {
        snapshot::take(self, state, format)
    }

    fn sound_state(&self, log: &dyn EventLog, format: &str) -> Result<RocksState> {
        let state = RocksState::open(&self.state_directory(), format)?;
        state.check()?;
        belongs(log, state.applied()?)?;
        Ok(state)
    }

    /// The last record that was acknowledged, without opening the log; 0 where nobody can tell.
    pub fn pinned(&self) -> Result<Offset> {
        let key = Key::open_file(&self.key_file())?;
        let pinned = pin::read(&self.pin_file(), &key)?;
        Ok(pinned.and_then(|it| it.head).unwrap_or_default().offset)
    }

    /// Becomes the one process that writes here, as long as the answer lives.
    pub(crate) fn lock(&self) -> Result<File> {
        let doing = |error| Error::storage("make the data directory", error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .map_err(doing)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.lock_file())
            .map_err(doing)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(self.root.display().to_string())),
            Err(TryLockError::Error(error)) => {
                Err(Error::storage("lock the data directory", error))
            }
        }
    }

    /// Whether a process has the log open for writing now.
    pub(crate) fn has_writer(&self) -> bool {
        File::open(self.lock_file())
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Deletes a directory that may not be there.
pub(crate) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::storage("delete what was folded", error))
        }
        _ => Ok(()),
    }
}
