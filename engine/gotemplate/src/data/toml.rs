//! TOML as BurntSushi/toml 1.6.0 writes it, with its two spaces for each table within a table.

use crate::data::json::is_duration;
use crate::gonumber;
use crate::time;
use crate::value::{Items, List, Map, Text, Value};

/// The text of a map; anything else has no form in TOML.
pub(crate) fn marshal(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    let mut key = Vec::new();
    match bare(value) {
        Value::Map(map) => write_map(&mut out, &mut key, &map)?,
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::List(list) if is_table_list(&list)? => return Err(NO_KEY.to_owned()),
        scalar => write_element(&mut out, &scalar)?,
    }
    Ok(out)
}

const NO_KEY: &str = "toml: top-level values must be Go maps or structs";

/// Go does not say so in the TOML library's own words only here.
const NIL_ITEM: &str = "toml: cannot encode array with nil element";

/// A value without its name: a struct is a map of its fields.
fn bare(value: &Value) -> Value {
    match value.bare() {
        Value::Object(object) => {
            let fields = object.fields().into_iter();
            Value::Map(
                fields
                    .map(|(name, value)| (Text::from(name), value))
                    .collect(),
            )
        }
        other => other,
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Map(map) => map.is_nil(),
        Value::List(list) => list.is_nil(),
        _ => false,
    }
}

/// Whether a list is written as `[[key]]`: it has items, and all of them are maps.
fn is_table_list(list: &List) -> Result<bool, String> {
    let mut all = !list.is_empty();
    for item in list.iter() {
        match bare(item) {
            item if is_nil(&item) => return Err(NIL_ITEM.to_owned()),
            Value::Map(_) => {}
            Value::List(inner) => {
                is_table_list(&inner)?;
                all = false;
            }
            _ => all = false,
        }
    }
    Ok(all)
}

fn write_map(out: &mut String, key: &mut Vec<Text>, map: &Map) -> Result<(), String> {
    let (tables, direct) = sorted(map)?;
    for (name, value) in direct.into_iter().chain(tables) {
        key.push(name);
        write(out, key, &value)?;
        key.pop();
    }
    Ok(())
}

type Entries = Vec<(Text, Value)>;

/// Tables come behind all other keys.
fn sorted(map: &Map) -> Result<(Entries, Entries), String> {
    let (mut tables, mut direct) = (Vec::new(), Vec::new());
    for (name, value) in map.entries() {
        let value = bare(&value);
        let table = match &value {
            Value::Map(map) => !map.is_nil(),
            Value::List(list) => !list.is_nil() && is_table_list(list)?,
            _ => false,
        };
        if is_nil(&value) {
            continue;
        }
        if table {
            tables.push((name, value));
        } else {
            direct.push((name, value));
        }
    }
    Ok((tables, direct))
}

fn write(out: &mut String, key: &mut Vec<Text>, value: &Value) -> Result<(), String> {
    let indent = "  ".repeat(key.len() - 1);
    match value {
        Value::Map(map) => {
            if key.len() == 1 && !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("{indent}[{}]\n", shown(key)));
            write_map(out, key, map)
        }
        Value::List(list) if is_table_list(list)? => {
            for item in list.iter() {
                let Value::Map(map) = bare(item) else {
                    continue;
                };
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("{indent}[[{}]]\n", shown(key)));
                write_map(out, key, &map)?;
            }
            Ok(())
        }
        value => {
            out.push_str(&indent);
            out.push_str(
                &key.last()
                    .map(|name| key_text(&name.to_str()))
                    .unwrap_or_default(),
            );
            out.push_str(" = ");
            write_element(out, value)?;
            out.push('\n');
            Ok(())
        }
    }
}

fn shown(key: &[Text]) -> String {
    let parts: Vec<_> = key.iter().map(|part| key_text(&part.to_str())).collect();
    parts.join(".")
}

/// A key, in quotes unless it is bare.
fn key_text(key: &str) -> String {
    let bare = |each: char| each.is_ascii_alphanumeric() || matches!(each, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) {
        return key.to_owned();
    }
    quoted(key)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for each in text.chars() {
        match each {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(each)));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

fn write_element(out: &mut String, value: &Value) -> Result<(), String> {
    match bare(value) {
        Value::Nil => return Err(NIL_ITEM.to_owned()),
        Value::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        ref number @ Value::Integer(integer) => {
            if is_duration(number) {
                out.push_str(&quoted(&time::duration_text(integer.value)));
            } else {
                out.push_str(&integer.value.to_string());
            }
        }
        Value::Float(float) => out.push_str(&float_text(float)),
        Value::Text(text) => out.push_str(&quoted(&text.to_str())),
        Value::Time(time) => {
            out.push_str(&time::format(&time, "2006-01-02T15:04:05.999999999Z07:00"));
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_element(out, item)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let (tables, direct) = sorted(&map)?;
            out.push('{');
            let entries = direct.into_iter().chain(tables);
            for (index, (name, value)) in entries.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&key_text(&name.to_str()));
                out.push_str(" = ");
                write_element(out, &value)?;
            }
            out.push('}');
        }
        Value::Object(object) => return Err(format!("unexpected type: {}", object.type_name())),
    }
    Ok(())
}

fn float_text(float: f64) -> String {
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if float.is_nan() {
        return format!("{sign}nan");
    }
    if float.is_infinite() {
        return format!("{sign}inf");
    }
    let text = gonumber::general(float);
    if text.contains(['e', '.']) {
        text
    } else {
        format!("{text}.0")
    }
}

/// A map from a text.
pub(crate) fn unmarshal(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..place).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        format!("toml: line {line}: {}", error.message())
    })?;
    Ok(from_table(&table))
}

fn from_table(table: &toml::Table) -> Value {
    let entries = table.iter();
    Value::Map(
        entries
            .map(|(key, value)| (key.as_str(), from_value(value)))
            .collect(),
    )
}

fn from_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::text(text.as_str()),
        toml::Value::Integer(number) => Value::int64(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(moment) => {
            let text = moment.to_string();
            let layouts = [
                "2006-01-02T15:04:05.999999999Z07:00",
                "2006-01-02T15:04:05.999999999",
                "2006-01-02",
                "15:04:05.999999999",
            ];
            let parsed = layouts
                .iter()
                .find_map(|layout| time::parse(layout, &text).ok());
            parsed.map_or_else(|| Value::text(text), Value::Time)
        }
        toml::Value::Array(items) => Value::List(List::with(
            Items::Any,
            items.iter().map(from_value).collect(),
        )),
        toml::Value::Table(table) => from_table(table),
    }
}
