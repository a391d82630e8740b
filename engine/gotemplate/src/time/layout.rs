//! Go's layouts: a moment written the way a reference moment is written.

use super::{Civil, MONTHS, Time, WEEKDAYS};

/// What a layout may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    Zone,
    /// `-0700`, `-07:00`, `Z07:00`, …
    Offset {
        z: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    /// `.000`, `,000`
    Fraction {
        digits: usize,
        separator: char,
    },
    /// `.999`: without zeros at the end.
    ShortFraction {
        digits: usize,
        separator: char,
    },
}

/// The names of parts, longest first where one begins another.
const NAMES: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::Zone),
    ("002", Part::ZeroYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("_2", Part::UnderDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperHalf),
    ("pm", Part::LowerHalf),
    (
        "-070000",
        Part::Offset {
            z: false,
            colon: false,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "-07:00:00",
        Part::Offset {
            z: false,
            colon: true,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "-0700",
        Part::Offset {
            z: false,
            colon: false,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "-07:00",
        Part::Offset {
            z: false,
            colon: true,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "-07",
        Part::Offset {
            z: false,
            colon: false,
            minutes: false,
            seconds: false,
        },
    ),
    (
        "Z070000",
        Part::Offset {
            z: true,
            colon: false,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "Z07:00:00",
        Part::Offset {
            z: true,
            colon: true,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "Z0700",
        Part::Offset {
            z: true,
            colon: false,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "Z07:00",
        Part::Offset {
            z: true,
            colon: true,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "Z07",
        Part::Offset {
            z: true,
            colon: false,
            minutes: false,
            seconds: false,
        },
    ),
];

/// The first part that a layout names: what is before it, and what is left.
pub(super) fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    layout.char_indices().find_map(|(at, _)| {
        let rest = &layout[at..];
        let (part, length) = part_at(rest)?;
        Some((&layout[..at], part, &rest[length..]))
    })
}

fn part_at(rest: &str) -> Option<(Part, usize)> {
    if rest.starts_with('_') && rest[1..].starts_with("2006") {
        // "_2006" is an underscore and a year.
        return None;
    }
    let found = NAMES.iter().find(|(name, _)| rest.starts_with(name));
    if let Some((name, part)) = found {
        let month =
            *part == Part::Month && rest[3..].starts_with(|next: char| next.is_ascii_lowercase());
        let day =
            *part == Part::Weekday && rest[3..].starts_with(|next: char| next.is_ascii_lowercase());
        if month || day {
            return None;
        }
        return Some((*part, name.len()));
    }
    let separator = rest
        .chars()
        .next()
        .filter(|first| matches!(first, '.' | ','))?;
    let digit = rest[1..]
        .chars()
        .next()
        .filter(|next| matches!(next, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|each| *each == digit).count();
    if rest[1 + digits..].starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    let part = if digit == '0' {
        Part::Fraction { digits, separator }
    } else {
        Part::ShortFraction { digits, separator }
    };
    Some((part, 1 + digits))
}

/// A moment in a layout.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while let Some((before, part, after)) = next_part(rest) {
        out.push_str(before);
        write(&mut out, time, &civil, part);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn write(out: &mut String, time: &Time, civil: &Civil, part: Part) {
    let name = |names: &[&'static str], index: i64| {
        names[usize::try_from(index).unwrap_or_default() % names.len()]
    };
    let hour12 = match civil.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let text = match part {
        Part::Year => format!("{:02}", civil.year.rem_euclid(100)),
        Part::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
        Part::LongYear => format!("{:04}", civil.year),
        Part::Month => name(&MONTHS, civil.month - 1)[..3].to_owned(),
        Part::LongMonth => name(&MONTHS, civil.month - 1).to_owned(),
        Part::NumMonth => civil.month.to_string(),
        Part::ZeroMonth => format!("{:02}", civil.month),
        Part::Weekday => name(&WEEKDAYS, civil.weekday)[..3].to_owned(),
        Part::LongWeekday => name(&WEEKDAYS, civil.weekday).to_owned(),
        Part::Day => civil.day.to_string(),
        Part::UnderDay => format!("{:2}", civil.day),
        Part::ZeroDay => format!("{:02}", civil.day),
        Part::UnderYearDay => format!("{:3}", civil.year_day),
        Part::ZeroYearDay => format!("{:03}", civil.year_day),
        Part::Hour => format!("{:02}", civil.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => civil.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", civil.minute),
        Part::Second => civil.second.to_string(),
        Part::ZeroSecond => format!("{:02}", civil.second),
        Part::UpperHalf => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerHalf => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::Zone => match &time.zone {
            Some(zone) => zone.to_string(),
            None => offset(time.offset, false, time.offset % 3600 != 0, false),
        },
        Part::Offset { z: true, .. } if time.offset == 0 => "Z".to_owned(),
        Part::Offset {
            colon,
            minutes,
            seconds,
            ..
        } => offset(time.offset, colon, minutes, seconds),
        Part::Fraction { digits, separator } => {
            let nanos = format!("{:09}{}", time.nanos, "0".repeat(digits.saturating_sub(9)));
            format!("{separator}{}", &nanos[..digits])
        }
        Part::ShortFraction { digits, separator } => {
            let nanos = format!("{:09}", time.nanos);
            match nanos[..digits.min(9)].trim_end_matches('0') {
                "" => String::new(),
                digits => format!("{separator}{digits}"),
            }
        }
    };
    out.push_str(&text);
}

fn offset(seconds: i32, colon: bool, minutes: bool, with_seconds: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.abs();
    let colon = if colon { ":" } else { "" };
    let mut text = format!("{sign}{:02}", size / 3600);
    if minutes {
        text.push_str(&format!("{colon}{:02}", size / 60 % 60));
    }
    if with_seconds {
        text.push_str(&format!("{colon}{:02}", size % 60));
    }
    text
}
