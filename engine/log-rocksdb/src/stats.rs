//! What is in a log, counted.

use std::collections::BTreeMap;

use fluvial_event::{Offset, Timestamp};
use fluvial_log::{Error, EventLog as _, Result};
use rocksdb::IteratorMode;
use serde::Serialize;

use crate::RocksLog;
use crate::options::{BLOBS, META, RECORDS};

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// How many records.
    pub records: u64,
    /// How many bytes they have as they were written.
    pub record_bytes: u64,
    /// How many of each type.
    pub types: BTreeMap<&'static str, u64>,
    /// The first offset; 0 while the log is empty.
    pub first: Offset,
    /// When that was.
    pub first_time: Option<Timestamp>,
    /// The last offset.
    pub last: Offset,
    /// When that was.
    pub last_time: Option<Timestamp>,
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes they have, compressed and sealed.
    pub blob_bytes: u64,
    /// How many bytes of disk all of it takes, but for what was not sorted into tables yet.
    pub table_bytes: u64,
}

impl RocksLog {
    /// Counts everything; reads the whole log.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        for record in self.read(Offset::FIRST) {
            let record = record?;
            if stats.records == 0 {
                stats.first = record.offset;
                stats.first_time = Some(record.time);
            }
            stats.records += 1;
            stats.last = record.offset;
            stats.last_time = Some(record.time);
            *stats.types.entry(record.event.name()).or_default() += 1;
        }
        stats.record_bytes = self.pairs(RECORDS)?.1;
        (stats.blobs, stats.blob_bytes) = self.pairs(BLOBS)?;
        for name in [RECORDS, BLOBS, META] {
            let family = self.db().get_column_family_metadata_cf(self.family(name)?);
            stats.table_bytes += family.size;
        }
        Ok(stats)
    }

    /// How many pairs a family has, and the bytes of their values.
    fn pairs(&self, name: &'static str) -> Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for pair in self
            .db()
            .iterator_cf(self.family(name)?, IteratorMode::Start)
        {
            let (_, value) = pair.map_err(|error| Error::storage("count what is stored", error))?;
            count += 1;
            bytes += value.len() as u64;
        }
        Ok((count, bytes))
    }
}
