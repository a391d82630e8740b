//! Semantic versions by the rules of github.com/Masterminds/semver 3.5, which Flux and Helm use.
//!
//! They are not Cargo's: a version may be loose (`v1.2` is 1.2.0), and constraints have grammar and
//! prereleases of their own; see [`Constraints`]. Errors are in Masterminds' words, because templates
//! and statuses show them.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod constraints;

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

pub use constraints::Constraints;
use regex::Regex;

/// What a version looks like, with leading zeros and missing parts let through.
const LOOSE: &str = r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^{LOOSE}$")).expect("it is an expression"));

/// A longer text is no version.
const LENGTH_MAX: usize = 256;

/// A version, perhaps with parts left out (`1.2` is `1.2.0`).
///
/// Versions are ordered, and equal, by rank: what is behind `+` counts for nothing.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its first number.
    pub major: u64,
    /// Its second number.
    pub minor: u64,
    /// Its third number.
    pub patch: u64,
    /// What is behind `-`.
    pub prerelease: String,
    /// What is behind `+`.
    pub metadata: String,
}

/// Why a text is no version, or no constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is longer than this many bytes.
    Long {
        /// `version` or `constraint`.
        what: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// It does not look like a version.
    Version,
    /// A number of it does not fit.
    Number(String),
    /// A number of it starts with a zero where none may.
    Zero,
    /// It does not look like a constraint.
    Constraint(String),
    /// The version of a constraint is none.
    Bound,
    /// There are more alternatives than this many.
    Groups(usize),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long { what, max } => write!(f, "{what} string is too long (max {max} bytes)"),
            Self::Version => f.write_str("invalid semantic version"),
            Self::Number(digits) => write!(
                f,
                "error parsing version segment: strconv.ParseUint: parsing \"{digits}\": value out of range"
            ),
            Self::Zero => f.write_str("version segment starts with 0"),
            Self::Constraint(text) => write!(f, "improper constraint: {text:?}"),
            Self::Bound => f.write_str("constraint parser error"),
            Self::Groups(max) => write!(f, "too many constraint groups (max {max})"),
        }
    }
}

impl Version {
    /// Reads a version that may be loose. Masterminds: `NewVersion`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LENGTH_MAX {
            return Err(Error::Long {
                what: "version",
                max: LENGTH_MAX,
            });
        }
        let Some(parts) = VERSION.captures(text) else {
            return Err(Error::Version);
        };
        let part = |index: usize| parts.get(index).map_or("", |part| part.as_str());
        let number = |index: usize| {
            let digits = part(index).trim_start_matches('.');
            if digits.is_empty() {
                return Ok(0);
            }
            let number = digits.parse();
            number.map_err(|_error| Error::Number(digits.to_owned()))
        };
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            prerelease: part(5).to_owned(),
            metadata: part(8).to_owned(),
        };
        if version.prerelease.split('.').any(has_leading_zero) {
            return Err(Error::Zero);
        }
        Ok(version)
    }

    /// Reads a version that is written out whole, `v` before it allowed, as tags and indexes have them.
    /// flux: `ParseVersion`, fluxcd/pkg/version.
    pub fn parse_whole(text: &str) -> Result<Self, Error> {
        let version = Self::parse(text)?;
        let text = text.strip_prefix('v').unwrap_or(text);
        let core = text.split(['-', '+']).next().unwrap_or_default();
        if core.split('.').count() != 3 {
            return Err(Error::Version);
        }
        if core.split('.').any(has_leading_zero) {
            return Err(Error::Zero);
        }
        Ok(version)
    }

    /// The same version with other build metadata.
    pub fn with_metadata(self, metadata: &str) -> Result<Self, Error> {
        let bare = Self {
            metadata: String::new(),
            ..self
        };
        Self::parse(&format!("{bare}+{metadata}"))
    }

    /// Major, minor and patch.
    pub fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }
}

/// Whether `constraints` allow `version`; what cannot be read is allowed by none. helm: `IsCompatibleRange`.
pub fn is_compatible(constraints: &str, version: &str) -> bool {
    match (Constraints::parse(constraints), Version::parse(version)) {
        (Ok(constraints), Ok(version)) => constraints.allows(&version),
        _ => false,
    }
}

fn has_leading_zero(part: &str) -> bool {
    part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = self.numbers().cmp(&other.numbers());
        numbers.then_with(|| compare_prereleases(&self.prerelease, &other.prerelease))
    }
}

/// One without a prerelease is newer.
fn compare_prereleases(one: &str, other: &str) -> Ordering {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loose_version_is_filled_up() {
        for (text, version) in [
            ("1", "1.0.0"),
            ("v1.2", "1.2.0"),
            ("1.02.3", "1.2.3"),
            ("1.2.3-rc.1+b.7", "1.2.3-rc.1+b.7"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), version);
        }
    }

    #[test]
    fn what_is_no_version_says_why() {
        let long = "1".repeat(LENGTH_MAX + 1);
        for (text, error) in [
            ("", "invalid semantic version"),
            ("1.2.3.4", "invalid semantic version"),
            ("vv1", "invalid semantic version"),
            ("1.2.3-", "invalid semantic version"),
            ("1.2.3-01", "version segment starts with 0"),
            (
                "99999999999999999999",
                "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
            ),
            (&long, "version string is too long (max 256 bytes)"),
        ] {
            assert_eq!(Version::parse(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_whole_version_leaves_nothing_out() {
        for text in ["1.2.3", "v1.2.3", "1.2.3-rc.1+b"] {
            assert!(Version::parse_whole(text).is_ok(), "{text}");
        }
        for text in ["1.2", "v1", "1.02.3", "1-rc.1", "01.2.3"] {
            assert!(Version::parse_whole(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_is_replaced_by_what_may_stand_there() {
        let version = Version::parse("1.2.3-rc.1+old").unwrap();
        let other = version.clone().with_metadata("new.7").unwrap();
        assert_eq!(other.to_string(), "1.2.3-rc.1+new.7");
        assert_eq!(version.with_metadata("a b"), Err(Error::Version));
    }

    #[test]
    fn versions_are_ordered_by_rank() {
        let rising = [
            "0.9.0",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0",
            "1.0.1",
        ];
        for pair in rising.windows(2) {
            let [lower, higher] = pair else { continue };
            let (lower, higher) = (Version::parse(lower), Version::parse(higher));
            assert!(lower.unwrap() < higher.unwrap(), "{pair:?}");
        }
        assert_eq!(Version::parse("1.0.0+a"), Version::parse("1.0.0+b"));
    }
}
