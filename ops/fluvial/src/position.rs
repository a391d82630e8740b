//! Points in a history as people name them: an offset, a revision, a time, an age.

use anyhow::{Result, bail, ensure};
use fluvial_event::{Offset, Timestamp};
use fluvial_log::index::Index;
use fluvial_view::rollback::DIGITS_MIN;

/// A point in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last record that counts.
    pub(crate) offset: Offset,
    /// The commit, where a revision was named; the offset is then the last that names it.
    pub(crate) commit: Option<String>,
}

/// What a text names by itself, before a history is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A record.
    Offset(Offset),
    /// A time; an age is one, and so is `now`.
    Time(Timestamp),
    /// A revision, or how one begins.
    Revision(String),
}

impl Named {
    /// Understands an offset, a time of RFC 3339, `now` and an age before it such as `2h` or `3d`; anything
    /// else is a revision: Flux's form (`main@sha1:…`), a commit, or how one begins. So is a number beyond
    /// the `end` of the history, for a few digits of a commit may all be decimal.
    pub(crate) fn read(text: &str, now: Timestamp, end: Offset) -> Self {
        let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if is_number
            && let Ok(offset) = text.parse()
            && Offset(offset) <= end
        {
            return Self::Offset(Offset(offset));
        }
        match time(text, now) {
            Some(time) if !is_commit(text) => Self::Time(time),
            _ => Self::Revision(text.to_owned()),
        }
    }
}

/// Whether `text` can be a commit, or as much of one as nobody types by mistake: `1234567d` is no age.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() >= DIGITS_MIN && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The point in a history that `text` names, as [`Named::read`] understands it.
pub(crate) fn parse(text: &str, index: &Index<'_>) -> Result<Position> {
    let end = index.end();
    if text == "now" {
        return Ok(at(end));
    }
    match Named::read(text, fluvial_runtime::now(), end) {
        Named::Offset(offset) => {
            ensure!(
                offset >= Offset::FIRST,
                "cannot go to record 0: the log goes from 1 to {end}"
            );
            Ok(at(offset))
        }
        Named::Time(time) => {
            let offset = index.at(time)?;
            ensure!(
                offset >= Offset::FIRST,
                "cannot go to {time}: the log begins at {}",
                index.record(Offset::FIRST)?.time
            );
            Ok(at(offset))
        }
        Named::Revision(_) => revision(text, index),
    }
}

fn at(offset: Offset) -> Position {
    Position {
        offset,
        commit: None,
    }
}

/// A time, or an age before `now`.
fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let hours;
    let text = match text.strip_suffix('d').map(str::parse::<u64>) {
        Some(Ok(days)) => {
            hours = format!("{}h", days.saturating_mul(24));
            &hours
        }
        _ => text,
    };
    let age = text.parse::<fluvial_api::Duration>().ok()?;
    let age = i64::try_from(age.as_std().as_nanos()).ok()?;
    Some(Timestamp(now.0.saturating_sub(age)))
}

fn revision(text: &str, index: &Index<'_>) -> Result<Position> {
    let commit = text.rsplit([':', '/']).next().unwrap_or(text);
    let seen = if commit.is_empty() {
        Vec::new()
    } else {
        index.revisions(commit, index.end())?
    };
    let mut commits: Vec<_> = seen.iter().map(|it| it.commit.as_str()).collect();
    commits.dedup();
    match commits.as_slice() {
        [] => bail!(
            "cannot find {text:?}: it is no offset up to {}, no time, no age such as 2h, and no revision that is on record; `fluvial history` lists those",
            index.end()
        ),
        [_] => {}
        _ if commits.contains(&commit) => {}
        [one, other, ..] => {
            bail!(
                "cannot tell which commit {text:?} is: both {one} and {other} begin like this; say more of it"
            )
        }
    }
    let exact = seen
        .iter()
        .filter(|it| it.commit == commit || commits.len() == 1);
    let newest = exact.max_by_key(|it| it.offset).expect("one was found");
    Ok(Position {
        offset: newest.offset,
        commit: Some(newest.commit.clone()),
    })
}

#[cfg(test)]
mod tests {
    use fluvial_event::{Offset, Timestamp};
    use fluvial_log::EventLog as _;
    use fluvial_log::index::Index;
    use fluvial_log::memory::MemoryLog;

    use super::{Named, parse};

    /// Five records, a nanosecond apart, of the revisions `main@sha1:0` to `main@sha1:4`.
    fn log() -> MemoryLog {
        use fluvial_log::contract::{object_draft, sealed};
        let log = MemoryLog::default();
        let drafts = [0, 11, 12, 3, 11].map(|number| object_draft("app", number));
        log.append(&sealed(drafts)).unwrap();
        log
    }

    #[test]
    fn a_text_names_the_same_wherever_it_is_typed() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-11-23T10:16:00Z");
        let revision = |text: &str| Named::Revision(text.to_owned());
        for (text, named) in [
            ("41", Named::Offset(Offset(41))),
            ("20000000", Named::Offset(Offset(20_000_000))),
            ("20000001", revision("20000001")),
            ("1234567d", revision("1234567d")),
            ("123456", Named::Offset(Offset(123_456))),
            ("99999999999999999999", revision("99999999999999999999")),
            ("now", Named::Time(now)),
            (
                "2026-11-23T10:00:00Z",
                Named::Time(time("2026-11-23T10:00:00Z")),
            ),
            ("2h", Named::Time(time("2026-11-23T08:16:00Z"))),
            ("1h30m", Named::Time(time("2026-11-23T08:46:00Z"))),
            ("3d", Named::Time(time("2026-11-20T10:16:00Z"))),
            ("main@sha1:0a1b2c3", revision("main@sha1:0a1b2c3")),
            ("0a1b2c3", revision("0a1b2c3")),
            ("-2h", revision("-2h")),
            ("", revision("")),
        ] {
            assert_eq!(Named::read(text, now, Offset(20_000_000)), named, "{text}");
        }
    }

    #[test]
    fn a_point_can_be_named_in_many_ways() {
        let log = log();
        let index = Index::open(&log, None, |_| {}).unwrap();
        let first = index.record(Offset::FIRST).unwrap().time;
        assert_eq!(first, Timestamp(1));
        for (text, offset, commit) in [
            ("now", 5, None),
            ("3", 3, None),
            ("2026-11-23T10:16:00Z", 5, None),
            ("1h30m", 5, None),
            ("2d", 5, None),
            ("main@sha1:12", 3, Some("12")),
            ("sha1:11", 5, Some("11")),
            ("12", 3, Some("12")),
            ("main/12", 3, Some("12")),
        ] {
            let found = parse(text, &index).unwrap();
            assert_eq!(
                (found.offset.0, found.commit.as_deref()),
                (offset, commit),
                "{text}"
            );
        }
        for (bad, why) in [
            ("0", "from 1 to 5"),
            ("main@sha1:1", "both 11 and 12"),
            ("nothing", "cannot find"),
            ("", "cannot find"),
            ("1970-01-01T00:00:00Z", "the log begins at"),
        ] {
            let error = parse(bad, &index).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
