//! The log, the blobs and the state in memory: for the simulator, which makes them fail, and for
//! tests. What is stored is bytes, so that the codec is at work here too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluvial_event::{Chain, Digest, Head, Offset, Record, decode, encode};

use crate::{
    Applied, BlobStore, Change, Error, EventLog, Key, Pairs, Records, Result, StateStore, check,
};

/// A log that is gone with its process, and that fails when it is told to.
#[derive(Debug, Default)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    chain: Chain,
    /// The record at offset n is at index n - 1.
    records: Vec<Vec<u8>>,
    streams: BTreeMap<String, Vec<Offset>>,
    fault: Option<Fault>,
    stopped: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Lost,
    Written,
}

impl MemoryLog {
    /// The next append fails and writes nothing; all after it fail too, until [`MemoryLog::restart`].
    pub fn fail_next_append(&self) {
        self.lock().fault = Some(Fault::Lost);
    }

    /// The next append fails and has written all the same, as when the disk answers too late.
    pub fn fail_next_append_after_writing(&self) {
        self.lock().fault = Some(Fault::Written);
    }

    /// Appends are taken again, as by a new process over the same disk.
    pub fn restart(&self) {
        let mut inner = self.lock();
        inner.fault = None;
        inner.stopped = None;
    }

    /// The records of one stream (the object they are about), newest first.
    pub fn stream(&self, stream: &str) -> Records<'_> {
        let offsets = self.lock().streams.get(stream).cloned();
        let offsets = offsets.unwrap_or_default().into_iter().rev();
        Box::new(offsets.map(|offset| self.record(offset)))
    }

    /// Loses every record after `last`, as a disk does that acknowledged what it did not keep.
    pub fn truncate(&self, last: Offset) -> Result<()> {
        let mut inner = self.lock();
        let length = usize::try_from(last.0).unwrap_or(usize::MAX);
        inner.records.truncate(length);
        inner.streams.values_mut().for_each(|offsets| {
            offsets.retain(|offset| *offset <= last);
        });
        let head = match inner.records.last() {
            None => Head::default(),
            Some(bytes) => check::head(&decode(bytes).map_err(|source| Error::Record {
                offset: last,
                source,
            })?),
        };
        inner.chain = Chain::new(head, 0);
        Ok(())
    }

    /// Flips one bit of the record at `offset`, as a bad disk does. Does nothing where there is none.
    pub fn flip(&self, offset: Offset, bit: usize) {
        let mut inner = self.lock();
        let Some(bytes) = index(offset).and_then(|index| inner.records.get_mut(index)) else {
            return;
        };
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    fn record(&self, offset: Offset) -> Result<Record> {
        let inner = self.lock();
        let bytes = index(offset).and_then(|index| inner.records.get(index));
        let Some(bytes) = bytes else {
            return Err(Error::Truncated {
                pinned: offset,
                found: inner.chain.head().offset,
            });
        };
        check::record(offset, decode(bytes))
    }
}

impl EventLog for MemoryLog {
    fn head(&self) -> Head {
        self.lock().chain.head()
    }

    fn append(&self, batch: &[Record]) -> Result<()> {
        let mut inner = self.lock();
        if let Some(why) = &inner.stopped {
            return Err(Error::Stopped(why.clone()));
        }
        let chain = check::batch(&inner.chain, batch)?;
        let bytes = batch
            .iter()
            .map(|record| {
                let bytes = encode(record);
                check::size(record.offset, bytes.len()).map(|()| bytes)
            })
            .collect::<Result<Vec<_>>>()?;
        let fault = inner.fault.take();
        if !matches!(fault, Some(Fault::Lost)) {
            inner.records.extend(bytes);
            for record in batch {
                let offsets = inner.streams.entry(record.stream.clone()).or_default();
                offsets.push(record.offset);
            }
            inner.chain = chain;
        }
        if fault.is_some() {
            let error = Error::storage("append", "the disk failed, as the test asked");
            inner.stopped = Some(error.to_string());
            return Err(error);
        }
        Ok(())
    }

    fn read(&self, from: Offset) -> Records<'_> {
        let last = self.head().offset;
        let from = from.max(Offset::FIRST);
        Box::new((from.0..=last.0).map(|offset| self.record(Offset(offset))))
    }
}

/// Blobs that are gone with their process.
#[derive(Debug)]
pub struct MemoryBlobs {
    key: Key,
    blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
}

impl MemoryBlobs {
    /// No blobs yet, sealed under `key`.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            blobs: Mutex::default(),
        }
    }

    /// Loses a blob.
    pub fn remove(&self, digest: &Digest) {
        lock(&self.blobs).remove(digest);
    }

    /// Flips one bit of a blob. Does nothing where there is none.
    pub fn flip(&self, digest: &Digest, bit: usize) {
        if let Some(bytes) = lock(&self.blobs).get_mut(digest) {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Sealed under a key that everyone knows: for the simulator, whose runs must be the same each time.
impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::new(Key::from_bytes([0; 32]))
    }
}

impl BlobStore for MemoryBlobs {
    fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let sealed = self.key.seal(bytes);
        let digest = Digest::of(&sealed);
        lock(&self.blobs).insert(digest, sealed);
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        let blobs = lock(&self.blobs);
        let sealed = blobs.get(digest).ok_or(Error::NoBlob(*digest))?;
        if Digest::of(sealed) != *digest {
            return Err(Error::AlteredBlob(*digest));
        }
        self.key.open(sealed).ok_or(Error::AlteredBlob(*digest))
    }
}

/// State that is gone with its process.
#[derive(Debug, Default)]
pub struct MemoryState {
    inner: Mutex<Folded>,
    /// With their formats.
    parts: Mutex<BTreeMap<String, (String, Arc<Self>)>>,
}

#[derive(Debug, Default)]
struct Folded {
    applied: Applied,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl StateStore for MemoryState {
    fn applied(&self) -> Result<Applied> {
        Ok(lock(&self.inner).applied)
    }

    fn load(&self) -> Pairs<'_> {
        let pairs = lock(&self.inner).pairs.clone();
        Box::new(pairs.into_iter().map(Ok))
    }

    fn commit(&self, applied: Applied, changes: &[Change]) -> Result<()> {
        let mut inner = lock(&self.inner);
        for (key, value) in changes {
            match value {
                Some(value) => inner.pairs.insert(key.clone(), value.clone()),
                None => inner.pairs.remove(key),
            };
        }
        inner.applied = applied;
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        *lock(&self.inner) = Folded::default();
        Ok(())
    }

    fn part(&self, name: &str, format: &str) -> Result<Arc<dyn StateStore>> {
        let mut parts = lock(&self.parts);
        let (found, part) = parts.entry(name.to_owned()).or_default();
        if found != format {
            format.clone_into(found);
            *part = Arc::default();
        }
        Ok(Arc::clone(part) as Arc<dyn StateStore>)
    }
}

/// Nothing here leaves a value half changed, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn index(offset: Offset) -> Option<usize> {
    usize::try_from(offset.0).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fluvial_event::Offset;

    use super::{MemoryBlobs, MemoryLog, MemoryState};
    use crate::{Error, EventLog, contract};

    #[test]
    fn keeps_the_contract() {
        for (name, check) in contract::LOG {
            println!("log: {name}");
            let log = Arc::new(MemoryLog::default());
            check(&|| log.clone());
        }
        for (name, check) in contract::STATE {
            println!("state: {name}");
            let state = Arc::new(MemoryState::default());
            check(&|| state.clone());
        }
        for (name, check) in contract::BLOBS {
            println!("blobs: {name}");
            check(&MemoryBlobs::default());
        }
    }

    #[test]
    fn after_a_failed_append_all_fail_until_a_restart() {
        let records = contract::records(3);
        for written in [false, true] {
            let log = MemoryLog::default();
            log.append(&records[..1]).unwrap();
            if written {
                log.fail_next_append_after_writing();
            } else {
                log.fail_next_append();
            }
            assert!(matches!(
                log.append(&records[1..2]),
                Err(Error::Storage { .. })
            ));
            assert!(matches!(log.append(&records[1..2]), Err(Error::Stopped(_))));
            log.restart();
            assert_eq!(log.head().offset, Offset(1 + u64::from(written)));
            log.append(&records[usize::from(written) + 1..]).unwrap();
            assert_eq!(log.read(Offset(0)).count(), 3);
        }
    }

    #[test]
    fn a_truncated_log_goes_on_from_where_it_ends() {
        let records = contract::records(5);
        for last in [0, 2, 5, 9] {
            let log = MemoryLog::default();
            log.append(&records).unwrap();
            log.truncate(Offset(last)).unwrap();
            let kept = usize::try_from(last).unwrap().min(5);
            assert_eq!(log.read(Offset(1)).count(), kept);
            assert_eq!(log.stream("engine").count(), kept);
            log.append(&records[kept..]).unwrap();
            assert_eq!(log.head().hash, records[4].hash);
        }
    }
}
