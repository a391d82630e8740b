//! How times and durations are written where Flux writes them.

use fluvial_api::Duration;
use fluvial_event::Timestamp;

/// RFC 3339 in whole seconds, as Kubernetes keeps times: `2026-11-23T10:16:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    let mut text = time.to_string();
    if let Some(point) = text.rfind('.') {
        text.truncate(point);
        text.push('Z');
    }
    text
}

/// A duration in milliseconds as Go writes it; one that is negative is none.
pub(crate) fn duration(milliseconds: i64) -> Duration {
    Duration::from_milliseconds(u64::try_from(milliseconds).unwrap_or_default())
}

/// So many bytes for people, with four digits: `29.4kB`. docker/go-units: `HumanSize`, `%.4g`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let decimals = match size {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let digits = format!("{size:.decimals$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_fraction() {
        let time = Timestamp(1_795_428_960_999_000_000);
        assert_eq!(seconds(time), "2026-11-23T10:16:00Z");
        assert_eq!(duration(1_234).to_string(), "1.234s");
        assert_eq!(duration(-1).to_string(), "0s");
    }

    #[test]
    fn sizes_have_four_digits() {
        for (bytes, expected) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (29_400, "29.4kB"),
            (40_969, "40.97kB"),
            (123_456, "123.5kB"),
            (5_000_000_000, "5GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
