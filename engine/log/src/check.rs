//! What every backend checks of a record on its way in and on its way out.

use fluvial_event::{Chain, Head, Offset, RECORD_BYTES_MAX, Record};

use crate::{Error, Result};

/// The chain after `batch`; an error where the batch does not follow.
pub fn batch(chain: &Chain, batch: &[Record]) -> Result<Chain> {
    let mut chain = chain.clone();
    for record in batch {
        chain.follow(record).map_err(Error::Sequence)?;
    }
    Ok(chain)
}

/// Refuses the record at `offset` where its `bytes` are more than could be read back.
pub fn size(offset: Offset, bytes: usize) -> Result<()> {
    if bytes > RECORD_BYTES_MAX {
        return Err(Error::TooLarge { offset, bytes });
    }
    Ok(())
}

/// What was read at `offset`, if it is what belongs there.
pub fn record(offset: Offset, decoded: Result<Record, fluvial_event::Error>) -> Result<Record> {
    let source = match decoded {
        Ok(record) if record.offset == offset => return Ok(record),
        Ok(record) => fluvial_event::Error::Gap {
            want: offset,
            found: record.offset,
        },
        Err(source) => source,
    };
    Err(Error::Record { offset, source })
}

/// The end of a log that ends with `record`.
pub fn head(record: &Record) -> Head {
    Head {
        offset: record.offset,
        hash: record.hash,
        time: record.time,
        epoch: record.epoch,
    }
}
