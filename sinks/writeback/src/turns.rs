//! Whose turn it is to be written: statuses before Events, and few at a time of what can wait. Knows no
//! cluster and no clock.

use std::time::Duration;

use fluvial_event::{ObjectRef, Offset};
use tokio::time::Instant;

use crate::queue::Queue;

/// How long a status may be overtaken that only says that work is under way. Most attempts end sooner, and
/// then cost one write.
const UNDER_WAY: Duration = Duration::from_secs(2);
/// How many of those are written at once, and how long the others wait on.
const UNDER_WAY_RUNNING_MAX: usize = 2;
const UNDER_WAY_AGAIN: Duration = Duration::from_millis(250);
/// While others come to their end, one of those is written so often: what waits for its turn to be applied is
/// under way, too, and to say so of each would cost as much as a third of what is applied.
const UNDER_WAY_EVERY: Duration = Duration::from_millis(500);

/// How many Events are written at once: they are for people to read later, and must not take the API server
/// from what is being applied.
const EVENTS_RUNNING_MAX: usize = 2;
/// Nothing is being applied when no status changed for so long: that is the time for Events.
const QUIET: Duration = Duration::from_millis(500);
/// How long Events wait for such a time.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(30);

/// Something to be written now. It is under way until its end is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn<S, E> {
    /// Of this object.
    Status(ObjectRef, S),
    /// Of the record at this offset.
    Event(Offset, E),
}

/// How final a status is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It stands until something happens.
    Final,
    /// Work is under way, and what comes of it may be known soon.
    UnderWay,
}

/// What waits to be written.
pub(crate) struct Turns<S, E> {
    statuses: Queue<ObjectRef, (S, Kind)>,
    under_way_running: usize,
    /// When the next status that only says that work is under way may be written, unless it is quiet.
    under_way_at: Instant,
    /// When nobody will have come to an end for a while.
    settled_at: Instant,
    events: Queue<Offset, E>,
    events_running: usize,
    /// When it will be quiet, unless a status changes.
    quiet_at: Instant,
    /// When the Events that wait are written even if it is not.
    events_at: Instant,
}

impl<S, E> Turns<S, E> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            statuses: Queue::new(),
            under_way_running: 0,
            under_way_at: now,
            settled_at: now,
            events: Queue::new(),
            events_running: 0,
            quiet_at: now,
            events_at: now,
        }
    }

    /// The newest status of an object, in place of the one that waits.
    pub(crate) fn put_status(&mut self, object: ObjectRef, status: S, kind: Kind, now: Instant) {
        self.quiet_at = now + QUIET;
        match kind {
            Kind::UnderWay => self.statuses.hold(object, (status, kind), now + UNDER_WAY),
            Kind::Final => {
                self.settled_at = now + QUIET;
                self.statuses.put(object, (status, kind));
            }
        }
    }

    /// The object is gone: its status is written no more.
    pub(crate) fn cancel(&mut self, object: &ObjectRef) {
        self.statuses.cancel(object);
    }

    pub(crate) fn put_event(&mut self, offset: Offset, event: E, now: Instant) {
        if self.events.is_empty() {
            self.events_at = now + QUIET_WAIT_MAX;
        }
        self.events.put(offset, event);
    }

    /// What may be written now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Turn<S, E>> {
        while let Some((object, (status, kind))) = self.statuses.next(now) {
            match kind {
                Kind::Final => {}
                Kind::UnderWay if self.may_say_under_way(now) => {
                    self.under_way_running += 1;
                    self.under_way_at = now + UNDER_WAY_EVERY;
                }
                Kind::UnderWay => {
                    self.statuses.done(&object, None, now);
                    self.statuses
                        .hold(object, (status, kind), now + UNDER_WAY_AGAIN);
                    continue;
                }
            }
            return Some(Turn::Status(object, status));
        }
        if self.events_running >= EVENTS_RUNNING_MAX || now < self.events_from() {
            return None;
        }
        let (offset, event) = self.events.next(now)?;
        self.events_running += 1;
        Some(Turn::Event(offset, event))
    }

    fn may_say_under_way(&self, now: Instant) -> bool {
        self.under_way_running < UNDER_WAY_RUNNING_MAX
            && (now >= self.settled_at || now >= self.under_way_at)
    }

    /// The status of an object was written, or is to be written `again` after a pause.
    pub(crate) fn status_ended(
        &mut self,
        object: &ObjectRef,
        kind: Kind,
        again: Option<S>,
        now: Instant,
    ) {
        self.under_way_running -= usize::from(kind == Kind::UnderWay);
        let again = again.map(|status| (status, kind));
        self.statuses.done(object, again, now);
    }

    /// The same for an Event.
    pub(crate) fn event_ended(&mut self, offset: Offset, again: Option<E>, now: Instant) {
        self.events_running -= 1;
        self.events.done(&offset, again, now);
    }

    /// When to ask for the next if nothing happens before.
    pub(crate) fn wakes(&self, now: Instant) -> Option<Instant> {
        let all = [self.statuses.wakes(), self.events_wake(now)];
        all.into_iter().flatten().min()
    }

    /// When an Event may be written that may not be yet. One whose pause ended waits for another to end, not
    /// for the clock.
    fn events_wake(&self, now: Instant) -> Option<Instant> {
        if self.events_running >= EVENTS_RUNNING_MAX || self.events.is_empty() {
            return None;
        }
        let from = self.events_from();
        if now < from {
            Some(from)
        } else {
            self.events.wakes()
        }
    }

    /// From when on Events may be written.
    fn events_from(&self) -> Instant {
        self.quiet_at.min(self.events_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: "Kustomization".into(),
            name: name.into(),
            ..ObjectRef::default()
        }
    }

    /// What may be written at `now`, as the names of objects and the offsets of Events.
    fn taken(turns: &mut Turns<(), ()>, now: Instant) -> Vec<String> {
        let next = || turns.next(now);
        std::iter::from_fn(next)
            .map(|turn| match turn {
                Turn::Status(object, ()) => object.name,
                Turn::Event(offset, ()) => offset.to_string(),
            })
            .collect()
    }

    #[test]
    fn events_wait_until_no_status_changes_any_more() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        turns.put_event(Offset(1), (), start);
        assert_eq!(taken(&mut turns, start), ["1"], "nothing is being applied");
        turns.event_ended(Offset(1), None, start);

        turns.put_status(object("a"), (), Kind::Final, start);
        turns.put_event(Offset(2), (), start);
        assert_eq!(taken(&mut turns, start), ["a"]);
        turns.status_ended(&object("a"), Kind::Final, None, start);
        let almost = start + QUIET - Duration::from_nanos(1);
        assert_eq!(taken(&mut turns, almost), [""; 0]);
        assert_eq!(turns.wakes(almost), Some(start + QUIET));
        // Another change, and it is not quiet yet.
        turns.put_status(object("b"), (), Kind::Final, almost);
        assert_eq!(taken(&mut turns, start + QUIET), ["b"]);
        assert_eq!(taken(&mut turns, almost + QUIET), ["2"]);
        assert_eq!(turns.wakes(almost + QUIET), None, "only the end of one");
    }

    #[test]
    fn events_wait_half_a_minute_at_most() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        turns.put_status(object("a"), (), Kind::Final, start);
        turns.put_event(Offset(1), (), start);
        let mut now = start;
        while now + SECOND / 4 < start + QUIET_WAIT_MAX {
            now += SECOND / 4;
            turns.put_status(object("a"), (), Kind::Final, now);
            turns.put_event(Offset(2), (), now);
            assert_eq!(taken(&mut turns, now), ["a"], "{:?}", now - start);
            turns.status_ended(&object("a"), Kind::Final, None, now);
        }
        assert_eq!(taken(&mut turns, start + QUIET_WAIT_MAX), ["1", "2"]);
    }

    #[test]
    fn so_many_events_are_written_at_once_and_one_that_failed_after_a_pause() {
        let now = Instant::now();
        let mut turns = Turns::new(now);
        for offset in 1..=4 {
            turns.put_event(Offset(offset), (), now);
        }
        assert_eq!(taken(&mut turns, now), ["1", "2"]);
        assert_eq!(taken(&mut turns, now + SECOND), [""; 0]);
        turns.event_ended(Offset(1), Some(()), now);
        assert_eq!(taken(&mut turns, now), ["3"]);
        turns.event_ended(Offset(2), None, now);
        turns.event_ended(Offset(3), None, now);
        assert_eq!(taken(&mut turns, now), ["4"]);
        let again = turns.wakes(now).unwrap();
        assert!(again > now);
        assert_eq!(taken(&mut turns, again), ["1"]);
    }

    #[test]
    fn so_many_are_said_to_be_under_way_at_once_and_what_is_final_does_not_wait_for_them() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        for name in ["a", "b", "c", "d"] {
            turns.put_status(object(name), (), Kind::UnderWay, start);
        }
        assert_eq!(taken(&mut turns, start), [""; 0], "they may be overtaken");
        let now = start + UNDER_WAY;
        let all = taken(&mut turns, now);
        assert_eq!(all.len(), UNDER_WAY_RUNNING_MAX, "{all:?}");
        turns.put_status(object("d"), (), Kind::Final, now);
        assert_eq!(taken(&mut turns, now), ["d"], "it is over");
        assert_eq!(turns.wakes(now), Some(now + UNDER_WAY_AGAIN));
        turns.status_ended(&object("a"), Kind::UnderWay, None, now);
        assert_eq!(taken(&mut turns, now + UNDER_WAY_EVERY), ["c"]);
    }

    #[test]
    fn while_others_end_few_are_said_to_be_under_way() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        for number in 0..100 {
            let name = format!("waits{number}");
            turns.put_status(object(&name), (), Kind::UnderWay, start);
        }
        let mut now = start + UNDER_WAY;
        let mut said = Vec::new();
        for _ in 0..12 {
            turns.put_status(object("ends"), (), Kind::Final, now);
            let taken = taken(&mut turns, now);
            said.push(taken.len() - 1);
            for name in taken {
                let kind = match name.as_str() {
                    "ends" => Kind::Final,
                    _ => Kind::UnderWay,
                };
                turns.status_ended(&object(&name), kind, None, now);
            }
            now += UNDER_WAY_EVERY / 2;
        }
        assert_eq!(said, [1, 0].repeat(6));
        // Nobody ends any more: now there is time.
        now += QUIET;
        assert_eq!(taken(&mut turns, now).len(), UNDER_WAY_RUNNING_MAX);
    }
}
