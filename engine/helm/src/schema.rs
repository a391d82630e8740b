//! `values.schema.json`: what the values of a chart must be.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use fluvial_gotemplate::{Map, Value};
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value as Json;

use crate::{Chart, Error};

/// Checks the values of a chart and of the charts in it against their schemas.
pub(crate) fn check(chart: &Chart, values: &Map) -> Result<(), Error> {
    let mut complaints = String::new();
    check_below(chart, values, &mut complaints);
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::Values(format!(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{complaints}"
    )))
}

fn check_below(chart: &Chart, values: &Map, complaints: &mut String) {
    if let Some(schema) = &chart.schema
        && let Err(why) = check_one(chart, schema, values)
    {
        complaints.push_str(chart.name());
        complaints.push_str(":\n");
        complaints.push_str(&why);
    }
    for dependency in &chart.dependencies {
        let name = dependency.name();
        match values.get(name) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(own)) => check_below(dependency, &own, complaints),
            Some(other) => {
                complaints.push_str(name);
                complaints.push_str(":\ninvalid type for values: expected object (map), got ");
                complaints.push_str(&other.type_name());
                complaints.push('\n');
            }
        }
    }
}

fn check_one(chart: &Chart, schema: &Arc<[u8]>, values: &Map) -> Result<(), String> {
    let validator = chart.memo.schema(schema, || compile(schema))?;
    let values = crate::values::json(values);
    let mut complaints = String::new();
    for error in validator.iter_errors(&values) {
        writeln!(complaints, "- at '{}': {error}", error.instance_path())
            .map_err(|e| e.to_string())?;
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

fn compile(schema: &[u8]) -> Result<Validator, String> {
    let schema: Json = serde_json::from_slice(schema).map_err(|error| format!("{error}\n"))?;
    if let Some(pointer) = endless(&schema) {
        return Err(format!(
            "the schema refers to itself without end at #{pointer}\n"
        ));
    }
    jsonschema::options()
        .with_retriever(Nowhere)
        .build(&schema)
        .map_err(|error| format!("{error}\n"))
}

/// Schemas elsewhere are not fetched: what a chart means must not depend on the day. As helm does, what
/// `urn:` names allows everything.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            return Ok(Json::Bool(true));
        }
        Err(format!("{uri} is not in the chart; put what it says into values.schema.json").into())
    }
}

/// Keywords whose schemas apply to the same value, so that a circle of them never comes to an end.
const IN_PLACE: [&str; 8] = [
    "$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
];

/// Where a schema refers to itself without going deeper into the values, if it does.
fn endless(schema: &Json) -> Option<String> {
    let mut pointers = vec![String::new()];
    let mut seen = BTreeSet::new();
    while let Some(pointer) = pointers.pop() {
        let Some(target) = schema.pointer(&pointer) else {
            continue;
        };
        if let Json::Object(map) = target
            && map.contains_key("$ref")
            && circles(schema, &pointer, &mut BTreeSet::new(), &mut seen)
        {
            return Some(pointer);
        }
        let inner: Vec<String> = match target {
            Json::Object(map) => map.keys().map(|key| escaped(key)).collect(),
            Json::Array(items) => (0..items.len()).map(|at| at.to_string()).collect(),
            _ => continue,
        };
        pointers.extend(inner.iter().map(|key| format!("{pointer}/{key}")));
    }
    None
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Whether what applies in place at `pointer` comes back to where it began. `done` has no circle.
fn circles(
    schema: &Json,
    pointer: &str,
    path: &mut BTreeSet<String>,
    done: &mut BTreeSet<String>,
) -> bool {
    if done.contains(pointer) {
        return false;
    }
    if !path.insert(pointer.to_owned()) {
        return true;
    }
    let Some(Json::Object(map)) = schema.pointer(pointer) else {
        path.remove(pointer);
        return false;
    };
    for (keyword, value) in map {
        if !IN_PLACE.contains(&keyword.as_str()) {
            continue;
        }
        let targets = match value {
            Json::String(reference) if keyword == "$ref" => {
                let local = reference.strip_prefix('#').map(decoded);
                local.into_iter().collect()
            }
            Json::Array(items) => (0..items.len())
                .map(|at| format!("{pointer}/{keyword}/{at}"))
                .collect(),
            _ => vec![format!("{pointer}/{keyword}")],
        };
        if targets
            .iter()
            .any(|target| circles(schema, target, path, done))
        {
            return true;
        }
    }
    path.remove(pointer);
    done.insert(pointer.to_owned());
    false
}

/// A fragment as a pointer: `%25` is `%`.
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = fragment.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escape = escape.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        if let Some(byte) = escape {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
