//! The YAML that almost every file keeps to, straight to values: blocks that are indented by spaces,
//! texts and brackets that end on their line, and literal blocks.
//!
//! It answers only what it knows for certain. Everything else, and every error, is left to the grammar
//! (`scan.rs`, `event.rs`); what both read, both read alike, to which `tests.rs` holds them.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{Limits, Place, Reading};
use crate::yaml::scan::Style;

/// A longer key is none for the grammar.
const KEY_BYTES_MAX: usize = 1_000;

/// All documents of a text; `None` when the text is not as simple as that.
pub(super) fn documents(text: &str, limits: &Limits, reading: Reading<'_>) -> Option<Vec<Value>> {
    if matches!(reading, Reading::Loose) || !has_common_characters(text) {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        column: None,
        limits,
        reading,
    };
    reader.documents()
}

/// Neither controls nor what breaks lines elsewhere than in ASCII.
fn has_common_characters(text: &str) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\n' | 0x20..=0x7e);
    let common = |character: char| {
        matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
            && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    text.as_bytes().iter().all(plain) || text.chars().all(common)
}

struct Reader<'a, 'o> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the line that is to be read next begins; nothing at the end of a document.
    column: Option<usize>,
    limits: &'o Limits,
    reading: Reading<'o>,
}

impl<'a> Reader<'a, '_> {
    fn documents(&mut self) -> Option<Vec<Value>> {
        let mut documents = Vec::new();
        let mut count = 0;
        self.next_line()?;
        while self.column.is_some() || self.at < self.bytes.len() {
            count += 1;
            if count > self.limits.documents {
                return None;
            }
            if self.column.is_none() {
                self.at += 3;
                self.end_line()?;
            }
            if let Some(column) = self.column {
                documents.push(self.block(column, Place::root())?);
            }
            if self.column.is_some() {
                return None;
            }
        }
        Some(documents)
    }

    /// The byte at a distance; a newline behind the end.
    fn peek(&self, distance: usize) -> u8 {
        self.bytes.get(self.at + distance).copied().unwrap_or(b'\n')
    }

    fn is_blank(&self, distance: usize) -> bool {
        matches!(self.peek(distance), b' ' | b'\n')
    }

    fn is_entry(&self) -> bool {
        self.peek(0) == b'-' && self.is_blank(1)
    }

    fn skip_spaces(&mut self) {
        while self.peek(0) == b' ' && self.at < self.bytes.len() {
            self.at += 1;
        }
    }

    fn skip_to_newline(&mut self) {
        let rest = self.bytes[self.at..].iter();
        self.at += rest.take_while(|byte| **byte != b'\n').count();
    }

    /// Goes past what may stand behind a value, to the next line that says something.
    fn end_line(&mut self) -> Option<()> {
        let spaces = self.at;
        self.skip_spaces();
        match self.peek(0) {
            b'\n' => {}
            b'#' if self.at > spaces => self.skip_to_newline(),
            _ => return None,
        }
        self.at += 1;
        self.next_line()
    }

    /// From the beginning of a line to the first that says something.
    fn next_line(&mut self) -> Option<()> {
        loop {
            let start = self.at.min(self.bytes.len());
            self.at = start;
            self.skip_spaces();
            if self.at == self.bytes.len() {
                self.column = None;
                return Some(());
            }
            match self.peek(0) {
                b'\n' => self.at += 1,
                b'#' => {
                    self.skip_to_newline();
                    self.at += 1;
                }
                first => {
                    let column = self.at - start;
                    let rest = &self.bytes[self.at..];
                    if column == 0 && rest.starts_with(b"---") {
                        self.column = None;
                        return self.is_blank(3).then_some(());
                    }
                    self.column = Some(column);
                    let is_directive = matches!(first, b'%' | b'.') && column == 0;
                    return (!is_directive).then_some(());
                }
            }
        }
    }

    /// A list or a map that begins here.
    fn block(&mut self, column: usize, place: Place) -> Option<Value> {
        if place.depth > self.limits.depth {
            return None;
        }
        if self.is_entry() {
            self.sequence(column, place)
        } else {
            self.mapping(column, place)
        }
    }

    fn sequence(&mut self, column: usize, place: Place) -> Option<Value> {
        let mut items = Vec::new();
        while self.column == Some(column) && self.is_entry() {
            let dash = self.at;
            self.at += 1;
            self.skip_spaces();
            let inner = column + (self.at - dash);
            let is_block = self.peek(0) != b'\n' && (self.is_entry() || self.is_key());
            items.push(if is_block {
                self.column = Some(inner);
                self.block(inner, place.inside())?
            } else {
                self.at = dash + 1;
                self.value(column, place.inside(), false)?
            });
        }
        (self.column <= Some(column)).then_some(Value::Array(items))
    }

    fn mapping(&mut self, column: usize, place: Place) -> Option<Value> {
        let mut map = Map::new();
        while self.column == Some(column) && !self.is_entry() {
            let key = self.key(place)?;
            let below = place.below(&key, self.reading.text_at());
            let value = self.value(column, below, true)?;
            self.insert(&mut map, key, value)?;
        }
        // What stands further right is part of the last value, or wrong; an entry after a map is wrong.
        let ends = self.column < Some(column) && !map.is_empty();
        ends.then_some(Value::Object(map))
    }

    fn insert(&self, map: &mut Map<String, Value>, key: String, value: Value) -> Option<()> {
        match map.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
            Entry::Occupied(mut occupied) => {
                if !matches!(self.reading, Reading::Kustomization) {
                    return None;
                }
                occupied.insert(value);
            }
        }
        Some(())
    }

    /// Where the key that begins here ends, which is before its colon.
    fn key_end(&self) -> Option<usize> {
        let end = match self.peek(0) {
            b'"' | b'\'' => self.quoted_end()? + 1,
            _ => self.begins_plain().then(|| self.plain_end(self.at))?,
        };
        let is_key = self.bytes.get(end) == Some(&b':')
            && matches!(self.bytes.get(end + 1), None | Some(b' ' | b'\n'))
            && end - self.at < KEY_BYTES_MAX;
        is_key.then_some(end)
    }

    fn is_key(&self) -> bool {
        self.key_end().is_some()
    }

    /// Reads a key and its colon.
    fn key(&mut self, place: Place) -> Option<String> {
        let end = self.key_end()?;
        let written = &self.text[self.at..end];
        self.at = end + 1;
        if written.starts_with(['"', '\'']) {
            return Some(written[1..written.len() - 1].to_owned());
        }
        let text = written.trim_end_matches(' ');
        if text == "<<" {
            return None;
        }
        match self.plain(text, place.inside())? {
            Value::String(key) => Some(key),
            _ => None,
        }
    }

    /// The value behind a colon or a dash of a collection at `column`.
    fn value(&mut self, column: usize, place: Place, in_map: bool) -> Option<Value> {
        let start = self.at;
        self.skip_spaces();
        let value = match self.peek(0) {
            b'\n' | b'#' => {
                self.at = start;
                return self.value_below(column, place, in_map);
            }
            b'|' => return self.literal(column),
            b'"' | b'\'' => Value::String(self.quoted()?.to_owned()),
            b'[' | b'{' => self.flow(place)?,
            _ if self.begins_plain() => {
                let end = self.plain_end(self.at);
                // A colon here would make a key of it.
                if matches!(self.bytes.get(end), Some(b':')) {
                    return None;
                }
                let text = self.text[self.at..end].trim_end_matches(' ');
                self.at += text.len();
                self.plain(text, place)?
            }
            _ => return None,
        };
        self.end_line()?;
        (self.column <= Some(column)).then_some(value)
    }

    /// A value that begins on a line below, or none.
    fn value_below(&mut self, column: usize, place: Place, in_map: bool) -> Option<Value> {
        self.end_line()?;
        match self.column {
            Some(inner) if inner > column => self.block(inner, place),
            Some(inner) if inner == column && in_map && self.is_entry() => self.block(inner, place),
            Some(_) | None => self.plain("", place),
        }
    }

    fn plain(&self, text: &str, place: Place) -> Option<Value> {
        if place.depth > self.limits.depth {
            return None;
        }
        let meaning = self.reading.scalar(text.into(), Style::Plain, None, place);
        meaning.ok()
    }

    /// Whether a text without quotes begins here.
    fn begins_plain(&self) -> bool {
        match self.peek(0) {
            b'-' => !self.is_blank(1),
            b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|'
            | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' | b' ' | b'\n' => false,
            _ => true,
        }
    }

    /// Where a text without quotes ends: at the colon of a key, a comment or the end of the line.
    fn plain_end(&self, start: usize) -> usize {
        let rest = &self.bytes[start..];
        let ends = |(at, byte): (usize, &u8)| match byte {
            b'\n' => true,
            b':' => matches!(rest.get(at + 1), None | Some(b' ' | b'\n')),
            b'#' => at > 0 && rest[at - 1] == b' ',
            _ => false,
        };
        start + rest.iter().enumerate().position(ends).unwrap_or(rest.len())
    }

    /// Where the closing quote is, if it is on this line and nothing before it stands for something else.
    fn quoted_end(&self) -> Option<usize> {
        let quote = self.peek(0);
        let rest = &self.bytes[self.at + 1..];
        let special = |byte: &u8| matches!(byte, b'\n' | b'\\') || *byte == quote;
        let length = rest.iter().position(special)?;
        let closes = rest[length] == quote && rest.get(length + 1) != Some(&quote);
        closes.then_some(self.at + 1 + length)
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let end = self.quoted_end()?;
        let text = &self.text[self.at + 1..end];
        self.at = end + 1;
        Some(text)
    }

    /// A block behind `|`.
    fn literal(&mut self, column: usize) -> Option<Value> {
        self.at += 1;
        let chomping = self.peek(0);
        self.at += usize::from(matches!(chomping, b'-' | b'+'));
        if self.peek(0) != b'\n' || self.at + 1 >= self.bytes.len() {
            return None;
        }
        self.at += 1;
        let indent = self.spaces();
        if indent <= column || self.peek(indent) == b'\n' {
            return None;
        }
        let mut text = String::new();
        // How much of the text remains when the line breaks at its end are taken off.
        let mut length = 0;
        while self.at < self.bytes.len() {
            let spaces = self.spaces();
            let is_empty = self.peek(spaces) == b'\n';
            if spaces < indent && !is_empty {
                break;
            }
            self.at += spaces.min(indent);
            let start = self.at;
            self.skip_to_newline();
            text.push_str(&self.text[start..self.at]);
            if self.at > start {
                length = text.len();
            }
            if self.at < self.bytes.len() {
                text.push('\n');
                self.at += 1;
            }
        }
        match chomping {
            b'-' => text.truncate(length),
            b'+' => {}
            _ => text.truncate(text.len().min(length + 1)),
        }
        self.next_line()?;
        (self.column <= Some(column)).then_some(Value::String(text))
    }

    fn spaces(&self) -> usize {
        let rest = self.bytes[self.at..].iter();
        rest.take_while(|byte| **byte == b' ').count()
    }

    /// A value in brackets, or inside of them.
    fn flow(&mut self, place: Place) -> Option<Value> {
        match self.peek(0) {
            b'[' => self.flow_sequence(place.within(true)),
            b'{' => self.flow_mapping(place.within(true)),
            b'"' | b'\'' => Some(Value::String(self.quoted()?.to_owned())),
            _ => {
                let text = self.word()?;
                self.plain(text, place)
            }
        }
    }

    /// A text without quotes in brackets that holds nothing that means something there.
    fn word(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let common = |byte: &&u8| {
            byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'.' | b'/' | b'-')
        };
        let length = rest.iter().take_while(common).count();
        if length == 0 || rest[0] == b'-' {
            return None;
        }
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        Some(text)
    }

    fn flow_sequence(&mut self, place: Place) -> Option<Value> {
        let mut items = Vec::new();
        if place.depth > self.limits.depth {
            return None;
        }
        self.at += 1;
        self.skip_spaces();
        while self.peek(0) != b']' {
            items.push(self.flow(place.inside())?);
            self.flow_separator(b']')?;
        }
        self.at += 1;
        Some(Value::Array(items))
    }

    fn flow_mapping(&mut self, place: Place) -> Option<Value> {
        let mut map = Map::new();
        if place.depth > self.limits.depth {
            return None;
        }
        self.at += 1;
        self.skip_spaces();
        while self.peek(0) != b'}' {
            let is_quoted = matches!(self.peek(0), b'"' | b'\'');
            let Value::String(key) = self.flow(place.inside())? else {
                return None;
            };
            if self.peek(0) != b':' || !(is_quoted || self.peek(1) == b' ') {
                return None;
            }
            self.at += 1;
            self.skip_spaces();
            let value = self.flow(place.below(&key, self.reading.text_at()))?;
            self.insert(&mut map, key, value)?;
            self.flow_separator(b'}')?;
        }
        self.at += 1;
        Some(Value::Object(map))
    }

    /// Goes past a comma, behind which something follows, or up to the closing bracket.
    fn flow_separator(&mut self, closing: u8) -> Option<()> {
        self.skip_spaces();
        if self.peek(0) == b',' {
            self.at += 1;
            self.skip_spaces();
            return (self.peek(0) != closing).then_some(());
        }
        (self.peek(0) == closing).then_some(())
    }
}
