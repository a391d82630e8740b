//! YAML as helm reads it, by way of sigs.k8s.io/yaml: the first document, YAML 1.1, the last of equal keys.

use fluvial_gotemplate::{Map, Value as Template, from_yaml};
use fluvial_manifest::{Number, Value, yaml};

use crate::coalesce::merge_maps;

/// The first document of a text; null where there is none.
pub(crate) fn first(text: &[u8]) -> Result<Value, String> {
    yaml::first_as_json(utf8(text)?).map_err(|error| error.to_string())
}

fn utf8(text: &[u8]) -> Result<&str, String> {
    str::from_utf8(text).map_err(|error| format!("it is not UTF-8: {error}"))
}

/// Values as `values.yaml` and `-f` have them: a map, of several documents the later over the earlier.
pub(crate) fn values(text: &[u8]) -> Result<Map, String> {
    let mut values = Map::new();
    for document in split(utf8(text)?)? {
        match from_yaml(&document)? {
            Template::Nil => {}
            Template::Map(more) => values = merge_maps(&values, &more),
            _ => return Err("it is no map".to_owned()),
        }
    }
    Ok(values)
}

/// The documents of a text, as `YAMLReader` of apimachinery cuts it: at lines that begin with `---`.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut documents = Vec::new();
    let mut document = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!("invalid Yaml document separator: {rest}"));
            }
            if !document.is_empty() {
                documents.push(std::mem::take(&mut document));
                continue;
            }
        }
        document.push_str(line);
        document.push('\n');
    }
    documents.push(document);
    Ok(documents)
}

/// Lays maps over each other; whatever is no map is replaced.
pub(crate) fn merge(
    values: &mut serde_json::Map<String, Value>,
    more: serde_json::Map<String, Value>,
) {
    for (key, value) in more {
        match (values.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(more)) => merge(own, more),
            (_, value) => {
                values.insert(key, value);
            }
        }
    }
}

/// What a number is where a text is wanted: an integer as it is, a float with the precision of 32 bits.
pub(crate) fn number_text(number: &Number) -> String {
    let text = number.to_string();
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        return text;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Go formats it with 32 bits too"
    )]
    let single = text.parse::<f64>().unwrap_or_default() as f32;
    let scientific = format!("{single:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(-4..=5) => format!("{single}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Err(_infinite) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_texts_as_in_go() {
        for (yaml, text) in [
            ("1", "1"),
            ("1.10", "1.1"),
            ("3.0", "3"),
            ("-0.5", "-0.5"),
            ("1234567.5", "1.2345675e+06"),
            ("0.00001", "1e-05"),
            ("1.23456789", "1.2345679"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let Value::Number(number) = first(yaml.as_bytes()).unwrap() else {
                panic!("{yaml} is a number");
            };
            assert_eq!(number_text(&number), text);
        }
    }
}
