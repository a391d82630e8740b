//! `eq` and the others: what Go compares, and what it refuses to.

use super::{Function, Outcome};
use crate::Execution;
use crate::error::Error;
use crate::format::printf;
use crate::value::{Integer, Type, Value};

const R: Type = Type::Reflect;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("eq", &[R, R], |_, values| eq(values).map(Value::Bool)).walks(),
    Function::new("ge", &[R, R], |_, values| {
        lt(values).map(|less| Value::Bool(!less))
    }),
    Function::new("gt", &[R, R], |_, values| {
        le(values).map(|less| Value::Bool(!less))
    }),
    Function::new("le", &[R, R], |_, values| le(values).map(Value::Bool)),
    Function::new("lt", &[R, R], |_, values| lt(values).map(Value::Bool)),
    Function::new("ne", &[R, R], ne).walks(),
];

/// The kinds that compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Invalid,
    Bool,
    Int,
    Float,
    Text,
    Uint,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(_) => Basic::Bool,
        Value::Integer(integer) if integer.kind.is_unsigned() => Basic::Uint,
        Value::Integer(_) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Text(_) => Basic::Text,
        _ => Basic::Invalid,
    }
}

fn incompatible(one: &Value, other: &Value) -> Error {
    let (one, other) = (one.type_name(), other.type_name());
    Error::plain(format!(
        "incompatible types for comparison: {one} and {other}"
    ))
}

fn ne(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    eq(values).map(|equal| Value::Bool(!equal))
}

fn eq(values: &[Value]) -> Result<bool, Error> {
    let (one, others) = values.split_first().expect("there is one");
    if others.is_empty() {
        return Err(Error::plain("missing argument for comparison"));
    }
    for other in others {
        if equal(one, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(clippy::float_cmp, reason = "that is what eq means")]
fn equal(one: &Value, other: &Value) -> Result<bool, Error> {
    match (one, other) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        (Value::Float(one), Value::Float(other)) => Ok(one == other),
        (Value::Text(one), Value::Text(other)) => Ok(one == other),
        (Value::Integer(one), Value::Integer(other)) => {
            Ok(one.value == other.value && (one.value >= 0 || same_sign(*one, *other)))
        }
        _ if basic(one) != basic(other) => match (one, other) {
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            _ => Err(incompatible(one, other)),
        },
        (Value::Nil, other) | (other, Value::Nil) => Ok(is_nil(other)),
        _ if one.kind_name() != other.kind_name() => Err(Error::plain(format!(
            "non-comparable types {}: {}, {}: {}",
            String::from_utf8_lossy(&printf(b"%s", std::slice::from_ref(one))),
            one.type_name(),
            other.type_name(),
            String::from_utf8_lossy(&printf(b"%v", std::slice::from_ref(other))),
        ))),
        _ if is_nil(one) || is_nil(other) => Ok(is_nil(one) == is_nil(other)),
        (Value::Time(one), Value::Time(other)) => {
            Ok(one.since(other) == 0 && one.offset == other.offset)
        }
        _ => Err(Error::plain(format!(
            "non-comparable type {}: {}",
            String::from_utf8_lossy(&printf(b"%s", std::slice::from_ref(other))),
            other.type_name()
        ))),
    }
}

fn same_sign(one: Integer, other: Integer) -> bool {
    one.kind.is_unsigned() == other.kind.is_unsigned()
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn lt(values: &[Value]) -> Result<bool, Error> {
    const WRONG: &str = "invalid type for comparison";
    let (one, other) = (&values[0], &values[1]);
    if basic(one) == Basic::Invalid || basic(other) == Basic::Invalid {
        return Err(Error::plain(WRONG));
    }
    match (one, other) {
        (Value::Bool(_), Value::Bool(_)) => Err(Error::plain(WRONG)),
        (Value::Float(one), Value::Float(other)) => Ok(one < other),
        (Value::Text(one), Value::Text(other)) => Ok(one < other),
        (Value::Integer(one), Value::Integer(other)) => Ok(one.value < other.value),
        _ => Err(incompatible(one, other)),
    }
}

fn le(values: &[Value]) -> Result<bool, Error> {
    Ok(lt(values)? || eq(values)?)
}
