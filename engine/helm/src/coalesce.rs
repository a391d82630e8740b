//! How values are laid over the defaults of a chart and of the charts in it, as helm v4.3.1 does it.
//!
//! Maps are shared as in Go: what is laid into one is seen by all who hold it. So everything begins with a
//! copy, and a null either deletes a default (coalescing) or stays (merging), as helm has it case by case.

use std::collections::BTreeSet;

use fluvial_gotemplate::{Map, Text, Value};

use crate::{Chart, Error};

const GLOBAL: &str = "global";

/// What a null does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// It deletes the default of its key, and goes itself: `CoalesceValues`.
    Delete,
    /// It stays: `MergeValues`.
    Keep,
}

/// The values that a chart is rendered with.
pub(crate) fn coalesce(chart: &Chart, values: &Map, nulls: Nulls) -> Result<Map, Error> {
    let values = copy_map(values);
    chart_values(chart, &values, nulls)?;
    Ok(values)
}

fn chart_values(chart: &Chart, values: &Map, nulls: Nulls) -> Result<(), Error> {
    lay_defaults(chart, values, nulls);
    for dependency in &chart.dependencies {
        let name = dependency.name();
        let own = match values.get(name) {
            None => {
                let own = Map::new();
                values.insert(name, own.clone().into());
                own
            }
            Some(Value::Map(own)) => own,
            Some(other) => {
                return Err(Error::Values(format!(
                    "type mismatch on {name}: it is {}, and the values of a chart are a map",
                    other.type_name()
                )));
            }
        };
        lay_globals(&own, values);
        chart_values(dependency, &own, nulls)?;
    }
    Ok(())
}

/// The parent's globals over those of a chart in it.
fn lay_globals(values: &Map, parent: &Map) {
    let own = match values.get(GLOBAL) {
        None => Map::new(),
        Some(Value::Map(own)) => own,
        // Not a map: helm warns, and leaves it.
        Some(_) => return,
    };
    let parents = match parent.get(GLOBAL) {
        None => Map::new(),
        Some(Value::Map(parents)) => parents,
        Some(_) => return,
    };
    for (key, value) in parents.entries() {
        match (value, own.get(&key.to_str())) {
            (Value::Map(value), None) => own.insert(key, shallow(&value).into()),
            (Value::Map(value), Some(Value::Map(here))) => {
                // Turned around, so that the parent's wins.
                let value = shallow(&value);
                lay_table(&value, &here, Nulls::Keep);
                own.insert(key, value.into());
            }
            (Value::Map(_), Some(_)) | (_, Some(Value::Map(_))) => {}
            (value, _) => own.insert(key, value),
        }
    }
    values.insert(GLOBAL, own.into());
}

/// The chart's own `values.yaml` below what is given.
fn lay_defaults(chart: &Chart, values: &Map, nulls: Nulls) {
    for (key, default) in copy_map(&chart.values).entries() {
        let name = key.to_str();
        match values.get(&name) {
            Some(Value::Nil) if nulls == Nulls::Delete => values.remove(&name),
            Some(Value::Map(given)) => {
                if let Value::Map(default) = default {
                    let is_chart = chart.dependencies.iter().any(|own| own.name() == name);
                    let nulls = if is_chart { Nulls::Keep } else { nulls };
                    if nulls == Nulls::Delete {
                        drop_nulls(&default);
                    }
                    lay_table(&given, &default, nulls);
                }
            }
            Some(_) => {}
            None if nulls == Nulls::Keep => values.insert(key, default),
            None => match default {
                Value::Nil => {}
                Value::Map(default) => {
                    drop_nulls(&default);
                    values.insert(key, default.into());
                }
                default => values.insert(key, default),
            },
        }
    }
}

/// What is in `below` but not in `above` joins it; where both have a map, inside of these too.
pub(crate) fn lay_table(above: &Map, below: &Map, nulls: Nulls) {
    let defined: BTreeSet<Text> = below
        .entries()
        .into_iter()
        .filter(|(_, value)| !matches!(value, Value::Nil))
        .map(|(key, _)| key)
        .collect();
    for (key, value) in above.entries() {
        if matches!(value, Value::Nil) {
            below.insert(key, Value::Nil);
        }
    }
    for (key, value) in below.entries() {
        let name = key.to_str();
        match (above.get(&name), value) {
            (Some(Value::Nil), _) if nulls == Nulls::Delete && defined.contains(&key) => {
                above.remove(&name);
            }
            (None, value) => above.insert(key, value),
            (Some(Value::Map(above)), Value::Map(below)) => lay_table(&above, &below, nulls),
            (Some(_), _) => {}
        }
    }
}

/// Maps over each other; what is no map is replaced: helm's `MergeMaps`, for `-f`.
pub(crate) fn merge_maps(below: &Map, above: &Map) -> Map {
    let merged = shallow(below);
    for (key, value) in above.entries() {
        let merge = match (merged.get(&key.to_str()), &value) {
            (Some(Value::Map(below)), Value::Map(above)) => merge_maps(&below, above).into(),
            _ => value,
        };
        merged.insert(key, merge);
    }
    merged
}

fn drop_nulls(map: &Map) {
    for (key, value) in map.entries() {
        match value {
            Value::Nil => map.remove(&key.to_str()),
            Value::Map(inner) => drop_nulls(&inner),
            _ => {}
        }
    }
}

fn shallow(map: &Map) -> Map {
    map.entries().into_iter().collect()
}

/// A map that shares nothing with this one.
pub(crate) fn copy_map(map: &Map) -> Map {
    let entries = map.entries().into_iter();
    entries.map(|(key, value)| (key, copy(&value))).collect()
}

fn copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => copy_map(map).into(),
        Value::List(list)
            if list
                .iter()
                .any(|item| matches!(item, Value::Map(_) | Value::List(_))) =>
        {
            Value::list(list.iter().map(copy).collect())
        }
        other => other.clone(),
    }
}
