//! Quantities of Kubernetes: `1`, `"1000m"` and `"1"` are one amount.

use fluvial_manifest::Value;

/// The fields below which amounts are written.
const PLACES: [&str; 10] = [
    "limits",
    "requests",
    "capacity",
    "hard",
    "sizeLimit",
    "divisor",
    "min",
    "max",
    "default",
    "defaultRequest",
];

/// Suffixes with their factor in millionths of a thousandth; a longer one before its prefix.
const SUFFIXES: [(&str, i128); 16] = [
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", NANO * 1_000),
    ("M", NANO * 1_000_000),
    ("G", NANO * 1_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("E", NANO * 1_000_000_000_000_000_000),
    ("", NANO),
];

const NANO: i128 = 1_000_000_000;

/// Whether two values at a place for amounts are the same amount.
pub(super) fn is_same(desired: &Value, live: &Value, path: &str) -> bool {
    let is_amount = path
        .split(['.', '[', ']'])
        .any(|part| PLACES.contains(&part));
    is_amount && nanos(desired).is_some_and(|amount| nanos(live) == Some(amount))
}

/// The amount in billionths; `None` for what is no amount or too large to compare.
fn nanos(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (digits, factor) = SUFFIXES
        .into_iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !digits.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let mut amount = if whole.is_empty() {
        0
    } else {
        whole.parse::<i128>().ok()?
    }
    .checked_mul(factor)?;
    let mut scale = if whole.starts_with('-') {
        -factor
    } else {
        factor
    };
    for digit in fraction.bytes() {
        scale /= 10;
        amount = amount.checked_add(i128::from(digit.wrapping_sub(b'0')).checked_mul(scale)?)?;
    }
    is_number.then_some(amount)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_equal_however_they_are_written() {
        for (a, b, expected) in [
            (json!(1), json!("1"), true),
            (json!("1000m"), json!("1"), true),
            (json!(0.5), json!("500m"), true),
            (json!("1Gi"), json!("1024Mi"), true),
            (json!("1G"), json!("1000M"), true),
            (json!(".5"), json!("500m"), true),
            (json!("1Gi"), json!("1G"), false),
            (json!("1"), json!("2"), false),
            (json!("x"), json!("x1"), false),
            (json!(""), json!("0"), false),
            (
                json!("99999999999999999999999999999999999999999Ei"),
                json!("1"),
                false,
            ),
        ] {
            assert_eq!(
                is_same(&a, &b, "spec.resources.limits.cpu"),
                expected,
                "{a} {b}"
            );
        }
        assert!(!is_same(
            &json!("1.10"),
            &json!("1.1"),
            "metadata.labels.version"
        ));
    }
}
