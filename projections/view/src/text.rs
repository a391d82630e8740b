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
}
