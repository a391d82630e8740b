//! The methods of the values that functions make: moments, durations, months.

use crate::time::{self, Time};
use crate::value::{Integer, Kind, Signature, Type, Value};

const NONE: Signature = Signature {
    params: &[],
    variadic: false,
};
const ONE_TEXT: Signature = Signature {
    params: &[Type::Text],
    variadic: false,
};
const ONE_TIME: Signature = Signature {
    params: &[Type::Time],
    variadic: false,
};
const THREE_INTS: Signature = Signature {
    params: &[Type::Int, Type::Int, Type::Int],
    variadic: false,
};

/// The parameters of a method of a value, if it has it.
pub(crate) fn find(value: &Value, name: &str) -> Option<&'static Signature> {
    match value {
        Value::Time(_) => match name {
            "Format" => Some(&ONE_TEXT),
            "After" | "Before" | "Equal" | "Sub" => Some(&ONE_TIME),
            "AddDate" => Some(&THREE_INTS),
            "Day" | "Hour" | "IsZero" | "Minute" | "Month" | "Nanosecond" | "Second" | "String"
            | "UTC" | "Unix" | "UnixMicro" | "UnixMilli" | "UnixNano" | "Weekday" | "Year"
            | "YearDay" | "Local" => Some(&NONE),
            _ => None,
        },
        Value::Integer(integer) => match (integer.kind, name) {
            (
                Kind::Duration,
                "Hours" | "Microseconds" | "Milliseconds" | "Minutes" | "Nanoseconds" | "Seconds"
                | "String" | "Abs",
            )
            | (Kind::Month | Kind::Weekday, "String") => Some(&NONE),
            _ => None,
        },
        _ => None,
    }
}

/// Calls a method that [`find`] names, or one of an object's own.
pub(crate) fn call(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, String> {
    match value {
        Value::Object(object) => object.call(name, arguments),
        Value::Time(time) => Ok(of_time(time, name, arguments)),
        Value::Integer(integer) if integer.kind == Kind::Duration => {
            Ok(of_duration(integer.value, name))
        }
        other => Ok(Value::text(crate::format::print(other))),
    }
}

fn of_time(time: &Time, name: &str, arguments: &[Value]) -> Value {
    let civil = time.civil();
    let number = |index: usize| match arguments.get(index) {
        Some(Value::Integer(integer)) => integer.value.clamp(-1_000_000, 1_000_000),
        _ => 0,
    };
    let integer = |kind, value| Value::Integer(Integer { kind, value });
    match (name, arguments.first()) {
        ("Format", Some(Value::Text(layout))) => Value::text(time::format(time, &layout.to_str())),
        ("After", Some(Value::Time(other))) => Value::Bool(time.since(other) > 0),
        ("Before", Some(Value::Time(other))) => Value::Bool(time.since(other) < 0),
        ("Equal", Some(Value::Time(other))) => Value::Bool(time.since(other) == 0),
        ("Sub", Some(Value::Time(other))) => Value::duration(time.since(other)),
        ("AddDate", _) => {
            let days = time::days_until(
                civil.year + number(0),
                civil.month + number(1),
                civil.day + number(2),
            );
            let before = time::days_until(civil.year, civil.month, civil.day);
            let seconds = time.seconds + (days - before) * 86_400;
            Value::Time(Time {
                seconds,
                ..time.clone()
            })
        }
        ("Year", _) => Value::int(civil.year),
        ("Month", _) => integer(Kind::Month, civil.month),
        ("Day", _) => Value::int(civil.day),
        ("Hour", _) => Value::int(civil.hour),
        ("Minute", _) => Value::int(civil.minute),
        ("Second", _) => Value::int(civil.second),
        ("Nanosecond", _) => Value::int(time.nanos.into()),
        ("Weekday", _) => integer(Kind::Weekday, civil.weekday),
        ("YearDay", _) => Value::int(civil.year_day),
        ("Unix", _) => Value::int64(time.seconds),
        ("UnixMilli", _) => Value::int64(scaled(time, 1_000)),
        ("UnixMicro", _) => Value::int64(scaled(time, 1_000_000)),
        ("UnixNano", _) => Value::int64(scaled(time, 1_000_000_000)),
        ("IsZero", _) => Value::Bool(time.is_zero()),
        ("UTC" | "Local", _) => Value::Time(time.utc()),
        _ => Value::text(time.to_string()),
    }
}

fn scaled(time: &Time, units: i64) -> i64 {
    let part = i64::from(time.nanos) / (1_000_000_000 / units);
    time.seconds.wrapping_mul(units).wrapping_add(part)
}

#[expect(clippy::cast_precision_loss, reason = "Go gives these as float64 too")]
fn of_duration(nanos: i64, name: &str) -> Value {
    let whole_and_part = |unit: i64| (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64;
    match name {
        "Hours" => Value::Float(whole_and_part(3_600_000_000_000)),
        "Minutes" => Value::Float(whole_and_part(60_000_000_000)),
        "Seconds" => Value::Float(whole_and_part(1_000_000_000)),
        "Milliseconds" => Value::int64(nanos / 1_000_000),
        "Microseconds" => Value::int64(nanos / 1_000),
        "Nanoseconds" => Value::int64(nanos),
        "Abs" => Value::duration(nanos.checked_abs().unwrap_or(i64::MAX)),
        _ => Value::text(time::duration_text(nanos)),
    }
}
