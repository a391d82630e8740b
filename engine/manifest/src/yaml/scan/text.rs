//! Scalars in their five styles; anchors, tags and directives.

use std::borrow::Cow;

use super::{Kind, Mark, Scanner, Style, break_length, is_continuation};
use crate::yaml::Error;

/// What stands between two words of a text of several lines.
#[derive(Default)]
struct Gap {
    /// Blanks, when both words are on one line.
    blanks: std::ops::Range<usize>,
    lines: Option<Lines>,
}

/// The line breaks of a gap.
#[derive(Default)]
struct Lines {
    /// Nothing when it was escaped.
    first: Option<char>,
    others: String,
}

impl Gap {
    /// Adds it to a text: one line break is a space, more of them are one less.
    fn fold(self, text: &str, into: &mut String) {
        let Some(lines) = self.lines else {
            into.push_str(&text[self.blanks]);
            return;
        };
        match lines.first {
            Some('\n') if lines.others.is_empty() => into.push(' '),
            Some('\n') | None => {}
            Some(other) => into.push(other),
        }
        into.push_str(&lines.others);
    }
}

impl<'a> Scanner<'a> {
    /// Goes past a line break: it is a newline, but U+2028 and U+2029 are themselves.
    fn read_break(&mut self) -> char {
        let length = break_length(self.bytes, self.at);
        let written = self.text[self.at..self.at + length].chars().next();
        self.skip_break();
        written
            .filter(|kept| matches!(kept, '\u{2028}' | '\u{2029}'))
            .unwrap_or('\n')
    }

    /// Goes past blanks and line breaks. An escaped line break has been passed when `broken`.
    fn read_gap(&mut self, broken: bool, indent: Option<isize>) -> Result<Gap, Error> {
        let mut gap = Gap {
            blanks: self.at..self.at,
            lines: broken.then(Lines::default),
        };
        loop {
            match self.peek_byte(0) {
                b'\t'
                    if gap.lines.is_some()
                        && indent.is_some_and(|indent| self.column() < indent) =>
                {
                    return Err(self
                        .mark()
                        .error("found a tab character that violates indentation"));
                }
                b' ' | b'\t' => self.at += 1,
                _ if self.is_break_at(0) => {
                    let read = self.read_break();
                    if let Some(lines) = &mut gap.lines {
                        lines.others.push(read);
                    } else {
                        let (first, others) = (Some(read), String::new());
                        gap.lines = Some(Lines { first, others });
                    }
                }
                _ => {
                    if gap.lines.is_none() {
                        gap.blanks.end = self.at;
                    }
                    return Ok(gap);
                }
            }
        }
    }

    pub(super) fn scan_plain(&mut self, mark: Mark) -> Result<Cow<'a, str>, Error> {
        let indent = self.indent + 1;
        let flow = self.is_flow();
        let mut text = Cow::Borrowed("");
        let mut gap = Gap::default();
        loop {
            if self.at == self.line_start && self.document_indicator().is_some()
                || self.peek_byte(0) == b'#'
            {
                break;
            }
            let length = self.plain_length(flow);
            if length > 0 {
                let word = &self.text[self.at..self.at + length];
                if mark.offset == self.at {
                    text = Cow::Borrowed(word);
                } else if gap.lines.is_none() && matches!(text, Cow::Borrowed(_)) {
                    text = Cow::Borrowed(&self.text[mark.offset..self.at + length]);
                } else {
                    let text = text.to_mut();
                    std::mem::take(&mut gap).fold(self.text, text);
                    text.push_str(word);
                }
                self.skip(length);
                gap = Gap::default();
            }
            if !self.is_blank_or_end_at(0) || self.at == self.bytes.len() {
                break;
            }
            gap = self.read_gap(false, Some(indent))?;
            if !flow && self.column() < indent {
                break;
            }
        }
        if gap.lines.is_some() {
            self.simple_key_allowed = true;
        }
        Ok(text)
    }

    /// The bytes of a plain text up to a blank or an indicator that ends it.
    fn plain_length(&self, flow: bool) -> usize {
        let rest = &self.bytes[self.at..];
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => break,
                b':' if self.is_blank_or_end_at(at + 1) => break,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if flow => break,
                0xc2 | 0xe2 if break_length(rest, at) > 0 => break,
                _ => at += 1,
            }
        }
        at
    }

    pub(super) fn scan_quoted(&mut self, quote: u8, mark: Mark) -> Result<Kind<'a>, Error> {
        self.skip(1);
        let style = if quote == b'\'' {
            Style::SingleQuoted
        } else {
            Style::DoubleQuoted
        };
        let start = self.at;
        let rest = &self.bytes[start..];
        let special =
            |byte: &u8| matches!(byte, b'\n' | b'\r' | b'\\' | 0xc2 | 0xe2) || *byte == quote;
        let length = rest.iter().position(special).unwrap_or(rest.len());
        if rest.get(length) == Some(&quote) && rest.get(length + 1) != Some(&b'\'') {
            // On one line, and nothing in it stands for something else.
            self.skip(length + 1);
            let text = Cow::Borrowed(&self.text[start..start + length]);
            return Ok(Kind::Scalar(text, style));
        }
        let mut text = String::new();
        loop {
            if self.at == self.line_start && self.document_indicator().is_some() {
                return Err(mark.error("found unexpected document indicator in a quoted text"));
            }
            if self.at == self.bytes.len() {
                return Err(mark.error("found unexpected end of stream in a quoted text"));
            }
            let broken = self.read_quoted_word(quote, mark, &mut text)?;
            if self.peek_byte(0) == quote {
                self.skip(1);
                return Ok(Kind::Scalar(Cow::Owned(text), style));
            }
            let gap = self.read_gap(broken, None)?;
            gap.fold(self.text, &mut text);
        }
    }

    /// Reads up to a blank or the closing quote; whether it ends in an escaped line break.
    fn read_quoted_word(
        &mut self,
        quote: u8,
        mark: Mark,
        text: &mut String,
    ) -> Result<bool, Error> {
        loop {
            match self.peek_byte(0) {
                b'\'' if quote == b'\'' && self.peek_byte(1) == b'\'' => {
                    text.push('\'');
                    self.skip(2);
                }
                b'\\' if quote == b'"' => {
                    if self.is_break_at(1) {
                        self.skip(1);
                        self.skip_break();
                        return Ok(true);
                    }
                    let escaped = self.read_escape(mark)?;
                    text.push(escaped);
                }
                byte if byte == quote => return Ok(false),
                _ if self.is_blank_or_end_at(0) => return Ok(false),
                _ => {
                    let rest = &self.bytes[self.at..];
                    let ends = |byte: &u8| {
                        matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\\' | 0xc2 | 0xe2)
                            || *byte == quote
                    };
                    let length = 1 + rest[1..].iter().position(ends).unwrap_or(rest.len() - 1);
                    // A character that began before the last byte ends after it.
                    let length = (length..=rest.len())
                        .find(|&length| rest.get(length).is_none_or(|byte| !is_continuation(*byte)))
                        .unwrap_or(length);
                    text.push_str(&self.text[self.at..self.at + length]);
                    self.skip(length);
                }
            }
        }
    }

    fn read_escape(&mut self, mark: Mark) -> Result<char, Error> {
        let digits = match self.peek_byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            code => {
                let character = match code {
                    b'0' => '\0',
                    b'a' => '\u{7}',
                    b'b' => '\u{8}',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\u{b}',
                    b'f' => '\u{c}',
                    b'r' => '\r',
                    b'e' => '\u{1b}',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{a0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => return Err(mark.error("found unknown escape character")),
                };
                self.skip(2);
                return Ok(character);
            }
        };
        let code = self.bytes.get(self.at + 2..self.at + 2 + digits);
        let code = code
            .filter(|code| code.iter().all(u8::is_ascii_hexdigit))
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .ok_or_else(|| mark.error("did not find expected hexadecimal number in an escape"))?;
        let character = char::from_u32(code)
            .ok_or_else(|| mark.error("found invalid Unicode character escape code"))?;
        self.skip(2 + digits);
        Ok(character)
    }

    pub(super) fn scan_block(&mut self, style: Style, mark: Mark) -> Result<Cow<'a, str>, Error> {
        self.skip(1);
        let (chomping, increment) = self.block_header(mark)?;
        let mut indent = (increment > 0).then(|| self.indent.max(0) + increment);
        let mut text = String::new();
        let mut trailing = String::new();
        let mut pending = String::new();
        let mut indented = false;
        self.block_breaks(&mut indent, &mut trailing)?;
        while Some(self.column()) == indent && self.at < self.bytes.len() {
            let blank = matches!(self.peek_byte(0), b' ' | b'\t');
            let fold = style == Style::Folded && !indented && !blank && pending.starts_with('\n');
            if !fold {
                text.push_str(&pending);
            } else if trailing.is_empty() {
                text.push(' ');
            }
            pending.clear();
            text.push_str(&trailing);
            trailing.clear();
            indented = blank;
            let start = self.at;
            self.skip_line();
            text.push_str(&self.text[start..self.at]);
            if self.at < self.bytes.len() {
                pending.push(self.read_break());
            }
            self.block_breaks(&mut indent, &mut trailing)?;
        }
        if chomping != Some(b'-') {
            text.push_str(&pending);
        }
        if chomping == Some(b'+') {
            text.push_str(&trailing);
        }
        Ok(Cow::Owned(text))
    }

    /// What stands after `|` or `>`: how the end is chomped, and by how much the text is indented.
    fn block_header(&mut self, mark: Mark) -> Result<(Option<u8>, isize), Error> {
        let (mut chomping, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.peek_byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
                b'0' if increment == 0 => {
                    return Err(mark.error("found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = isize::from(digit - b'0'),
                _ => break,
            }
            self.skip(1);
        }
        self.skip_blanks();
        if self.peek_byte(0) == b'#' {
            self.skip_line();
        }
        if self.is_break_at(0) {
            self.skip_break();
        } else if self.at < self.bytes.len() {
            return Err(
                mark.error("did not find expected comment or line break after a block indicator")
            );
        }
        Ok((chomping, increment))
    }

    /// Goes past indentation and empty lines; the first line with something in it sets the indent.
    fn block_breaks(
        &mut self,
        indent: &mut Option<isize>,
        breaks: &mut String,
    ) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            while indent.is_none_or(|indent| self.column() < indent) && self.peek_byte(0) == b' ' {
                self.at += 1;
            }
            deepest = deepest.max(self.column());
            if indent.is_none_or(|indent| self.column() < indent) && self.peek_byte(0) == b'\t' {
                return Err(self
                    .mark()
                    .error("found a tab character where an indentation space is expected"));
            }
            if !self.is_break_at(0) {
                break;
            }
            breaks.push(self.read_break());
        }
        indent.get_or_insert_with(|| deepest.max(self.indent + 1).max(1));
        Ok(())
    }

    /// An alias, an anchor or a tag.
    pub(super) fn scan_property(&mut self, first: u8, mark: Mark) -> Result<Kind<'a>, Error> {
        if first == b'!' {
            return self.scan_tag(mark);
        }
        self.skip(1);
        let name = self.word(is_word);
        let ends = self.is_blank_or_end_at(0)
            || matches!(
                self.peek_byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            return Err(mark.error(
                "did not find expected alphabetic or numeric character in the name of an anchor or alias; quote the text",
            ));
        }
        Ok(if first == b'*' {
            Kind::Alias(name)
        } else {
            Kind::Anchor(name)
        })
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek_byte(0), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Goes past bytes of one kind.
    fn word(&mut self, is: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while is(self.peek_byte(0)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn scan_tag(&mut self, mark: Mark) -> Result<Kind<'a>, Error> {
        let kind = if self.peek_byte(1) == b'<' {
            self.skip(2);
            let suffix = self.uri(mark)?;
            if self.peek_byte(0) != b'>' {
                return Err(mark.error("did not find the expected '>' of a tag"));
            }
            self.skip(1);
            Kind::Tag("", suffix)
        } else {
            let start = self.at;
            self.skip(1);
            self.word(is_word);
            if self.peek_byte(0) == b'!' {
                self.skip(1);
                let handle = &self.text[start..self.at];
                let suffix = self.uri(mark)?;
                if suffix.is_empty() {
                    return Err(mark.error("did not find expected tag URI"));
                }
                Kind::Tag(handle, suffix)
            } else {
                self.at = start + 1;
                let suffix = self.uri(mark)?;
                if suffix.is_empty() {
                    Kind::Tag("", Cow::Borrowed("!"))
                } else {
                    Kind::Tag("!", suffix)
                }
            }
        };
        if !self.is_blank_or_end_at(0) {
            return Err(mark.error("did not find expected whitespace or line break after a tag"));
        }
        Ok(kind)
    }

    /// The text of a tag, its `%` escapes read.
    fn uri(&mut self, mark: Mark) -> Result<Cow<'a, str>, Error> {
        let written = self.word(|byte| is_word(byte) || b";/?:@&=+$,.!~*'()[]%".contains(&byte));
        if !written.contains('%') {
            return Ok(Cow::Borrowed(written));
        }
        let wrong = || mark.error("did not find an escaped octet in a tag");
        let mut bytes = Vec::with_capacity(written.len());
        let mut rest = written.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let code = rest
                .get(..2)
                .and_then(|code| std::str::from_utf8(code).ok());
            let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
            bytes.push(code.ok_or_else(wrong)?);
            rest = &rest[2..];
        }
        String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_not_utf8| wrong())
    }

    pub(super) fn fetch_directive(&mut self, mark: Mark) -> Result<(), Error> {
        self.skip(1);
        let name = self.word(is_word);
        self.skip_blanks();
        let kind = match name {
            "YAML" => Kind::Version(Cow::Borrowed(
                self.word(|byte| byte.is_ascii_digit() || byte == b'.'),
            )),
            "TAG" => {
                let handle = self.word(|byte| is_word(byte) || byte == b'!');
                self.skip_blanks();
                Kind::TagHandle(handle, self.uri(mark)?)
            }
            _ => return Err(mark.error("found unknown directive name")),
        };
        self.skip_blanks();
        if self.peek_byte(0) == b'#' {
            self.skip_line();
        }
        if !self.is_break_at(0) && self.at < self.bytes.len() {
            return Err(mark.error("did not find expected comment or line break after a directive"));
        }
        self.push(kind, mark);
        Ok(())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
