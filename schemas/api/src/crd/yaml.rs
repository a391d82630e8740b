//! Writes a value as block-style YAML, for definitions that people read and `kubectl apply` takes.

use serde_json::Value;

/// The value as one YAML document with a line break at its end.
///
/// Strings that YAML could take for something else are quoted as JSON quotes them, which YAML reads too.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes a value whose lines are indented by `depth`; the caller has written what goes before it.
fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    indent(depth, text);
                }
                text.push_str(&scalar(key));
                text.push(':');
                entry(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    indent(depth, text);
                }
                text.push_str("- ");
                block(item, depth + 1, text);
            }
        }
        Value::String(found) => line(&scalar(found), text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            line(&value.to_string(), text);
        }
    }
}

/// Writes the value of a key: on the same line when it fits there, else below.
fn entry(value: &Value, depth: usize, text: &mut String) {
    let below = match value {
        Value::Object(entries) if !entries.is_empty() => depth + 1,
        Value::Array(items) if !items.is_empty() => depth,
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            text.push(' ');
            return block(value, depth, text);
        }
    };
    text.push('\n');
    indent(below, text);
    block(value, below, text);
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn line(scalar: &str, text: &mut String) {
    text.push_str(scalar);
    text.push('\n');
}

/// A string as it is where YAML reads it as that string, else quoted.
fn scalar(found: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || " ./-_,()`".contains(c);
    let is_reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(found));
    let is_plain = found.starts_with(|c: char| c.is_ascii_alphabetic())
        && found.chars().all(is_word)
        && !found.ends_with(' ')
        && !is_reserved;
    if is_plain {
        found.to_owned()
    } else {
        Value::from(found).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_quoted() {
        let value = json!({
            "plain": "a sentence, with words.",
            "enum": ["True", "no", "HEAD", "60s"],
            "empty": {}, "none": [], "number": -1, "switch": true,
            "list": [{"a": "b", "c": [1]}, {"d": {"e": "f: g"}}],
            "pattern": r"^(\d+)$",
        });
        let expected = r#"empty: {}
enum:
- "True"
- "no"
- HEAD
- "60s"
list:
- a: b
  c:
  - 1
- d:
    e: "f: g"
none: []
number: -1
pattern: "^(\\d+)$"
plain: a sentence, with words.
switch: true
"#;
        assert_eq!(to_yaml(&value), expected);
    }
}
