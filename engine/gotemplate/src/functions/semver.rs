//! `semver` and `semverCompare`: versions as templates see them.

use std::cmp::Ordering;
use std::rc::Rc;

use fluvial_semver::{Constraints, Version};

use super::{Function, str};
use crate::error::Error;
use crate::format::quoted;
use crate::value::{Integer, Kind, Object, Signature, Type, Value};

const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[T], |_, values| {
        let written = Written::parse(&str(&values[0])).map_err(Error::plain)?;
        Ok(Value::Object(Rc::new(written)))
    }),
    Function::new("semverCompare", &[T, T], |_, values| {
        let constraints = constraints(&str(&values[0])).map_err(Error::plain)?;
        let version = version(&str(&values[1])).map_err(Error::plain)?;
        Ok(Value::Bool(constraints.allows(&version)))
    }),
];

/// A version, and how it was written.
#[derive(Clone, Debug)]
struct Written {
    version: Version,
    original: String,
}

impl Written {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self {
            version: version(text)?,
            original: text.to_owned(),
        })
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| error.to_string())
}

fn constraints(text: &str) -> Result<Constraints, String> {
    Constraints::parse(text).map_err(|error| match error {
        // As Go quotes it.
        fluvial_semver::Error::Constraint(text) => {
            format!("improper constraint: {}", quoted(text.as_bytes()))
        }
        error => error.to_string(),
    })
}

const NONE: Signature = Signature {
    params: &[],
    variadic: false,
};
const ONE: Signature = Signature {
    params: &[Type::Any],
    variadic: false,
};

impl Object for Written {
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
            let order = self
                .version
                .cmp(&version(&other.text().unwrap_or_default())?);
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
            "Major" => number(self.version.major),
            "Minor" => number(self.version.minor),
            "Patch" => number(self.version.patch),
            "Prerelease" => Value::text(&*self.version.prerelease),
            "Metadata" => Value::text(&*self.version.metadata),
            "Original" => Value::text(&*self.original),
            "IncMajor" | "IncMinor" | "IncPatch" => self.next(name),
            _ => Value::text(self.version.to_string()),
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.version.to_string())
    }
}

impl Written {
    /// The next version of a kind; the next patch of a prerelease is the release itself.
    fn next(&self, name: &str) -> Value {
        let (major, minor, patch) = match name {
            "IncMajor" => (self.version.major.saturating_add(1), 0, 0),
            "IncMinor" => (self.version.major, self.version.minor.saturating_add(1), 0),
            _ if self.version.prerelease.is_empty() => (
                self.version.major,
                self.version.minor,
                self.version.patch.saturating_add(1),
            ),
            _ => self.version.numbers(),
        };
        let v = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        let original = format!("{v}{major}.{minor}.{patch}");
        Value::Object(Rc::new(Self {
            version: Version {
                major,
                minor,
                patch,
                prerelease: String::new(),
                metadata: String::new(),
            },
            original,
        }))
    }
}
