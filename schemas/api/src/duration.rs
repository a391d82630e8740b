//! Durations as Go and Flux write them: `1h30m`, `5m0s`, `1.5s`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wincode::{SchemaRead, SchemaWrite};

/// The longest duration Go can hold, in nanoseconds (about 292 years).
const NANOSECONDS_MAX: u128 = i64::MAX as u128;

/// A duration that is not negative and at most what Go's `time.Duration` can hold.
///
/// Reads what Go's `time.ParseDuration` reads (except signs) and displays as Go's
/// `Duration.String` does, so a value survives the way through Flux's own programs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite,
)]
pub struct Duration(u64);

impl Duration {
    /// A whole number of seconds; more than Go can hold becomes the longest duration.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_nanoseconds(seconds.saturating_mul(1_000_000_000))
    }

    /// A number of milliseconds; more than Go can hold becomes the longest duration.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self::from_nanoseconds(milliseconds.saturating_mul(1_000_000))
    }

    /// A number of nanoseconds; more than Go can hold becomes the longest duration.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        let longest = i64::MAX.cast_unsigned();
        Self(if nanoseconds < longest {
            nanoseconds
        } else {
            longest
        })
    }

    /// The length in nanoseconds.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The length in whole milliseconds, rounded down.
    pub const fn milliseconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The same length as the standard library's type.
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0)
    }

    /// This length less another, zero at the least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a sequence of numbers with units.
    #[error("not a duration such as 1h30m, 5m or 10s")]
    Form,
    /// More than Go's `time.Duration` can hold.
    #[error("longer than the longest duration (2562047h)")]
    TooLong,
}

impl FromStr for Duration {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == "0" {
            return Ok(Self(0));
        }
        let mut rest = text;
        let mut total: u128 = 0;
        loop {
            let (nanoseconds, after) = term(rest)?;
            total = total.saturating_add(nanoseconds);
            if total > NANOSECONDS_MAX {
                return Err(Invalid::TooLong);
            }
            if after.is_empty() {
                return u64::try_from(total)
                    .map(Self)
                    .map_err(|_too_big| Invalid::TooLong);
            }
            rest = after;
        }
    }
}

/// Units in the order they must be tried: a longer one before its prefix.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads one number with its unit from the front; answers its nanoseconds and what follows.
fn term(text: &str) -> Result<(u128, &str), Invalid> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(Invalid::Form);
    }
    let (unit, rest) = UNITS
        .iter()
        .find_map(|(name, unit)| rest.strip_prefix(name).map(|rest| (*unit, rest)))
        .ok_or(Invalid::Form)?;
    let mut nanoseconds = number(whole).saturating_mul(unit);
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        nanoseconds = nanoseconds.saturating_add(u128::from(digit - b'0') * scale);
    }
    Ok((nanoseconds, rest))
}

/// Splits the decimal digits off the front.
fn digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The value of decimal digits, saturating.
fn number(digits: &str) -> u128 {
    digits.bytes().fold(0, |value: u128, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u128::from(digit - b'0'))
    })
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        match self.0 {
            0 => f.write_str("0s"),
            n if n < 1_000 => write!(f, "{n}ns"),
            n if n < 1_000_000 => write!(f, "{}µs", decimal(n, 1_000)),
            n if n < SECOND => write!(f, "{}ms", decimal(n, 1_000_000)),
            n => {
                let (hours, minutes) = (n / (3_600 * SECOND), n / (60 * SECOND) % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", decimal(n % (60 * SECOND), SECOND))
            }
        }
    }
}

/// `value / unit` with as many decimals as are needed; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let fraction = value % unit;
    if fraction == 0 {
        return (value / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let decimals = format!("{fraction:0width$}");
    format!("{}.{}", value / unit, decimals.trim_end_matches('0'))
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_displays_as_go_does() {
        for (text, nanoseconds, shown) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("10s", 10_000_000_000, "10s"),
            ("1m", 60_000_000_000, "1m0s"),
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("90m", 5_400_000_000_000, "1h30m0s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            (".5s", 500_000_000, "500ms"),
            ("532.125ms", 532_125_000, "532.125ms"),
            ("1.001s", 1_001_000_000, "1.001s"),
            ("12.5µs", 12_500, "12.5µs"),
            ("12us", 12_000, "12µs"),
            ("7ns", 7, "7ns"),
            (
                "2562047h47m16.854775807s",
                i64::MAX.unsigned_abs(),
                "2562047h47m16.854775807s",
            ),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.nanoseconds(), nanoseconds, "{text}");
            assert_eq!(duration.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(duration), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_length_of_time() {
        for (text, why) in [
            ("", Invalid::Form),
            ("-1s", Invalid::Form),
            ("+1s", Invalid::Form),
            ("1", Invalid::Form),
            ("s", Invalid::Form),
            (".s", Invalid::Form),
            ("1d", Invalid::Form),
            ("1e400s", Invalid::Form),
            ("1s ", Invalid::Form),
            ("١s", Invalid::Form),
            ("99999999h", Invalid::TooLong),
            ("2562047h47m16.854775808s", Invalid::TooLong),
            (
                "9999999999999999999999999999999999999999999999h",
                Invalid::TooLong,
            ),
        ] {
            assert_eq!(text.parse::<Duration>(), Err(why), "{text}");
        }
    }

    #[test]
    fn never_exceeds_the_longest() {
        let longest = Duration::from_nanoseconds(u64::MAX);
        assert_eq!(longest.nanoseconds(), i64::MAX.unsigned_abs());
        assert_eq!(Duration::from_seconds(u64::MAX), longest);
        assert!(Duration::from_seconds(1).saturating_sub(longest).is_zero());
    }
}
