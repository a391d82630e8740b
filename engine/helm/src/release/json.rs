//! JSON as Go's `encoding/json` writes it: `<`, `>`, `&` and two line separators escaped, numbers of a map of
//! any type through float64.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The bytes of `value`.
pub(super) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Go);
    value.serialize(&mut serializer).expect(
        "records are maps of text to what JSON can say, and a vector takes what is written to it",
    );
    bytes
}

struct Go;

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, escaped) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let Some(special) = escaped.chars().next() else {
                break;
            };
            write!(writer, "\\u{:04x}", u32::from(special))?;
            rest = &escaped[special.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_number_str<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        number: &str,
    ) -> io::Result<()> {
        writer.write_all(number_of_go(number).as_bytes())
    }
}

/// A number that was read into a float64 and is written again.
fn number_of_go(number: &str) -> String {
    const EXACT: i64 = 1 << 53;
    if number.parse::<i64>().is_ok_and(|it| it.abs() <= EXACT) {
        return number.to_owned();
    }
    let Ok(float) = number.parse::<f64>() else {
        return number.to_owned();
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            Some(_) | None => text,
        };
    }
    format!("{float}")
}

#[cfg(test)]
mod tests {
    use super::{number_of_go, to_vec};

    #[test]
    fn texts_and_numbers_are_written_as_go_writes_them() {
        let written = to_vec(&serde_json::json!({"a": "<b> & \"c\"\n\u{2028}"}));
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"a":"\u003cb\u003e \u0026 \"c\"\n\u2028"}"#
        );
        for (number, expected) in [
            ("80", "80"),
            ("-5", "-5"),
            ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740992"),
            ("0.5", "0.5"),
            ("1.0", "1"),
            ("1e3", "1000"),
            ("1e21", "1e+21"),
            ("0.0000001", "1e-7"),
            ("0.000001", "0.000001"),
        ] {
            assert_eq!(number_of_go(number), expected, "{number}");
        }
    }
}
