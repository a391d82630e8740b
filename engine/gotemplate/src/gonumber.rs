//! Numbers and text, to and fro, as Go's `strconv` does it.

/// `strconv.ParseInt` with 64 bits; base 0 goes by the prefix and takes underscores.
pub(crate) fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(digits, base)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// `strconv.ParseUint` with 64 bits.
pub(crate) fn parse_uint(text: &str, base: u32) -> Option<u64> {
    if base != 0 {
        return all_digits(text, base).then(|| u64::from_str_radix(text, base).ok())?;
    }
    if text.contains('_') && !are_underscores_fine(text) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&*lower, 10),
    };
    let digits = digits.replace('_', "");
    all_digits(&digits, radix).then(|| u64::from_str_radix(&digits, radix).ok())?
}

fn all_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|digit| digit.is_digit(radix))
}

/// Whether underscores stand only between digits, or between a prefix and a digit.
fn are_underscores_fine(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let prefixed = text.len() >= 2
        && text.starts_with('0')
        && text[1..].starts_with(['b', 'B', 'o', 'O', 'x', 'X']);
    let hexadecimal = prefixed && text[1..].starts_with(['x', 'X']);
    let mut last = if prefixed { '0' } else { '^' };
    for each in text.chars().skip(if prefixed { 2 } else { 0 }) {
        if each.is_ascii_digit() || hexadecimal && each.is_ascii_hexdigit() {
            last = '0';
        } else if each == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// `strconv.ParseFloat` with 64 bits; what is out of range is none.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let plain;
    let mut text = text;
    if text.contains('_') {
        if !are_underscores_fine(text) {
            return None;
        }
        plain = text.replace('_', "");
        text = &plain;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let float = parse_hexadecimal(&unsigned[2..])?;
        return Some(if text.starts_with('-') { -float } else { float });
    }
    let lower = unsigned.to_ascii_lowercase();
    if matches!(&*lower, "inf" | "infinity") {
        return text.parse().ok();
    }
    if lower == "nan" {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    float.is_finite().then_some(float)
}

/// A mantissa of at most 15 digits and an exponent; more digits lose what a float cannot hold.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a float has")]
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.len() > 15 {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let exponent: i32 = exponent.parse().ok()?;
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let float = value * 2f64.powi(exponent.checked_sub(shift)?);
    float.is_finite().then_some(float)
}

/// The shortest digits that read back, and the power of ten of the first.
fn shortest(float: f64) -> (String, i32) {
    let text = format!("{:e}", float.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Go's `Inf` and `NaN`, where a float is one.
fn not_finite(float: f64) -> Option<&'static str> {
    if float.is_nan() {
        return Some("NaN");
    }
    float
        .is_infinite()
        .then_some(if float > 0.0 { "+Inf" } else { "-Inf" })
}

/// `strconv.FormatFloat(float, 'g', -1, 64)`, which is what `%v` prints: from a million on, and
/// below 1e-4, with an exponent.
pub(crate) fn general(float: f64) -> String {
    if let Some(text) = not_finite(float) {
        return text.to_owned();
    }
    let (digits, exponent) = shortest(float);
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if !(-4..6).contains(&exponent) {
        return format!("{sign}{}", exponential(&digits, exponent));
    }
    format!("{sign}{}", positional(&digits, exponent))
}

/// `1.5e+06`
pub(crate) fn exponential(digits: &str, exponent: i32) -> String {
    let point = if digits.len() > 1 { "." } else { "" };
    let sign = if exponent < 0 { '-' } else { '+' };
    let (first, rest) = digits.split_at(1);
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

fn positional(digits: &str, exponent: i32) -> String {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("0.{zeros}{digits}");
    };
    if whole == 0 {
        return format!("0.{digits}");
    }
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{}.{}", &digits[..whole], &digits[whole..])
}

/// A float as `encoding/json` writes it.
pub(crate) fn json_float(float: f64) -> String {
    let size = float.abs();
    let (digits, exponent) = shortest(float);
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = exponential(&digits, exponent);
        // e-09 is written e-9.
        let text = match text.rfind("e-0") {
            Some(at) if at + 4 == text.len() => text[..at + 2].to_owned() + &text[at + 3..],
            _ => text,
        };
        return format!("{sign}{text}");
    }
    format!("{sign}{}", positional(&digits, exponent))
}

/// With `precision` digits behind the point (`%.2f`).
pub(crate) fn fixed(float: f64, precision: usize) -> String {
    match not_finite(float) {
        Some(text) => text.to_owned(),
        None => format!("{float:.precision$}"),
    }
}

/// With `precision` digits behind the first (`%.2e`), or as many as needed.
pub(crate) fn scientific(float: f64, precision: Option<usize>) -> String {
    if let Some(text) = not_finite(float) {
        return text.to_owned();
    }
    let text = match precision {
        Some(precision) => format!("{:.precision$e}", float.abs()),
        None => format!("{:e}", float.abs()),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if float.is_sign_negative() { "-" } else { "" };
    format!(
        "{sign}{}",
        exponential(&digits.replace('.', ""), exponent.parse().unwrap_or(0))
    )
}

/// With `precision` digits in all (`%.3g`), without zeros at the end.
pub(crate) fn general_within(float: f64, precision: usize) -> String {
    if let Some(text) = not_finite(float) {
        return text.to_owned();
    }
    let precision = precision.max(1);
    let text = format!("{:.*e}", precision - 1, float.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = digits.replace('.', "");
    let trimmed = digits.trim_end_matches('0');
    let digits = if trimmed.is_empty() { "0" } else { trimmed };
    let sign = if float.is_sign_negative() { "-" } else { "" };
    if exponent < -4 || exponent >= i32::try_from(precision).unwrap_or(i32::MAX) {
        return format!("{sign}{}", exponential(digits, exponent));
    }
    format!("{sign}{}", positional(digits, exponent))
}
