//! What a template computes with: Go's values, as far as a template can meet them.
//!
//! Templates see Go's types (`%T`, "expected string; got int"), so numbers and collections keep
//! theirs. Maps are shared as in Go ([`Map`]); everything else is a value.

mod list;
mod map;
mod object;
mod text;

use std::rc::Rc;

pub(crate) use list::Items;
pub use list::List;
pub(crate) use map::Elements;
pub use map::Map;
pub use object::{Object, Signature, Type};
pub use text::Text;

use crate::time::Time;

/// A value. Cloning one costs no more than a count.
#[derive(Clone)]
pub enum Value {
    /// Go's untyped nil.
    Nil,
    /// A `bool`.
    Bool(bool),
    /// A number of one of Go's integer types.
    Integer(Integer),
    /// A `float64`.
    Float(f64),
    /// A `string`.
    Text(Text),
    /// A slice.
    List(List),
    /// A map.
    Map(Map),
    /// A `time.Time`.
    Time(Time),
    /// Something with fields or methods.
    Object(Rc<dyn Object>),
}

/// The integer types of Go that templates meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `int`: literals, indexes, `len`.
    Int,
    /// `int64`: arithmetic, and what `--set` gives.
    Int64,
    /// `int32`: characters.
    Int32,
    /// `uint8`: a byte of a string.
    Uint8,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `time.Duration`, in nanoseconds.
    Duration,
    /// `time.Month`
    Month,
    /// `time.Weekday`
    Weekday,
}

impl Kind {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    /// `reflect.Kind`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Duration => "int64",
            Self::Month | Self::Weekday => "int",
            other => other.type_name(),
        }
    }

    pub(crate) fn is_unsigned(self) -> bool {
        matches!(self, Self::Uint8 | Self::Uint32 | Self::Uint64)
    }
}

/// A number and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Its type.
    pub kind: Kind,
    /// The number.
    pub value: i64,
}

impl Value {
    /// An `int`.
    pub fn int(value: i64) -> Self {
        let kind = Kind::Int;
        Self::Integer(Integer { kind, value })
    }

    /// An `int64`.
    pub fn int64(value: i64) -> Self {
        let kind = Kind::Int64;
        Self::Integer(Integer { kind, value })
    }

    /// A `time.Duration`.
    pub(crate) fn duration(value: i64) -> Self {
        let kind = Kind::Duration;
        Self::Integer(Integer { kind, value })
    }

    /// A `string`.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// An `[]interface {}`.
    pub fn list(values: Vec<Self>) -> Self {
        Self::List(List::from(values))
    }

    /// A `[]string`.
    pub fn strings<T: Into<Text>>(texts: impl IntoIterator<Item = T>) -> Self {
        let values = texts.into_iter().map(Self::text).collect();
        Self::List(List::with(Items::Text, values))
    }

    /// A `[]byte`.
    pub fn bytes(bytes: &[u8]) -> Self {
        let kind = Kind::Uint8;
        let values = bytes
            .iter()
            .map(|&byte| {
                Self::Integer(Integer {
                    kind,
                    value: byte.into(),
                })
            })
            .collect();
        Self::List(List::with(Items::Bytes, values))
    }

    /// What Go's `encoding/json` makes of it: every number is a `float64`.
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(flag) => Self::Bool(*flag),
            serde_json::Value::Number(number) => {
                Self::Float(number.as_str().parse().unwrap_or(f64::INFINITY))
            }
            serde_json::Value::String(text) => Self::text(text.as_str()),
            serde_json::Value::Array(items) => {
                Self::list(items.iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(map) => {
                let entries = map.iter();
                let entries = entries.map(|(key, value)| (key.as_str(), Self::from_json(value)));
                Self::Map(entries.collect())
            }
        }
    }

    /// Whether it counts as true in `if`, `and` and `default`.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(flag) => *flag,
            Self::Integer(integer) => integer.value != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) => true,
            Self::Object(object) => object.underlying().is_none_or(|value| value.is_true()),
        }
    }

    /// Go's name of its type, as `%T` prints it.
    pub fn type_name(&self) -> String {
        match self {
            Self::Nil => "<nil>".to_owned(),
            Self::Bool(_) => "bool".to_owned(),
            Self::Integer(integer) => integer.kind.type_name().to_owned(),
            Self::Float(_) => "float64".to_owned(),
            Self::Text(_) => "string".to_owned(),
            Self::List(list) => list.type_name().to_owned(),
            Self::Map(map) => map.type_name().to_owned(),
            Self::Time(_) => "time.Time".to_owned(),
            Self::Object(object) => object.type_name(),
        }
    }

    /// Go's `reflect.Kind` of it.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Integer(integer) => integer.kind.name(),
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Object(object) => match object.underlying() {
                Some(value) => value.kind_name(),
                None if object.type_name().starts_with('*') => "ptr",
                None => "struct",
            },
        }
    }

    /// What a value of a named type is underneath.
    pub(crate) fn bare(&self) -> Self {
        match self {
            Self::Object(object) => object.underlying().unwrap_or_else(|| self.clone()),
            other => other.clone(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Self {
        Self::Float(float)
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map(map) => map.fmt(f),
            Self::List(list) => write!(f, "{} of {}", list.type_name(), list.len()),
            other => write!(f, "{}({})", other.type_name(), crate::format::print(other)),
        }
    }
}
