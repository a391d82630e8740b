//! A moment read in one of Go's layouts.

use std::rc::Rc;

use super::layout::{Part, next_part};
use super::{MONTHS, Time, WEEKDAYS, days_until};

/// `time.ParseInLocation` with UTC as the location.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Time, String> {
    let mut reader = Reader {
        rest: text,
        read: Read::default(),
    };
    let mut left = layout;
    loop {
        let next = next_part(left);
        let prefix = next.as_ref().map_or(left, |(prefix, ..)| prefix);
        if !reader.skip(prefix) {
            return Err(unparsed(layout, text, prefix, reader.rest));
        }
        let Some((prefix, part, after)) = next else {
            if reader.rest.is_empty() {
                break;
            }
            let extra = quoted(reader.rest);
            return Err(wrong(text, &format!("extra text: {extra}")));
        };
        let said = &left[prefix.len()..left.len() - after.len()];
        let hold = reader.rest;
        left = after;
        reader.part(part, left).map_err(|problem| match problem {
            Problem::Unparsed => unparsed(layout, text, said, hold),
            Problem::Range(what) => wrong(text, &format!("{what} out of range")),
        })?;
    }
    reader.read.time().map_err(|message| wrong(text, message))
}

fn wrong(text: &str, message: &str) -> String {
    format!("parsing time {}: {message}", quoted(text))
}

fn unparsed(layout: &str, text: &str, said: &str, at: &str) -> String {
    let [text, layout, at, said] = [text, layout, at, said].map(quoted);
    format!("parsing time {text} as {layout}: cannot parse {at} as {said}")
}

/// Go's `time` quotes in a way of its own: what is beyond ASCII byte by byte.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' | 0x7f => out.push(char::from(byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

enum Problem {
    Unparsed,
    Range(&'static str),
}

/// What has been read.
#[derive(Default)]
struct Read {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    half: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone: Option<String>,
}

struct Reader<'t> {
    rest: &'t str,
    read: Read,
}

impl Reader<'_> {
    /// Passes what the layout has as it is; a space stands for any number of them.
    fn skip(&mut self, prefix: &str) -> bool {
        let mut prefix = prefix;
        while let Some(first) = prefix.chars().next() {
            if first == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return false;
                }
                prefix = prefix.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
                continue;
            }
            let Some(rest) = self.rest.strip_prefix(first) else {
                return false;
            };
            self.rest = rest;
            prefix = &prefix[first.len_utf8()..];
        }
        true
    }

    #[expect(clippy::too_many_lines, reason = "one table of what a layout names")]
    fn part(&mut self, part: Part, layout: &str) -> Result<(), Problem> {
        match part {
            Part::Year => {
                let year = self.digits(2, 2)?;
                self.read.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Part::LongYear => self.read.year = self.digits(4, 4)?,
            Part::Month => self.read.month = Some(self.name(&MONTHS, 3)? + 1),
            Part::LongMonth => self.read.month = Some(self.name(&MONTHS, usize::MAX)? + 1),
            Part::NumMonth | Part::ZeroMonth => {
                let month = self.number(part == Part::ZeroMonth)?;
                self.read.month = Some(within(month, 1..=12, "month")?);
            }
            Part::Weekday => drop(self.name(&WEEKDAYS, 3)?),
            Part::LongWeekday => drop(self.name(&WEEKDAYS, usize::MAX)?),
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                if part == Part::UnderDay {
                    self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                }
                self.read.day = Some(self.number(part == Part::ZeroDay)?);
            }
            Part::UnderYearDay | Part::ZeroYearDay => {
                if part == Part::UnderYearDay {
                    for _ in 0..2 {
                        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                    }
                }
                let least = if part == Part::ZeroYearDay { 3 } else { 1 };
                self.read.year_day = Some(self.digits(least, 3)?);
            }
            Part::Hour => self.read.hour = within(self.number(false)?, 0..=23, "hour")?,
            Part::Hour12 | Part::ZeroHour12 => {
                let hour = self.number(part == Part::ZeroHour12)?;
                self.read.hour = within(hour, 0..=12, "hour")?;
            }
            Part::Minute | Part::ZeroMinute => {
                let minute = self.number(part == Part::ZeroMinute)?;
                self.read.minute = within(minute, 0..=59, "minute")?;
            }
            Part::Second | Part::ZeroSecond => {
                let second = self.number(part == Part::ZeroSecond)?;
                self.read.second = within(second, 0..=59, "second")?;
                let next = next_part(layout).map(|(_, part, _)| part);
                let named = matches!(
                    next,
                    Some(Part::Fraction { .. } | Part::ShortFraction { .. })
                );
                if !named {
                    self.fraction_if_there();
                }
            }
            Part::UpperHalf => self.half("AM", "PM")?,
            Part::LowerHalf => self.half("am", "pm")?,
            Part::Zone => self.zone()?,
            Part::Offset { z: true, .. } if self.rest.starts_with('Z') => {
                self.rest = &self.rest[1..];
                self.read.utc = true;
            }
            Part::Offset {
                colon,
                minutes,
                seconds,
                ..
            } => self.offset(colon, minutes, seconds)?,
            Part::Fraction { digits, .. } => {
                let rest = self
                    .rest
                    .strip_prefix(['.', ','])
                    .ok_or(Problem::Unparsed)?;
                let found = rest.get(..digits).ok_or(Problem::Unparsed)?;
                self.read.nanos = nanos(found).ok_or(Problem::Unparsed)?;
                self.rest = &rest[digits..];
            }
            Part::ShortFraction { .. } => self.fraction_if_there(),
        }
        Ok(())
    }

    fn fraction_if_there(&mut self) {
        if let Some(rest) = self.rest.strip_prefix(['.', ',']) {
            let length = rest
                .find(|each: char| !each.is_ascii_digit())
                .unwrap_or(rest.len());
            if let Some(nanos) = nanos(&rest[..length]) {
                self.read.nanos = nanos;
                self.rest = &rest[length..];
            }
        }
    }

    /// So many digits.
    fn digits(&mut self, least: usize, most: usize) -> Result<i64, Problem> {
        let digits = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if digits < least {
            return Err(Problem::Unparsed);
        }
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        digits.parse().map_err(|_error| Problem::Unparsed)
    }

    /// One or two digits, or just two.
    fn number(&mut self, two: bool) -> Result<i64, Problem> {
        self.digits(if two { 2 } else { 1 }, 2)
    }

    fn name(&mut self, names: &[&str], length: usize) -> Result<i64, Problem> {
        for (index, name) in (0..).zip(names) {
            let name = &name[..length.min(name.len())];
            if let Some(start) = self.rest.get(..name.len())
                && start.eq_ignore_ascii_case(name)
            {
                self.rest = &self.rest[name.len()..];
                return Ok(index);
            }
        }
        Err(Problem::Unparsed)
    }

    fn half(&mut self, before: &str, after: &str) -> Result<(), Problem> {
        let (half, rest) = self.rest.split_at_checked(2).ok_or(Problem::Unparsed)?;
        self.read.half = Some(match half {
            half if half == before => false,
            half if half == after => true,
            _ => return Err(Problem::Unparsed),
        });
        self.rest = rest;
        Ok(())
    }

    fn offset(&mut self, colon: bool, minutes: bool, seconds: bool) -> Result<(), Problem> {
        let sign = match self.rest.chars().next() {
            Some('+') => 1,
            Some('-') => -1,
            _ => return Err(Problem::Unparsed),
        };
        self.rest = &self.rest[1..];
        let hours = self.number(true)?;
        let mut rest = [0, 0];
        for (index, wanted) in [minutes, seconds].into_iter().enumerate() {
            if wanted {
                if colon {
                    self.rest = self.rest.strip_prefix(':').ok_or(Problem::Unparsed)?;
                }
                rest[index] = self.number(true)?;
            }
        }
        within(hours, 0..=24, "time zone offset hour")?;
        within(rest[0], 0..=60, "time zone offset minute")?;
        within(rest[1], 0..=60, "time zone offset second")?;
        let total = (hours * 60 + rest[0]) * 60 + rest[1];
        self.read.offset = i32::try_from(sign * total).ok();
        Ok(())
    }

    fn zone(&mut self) -> Result<(), Problem> {
        if let Some(rest) = self.rest.strip_prefix("UTC") {
            self.rest = rest;
            self.read.utc = true;
            return Ok(());
        }
        let length = zone_length(self.rest).ok_or(Problem::Unparsed)?;
        let (zone, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.read.zone = Some(zone.to_owned());
        Ok(())
    }
}

fn within(
    number: i64,
    range: std::ops::RangeInclusive<i64>,
    what: &'static str,
) -> Result<i64, Problem> {
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(Problem::Range(what))
    }
}

fn nanos(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = &digits[..digits.len().min(9)];
    format!("{digits:0<9}").parse().ok()
}

/// How long an abbreviation of a zone is.
fn zone_length(text: &str) -> Option<usize> {
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    let signed = |rest: &str| -> Option<usize> {
        let digits = rest.strip_prefix(['+', '-'])?;
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let hours: u32 = digits[..count].parse().ok()?;
        (hours < 24).then_some(1 + count)
    };
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed(rest).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed(text);
    }
    let upper = text
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    match upper {
        3 => Some(3),
        4 => (text.as_bytes()[3] == b'T' || text.starts_with("WITA")).then_some(4),
        5 => (text.as_bytes()[4] == b'T').then_some(5),
        _ => None,
    }
}

impl Read {
    fn time(self) -> Result<Time, &'static str> {
        let hour = match self.half {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let mut month = self.month.unwrap_or(1);
        let mut day = self.day.unwrap_or(1);
        if let Some(year_day) = self.year_day {
            let length = days_until(self.year + 1, 1, 1) - days_until(self.year, 1, 1);
            if !(1..=length).contains(&year_day) {
                return Err("day-of-year out of range");
            }
            let mut first = (1, year_day);
            while first.1 > month_length(self.year, first.0) {
                first = (first.0 + 1, first.1 - month_length(self.year, first.0));
            }
            if self.month.is_some_and(|month| month != first.0) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|day| day != first.1) {
                return Err("day-of-year does not match day");
            }
            (month, day) = first;
        }
        if !(1..=month_length(self.year, month)).contains(&day) {
            return Err("day out of range");
        }
        let days = days_until(self.year, month, day);
        let seconds = days * 86_400 + hour * 3600 + self.minute * 60 + self.second;
        let mut time = Time::at(seconds, self.nanos);
        if self.utc {
            return Ok(time);
        }
        let zone = self.zone.map(Rc::from);
        if let Some(offset) = self.offset {
            time.seconds -= i64::from(offset);
            let is_utc = offset == 0 && zone.as_deref().is_none_or(|zone| zone == "UTC");
            if !is_utc {
                time.offset = offset;
                time.zone = zone;
            }
        } else if let Some(zone) = zone {
            let hours: i32 = zone
                .strip_prefix("GMT")
                .map_or(0, |hours| hours.parse().unwrap_or(0));
            // Go keeps the clock and gives it the offset, so the moment is another.
            time.offset = hours * 3600;
            time.zone = Some(zone);
        }
        Ok(time)
    }
}

fn month_length(year: i64, month: i64) -> i64 {
    days_until(year, month + 1, 1) - days_until(year, month, 1)
}
