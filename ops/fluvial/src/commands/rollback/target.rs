//! `--to`: an offset, a revision, a time or an age.

use anyhow::{Result, bail};
use fluvial_event::{Offset, Timestamp};
use fluvial_view::rollback::{DIGITS_MIN, Target};

/// What `text` means at `now`. Digits alone are an offset.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Target> {
    if !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()) {
        return match text.parse() {
            Ok(offset) => Ok(Target::Offset(Offset(offset))),
            Err(_) => Ok(Target::Revision(text.to_owned())),
        };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Target::Time(time));
    }
    if let Ok(age) = text.parse::<fluvial_api::Duration>() {
        let age = i64::try_from(age.milliseconds()).unwrap_or(i64::MAX);
        return Ok(Target::Time(now.plus_ms(age.saturating_neg())));
    }
    let commit = text.rsplit(':').next().unwrap_or_default();
    let is_commit = commit.len() >= DIGITS_MIN && commit.bytes().all(|it| it.is_ascii_hexdigit());
    if is_commit {
        return Ok(Target::Revision(text.to_owned()));
    }
    bail!(
        "cannot tell what --to {text} is: give an offset (see `fluvial history`), a revision such as \
         main@sha1:0a1b2c3 or {DIGITS_MIN} digits of a commit at least, a time such as \
         2026-11-23T10:16:00Z, or an age such as 2h"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_meant_is_understood() {
        let now: Timestamp = "2026-11-23T10:16:00Z".parse().unwrap();
        let time = |text: &str| Target::Time(text.parse().unwrap());
        let revision = |text: &str| Target::Revision(text.to_owned());
        for (text, target) in [
            ("41", Target::Offset(Offset(41))),
            ("12345678", Target::Offset(Offset(12_345_678))),
            ("99999999999999999999", revision("99999999999999999999")),
            ("main@sha1:0a1b2c3", revision("main@sha1:0a1b2c3")),
            ("0a1b2c3", revision("0a1b2c3")),
            ("2026-11-23T10:00:00Z", time("2026-11-23T10:00:00Z")),
            ("2h", time("2026-11-23T08:16:00Z")),
            ("1h30m", time("2026-11-23T08:46:00Z")),
        ] {
            assert_eq!(parse(text, now).unwrap(), target, "{text}");
        }
        for text in ["", "main", "0a1b2c", "main@sha1:", "yesterday", "-2h"] {
            let error = parse(text, now).unwrap_err().to_string();
            assert!(error.contains("fluvial history"), "{text}: {error}");
        }
    }
}
