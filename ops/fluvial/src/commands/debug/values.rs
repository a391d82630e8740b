//! The values of a HelmRelease, put together from all that it refers to.
//! flux: `fluxcd/pkg/chartutil`, `ChartValuesFromReferences`.

use anyhow::{Context as _, Result, bail};
use fluvial_cluster::Cluster;
use fluvial_manifest::{Value, yaml};
use serde_json::json;

use crate::json::text;

/// The key that is read where none is named.
const KEY: &str = "values.yaml";

/// References in their order, each over those before it, and the values of the object itself over all.
pub(super) async fn of(cluster: &Cluster, namespace: &str, object: &Value) -> Result<Value> {
    let mut values = json!({});
    let references = object.pointer("/spec/valuesFrom").and_then(Value::as_array);
    for reference in references.into_iter().flatten() {
        let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
        let key = match text(reference, "/valuesKey") {
            "" => KEY,
            key => key,
        };
        let is_optional = reference.get("optional") == Some(&Value::Bool(true));
        let data = fluvial_execute::data::read(cluster, kind, namespace, name).await?;
        let Some(bytes) = data.as_ref().and_then(|data| data.get(key)) else {
            if is_optional {
                continue;
            }
            bail!(
                "cannot show values: {kind}/{namespace}/{name} has no {key}; create it or set optional: true"
            );
        };
        let found = String::from_utf8_lossy(bytes);
        let shown = || format!("cannot read {key} of {kind}/{namespace}/{name}");
        match text(reference, "/targetPath") {
            "" => {
                let mut documents = yaml::documents(&found).with_context(shown)?.into_iter();
                match documents.next() {
                    None | Some(Value::Null) => {}
                    Some(more @ Value::Object(_)) => merge(&mut values, more),
                    Some(_) => bail!("{}: it is no map", shown()),
                }
            }
            path => set(&mut values, path, &found).with_context(shown)?,
        }
    }
    if let Some(own) = object.pointer("/spec/values") {
        merge(&mut values, own.clone());
    }
    Ok(values)
}

/// Maps are merged, anything else is replaced; null takes a key away, as in Helm.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// Puts a text where `path` (`a.b[0].c`) leads. flux: `ReplacePathValue`, which reads it as `helm --set`
/// does, or as text where it stands in quotes.
fn set(values: &mut Value, path: &str, text: &str) -> Result<()> {
    const ITEMS_MAX: usize = 65_536;
    let mut place = values;
    for step in path.split('.') {
        let (key, indices) = step.split_once('[').map_or((step, ""), |it| (it.0, it.1));
        if key.is_empty() {
            bail!("spec.valuesFrom[].targetPath {path} has a step without a name");
        }
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
        for index in indices.split('[').filter(|it| !it.is_empty()) {
            let index: usize = index
                .strip_suffix(']')
                .and_then(|it| it.parse().ok())
                .filter(|it| *it < ITEMS_MAX)
                .with_context(|| {
                    format!("spec.valuesFrom[].targetPath {path} has no such index")
                })?;
            if !place.is_array() {
                *place = json!([]);
            }
            if let Value::Array(items) = place
                && items.len() <= index
            {
                items.resize(index + 1, Value::Null);
            }
            place = &mut place[index];
        }
    }
    *place = typed(text.trim_end_matches('\n'));
    Ok(())
}

fn typed(text: &str) -> Value {
    for quote in ['"', '\''] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|it| it.strip_suffix(quote));
        if let Some(inner) = inner {
            return Value::from(inner);
        }
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        // A number with a leading zero is a text.
        text if text != "0" && text.starts_with('0') => Value::from(text),
        text => text
            .parse::<i64>()
            .map_or_else(|_| Value::from(text), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_win_and_keep_what_they_do_not_name() {
        let mut values = json!({"a": {"b": 1, "c": [1]}, "d": 1});
        merge(
            &mut values,
            json!({"a": {"b": 2, "e": {"f": 1}}, "d": {"g": 1}}),
        );
        let expected = json!({"a": {"b": 2, "c": [1], "e": {"f": 1}}, "d": {"g": 1}});
        assert_eq!(values, expected);
    }

    #[test]
    fn a_value_is_put_where_its_path_leads() {
        for (path, text, expected) in [
            ("a.b", "x", json!({"a": {"b": "x"}, "list": [1]})),
            ("list[2].c", "true", json!({"list": [1, null, {"c": true}]})),
            ("list", "5", json!({"list": 5})),
            ("list[0]", "007", json!({"list": ["007"]})),
            ("a", "'5'", json!({"a": "5", "list": [1]})),
            ("a", "1.5\n", json!({"a": "1.5", "list": [1]})),
        ] {
            let mut values = json!({"list": [1]});
            set(&mut values, path, text).unwrap();
            assert_eq!(values, expected, "{path}={text}");
        }
        for path in ["", "a..b", "[0]", "a[x]", "a[99999999]"] {
            assert!(set(&mut json!({}), path, "x").is_err(), "{path}");
        }
    }
}
