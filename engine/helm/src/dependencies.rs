//! Which of a chart's charts are used, under which name, and what it takes over of their values.

use fluvial_gotemplate::{Map, Value};
use fluvial_semver::is_compatible;

use crate::coalesce::{self, Nulls, coalesce, copy_map};
use crate::{Chart, Dependency, Error};

/// helm v4.3.1: `ProcessDependencies`. Charts that conditions or tags disable are taken out, aliases are
/// applied, and values are imported into the chart's own.
pub(crate) fn process(chart: &mut Chart, values: &Map) -> Result<(), Error> {
    enable(chart, values, "")?;
    import(chart)
}

/// What a chart needs and does not hold is an error.
pub(crate) fn check(chart: &Chart) -> Result<(), Error> {
    let holds = |name: &str| chart.dependencies.iter().any(|own| own.name() == name);
    let missing: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .map(|own| own.name.as_str())
        .filter(|name| !holds(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Chart(format!(
        "found in Chart.yaml, but missing in charts/ directory: {}; `helm dependency build` brings them",
        missing.join(", ")
    )))
}

fn enable(chart: &mut Chart, values: &Map, path: &str) -> Result<(), Error> {
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    chart.dependencies = named(chart);
    let needed = &mut chart.metadata.dependencies;
    for dependency in needed.iter_mut() {
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    let values = coalesce(chart, values, Nulls::Delete)?;
    let needed = &mut chart.metadata.dependencies;
    if let Some(tags) = table(&values, "tags") {
        for dependency in needed.iter_mut() {
            dependency.enabled = by_tags(dependency, &tags);
        }
    }
    for dependency in needed.iter_mut() {
        if let Some(enabled) = by_condition(dependency, &values, path) {
            dependency.enabled = enabled;
        }
    }
    let disabled: Vec<String> = needed
        .iter()
        .filter(|own| !own.enabled)
        .map(|own| own.name.clone())
        .collect();
    needed.retain(|own| !disabled.contains(&own.name));
    let charts = &mut chart.dependencies;
    charts.retain(|own| !disabled.contains(&own.metadata.name));
    for dependency in charts {
        let path = format!("{path}{}.", dependency.name());
        enable(dependency, &values, &path)?;
    }
    Ok(())
}

/// The charts in a chart: first those that it does not name in `Chart.yaml`, then one for each that it does.
fn named(chart: &Chart) -> Vec<Chart> {
    let is = |own: &Chart, needed: &Dependency| {
        own.name() == needed.name && is_compatible(&needed.version, &own.metadata.version)
    };
    let needed = &chart.metadata.dependencies;
    let unnamed = chart
        .dependencies
        .iter()
        .filter(|own| !needed.iter().any(|needed| is(own, needed)));
    let mut charts: Vec<Chart> = unnamed.cloned().collect();
    for needed in needed {
        let Some(own) = chart.dependencies.iter().find(|own| is(own, needed)) else {
            continue;
        };
        let mut own = own.clone();
        if !needed.alias.is_empty() {
            own.metadata.name.clone_from(&needed.alias);
        }
        charts.push(own);
    }
    charts
}

/// Disabled where one of its tags is off and none is on.
fn by_tags(dependency: &Dependency, tags: &Map) -> bool {
    let set = |wanted: bool| {
        let is = |tag: &String| matches!(tags.get(tag), Some(Value::Bool(flag)) if flag == wanted);
        dependency.tags.iter().any(is)
    };
    set(true) || !set(false)
}

/// What the first of its conditions says that leads to a boolean.
fn by_condition(dependency: &Dependency, values: &Map, path: &str) -> Option<bool> {
    let conditions = dependency.condition.trim().split(',');
    let conditions = conditions.filter(|condition| !condition.is_empty());
    for condition in conditions {
        let whole = format!("{path}{condition}");
        let (parent, key) = match whole.rsplit_once('.') {
            Some((parent, key)) => (table(values, parent), key),
            None => (Some(values.clone()), whole.as_str()),
        };
        if let Some(Value::Bool(flag)) = parent.and_then(|parent| parent.get(key)) {
            return Some(flag);
        }
    }
    None
}

/// The map at a path of keys.
pub(crate) fn table(values: &Map, path: &str) -> Option<Map> {
    let mut table = values.clone();
    for key in path.split('.') {
        table = match table.get(key) {
            Some(Value::Map(inner)) => inner,
            _ => return None,
        };
    }
    Some(table)
}

/// From the innermost charts outwards, as a chart may import what one in it imported.
fn import(chart: &mut Chart) -> Result<(), Error> {
    for dependency in &mut chart.dependencies {
        import(dependency)?;
    }
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let values = coalesce(chart, &Map::new(), Nulls::Keep)?;
    let imported = Map::new();
    for dependency in &chart.metadata.dependencies {
        for wanted in &dependency.import_values {
            let (child, parent) = match wanted {
                serde_json::Value::String(name) => (format!("exports.{name}"), ".".to_owned()),
                serde_json::Value::Object(pair) => {
                    (path_in(pair, "child"), path_in(pair, "parent"))
                }
                _ => continue,
            };
            let Some(found) = table(&values, &format!("{}.{child}", dependency.name)) else {
                continue;
            };
            coalesce::lay_table(&imported, &below(&parent, found), Nulls::Keep);
        }
    }
    // What the chart says itself wins over what it imports.
    let own = copy_map(&values);
    coalesce::lay_table(&own, &imported, Nulls::Keep);
    chart.values = own;
    Ok(())
}

fn path_in(pair: &serde_json::Map<String, serde_json::Value>, key: &str) -> String {
    match pair.get(key) {
        Some(serde_json::Value::String(path)) => path.clone(),
        Some(other) => other.to_string(),
        None => "<nil>".to_owned(),
    }
}

/// A map with another one at a path of keys.
fn below(path: &str, map: Map) -> Map {
    if path == "." {
        return map;
    }
    path.rsplit('.').fold(map, |inner, key| {
        let outer = Map::new();
        outer.insert(key, inner.into());
        outer
    })
}
