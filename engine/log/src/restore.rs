//! State that was stored, read back where it is of the log's history.

use std::fmt::Display;

use fluvial_event::Offset;

use crate::{Applied, Error, EventLog, Pairs, Result, StateStore};

/// What became of stored state.
#[derive(Debug)]
pub enum Restored<T> {
    /// It is as of this point; what follows there is to be folded on top.
    Stored(T, Applied),
    /// There was none.
    Nothing,
    /// It could not be used, and was cleared; why.
    Cleared(String),
}

/// Reads `state` back with `load`, if it was folded from `log` and goes no further than `until`. What
/// stands behind a sink must not be ahead of what the sink has delivered: `until` is its checkpoint.
pub fn restore<T, E: Display>(
    log: &dyn EventLog,
    state: &dyn StateStore,
    until: Offset,
    load: impl FnOnce(Pairs<'_>) -> Result<T, E>,
) -> Result<Restored<T>> {
    let why = match state.applied() {
        Ok(applied) if applied == Applied::default() => return Ok(Restored::Nothing),
        Ok(applied) if applied.offset > until => {
            format!(
                "it goes up to {}, but is wanted as of {until}",
                applied.offset
            )
        }
        Ok(applied) => match belongs(log, applied) {
            Ok(()) => match load(state.load()) {
                Ok(stored) => return Ok(Restored::Stored(stored, applied)),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    state.clear()?;
    Ok(Restored::Cleared(why))
}

/// Whether a state that goes up to `applied` was folded from `log`.
pub fn belongs(log: &dyn EventLog, applied: Applied) -> Result<()> {
    if applied == Applied::default() {
        return Ok(());
    }
    let head = log.head().offset;
    if applied.offset > head {
        return Err(Error::storage(
            "use the state",
            format!("it goes up to {}, the log to {head}", applied.offset),
        ));
    }
    match log.read(applied.offset).next() {
        Some(Ok(record)) if record.hash == applied.hash => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => Err(Error::Replaced {
            offset: applied.offset,
        }),
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::{Digest, Offset};

    use super::{Restored, restore};
    use crate::memory::{MemoryLog, MemoryState};
    use crate::{Applied, EventLog as _, StateStore as _, contract};

    #[test]
    fn only_what_is_of_this_history_and_not_too_far_is_used() {
        let records = contract::records(5);
        let log = MemoryLog::default();
        log.append(&records).unwrap();
        let at = |offset: u64, hash: Digest| Applied {
            offset: Offset(offset),
            hash,
        };
        let third = at(3, records[2].hash);
        for (applied, until, readable, wanted) in [
            (third, 5, true, "stored"),
            (third, 3, true, "stored"),
            (third, 2, true, "cleared"),
            (third, 5, false, "cleared"),
            (at(3, records[3].hash), 5, true, "cleared"),
            (at(6, records[2].hash), 9, true, "cleared"),
            (Applied::default(), 5, true, "nothing"),
        ] {
            let state = MemoryState::default();
            let pair = (b"a".to_vec(), Some(b"1".to_vec()));
            state.commit(applied, &[pair]).unwrap();
            let restored = restore(&log, &state, Offset(until), |pairs| {
                readable.then(|| pairs.count()).ok_or("torn")
            });
            let found = match restored.unwrap() {
                Restored::Stored(count, point) => {
                    assert_eq!((count, point), (1, applied));
                    "stored"
                }
                Restored::Nothing => "nothing",
                Restored::Cleared(why) => {
                    assert_eq!(state.load().count(), 0, "{why}");
                    "cleared"
                }
            };
            assert_eq!(found, wanted, "{applied:?} until {until}");
        }
    }
}
