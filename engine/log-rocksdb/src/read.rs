//! Reading records in order, going on after what cannot be read.

use fluvial_event::{Offset, Record, decode};
use fluvial_log::{Error, Result, check};
use rocksdb::{ColumnFamily, DB, DBRawIteratorWithThreadMode, ReadOptions};

/// How much is read ahead from a table.
const AHEAD_BYTES: usize = 512 << 10;

/// Every offset from `next` to `last`, each as a record or as what is wrong there.
pub(crate) struct Reader<'a> {
    db: &'a DB,
    records: &'a ColumnFamily,
    next: u64,
    /// Also one that nobody could have written, up to the very last number there is.
    last: u64,
    ended: bool,
    /// At `next`. Dropped after an error, and begun again behind it.
    iterator: Option<DBRawIteratorWithThreadMode<'a, DB>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(db: &'a DB, records: &'a ColumnFamily, from: Offset, last: Offset) -> Self {
        Self {
            db,
            records,
            next: from.max(Offset::FIRST).0,
            last: last.0,
            ended: false,
            iterator: None,
        }
    }

    fn begin(&self) -> DBRawIteratorWithThreadMode<'a, DB> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(AHEAD_BYTES);
        let mut iterator = self.db.raw_iterator_cf_opt(self.records, options);
        iterator.seek(self.next.to_be_bytes());
        iterator
    }

    fn step(&mut self) {
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            None => self.ended = true,
        }
    }

    fn gap(&mut self, found: Offset) -> Result<Record> {
        let want = Offset(self.next);
        self.next = found.0;
        self.iterator = None;
        let source = fluvial_event::Error::Gap { want, found };
        Err(Error::Record {
            offset: want,
            source,
        })
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.next > self.last {
            return None;
        }
        let mut iterator = self.iterator.take().unwrap_or_else(|| self.begin());
        let Some((key, value)) = iterator.item() else {
            if let Err(error) = iterator.status() {
                self.step();
                return Some(Err(Error::storage("read a record", error)));
            }
            let gap = self.gap(Offset(self.last).next());
            self.ended = true;
            return Some(gap);
        };
        let Some(offset) = offset(key) else {
            self.step();
            return Some(Err(Error::storage(
                "read a record",
                "its key is not an offset",
            )));
        };
        if offset.0 != self.next {
            return Some(self.gap(offset));
        }
        let record = check::record(offset, decode(value));
        iterator.next();
        self.iterator = Some(iterator);
        self.step();
        Some(record)
    }
}

/// The offset that a key of a record is.
pub(crate) fn offset(key: &[u8]) -> Option<Offset> {
    Some(Offset(u64::from_be_bytes(key.try_into().ok()?)))
}
