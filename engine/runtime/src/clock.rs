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
pub(crate) struct Clock(Arc<Mutex<Told>>);

/// What was told last, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    /// Goes on after `time`, that of the last record.
    pub(crate) fn after(time: Timestamp) -> Self {
        let at = Instant::now();
        Self(Arc::new(Mutex::new(Told { time, at })))
    }

    /// The time now; never before what was told before.
    pub(crate) fn now(&self) -> Timestamp {
        self.tell(now(), Instant::now())
    }

    fn tell(&self, wall: Timestamp, at: Instant) -> Timestamp {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = at.saturating_duration_since(told.at);
        // While ahead of the wall clock, an eighth slower: an hour is made up for in eight.
        let slowed = nanoseconds(passed.saturating_sub(passed / 8));
        let own = Timestamp(told.time.0.saturating_add(slowed));
        let time = wall.max(own);
        *told = Told {
            time,
            at: at.max(told.at),
        };
        time
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use fluvial_event::Timestamp;

    use super::Clock;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn it_never_goes_back_never_stands_still_and_is_right_again_in_the_end() {
        let clock = Clock::after(Timestamp(1_000 * SECOND));
        let start = Instant::now();
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
            let at = start + Duration::from_secs(passed);
            let told = clock.tell(Timestamp(wall * SECOND), at);
            // The clock began a moment before `start`.
            assert_eq!(told.seconds(), wanted, "after {passed} s");
            assert!(told > last);
            last = told;
        }
        // A clock at the end of time does not overflow.
        let end = clock.tell(Timestamp(i64::MAX), start + Duration::from_secs(72));
        let after = clock.tell(Timestamp(0), start + Duration::from_secs(80));
        assert_eq!((end, after), (Timestamp(i64::MAX), Timestamp(i64::MAX)));
    }
}
