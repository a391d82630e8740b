//! Which of the versions that there are is the one that is asked for.

use std::cmp::Ordering;

use fluvial_semver::{Constraints, Version};

/// One version that there is.
pub(super) struct Candidate<'a> {
    /// As it is written.
    pub(super) version: &'a str,
    /// When it was made, in RFC 3339; empty where nobody says.
    pub(super) created: &'a str,
}

/// The place of the version that `wanted` means: exactly that one, or else the highest in the range.
///
/// Of versions that differ in build metadata only, which has no rank, the last that was made. What is no
/// version is passed over. flux: `getChartVersion`, internal/helm/repository/chart_repository.go.
pub(super) fn pick(candidates: &[Candidate<'_>], wanted: &str) -> Result<Option<usize>, String> {
    if let Some(at) = candidates.iter().position(|it| it.version == wanted) {
        return Ok(Some(at));
    }
    let wanted = if wanted.is_empty() { "*" } else { wanted };
    let wanted = Constraints::parse(wanted).map_err(|error| error.to_string())?;
    let matching = candidates.iter().enumerate().filter_map(|(at, candidate)| {
        let version = version(candidate.version)?;
        wanted
            .allows(&version)
            .then_some((version, candidate.created, at))
    });
    let highest = matching.reduce(|best, next| {
        let order = next.0.cmp(&best.0);
        let order = order.then_with(|| moment(next.1).cmp(&moment(best.1)));
        // Of equals the first, as a stable sort leaves it.
        if order == Ordering::Greater {
            next
        } else {
            best
        }
    });
    Ok(highest.map(|(.., at)| at))
}

/// Whether a text names one version, and no range of them.
pub(super) fn is_exact(text: &str) -> bool {
    version(text).is_some()
}

fn version(text: &str) -> Option<Version> {
    Version::parse_whole(text).ok()
}

/// A moment as seconds and the digits after them; what is not RFC 3339 is before all else.
fn moment(text: &str) -> Option<(i64, String)> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", _) => 0,
        (sign, rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let minutes =
                hours.parse::<i64>().ok()?.checked_mul(60)? + minutes.parse::<i64>().ok()?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    let ranges = [
        (year, 0, 9999),
        (month, 1, 12),
        (day, 1, 31),
        (hour, 0, 24),
        (minute, 0, 60),
        (second, 0, 61),
        (offset, -2000, 2000),
    ];
    if ranges
        .iter()
        .any(|(value, least, most)| value < least || value > most)
    {
        return None;
    }
    // Days since 1 March of the year 0. Howard Hinnant, days_from_civil.
    let years = if month <= 2 { year - 1 } else { year };
    let (era, months) = (years.div_euclid(400), (month + 9) % 12);
    let in_era = years.rem_euclid(400);
    let in_year = (153 * months + 2) / 5 + day - 1;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year;
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    Some((seconds, fraction.trim_end_matches('0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(versions: &[&'static str], wanted: &str) -> Option<&'static str> {
        let candidates: Vec<_> = versions
            .iter()
            .map(|version| Candidate {
                version,
                created: "",
            })
            .collect();
        pick(&candidates, wanted).unwrap().map(|at| versions[at])
    }

    #[test]
    fn the_highest_in_the_range_or_exactly_that_one() {
        let all = [
            "6.7.0",
            "not-a-version",
            "6.10.0",
            "7.0.0-rc.1",
            "v5.0.0",
            "6.9",
            "1.0.0+b",
        ];
        for (wanted, expected) in [
            ("*", Some("6.10.0")),
            ("6.x", Some("6.10.0")),
            ("6.7.0", Some("6.7.0")),
            ("not-a-version", Some("not-a-version")),
            ("<6", Some("v5.0.0")),
            (">=7.0.0-0", Some("7.0.0-rc.1")),
            ("7.x", None),
            ("1.0.0", Some("1.0.0+b")),
            ("6.9", None),
        ] {
            if wanted == "6.9" {
                // What is written exactly so is taken, whether it is a version or not.
                assert_eq!(picked(&all, wanted), Some("6.9"));
            } else {
                assert_eq!(picked(&all, wanted), expected, "{wanted}");
            }
        }
        assert!(pick(&[], "not a range").is_err());
    }

    #[test]
    fn of_equal_versions_the_last_that_was_made() {
        for (created, expected) in [
            (["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"], 1),
            (["2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"], 0),
            (["2024-01-01T00:30:00Z", "2024-01-01T01:00:00+01:00"], 0),
            (["2024-01-01T00:00:00.9Z", "2024-01-01T00:00:00.95Z"], 1),
            (["2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"], 1),
            (["", "2024-01-01T00:00:00Z"], 1),
            (["", ""], 0),
        ] {
            let candidates = [
                Candidate {
                    version: "1.0.0+a",
                    created: created[0],
                },
                Candidate {
                    version: "1.0.0+b",
                    created: created[1],
                },
            ];
            assert_eq!(
                pick(&candidates, "1.x").unwrap(),
                Some(expected),
                "{created:?}"
            );
        }
    }

    #[test]
    fn a_moment_that_is_none_is_before_all_else() {
        for text in [
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2024-01-01",
            "99999999-01-01T00:00:00Z",
            "2024-01-01T00:00:00+9223372036854775807:00",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert!(moment("1970-01-01T00:00:00Z") < moment("1970-01-01T00:00:01Z"));
    }
}
