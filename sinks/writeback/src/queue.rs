//! What waits to be written: the newest for each key, one at a time, first come first served, after a
//! failure not before a pause, and what may be overtaken not before its time. Knows no cluster and no clock.

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
    /// What waits may be overtaken until then.
    held_until: Option<Instant>,
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Running,
    Held(Instant),
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
        let entry = self.entry(key.clone());
        entry.waiting = Some(work);
        entry.held_until = None;
        if let State::Held(at) = entry.state {
            entry.state = State::Ready;
            self.paused.remove(&(at, key.clone()));
            self.ready.push_back(key);
        }
    }

    /// As [`put`](Self::put), but nothing is handed out before `at`, or the time that an earlier one was held
    /// until: something newer may take its place by then. What is ready already stays so.
    pub(crate) fn hold(&mut self, key: K, work: T, at: Instant) {
        let is_new = !self.entries.contains_key(&key);
        let entry = self.entry(key.clone());
        let is_held = is_new || entry.waiting.is_none() || entry.held_until.is_some();
        entry.waiting = Some(work);
        if is_held {
            entry.held_until.get_or_insert(at);
        }
        if is_new {
            entry.state = State::Held(at);
            self.ready.pop_back();
            self.paused.insert((at, key));
        }
    }

    /// The entry of `key`; a new one is ready.
    fn entry(&mut self, key: K) -> &mut Entry<T> {
        let ready = &mut self.ready;
        self.entries.entry(key).or_insert_with_key(|key| {
            ready.push_back(key.clone());
            Entry {
                waiting: None,
                held_until: None,
                state: State::Ready,
                failures: 0,
            }
        })
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
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
                entry.held_until = None;
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
        if entry.waiting.is_none() {
            self.entries.remove(key);
        } else if let Some(at) = entry.held_until {
            entry.state = State::Held(at);
            self.paused.insert((at, key.clone()));
        } else {
            entry.state = State::Ready;
            self.ready.push_back(key.clone());
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
    fn what_is_held_is_overtaken_or_handed_out_in_time() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut queue = Queue::new();
        queue.hold("a", 1, now + 2 * second);
        queue.hold("b", 1, now + 2 * second);
        assert_eq!(queue.next(now), None);
        // What is final overtakes; what is not takes over the time of what it replaces.
        queue.put("a", 2);
        queue.hold("b", 2, now + 3 * second);
        assert_eq!(queue.next(now + second), Some(("a", 2)));
        assert_eq!(queue.wakes(), Some(now + 2 * second));
        assert_eq!(queue.next(now + 2 * second), Some(("b", 2)));
        // Held while another is written: it waits on when that ends.
        queue.hold("a", 3, now + 4 * second);
        queue.done(&"a", None, now + 2 * second);
        assert_eq!(queue.next(now + 3 * second), None);
        assert_eq!(queue.next(now + 4 * second), Some(("a", 3)));
        queue.hold("b", 3, now + 4 * second);
        queue.put("b", 4);
        queue.done(&"b", None, now + 2 * second);
        assert_eq!(queue.next(now + 2 * second), Some(("b", 4)));
        // What is ready already is not held up.
        queue.put("c", 1);
        queue.hold("c", 2, now + 9 * second);
        assert_eq!(queue.next(now + 4 * second), Some(("c", 2)));
        assert!(queue.paused.is_empty() && queue.ready.is_empty());
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
