//! Values that are new in every rendering: drawn from the seed, so that the same seed draws them
//! again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Function, Outcome, int, size, str};
use crate::Execution;
use crate::error::Error;
use crate::value::{Type, Value};

const I: Type = Type::Int;

const DIGITS: &str = "0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("randAlpha", &[I], |execution, values| {
        drawn(execution, values, LETTERS)
    }),
    Function::new("randAlphaNum", &[I], |execution, values| {
        drawn(execution, values, &format!("{DIGITS}{LETTERS}"))
    }),
    Function::new("randAscii", &[I], |execution, values| {
        let printable: String = (' '..='~').collect();
        drawn(execution, values, &printable)
    }),
    Function::new("randBytes", &[I], |execution, values| {
        let Ok(count) = usize::try_from(int(&values[0])) else {
            return Err(Error::plain("runtime error: makeslice: len out of range"));
        };
        execution.meter.text(count.saturating_mul(2))?;
        Ok(Value::text(STANDARD.encode(execution.random.bytes(count))))
    }),
    Function::new("randInt", &[I, I], |execution, values| {
        let (least, end) = (int(&values[0]), int(&values[1]));
        match end
            .checked_sub(least)
            .and_then(|range| u64::try_from(range).ok())
        {
            Some(range) if range > 0 => {
                let drawn = i64::try_from(execution.random.below(range)).unwrap_or_default();
                Ok(Value::int(least + drawn))
            }
            _ => Err(Error::plain("invalid argument to Intn")),
        }
    }),
    Function::new("randNumeric", &[I], |execution, values| {
        drawn(execution, values, DIGITS)
    }),
    Function::new("shuffle", &[Type::Text], |execution, values| {
        let mut characters: Vec<char> = str(&values[0]).chars().collect();
        for last in (1..characters.len()).rev() {
            let other = execution.random.below(last as u64 + 1);
            characters.swap(last, usize::try_from(other).unwrap_or_default());
        }
        Ok(Value::text(characters.into_iter().collect::<String>()))
    }),
    Function::new("uuidv4", &[], |execution, _| {
        let mut bytes = execution.random.bytes(16);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = super::crypto::hex(&bytes);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        Ok(Value::text(parts.join("-")))
    }),
];

fn drawn(execution: &mut Execution<'_>, values: &[Value], from: &str) -> Outcome {
    let count = size(&values[0]);
    execution.meter.text(count)?;
    let from = from.as_bytes();
    let text = (0..count).map(|_| {
        let at = execution.random.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or_default()]
    });
    Ok(Value::text(text.collect::<Vec<u8>>()))
}
