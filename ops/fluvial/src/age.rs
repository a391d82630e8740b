//! How long ago, as kubectl says it.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// A duration in two units at most: `90s`, `4m10s`, `3h`, `2d5h`, `3y40d`.
/// apimachinery: `HumanDuration`, pkg/util/duration/duration.go.
pub(crate) fn human(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days, years) = (
        seconds / MINUTE,
        seconds / HOUR,
        seconds / DAY,
        seconds / YEAR,
    );
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{small_unit}")
        }
    };
    match seconds {
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % MINUTE, "s"),
        _ if hours < 3 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_reads_as_kubectl_prints_it() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (2 * MINUTE, "2m"),
            (4 * MINUTE + 10, "4m10s"),
            (10 * MINUTE + 59, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 59 * MINUTE, "7h59m"),
            (8 * HOUR + 30 * MINUTE, "8h"),
            (2 * DAY, "2d"),
            (2 * DAY + 5 * HOUR, "2d5h"),
            (8 * DAY + 5 * HOUR, "8d"),
            (2 * YEAR + 40 * DAY, "2y40d"),
            (9 * YEAR + 40 * DAY, "9y"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }
}
