//! Reads a whole log and says everything that is wrong with it. Changes nothing, and never panics.

use std::collections::BTreeSet;

use fluvial_event::{Chain, Digest, Event, Head, Offset, Record};
use serde::Serialize;

use crate::{BlobStore, Error, EventLog, check};

/// How many problems are listed; the rest are counted.
pub const PROBLEMS_MAX: usize = 1_000;

/// How many blobs are remembered as checked, so that memory does not grow with history.
const REMEMBERED_BLOBS_MAX: usize = 1 << 16;

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many records could be read.
    pub records: u64,
    /// The first offset that could be read; 0 where none could.
    pub first: Offset,
    /// The last offset that could be read; 0 where none could.
    pub last: Offset,
    /// The hash of that one.
    pub hash: Digest,
    /// How many blobs were read.
    pub blobs: u64,
    /// What is wrong, in the order of the log; at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub unlisted: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The record that has to do with it; 0 for none in particular.
    pub offset: Offset,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds to what is wrong.
    pub fn problem(&mut self, offset: Offset, what: impl std::fmt::Display) {
        if self.problems.len() < PROBLEMS_MAX {
            let what = what.to_string();
            self.problems.push(Problem { offset, what });
        } else {
            self.unlisted += 1;
        }
    }
}

/// Checks every record against its hash and against the one before it, the blobs that it names, and
/// the end against `pinned`, the head as it was noted outside the log. Goes on after a problem.
pub fn verify(log: &dyn EventLog, blobs: Option<&dyn BlobStore>, pinned: Option<Head>) -> Report {
    let mut walk = Walk {
        blobs,
        pinned,
        chain: Some(Chain::default()),
        next: Offset::FIRST,
        seen: BTreeSet::new(),
        report: Report::default(),
    };
    let head = log.head();
    for item in log.read(Offset::FIRST) {
        match item {
            Ok(record) => walk.record(&record),
            Err(error) => walk.unreadable(&error),
        }
    }
    walk.end(head)
}

/// The names of the blobs that `event` needs.
pub fn blobs(event: &Event) -> impl Iterator<Item = &str> {
    let mut release = Vec::new();
    let (one, many) = match event {
        Event::ArtifactFetched(it) => (it.artifact.as_ref().map(|it| it.blob.as_str()), None),
        Event::ManifestsBuilt(it) => (None, Some(it.objects.iter())),
        Event::ManifestsRecalled(it) => (None, Some(it.objects.iter())),
        Event::ReleaseInspected(it) => {
            release.push(it.values.as_str());
            (None, Some(it.objects.iter()))
        }
        Event::ReleaseRendered(it) => {
            release.push(it.release.as_str());
            let prerequisites = it.prerequisites.iter().map(|it| it.manifest.as_str());
            release.extend(prerequisites);
            release.extend(it.hooks.iter().map(|it| it.manifest.as_str()));
            (None, Some(it.objects.iter()))
        }
        Event::ResourceObserved(_)
        | Event::ResourceDeleted(_)
        | Event::SourceUnchanged(_)
        | Event::FetchFailed(_)
        | Event::BuildFailed(_)
        | Event::ObjectsApplied(_)
        | Event::ObjectsPruned(_)
        | Event::ObjectObserved(_)
        | Event::ObjectGone(_)
        | Event::TermStarted(_)
        | Event::TimerFired(_)
        | Event::WatchGap(_)
        | Event::FinalizerSet(_)
        | Event::CommandFailed(_)
        | Event::ChartDeclared(_)
        | Event::ReleaseFailed(_)
        | Event::ReleaseStored(_)
        | Event::HookRan(_)
        | Event::NotificationDelivered(_)
        | Event::NotificationFailed(_)
        | Event::NotificationParked(_)
        | Event::CommandIssued(_)
        | Event::Waited(_)
        | Event::RecallFailed(_)
        | Event::HoldEnded(_)
        | Event::Concluded(_) => (None, None),
    };
    let many = many.into_iter().flatten().map(|it| it.manifest.as_str());
    let all = one.into_iter().chain(many).chain(release);
    all.filter(|name| !name.is_empty())
}

struct Walk<'a> {
    blobs: Option<&'a dyn BlobStore>,
    pinned: Option<Head>,
    /// What the next record has to follow; nothing after one that could not be read.
    chain: Option<Chain>,
    /// Where the next record stands.
    next: Offset,
    seen: BTreeSet<Digest>,
    report: Report,
}

impl Walk<'_> {
    fn record(&mut self, record: &Record) {
        let report = &mut self.report;
        if let Some(mut chain) = self.chain.take()
            && let Err(error) = chain.follow(record)
        {
            report.problem(record.offset, error);
        }
        self.chain = Some(Chain::new(check::head(record), 0));
        if self
            .pinned
            .is_some_and(|pin| pin.offset == record.offset && pin.hash != record.hash)
        {
            let offset = record.offset;
            report.problem(offset, Error::Replaced { offset });
        }
        if report.records == 0 {
            report.first = record.offset;
        }
        report.records += 1;
        report.last = record.offset;
        self.next = record.offset.next();
        report.hash = record.hash;
        for name in blobs(&record.event) {
            self.blob(record.offset, name);
        }
    }

    fn unreadable(&mut self, error: &Error) {
        let offset = match error {
            Error::Record { offset, .. } => *offset,
            _ => self.next,
        };
        self.next = offset.next();
        self.report.problem(offset, error);
        self.chain = None;
    }

    fn blob(&mut self, offset: Offset, name: &str) {
        let Some(blobs) = self.blobs else { return };
        let digest = match name.parse() {
            Ok(digest) => digest,
            Err(error) => return self.report.problem(offset, error),
        };
        if self.seen.len() >= REMEMBERED_BLOBS_MAX {
            self.seen.clear();
        }
        if self.seen.insert(digest) {
            self.report.blobs += 1;
            if let Err(error) = blobs.get(&digest) {
                self.report.problem(offset, error);
            }
        }
    }

    fn end(mut self, head: Head) -> Report {
        let found = self.report.last;
        let promised = self
            .pinned
            .map_or(head.offset, |pin| pin.offset.max(head.offset));
        if promised > found {
            let pinned = promised;
            self.report
                .problem(pinned, Error::Truncated { pinned, found });
        }
        self.report
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::{Digest, Head, Offset};

    use super::verify;
    use crate::memory::{MemoryBlobs, MemoryLog};
    use crate::{BlobStore as _, EventLog as _, check, contract};

    const RECORDS: usize = 9;

    fn log() -> MemoryLog {
        let log = MemoryLog::default();
        log.append(&contract::records(RECORDS)).unwrap();
        log
    }

    #[test]
    fn a_sound_log_has_no_problems_and_an_empty_one_neither() {
        let log = log();
        let report = verify(&log, None, Some(log.head()));
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(
            (report.records, report.first, report.last),
            (9, Offset(1), Offset(9))
        );
        assert_eq!(report.hash, log.head().hash);
        assert!(verify(&MemoryLog::default(), None, None).is_sound());
    }

    #[test]
    fn a_flipped_bit_is_one_problem_at_its_record_and_the_rest_is_still_read() {
        for offset in 1..=RECORDS as u64 {
            for bit in [0, 8 * 20, 8 * 60, 8 * 120, 8 * 180, 8 * 215] {
                let log = log();
                log.flip(Offset(offset), bit);
                let report = verify(&log, None, None);
                assert_eq!(report.records, 8, "bit {bit} of {offset}");
                let problems: Vec<_> = report.problems.iter().map(|it| it.offset.0).collect();
                // An end that cannot be read is an end that is missing, too.
                assert!(problems.iter().all(|it| *it == offset), "{report:?}");
                assert!(!problems.is_empty());
            }
        }
    }

    #[test]
    fn an_end_behind_the_pin_and_another_history_are_problems() {
        let log = log();
        let pin = |offset: usize| check::head(&contract::records(RECORDS)[offset - 1]);
        let foreign = Head {
            hash: Digest::of(b"other"),
            ..pin(4)
        };
        for (last, pinned, sound) in [
            (9, pin(9), true),
            (9, pin(4), true),
            (8, pin(9), false),
            (0, pin(9), false),
            (9, foreign, false),
            (4, foreign, false),
        ] {
            log.truncate(Offset(last)).unwrap();
            if log.head().offset.0 < last {
                let from = usize::try_from(log.head().offset.0).unwrap();
                log.append(&contract::records(RECORDS)[from..usize::try_from(last).unwrap()])
                    .unwrap();
            }
            let report = verify(&log, None, Some(pinned));
            assert_eq!(report.is_sound(), sound, "{last} {pinned:?} {report:?}");
        }
    }

    #[test]
    fn missing_altered_and_misnamed_blobs_are_problems() {
        let blobs = MemoryBlobs::default();
        let digest = blobs.put(b"archive").unwrap();
        let other = Digest::of(b"nowhere").to_string();
        for (name, flip, sound) in [
            (digest.to_string().as_str(), false, true),
            ("", false, true),
            ("latest", false, false),
            (&other, false, false),
            (&digest.to_string(), true, false),
        ] {
            let log = MemoryLog::default();
            log.append(&contract::sealed([contract::artifact_draft(name)]))
                .unwrap();
            if flip {
                blobs.flip(&digest, 77);
            }
            assert_eq!(verify(&log, Some(&blobs), None).is_sound(), sound, "{name}");
            assert!(verify(&log, None, None).is_sound());
        }
    }
}
