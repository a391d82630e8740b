//! Go's quoted strings and characters, as `strconv.Unquote` reads them.

/// The bytes of a string in double quotes or backquotes.
pub(super) fn unquote(literal: &str) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "invalid syntax";
    if let Some(raw) = literal.strip_prefix('`') {
        let raw = raw.strip_suffix('`').ok_or(WRONG)?;
        return Ok(raw.bytes().filter(|&byte| byte != b'\r').collect());
    }
    let mut rest = literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(WRONG)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let plain = rest.find('\\').unwrap_or(rest.len());
        bytes.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
        if !rest.is_empty() {
            let (unit, after) = escape(rest, '"').ok_or(WRONG)?;
            unit.write(&mut bytes);
            rest = after;
        }
    }
    Ok(bytes)
}

/// The character of a constant in single quotes.
pub(super) fn unquote_character(literal: &str) -> Result<char, String> {
    const WRONG: &str = "invalid syntax";
    let rest = literal.strip_prefix('\'').ok_or(WRONG)?;
    let (character, rest) = match rest.chars().next().ok_or(WRONG)? {
        '\'' => return Err(WRONG.to_owned()),
        '\\' => match escape(rest, '\'').ok_or(WRONG)? {
            (Unit::Character(character), rest) => (character, rest),
            (Unit::Byte(byte), rest) => (char::from(byte), rest),
        },
        plain => (plain, &rest[plain.len_utf8()..]),
    };
    if rest != "'" {
        return Err(format!("malformed character constant: {literal}"));
    }
    Ok(character)
}

/// What an escape stands for: `\x` and octal name bytes, the others characters.
enum Unit {
    Byte(u8),
    Character(char),
}

impl Unit {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(*byte),
            Self::Character(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// Reads one escape, and gives what is behind it.
fn escape(rest: &str, quote: char) -> Option<(Unit, &str)> {
    let rest = rest.strip_prefix('\\')?;
    let first = rest.chars().next()?;
    let after = &rest[first.len_utf8()..];
    let digits = |text: &'_ str, count: usize, radix: u32| -> Option<u32> {
        let digits = text.get(..count)?;
        let all = digits.chars().all(|digit| digit.is_digit(radix));
        all.then(|| u32::from_str_radix(digits, radix).ok())?
    };
    let character = match first {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if first == quote => quote,
        'x' => {
            let byte = u8::try_from(digits(after, 2, 16)?).ok()?;
            return Some((Unit::Byte(byte), &after[2..]));
        }
        'u' => {
            return Some((
                Unit::Character(char::from_u32(digits(after, 4, 16)?)?),
                &after[4..],
            ));
        }
        'U' => {
            return Some((
                Unit::Character(char::from_u32(digits(after, 8, 16)?)?),
                &after[8..],
            ));
        }
        '0'..='7' => {
            let byte = u8::try_from(digits(rest, 3, 8)?).ok()?;
            return Some((Unit::Byte(byte), &rest[3..]));
        }
        _ => return None,
    };
    Some((Unit::Character(character), after))
}
