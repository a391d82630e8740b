//! Ranges of versions, with the rules of github.com/Masterminds/semver 3.4, which Flux uses.
//!
//! They are not Cargo's: a bare `1.2.3` is exact, `1.2` and `1.2.x` are the same, `,` and a space mean
//! "and", `||` means "or", `1.2 - 1.4` includes both ends, and a prerelease is matched only by a group
//! that names one itself.

use std::cmp::Ordering;

use semver::{Prerelease, Version};

/// A range such as `>=1.2 <2.0.0-0 || ^3`.
#[derive(Clone, Debug)]
pub struct Range(Vec<Group>);

/// Comparators that must all hold.
#[derive(Clone, Debug)]
struct Group {
    comparators: Vec<Comparator>,
    names_prerelease: bool,
}

#[derive(Clone, Debug)]
struct Comparator {
    operator: Operator,
    version: Version,
    precision: Precision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Tilde,
    Caret,
}

/// How much of the version is written out; the rest is absent, `x` or `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    Nothing,
    Major,
    Minor,
    Whole,
}

/// Longer spellings first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Range {
    /// Reads a range; the error says which part is not one.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split("||")
            .map(Group::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether `version` is in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|group| group.contains(version))
    }

    /// The tag of the highest version in the range. A tag is a whole semantic version, `v` before it
    /// allowed; others are passed over. Of versions that differ only in build metadata, which has no
    /// rank, the one that sorts last.
    pub fn highest<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        tags.into_iter()
            .filter_map(|tag| {
                Some((
                    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?,
                    tag,
                ))
            })
            .filter(|(version, _)| self.contains(version))
            .max()
            .map(|(_, tag)| tag)
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, String> {
        let mut comparators = Vec::new();
        let mut rest = text.trim();
        if rest.is_empty() {
            let (comparator, _) = Comparator::parse("*")?;
            comparators.push(comparator);
        }
        while !rest.is_empty() {
            let (comparator, tail) = Comparator::parse(rest)?;
            let separated = tail.starts_with([',', ' ', '\t']);
            let after = tail.trim_start();
            if let Some(upper) = after.strip_prefix("- ").filter(|_| separated) {
                let (from, to, tail) = hyphen(comparator, upper)?;
                comparators.extend([from, to]);
                rest = next(tail)?;
                continue;
            }
            comparators.push(comparator);
            if !tail.is_empty() && !separated {
                return Err(format!("'{tail}' does not follow a space or comma"));
            }
            rest = next(tail)?;
        }
        let names_prerelease = comparators.iter().any(|c| !c.version.pre.is_empty());
        Ok(Self {
            comparators,
            names_prerelease,
        })
    }

    fn contains(&self, version: &Version) -> bool {
        self.comparators.iter().all(|comparator| {
            let expects_release = !self.names_prerelease && !comparator.may_differ_by_prerelease();
            (version.pre.is_empty() || !expects_release) && comparator.holds(version)
        })
    }
}

/// What is left after a separator, which must not end the text when it is a comma.
fn next(tail: &str) -> Result<&str, String> {
    let tail = tail.trim_start();
    match tail.strip_prefix(',') {
        Some(rest) if rest.trim().is_empty() => Err("nothing follows the last comma".to_owned()),
        Some(rest) => Ok(rest.trim_start()),
        None => Ok(tail),
    }
}

/// `1.2 - 1.4` is `>=1.2 <=1.4`.
fn hyphen(from: Comparator, upper: &str) -> Result<(Comparator, Comparator, &str), String> {
    let (to, tail) = Comparator::parse(upper.trim_start())?;
    if from.operator != Operator::Equal || to.operator != Operator::Equal {
        return Err("a range with '-' takes two versions without operators".to_owned());
    }
    Ok((
        Comparator {
            operator: Operator::GreaterEqual,
            ..from
        },
        Comparator {
            operator: Operator::LessEqual,
            ..to
        },
        tail,
    ))
}

impl Comparator {
    /// Reads one from the start of `text`; gives what follows it.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        let (operator, rest) = OPERATORS
            .iter()
            .find_map(|(spelling, operator)| Some((*operator, text.strip_prefix(spelling)?)))
            .unwrap_or((Operator::Equal, text));
        let rest = rest.trim_start();
        let end = rest
            .find([',', ' ', '\t', '|', '<', '>', '=', '!', '~', '^'])
            .unwrap_or(rest.len());
        let (version, tail) = rest.split_at(end);
        let (version, precision) = partial(version).ok_or_else(|| {
            format!(
                "'{}' is not a version, such as 1.2.3, 1.2 or 1.x",
                text.trim()
            )
        })?;
        Ok((
            Self {
                operator,
                version,
                precision,
            },
            tail,
        ))
    }

    /// `!=1.2.3` says nothing about prereleases; `!=1.2` does.
    fn may_differ_by_prerelease(&self) -> bool {
        self.operator == Operator::NotEqual && self.precision == Precision::Whole
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        let same_major = version.major == self.version.major;
        let same_minor = same_major && version.minor == self.version.minor;
        match (self.operator, self.precision) {
            (Operator::Equal, Precision::Whole) => order == Ordering::Equal,
            (Operator::Equal | Operator::Tilde, _) => self.tilde(version),
            (Operator::NotEqual, Precision::Whole | Precision::Nothing) => order != Ordering::Equal,
            (Operator::NotEqual, Precision::Major) => !same_major,
            (Operator::NotEqual, Precision::Minor) => {
                !same_minor || version.pre != self.version.pre
            }
            (Operator::Greater, Precision::Major) => version.major > self.version.major,
            (Operator::Greater, Precision::Minor) => {
                (version.major, version.minor) > (self.version.major, self.version.minor)
            }
            (Operator::Greater, Precision::Whole | Precision::Nothing) => {
                order == Ordering::Greater
            }
            (Operator::GreaterEqual, _) => order != Ordering::Less,
            (Operator::Less, _) => order == Ordering::Less,
            (Operator::LessEqual, Precision::Whole) => order != Ordering::Greater,
            (Operator::LessEqual, Precision::Major) => version.major <= self.version.major,
            (Operator::LessEqual, Precision::Minor | Precision::Nothing) => {
                (version.major, version.minor) <= (self.version.major, self.version.minor)
            }
            (Operator::Caret, _) => self.caret(version),
        }
    }

    /// Up to the next minor version, or major if no minor is written.
    fn tilde(&self, version: &Version) -> bool {
        let anything = self.version.major == 0
            && self.version.minor == 0
            && self.version.patch == 0
            && matches!(self.precision, Precision::Nothing | Precision::Whole);
        let same_major = version.major == self.version.major;
        let same_minor = version.minor == self.version.minor || self.precision == Precision::Major;
        version.cmp_precedence(&self.version) != Ordering::Less
            && (anything || (same_major && same_minor))
    }

    /// Up to the next change of the first number that is not zero.
    fn caret(&self, version: &Version) -> bool {
        let written = &self.version;
        if version.cmp_precedence(written) == Ordering::Less {
            return false;
        }
        let same_major = version.major == written.major;
        let same_minor = same_major && version.minor == written.minor;
        match self.precision {
            Precision::Nothing => true,
            Precision::Major => same_major,
            _ if written.major > 0 => same_major,
            Precision::Minor => same_minor,
            Precision::Whole if written.minor > 0 => same_minor,
            Precision::Whole => same_minor && version.patch == written.patch,
        }
    }
}

/// Reads `1`, `1.2`, `1.x`, `v1.2.3-rc.1+build`, `*`; what is not written is zero.
fn partial(text: &str) -> Option<(Version, Precision)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    if let Some(build) = build {
        semver::BuildMetadata::new(build)
            .ok()
            .filter(|_| !build.is_empty())?;
    }
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (
            core,
            Prerelease::new(pre).ok().filter(|pre| !pre.is_empty())?,
        ),
        None => (text, Prerelease::EMPTY),
    };
    let mut written = [0_u64; 3];
    let mut known = None;
    let mut parts = 0;
    for (index, part) in core.split('.').enumerate() {
        let slot = written.get_mut(index)?;
        parts = index + 1;
        if matches!(part, "x" | "X" | "*") {
            known = known.or(Some(index));
        } else if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            *slot = part.parse().ok()?;
        } else {
            return None;
        }
    }
    let precision = match known.unwrap_or(parts) {
        0 => Precision::Nothing,
        1 => Precision::Major,
        2 => Precision::Minor,
        _ => Precision::Whole,
    };
    let wild = known.unwrap_or(3);
    for slot in written.iter_mut().skip(wild) {
        *slot = 0;
    }
    let [major, minor, patch] = written;
    Some((
        Version {
            major,
            minor,
            patch,
            pre,
            build: semver::BuildMetadata::EMPTY,
        },
        precision,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_masterminds_says() {
        // range, versions inside, versions outside
        let table: &[(&str, &[&str], &[&str])] = &[
            ("1.2.3", &["1.2.3", "1.2.3+b"], &["1.2.4", "1.2.3-rc"]),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.9", "1.2.1-rc"]),
            ("1.x", &["1.0.0", "1.9.9"], &["2.0.0", "0.9.0"]),
            ("1", &["1.0.0", "1.9.9"], &["2.0.0"]),
            ("*", &["0.0.1", "9.9.9"], &["1.0.0-rc.1"]),
            ("", &["0.0.1", "9.9.9"], &["1.0.0-rc.1"]),
            (">1.2.3", &["1.2.4", "2.0.0"], &["1.2.3", "1.3.0-rc"]),
            (">11", &["12.0.0"], &["11.1.0", "11.0.0"]),
            (">11.1", &["11.2.0", "12.0.0"], &["11.1.9"]),
            (">=1.2", &["1.2.0", "3.0.0"], &["1.1.9"]),
            ("=>1.2", &["1.2.0"], &["1.1.9"]),
            ("<2", &["1.9.9"], &["2.0.0", "2.0.0-rc"]),
            ("<=2", &["2.9.9", "1.0.0"], &["3.0.0"]),
            ("<=1.2", &["1.2.9", "0.9.9"], &["1.3.0"]),
            ("<=1.2.3", &["1.2.3"], &["1.2.4"]),
            ("!=1.2.3", &["1.2.4", "1.2.4-rc"], &["1.2.3"]),
            ("!=1.2", &["1.3.0"], &["1.2.0", "1.2.7", "1.3.0-rc"]),
            ("!=1", &["2.0.0"], &["1.2.3"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("~>1", &["1.9.0"], &["2.0.0"]),
            ("~1.2", &["1.2.9"], &["1.3.0"]),
            ("~*", &["4.5.6"], &[]),
            (
                "^1.2.3",
                &["1.2.3", "1.9.0"],
                &["1.2.2", "2.0.0", "1.3.0-rc"],
            ),
            ("^0.2.3", &["0.2.9"], &["0.3.0", "1.0.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4", "0.1.0"]),
            ("^0.0", &["0.0.9"], &["0.1.0"]),
            ("^0", &["0.9.0"], &["1.0.0"]),
            ("^*", &["4.5.6"], &[]),
            (">=1.2.3 <2.0.0", &["1.2.3", "1.9.9"], &["2.0.0"]),
            (">=1.2.3, <2.0.0", &["1.9.9"], &["2.0.0"]),
            (">= 1.2.3,<2", &["1.9.9"], &["2.0.0"]),
            ("1.2 - 1.4.5", &["1.2.0", "1.4.5"], &["1.1.9", "1.4.6"]),
            ("1 - 2", &["1.0.0", "2.9.0"], &["3.0.0"]),
            ("^1.2 || ~3.1", &["1.5.0", "3.1.4"], &["2.0.0", "3.2.0"]),
            (
                ">=1.0.0-0",
                &["1.0.0-rc.1", "2.0.0-alpha", "1.0.0"],
                &["0.9.0"],
            ),
            (">=1.0.0-0 <2.0.0", &["1.5.0-rc", "1.0.0"], &["2.0.0"]),
            ("^1.0.0-rc.1", &["1.0.0-rc.2", "1.4.0"], &["1.0.0-alpha"]),
            ("v1.2.x", &["1.2.3"], &["1.3.0"]),
        ];
        for (range, inside, outside) in table {
            let parsed = Range::parse(range).unwrap();
            for version in *inside {
                assert!(
                    parsed.contains(&Version::parse(version).unwrap()),
                    "{version} in {range}"
                );
            }
            for version in *outside {
                assert!(
                    !parsed.contains(&Version::parse(version).unwrap()),
                    "{version} not in {range}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in [
            "abc", "1.2.3.4", ">", "1.2.3-", "^^1", ">=1.0 ,", "1.y", "1..2", "1 | 2", "-1",
        ] {
            assert!(Range::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_highest_tag_wins() {
        let tags = [
            "v1.0.0",
            "1.2.0",
            "v1.10.0",
            "v2.0.0-rc.1",
            "release-3",
            "1.3",
            "vv9.0.0",
        ];
        for (range, tag) in [
            ("*", Some("v1.10.0")),
            ("<1.10", Some("1.2.0")),
            (">=2.0.0-0", Some("v2.0.0-rc.1")),
            (">3", None),
        ] {
            assert_eq!(Range::parse(range).unwrap().highest(tags), tag, "{range}");
        }
    }
}
