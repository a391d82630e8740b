//! Constraints: `>=1.2 <3 || ~4.1, !=4.1.7`, `1.x`, `^0.3`, `1.0 - 2.0`.
//!
//! A bare `1.2.3` is exact, `1.2` and `1.2.x` are the same, `,` and a space mean "and", `||` means "or",
//! `1.2 - 1.4` includes both ends, and a prerelease is wanted only by a group that names one itself.

use std::sync::LazyLock;

use regex::Regex;

use super::{Error, Version, compare_prereleases};

const LENGTH_MAX: usize = 512;
const GROUPS_MAX: usize = 32;

const PARTIAL: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("it is an expression")
}

static ONE: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"^\s*({OPERATORS})\s*({PARTIAL})\s*$")));
static RANGE: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"\s*({PARTIAL})\s+-\s+({PARTIAL})\s*")));
static EACH: LazyLock<Regex> =
    LazyLock::new(|| expression(&format!(r"({OPERATORS})\s*({PARTIAL})")));
static GROUP: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r"^(\s*({OPERATORS})\s*({PARTIAL})\s*)((?:\s+|,\s*)({OPERATORS})\s*({PARTIAL})\s*)*$"
    ))
});

/// Which versions are wanted: all of one of these groups.
#[derive(Clone, Debug)]
pub struct Constraints(Vec<Group>);

#[derive(Clone, Debug)]
struct Group {
    all: Vec<Constraint>,
    /// Whether one of them names a prerelease; only then do prereleases count.
    prereleases: bool,
}

#[derive(Clone, Debug)]
struct Constraint {
    operator: Operator,
    version: Version,
    /// Which number is the first that may be any.
    any: Option<Number>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Major,
    Minor,
    Patch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Constraints {
    /// Reads constraints.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LENGTH_MAX {
            return Err(Error::Long {
                what: "constraint",
                max: LENGTH_MAX,
            });
        }
        let text = RANGE
            .captures_iter(text)
            .fold(text.to_owned(), |text, range| {
                text.replacen(
                    &range[0],
                    &format!(">= {}, <= {} ", &range[1], &range[11]),
                    1,
                )
            });
        let groups: Vec<_> = text.split("||").collect();
        if groups.len() > GROUPS_MAX {
            return Err(Error::Groups(GROUPS_MAX));
        }
        groups
            .into_iter()
            .map(Group::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a version is wanted.
    pub fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            group
                .all
                .iter()
                .all(|each| each.allows(version, group.prereleases))
        })
    }

    /// The tag of the highest version that is wanted. Tags that are no whole version are passed over; of
    /// versions that differ only in build metadata, which has no rank, the one that sorts last.
    pub fn highest<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        tags.into_iter()
            .filter_map(|tag| Some((Version::parse_whole(tag).ok()?, tag)))
            .filter(|(version, _)| self.allows(version))
            .max_by(|(one, _), (other, _)| {
                one.cmp(other)
                    .then_with(|| one.metadata.cmp(&other.metadata))
            })
            .map(|(_, tag)| tag)
    }

    /// As [`Constraints::allows`], where a prerelease counts like any other version (`--devel`).
    pub fn allows_prerelease(&self, version: &Version) -> bool {
        self.0
            .iter()
            .any(|group| group.all.iter().all(|each| each.allows(version, true)))
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, Error> {
        if !GROUP.is_match(text) {
            return Err(Error::Constraint(text.to_owned()));
        }
        let found: Vec<_> = EACH.find_iter(text).map(|found| found.as_str()).collect();
        let found = if found.is_empty() { vec![text] } else { found };
        let all = found
            .into_iter()
            .map(Constraint::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let prereleases = all.iter().any(|each| !each.version.prerelease.is_empty());
        Ok(Self { all, prereleases })
    }
}

fn is_any(number: &str) -> bool {
    matches!(number.trim_start_matches('.'), "" | "x" | "X" | "*")
}

impl Constraint {
    fn parse(text: &str) -> Result<Self, Error> {
        let Some(parts) = ONE.captures(text) else {
            return Err(Error::Constraint(text.to_owned()));
        };
        let part = |index: usize| parts.get(index).map_or("", |part| part.as_str());
        let (major, minor, patch, prerelease) = (part(3), part(4), part(5), part(6));
        let (any, version) = if is_any(major) {
            (Some(Number::Major), format!("0.0.0{prerelease}"))
        } else if is_any(minor) {
            (Some(Number::Minor), format!("{major}.0.0{prerelease}"))
        } else if is_any(patch) {
            (Some(Number::Patch), format!("{major}{minor}.0{prerelease}"))
        } else {
            (None, part(2).to_owned())
        };
        let operator = match part(1) {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::Equal,
        };
        let version = Version::parse(&version).map_err(|_error| Error::Bound)?;
        Ok(Self {
            operator,
            version,
            any,
        })
    }

    fn allows(&self, version: &Version, prereleases: bool) -> bool {
        if !version.prerelease.is_empty() && !prereleases {
            return false;
        }
        let bound = &self.version;
        match self.operator {
            Operator::Equal if self.any.is_some() => self.tilde(version),
            Operator::Equal => version == bound,
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => match self.any {
                _ if version.major != bound.major && self.any.is_some() => {
                    version.major > bound.major
                }
                Some(Number::Minor) => false,
                Some(Number::Patch) => version.minor > bound.minor,
                Some(Number::Major) | None => version > bound,
            },
            Operator::Less => version < bound,
            Operator::GreaterOrEqual => version >= bound,
            Operator::LessOrEqual if self.any.is_none() => version <= bound,
            Operator::LessOrEqual => {
                let minor = self.any != Some(Number::Minor)
                    && version.major == bound.major
                    && version.minor > bound.minor;
                version.major <= bound.major && !minor
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let bound = &self.version;
        if self.any.is_none() {
            return version != bound;
        }
        if version.major != bound.major {
            return true;
        }
        match self.any {
            Some(Number::Minor) => false,
            _ if version.minor != bound.minor => true,
            Some(Number::Patch) => {
                let bare = version.prerelease.is_empty() && bound.prerelease.is_empty();
                !bare && compare_prereleases(&version.prerelease, &bound.prerelease).is_ne()
            }
            _ => version != bound,
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version < bound {
            return false;
        }
        let exact = !matches!(self.any, Some(Number::Minor | Number::Patch));
        if bound.numbers() == (0, 0, 0) && exact {
            return true;
        }
        version.major == bound.major
            && (version.minor == bound.minor || self.any == Some(Number::Minor))
    }

    fn caret(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version < bound {
            return false;
        }
        if bound.major > 0 || self.any == Some(Number::Minor) {
            return version.major == bound.major;
        }
        if version.major > 0 {
            return false;
        }
        if bound.minor > 0 || self.any == Some(Number::Patch) {
            return version.minor == bound.minor;
        }
        version.minor == 0 && version.patch == bound.patch
    }
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
            (">1.2.3", &["1.2.4", "2.0.0"], &["1.2.3", "1.3.0-rc"]),
            (">11", &["12.0.0"], &["11.1.0", "11.0.0"]),
            (">11.1", &["11.2.0", "12.0.0"], &["11.1.9"]),
            (">=1.2", &["1.2.0", "3.0.0"], &["1.1.9"]),
            ("=>1.2", &["1.2.0"], &["1.1.9"]),
            ("<2", &["1.9.9"], &["2.0.0", "2.0.0-rc"]),
            ("<=2", &["2.9.9", "1.0.0"], &["3.0.0"]),
            ("<=1.2", &["1.2.9", "0.9.9"], &["1.3.0"]),
            ("<=1.2.3", &["1.2.3"], &["1.2.4"]),
            ("!=1.2.3", &["1.2.4"], &["1.2.3", "1.2.4-rc"]),
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
            ("^*", &["0.0.0"], &["4.5.6"]),
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
            let parsed = Constraints::parse(range).unwrap();
            for version in *inside {
                assert!(
                    parsed.allows(&Version::parse(version).unwrap()),
                    "{version} in {range}"
                );
            }
            for version in *outside {
                assert!(
                    !parsed.allows(&Version::parse(version).unwrap()),
                    "{version} not in {range}"
                );
            }
        }
    }

    #[test]
    fn loose_versions_and_odd_ranges_are_within_as_masterminds_says() {
        for (range, version, within) in [
            (">=1.19.0-0", "v1.37.0", true),
            (">= 1.19.0", "1.37.0-gke.1", false),
            (">=1.19-0", "1.37.0", true),
            ("^1.2", "1.9.0", true),
            ("^0.2.3", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("1.x.x", "1.9.0", true),
            ("1.x.x", "1.9.0-rc.1", false),
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
            let found = crate::is_compatible(range, version);
            assert_eq!(found, within, "{version} in {range}");
        }
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in [
            "", "abc", "1.2.3.4", ">", "1.2.3-", "^^1", ">=1.0 ,", "1.y", "1..2", "1 | 2", "-1",
        ] {
            assert!(Constraints::parse(text).is_err(), "{text:?} was accepted");
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
            assert_eq!(
                Constraints::parse(range).unwrap().highest(tags),
                tag,
                "{range}"
            );
        }
    }
}
