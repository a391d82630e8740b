//! `strconv.Quote`: text in double quotes, with everything escaped that does not print.

use std::fmt::Write;

/// Text in double quotes, as `%q` prints it.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    quoted_as(bytes, is_printable)
}

/// As [`quoted`], with everything beyond ASCII escaped too (`%+q`).
pub(crate) fn quoted_ascii(bytes: &[u8]) -> String {
    quoted_as(bytes, |character| (' '..='~').contains(&character))
}

fn quoted_as(bytes: &[u8], prints: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(&mut out, character, '"', &prints);
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes everything");
        }
    }
    out.push('"');
    out
}

/// A character in single quotes.
pub(super) fn quoted_character(character: char, ascii: bool) -> String {
    let mut out = String::from("'");
    let prints = |each: char| is_printable(each) && (!ascii || each.is_ascii());
    escape(&mut out, character, '\'', &prints);
    out.push('\'');
    out
}

fn escape(out: &mut String, character: char, quote: char, prints: &impl Fn(char) -> bool) {
    let short = match character {
        '\\' => '\\',
        each if each == quote => quote,
        each if prints(each) => return out.push(each),
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        other => {
            let code = u32::from(other);
            let written = match code {
                0..=0x1f | 0x7f => write!(out, "\\x{code:02x}"),
                0x80..=0xffff => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return written.expect("a String takes everything");
        }
    };
    out.push('\\');
    out.push(short);
}

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, and the space of ASCII.
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    // Behind a letter a mark is itself; what does not print is escaped wherever it stands.
    let mut text = [b'a'; 5];
    let length = 1 + character.encode_utf8(&mut text[1..]).len();
    let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
    text.escape_debug().count() == 2
}
