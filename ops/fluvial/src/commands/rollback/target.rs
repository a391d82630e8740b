//! `--to`: what of the points in a history a deployment can be looked for by.

use anyhow::{Result, bail};
use fluvial_event::{Offset, Timestamp};
use fluvial_view::rollback::{DIGITS_MIN, Target};

use crate::position::{Named, is_commit};

/// What `text` means at `now`, of a history up to `end`. A revision must be as long as nobody types by mistake.
pub(super) fn parse(text: &str, now: Timestamp, end: Offset) -> Result<Target> {
    match Named::read(text, now, end) {
        Named::Offset(offset) => Ok(Target::Offset(offset)),
        Named::Time(time) => Ok(Target::Time(time)),
        Named::Revision(revision) if names_commit(&revision) => Ok(Target::Revision(revision)),
        Named::Revision(_) => bail!(
            "cannot tell what --to {text} is: give an offset (see `fluvial history`), a revision such as \
             main@sha1:0a1b2c3 or {DIGITS_MIN} digits of a commit at least, a time such as \
             2026-11-23T10:16:00Z, or an age such as 2h"
        ),
    }
}

fn names_commit(revision: &str) -> bool {
    is_commit(revision.rsplit(':').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_must_be_long_enough_to_be_meant() {
        let now: Timestamp = "2026-11-23T10:16:00Z".parse().unwrap();
        let end = Offset(1_412);
        let revision = |text: &str| Target::Revision(text.to_owned());
        for (text, target) in [
            ("41", Target::Offset(Offset(41))),
            ("2h", Target::Time("2026-11-23T08:16:00Z".parse().unwrap())),
            ("now", Target::Time(now)),
            ("main@sha1:0a1b2c3", revision("main@sha1:0a1b2c3")),
            ("0a1b2c3", revision("0a1b2c3")),
            ("33618703", revision("33618703")),
        ] {
            assert_eq!(parse(text, now, end).unwrap(), target, "{text}");
        }
        for text in [
            "",
            "main",
            "0a1b2c",
            "main@sha1:",
            "1413",
            "yesterday",
            "-2h",
        ] {
            let error = parse(text, now, end).unwrap_err().to_string();
            assert!(error.contains("fluvial history"), "{text}: {error}");
        }
    }
}
