//! Times as RFC 3339 writes them, read back: what people type.

use std::str::FromStr;

use crate::Timestamp;

/// Not a time as RFC 3339 writes it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as a time: want RFC 3339, such as 2026-11-23T10:16:00Z")]
pub struct ParseTimestampError(String);

/// Days of a month are not counted out: the 31st of February is a day of March.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| ParseTimestampError(text.chars().take(80).collect()))
    }
}

fn read(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < "2026-11-23T10:16:00Z".len() {
        return None;
    }
    let separators = [(4, "-"), (7, "-"), (10, "Tt"), (13, ":"), (16, ":")];
    let fits = |(at, any): (usize, &str)| any.as_bytes().contains(&bytes[at]);
    if !separators.into_iter().all(fits) {
        return None;
    }
    let field = |from, to, least, most| number(&text[from..to], least, most);
    let (year, month, day) = (
        field(0, 4, 0, 9999)?,
        field(5, 7, 1, 12)?,
        field(8, 10, 1, 31)?,
    );
    let clock = (field(11, 13, 0, 23)? * 60 + field(14, 16, 0, 59)?) * 60 + field(17, 19, 0, 60)?;
    let (fraction, zone) = fraction(&text[19..])?;
    let seconds = days(year, month, day) * 86_400 + clock - zone_seconds(zone)?;
    Some(Timestamp(
        seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?,
    ))
}

fn number(digits: &str, least: i64, most: i64) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    (least..=most).contains(&number).then_some(number)
}

/// Nanoseconds, and what follows.
fn fraction(text: &str) -> Option<(i64, &str)> {
    const DIGITS_MAX: usize = 9;
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let padded = format!("{:0<DIGITS_MAX$}", &rest[..digits]);
    Some((padded.parse().ok()?, &rest[digits..]))
}

/// `Z`, or how far ahead of it the clock is.
fn zone_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    if (hours.len(), minutes.len()) != (2, 2) {
        return None;
    }
    Some(sign * (number(hours, 0, 23)? * 60 + number(minutes, 0, 59)?) * 60)
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use crate::Timestamp;

    #[test]
    fn times_read_back_as_they_are_written() {
        const QUARTER: i64 = 86_400_000_000_000 / 4;
        for quarters in (-400_000..400_000).step_by(97) {
            let time = Timestamp(quarters * QUARTER + 123_000_000);
            assert_eq!(time.to_string().parse(), Ok(time), "{time}");
        }
    }

    #[test]
    fn zones_and_fractions_count() {
        let at = |text: &str| text.parse::<Timestamp>().map(|it| it.to_string()).ok();
        let same = Some("2026-11-23T10:16:00.000Z".to_owned());
        for text in [
            "2026-11-23T10:16:00Z",
            "2026-11-23t10:16:00z",
            "2026-11-23T10:16:00.0Z",
            "2026-11-23T11:16:00+01:00",
            "2026-11-22T23:46:00-10:30",
        ] {
            assert_eq!(at(text), same, "{text}");
        }
        let nanosecond = "1970-01-01T00:00:00.000000001Z".parse();
        assert_eq!(nanosecond, Ok(Timestamp(1)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T10:16:00",
            "2026-11-23T10:16Z",
            "2026-13-23T10:16:00Z",
            "2026-11-23T24:16:00Z",
            "2026-11-23T10:16:00.Z",
            "2026-11-23T10:16:00.1234567890Z",
            "2026-11-23T10:16:00+1:00",
            "2026-11-23T10:16:00Zx",
            "2026-11-23T10:16:00+",
            "+026-11-23T10:16:00Z",
            "2026-11-23T10:16:ééZ",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
