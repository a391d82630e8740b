//! YAML as sigs.k8s.io/yaml 1.6 writes it, by way of JSON, and as its goyaml.v3 does
//! (`toYamlPretty`): both with keys in the order of people, `a2` before `a10`.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_manifest::yaml::{self, Place, write_text};

use crate::functions::bytes_of;
use crate::gonumber;
use crate::time;
use crate::value::{Items, Text, Value};

/// Which of the two libraries writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// By way of JSON; lists are not indented under their key, and long lines are folded.
    Kubernetes,
    /// Lists are indented, and nothing is folded.
    Pretty,
}

/// The text of a value, without a newline at its end.
pub(crate) fn marshal(value: &Value, style: Style) -> Result<String, String> {
    let mut writer = Writer {
        out: String::new(),
        style,
    };
    match value.bare() {
        Value::Map(map) if !map.is_empty() => writer.node(value, 0, false)?,
        Value::List(list) if !list.is_empty() => writer.node(value, 0, false)?,
        Value::Object(_) => writer.node(value, 0, false)?,
        _ => writer.node(value, 2, false)?,
    }
    let mut out = writer.out;
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.pop();
    Ok(out)
}

/// A value from the first document of a text; numbers are `float64`.
pub(crate) fn unmarshal(text: &str) -> Result<Value, String> {
    let value = yaml::first_as_json(text).map_err(|error| {
        format!(
            "error converting YAML to JSON: yaml: line {}: {}",
            error.line, error.message
        )
    })?;
    Ok(Value::from_json(&value))
}

struct Writer {
    out: String,
    style: Style,
}

/// A longer key is no simple key: it is written behind a `?`.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

impl Writer {
    /// A value where the text ends; what is inside it begins at `indent`.
    fn node(&mut self, value: &Value, indent: usize, in_map: bool) -> Result<(), String> {
        match value {
            Value::Map(map) if !map.is_empty() => {
                if in_map {
                    self.line(indent);
                }
                self.map(map.entries(), indent)
            }
            Value::List(list) if !list.is_empty() && list.items() != Items::Bytes => {
                let nested = in_map && self.style == Style::Kubernetes;
                let indent = if nested { indent - 2 } else { indent };
                if in_map {
                    self.line(indent);
                }
                self.items(list, indent)
            }
            Value::Object(object) => {
                if let Some(value) = object.underlying() {
                    self.node(&value, indent, in_map)
                } else {
                    let fields = object.fields().into_iter();
                    let fields: Vec<_> = fields
                        .map(|(name, value)| (Text::from(name), value))
                        .collect();
                    if in_map {
                        self.line(indent);
                    }
                    self.map(fields, indent)
                }
            }
            scalar => {
                if in_map {
                    self.out.push(' ');
                }
                self.scalar(scalar, indent)?;
                self.end();
                Ok(())
            }
        }
    }

    fn line(&mut self, indent: usize) {
        self.out.push('\n');
        self.pad(indent);
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Ends a line, unless a block has.
    fn end(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn place(&self) -> Place {
        match self.style {
            Style::Kubernetes => Place::Value,
            Style::Pretty => Place::Unfolded,
        }
    }

    fn map(&mut self, mut entries: Vec<(Text, Value)>, indent: usize) -> Result<(), String> {
        if entries
            .iter()
            .any(|(key, _)| !is_plainly_ordered(key.as_bytes()))
        {
            entries.sort_by(|(one, _), (other, _)| as_people_order(&one.to_str(), &other.to_str()));
        }
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                self.pad(indent);
            }
            let key = key.to_str();
            if key.len() > SIMPLE_KEY_BYTES_MAX || key.contains(['\n', '\r']) {
                self.out.push_str("? ");
                let place = self.place();
                write_text(&mut self.out, &key, indent + 2, place);
                self.end();
                self.pad(indent);
                self.out.push_str(": ");
                self.node(value, indent + 2, false)?;
                continue;
            }
            write_text(&mut self.out, &key, indent, Place::Key);
            self.out.push(':');
            self.node(value, indent + 2, true)?;
        }
        Ok(())
    }

    fn items(&mut self, items: &[Value], indent: usize) -> Result<(), String> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.pad(indent);
            }
            self.out.push_str("- ");
            self.node(item, indent + 2, false)?;
        }
        Ok(())
    }

    fn scalar(&mut self, value: &Value, indent: usize) -> Result<(), String> {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Integer(integer) => self.out.push_str(&integer.value.to_string()),
            Value::Float(float) => {
                let text = self.float(*float)?;
                self.out.push_str(&text);
            }
            Value::Text(text) => {
                let place = self.place();
                write_text(&mut self.out, &valid(text), indent, place);
            }
            Value::List(list) if list.is_nil() && self.style == Style::Kubernetes => {
                self.out.push_str("null");
            }
            Value::List(list) if list.items() == Items::Bytes => {
                let text = STANDARD.encode(bytes_of(list));
                let place = self.place();
                write_text(&mut self.out, &text, indent, place);
            }
            Value::List(_) => self.out.push_str("[]"),
            Value::Map(map) if map.is_nil() && self.style == Style::Kubernetes => {
                self.out.push_str("null");
            }
            Value::Map(_) | Value::Object(_) => self.out.push_str("{}"),
            Value::Time(time) => {
                let text = time::format(time, "2006-01-02T15:04:05.999999999Z07:00");
                match self.style {
                    Style::Kubernetes => write_text(&mut self.out, &text, indent, Place::Value),
                    Style::Pretty => self.out.push_str(&text),
                }
            }
        }
        Ok(())
    }

    fn float(&self, float: f64) -> Result<String, String> {
        if self.style == Style::Pretty {
            return Ok(match float {
                float if float.is_nan() => ".nan".to_owned(),
                f64::INFINITY => ".inf".to_owned(),
                f64::NEG_INFINITY => "-.inf".to_owned(),
                float => gonumber::general(float),
            });
        }
        if !float.is_finite() {
            let said = gonumber::general(float);
            return Err(format!(
                "error marshaling into JSON: json: unsupported value: {said}"
            ));
        }
        // In JSON a whole number has no point, so it comes back as an integer.
        let text = gonumber::json_float(float);
        let signed = text.parse::<i64>().map(|whole| whole.to_string());
        let whole = signed.or_else(|_| text.parse::<u64>().map(|whole| whole.to_string()));
        Ok(whole.unwrap_or_else(|_| gonumber::general(float)))
    }
}

fn valid(text: &Text) -> Cow<'_, str> {
    text.to_str()
}

/// Whether the order of bytes is the order of people for such a key: small letters alone.
fn is_plainly_ordered(key: &[u8]) -> bool {
    key.iter().all(u8::is_ascii_alphabetic)
}

/// The order of go-yaml's `keyList`: letters behind everything else, numbers by their value.
fn as_people_order(one: &str, other: &str) -> Ordering {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) else {
        return one.len().cmp(&other.len());
    };
    let (first, second) = (one[at], other[at]);
    match (first.is_alphabetic(), second.is_alphabetic()) {
        (true, true) => return first.cmp(&second),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero counts only behind another digit that is none.
    let zero = first == '0' || second == '0';
    let digits_before = one[..at].iter().rev().take_while(|each| each.is_numeric());
    let inside = zero && digits_before.into_iter().any(|digit| *digit != '0');
    let number = |text: &[char]| {
        let digits = text[at..].iter().take_while(|each| each.is_ascii_digit());
        let start = i64::from(inside);
        digits.fold((start, 0), |(value, count): (i64, usize), digit| {
            let digit = i64::from(u32::from(*digit) - u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    number(&one).cmp(&number(&other)).then(first.cmp(&second))
}
