//! Numbers as a template writes them, and every type that they fit.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "Go converts constants in just this way, and asks whether they came through exactly"
)]

use super::node::Number;
use super::token::Form;
use super::unquote::unquote_character;
use crate::format::quoted;
use crate::gonumber;
use crate::value::Value;

pub(super) fn read(text: &str, form: Form) -> Result<Number, String> {
    if form == Form::CharConstant {
        let code = i64::from(u32::from(unquote_character(text)?));
        return Ok(Number {
            text: Box::from(text),
            integer: Some(code),
            unsigned: u64::try_from(code).ok(),
            float: Some(code as f64),
            ideal: Some(Value::int(code)),
        });
    }
    if form == Form::Complex || text.ends_with('i') {
        return Err(format!(
            "complex number {text}: Fluvial has none; write it as a string"
        ));
    }
    let mut number = Number {
        text: Box::from(text),
        integer: gonumber::parse_int(text, 0),
        unsigned: gonumber::parse_uint(text, 0),
        float: None,
        ideal: None,
    };
    if number.integer == Some(0) && number.unsigned.is_none() {
        number.unsigned = Some(0);
    }
    if let Some(integer) = number.integer {
        number.float = Some(integer as f64);
    } else if let Some(unsigned) = number.unsigned {
        number.float = Some(unsigned as f64);
    } else if let Some(float) = gonumber::parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quoted(text.as_bytes())));
        }
        number.float = Some(float);
        number.integer = Some(float as i64).filter(|&integer| integer as f64 == float);
        number.unsigned = Some(float as u64).filter(|&unsigned| unsigned as f64 == float);
    } else {
        return Err(format!(
            "illegal number syntax: {}",
            quoted(text.as_bytes())
        ));
    }
    number.ideal = ideal(&number);
    Ok(number)
}

/// The syntax says what it is: a fraction or an exponent makes a float.
fn ideal(number: &Number) -> Option<Value> {
    let text = &*number.text;
    let hexadecimal = text.len() > 2
        && (text.starts_with("0x") || text.starts_with("0X"))
        && !text.contains(['p', 'P']);
    if let Some(float) = number.float
        && !hexadecimal
        && text.contains(['.', 'e', 'E', 'p', 'P'])
    {
        return Some(Value::Float(float));
    }
    number.integer.map(Value::int)
}
