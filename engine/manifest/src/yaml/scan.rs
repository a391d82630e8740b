//! From the text of YAML to its tokens, by the rules of go.yaml.in/yaml/v3 (v3.0.5, `scannerc.go`),
//! which are libyaml's: more is allowed than in the standard, such as a quoted text or a closing
//! bracket that stands further left than its parent.
//!
//! What the tokens mean together is for `event.rs`.

mod text;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Error;

/// Where in a text something begins, both from 0; columns are counted in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
    /// In bytes.
    pub(super) offset: usize,
}

impl Mark {
    pub(super) fn error(self, message: impl Into<String>) -> Error {
        Error {
            line: self.line + 1,
            column: self.column + 1,
            message: message.into(),
        }
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    StreamEnd,
    /// `%YAML` with its version, which must be 1.1.
    Version(Cow<'a, str>),
    /// `%TAG` with a handle and what it stands for.
    TagHandle(&'a str, Cow<'a, str>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// Handle and suffix.
    Tag(&'a str, Cow<'a, str>),
    Scalar(Cow<'a, str>, Style),
}

#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) mark: Mark,
}

/// A place where a key may have begun that only its `:` will tell.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Nothing but a key can stand there.
    required: bool,
    /// Which token it would be, counted from the beginning.
    token: usize,
    mark: Mark,
}

/// Collections inside each other, as in libyaml; readers of values allow less.
const LEVELS_MAX: usize = 10_000;

/// A key without `?` is on one line, and no longer than this in bytes.
const SIMPLE_KEY_BYTES_MAX: usize = 1_024;

pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: usize,
    /// Where the line begins, and how many of its bytes so far begin no character.
    line_start: usize,
    continuations: usize,
    tokens: VecDeque<Token<'a>>,
    /// How many tokens were taken.
    taken: usize,
    ended: bool,
    /// The column of the innermost block collection, -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    /// One for the block context and one for each open bracket.
    simple_keys: Vec<SimpleKey>,
    simple_key_allowed: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Error> {
        check_characters(text)?;
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 0,
            line_start: 0,
            continuations: 0,
            tokens: VecDeque::with_capacity(8),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::with_capacity(16),
            simple_keys: vec![SimpleKey::default()],
            simple_key_allowed: true,
        })
    }

    /// The next token, which stays; at the end of the text [`Kind::StreamEnd`], again and again.
    pub(super) fn peek(&mut self) -> Result<&Token<'a>, Error> {
        while !self.ended && (self.tokens.is_empty() || self.is_undecided()?) {
            self.fetch()?;
        }
        if self.tokens.is_empty() {
            let end = self.mark();
            self.push(Kind::StreamEnd, end);
        }
        Ok(&self.tokens[0])
    }

    /// Takes the token that [`Scanner::peek`] showed.
    pub(super) fn take(&mut self) -> Result<Token<'a>, Error> {
        let mark = self.peek()?.mark;
        self.taken += 1;
        let taken = self.tokens.pop_front();
        Ok(taken.unwrap_or(Token {
            kind: Kind::StreamEnd,
            mark,
        }))
    }

    /// Whether the next token may turn out to be a key.
    fn is_undecided(&mut self) -> Result<bool, Error> {
        let open = self.simple_keys.iter().position(|key| key.possible);
        let Some(oldest) = open else {
            return Ok(false);
        };
        // Keys further in began later: the oldest is the first.
        if self.simple_keys[oldest].token != self.taken {
            return Ok(false);
        }
        self.is_valid_key(oldest)
    }

    fn is_valid_key(&mut self, level: usize) -> Result<bool, Error> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.line || key.mark.offset + SIMPLE_KEY_BYTES_MAX < self.at {
            if key.required {
                return Err(key.mark.error("could not find expected ':'"));
            }
            self.simple_keys[level].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn is_flow(&self) -> bool {
        self.simple_keys.len() > 1
    }

    fn mark(&self) -> Mark {
        Mark {
            line: self.line,
            column: self.at - self.line_start - self.continuations,
            offset: self.at,
        }
    }

    fn column(&self) -> isize {
        isize::try_from(self.mark().column).unwrap_or(isize::MAX)
    }

    /// The byte at a distance; 0, which no text holds, behind the end.
    fn peek_byte(&self, distance: usize) -> u8 {
        self.bytes.get(self.at + distance).copied().unwrap_or(0)
    }

    /// Goes past bytes of one line.
    fn skip(&mut self, count: usize) {
        let end = (self.at + count).min(self.bytes.len());
        let passed = &self.bytes[self.at..end];
        if !passed.is_ascii() {
            self.continuations += passed.iter().filter(|byte| is_continuation(**byte)).count();
        }
        self.at = end;
    }

    /// Goes past one line break.
    fn skip_break(&mut self) {
        self.at += break_length(self.bytes, self.at);
        self.line += 1;
        self.line_start = self.at;
        self.continuations = 0;
    }

    fn is_break_at(&self, distance: usize) -> bool {
        break_length(self.bytes, self.at + distance) > 0
    }

    fn is_blank_or_end_at(&self, distance: usize) -> bool {
        matches!(self.peek_byte(distance), b' ' | b'\t' | b'\n' | b'\r' | 0)
            || self.is_break_at(distance)
    }

    fn push(&mut self, kind: Kind<'a>, mark: Mark) {
        self.tokens.push_back(Token { kind, mark });
    }

    /// Adds at least one token, unless the text is at its end.
    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll(self.column());
        let mark = self.mark();
        if self.at == self.bytes.len() {
            return self.fetch_end(mark);
        }
        let first = self.bytes[self.at];
        if mark.column == 0 {
            if first == b'%' {
                self.leave_block()?;
                return self.fetch_directive(mark);
            }
            if let Some(kind) = self.document_indicator() {
                self.leave_block()?;
                self.skip(3);
                self.push(kind, mark);
                return Ok(());
            }
        }
        let flow = self.is_flow();
        match first {
            b'[' => self.open(Kind::FlowSequenceStart, mark),
            b'{' => self.open(Kind::FlowMappingStart, mark),
            b']' => self.close(Kind::FlowSequenceEnd, mark),
            b'}' => self.close(Kind::FlowMappingEnd, mark),
            b',' => {
                self.remove_key()?;
                self.indicator(Kind::FlowEntry, mark, true);
                Ok(())
            }
            b'-' if self.is_blank_or_end_at(1) => self.fetch_block_entry(mark),
            b'?' if flow || self.is_blank_or_end_at(1) => self.fetch_key(mark),
            b':' if flow || self.is_blank_or_end_at(1) => self.fetch_value(mark),
            b'*' | b'&' | b'!' => {
                self.save_key(mark)?;
                self.simple_key_allowed = false;
                let kind = self.scan_property(first, mark)?;
                self.push(kind, mark);
                Ok(())
            }
            b'|' | b'>' if !flow => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                let style = if first == b'|' {
                    Style::Literal
                } else {
                    Style::Folded
                };
                let text = self.scan_block(style, mark)?;
                self.push(Kind::Scalar(text, style), mark);
                Ok(())
            }
            b'\'' | b'"' => {
                self.save_key(mark)?;
                self.simple_key_allowed = false;
                let kind = self.scan_quoted(first, mark)?;
                self.push(kind, mark);
                Ok(())
            }
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => Err(unexpected(mark)),
            _ => {
                self.save_key(mark)?;
                self.simple_key_allowed = false;
                let text = self.scan_plain(mark)?;
                self.push(Kind::Scalar(text, Style::Plain), mark);
                Ok(())
            }
        }
    }

    fn fetch_end(&mut self, mark: Mark) -> Result<(), Error> {
        // A key that is still open at the end of the last line has no value.
        self.line += usize::from(mark.column > 0);
        self.leave_block()?;
        self.push(Kind::StreamEnd, mark);
        self.ended = true;
        Ok(())
    }

    fn document_indicator(&self) -> Option<Kind<'a>> {
        let kind = match self.bytes.get(self.at..self.at + 3)? {
            b"---" => Kind::DocumentStart,
            b"..." => Kind::DocumentEnd,
            _ => return None,
        };
        self.is_blank_or_end_at(3).then_some(kind)
    }

    /// Closes all blocks; what follows is no key.
    fn leave_block(&mut self) -> Result<(), Error> {
        self.unroll(-1);
        self.remove_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    /// An indicator of one byte.
    fn indicator(&mut self, kind: Kind<'a>, mark: Mark, key_allowed: bool) {
        self.simple_key_allowed = key_allowed;
        self.skip(1);
        self.push(kind, mark);
    }

    fn open(&mut self, kind: Kind<'a>, mark: Mark) -> Result<(), Error> {
        self.save_key(mark)?;
        if self.simple_keys.len() > LEVELS_MAX {
            return Err(mark.error(format!("nested more than {LEVELS_MAX} deep")));
        }
        self.simple_keys.push(SimpleKey::default());
        self.indicator(kind, mark, true);
        Ok(())
    }

    fn close(&mut self, kind: Kind<'a>, mark: Mark) -> Result<(), Error> {
        self.remove_key()?;
        if self.is_flow() {
            self.simple_keys.pop();
        }
        self.indicator(kind, mark, false);
        Ok(())
    }

    fn fetch_block_entry(&mut self, mark: Mark) -> Result<(), Error> {
        if !self.is_flow() {
            if !self.simple_key_allowed {
                return Err(mark.error("block sequence entries are not allowed in this context"));
            }
            self.roll(mark, None, Kind::BlockSequenceStart)?;
        }
        self.remove_key()?;
        self.indicator(Kind::BlockEntry, mark, true);
        Ok(())
    }

    fn fetch_key(&mut self, mark: Mark) -> Result<(), Error> {
        let block = !self.is_flow();
        if block {
            if !self.simple_key_allowed {
                return Err(mark.error("mapping keys are not allowed in this context"));
            }
            self.roll(mark, None, Kind::BlockMappingStart)?;
        }
        self.remove_key()?;
        self.indicator(Kind::Key, mark, block);
        Ok(())
    }

    fn fetch_value(&mut self, mark: Mark) -> Result<(), Error> {
        let level = self.simple_keys.len() - 1;
        let key_allowed = if self.is_valid_key(level)? {
            let key = self.simple_keys[level];
            let position = key.token - self.taken;
            let token = Token {
                kind: Kind::Key,
                mark: key.mark,
            };
            self.tokens.insert(position, token);
            self.roll(key.mark, Some(position), Kind::BlockMappingStart)?;
            self.simple_keys[level].possible = false;
            false
        } else {
            let block = !self.is_flow();
            if block {
                if !self.simple_key_allowed {
                    return Err(mark.error("mapping values are not allowed in this context"));
                }
                self.roll(mark, None, Kind::BlockMappingStart)?;
            }
            block
        };
        self.indicator(Kind::Value, mark, key_allowed);
        Ok(())
    }

    /// Notes that a key may begin here.
    fn save_key(&mut self, mark: Mark) -> Result<(), Error> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        self.remove_key()?;
        let key = SimpleKey {
            possible: true,
            required: !self.is_flow() && self.indent == self.column(),
            token: self.taken + self.tokens.len(),
            mark,
        };
        if let Some(last) = self.simple_keys.last_mut() {
            *last = key;
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), Error> {
        let level = self.simple_keys.len() - 1;
        if self.is_valid_key(level)? && self.simple_keys[level].required {
            return Err(self.simple_keys[level]
                .mark
                .error("could not find expected ':'"));
        }
        self.simple_keys[level].possible = false;
        Ok(())
    }

    /// Opens a block collection when its first entry stands further right.
    fn roll(&mut self, mark: Mark, position: Option<usize>, kind: Kind<'a>) -> Result<(), Error> {
        let column = isize::try_from(mark.column).unwrap_or(isize::MAX);
        if self.is_flow() || self.indent >= column {
            return Ok(());
        }
        if self.indents.len() >= LEVELS_MAX {
            return Err(mark.error(format!("nested more than {LEVELS_MAX} deep")));
        }
        self.indents.push(self.indent);
        self.indent = column;
        let position = position.unwrap_or(self.tokens.len());
        self.tokens.insert(position, Token { kind, mark });
        Ok(())
    }

    /// Closes the block collections that stand further right than `column`.
    fn unroll(&mut self, column: isize) {
        if self.is_flow() {
            return;
        }
        while self.indent > column {
            let mark = self.mark();
            self.push(Kind::BlockEnd, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Goes past blanks, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            if self.at == self.line_start
                && self.bytes[self.at..].starts_with("\u{feff}".as_bytes())
            {
                self.at += '\u{feff}'.len_utf8();
                self.line_start = self.at;
            }
            let tabs = self.is_flow() || !self.simple_key_allowed;
            while matches!(self.peek_byte(0), b' ') || (tabs && self.peek_byte(0) == b'\t') {
                self.at += 1;
            }
            if self.peek_byte(0) == b'#' {
                self.skip_line();
            }
            if !self.is_break_at(0) {
                return;
            }
            self.skip_break();
            if !self.is_flow() {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Goes to the end of the line.
    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        let mut length = 0;
        while let Some(&byte) = rest.get(length) {
            if matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2) && break_length(rest, length) > 0 {
                break;
            }
            length += 1;
        }
        self.skip(length);
    }
}

fn unexpected(mark: Mark) -> Error {
    mark.error("found character that cannot start any token")
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The length of the line break at a position; 0 when there is none.
fn break_length(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => 2,
        Some(b'\n' | b'\r') => 1,
        Some(0xc2) if bytes.get(at + 1) == Some(&0x85) => 2,
        Some(0xe2) if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => 3,
        _ => 0,
    }
}

/// Refuses characters that no YAML may hold.
fn check_characters(text: &str) -> Result<(), Error> {
    let plain = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    if text.as_bytes().iter().all(plain) {
        return Ok(());
    }
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    let Some((at, _)) = text
        .char_indices()
        .find(|(_, character)| !allowed(*character))
    else {
        return Ok(());
    };
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let mark = Mark {
        line: before.matches('\n').count(),
        column: before[line_start..].chars().count(),
        offset: at,
    };
    Err(mark.error("control characters are not allowed; write them as an escape in double quotes"))
}
