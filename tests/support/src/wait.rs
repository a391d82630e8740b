//! Waiting for a condition by asking, never by sleeping for a guess.

use std::thread;
use std::time::{Duration, Instant};

/// How long to leave between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Ok` and returns it. The question is asked at least once, and a last
/// time after the deadline, so that a slow machine does not fail what has come true meanwhile.
///
/// # Panics
///
/// When the deadline passes: with what was waited for and the last `Err`, which should say what was
/// seen instead.
#[track_caller]
pub fn wait<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= deadline;
        match ask() {
            Ok(answer) => return answer,
            Err(seen) if late => {
                panic!("waited {deadline:?} for {what}; last seen: {seen}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_answer() {
        let mut asked = 0;
        let answer = wait("the third", Duration::from_mins(1), || {
            asked += 1;
            if asked == 3 {
                Ok(asked)
            } else {
                Err(format!("{asked}"))
            }
        });
        assert_eq!(answer, 3);
    }

    #[test]
    #[should_panic(expected = "waited 0ns for a blue moon; last seen: a white one")]
    fn says_what_was_seen_instead() {
        wait::<()>("a blue moon", Duration::ZERO, || {
            Err("a white one".to_owned())
        });
    }
}
