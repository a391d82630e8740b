//! When to tell what, and what to make of the answer. Knows no network and no clock: it is told the time.
//!
//! Sending, and appending what is to be recorded, is `deliver`'s business.

use std::collections::BTreeMap;
use std::time::Duration;

use fluvial_event::{
    Digest, Event, NotificationDelivered, NotificationFailed, NotificationParked, ObjectRef,
    Timestamp,
};
use fluvial_view::alert::{Due, Note};

use crate::Verdict;

/// The first pause after a failure, and the longest.
const PAUSE_MS_MIN: i64 = 1_000;
const PAUSE_MS_MAX: i64 = 5 * 60 * 1_000;
/// A server that asks to be left alone for longer is asked again after this.
const RETRY_AFTER_MS_MAX: i64 = 60 * 60 * 1_000;
/// What is older than this and was tried so often is given up.
const AGE_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
const ATTEMPTS_MIN: u32 = 5;
/// How many may wait for one subscription; beyond that the oldest are given up.
const WAITING_MAX: usize = 1_000;
/// So many may go at once, and then one in each so many milliseconds.
const BURST: i64 = 30;
const SPACING_MS: i64 = 500;

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The Alert, with its version.
    pub alert: ObjectRef,
    /// Its uid.
    pub uid: String,
    /// The Provider that it names.
    pub provider: String,
    /// What to tell.
    pub note: Note,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What was answered.
    pub verdict: Verdict,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<Verdict> for Ended {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            retry_after: None,
        }
    }
}

/// What is to be done now, and when to look again.
#[derive(Debug, Default, PartialEq)]
pub struct Next {
    /// What is to be sent.
    pub jobs: Vec<Job>,
    /// What is not even tried.
    pub given_up: Vec<(Job, Ended)>,
    /// When something may be sent that may not be yet.
    pub wakes: Option<Timestamp>,
}

/// Every subscription that told something, and when it may go on.
#[derive(Debug, Default)]
pub struct Desk {
    lines: BTreeMap<(ObjectRef, String), Line>,
}

/// One subscription.
#[derive(Debug, Default)]
struct Line {
    /// The last note that it is done with; the view hears of it a little later.
    settled: u64,
    /// Whether a note is under way, or what became of it is being written down.
    is_busy: bool,
    attempts: u32,
    /// Not before this.
    until: Timestamp,
    /// When the next may go at an even pace.
    pace: Timestamp,
    /// The failure that was recorded last, and nothing delivered since.
    said: String,
}

impl Desk {
    /// What may be sent now of what is due.
    pub fn take<'a>(&mut self, due: impl Iterator<Item = Due<'a>>, now: Timestamp) -> Next {
        let mut next = Next::default();
        let mut live = Vec::new();
        for due in due {
            let key = (due.alert.clone(), due.uid.to_owned());
            live.push(key.clone());
            let line = self.lines.entry(key).or_default();
            if line.is_busy || due.note.offset <= line.settled {
                continue;
            }
            let is_full = due.waiting > WAITING_MAX;
            let paced = Timestamp(line.pace.0.saturating_sub(BURST * SPACING_MS * 1_000_000));
            let until = line.until.max(paced);
            if until > now && !is_full {
                next.wakes = Some(next.wakes.map_or(until, |at| at.min(until)));
                continue;
            }
            line.is_busy = true;
            let job = job(&due);
            if is_full {
                let why = format!(
                    "more than {WAITING_MAX} notifications wait for this Alert: the oldest is given up"
                );
                next.given_up.push((job, Verdict::Never(why).into()));
                continue;
            }
            line.pace = line.pace.max(now).plus_ms(SPACING_MS);
            line.attempts = line.attempts.saturating_add(1);
            next.jobs.push(job);
        }
        // Who has nothing left to tell keeps a pace, not a place.
        self.lines
            .retain(|key, line| line.is_busy || line.pace > now || live.contains(key));
        next
    }

    /// An attempt ended. What it answers is to be recorded before [`recorded`](Self::recorded).
    #[must_use]
    pub fn ended(&mut self, job: &Job, ended: Ended, now: Timestamp) -> Option<Event> {
        let line = self.lines.entry(key(job)).or_default();
        let (object, uid) = (Some(job.alert.clone()), job.uid.clone());
        let notification = Some(job.note.recorded(&job.provider));
        let attempts = line.attempts;
        let message = match ended.verdict {
            Verdict::Taken(answer) => {
                line.settle(job.note.offset);
                line.said.clear();
                let event = NotificationDelivered {
                    object,
                    uid,
                    notification,
                    attempts,
                    answer,
                };
                return Some(event.into());
            }
            Verdict::Never(why) => why,
            Verdict::Again(why) => {
                let age = now.since_ms(Timestamp(job.note.time));
                if age <= AGE_MS_MAX || attempts < ATTEMPTS_MIN {
                    line.until = now.plus_ms(pause_ms(&job.note.id, attempts, ended.retry_after));
                    let is_new = line.said != why;
                    line.said.clone_from(&why);
                    let event = NotificationFailed {
                        object,
                        uid,
                        notification,
                        attempts,
                        message: why,
                    };
                    return is_new.then(|| event.into());
                }
                format!("{why}; given up after {} hours", age / 3_600_000)
            }
        };
        line.settle(job.note.offset);
        let event = NotificationParked {
            object,
            uid,
            notification,
            attempts,
            message,
        };
        Some(event.into())
    }

    /// What was to be recorded is durable: the subscription may go on.
    pub fn recorded(&mut self, job: &Job) {
        if let Some(line) = self.lines.get_mut(&key(job)) {
            line.is_busy = false;
        }
    }
}

impl Line {
    fn settle(&mut self, offset: u64) {
        self.settled = self.settled.max(offset);
        self.attempts = 0;
        self.until = Timestamp::default();
    }
}

fn key(job: &Job) -> (ObjectRef, String) {
    (job.alert.identity(), job.uid.clone())
}

fn job(due: &Due<'_>) -> Job {
    Job {
        alert: ObjectRef {
            version: due.version.to_owned(),
            ..due.alert.clone()
        },
        uid: due.uid.to_owned(),
        provider: due.provider.to_owned(),
        note: due.note.clone(),
    }
}

/// Doubling, and up to a fifth longer, by a hash: so that what failed together does not come back together.
fn pause_ms(id: &str, attempts: u32, retry_after: Option<Duration>) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = (PAUSE_MS_MIN << doublings).min(PAUSE_MS_MAX);
    let digest = Digest::of_parts(&[id.as_bytes(), &attempts.to_le_bytes()]);
    let jitter = pause * i64::from(digest.0[0]) / (5 * 256);
    let asked = retry_after.and_then(|it| i64::try_from(it.as_millis()).ok());
    (pause + jitter).max(asked.unwrap_or_default().min(RETRY_AFTER_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_795_428_960_000_000_000);

    /// What waits for one Alert, as a view would say it.
    struct Waiting {
        alert: ObjectRef,
        notes: Vec<Note>,
    }

    fn waiting(name: &str, notes: u64) -> Waiting {
        let note = |offset| Note {
            id: format!("{name}-{offset}"),
            offset,
            time: START.0,
            ..Note::default()
        };
        Waiting {
            alert: ObjectRef {
                kind: "Alert".into(),
                name: name.into(),
                ..ObjectRef::default()
            },
            notes: (1..=notes).map(note).collect(),
        }
    }

    impl Waiting {
        fn due(&self) -> impl Iterator<Item = Due<'_>> {
            self.notes.first().into_iter().map(|note| Due {
                alert: &self.alert,
                version: "v1beta3",
                uid: "u",
                provider: "hook",
                note,
                waiting: self.notes.len(),
            })
        }
    }

    fn taken() -> Ended {
        Verdict::Taken("200".into()).into()
    }

    fn again(why: &str) -> Ended {
        Verdict::Again(why.into()).into()
    }

    fn ids(next: &Next) -> Vec<&str> {
        next.jobs.iter().map(|job| job.note.id.as_str()).collect()
    }

    #[test]
    fn one_at_a_time_in_order_and_the_next_only_once_the_last_is_on_record() {
        let mut desk = Desk::default();
        let mut line = waiting("a", 2);
        let job = desk.take(line.due(), START).jobs.remove(0);
        assert_eq!(desk.take(line.due(), START), Next::default());
        let Some(Event::NotificationDelivered(told)) = desk.ended(&job, taken(), START) else {
            panic!("it was delivered");
        };
        assert_eq!((told.attempts, told.answer.as_str()), (1, "200"));
        assert_eq!(told.notification.unwrap().offset, 1);
        // Not on record yet; then on record, and the view has not heard of it.
        assert_eq!(desk.take(line.due(), START), Next::default());
        desk.recorded(&job);
        assert_eq!(desk.take(line.due(), START), Next::default());
        line.notes.remove(0);
        assert_eq!(ids(&desk.take(line.due(), START)), ["a-2"]);
    }

    #[test]
    fn a_failure_pauses_longer_each_time_says_so_once_and_holds_up_nobody() {
        let mut desk = Desk::default();
        let (bad, good) = (waiting("bad", 2), waiting("good", 1));
        let mut now = START;
        let mut pauses = Vec::new();
        for attempt in 1..=12 {
            let next = desk.take(bad.due(), now);
            assert_eq!(ids(&next), ["bad-1"], "attempt {attempt}");
            let event = desk.ended(&next.jobs[0], again("down"), now);
            assert_eq!(event.is_some(), attempt == 1, "attempt {attempt}");
            desk.recorded(&next.jobs[0]);
            let next = desk.take(bad.due().chain(good.due()), now);
            assert_eq!(
                ids(&next),
                if attempt == 1 { vec!["good-1"] } else { vec![] }
            );
            let wakes = next.wakes.unwrap();
            pauses.push(wakes.since_ms(now));
            assert!(desk.take(bad.due(), Timestamp(wakes.0 - 1)).jobs.is_empty());
            now = wakes;
        }
        for (index, pause) in pauses.iter().enumerate() {
            let least = (PAUSE_MS_MIN << index).min(PAUSE_MS_MAX);
            assert!((least..=least + least / 5).contains(pause), "{pauses:?}");
        }
        // Another reason is news, and so is the same after a success.
        let job = desk.take(bad.due(), now).jobs.remove(0);
        assert!(desk.ended(&job, again("slow"), now).is_some());
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks_within_reason() {
        for (asked, pause) in [(0, 1_000), (30, 30_000), (86_400, RETRY_AFTER_MS_MAX)] {
            let mut desk = Desk::default();
            let line = waiting("a", 1);
            let job = desk.take(line.due(), START).jobs.remove(0);
            let ended = Ended {
                retry_after: Some(Duration::from_secs(asked)),
                ..again("busy")
            };
            assert!(desk.ended(&job, ended, START).is_some());
            desk.recorded(&job);
            let wakes = desk.take(line.due(), START).wakes.unwrap().since_ms(START);
            assert!(
                (pause..=pause + pause / 5).contains(&wakes),
                "{asked}: {wakes}"
            );
        }
    }

    #[test]
    fn what_cannot_help_or_took_too_long_is_parked_and_the_next_goes_on() {
        let late = START.plus_ms(AGE_MS_MAX + 1);
        let just_in_time = START.plus_ms(AGE_MS_MAX);
        let never: Ended = Verdict::Never("404".into()).into();
        for (ended, now, attempts, parked) in [
            (never, START, 1, true),
            (again("down"), late, ATTEMPTS_MIN, true),
            (again("down"), late, ATTEMPTS_MIN - 1, false),
            (again("down"), just_in_time, ATTEMPTS_MIN, false),
        ] {
            let mut desk = Desk::default();
            let mut line = waiting("a", 2);
            let mut last = None;
            for attempt in 1..=attempts {
                let now =
                    now.plus_ms((i64::from(attempt) - i64::from(attempts)) * 2 * PAUSE_MS_MAX);
                let job = desk.take(line.due(), now).jobs.remove(0);
                last = desk.ended(
                    &job,
                    if attempt == attempts {
                        ended.clone()
                    } else {
                        again("not yet")
                    },
                    now,
                );
                desk.recorded(&job);
            }
            let is_parked = matches!(last, Some(Event::NotificationParked(_)));
            assert_eq!(is_parked, parked, "{ended:?}");
            line.notes.remove(0);
            if parked {
                assert_eq!(ids(&desk.take(line.due(), now)), ["a-2"]);
            }
        }
    }

    #[test]
    fn too_many_that_wait_are_given_up_from_the_oldest_and_on_record() {
        let mut desk = Desk::default();
        let mut line = waiting("a", WAITING_MAX as u64 + 1);
        let next = desk.take(line.due(), START);
        assert!(next.jobs.is_empty());
        let (job, ended) = &next.given_up[0];
        let event = desk.ended(job, ended.clone(), START);
        assert!(
            matches!(event, Some(Event::NotificationParked(it)) if it.message.contains("1000"))
        );
        desk.recorded(job);
        line.notes.remove(0);
        assert_eq!(desk.take(line.due(), START).jobs.len(), 1);
    }

    #[test]
    fn a_flood_goes_out_at_an_even_pace() {
        let mut desk = Desk::default();
        let mut line = waiting("a", 40);
        let mut sent = Vec::new();
        let mut now = START;
        while !line.notes.is_empty() {
            let next = desk.take(line.due(), now);
            match next.jobs.first() {
                Some(job) => {
                    sent.push(now.since_ms(START));
                    assert!(desk.ended(job, taken(), now).is_some());
                    desk.recorded(job);
                    line.notes.remove(0);
                }
                None => now = next.wakes.unwrap(),
            }
        }
        let at_once = sent.iter().filter(|at| **at == 0).count();
        assert_eq!(at_once, usize::try_from(BURST).unwrap() + 1);
        let last = *sent.last().unwrap();
        assert_eq!(last, (40 - BURST - 1) * SPACING_MS);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let mut desk = Desk::default();
        let line = waiting("a", 1);
        let job = desk.take(line.due(), START).jobs.remove(0);
        assert!(desk.ended(&job, taken(), START).is_some());
        desk.recorded(&job);
        desk.take(std::iter::empty(), START.plus_ms(SPACING_MS + 1));
        assert!(desk.lines.is_empty());
    }
}
