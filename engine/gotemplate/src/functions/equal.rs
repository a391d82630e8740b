//! `reflect.DeepEqual`, and copies that share nothing.

use crate::value::{List, Map, Value};

/// Whether two values are the same in type and content.
#[expect(clippy::float_cmp, reason = "that is what DeepEqual means")]
pub(super) fn deep_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Integer(one), Value::Integer(other)) => one == other,
        (Value::Float(one), Value::Float(other)) => one == other,
        (Value::Text(one), Value::Text(other)) => one == other,
        (Value::List(one), Value::List(other)) => {
            one.items() == other.items()
                && one.is_nil() == other.is_nil()
                && one.len() == other.len()
                && one
                    .iter()
                    .zip(other.iter())
                    .all(|(one, other)| deep_equal(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            one.is_same(other)
                || one.type_name() == other.type_name()
                    && one.is_nil() == other.is_nil()
                    && one.len() == other.len()
                    && one
                        .entries()
                        .iter()
                        .zip(other.entries())
                        .all(|(one, other)| one.0 == other.0 && deep_equal(&one.1, &other.1))
        }
        (Value::Time(one), Value::Time(other)) => {
            one.since(other) == 0 && one.offset == other.offset
        }
        (Value::Object(one), Value::Object(other)) => {
            std::ptr::addr_eq(std::rc::Rc::as_ptr(one), std::rc::Rc::as_ptr(other))
                || one.type_name() == other.type_name()
                    && if let (Some(one), Some(other)) = (one.underlying(), other.underlying()) {
                        deep_equal(&one, &other)
                    } else {
                        let (one, other) = (one.fields(), other.fields());
                        one.len() == other.len()
                            && one.iter().zip(&other).all(|(one, other)| {
                                one.0 == other.0 && deep_equal(&one.1, &other.1)
                            })
                    }
        }
        _ => false,
    }
}

/// A copy that shares no map with the original.
pub(super) fn deep_copy(value: &Value) -> Value {
    match value {
        Value::List(list) if list.is_nil() => value.clone(),
        Value::List(list) => {
            let items = list.iter().map(deep_copy).collect();
            Value::List(List::with(list.items(), items))
        }
        Value::Map(map) => Value::Map(copy_of(map)),
        other => other.clone(),
    }
}

fn copy_of(map: &Map) -> Map {
    let copy = map.same_type();
    for (key, value) in map.entries() {
        copy.insert(key, deep_copy(&value));
    }
    copy
}
