//! Merging maps as mergo 1.0.1 does it: in place, and by its own idea of what is empty.

use crate::value::{Map, Value};

/// Fills what is empty in `into` from another map; `overwrite` replaces what is there too.
pub(super) fn merge(into: &Map, from: &Map, overwrite: bool) {
    if into.is_same(from) {
        return;
    }
    for (key, value) in from.entries() {
        let name = key.as_bytes();
        let old = into.get_bytes(name);
        match &value {
            Value::Nil => {
                if overwrite {
                    into.insert(key, value);
                }
                continue;
            }
            Value::Map(inner) => {
                if let Some(Value::Map(old)) = &old
                    && !old.is_nil()
                {
                    merge(old, inner, overwrite);
                }
            }
            Value::List(_)
                // Whether all of `into` is empty decides here, as it does in mergo.
                if (overwrite || into.is_empty()) => {
                    into.insert(key.clone(), value.clone());
                }
            _ => {}
        }
        let filled = old.as_ref().is_some_and(|old| !is_empty(old));
        let kept = match (&value, &old) {
            (Value::List(_), _) | (Value::Map(_), Some(Value::Map(_))) => filled,
            _ => false,
        };
        if !kept && (overwrite || !filled) {
            into.insert(key, value);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.underlying().is_some_and(|value| is_empty(&value)),
        other => !other.is_true(),
    }
}
