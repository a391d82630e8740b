//! ConfigMaps and Secrets from files, literals and env files, and the hash in their names.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluvial_manifest::{Map, Value, digest, object};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::kustomization::{GeneratorArgs, GeneratorOptions};
use crate::loader::Loader;
use crate::resource::{Resource, scalar_text, written_text};

/// Base64 is broken into lines of this length, as kustomize writes it.
const BASE64_LINE: usize = 70;

/// A ConfigMap.
pub(crate) fn config_map(
    loader: &Loader<'_>,
    args: &GeneratorArgs,
    global: Option<&GeneratorOptions>,
) -> Result<Resource> {
    let pairs = pairs(loader, args)?;
    let (mut data, mut binary) = (Map::new(), Map::new());
    for (key, bytes) in pairs {
        match String::from_utf8(bytes) {
            Ok(text) => data.insert(key, Value::String(text)),
            Err(error) => binary.insert(key, Value::String(encode(error.as_bytes()))),
        };
    }
    let mut object = base("ConfigMap", args)?;
    put_map(&mut object, "data", data);
    put_map(&mut object, "binaryData", binary);
    Ok(finish(object, args, global))
}

/// A Secret. All of its data is base64.
pub(crate) fn secret(
    loader: &Loader<'_>,
    args: &GeneratorArgs,
    global: Option<&GeneratorOptions>,
) -> Result<Resource> {
    let pairs = pairs(loader, args)?;
    let data: Map<String, Value> = pairs
        .into_iter()
        .map(|(key, bytes)| (key, Value::String(encode(&bytes))))
        .collect();
    let mut object = base("Secret", args)?;
    let kind = if args.secret_type.is_empty() {
        "Opaque"
    } else {
        &args.secret_type
    };
    object.insert("type".to_owned(), Value::String(kind.to_owned()));
    // Unlike a ConfigMap, a Secret has the field even when there is nothing in it.
    object.insert("data".to_owned(), Value::Object(data));
    Ok(finish(object, args, global))
}

fn base(kind: &str, args: &GeneratorArgs) -> Result<Map<String, Value>> {
    if args.name.is_empty() {
        return Err(Error::new(format!("a generated {kind} needs a name")));
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), Value::String(args.name.clone()));
    if !args.namespace.is_empty() {
        metadata.insert(
            "namespace".to_owned(),
            Value::String(args.namespace.clone()),
        );
    }
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), Value::String("v1".to_owned()));
    object.insert("kind".to_owned(), Value::String(kind.to_owned()));
    object.insert("metadata".to_owned(), Value::Object(metadata));
    Ok(object)
}

fn put_map(object: &mut Map<String, Value>, field: &str, map: Map<String, Value>) {
    if !map.is_empty() {
        object.insert(field.to_owned(), Value::Object(map));
    }
}

fn finish(
    mut object: Map<String, Value>,
    args: &GeneratorArgs,
    global: Option<&GeneratorOptions>,
) -> Resource {
    let options = merged_options(args.options.as_ref(), global);
    if options.immutable {
        object.insert("immutable".to_owned(), Value::Bool(true));
    }
    let mut value = Value::Object(object);
    for (key, text) in &options.labels {
        object::set_label(&mut value, key, text);
    }
    for (key, text) in &options.annotations {
        object::set_annotation(&mut value, key, text);
    }
    let mut resource = Resource::new(value);
    resource.behavior = args.behavior;
    resource.needs_hash = !options.disable_name_suffix_hash;
    resource
}

/// A generator's own options win over the global ones, but no global switch can be turned off.
fn merged_options(
    own: Option<&GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> GeneratorOptions {
    let mut options = own.cloned().unwrap_or_default();
    let Some(global) = global else {
        return options;
    };
    let add = |own: &mut BTreeMap<String, String>, global: &BTreeMap<String, String>| {
        for (key, value) in global {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    add(&mut options.labels, &global.labels);
    add(&mut options.annotations, &global.annotations);
    options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    options.immutable |= global.immutable;
    options
}

/// Keys and contents: env files, then literals, then files.
fn pairs(loader: &Loader<'_>, args: &GeneratorArgs) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut pairs = BTreeMap::new();
    let mut add = |key: String, bytes: Vec<u8>| {
        if pairs.insert(key.clone(), bytes).is_some() {
            return Err(Error::new(format!(
                "the key {key:?} is there twice; remove one of them"
            )));
        }
        Ok(())
    };
    for (index, path) in args.envs.iter().enumerate() {
        let place = format!("envs[{index}]");
        let text = loader.text(path).map_err(|error| error.in_field(&place))?;
        for (key, value) in env_lines(text) {
            add(key, value.into_bytes())?;
        }
    }
    for (index, literal) in args.literals.iter().enumerate() {
        let (key, value) = literal
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            // It may be a secret, so it is not shown.
            .ok_or_else(|| {
                let place = format!("literals[{index}]");
                Error::new("a literal must be key=value").in_field(&place)
            })?;
        add(key.to_owned(), unquoted(value).as_bytes().to_vec())?;
    }
    for (index, source) in args.files.iter().enumerate() {
        let place = format!("files[{index}]");
        let (key, path) = file_source(source).map_err(|error| error.in_field(&place))?;
        let bytes = loader.bytes(path).map_err(|error| error.in_field(&place))?;
        add(key.to_owned(), bytes.to_vec())?;
    }
    Ok(pairs)
}

/// `key=path`, or a path whose last part is the key.
pub(crate) fn file_source(source: &str) -> Result<(&str, &str)> {
    let wrong = || Error::new(format!("the file {source:?} must be path or key=path"));
    match source.split_once('=') {
        None => {
            let key = source.trim_end_matches('/');
            Ok((key.rsplit_once('/').map_or(key, |(_, name)| name), source))
        }
        Some((key, path)) if !key.is_empty() && !path.is_empty() && !path.contains('=') => {
            Ok((key, path))
        }
        Some(_) => Err(wrong()),
    }
}

fn env_lines(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pairs = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.is_empty() {
            continue;
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    pairs
}

/// Removes one pair of equal quotes around a text.
fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if text.len() >= 2
            && let Some(inner) = text
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

fn encode(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    if encoded.len() < BASE64_LINE {
        return encoded;
    }
    let mut broken = String::with_capacity(encoded.len() + encoded.len() / BASE64_LINE + 1);
    for (index, character) in encoded.chars().enumerate() {
        if index > 0 && index % BASE64_LINE == 0 {
            broken.push('\n');
        }
        broken.push(character);
    }
    broken.push('\n');
    broken
}

/// Adds to generated data what the object that it merges with has and it does not.
pub(crate) fn merge_data(generated: &mut Value, old: &Value) -> Result<()> {
    let mut inherited = text_map(old, "data");
    if object::kind(generated) == "Secret" && object::api_version(generated) == "v1" {
        let plain = old.get("stringData").and_then(Value::as_object);
        for (key, value) in plain.into_iter().flatten() {
            let text = scalar_text(value).ok_or_else(|| {
                Error::new(format!("stringData.{key} must be text, to be merged with"))
            })?;
            inherited.insert(key.clone(), Value::String(encode(text.as_bytes())));
        }
    }
    for (field, mut merged) in [
        ("data", inherited),
        ("binaryData", text_map(old, "binaryData")),
    ] {
        merged.extend(text_map(generated, field));
        if let Some(object) = generated.as_object_mut() {
            object.remove(field);
            put_map(object, field, merged);
        }
    }
    Ok(())
}

fn text_map(value: &Value, field: &str) -> Map<String, Value> {
    let map = value.get(field).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(key, value)| {
            let text = scalar_text(value).unwrap_or_default();
            (key.clone(), Value::String(text))
        })
        .collect()
}

/// Appends the hash of its contents to the name of a generated object.
pub(crate) fn add_hash(resource: &mut Resource) {
    let hash = hash(&resource.value);
    resource.remember();
    let name = format!("{}-{hash}", object::name(&resource.value));
    resource.set_name(&name);
}

/// kustomize's hash (`api/hasher`, v0.21.2): ten letters and digits that spell no words.
pub(crate) fn hash(value: &Value) -> String {
    let mut text = String::new();
    // kustomize takes maps as they are, of a scalar its text, and nothing of a list.
    let field = |name: &str| match value.get(name) {
        None => Value::String(String::new()),
        Some(map @ Value::Object(_)) => map.clone(),
        Some(Value::Array(_)) => Value::Null,
        Some(scalar) => Value::String(written_text(scalar)),
    };
    let kind = object::kind(value);
    if kind == "ConfigMap" || kind == "Secret" {
        let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
        fields.insert("kind", Value::String(kind.to_owned()));
        // kustomize looks for a field called `metadata/name`, which no object has.
        fields.insert("name", Value::String(String::new()));
        fields.insert("data", field("data"));
        let optional = if kind == "Secret" {
            fields.insert("type", field("type"));
            "stringData"
        } else {
            "binaryData"
        };
        let map = field(optional);
        if map.is_object() {
            fields.insert(optional, map);
        }
        text.push('{');
        for (index, (key, value)) in fields.into_iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            write_json_text(&mut text, key);
            text.push(':');
            write_json(&mut text, &value);
        }
        text.push('}');
    } else {
        write_json(&mut text, value);
    }
    let hex = digest::hex(&Sha256::digest(text.as_bytes()));
    hex[..10]
        .chars()
        .map(|character| match character {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

/// JSON as Go's `encoding/json` writes it: compact, keys sorted, `<`, `>` and `&` escaped.
pub(crate) fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_json_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json_text(out, key);
                out.push(':');
                write_json(out, value);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            write!(out, "{value}").expect("a String takes everything");
        }
    }
}

fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("a String takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The names are those that `kustomize build` v5.8.2 gave.
    #[test]
    fn hashes_are_those_of_kustomize() {
        let cases = [
            (
                json!({"kind": "ConfigMap", "metadata": {"name": ""}}),
                "6ct58987ht",
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"name": ""}, "data": {"one": ""}}),
                "9g67k2htb6",
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"name": ""}, "data": {"two": "2", "one": "", "three": "3"}}),
                "f5h7t85m9b",
            ),
            (
                json!({"kind": "Secret", "metadata": {"name": ""}, "type": "my-type", "data": {"one": ""}}),
                "74bd68bm66",
            ),
        ];
        for (value, want) in cases {
            assert_eq!(hash(&value), want, "{value}");
        }
    }

    #[test]
    fn env_files_are_read_line_by_line() {
        let text = "\u{feff}A=1\n# c\n\n  B=x=y\nC\n";
        let want = [("A", "1"), ("B", "x=y"), ("C", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(env_lines(text), want.to_vec());
        assert_eq!(env_lines("=2\n"), []);
    }

    #[test]
    fn sources_are_checked() {
        assert_eq!(file_source("a/b.txt"), Ok(("b.txt", "a/b.txt")));
        assert_eq!(file_source("k=a/b.txt"), Ok(("k", "a/b.txt")));
        for source in ["=a", "k=", "a=b=c"] {
            assert!(file_source(source).is_err(), "{source}");
        }
        assert_eq!(unquoted("\"a\""), "a");
        assert_eq!(unquoted("'a\""), "'a\"");
        assert_eq!(unquoted("\""), "\"");
    }

    #[test]
    fn long_base64_is_broken_into_lines() {
        assert_eq!(encode(b"hello"), "aGVsbG8=");
        let long = encode(&[0; 60]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [70, 10]);
        assert!(long.ends_with('\n'));
    }
}
