//! Reading ahead: one thread reads, checks and decodes, while another folds.

use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use fluvial_event::{Offset, Record};

use crate::{Error, EventLog};

/// How many records are handed over together.
const BATCH_RECORDS: usize = 256;
/// How many batches may wait, so that memory stays small where folding is slower than reading.
const BATCHES_WAITING_MAX: usize = 4;

/// Gives every record from `from` up to the head to `fold`, in order, as [`EventLog::read`] would, and ends
/// at the first error of either.
pub fn for_each<E: From<Error>>(
    log: &dyn EventLog,
    from: Offset,
    mut fold: impl FnMut(&Record) -> Result<(), E>,
) -> Result<(), E> {
    let left = log.head().offset.next().0.saturating_sub(from.0);
    if left <= BATCH_RECORDS as u64 {
        return log.read(from).try_for_each(|record| fold(&record?));
    }
    thread::scope(|scope| {
        let (ahead, batches) = sync_channel::<Batch>(BATCHES_WAITING_MAX);
        let (back, folded) = channel::<Vec<Record>>();
        scope.spawn(move || {
            let mut source = log.read(from);
            loop {
                let mut error = None;
                // What is folded is dropped here: the other thread has more to do.
                let mut records = folded.try_recv().unwrap_or_default();
                records.clear();
                let ok = source.by_ref().take(BATCH_RECORDS).map_while(|read| {
                    let kept = read.map_err(|why| error = Some(why));
                    kept.ok()
                });
                records.extend(ok);
                if records.is_empty() && error.is_none() {
                    return;
                }
                let is_last = error.is_some();
                // Whoever folds has met an error and wants no more.
                if ahead.send(Batch { records, error }).is_err() || is_last {
                    return;
                }
            }
        });
        for Batch { records, error } in batches {
            records.iter().try_for_each(&mut fold)?;
            if let Some(error) = error {
                return Err(error.into());
            }
            // Nobody takes them back once everything is read.
            drop(back.send(records));
        }
        Ok(())
    })
}

/// Records, and what ended them too early.
struct Batch {
    records: Vec<Record>,
    error: Option<Error>,
}

#[cfg(test)]
mod tests {
    use fluvial_event::Offset;

    use super::for_each;
    use crate::memory::MemoryLog;
    use crate::{Error, EventLog as _, contract};

    #[test]
    fn every_record_comes_once_and_in_order() {
        for count in [0, 1, 255, 256, 257, 3000] {
            let log = MemoryLog::default();
            let records = contract::records(count);
            log.append(&records).unwrap();
            for from in [1, 2, 256, 3001] {
                let mut seen = Vec::new();
                for_each(&log, Offset(from), |record| {
                    seen.push(record.offset.0);
                    Ok::<_, Error>(())
                })
                .unwrap();
                let last = u64::try_from(count).unwrap();
                assert_eq!(
                    seen,
                    (from..=last).collect::<Vec<_>>(),
                    "{count} from {from}"
                );
            }
        }
    }

    #[test]
    fn an_error_of_either_ends_it() {
        let log = MemoryLog::default();
        log.append(&contract::records(5000)).unwrap();
        let mut folded = 0;
        let full = || Error::storage("fold", "enough");
        let ended = for_each(&log, Offset::FIRST, |record| {
            folded += 1;
            (record.offset < Offset(700)).then_some(()).ok_or_else(full)
        });
        assert!(matches!(ended, Err(Error::Storage { .. })));
        assert_eq!(folded, 700);

        log.flip(Offset(1000), 900);
        folded = 0;
        let ended = for_each(&log, Offset::FIRST, |_| {
            folded += 1;
            Ok::<_, Error>(())
        });
        assert!(matches!(
            ended,
            Err(Error::Record {
                offset: Offset(1000),
                ..
            })
        ));
        assert_eq!(folded, 999);
    }
}
