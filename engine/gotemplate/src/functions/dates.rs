//! Moments and durations: sprig's, and Helm's numbers of them.

use super::math::truncated;
use super::{Function, Outcome, int, str};
use crate::Execution;
use crate::error::Error;
use crate::format::quoted;
use crate::gonumber;
use crate::time::{self, Time};
use crate::value::{Integer, Kind, Type, Value};

const A: Type = Type::Any;
const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("ago", &[A], |execution, values| {
        let since = execution.now.since(&moment(execution, &values[0]));
        Ok(Value::text(time::duration_text(time::round_duration(
            since,
            1_000_000_000,
        ))))
    }),
    Function::new("date", &[T, A], |execution, values| {
        dated(execution, &values[0], &values[1], "Local")
    }),
    Function::new("dateInZone", &[T, A, T], in_zone),
    Function::new("dateModify", &[T, Type::Time], |_, values| {
        Ok(modified(values).unwrap_or_else(|_| values[1].clone()))
    }),
    Function::new("date_in_zone", &[T, A, T], in_zone),
    Function::new("date_modify", &[T, Type::Time], |_, values| {
        Ok(modified(values).unwrap_or_else(|_| values[1].clone()))
    }),
    Function::new("duration", &[A], |_, values| {
        let seconds = match &values[0] {
            Value::Text(text) => gonumber::parse_int(&text.to_str(), 10).unwrap_or_default(),
            Value::Integer(Integer {
                kind: Kind::Int64,
                value,
            }) => *value,
            _ => 0,
        };
        Ok(Value::text(time::duration_text(
            seconds.wrapping_mul(1_000_000_000),
        )))
    }),
    Function::new("durationDays", &[A], |_, values| float_of(values, 24.0)),
    Function::new("durationHours", &[A], |_, values| float_of(values, 1.0)),
    Function::new("durationMicroseconds", &[A], |_, values| {
        whole(values, 1_000)
    }),
    Function::new("durationMilliseconds", &[A], |_, values| {
        whole(values, 1_000_000)
    }),
    Function::new("durationMinutes", &[A], |_, values| {
        unit_of(values, 60_000_000_000)
    }),
    Function::new("durationNanoseconds", &[A], |_, values| whole(values, 1)),
    Function::new("durationRound", &[A], duration_round),
    Function::new("durationRoundTo", &[A, A], |_, values| {
        Ok(to_multiple(values, time::round_duration))
    }),
    Function::new("durationSeconds", &[A], |_, values| {
        unit_of(values, 1_000_000_000)
    }),
    Function::new("durationTruncateTo", &[A, A], |_, values| {
        Ok(to_multiple(values, |nanos, of| {
            if of <= 0 { nanos } else { nanos - nanos % of }
        }))
    }),
    Function::new("durationWeeks", &[A], |_, values| {
        float_of(values, 24.0).map(|days| match days {
            Value::Float(days) => Value::Float(days / 7.0),
            other => other,
        })
    }),
    Function::new("htmlDate", &[A], |execution, values| {
        dated(execution, &Value::text("2006-01-02"), &values[0], "Local")
    }),
    Function::new("htmlDateInZone", &[A, T], |execution, values| {
        dated(
            execution,
            &Value::text("2006-01-02"),
            &values[0],
            &str(&values[1]),
        )
    }),
    Function::new("mustDateModify", &[T, Type::Time], |_, values| {
        modified(values).map_err(Error::plain)
    }),
    Function::new("mustToDate", &[T, T], |_, values| {
        time::parse(&str(&values[0]), &str(&values[1]))
            .map(Value::Time)
            .map_err(Error::plain)
    }),
    Function::new("mustToDuration", &[A], |_, values| {
        as_duration(&values[0])
            .map(Value::duration)
            .map_err(Error::plain)
    }),
    Function::new("must_date_modify", &[T, Type::Time], |_, values| {
        modified(values).map_err(Error::plain)
    }),
    Function::new("now", &[], |execution, _| {
        Ok(Value::Time(execution.now.clone()))
    }),
    Function::new("toDate", &[T, T], |_, values| {
        let parsed = time::parse(&str(&values[0]), &str(&values[1]));
        Ok(Value::Time(parsed.unwrap_or_else(|_| Time::zero())))
    }),
    Function::new("unixEpoch", &[Type::Time], |_, values| match &values[0] {
        Value::Time(time) => Ok(Value::text(time.seconds.to_string())),
        _ => Err(Error::plain("cannot tell the time of what is none")),
    }),
];

/// The moment that a value is; now, if it is none.
fn moment(execution: &Execution<'_>, value: &Value) -> Time {
    match value {
        Value::Time(time) => time.clone(),
        Value::Integer(Integer {
            kind: Kind::Int | Kind::Int64 | Kind::Int32,
            value,
        }) => Time::at(*value, 0),
        _ => execution.now.clone(),
    }
}

fn in_zone(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    dated(execution, &values[0], &values[1], &str(&values[2]))
}

/// Zones that are not known are UTC, as they are to sprig on a machine without a time zone database.
fn dated(execution: &Execution<'_>, layout: &Value, value: &Value, _zone: &str) -> Outcome {
    let time = moment(execution, value).utc();
    Ok(Value::text(time::format(&time, &str(layout))))
}

fn modified(values: &[Value]) -> Result<Value, String> {
    let nanos = time::parse_duration(&str(&values[0]))?;
    match &values[1] {
        Value::Time(time) => Ok(Value::Time(time.add(nanos))),
        _ => Err("cannot change a moment that is none".to_owned()),
    }
}

const SECOND: u64 = 1_000_000_000;

fn duration_round(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let nanos = match &values[0] {
        Value::Text(text) => time::parse_duration(&text.to_str()).unwrap_or_default(),
        Value::Integer(Integer {
            kind: Kind::Int64,
            value,
        }) => *value,
        Value::Time(time) => execution.now.since(time),
        _ => 0,
    };
    let size = nanos.unsigned_abs();
    let units = [
        (SECOND * 86_400 * 365, "y"),
        (SECOND * 86_400 * 30, "mo"),
        (SECOND * 86_400, "d"),
        (SECOND * 3600, "h"),
        (SECOND * 60, "m"),
        (SECOND, "s"),
    ];
    let found = units.into_iter().find(|(unit, _)| size > *unit);
    let text = found.map_or("0s".to_owned(), |(unit, name)| {
        format!("{}{name}", size / unit)
    });
    Ok(Value::text(text))
}

/// Helm's idea of a duration: text, or a number of seconds.
fn as_duration(value: &Value) -> Result<i64, String> {
    match value {
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Text(text) => {
            let given = text.to_str();
            let text = given.trim();
            if text.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(nanos) = time::parse_duration(text) {
                return Ok(nanos);
            }
            let quoted = || format!("could not parse duration {}", quoted(given.as_bytes()));
            seconds(gonumber::parse_float(text).ok_or_else(quoted)?)
        }
        Value::Integer(Integer {
            kind: Kind::Duration,
            value,
        }) => Ok(*value),
        Value::Integer(integer) => {
            let nanos = integer.value.checked_mul(1_000_000_000);
            nanos.ok_or_else(|| format!("duration seconds overflow: {}", int(value)))
        }
        Value::Float(float) => seconds(*float),
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}

fn seconds(float: f64) -> Result<i64, String> {
    const MOST: f64 = 9_223_372_036.854_776;
    let said = gonumber::general(float);
    if !float.is_finite() {
        return Err(format!("invalid duration seconds: {said}"));
    }
    if !(-MOST..=MOST).contains(&float) {
        return Err(format!("duration seconds overflow: {said}"));
    }
    Ok(truncated(float * 1e9))
}

fn whole(values: &[Value], unit: i64) -> Outcome {
    Ok(Value::int64(
        as_duration(&values[0]).unwrap_or_default() / unit,
    ))
}

#[expect(clippy::cast_precision_loss, reason = "Go gives these as float64 too")]
fn unit_of(values: &[Value], unit: i64) -> Outcome {
    let nanos = as_duration(&values[0]).unwrap_or_default();
    Ok(Value::Float(
        (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64,
    ))
}

fn float_of(values: &[Value], hours: f64) -> Outcome {
    match unit_of(values, 3_600_000_000_000)? {
        Value::Float(float) => Ok(Value::Float(float / hours)),
        other => Ok(other),
    }
}

fn to_multiple(values: &[Value], by: fn(i64, i64) -> i64) -> Value {
    let Ok(nanos) = as_duration(&values[0]) else {
        return Value::duration(0);
    };
    Value::duration(as_duration(&values[1]).map_or(nanos, |of| by(nanos, of)))
}
