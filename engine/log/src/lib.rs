//! The log: an append-only, totally ordered history that is durable before it is acknowledged.
//!
//! Start at [`EventLog`]. [`BlobStore`] keeps the large things that records name by digest,
//! [`StateStore`] keeps what was folded from records and can be deleted. `memory` is the backend for
//! simulation; RocksDB lives in a crate of its own, so that pure tests do not build it. Every backend
//! runs the suite in `contract`.
//!
//! Invariants: offsets have no gaps; an append is on disk when it returns; after an error on write
//! nothing more is written; a blob is stored before the record that names it.

pub mod ahead;
pub mod check;
pub mod contract;
mod group;
pub mod index;
mod key;
pub mod memory;
mod restore;
pub mod verify;

use std::sync::Arc;

use fluvial_event::{Digest, Head, Offset, Record};

pub use group::{GroupCommit, Limits, Plain, Producer, Stage};
pub use key::Key;
pub use restore::{Restored, belongs, restore};

/// What goes wrong with a log, a blob or a state.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes on disk are not what was written.
    #[error("cannot read the log at {offset}: {source}")]
    Record {
        /// Where.
        offset: Offset,
        /// What is wrong with it.
        source: fluvial_event::Error,
    },
    /// A batch that does not follow the head.
    #[error("cannot append: {0}")]
    Sequence(fluvial_event::Error),
    /// The log ends before the head that was pinned outside it.
    #[error(
        "the log ends at {found}, but {pinned} was written: its end is missing; restore it from a backup"
    )]
    Truncated {
        /// The pinned head.
        pinned: Offset,
        /// The last record found.
        found: Offset,
    },
    /// The log holds another history than the one that was pinned.
    #[error(
        "record {offset} is not the one that was pinned: history was replaced; restore it from a backup"
    )]
    Replaced {
        /// The pinned head.
        offset: Offset,
    },
    /// A record that could not be read back.
    #[error(
        "cannot append record {offset}: it has {bytes} bytes, more than a record may have; put what is large into a blob"
    )]
    TooLarge {
        /// Where it would stand.
        offset: Offset,
        /// Its size.
        bytes: usize,
    },
    /// A blob is missing.
    #[error("blob {0} is not there")]
    NoBlob(Digest),
    /// A blob's bytes are not what its name says.
    #[error("blob {0} was changed after it was written")]
    AlteredBlob(Digest),
    /// There is no key in this file.
    #[error(
        "cannot find the key {path}: restore it from a backup; what was sealed under it stays sealed without it"
    )]
    NoKey {
        /// The file.
        path: String,
    },
    /// The file of the key cannot be used.
    #[error("cannot use the key {path}: {why}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The log was written under another key.
    #[error(
        "cannot open the log with this key: the log was written under another one; restore that key from a backup"
    )]
    WrongKey,
    /// Another process writes here.
    #[error("cannot write to {0}: another process does; stop it first")]
    Locked(String),
    /// An earlier write failed; nothing is written after that.
    #[error("the log takes no more writes, because one failed: {0}; mend the disk, then restart")]
    Stopped(String),
    /// The disk or the database says no.
    #[error("cannot {doing}: {why}")]
    Storage {
        /// What was attempted.
        doing: &'static str,
        /// What the storage answered.
        why: String,
    },
}

impl Error {
    /// What the storage answered `why` while `doing`.
    pub fn storage(doing: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Storage {
            doing,
            why: why.to_string(),
        }
    }
}

/// The result of asking a log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Records, read one at a time.
pub type Records<'a> = Box<dyn Iterator<Item = Result<Record>> + Send + 'a>;

/// An append-only, totally ordered history.
pub trait EventLog: Send + Sync {
    /// The end of the log.
    fn head(&self) -> Head;

    /// Makes `batch` durable, all or nothing. It must follow the head. After an error of storage every
    /// later append fails too.
    fn append(&self, batch: &[Record]) -> Result<()>;

    /// Every record from `from` up to the head as it is now, in order, checked against its hash.
    fn read(&self, from: Offset) -> Records<'_>;
}

/// Large things by content. Names are digests of what is stored, which is sealed under a [`Key`].
pub trait BlobStore: Send + Sync {
    /// Stores `bytes`; durable no later than the next append. The same bytes have the same name.
    fn put(&self, bytes: &[u8]) -> Result<Digest>;

    /// The bytes named `digest`, checked.
    fn get(&self, digest: &Digest) -> Result<Vec<u8>>;
}

/// The point up to which state was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last record folded in.
    pub offset: Offset,
    /// Its hash, so that the state of another history is recognised.
    pub hash: Digest,
}

/// A change of one key: its new value, or `None` where it is gone.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Keys and values, in the order of the keys.
pub type Pairs<'a> = Box<dyn Iterator<Item = Result<(Vec<u8>, Vec<u8>)>> + Send + 'a>;

/// What was folded from the log. It can be deleted: it is folded again.
pub trait StateStore: Send + Sync {
    /// Up to where this state goes; the default where there is none.
    fn applied(&self) -> Result<Applied>;

    /// Every key.
    fn load(&self) -> Pairs<'_>;

    /// Writes `changes` and the point they lead to, in one batch.
    fn commit(&self, applied: Applied, changes: &[Change]) -> Result<()>;

    /// Forgets everything, but for its parts.
    fn clear(&self) -> Result<()>;

    /// A state beside this one, for what another fold of the same log makes: its own keys, its own point,
    /// the same snapshots. `format` names how its values are written; a part of another one is emptied.
    fn part(&self, name: &str, format: &str) -> Result<Arc<dyn StateStore>>;
}
