//! One spelling for equal objects, and its SHA-256.
//!
//! Digests of secret values must be keyed; that is left to whoever holds the key.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Compact JSON with sorted keys: the same bytes for the same value, on any machine.
pub fn canonical(value: &Value) -> Vec<u8> {
    // `Map` is a `BTreeMap` here, so the keys are sorted; a test below holds it to that.
    value.to_string().into_bytes()
}

/// The SHA-256 of the canonical bytes, in lower-case hexadecimal.
pub fn sha256(value: &Value) -> String {
    hex(&Sha256::digest(canonical(value)))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_whatever_the_order_of_writing() {
        let value = json!({"b": {"z": 1, "y": [true, null, "x"]}, "a": 1.5});
        assert_eq!(
            canonical(&value),
            br#"{"a":1.5,"b":{"y":[true,null,"x"],"z":1}}"#
        );
    }

    #[test]
    fn the_digest_is_plain_sha256() {
        assert_eq!(
            sha256(&json!({})),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }
}
