//! Moments and durations as Go's `time` has them, in UTC or at a fixed distance from it.
//!
//! The clock is the caller's. `Local` is UTC: what a chart renders to depends on no machine.

mod layout;
mod parse;

use std::fmt;
use std::rc::Rc;

pub(crate) use layout::format;
pub(crate) use parse::parse;

const SECOND: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A moment, and the zone that it is told in.
#[derive(Clone, Debug)]
pub struct Time {
    /// Since 1970, in UTC.
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// East of UTC.
    pub(crate) offset: i32,
    /// The name of the zone; none for one that has only an offset.
    pub(crate) zone: Option<Rc<str>>,
}

/// A moment as people tell it.
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Sunday is 0.
    pub(crate) weekday: i64,
    /// January 1st is 1.
    pub(crate) year_day: i64,
}

impl Time {
    /// A moment in UTC.
    pub fn at(seconds: i64, nanos: u32) -> Self {
        Self {
            seconds: seconds + i64::from(nanos) / SECOND,
            nanos: nanos % 1_000_000_000,
            offset: 0,
            zone: Some(Rc::from("UTC")),
        }
    }

    /// Go's zero time, in the year 1.
    pub(crate) fn zero() -> Self {
        Self::at(-62_135_596_800, 0)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.seconds == -62_135_596_800 && self.nanos == 0
    }

    /// The same moment, told in UTC.
    pub(crate) fn utc(&self) -> Self {
        Self::at(self.seconds, self.nanos)
    }

    pub(crate) fn add(&self, nanos: i64) -> Self {
        let total = i64::from(self.nanos) + nanos.rem_euclid(SECOND);
        let seconds = self
            .seconds
            .saturating_add(nanos.div_euclid(SECOND) + total / SECOND);
        let nanos = u32::try_from(total % SECOND).unwrap_or_default();
        Self {
            seconds,
            nanos,
            ..self.clone()
        }
    }

    /// How long since another, within what a duration can hold.
    pub(crate) fn since(&self, other: &Self) -> i64 {
        let nanos = (i128::from(self.seconds) - i128::from(other.seconds)) * i128::from(SECOND)
            + i128::from(self.nanos)
            - i128::from(other.nanos);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    pub(crate) fn civil(&self) -> Civil {
        let local = self.seconds + i64::from(self.offset);
        let days = local.div_euclid(DAY_SECONDS);
        let second = local.rem_euclid(DAY_SECONDS);
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_until(year, 1, 1) + 1,
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format(self, "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Days from 1970 to a date; months and days may be out of range.
pub(crate) fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    // March comes first, so that a leap day is the last.
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

pub(crate) fn month_name(month: i64) -> &'static str {
    let index = usize::try_from(month - 1).unwrap_or(usize::MAX);
    MONTHS.get(index).copied().unwrap_or("%!Month(0)")
}

pub(crate) fn weekday_name(weekday: i64) -> &'static str {
    let index = usize::try_from(weekday).unwrap_or(usize::MAX);
    WEEKDAYS.get(index).copied().unwrap_or("%!Weekday(0)")
}

/// A duration as Go prints it: `1h0m0.5s`, `1.5ms`, `0s`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if size == 0 {
        return "0s".to_owned();
    }
    if size < 1_000_000_000 {
        let (unit, digits, scale) = match size {
            0..1_000 => ("ns", 0, 1),
            1_000..1_000_000 => ("µs", 3, 1_000),
            _ => ("ms", 6, 1_000_000),
        };
        let fraction = fraction(size % scale, digits);
        return format!("{sign}{}{fraction}{unit}", size / scale);
    }
    let seconds = size / 1_000_000_000;
    let rest = format!("{}{}s", seconds % 60, fraction(size % 1_000_000_000, 9));
    let minutes = seconds / 60;
    match (minutes / 60, minutes) {
        (0, 0) => format!("{sign}{rest}"),
        (0, minutes) => format!("{sign}{minutes}m{rest}"),
        (hours, minutes) => format!("{sign}{hours}h{}m{rest}", minutes % 60),
    }
}

/// `.5` of so many digits; nothing of zero.
fn fraction(value: u64, digits: usize) -> String {
    if value == 0 {
        return String::new();
    }
    let text = format!("{value:0digits$}");
    format!(".{}", text.trim_end_matches('0'))
}

/// `time.ParseDuration`
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let quoted = || parse::quoted(text);
    let invalid = || format!("time: invalid duration {}", quoted());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole = leading_digits(rest);
        let after = &rest[whole.len()..];
        let fraction = after.strip_prefix('.').map_or("", leading_digits);
        let dot = usize::from(after.starts_with('.'));
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        rest = &after[dot + fraction.len()..];
        let length = rest.find(|each: char| each == '.' || each.is_ascii_digit());
        let unit = &rest[..length.unwrap_or(rest.len())];
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted()));
        }
        let Some(scale) = unit_nanos(unit) else {
            let unit = parse::quoted(unit);
            return Err(format!(
                "time: unknown unit {unit} in duration {}",
                quoted()
            ));
        };
        rest = &rest[unit.len()..];
        let nanos = amount(whole, fraction, scale).ok_or_else(invalid)?;
        total = total
            .checked_add(nanos)
            .filter(|&sum| sum <= 1 << 63)
            .ok_or_else(invalid)?;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Ok(total),
        (true, Ok(total)) => Ok(-total),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

fn leading_digits(text: &str) -> &str {
    let length = text.find(|each: char| !each.is_ascii_digit());
    &text[..length.unwrap_or(text.len())]
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn amount(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(scale)?;
    let digits = &fraction[..fraction.len().min(18)];
    if let Ok(value) = digits.parse::<u64>() {
        let parts =
            u128::from(value) * u128::from(scale) / 10u128.pow(u32::try_from(digits.len()).ok()?);
        nanos = nanos.checked_add(u64::try_from(parts).ok()?)?;
    }
    Some(nanos)
}

/// `Duration.Round`: half away from zero.
pub(crate) fn round_duration(nanos: i64, to: i64) -> i64 {
    if to <= 0 {
        return nanos;
    }
    let rest = nanos % to;
    let (down, up) = (nanos - rest, nanos.checked_sub(rest));
    let half = rest.unsigned_abs() * 2 >= to.unsigned_abs();
    match (half, nanos < 0) {
        (false, _) => down,
        (true, false) => up.and_then(|down| down.checked_add(to)).unwrap_or(i64::MAX),
        (true, true) => up.and_then(|down| down.checked_sub(to)).unwrap_or(i64::MIN),
    }
}
