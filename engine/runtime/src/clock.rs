//! The time of the log: the wall clock's, as long as that does not go back.
//!
//! A record is never older than the one before it, so a wall clock that was ahead for a while leaves
//! the log ahead of it. If the log's time then stood still until the wall clock caught up, every timer
//! would, too. So it goes on, slower than time does, until it is overtaken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fluvial_event::Timestamp;

/// The wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(nanoseconds(since))
}

/// The time of records and timers. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    course: Arc<Mutex<Course>>,
    began: Instant,
}

impl Clock {
    /// Goes on after `time`, that of the last record.
    pub(crate) fn after(time: Timestamp) -> Self {
        Self {
            course: Arc::new(Mutex::new(Course::after(time, Duration::ZERO))),
            began: Instant::now(),
        }
    }

    /// The time now; never before what was told before.
    pub(crate) fn now(&self) -> Timestamp {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.tell(now(), self.began.elapsed())
    }
}

/// The course that the log's time takes: what was told last, and when by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    time: Timestamp,
    at: Duration,
}

impl Course {
    /// Goes on after `time`, which it is `at` that clock's time.
    pub fn after(time: Timestamp, at: Duration) -> Self {
        Self { time, at }
    }

    /// The time when the wall clock says `wall`; never before what was told before.
    pub fn tell(&mut self, wall: Timestamp, at: Duration) -> Timestamp {
        let passed = at.saturating_sub(self.at);
        // While ahead of the wall clock, an eighth slower: an hour is made up for in eight.
        let slowed = nanoseconds(passed.saturating_sub(passed / 8));
        let own = Timestamp(self.time.0.saturating_add(slowed));
        self.time = wall.max(own);
        self.at = at.max(self.at);
        self.time
    }

    /// How long, by that clock, until `time` comes after `told` if nobody sets the wall clock.
    pub fn until(time: Timestamp, told: Timestamp, wall: Timestamp) -> Duration {
        let left = |from: Timestamp| {
            let nanoseconds = time.0.saturating_sub(from.0);
            Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
        };
        let own = left(told);
        left(wall).min(own.saturating_add(own / 7))
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fluvial_event::Timestamp;

    use super::Course;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn it_never_goes_back_never_stands_still_and_is_right_again_in_the_end() {
        let mut clock = Course::after(Timestamp(1_000 * SECOND), Duration::ZERO);
        let mut last = Timestamp(1_000 * SECOND);
        // What the wall clock says after so many seconds, and what the log's time is then.
        for (passed, wall, wanted) in [
            (8, 1_008, 1_008),
            (16, 1_016, 1_016),
            // It jumps to 2100, …
            (24, 4_102_444_800, 4_102_444_800),
            // … and back, and is in 1970 for a while.
            (32, 1_032, 4_102_444_807),
            (40, 0, 4_102_444_814),
            // Somewhat ahead only: overtaken.
            (48, 4_102_444_900, 4_102_444_900),
            (56, 4_102_444_906, 4_102_444_907),
            (64, 4_102_444_914, 4_102_444_914),
        ] {
            let told = clock.tell(Timestamp(wall * SECOND), Duration::from_secs(passed));
            assert_eq!(told.seconds(), wanted, "after {passed} s");
            assert!(told > last);
            last = told;
        }
        // A clock at the end of time does not overflow.
        let end = clock.tell(Timestamp(i64::MAX), Duration::from_secs(72));
        let after = clock.tell(Timestamp(0), Duration::from_secs(80));
        assert_eq!((end, after), (Timestamp(i64::MAX), Timestamp(i64::MAX)));
    }

    #[test]
    fn a_time_comes_when_it_says() {
        for (told, wall, time) in [
            (100, 100, 170),
            (100, 40, 170),
            (100, 99, 170),
            (100, 100, 90),
        ] {
            let [told, wall, time] = [told, wall, time].map(|it| Timestamp(it * SECOND));
            let wait = Course::until(time, told, wall);
            let then = |wait: Duration| {
                let passed = i64::try_from(wait.as_nanos()).unwrap();
                Course::after(told, Duration::ZERO).tell(Timestamp(wall.0 + passed), wait)
            };
            let hair = Duration::from_nanos(8);
            assert!(then(wait + hair) >= time, "{told} {wall}");
            assert!(
                wait.is_zero() || then(wait.saturating_sub(hair)) < time,
                "{told} {wall}"
            );
        }
    }
}
