//! Versions and constraints by the rules of Masterminds/semver 3.5.0, which Helm uses everywhere.

mod constraint;

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

pub use constraint::Constraints;
use regex::Regex;

use super::{Function, str};
use crate::error::Error;
use crate::value::{Integer, Kind, Object, Signature, Type, Value};

const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[T], |_, values| {
        let version = Version::parse(&str(&values[0])).map_err(Error::plain)?;
        Ok(Value::Object(Rc::new(version)))
    }),
    Function::new("semverCompare", &[T, T], |_, values| {
        let constraints = Constraints::parse(&str(&values[0])).map_err(Error::plain)?;
        let version = Version::parse(&str(&values[1])).map_err(Error::plain)?;
        Ok(Value::Bool(constraints.allows(&version)))
    }),
];

/// What a version looks like, with leading zeros and missing parts let through.
pub(super) const LOOSE: &str = r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

static VERSION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("^{LOOSE}$")).expect("it is an expression"));

/// A longer text is no version.
const LENGTH_MAX: usize = 256;

/// A version, perhaps with parts left out (`1.2` is `1.2.0`).
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
    /// What is behind `+`, which counts for nothing.
    pub metadata: String,
    /// As it was written.
    pub original: String,
}

impl Version {
    /// Reads a version; the error is Masterminds' own.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!(
                "version string is too long (max {LENGTH_MAX} bytes)"
            ));
        }
        let Some(parts) = VERSION.captures(text) else {
            return Err("invalid semantic version".to_owned());
        };
        let part = |index: usize| parts.get(index).map_or("", |part| part.as_str());
        let number = |index: usize| {
            let digits = part(index).trim_start_matches('.');
            if digits.is_empty() {
                return Ok(0);
            }
            digits.parse().map_err(|_error| {
                format!(
                    "error parsing version segment: strconv.ParseUint: parsing \"{digits}\": value out of range"
                )
            })
        };
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            prerelease: part(5).to_owned(),
            metadata: part(8).to_owned(),
            original: text.to_owned(),
        };
        let zeros = |part: &str| {
            part.len() > 1
                && part.starts_with('0')
                && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if version.prerelease.split('.').any(zeros) {
            return Err("version segment starts with 0".to_owned());
        }
        Ok(version)
    }

    /// Its numbers.
    pub(super) fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }
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
pub(super) fn compare_prereleases(one: &str, other: &str) -> Ordering {
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

const NONE: Signature = Signature {
    params: &[],
    variadic: false,
};
const ONE: Signature = Signature {
    params: &[Type::Any],
    variadic: false,
};

impl Object for Version {
    fn type_name(&self) -> String {
        "*semver.Version".to_owned()
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "Original" | "String"
            | "IncMajor" | "IncMinor" | "IncPatch" => Some(&NONE),
            "Compare" | "Equal" | "GreaterThan" | "GreaterThanEqual" | "LessThan"
            | "LessThanEqual" => Some(&ONE),
            _ => None,
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        if let Some(other) = arguments.first() {
            let Value::Object(other) = other else {
                return Err(format!(
                    "value has type {}; should be *semver.Version",
                    other.type_name()
                ));
            };
            let order = self.cmp(&Self::parse(&other.text().unwrap_or_default())?);
            return Ok(match name {
                "Equal" => Value::Bool(order == Ordering::Equal),
                "GreaterThan" => Value::Bool(order == Ordering::Greater),
                "GreaterThanEqual" => Value::Bool(order != Ordering::Less),
                "LessThan" => Value::Bool(order == Ordering::Less),
                "LessThanEqual" => Value::Bool(order != Ordering::Greater),
                _ => Value::int(order as i64),
            });
        }
        let number = |number: u64| {
            let value = i64::try_from(number).unwrap_or(i64::MAX);
            Value::Integer(Integer {
                kind: Kind::Uint64,
                value,
            })
        };
        Ok(match name {
            "Major" => number(self.major),
            "Minor" => number(self.minor),
            "Patch" => number(self.patch),
            "Prerelease" => Value::text(&*self.prerelease),
            "Metadata" => Value::text(&*self.metadata),
            "Original" => Value::text(&*self.original),
            "IncMajor" | "IncMinor" | "IncPatch" => self.next(name),
            _ => Value::text(self.to_string()),
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Version {
    /// The next version of a kind; the next patch of a prerelease is the release itself.
    fn next(&self, name: &str) -> Value {
        let (major, minor, patch) = match name {
            "IncMajor" => (self.major.saturating_add(1), 0, 0),
            "IncMinor" => (self.major, self.minor.saturating_add(1), 0),
            _ if self.prerelease.is_empty() => {
                (self.major, self.minor, self.patch.saturating_add(1))
            }
            _ => self.numbers(),
        };
        let v = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        let original = format!("{v}{major}.{minor}.{patch}");
        Value::Object(Rc::new(Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original,
        }))
    }
}
