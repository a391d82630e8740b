//! The pin: the head as it was last acknowledged, noted outside the database, so that a database that
//! lost its end, or was replaced by an older copy, is recognised.
//!
//! Two slots are written in turn, so that a write that was cut short leaves the older one. A slot is
//!
//! ```text
//!   0 magic "FLPIN\0\0\x01"   8 offset   16 epoch   24 time   32 hash   64 zero   480 keyed digest   512
//! ```
//!
//! It is not synced: after a power failure it may be behind what was acknowledged, never ahead.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use fluvial_event::{Digest, Head, Offset, Timestamp};
use fluvial_log::{Error, Key, Result};

const MAGIC: [u8; 8] = *b"FLPIN\0\0\x01";
const SLOT_BYTES: usize = 512;
const DIGEST_AT: usize = SLOT_BYTES - 32;
const SLOTS: usize = 2;

/// What a pin file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pinned {
    /// The newest slot; none where no slot can be read.
    pub(crate) head: Option<Head>,
    /// How many slots cannot be read.
    pub(crate) damaged: usize,
}

/// The pin of a log that is open for writing.
#[derive(Debug)]
pub(crate) struct Pin {
    file: File,
    key: Key,
    next: usize,
}

impl Pin {
    /// The pin in the file `path`, about to be written after `head`. The file is made where there is
    /// none, whole and synced, so that its absence later means something.
    pub(crate) fn open(path: &Path, key: Key, head: Head) -> Result<Self> {
        let doing = |error| Error::storage("write the pin", error);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(doing)?;
        let mut pin = Self { file, key, next: 0 };
        for _ in 0..SLOTS {
            pin.write(head)?;
        }
        pin.file
            .set_len((SLOT_BYTES * SLOTS) as u64)
            .and_then(|()| pin.file.sync_all())
            .and_then(|()| File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all())
            .map_err(doing)?;
        Ok(pin)
    }

    /// Notes `head`.
    pub(crate) fn write(&mut self, head: Head) -> Result<()> {
        let at = (self.next * SLOT_BYTES) as u64;
        self.file
            .write_all_at(&slot(&self.key, head), at)
            .map_err(|error| Error::storage("write the pin", error))?;
        self.next = (self.next + 1) % SLOTS;
        Ok(())
    }
}

/// What the file `path` says; `None` where there is none.
pub(crate) fn read(path: &Path, key: &Key) -> Result<Option<Pinned>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::storage("read the pin", error)),
        Ok(bytes) => bytes,
    };
    let mut pinned = Pinned::default();
    for index in 0..SLOTS {
        let bytes = bytes.get(index * SLOT_BYTES..(index + 1) * SLOT_BYTES);
        match bytes.and_then(|bytes| head(key, bytes)) {
            None => pinned.damaged += 1,
            Some(head) if pinned.head.is_none_or(|newest| newest.offset < head.offset) => {
                pinned.head = Some(head);
            }
            Some(_older) => {}
        }
    }
    if bytes.len() > SLOTS * SLOT_BYTES {
        pinned.damaged += 1;
    }
    Ok(Some(pinned))
}

fn slot(key: &Key, head: Head) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let mut put = |at: usize, bytes: &[u8]| slot[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(8, &head.offset.0.to_le_bytes());
    put(16, &head.epoch.to_le_bytes());
    put(24, &head.time.0.to_le_bytes());
    put(32, &head.hash.0);
    let digest = key.mac(&slot[..DIGEST_AT]);
    slot[DIGEST_AT..].copy_from_slice(&digest.0);
    slot
}

fn head(key: &Key, slot: &[u8]) -> Option<Head> {
    let (body, digest) = slot.split_at(DIGEST_AT);
    let (magic, body_after) = body.split_first_chunk::<8>()?;
    if *magic != MAGIC || key.mac(body).0 != digest {
        return None;
    }
    let (offset, rest) = body_after.split_first_chunk::<8>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let (hash, _zero) = rest.split_first_chunk::<32>()?;
    Some(Head {
        offset: Offset(u64::from_le_bytes(*offset)),
        epoch: u64::from_le_bytes(*epoch),
        time: Timestamp(i64::from_le_bytes(*time)),
        hash: Digest(*hash),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fluvial_event::{Digest, Head, Offset, Timestamp};
    use fluvial_log::Key;

    use super::{Pin, Pinned, SLOT_BYTES, read};

    fn head(offset: u64) -> Head {
        Head {
            offset: Offset(offset),
            hash: Digest::of(&offset.to_le_bytes()),
            time: Timestamp(-7),
            epoch: 3,
        }
    }

    #[test]
    fn a_write_cut_short_leaves_the_older_slot_and_any_damage_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        let key = Key::from_bytes([1; 32]);
        assert_eq!(read(&path, &key).unwrap(), None);
        let mut pin = Pin::open(&path, key.clone(), head(0)).unwrap();
        pin.write(head(1)).unwrap();
        pin.write(head(2)).unwrap();
        let sound = Pinned {
            head: Some(head(2)),
            damaged: 0,
        };
        assert_eq!(read(&path, &key).unwrap(), Some(sound));
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 2 * SLOT_BYTES);
        for bit in (0..bytes.len() * 8).step_by(3) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let left = if bit < SLOT_BYTES * 8 { 2 } else { 1 };
            let wanted = Pinned {
                head: Some(head(left)),
                damaged: 1,
            };
            assert_eq!(read(&path, &key).unwrap(), Some(wanted), "bit {bit}");
        }
        for length in (0..bytes.len()).step_by(17) {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(
                read(&path, &key).unwrap().unwrap().damaged > 0,
                "cut at {length}"
            );
        }
        fs::write(&path, &bytes).unwrap();
        let foreign = Key::from_bytes([2; 32]);
        assert_eq!(
            read(&path, &foreign).unwrap().unwrap(),
            Pinned {
                head: None,
                damaged: 2
            }
        );
    }
}
