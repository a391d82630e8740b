//! The chain: gives drafts their offsets, times, ids and hashes, and checks that records follow.

use crate::codec::{self, Error};
use crate::{Digest, Draft, Id, Offset, Record, Timestamp};

/// The end of a log: all that is needed to append to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last offset; 0 while the log is empty.
    pub offset: Offset,
    /// The hash of the last record.
    pub hash: Digest,
    /// The time of the last record.
    pub time: Timestamp,
    /// The log's life.
    pub epoch: u64,
}

/// Seals drafts into records, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    head: Head,
    producer: u64,
    sequence: u64,
}

impl Chain {
    /// Goes on after `head`. `producer` tells this writer's records from those of the one before.
    pub fn new(head: Head, producer: u64) -> Self {
        Self {
            head,
            producer,
            sequence: 0,
        }
    }

    /// Where the chain stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Makes `draft` the next record. A clock that went back does not take the log's time with it.
    ///
    /// `correlation` is that of the cause, [`Id::NONE`] where the cause is none or began it all.
    pub fn seal(&mut self, draft: Draft, correlation: Id, now: Timestamp) -> Record {
        let offset = self.head.offset.next();
        let id = Id::placed(&self.head.hash, offset.0);
        self.sequence += 1;
        let mut record = Record {
            offset,
            time: now.max(Timestamp(self.head.time.0.saturating_add(1))),
            epoch: self.head.epoch,
            partition: 0,
            id,
            cause: draft.cause,
            correlation: if correlation.is_none() {
                id
            } else {
                correlation
            },
            actor: cut(draft.actor),
            stream: draft.event.stream(),
            producer: self.producer,
            sequence: self.sequence,
            event: draft.event,
            payload: Digest::ZERO,
            previous: self.head.hash,
            hash: Digest::ZERO,
        };
        codec::seal(&mut record);
        self.advance(&record);
        record
    }

    /// Takes a record that was read as the next, or says why it cannot be.
    pub fn follow(&mut self, record: &Record) -> Result<(), Error> {
        let want = self.head.offset.next();
        if record.offset != want {
            return Err(Error::Gap {
                want,
                found: record.offset,
            });
        }
        if record.previous != self.head.hash {
            return Err(Error::Broken {
                offset: record.offset,
            });
        }
        self.advance(record);
        Ok(())
    }

    fn advance(&mut self, record: &Record) {
        self.head = Head {
            offset: record.offset,
            hash: record.hash,
            time: record.time,
            epoch: record.epoch,
        };
    }
}

/// An actor's name has no limit of its own; in a record it is cut at 512 bytes.
fn cut(mut actor: String) -> String {
    const ACTOR_BYTES_MAX: usize = 512;
    if actor.len() > ACTOR_BYTES_MAX {
        let end = (0..=ACTOR_BYTES_MAX)
            .rev()
            .find(|at| actor.is_char_boundary(*at));
        actor.truncate(end.unwrap_or_default());
    }
    actor
}

#[cfg(test)]
mod tests {
    use super::{Chain, Head};
    use crate::codec::Error;
    use crate::{
        Draft, Event, Id, Offset, Record, TermStarted, Timestamp, decode, encode, encode_into,
    };

    fn records(count: i64) -> Vec<Record> {
        let mut chain = Chain::new(Head::default(), 7);
        let event = |n| {
            Event::from(TermStarted {
                identity: format!("n{n}"),
                ..Default::default()
            })
        };
        (0..count)
            .map(|n| {
                chain.seal(
                    Draft::news(event(n)).by("é".repeat(400)),
                    Id::NONE,
                    Timestamp(n),
                )
            })
            .collect()
    }

    #[test]
    fn records_follow_without_gap_and_time_never_goes_back() {
        let records = records(3);
        let mut chain = Chain::default();
        for (record, offset) in records.iter().zip(1..) {
            assert_eq!(record.offset, Offset(offset));
            assert_eq!(record.actor.len(), 512);
            chain.follow(record).unwrap();
        }
        assert!(records.is_sorted_by(|a, b| a.time < b.time));
        let mut late = Chain::new(
            Head {
                time: Timestamp(99),
                ..Head::default()
            },
            0,
        );
        let record = late.seal(
            Draft::news(records[0].event.clone()),
            Id::NONE,
            Timestamp(5),
        );
        assert_eq!(record.time, Timestamp(100));
    }

    #[test]
    fn a_dropped_swapped_doubled_or_foreign_record_does_not_follow() {
        let records = records(3);
        let mut other = records.clone();
        other[1].previous = other[2].previous;
        for (bad, gap) in [
            (vec![&records[0], &records[2]], true),
            (vec![&records[1]], true),
            (vec![&records[0], &records[0]], true),
            (vec![&records[0], &other[1]], false),
        ] {
            let mut chain = Chain::default();
            let error = bad
                .iter()
                .find_map(|record| chain.follow(record).err())
                .unwrap();
            assert_eq!(matches!(error, Error::Gap { .. }), gap, "{error}");
        }
    }

    #[test]
    fn records_are_encoded_one_behind_the_other() {
        let records = records(3);
        let mut bytes = b"before".to_vec();
        for record in &records {
            let start = bytes.len();
            encode_into(record, &mut bytes);
            assert_eq!(bytes[start..], encode(record));
            assert_eq!(decode(&bytes[start..]).unwrap(), *record);
            assert_eq!(record.event.payload_bytes(), record.event.payload().len());
        }
        assert!(bytes.starts_with(b"before"));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_found() {
        let bytes = encode(&records(1)[0]);
        assert_eq!(decode(&bytes).unwrap(), records(1)[0]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
        }
    }
}
