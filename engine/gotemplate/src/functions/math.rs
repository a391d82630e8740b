//! Numbers: arithmetic on anything, as spf13/cast reads it; sequences.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Go converts numbers in just this way; where a float is too large, see `truncated`"
)]

use super::decimal::Decimal;
use super::{Function, Outcome, bytes, int, str};
use crate::Execution;
use crate::error::Error;
use crate::format::print;
use crate::gonumber;
use crate::value::{Items, Kind, List, Type, Value};

const A: Type = Type::Any;
const I: Type = Type::Int;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("add", &[A], |_, values| {
        Ok(Value::int64(
            values.iter().map(to_int64).fold(0, i64::wrapping_add),
        ))
    }),
    Function::new("add1", &[A], |_, values| {
        Ok(Value::int64(to_int64(&values[0]).wrapping_add(1)))
    }),
    Function::new("add1f", &[A], |_, values| {
        decimals(&values[0], &[Value::int(1)], Decimal::plus)
    }),
    Function::variadic("addf", &[A], |_, values| {
        decimals(&Value::Float(0.0), values, Decimal::plus)
    }),
    Function::new("atoi", &[Type::Text], |_, values| {
        Ok(Value::int(
            gonumber::parse_int(&str(&values[0]), 10).unwrap_or_default(),
        ))
    }),
    Function::variadic("biggest", &[A, A], |_, values| {
        Ok(extreme(values, i64::max))
    }),
    Function::new("ceil", &[A], |_, values| {
        Ok(Value::Float(to_float(&values[0]).ceil()))
    }),
    Function::new("div", &[A, A], |_, values| {
        divide(values, i64::wrapping_div)
    }),
    Function::variadic("divf", &[A, A], |_, values| {
        if values[1..].iter().any(|value| to_float(value) == 0.0) {
            return Err(Error::plain("decimal division by 0"));
        }
        decimals(&values[0], &values[1..], Decimal::over)
    }),
    Function::new("float64", &[A], |_, values| {
        Ok(Value::Float(to_float(&values[0])))
    }),
    Function::new("floor", &[A], |_, values| {
        Ok(Value::Float(to_float(&values[0]).floor()))
    }),
    Function::new("int", &[A], |_, values| {
        Ok(Value::int(to_int64(&values[0])))
    }),
    Function::new("int64", &[A], |_, values| {
        Ok(Value::int64(to_int64(&values[0])))
    }),
    Function::variadic("max", &[A, A], |_, values| Ok(extreme(values, i64::max))),
    Function::variadic("maxf", &[A, A], |_, values| {
        Ok(extreme_float(values, f64::max))
    }),
    Function::variadic("min", &[A, A], |_, values| Ok(extreme(values, i64::min))),
    Function::variadic("minf", &[A, A], |_, values| {
        Ok(extreme_float(values, f64::min))
    }),
    Function::new("mod", &[A, A], |_, values| {
        divide(values, i64::wrapping_rem)
    }),
    Function::variadic("mul", &[A, A], |_, values| {
        let product = values[1..].iter().map(to_int64);
        Ok(Value::int64(
            product.fold(to_int64(&values[0]), i64::wrapping_mul),
        ))
    }),
    Function::variadic("mulf", &[A, A], |_, values| {
        decimals(&values[0], &values[1..], Decimal::times)
    }),
    Function::variadic("round", &[A, I, Type::Float], |_, values| Ok(round(values))),
    Function::variadic("seq", &[I], seq),
    Function::new("sub", &[A, A], |_, values| {
        Ok(Value::int64(
            to_int64(&values[0]).wrapping_sub(to_int64(&values[1])),
        ))
    }),
    Function::variadic("subf", &[A, A], |_, values| {
        decimals(&values[0], &values[1..], Decimal::minus)
    }),
    Function::new("toDecimal", &[A], |_, values| {
        let octal = gonumber::parse_int(&print(&values[0]), 8);
        Ok(Value::int64(octal.unwrap_or_default()))
    })
    .walks(),
    Function::new("until", &[I], |execution, values| {
        let count = int(&values[0]);
        ints(execution, 0, count, if count < 0 { -1 } else { 1 })
    }),
    Function::new("untilStep", &[I, I, I], |execution, values| {
        ints(execution, int(&values[0]), int(&values[1]), int(&values[2]))
    }),
];

/// `cast.ToInt64`: what it cannot read is 0.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(flag) => i64::from(*flag),
        Value::Integer(integer) if integer.kind == Kind::Duration => 0,
        Value::Integer(integer) => integer.value,
        Value::Float(float) => truncated(*float),
        Value::Text(text) => {
            let text = text.to_str();
            gonumber::parse_int(without_zero_decimals(&text), 0).unwrap_or_default()
        }
        _ => 0,
    }
}

/// A float without its fraction; one that is no `int64` is what Go's amd64 makes of it.
pub(super) fn truncated(float: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() || !(-LIMIT..LIMIT).contains(&float) {
        return i64::MIN;
    }
    float as i64
}

/// `1.00` is 1.
fn without_zero_decimals(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

/// `cast.ToFloat64`: what it cannot read is 0.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Integer(integer) if integer.kind == Kind::Duration => 0.0,
        Value::Integer(integer) => integer.value as f64,
        Value::Float(float) => *float,
        Value::Text(_) => {
            let text = bytes(value);
            let text = std::str::from_utf8(&text).unwrap_or_default();
            gonumber::parse_float(text).unwrap_or_default()
        }
        _ => 0.0,
    }
}

fn divide(values: &[Value], by: fn(i64, i64) -> i64) -> Outcome {
    match to_int64(&values[1]) {
        0 => Err(Error::plain("runtime error: integer divide by zero")),
        divisor => Ok(Value::int64(by(to_int64(&values[0]), divisor))),
    }
}

fn extreme(values: &[Value], of: fn(i64, i64) -> i64) -> Value {
    let numbers = values.iter().map(to_int64);
    Value::int64(numbers.reduce(of).unwrap_or_default())
}

fn extreme_float(values: &[Value], of: fn(f64, f64) -> f64) -> Value {
    let numbers = values.iter().map(to_float);
    let either = |one: f64, other: f64| {
        if one.is_nan() || other.is_nan() {
            f64::NAN
        } else {
            of(one, other)
        }
    };
    Value::Float(numbers.reduce(either).unwrap_or_default())
}

fn decimals(first: &Value, others: &[Value], by: fn(Decimal, &Decimal) -> Decimal) -> Outcome {
    let read = |value: &Value| {
        let float = to_float(value);
        Decimal::from_float(float).ok_or_else(|| {
            let float = gonumber::general(float);
            Error::plain(format!("Cannot create a Decimal from {float}"))
        })
    };
    let mut result = read(first)?;
    for other in others {
        result = by(result, &read(other)?);
    }
    Ok(Value::Float(result.to_float()))
}

fn round(values: &[Value]) -> Value {
    let on = match values.get(2) {
        Some(Value::Float(on)) => *on,
        _ => 0.5,
    };
    let power = 10f64.powf(int(&values[1]) as f64);
    let digit = power * to_float(&values[0]);
    let rounded = if digit.fract() >= on {
        digit.ceil()
    } else {
        digit.floor()
    };
    Value::Float(rounded / power)
}

/// From `start` to before `stop`.
fn ints(execution: &mut Execution<'_>, start: i64, stop: i64, step: i64) -> Outcome {
    let distance = i128::from(stop) - i128::from(start);
    let step = i128::from(step);
    let count = if distance == 0 || step == 0 || (distance < 0) != (step < 0) {
        0
    } else {
        (distance.abs() + step.abs() - 1) / step.abs()
    };
    execution
        .meter
        .list(usize::try_from(count).unwrap_or(usize::MAX))?;
    let numbers = (0..count).map(|index| i128::from(start) + index * step);
    let numbers = numbers.map(|number| Value::int(i64::try_from(number).unwrap_or_default()));
    Ok(Value::List(List::with(Items::Int, numbers.collect())))
}

fn seq(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let numbers: Vec<i64> = values.iter().map(int).collect();
    let down = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, end, step) = match *numbers {
        [end] => (1, end.saturating_add(down(1, end)), down(1, end)),
        [start, end] => (
            start,
            end.saturating_add(down(start, end)),
            down(start, end),
        ),
        [start, step, end] if end < start && step > 0 => {
            let _ = (start, end);
            return Ok(Value::text(""));
        }
        [start, step, end] => (start, end.saturating_add(down(start, end)), step),
        _ => return Ok(Value::text("")),
    };
    let list = ints(execution, start, end, step)?;
    let text = print(&list);
    Ok(Value::text(text.trim_matches(['[', ']'])))
}
