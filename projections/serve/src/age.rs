//! How long ago, as kubectl says it.

use fluvial_event::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// The age at `now` of what is of this time (RFC 3339). apimachinery: `HumanDuration`,
/// pkg/util/duration/duration.go.
pub(crate) fn age(time: Option<&str>, now: Timestamp) -> String {
    let time = time.and_then(|it| it.parse::<Timestamp>().ok());
    let Some(time) = time else {
        return "<unknown>".to_owned();
    };
    human(now.seconds().saturating_sub(time.seconds()).max(0))
}

fn human(seconds: i64) -> String {
    let two = |big: i64, small: i64| {
        const UNITS: [(i64, &str); 5] = [
            (YEAR, "y"),
            (DAY, "d"),
            (HOUR, "h"),
            (MINUTE, "m"),
            (1, "s"),
        ];
        let unit = |size: i64| UNITS.iter().find(|it| it.0 == size).map_or("", |it| it.1);
        let rest = seconds % big / small;
        let first = format!("{}{}", seconds / big, unit(big));
        if rest == 0 {
            first
        } else {
            format!("{first}{rest}{}", unit(small))
        }
    };
    match seconds {
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(MINUTE, 1),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(HOUR, MINUTE),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(DAY, HOUR),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(YEAR, DAY),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_kubectl() {
        for (seconds, said) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR + 60, "3h1m"),
            (8 * HOUR, "8h"),
            (2 * DAY, "2d"),
            (7 * DAY + HOUR, "7d1h"),
            (8 * DAY, "8d"),
            (2 * YEAR + DAY, "2y1d"),
            (9 * YEAR, "9y"),
        ] {
            assert_eq!(human(seconds), said);
        }
        let now = Timestamp(1_795_428_960_000_000_000);
        assert_eq!(age(Some("2026-11-23T10:15:00Z"), now), "60s");
        assert_eq!(age(Some("2026-11-23T10:17:00Z"), now), "0s");
        assert_eq!(age(None, now), "<unknown>");
    }
}
