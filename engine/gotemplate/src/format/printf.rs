//! `fmt.Sprintf`: verbs, flags, widths, precisions and argument indexes; what does not fit is
//! printed as Go prints it (`%!d(string=x)`).

use super::quote::quoted_character;
use super::{quoted, quoted_ascii, stringer, write};
use crate::gonumber;
use crate::value::{Items, Object, Value};

/// A wider or more precise verb than this is refused, as in Go.
const SIZE_MAX: i64 = 1_000_000;

/// Formats values.
pub(crate) fn printf(format: &[u8], values: &[Value]) -> Vec<u8> {
    let mut printer = Printer {
        format,
        at: 0,
        values,
        next: 0,
        reordered: false,
        index_is_good: true,
        out: Vec::with_capacity(format.len() + 16 * values.len()),
    };
    printer.run();
    printer.out
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a verb has just these flags")]
struct Flags {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    /// `%#v`
    go_syntax: bool,
    /// `%+v`
    field_names: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

struct Printer<'p> {
    format: &'p [u8],
    at: usize,
    values: &'p [Value],
    next: usize,
    reordered: bool,
    index_is_good: bool,
    out: Vec<u8>,
}

impl Printer<'_> {
    fn run(&mut self) {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let plain = rest
                .iter()
                .position(|&byte| byte == b'%')
                .unwrap_or(rest.len());
            self.out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            if self.at < self.format.len() {
                self.at += 1;
                self.directive();
            }
        }
        if !self.reordered && self.next < self.values.len() {
            self.extra();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn directive(&mut self) {
        self.index_is_good = true;
        let mut flags = Flags::default();
        loop {
            match self.peek() {
                Some(b'#') => flags.sharp = true,
                Some(b'0') => flags.zero = true,
                Some(b'+') => flags.plus = true,
                Some(b'-') => flags.minus = true,
                Some(b' ') => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        let mut after_index = self.index();
        self.width(&mut flags, &mut after_index);
        self.precision(&mut flags, &mut after_index);
        if !after_index {
            self.index();
        }
        self.verb(flags);
    }

    /// `[3]`: which value comes next. Whether one was named.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at + 1..];
        let Some(length) = rest.iter().position(|&byte| byte == b']') else {
            self.index_is_good = false;
            self.at += 1;
            return false;
        };
        let number = std::str::from_utf8(&rest[..length]).ok();
        let number = number.and_then(|text| text.parse::<usize>().ok());
        self.at += length + 2;
        match number {
            Some(index) if (1..=self.values.len()).contains(&index) => {
                self.next = index - 1;
                true
            }
            _ => {
                self.index_is_good = false;
                // A number that is too large was found all the same.
                number.is_some()
            }
        }
    }

    fn number(&mut self) -> Option<usize> {
        let mut number: Option<usize> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let value = number.unwrap_or(0) * 10 + usize::from(digit - b'0');
            if value > 1_000_000 {
                return None;
            }
            number = Some(value);
            self.at += 1;
        }
        number
    }

    /// The next value as a width or precision.
    fn size_from_value(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Value::Integer(integer) => {
                Some(integer.value).filter(|size| (-SIZE_MAX..=SIZE_MAX).contains(size))
            }
            _ => None,
        }
    }

    fn width(&mut self, flags: &mut Flags, after_index: &mut bool) {
        if self.peek() != Some(b'*') {
            flags.width = self.number();
            if *after_index && flags.width.is_some() {
                self.index_is_good = false;
            }
            return;
        }
        self.at += 1;
        match self.size_from_value() {
            Some(size) => {
                if size < 0 {
                    flags.minus = true;
                    flags.zero = false;
                }
                flags.width = usize::try_from(size.unsigned_abs()).ok();
            }
            None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
        }
        *after_index = false;
    }

    fn precision(&mut self, flags: &mut Flags, after_index: &mut bool) {
        if self.peek() != Some(b'.') || self.at + 1 >= self.format.len() {
            return;
        }
        self.at += 1;
        if *after_index {
            self.index_is_good = false;
        }
        *after_index = self.index();
        if self.peek() != Some(b'*') {
            flags.precision = Some(self.number().unwrap_or(0));
            return;
        }
        self.at += 1;
        if let Some(size) = self.size_from_value() {
            flags.precision = usize::try_from(size).ok();
        }
        if flags.precision.is_none() {
            self.out.extend_from_slice(b"%!(BADPREC)");
        }
        *after_index = false;
    }

    fn verb(&mut self, mut flags: Flags) {
        let rest = &self.format[self.at..];
        if rest.is_empty() {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        }
        let chunk = rest
            .utf8_chunks()
            .next()
            .map(|chunk| chunk.valid().chars().next());
        let verb = chunk.flatten();
        self.at += verb.map_or(1, char::len_utf8);
        let verb = verb.unwrap_or(char::REPLACEMENT_CHARACTER);
        if verb == '%' {
            self.out.push(b'%');
        } else if !self.index_is_good {
            self.out
                .extend_from_slice(format!("%!{verb}(BADINDEX)").as_bytes());
        } else if self.next >= self.values.len() {
            self.out
                .extend_from_slice(format!("%!{verb}(MISSING)").as_bytes());
        } else {
            if matches!(verb, 'v' | 'w') {
                flags.go_syntax = std::mem::take(&mut flags.sharp);
                flags.field_names = std::mem::take(&mut flags.plus);
            }
            let value = &self.values[self.next];
            self.next += 1;
            argument(&mut self.out, value, verb, flags, 0);
        }
    }

    fn extra(&mut self) {
        self.out.extend_from_slice(b"%!(EXTRA ");
        for (index, value) in self.values[self.next..].iter().enumerate() {
            if index > 0 {
                self.out.extend_from_slice(b", ");
            }
            if !matches!(value, Value::Nil) {
                self.out.extend_from_slice(value.type_name().as_bytes());
                self.out.push(b'=');
            }
            write(&mut self.out, value);
        }
        self.out.push(b')');
    }
}

/// Writes one value for a verb.
#[expect(clippy::too_many_lines, reason = "one table of kinds")]
fn argument(out: &mut Vec<u8>, value: &Value, verb: char, flags: Flags, depth: usize) {
    if verb == 'T' && depth == 0 {
        return pad(out, value.type_name().as_bytes(), flags);
    }
    if let Value::Nil = value {
        return match verb {
            // In a list or map it is an empty interface, which prints so whatever the verb.
            _ if depth > 0 => out.extend_from_slice(b"<nil>"),
            'v' => pad(out, b"<nil>", flags),
            _ => bad_verb(out, value, verb),
        };
    }
    if matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
        && !flags.go_syntax
        && let Some(text) = stringer(value)
    {
        return string(out, value, text.as_bytes(), verb, flags);
    }
    match value {
        Value::Nil => {}
        Value::Bool(flag) => match verb {
            't' | 'v' => pad(out, if *flag { b"true" } else { b"false" }, flags),
            _ => bad_verb(out, value, verb),
        },
        Value::Integer(number) => {
            if !integer(out, number.value, number.kind.is_unsigned(), verb, flags) {
                bad_verb(out, value, verb);
            }
        }
        Value::Float(number) => {
            if !float(out, *number, verb, flags) {
                bad_verb(out, value, verb);
            }
        }
        Value::Text(text) => string(out, value, text.as_bytes(), verb, flags),
        Value::List(list) if list.items() == Items::Bytes && "sqxX".contains(verb) => {
            let bytes = crate::functions::bytes_of(list);
            string(out, value, &bytes, verb, flags);
        }
        Value::List(list) => {
            let (open, close): (&[u8], u8) = if flags.go_syntax {
                (b"{", b'}')
            } else {
                (b"[", b']')
            };
            if flags.go_syntax {
                out.extend_from_slice(list.type_name().as_bytes());
            }
            out.extend_from_slice(open);
            for (index, item) in list.iter().enumerate() {
                separate(out, index, flags);
                argument(out, item, verb, flags, depth + 1);
            }
            out.push(close);
        }
        Value::Map(map) => {
            if flags.go_syntax {
                out.extend_from_slice(map.type_name().as_bytes());
                out.push(b'{');
            } else {
                out.extend_from_slice(b"map[");
            }
            for (index, (key, value)) in map.entries().iter().enumerate() {
                separate(out, index, flags);
                argument(out, &Value::Text(key.clone()), verb, flags, depth + 1);
                out.push(b':');
                argument(out, value, verb, flags, depth + 1);
            }
            out.push(if flags.go_syntax { b'}' } else { b']' });
        }
        Value::Time(time) => pad(out, time.to_string().as_bytes(), flags),
        Value::Object(inner) => object(out, &**inner, verb, flags, depth),
    }
}

fn separate(out: &mut Vec<u8>, index: usize, flags: Flags) {
    if index > 0 {
        out.extend_from_slice(if flags.go_syntax { b", " } else { b" " });
    }
}

fn object(out: &mut Vec<u8>, object: &dyn Object, verb: char, flags: Flags, depth: usize) {
    if let Some(value) = object.underlying() {
        return argument(out, &value, verb, flags, depth);
    }
    let name = object.type_name();
    if name.starts_with('*') {
        out.push(b'&');
    }
    if flags.go_syntax {
        out.extend_from_slice(name.trim_start_matches('*').as_bytes());
    }
    out.push(b'{');
    for (index, (name, value)) in object.fields().iter().enumerate() {
        separate(out, index, flags);
        if flags.field_names || flags.go_syntax {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
        }
        argument(out, value, verb, flags, depth + 1);
    }
    out.push(b'}');
}

fn bad_verb(out: &mut Vec<u8>, value: &Value, verb: char) {
    out.extend_from_slice(format!("%!{verb}(").as_bytes());
    if !matches!(value, Value::Nil) {
        out.extend_from_slice(value.type_name().as_bytes());
        out.push(b'=');
    }
    write(out, value);
    out.push(b')');
}

fn string(out: &mut Vec<u8>, value: &Value, bytes: &[u8], verb: char, flags: Flags) {
    match verb {
        'v' if flags.go_syntax => pad(out, quoted(bytes).as_bytes(), flags),
        'v' | 's' => pad(out, truncated(bytes, flags), flags),
        'q' => {
            let bytes = truncated(bytes, flags);
            let text = match std::str::from_utf8(bytes) {
                Ok(text) if flags.sharp && can_backquote(text) => format!("`{text}`"),
                _ if flags.plus => quoted_ascii(bytes),
                _ => quoted(bytes),
            };
            pad(out, text.as_bytes(), flags);
        }
        'x' | 'X' => {
            let count = flags
                .precision
                .map_or(bytes.len(), |most| most.min(bytes.len()));
            let mut text = String::new();
            for (index, byte) in bytes[..count].iter().enumerate() {
                if flags.space && index > 0 {
                    text.push(' ');
                }
                if flags.sharp && (index == 0 || flags.space) {
                    text.push('0');
                    text.push(verb);
                }
                text.push_str(&if verb == 'x' {
                    format!("{byte:02x}")
                } else {
                    format!("{byte:02X}")
                });
            }
            pad(out, text.as_bytes(), flags);
        }
        _ => bad_verb(out, value, verb),
    }
}

fn can_backquote(text: &str) -> bool {
    text.chars().all(|each| {
        each != '\u{feff}' && each != '`' && each != '\u{7f}' && (each == '\t' || each >= ' ')
    })
}

/// The first so many characters.
fn truncated(bytes: &[u8], flags: Flags) -> &[u8] {
    let Some(most) = flags.precision else {
        return bytes;
    };
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(most) {
        Some((at, _)) if at <= bytes.len() => &bytes[..at],
        _ => bytes,
    }
}

fn pad(out: &mut Vec<u8>, bytes: &[u8], flags: Flags) {
    let count = String::from_utf8_lossy(bytes).chars().count();
    let missing = flags.width.unwrap_or(0).saturating_sub(count);
    let filler = if flags.zero && !flags.minus {
        b'0'
    } else {
        b' '
    };
    if !flags.minus {
        out.extend(std::iter::repeat_n(filler, missing));
    }
    out.extend_from_slice(bytes);
    if flags.minus {
        out.extend(std::iter::repeat_n(b' ', missing));
    }
}

/// Writes an integer; whether the verb is one for integers.
#[expect(clippy::too_many_lines, reason = "one table of verbs and one of signs")]
fn integer(out: &mut Vec<u8>, value: i64, unsigned: bool, verb: char, mut flags: Flags) -> bool {
    let magnitude = if unsigned {
        value.cast_unsigned()
    } else {
        value.unsigned_abs()
    };
    let negative = !unsigned && value < 0;
    let character = || {
        let code = u32::try_from(value).ok();
        code.and_then(char::from_u32)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let mut digits = match verb {
        'v' if flags.go_syntax && unsigned => format!("{magnitude:#x}"),
        'v' | 'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => {
            pad(out, character().to_string().as_bytes(), flags);
            return true;
        }
        'q' => {
            pad(
                out,
                quoted_character(character(), flags.plus).as_bytes(),
                flags,
            );
            return true;
        }
        'U' => {
            let mut text = format!("U+{:0>1$X}", magnitude, flags.precision.unwrap_or(4).max(4));
            if flags.sharp && super::is_printable(character()) {
                text.push_str(&format!(" '{}'", character()));
            }
            flags.zero = false;
            pad(out, text.as_bytes(), flags);
            return true;
        }
        _ => return false,
    };
    if flags.precision == Some(0) && value == 0 {
        flags.zero = false;
        pad(out, b"", flags);
        return true;
    }
    let signed = negative || flags.plus || flags.space;
    let least = flags.precision.unwrap_or_else(|| {
        let fills = flags.zero && !flags.minus;
        let width = flags.width.filter(|_| fills).unwrap_or(0);
        width.saturating_sub(usize::from(signed))
    });
    if digits.len() < least {
        digits.insert_str(0, &"0".repeat(least - digits.len()));
    }
    let prefix = match verb {
        'b' if flags.sharp => "0b",
        'o' if flags.sharp && !digits.starts_with('0') => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        'O' => "0o",
        _ => "",
    };
    let sign = match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    flags.zero = false;
    pad(out, format!("{sign}{prefix}{digits}").as_bytes(), flags);
    true
}

/// Writes a float; whether the verb is one for floats.
fn float(out: &mut Vec<u8>, value: f64, verb: char, mut flags: Flags) -> bool {
    let text = match (verb, flags.precision) {
        ('v' | 'g' | 'G', None) => gonumber::general(value),
        ('v' | 'g' | 'G', Some(precision)) => gonumber::general_within(value, precision),
        ('f' | 'F', precision) => gonumber::fixed(value, precision.unwrap_or(6)),
        ('e' | 'E', precision) => gonumber::scientific(value, Some(precision.unwrap_or(6))),
        _ => return false,
    };
    let text = if matches!(verb, 'G' | 'E') {
        text.to_uppercase()
    } else {
        text
    };
    let (sign, number) = match text.strip_prefix(['-', '+']) {
        Some(number) => (&text[..1], number),
        None => ("+", &*text),
    };
    let sign = match sign {
        "+" if flags.plus => "+",
        "+" if flags.space => " ",
        "+" if number.starts_with('I') && text.starts_with('+') => "+",
        "+" => "",
        other => other,
    };
    if number.starts_with(['I', 'N']) {
        flags.zero = false;
    }
    if flags.zero && !flags.minus && !sign.is_empty() {
        out.extend_from_slice(sign.as_bytes());
        flags.width = flags.width.map(|width| width.saturating_sub(1));
        pad(out, number.as_bytes(), flags);
    } else {
        pad(out, format!("{sign}{number}").as_bytes(), flags);
    }
    true
}
