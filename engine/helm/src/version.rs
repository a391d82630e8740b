//! Versions and ranges of versions with the rules of github.com/Masterminds/semver v3.5, which helm uses.
//!
//! A version may be loose: `v1.2` is 1.2.0. A range is alternatives (`||`) of comparisons that must all
//! hold; a prerelease is within only if the alternative names one itself.

use std::cmp::Ordering;

/// A semantic version; build metadata has no rank and is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    prerelease: String,
}

/// A range such as `>=1.2 <2.0.0-0 || ^3`.
#[derive(Clone, Debug)]
pub struct Range(Vec<Vec<Comparison>>);

#[derive(Clone, Debug)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// How many of the three numbers are written out.
    written: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Tilde,
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Caret,
}

const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::TildeOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

const VERSION_BYTES_MAX: usize = 256;
const RANGE_BYTES_MAX: usize = 512;
const ALTERNATIVES_MAX: usize = 32;

impl Version {
    /// Reads a version that may be loose.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > VERSION_BYTES_MAX {
            return None;
        }
        let (parts, prerelease, rest) = scan(text, false)?;
        let strict = |part: &str| {
            part.len() == 1 || !part.starts_with('0') || !part.bytes().all(|b| b.is_ascii_digit())
        };
        if !rest.is_empty()
            || !prerelease
                .split('.')
                .all(|part| part.is_empty() || strict(part))
        {
            return None;
        }
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = part.parse().ok()?;
        }
        Some(Self {
            numbers,
            prerelease: prerelease.to_owned(),
        })
    }

    fn rank(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| rank_prerelease(&self.prerelease, &other.prerelease))
    }
}

/// The numbers of a version, its prerelease, and what follows it.
fn scan(text: &str, wildcards: bool) -> Option<(Vec<&str>, &str, &str)> {
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut parts = Vec::new();
    while parts.len() < 3 {
        let after = if parts.is_empty() {
            rest
        } else if let Some(after) = rest.strip_prefix('.') {
            after
        } else {
            break;
        };
        let is_part =
            |c: char| c.is_ascii_digit() || (wildcards && matches!(c, 'x' | 'X' | '*' | '|'));
        let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
        if end == 0 {
            break;
        }
        parts.push(&after[..end]);
        rest = &after[end..];
    }
    if parts.is_empty() {
        return None;
    }
    let (prerelease, rest) = identifiers(rest, '-');
    let (_build, rest) = identifiers(rest, '+');
    Some((parts, prerelease, rest))
}

/// Dot-separated identifiers behind a sign, as many as there are.
fn identifiers(text: &str, sign: char) -> (&str, &str) {
    let Some(after) = text.strip_prefix(sign) else {
        return ("", text);
    };
    let mut end = 0;
    loop {
        let word = &after[end..];
        let length = word
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(word.len());
        if length == 0 {
            // The dot before nothing belongs to nobody.
            end = end.saturating_sub(1);
            break;
        }
        end += length;
        if !after[end..].starts_with('.') {
            break;
        }
        end += 1;
    }
    if end == 0 {
        return ("", text);
    }
    (&after[..end], &after[end..])
}

fn rank_prerelease(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Range {
    /// Reads a range.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > RANGE_BYTES_MAX {
            return None;
        }
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > ALTERNATIVES_MAX {
            return None;
        }
        let read = alternatives.into_iter().map(comparisons);
        read.collect::<Option<_>>().map(Self)
    }

    /// Whether a version is within.
    pub fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|all| {
            let named = all.iter().any(|each| !each.version.prerelease.is_empty());
            (named || version.prerelease.is_empty()) && all.iter().all(|each| each.holds(version))
        })
    }
}

fn comparisons(text: &str) -> Option<Vec<Comparison>> {
    let mut rest = text.trim();
    if rest.is_empty() {
        rest = "*";
    }
    let mut all = Vec::new();
    loop {
        let (operator, after) = OPERATORS
            .iter()
            .find_map(|(spelling, operator)| Some((*operator, rest.strip_prefix(spelling)?)))
            .unwrap_or((Operator::TildeOrEqual, rest));
        let bare = after.len() == rest.len();
        let (comparison, tail) = Comparison::read(after, operator)?;
        let after_space = tail.trim_start();
        let spaced = after_space.len() < tail.len();
        // `1.2 - 1.4`: both ends are within.
        if let Some(upper) = after_space.strip_prefix("- ").filter(|_| spaced && bare) {
            let (upper, tail) = Comparison::read(upper, Operator::LessEqual)?;
            all.push(Comparison {
                operator: Operator::GreaterEqual,
                ..comparison
            });
            all.push(upper);
            rest = tail;
        } else {
            all.push(comparison);
            rest = tail;
        }
        let after = rest.trim_start();
        if after.is_empty() {
            return Some(all);
        }
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.len() < rest.len() => after,
            None => return None,
        };
    }
}

impl Comparison {
    /// Reads the version of a comparison; gives what follows it.
    fn read(text: &str, operator: Operator) -> Option<(Self, &str)> {
        let (parts, prerelease, rest) = scan(text.trim_start(), true)?;
        let is_wild = |part: &&str| matches!(*part, "x" | "X" | "*");
        let written = parts.iter().take_while(|part| !is_wild(part)).count();
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(parts.iter().take(written)) {
            *number = part.parse().ok()?;
        }
        let version = Version {
            numbers,
            prerelease: prerelease.to_owned(),
        };
        let comparison = Self {
            operator,
            version,
            written,
        };
        Some((comparison, rest))
    }

    fn holds(&self, version: &Version) -> bool {
        let own = &self.version;
        let order = version.rank(own);
        let [major, minor, patch] = version.numbers;
        let [own_major, own_minor, own_patch] = own.numbers;
        let same_major = major == own_major;
        let same_minor = minor == own_minor;
        match self.operator {
            Operator::TildeOrEqual if self.written == 3 => order == Ordering::Equal,
            Operator::TildeOrEqual | Operator::Tilde => {
                // Nothing but zeroes written, or nothing at all, is everything.
                let anything = own.numbers == [0; 3] && matches!(self.written, 0 | 3);
                order != Ordering::Less
                    && (anything || (same_major && (same_minor || self.written == 1)))
            }
            Operator::NotEqual => match self.written {
                0 | 3 => order != Ordering::Equal,
                1 => !same_major,
                _ => {
                    !same_major
                        || !same_minor
                        || rank_prerelease(&version.prerelease, &own.prerelease) != Ordering::Equal
                }
            },
            Operator::Greater => match self.written {
                1 => major > own_major,
                2 => (major, minor) > (own_major, own_minor),
                _ => order == Ordering::Greater,
            },
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => match self.written {
                3 => order != Ordering::Greater,
                1 => major <= own_major,
                _ => (major, minor) <= (own_major, own_minor),
            },
            Operator::Caret => {
                order != Ordering::Less
                    && if own_major > 0 || self.written == 1 {
                        same_major
                    } else if own_minor > 0 || self.written == 2 {
                        same_major && same_minor
                    } else {
                        same_major && same_minor && patch == own_patch
                    }
            }
        }
    }
}

/// Whether `version` is within `range`; what cannot be read is within nothing.
pub fn is_compatible(range: &str, version: &str) -> bool {
    match (Range::parse(range), Version::parse(version)) {
        (Some(range), Some(version)) => range.contains(&version),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_masterminds_says() {
        for (range, version, within) in [
            (">=1.19.0-0", "v1.37.0", true),
            (">= 1.19.0", "1.37.0-gke.1", false),
            (">=1.19-0", "1.37.0", true),
            ("^1.2", "1.9.0", true),
            ("^0.2.3", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("1.x.x", "1.9.0", true),
            ("1.x.x", "1.9.0-rc.1", false),
            ("", "3.0.0", true),
            ("*", "3.0.0", true),
            ("*-0", "3.0.0-rc.1", true),
            ("1.2.3", "v1.2.3", true),
            ("=1.2.3", "1.2.3+build", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            ("1.2 - 1.4.5", "1.2.0", true),
            (">=1.16.0 < 1.20.0 || >=1.30", "1.31.0", true),
            (">=1.16.0, <1.20.0", "1.20.0", false),
            ("!=1.2", "1.2.4", false),
            (">11", "11.1.0", false),
            ("<=2", "2.9.9", true),
            ("^*", "4.5.6", false),
            ("~*", "4.5.6", true),
            ("<=*", "4.5.6", false),
            (">=1.0.0 - 2", "1.5.6", false),
            ("abc", "1.0.0", false),
            ("1.0.0", "abc", false),
            ("0.1.0", "0.01.0", true),
            ("1.0", "1.0.0-01", false),
        ] {
            assert_eq!(
                is_compatible(range, version),
                within,
                "{version} in {range}"
            );
        }
    }
}
