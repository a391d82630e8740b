//! When to look again: intervals with jitter, and growing pauses after failures.

use fluvial_event::{Decision, Digest, Timestamp};

/// What one object needs: something now, something later, or nothing until something happens.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one call and is never kept"
)]
pub enum Due {
    /// This.
    Now(Decision),
    /// To be asked again then.
    At(Timestamp),
    /// Nothing.
    Never,
}

/// The first pause after a failure. flux: `--min-retry-delay`.
const RETRY_MS_MIN: i64 = 750;
/// The longest pause after failures. flux: `--max-retry-delay`.
const RETRY_MS_MAX: i64 = 15 * 60 * 1000;

/// The pause after the `failures`-th failure in a row.
pub(crate) fn retry_ms(failures: u32) -> i64 {
    let doublings = failures.saturating_sub(1).min(20);
    (RETRY_MS_MIN << doublings).min(RETRY_MS_MAX)
}

/// `interval_ms` and up to a twentieth more or less, so that objects declared together do not stay
/// together. The same object and time give the same answer. flux: `--interval-jitter-percentage 5`.
pub(crate) fn jittered_ms(interval_ms: i64, uid: &str, finished: Timestamp) -> i64 {
    let digest = Digest::of_parts(&[uid.as_bytes(), &finished.0.to_le_bytes()]);
    let permille = i64::from(u16::from_le_bytes([digest.0[0], digest.0[1]]) % 101) - 50;
    interval_ms.saturating_add(interval_ms.saturating_mul(permille) / 1000)
}

#[cfg(test)]
mod tests {
    use fluvial_event::Timestamp;

    use super::{jittered_ms, retry_ms};

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let pauses = [1, 2, 3, 11, 12, u32::MAX].map(retry_ms);
        assert_eq!(pauses, [750, 1500, 3000, 768_000, 900_000, 900_000]);
    }

    #[test]
    fn jitter_stays_within_a_twentieth_and_differs() {
        let all: Vec<_> = (0..200)
            .map(|n| jittered_ms(60_000, "uid", Timestamp(n)))
            .collect();
        assert!(all.iter().all(|ms| (57_000..=63_000).contains(ms)));
        assert!(all.iter().any(|ms| *ms != all[0]));
        assert_eq!(jittered_ms(60_000, "uid", Timestamp(1)), all[1]);
    }
}
