//! Values as other text: base64 and base32, YAML, JSON, TOML.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::{Function, Outcome, bytes, str};
use crate::data::json::{self, Style};
use crate::data::{toml, yaml};
use crate::error::Error;
use crate::value::{Map, Type, Value};

const A: Type = Type::Any;
const T: Type = Type::Text;

const PLAIN: Style = Style {
    indent: None,
    html: true,
};
const PRETTY: Style = Style {
    indent: Some("  "),
    html: true,
};
const RAW: Style = Style {
    indent: None,
    html: false,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("b32dec", &[T], |_, values| {
        Ok(decoded(from_base32(&bytes(&values[0]))))
    }),
    Function::new("b32enc", &[T], |_, values| {
        Ok(Value::text(to_base32(&bytes(&values[0]))))
    }),
    Function::new("b64dec", &[T], |_, values| {
        Ok(decoded(from_base64(&bytes(&values[0]))))
    }),
    Function::new("b64enc", &[T], |_, values| {
        Ok(Value::text(STANDARD.encode(bytes(&values[0]))))
    }),
    Function::new("fromJson", &[T], |_, values| {
        Ok(or_error(json::unmarshal(&str(&values[0]))))
    }),
    Function::new("fromJsonArray", &[T], |_, values| {
        Ok(or_error_item(
            json::unmarshal(&str(&values[0])),
            JSON_TARGET,
        ))
    }),
    Function::new("fromToml", &[T], |_, values| {
        Ok(or_error(toml::unmarshal(&str(&values[0]))))
    }),
    Function::new("fromYaml", &[T], |_, values| {
        Ok(or_error_of_yaml(&str(&values[0])))
    }),
    Function::new("fromYamlArray", &[T], |_, values| {
        Ok(or_error_item(
            yaml::unmarshal(&str(&values[0])),
            YAML_TARGET,
        ))
    }),
    Function::new("mustFromJson", &[T], |_, values| {
        json::unmarshal(&str(&values[0])).map_err(Error::plain)
    }),
    Function::new("mustToJson", &[A], |_, values| {
        must(json::marshal(&values[0], PLAIN))
    })
    .walks(),
    Function::new("mustToPrettyJson", &[A], |_, values| {
        must(json::marshal(&values[0], PRETTY))
    })
    .walks(),
    Function::new("mustToRawJson", &[A], |_, values| {
        must(json::marshal(&values[0], RAW))
    })
    .walks(),
    Function::new("mustToToml", &[A], |_, values| {
        must(toml::marshal(&values[0]))
    })
    .walks(),
    Function::new("mustToYaml", &[A], |_, values| {
        must(yaml::marshal(&values[0], yaml::Style::Kubernetes))
    })
    .walks(),
    Function::new("toJson", &[A], |_, values| {
        Ok(or_nothing(json::marshal(&values[0], PLAIN)))
    })
    .walks(),
    Function::new("toPrettyJson", &[A], |_, values| {
        Ok(or_nothing(json::marshal(&values[0], PRETTY)))
    })
    .walks(),
    Function::new("toRawJson", &[A], |_, values| {
        must(json::marshal(&values[0], RAW))
    })
    .walks(),
    Function::new("toToml", &[A], |_, values| {
        if let Value::Nil = values[0] {
            return must(toml::marshal(&values[0]));
        }
        Ok(Value::text(
            toml::marshal(&values[0]).unwrap_or_else(|error| error),
        ))
    })
    .walks(),
    Function::new("toYaml", &[A], |_, values| {
        Ok(or_nothing(yaml::marshal(
            &values[0],
            yaml::Style::Kubernetes,
        )))
    })
    .walks(),
    Function::new("toYamlPretty", &[A], |_, values| {
        Ok(or_nothing(yaml::marshal(&values[0], yaml::Style::Pretty)))
    })
    .walks(),
];

const JSON_TARGET: &str = "json: cannot unmarshal ";
const YAML_TARGET: &str = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ";

fn must(result: Result<String, String>) -> Outcome {
    result.map(Value::text).map_err(Error::plain)
}

/// Helm prints nothing of what cannot be written.
fn or_nothing(result: Result<String, String>) -> Value {
    Value::text(result.unwrap_or_default())
}

/// What JSON calls a value that is of the wrong type.
fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Float(_) | Value::Integer(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        _ => "object",
    }
}

/// A map; in the place of what cannot be read, one with the reason under `Error`.
fn or_error(result: Result<Value, String>) -> Value {
    mapped(result, JSON_TARGET)
}

fn or_error_of_yaml(text: &str) -> Value {
    mapped(yaml::unmarshal(text), YAML_TARGET)
}

fn mapped(result: Result<Value, String>, target: &str) -> Value {
    let message = match result {
        Ok(map @ Value::Map(_)) => return map,
        Ok(Value::Nil) => return Value::Map(Map::nil()),
        Ok(other) => {
            let kind = json_kind(&other);
            format!("{target}{kind} into Go value of type map[string]interface {{}}")
        }
        Err(message) => message,
    };
    Value::Map([("Error", Value::text(message))].into_iter().collect())
}

/// A list; in the place of what cannot be read, the reason as its only item.
fn or_error_item(result: Result<Value, String>, target: &str) -> Value {
    let message = match result {
        Ok(list @ Value::List(_)) => return list,
        Ok(Value::Nil) => {
            return Value::List(crate::value::List::nil(crate::value::Items::Any));
        }
        Ok(other) => {
            let kind = json_kind(&other);
            format!("{target}{kind} into Go value of type []interface {{}}")
        }
        Err(message) => message,
    };
    Value::list(vec![Value::text(message)])
}

/// sprig gives the reason in the place of the text.
fn decoded(result: Result<Vec<u8>, String>) -> Value {
    result.map_or_else(Value::text, Value::text)
}

/// `base64.StdEncoding`: padded, with newlines anywhere, whatever the last bits are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

pub(super) fn from_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let broken: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    LENIENT.decode(&broken).map_err(|_error| {
        let at = first_illegal(text);
        format!("illegal base64 data at input byte {at}")
    })
}

/// Where Go gives up: at what is no digit, or where digits or padding are missing.
fn first_illegal(text: &[u8]) -> usize {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut at = 0;
    let mut count = 0;
    let newline = |byte: u8| matches!(byte, b'\n' | b'\r');
    while at < text.len() {
        let byte = text[at];
        if newline(byte) {
            at += 1;
            continue;
        }
        if digit(byte) {
            count += 1;
            at += 1;
            continue;
        }
        if byte != b'=' {
            return at;
        }
        // Padding: of two digits two, of three one, and nothing behind it.
        let mut rest = at + 1;
        match count % 4 {
            0 | 1 => return at,
            2 => {
                while rest < text.len() && newline(text[rest]) {
                    rest += 1;
                }
                if rest == text.len() {
                    return text.len();
                }
                if text[rest] != b'=' {
                    return rest;
                }
                rest += 1;
            }
            _ => {}
        }
        while rest < text.len() && newline(text[rest]) {
            rest += 1;
        }
        return rest;
    }
    // Digits are missing at the end: Go names the start of the incomplete four.
    let incomplete = count % 4;
    text.len() - incomplete
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn to_base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut group = [0; 5];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = group
            .iter()
            .fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        let digits = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or_default();
            out.push(if index < digits {
                char::from(BASE32[digit])
            } else {
                '='
            });
        }
    }
    out
}

fn from_base32(text: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let illegal = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let mut out = Vec::new();
    for (group, chunk) in text.chunks(8).enumerate() {
        let start = group * 8;
        let digits = chunk
            .iter()
            .position(|&byte| byte == b'=')
            .unwrap_or(chunk.len());
        let mut bits = 0_u64;
        for (index, &byte) in chunk[..digits].iter().enumerate() {
            let Some(digit) = BASE32.iter().position(|&each| each == byte) else {
                return illegal(start + index);
            };
            bits |= (digit as u64) << (35 - 5 * index);
        }
        let padded = chunk[digits..].iter().all(|&byte| byte == b'=');
        if chunk.len() < 8 {
            return illegal(text.len());
        }
        if !padded || matches!(digits, 0 | 1 | 3 | 6) || digits < 8 && start + 8 < text.len() {
            return illegal(start + digits);
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + digits * 5 / 8]);
    }
    Ok(out)
}
