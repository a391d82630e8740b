//! What waits to be written: the newest for each key, one at a time, first come first served, and
//! after a failure not before a pause. Knows no cluster and no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Work by key.
#[derive(Debug)]
pub(crate) struct Queue<K, T> {
    entries: BTreeMap<K, Entry<T>>,
    ready: VecDeque<K>,
    paused: BTreeSet<(Instant, K)>,
}

#[derive(Debug)]
struct Entry<T> {
    waiting: Option<T>,
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Paused(Instant),
}

impl<K: Ord + Clone, T> Queue<K, T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            ready: VecDeque::new(),
            paused: BTreeSet::new(),
        }
    }

    /// Puts work in, in place of what waits under the same key. A pause goes on.
    pub(crate) fn put(&mut self, key: K, work: T) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.waiting = Some(work);
            return;
        }
        self.ready.push_back(key.clone());
        let entry = Entry {
            waiting: Some(work),
            state: State::Ready,
            failures: 0,
        };
        self.entries.insert(key, entry);
    }

    /// Forgets what waits under `key`.
    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.waiting = None;
        }
    }

    /// The next piece of work. It runs until it is said to be [`done`](Self::done).
    pub(crate) fn next(&mut self, now: Instant) -> Option<(K, T)> {
        while let Some((at, _)) = self.paused.first()
            && *at <= now
            && let Some((_, key)) = self.paused.pop_first()
        {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Ready;
            }
            self.ready.push_back(key);
        }
        while let Some(key) = self.ready.pop_front() {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if let Some(work) = entry.waiting.take() {
                entry.state = State::Running;
                return Some((key, work));
            }
            self.entries.remove(&key);
        }
        None
    }

    /// The work of `key` has ended. `again` is what to try again, unless there is something newer.
    pub(crate) fn done(&mut self, key: &K, again: Option<T>, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(again) = again {
            entry.failures = entry.failures.saturating_add(1);
            entry.waiting.get_or_insert(again);
            let at = now + pause(entry.failures);
            entry.state = State::Paused(at);
            self.paused.insert((at, key.clone()));
            return;
        }
        entry.failures = 0;
        if entry.waiting.is_some() {
            entry.state = State::Ready;
            self.ready.push_back(key.clone());
        } else {
            self.entries.remove(key);
        }
    }

    /// When the next pause ends.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        self.paused.first().map(|(at, _)| *at)
    }
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (PAUSE_MIN * (1 << doublings)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_is_handed_out_and_one_at_a_time() {
        let now = Instant::now();
        let mut queue = Queue::new();
        queue.put("a", 1);
        queue.put("b", 1);
        queue.put("a", 2);
        assert_eq!(queue.next(now), Some(("a", 2)));
        queue.put("a", 3);
        queue.put("a", 4);
        assert_eq!(queue.next(now), Some(("b", 1)));
        assert_eq!(queue.next(now), None, "a is still being written");
        queue.done(&"a", None, now);
        assert_eq!(queue.next(now), Some(("a", 4)));
        queue.done(&"a", None, now);
        queue.done(&"b", None, now);
        assert!(queue.entries.is_empty() && queue.ready.is_empty());
    }

    #[test]
    fn a_failure_pauses_longer_each_time_and_holds_up_nobody() {
        let start = Instant::now();
        let mut queue = Queue::new();
        queue.put("bad", 1);
        let mut now = start;
        for milliseconds in [200, 400, 800] {
            assert_eq!(queue.next(now), Some(("bad", 1)));
            queue.done(&"bad", Some(1), now);
            assert_eq!(
                queue.wakes(),
                Some(now + Duration::from_millis(milliseconds))
            );
            queue.put("good", 1);
            assert_eq!(queue.next(now), Some(("good", 1)));
            queue.done(&"good", None, now);
            now += Duration::from_millis(milliseconds);
        }
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }

    #[test]
    fn news_in_a_pause_replaces_the_old_and_waits_as_long() {
        let now = Instant::now();
        let mut queue = Queue::new();
        queue.put("a", 1);
        assert_eq!(queue.next(now), Some(("a", 1)));
        queue.put("a", 2);
        queue.done(&"a", Some(1), now);
        queue.put("a", 3);
        assert_eq!(queue.next(now), None);
        assert_eq!(queue.next(now + PAUSE_MIN), Some(("a", 3)));
    }

    #[test]
    fn what_is_cancelled_is_not_handed_out() {
        let now = Instant::now();
        let mut queue = Queue::new();
        queue.put("a", 1);
        queue.cancel(&"a");
        assert_eq!(queue.next(now), None);
        queue.put("a", 2);
        assert_eq!(queue.next(now), Some(("a", 2)));
    }
}
