//! Maps: made, read, and changed in place.

use super::merge::merge;
use super::{Function, Outcome, map, str, text_of};
use crate::Execution;
use crate::error::Error;
use crate::value::{Elements, Map, Text, Type, Value};

const A: Type = Type::Any;
const M: Type = Type::Map;
const T: Type = Type::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[A], dict),
    Function::variadic("dig", &[A], dig),
    Function::new("get", &[M, T], |_, values| {
        Ok(map(&values[0])
            .get(&str(&values[1]))
            .unwrap_or_else(|| Value::text("")))
    }),
    Function::new("hasKey", &[M, T], |_, values| {
        Ok(Value::Bool(map(&values[0]).contains(&str(&values[1]))))
    }),
    Function::variadic("keys", &[M], |_, values| {
        Ok(Value::strings(
            values.iter().flat_map(|value| map(value).keys()),
        ))
    }),
    Function::variadic("merge", &[M, M], |_, values| merged(values, false)).walks(),
    Function::variadic("mergeOverwrite", &[M, M], |_, values| merged(values, true)).walks(),
    Function::variadic("mustMerge", &[M, M], |_, values| merged(values, false)).walks(),
    Function::variadic("mustMergeOverwrite", &[M, M], |_, values| {
        merged(values, true)
    })
    .walks(),
    Function::variadic("omit", &[M, T], |_, values| {
        let omitted: Vec<_> = values[1..].iter().map(str).collect();
        Ok(chosen(&values[0], |key| !omitted.contains(&key.to_str())))
    }),
    Function::variadic("pick", &[M, T], |_, values| {
        let picked: Vec<_> = values[1..].iter().map(str).collect();
        Ok(chosen(&values[0], |key| picked.contains(&key.to_str())))
    }),
    Function::variadic("pluck", &[T, M], |_, values| {
        let key = str(&values[0]);
        let found = values[1..].iter().filter_map(|value| map(value).get(&key));
        Ok(Value::list(found.collect()))
    }),
    Function::new("set", &[M, T, A], set),
    Function::new("unset", &[M, T], |_, values| {
        if let Value::Text(key) = &values[1] {
            map(&values[0]).remove_bytes(key.as_bytes());
        }
        Ok(values[0].clone())
    }),
    Function::new("values", &[M], |_, values| {
        let entries = map(&values[0]).entries().into_iter();
        Ok(Value::list(entries.map(|(_, value)| value).collect()))
    }),
];

fn dict(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let map = Map::new();
    for pair in values.chunks(2) {
        let key = match &pair[0] {
            Value::Text(text) => text.clone(),
            other => Text::from(&*text_of(other)),
        };
        let value = pair.get(1).cloned();
        map.insert(key, value.unwrap_or_else(|| Value::text("")));
    }
    Ok(Value::Map(map))
}

fn set(execution: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let into = map(&values[0]);
    let Value::Text(key) = &values[1] else {
        return Err(Error::plain("cannot set: the key is no text"));
    };
    if into.is_nil() {
        return Err(Error::plain("assignment to entry in nil map"));
    }
    execution.meter.text(key.len())?;
    into.insert(key.clone(), values[2].clone());
    Ok(values[0].clone())
}

fn merged(values: &[Value], overwrite: bool) -> Outcome {
    let into = map(&values[0]);
    let into = if into.is_nil() { Map::new() } else { into };
    for from in &values[1..] {
        merge(&into, &map(from), overwrite);
    }
    Ok(Value::Map(into))
}

fn chosen(from: &Value, choose: impl Fn(&Text) -> bool) -> Value {
    let entries = map(from).entries().into_iter();
    Value::Map(entries.filter(|(key, _)| choose(key)).collect())
}

fn dig(_: &mut Execution<'_>, values: &[Value]) -> Outcome {
    let [keys @ .., default, from] = values else {
        return Err(Error::plain("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Error::plain("dig needs at least three arguments"));
    }
    let mut value = from.clone();
    // Go looks at the keys' types before it digs, at the maps' as it goes.
    let mut step = as_map(&value)?;
    for key in keys {
        if !matches!(key, Value::Text(_)) {
            return Err(unconvertible(key, "string"));
        }
    }
    for (index, key) in keys.iter().enumerate() {
        match step.get(&str(key)) {
            None => return Ok(default.clone()),
            Some(found) => value = found,
        }
        if index + 1 < keys.len() {
            step = as_map(&value)?;
        }
    }
    Ok(value)
}

fn as_map(value: &Value) -> Result<Map, Error> {
    match value {
        Value::Map(map) if map.elements() == Elements::Any && map.is_plain() => Ok(map.clone()),
        other => Err(unconvertible(other, "map[string]interface {}")),
    }
}

fn unconvertible(value: &Value, to: &str) -> Error {
    let of = match value {
        Value::Nil => "nil".to_owned(),
        other => other.type_name(),
    };
    Error::plain(format!(
        "interface conversion: interface {{}} is {of}, not {to}"
    ))
}
