//! The entries of one record, and how they are written.
//!
//! ```text
//! 'i' id (its first 8 bytes)  offset                    -> nothing
//! 'n' stream                                            -> nothing
//! 'o' digest of the stream (16 bytes)  offset  role     -> type
//! 'r' commit  0  offset                                 -> type
//! ```
//!
//! Numbers are big-endian, so that keys are in the order of the offsets.

use fluvial_event::{Digest, Id, Mention, ObjectRef, Offset, Record, Role};

use super::Seen;
use crate::{Error, Result};

const ID: u8 = b'i';
const NAME: u8 = b'n';
const OBJECT: u8 = b'o';
const REVISION: u8 = b'r';

const ID_BYTES: usize = 8;
const STREAM_BYTES: usize = 16;
/// A longer commit is cut; no source makes one.
const COMMIT_BYTES_MAX: usize = 256;

type Pair = (Vec<u8>, Vec<u8>);

/// Adds every entry of `record` to `entries`.
pub(super) fn of(record: &Record, entries: &mut Vec<Pair>) {
    let offset = record.offset.0.to_be_bytes();
    let number = record.event.schema().0.to_be_bytes();
    entries.push((
        [&[ID][..], &record.id.0[..ID_BYTES], &offset].concat(),
        Vec::new(),
    ));
    for (object, role) in record.event.names() {
        let stream = object.stream();
        let digest = &Digest::of(stream.as_bytes()).0[..STREAM_BYTES];
        let key = [&[OBJECT], digest, &offset, &[role.code()]].concat();
        entries.push((key, number.to_vec()));
        entries.push(([&[NAME], stream.as_bytes()].concat(), Vec::new()));
    }
    if let Some(commit) = record.event.revision().and_then(commit) {
        let key = [&[REVISION], commit.as_bytes(), &[0], &offset].concat();
        entries.push((key, number.to_vec()));
    }
}

/// `6f1c…` of `main@sha1:6f1c…`; what has no such form is a commit by itself.
fn commit(revision: &str) -> Option<&str> {
    let commit = revision.rsplit(':').next().unwrap_or(revision);
    (!commit.is_empty()).then(|| commit.get(..COMMIT_BYTES_MAX).unwrap_or(commit))
}

/// The first and the last key of what is asked for.
pub(super) struct Key;

impl Key {
    pub(super) fn object(object: &ObjectRef, until: Offset) -> (Vec<u8>, Vec<u8>) {
        let digest = Digest::of(object.stream().as_bytes());
        let prefix = [&[OBJECT], &digest.0[..STREAM_BYTES]].concat();
        let last = [&prefix[..], &until.0.to_be_bytes(), &[u8::MAX]].concat();
        (prefix, last)
    }

    pub(super) fn id(id: Id) -> (Vec<u8>, Vec<u8>) {
        let prefix = [&[ID], &id.0[..ID_BYTES]].concat();
        let last = [&prefix[..], &u64::MAX.to_be_bytes()].concat();
        (prefix, last)
    }

    pub(super) fn revision(commit: &str) -> (Vec<u8>, Vec<u8>) {
        let prefix = [&[REVISION], commit.as_bytes()].concat();
        // No commit has this byte: it is in no UTF-8.
        let last = [&prefix[..], &[u8::MAX]].concat();
        (prefix, last)
    }

    pub(super) fn names() -> (Vec<u8>, Vec<u8>) {
        (vec![NAME], vec![NAME, u8::MAX])
    }
}

fn odd() -> Error {
    Error::storage(
        "read the index",
        "an entry is not as it was written; delete it, it is made again",
    )
}

fn number(value: &[u8]) -> Result<u16> {
    value
        .try_into()
        .map(u16::from_be_bytes)
        .map_err(|_length| odd())
}

/// The offset that a key of an id ends with.
pub(super) fn offset((key, _): &Pair) -> Result<Offset> {
    let end = key.last_chunk::<8>().ok_or_else(odd)?;
    Ok(Offset(u64::from_be_bytes(*end)))
}

pub(super) fn mention((key, value): &Pair) -> Result<Mention> {
    let (last, before) = key.split_last().ok_or_else(odd)?;
    let end = before.last_chunk::<8>().ok_or_else(odd)?;
    Ok(Mention {
        offset: Offset(u64::from_be_bytes(*end)),
        number: number(value)?,
        role: Role::from_code(*last).ok_or_else(odd)?,
    })
}

pub(super) fn seen(pair: &Pair) -> Result<Seen> {
    let (key, value) = pair;
    let commit = key.get(1..key.len().saturating_sub(9)).ok_or_else(odd)?;
    Ok(Seen {
        commit: String::from_utf8(commit.to_vec()).map_err(|_bytes| odd())?,
        offset: offset(pair)?,
        number: number(value)?,
    })
}

/// An object from the name of its stream: `Kind.group/namespace/name`.
pub(super) fn object((key, _): &Pair) -> Result<ObjectRef> {
    let stream = key
        .get(1..)
        .and_then(|it| str::from_utf8(it).ok())
        .ok_or_else(odd)?;
    let mut parts = stream.splitn(3, '/');
    let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(odd());
    };
    let (kind, group) = kind.split_once('.').ok_or_else(odd)?;
    Ok(ObjectRef {
        group: group.to_owned(),
        version: String::new(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
