//! Blobs: compressed, then sealed, then named by the digest of that.

use fluvial_event::Digest;
use fluvial_log::{BlobStore, Error, Result};

use super::RocksLog;
use crate::options::BLOBS;

/// Of the formats below; equal bytes must be compressed equally, so this stays.
const LEVEL: i32 = 3;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

impl BlobStore for RocksLog {
    /// Not synced: the write-ahead log keeps the order, so that the next append makes this durable too.
    fn put(&self, bytes: &[u8]) -> Result<Digest> {
        self.writer("store a blob")?;
        let blobs = self.family(BLOBS)?;
        let sealed = self.key.seal(&pack(bytes)?);
        let name = Digest::of(&sealed);
        let doing = |error| Error::storage("store a blob", error);
        // Most are there already: what is rendered again has seldom changed.
        let there = self.db.get_pinned_cf(blobs, name.0).map_err(doing)?;
        if there.as_deref() != Some(sealed.as_slice()) {
            let written = self.db.put_cf(blobs, name.0, sealed).map_err(doing);
            // It shares its file with the records: what is written after half a blob may be lost.
            self.stop_after(written)?;
        }
        Ok(name)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        let sealed = self
            .db
            .get_pinned_cf(self.family(BLOBS)?, digest.0)
            .map_err(|error| Error::storage("read a blob", error))?
            .ok_or(Error::NoBlob(*digest))?;
        let altered = || Error::AlteredBlob(*digest);
        if Digest::of(&sealed) != *digest {
            return Err(altered());
        }
        let packed = self.key.open(&sealed).ok_or_else(altered)?;
        unpack(&packed).ok_or_else(altered)
    }
}

fn pack(bytes: &[u8]) -> Result<Vec<u8>> {
    let compressed = zstd::bulk::compress(bytes, LEVEL)
        .map_err(|error| Error::storage("compress a blob", error))?;
    let (format, body) = if compressed.len() < bytes.len() {
        (ZSTD, compressed.as_slice())
    } else {
        (PLAIN, bytes)
    };
    let mut packed = Vec::with_capacity(body.len() + 1);
    packed.push(format);
    packed.extend_from_slice(body);
    Ok(packed)
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, body) => Some(body.to_vec()),
        (&ZSTD, body) => zstd::stream::decode_all(body).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};

    #[test]
    fn what_is_packed_is_never_larger_by_more_than_a_byte() {
        let text = "kind: Deployment\n".repeat(100);
        for bytes in [&b""[..], b"x", text.as_bytes()] {
            let packed = pack(bytes).unwrap();
            assert!(packed.len() <= bytes.len() + 1);
            assert_eq!(unpack(&packed).as_deref(), Some(bytes));
        }
        assert!(pack(text.as_bytes()).unwrap().len() < 100);
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&[2, 0]), None);
        assert_eq!(unpack(&[1, 0, 0]), None);
    }
}
