//! What a plain or tagged scalar means: the resolution of go.yaml.in/yaml/v3 (`resolve.go`,
//! v3.0.4), with numbers written as Go's `encoding/json` writes them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

/// Why a scalar has no value.
pub(super) type Refusal = String;

/// The value of a plain scalar without a tag.
pub(super) fn plain(text: &str) -> Result<Value, Refusal> {
    let Some(first) = text.bytes().next() else {
        return Ok(Value::Null);
    };
    if !matches!(
        first,
        b'+' | b'-' | b'.' | b'0'..=b'9' | b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F'
    ) {
        return Ok(Value::String(text.to_owned()));
    }
    match text {
        "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if is_not_finite(text) {
        return Err(format!(
            "{text} has no form in JSON; quote it if it is text"
        ));
    }
    if let Some(value) = timestamp(text) {
        return Ok(Value::String(value));
    }
    Ok(number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// As [`plain`], but a decimal that is a number in JSON too keeps its text.
pub(super) fn verbatim(text: &str) -> Result<Value, Refusal> {
    let value = plain(text)?;
    let decimal = matches!(&value, Value::Number(_)) && text.contains(['.', 'e', 'E']);
    if decimal && let Ok(number) = text.parse::<Number>() {
        return Ok(Value::Number(number));
    }
    Ok(value)
}

/// A folded block as it reads back after go.yaml.in/yaml/v3 has written it once, which kustomize
/// makes of every object: where an indented line follows one that is not, an empty line is added.
pub(super) fn refolded(text: Cow<'_, str>) -> String {
    let blank = |line: &str| line.starts_with([' ', '\t']);
    if !text.contains("\n ") && !text.contains("\n\t") || blank(text.trim_start_matches('\n')) {
        return text.into_owned();
    }
    let mut refolded = String::with_capacity(text.len() + 8);
    let mut after_text = false;
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            refolded.push('\n');
        }
        if after_text && blank(line) {
            refolded.push('\n');
        }
        refolded.push_str(line);
        if !line.is_empty() {
            after_text = !blank(line);
        }
    }
    refolded
}

/// The booleans that YAML 1.1 has and 1.2 has not.
pub(super) fn yaml11_boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Text as it is, unless it says null.
pub(super) fn text_or_null(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        text => Value::String(text.to_owned()),
    }
}

/// A number's canonical text, where it differs.
pub(super) fn canonical(written: &Number) -> Option<Number> {
    let text = written.as_str();
    if !text.contains(['.', 'e', 'E']) {
        return None;
    }
    float(text).filter(|canonical| canonical.as_str() != text)
}

/// The value of a scalar with an explicit tag, its prefix `tag:yaml.org,2002:` removed.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Value, Refusal> {
    let wrong = || Err(format!("cannot decode {text:?} as !!{tag}"));
    match tag {
        "null" | "bool" | "int" => match (tag, plain(text)?) {
            ("null", value @ Value::Null) | ("bool", value @ Value::Bool(_)) => Ok(value),
            ("int", Value::Number(number)) if !number.as_str().contains(['.', 'e']) => {
                Ok(Value::Number(number))
            }
            _ => wrong(),
        },
        "float" => match plain(text)? {
            Value::Number(number) => Ok(Value::Number(number)),
            _ => wrong(),
        },
        "timestamp" => timestamp(text).map_or_else(wrong, |value| Ok(Value::String(value))),
        "binary" => {
            let compact: String = text.split_ascii_whitespace().collect();
            let bytes = STANDARD
                .decode(compact)
                .map_err(|error| format!("cannot decode !!binary: {error}"))?;
            Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
        }
        // `str`, and tags that mean nothing here.
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Whether a reader of YAML 1.1 would take this plain text for something other than text; as
/// go.yaml.in/yaml/v2 (v2.4.4, `resolve.go`) decides when it writes.
pub(super) fn is_ambiguous(text: &str) -> bool {
    let Some(first) = text.bytes().next() else {
        return true;
    };
    match first {
        b'+' | b'-' | b'.' | b'0'..=b'9' => {
            is_not_finite(text)
                || number(text).is_some()
                || timestamp(text).is_some()
                || is_sexagesimal(text)
        }
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            text.len() <= 5
                && (yaml11_boolean(text).is_some()
                    || matches!(
                        text,
                        "true"
                            | "True"
                            | "TRUE"
                            | "false"
                            | "False"
                            | "FALSE"
                            | "~"
                            | "null"
                            | "Null"
                            | "NULL"
                    ))
        }
        _ => false,
    }
}

/// `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`: numbers of base 60, such as `1:30`.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let loose = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut count = 0;
    let minutes = parts.all(|part| {
        count += 1;
        match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
            _ => false,
        }
    });
    minutes
        && count > 0
        && first.starts_with(|first: char| first.is_ascii_digit())
        && loose(first)
        && loose(fraction)
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// A number as Go reads it, in the text Go's JSON gives it; `None` when it is text after all.
fn number(text: &str) -> Option<Number> {
    let stripped;
    let digits = if text.contains('_') && !text.starts_with('.') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    integer(digits).or_else(|| float(digits))
}

fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (0, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    if sign == 0 {
        return u64::try_from(magnitude).ok().map(Number::from);
    }
    i64::try_from(magnitude * sign).ok().map(Number::from)
}

fn float(text: &str) -> Option<Number> {
    if !is_decimal(text) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    go_float(value).parse().ok()
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(text);
    let mut rest = &text[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return false;
    };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// A finite float as Go's `encoding/json` prints it.
fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                format!("{mantissa}e+{exponent}")
            }
            _ => text,
        };
    }
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    value.to_string()
}

/// A float as Go's `strconv` formats it with `g` and the fewest digits that read back.
pub(super) fn go_exponential(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) && value != 0.0 => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

/// A timestamp in the forms Go's YAML accepts, as Go's JSON prints it (RFC 3339).
fn timestamp(text: &str) -> Option<String> {
    if text.len() < 8
        || text.as_bytes()[4] != b'-'
        || !text.as_bytes()[..4].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let (year, rest) = (&text[..4], &text[5..]);
    let (month, rest) = short_number(rest, 1, 12)?;
    let (day, rest) = short_number(rest.strip_prefix('-')?, 1, 31)?;
    if day > days_in(year.parse().ok()?, month) {
        return None;
    }
    let date = format!("{year}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let zoned = rest.starts_with(['T', 't']);
    let (hour, rest) = short_number(rest.strip_prefix(['T', 't', ' '])?, 0, 23)?;
    let (minute, rest) = short_number(rest.strip_prefix(':')?, 0, 59)?;
    let (second, mut rest) = short_number(rest.strip_prefix(':')?, 0, 59)?;
    let mut fraction = String::new();
    if let Some(after) = rest.strip_prefix('.') {
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        let kept = after[..count.min(9)].trim_end_matches('0');
        if count == 0 {
            return None;
        }
        if !kept.is_empty() {
            fraction = format!(".{kept}");
        }
        rest = &after[count..];
    }
    let zone = if zoned {
        zone(rest)?
    } else {
        rest.is_empty().then_some("Z")?
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

fn zone(text: &str) -> Option<&str> {
    match text {
        "Z" | "+00:00" | "-00:00" => Some("Z"),
        _ => {
            let (hour, rest) = short_number(text.strip_prefix(['+', '-'])?, 0, 24)?;
            let (minute, rest) = short_number(rest.strip_prefix(':')?, 0, 60)?;
            (text.len() == 6 && rest.is_empty() && hour <= 24 && minute <= 60).then_some(text)
        }
    }
}

/// One or two digits within bounds, and what follows them.
fn short_number(text: &str, least: u32, most: u32) -> Option<(u32, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let value = text[..count].parse().ok()?;
    (least..=most)
        .contains(&value)
        .then_some((value, &text[count..]))
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right-hand side is what `kustomize build` v5.8.2 prints for the left-hand side.
    #[test]
    fn scalars_mean_what_kustomize_says_they_mean() {
        let cases = [
            ("no", r#""no""#),
            ("on", r#""on""#),
            ("0o17", "15"),
            ("017", "15"),
            ("1e3", "1000"),
            ("1_000", "1000"),
            ("2001-01-01", r#""2001-01-01T00:00:00Z""#),
            ("2001-1-1", r#""2001-01-01T00:00:00Z""#),
            ("2001-02-29", r#""2001-02-29""#),
            ("2001-01-01 10:00:00", r#""2001-01-01T10:00:00Z""#),
            ("2001-01-01T10:00:00Z", r#""2001-01-01T10:00:00Z""#),
            (
                "2001-01-01T10:00:00.120+02:00",
                r#""2001-01-01T10:00:00.12+02:00""#,
            ),
            ("2001-01-01T10:00:00", r#""2001-01-01T10:00:00""#),
            ("~", "null"),
            ("", "null"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.0", "1"),
            ("1.10", "1.1"),
            ("08", "8"),
            ("0x1F", "31"),
            ("y", r#""y""#),
            ("1:30", r#""1:30""#),
            ("+5", "5"),
            ("0.0000001", "1e-7"),
            (".5", "0.5"),
            ("1.", "1"),
            ("-0", "0"),
            ("=", r#""=""#),
            ("0b11", "3"),
            ("1e400", r#""1e400""#),
            ("100000000000000000000000.0", "1e+23"),
            ("1__0", "10"),
            ("-0o17", "-15"),
            ("0o8", r#""0o8""#),
            ("0x", r#""0x""#),
            ("-", r#""-""#),
            (".", r#"".""#),
            ("1.2.3", r#""1.2.3""#),
            ("True", "true"),
            ("tRue", r#""tRue""#),
        ];
        for (text, want) in cases {
            assert_eq!(
                plain(text).map(|value| value.to_string()),
                Ok(want.to_owned()),
                "{text}"
            );
        }
        assert!(plain(".inf").is_err() && plain("-.INF").is_err() && plain(".nan").is_err());
    }

    /// The right-hand side is what `kustomize build` v5.8.2 prints for a folded block of the left.
    #[test]
    fn folded_blocks_are_changed_as_kustomize_changes_them() {
        for (text, want) in [
            ("a b\n", "a b\n"),
            ("[\n  a\n]", "[\n\n  a\n]"),
            ("a\n\n  b\n  c\nd\n", "a\n\n\n  b\n  c\nd\n"),
            ("  a\nb\n  c", "  a\nb\n  c"),
        ] {
            assert_eq!(refolded(text.into()), want, "{text:?}");
        }
    }

    #[test]
    fn tags_decide_or_refuse() {
        let cases = [
            ("str", "5", Some(r#""5""#)),
            ("float", "5", Some("5")),
            ("float", "a", None),
            ("int", "5", Some("5")),
            ("int", "a", None),
            ("int", "1.5", None),
            ("bool", "true", Some("true")),
            ("bool", "yes", None),
            ("null", "~", Some("null")),
            ("binary", "aGVs bG8=", Some(r#""hello""#)),
            ("binary", "%", None),
        ];
        for (tag, text, want) in cases {
            let got = tagged(tag, text).ok().map(|value| value.to_string());
            assert_eq!(got.as_deref(), want, "!!{tag} {text}");
        }
    }

    #[test]
    fn text_that_some_reader_takes_for_a_number_or_boolean_is_ambiguous() {
        for text in [
            "",
            "no",
            "Yes",
            "off",
            "y",
            "null",
            "~",
            "1",
            "1.5",
            "0x1",
            "0o7",
            "0b1",
            "1:30",
            ".inf",
            "2001-01-01",
            "1_0",
            "-1",
            "+1.",
        ] {
            assert!(is_ambiguous(text), "{text}");
        }
        for text in [
            "nope", "v1", "1.2.3", "a", "x1", "10.0.0.1", "1m", "-a", "never", "0o8", "0x",
            "1e400", "<<", "=", "+", "-", "1:99", "yES",
        ] {
            assert!(!is_ambiguous(text), "{text}");
        }
    }
}
