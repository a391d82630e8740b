//! DER, the bytes of keys and certificates, and PEM, their text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const IDENTIFIER: u8 = 0x06;
pub(super) const UTF8: u8 = 0x0c;
pub(super) const PRINTABLE: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// A tag, the length, and what is in it.
pub(super) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.extend(u8::try_from(length));
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
        out.extend(u8::try_from(bytes.len()).map(|count| 0x80 | count));
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(SEQUENCE, &parts.concat())
}

pub(super) fn integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes[0] & 0x80 != 0 {
        bytes.insert(0, 0);
    }
    tagged(INTEGER, &bytes)
}

/// An object identifier, already encoded.
pub(super) fn identifier(encoded: &[u8]) -> Vec<u8> {
    tagged(IDENTIFIER, encoded)
}

/// Whole bytes as a string of bits.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    tagged(BITS, &[&[0], bytes].concat())
}

/// Reads values one after the other.
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

/// A value that was read.
#[derive(Clone, Copy)]
pub(super) struct Part<'d> {
    pub(super) tag: u8,
    pub(super) content: &'d [u8],
    /// With its tag and length.
    pub(super) whole: &'d [u8],
}

impl<'d> Reader<'d> {
    pub(super) fn next(&mut self) -> Option<Part<'d>> {
        let whole = self.0;
        let (&tag, rest) = whole.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let fits = bytes.len() <= 4;
            let length = bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte));
            (fits.then_some(length)?, rest)
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        let whole = &whole[..whole.len() - after.len()];
        Some(Part {
            tag,
            content,
            whole,
        })
    }

    /// The next value, if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Part<'d>> {
        self.next().filter(|part| part.tag == tag)
    }

    pub(super) fn number(&mut self) -> Option<BigUint> {
        self.expect(INTEGER)
            .map(|part| BigUint::from_bytes_be(part.content))
    }
}

/// Bytes as PEM.
pub(super) fn pem(kind: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {kind}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {kind}-----\n"));
    out
}

/// The kind and bytes of the first PEM block of a text.
pub(super) fn from_pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let body = body.rsplit("\n\n").next().unwrap_or(body);
    let digits: String = body.split_whitespace().collect();
    Some((kind.to_owned(), STANDARD.decode(digits).ok()?))
}
