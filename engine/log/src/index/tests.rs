//! The index in memory keeps the contract of all.

use std::sync::Arc;

use fluvial_event::Offset;

use super::{Index, IndexStore, MemoryIndex, advance, contract};
use crate::memory::MemoryLog;
use crate::{Applied, EventLog as _, Pairs, Result};

/// The same store, however often it is opened.
struct Shared(Arc<MemoryIndex>);

impl IndexStore for Shared {
    fn applied(&self) -> Result<Applied> {
        self.0.applied()
    }

    fn commit(&self, applied: Applied, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        self.0.commit(applied, entries)
    }

    fn backward(&self, first: &[u8], last: &[u8]) -> Pairs<'_> {
        self.0.backward(first, last)
    }

    fn clear(&self) -> Result<()> {
        self.0.clear()
    }
}

#[test]
fn finds_what_a_scan_finds() {
    let store = Arc::new(MemoryIndex::default());
    contract::finds_what_a_scan_finds(&|| Box::new(Shared(Arc::clone(&store))));
}

#[test]
fn reads_only_what_is_behind_the_stored_part() {
    let records = crate::contract::records(10);
    let log = MemoryLog::default();
    log.append(&records[..7]).unwrap();
    let store = MemoryIndex::default();
    assert_eq!(advance(&log, &store).unwrap(), Offset(7));
    log.append(&records[7..]).unwrap();
    let mut read = Vec::new();
    Index::open(&log, Some(&store), |offset| read.push(offset.0)).unwrap();
    assert_eq!(read, [8, 9, 10]);
    assert_eq!(
        store.applied().unwrap().offset,
        Offset(7),
        "a reader writes nothing"
    );
}

#[test]
fn a_damaged_record_is_an_error_and_no_gap() {
    let log = MemoryLog::default();
    log.append(&crate::contract::records(5)).unwrap();
    log.flip(Offset(3), 900);
    let store = MemoryIndex::default();
    assert!(advance(&log, &store).is_err());
    assert_eq!(store.applied().unwrap().offset, Offset(0));
    assert!(Index::open(&log, Some(&store), |_| {}).is_err());
}
