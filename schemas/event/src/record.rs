//! A record: an event at its offset, with its time, its cause and its place in the chain.

use std::fmt;

use serde::{Serialize, Serializer};
use wincode::{SchemaRead, SchemaWrite};

use crate::{Digest, Event, Id};

/// Where a record stands in the log. The first is 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Offset(pub u64);

impl Offset {
    /// The first offset of a log.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nanoseconds since 1970, in UTC. The only clock that a reducer may read is that of its record.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This, and `milliseconds` more.
    #[must_use]
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(
            self.0
                .saturating_add(milliseconds.saturating_mul(1_000_000)),
        )
    }

    /// From `earlier` to this.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }
}

/// RFC 3339 in UTC with milliseconds, as `2026-11-23T10:16:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (
            self.seconds().div_euclid(86_400),
            self.seconds().rem_euclid(86_400),
        );
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let millisecond = self.0.rem_euclid(1_000_000_000) / 1_000_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
/// Counted in eras of 400 years that begin on the first of March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// An event that wants to become a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The record that this follows from; [`Id::NONE`] for news from outside.
    pub cause: Id,
    /// Who did it: `controller:fluvial`, `manager:kubectl-edit`, `author:Jane <jane@example.org>`.
    pub actor: String,
    /// What happened.
    pub event: Event,
}

impl Draft {
    /// News from outside that nobody in particular brought.
    pub fn news(event: Event) -> Self {
        Self {
            cause: Id::NONE,
            actor: String::new(),
            event,
        }
    }

    /// What came of the command `cause`.
    pub fn outcome(cause: Id, event: Event) -> Self {
        Self {
            cause,
            actor: String::new(),
            event,
        }
    }

    /// The same, done by `actor`.
    #[must_use]
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            ..self
        }
    }
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Where it stands.
    pub offset: Offset,
    /// When it was appended; never before the record in front of it.
    pub time: Timestamp,
    /// Counts the lives of this log: a restored backup begins a new one.
    pub epoch: u64,
    /// The log's partition; 0 where there is one.
    pub partition: u16,
    /// Its name, and the name of the command that it issues.
    pub id: Id,
    /// The record that this follows from; zero for news from outside.
    pub cause: Id,
    /// The record that began it all; its own id where nothing came before.
    pub correlation: Id,
    /// Who did it; empty for nobody in particular.
    pub actor: String,
    /// The stream: the object that this is about.
    pub stream: String,
    /// Who appended it, for telling a repeated append from a new one.
    pub producer: u64,
    /// Counts what that producer appended.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
    /// The digest of the event's bytes: the event enters the hash by it, and is hashed once.
    #[serde(skip)]
    pub payload: Digest,
    /// The hash of the record in front of it.
    pub previous: Digest,
    /// The hash of this record.
    pub hash: Digest,
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn times_read_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_795_428_960, "2026-11-23T10:16:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Timestamp(seconds * 1_000_000_000).to_string(), text);
        }
        assert_eq!(Timestamp(1_500_000).to_string(), "1970-01-01T00:00:00.001Z");
    }
}
