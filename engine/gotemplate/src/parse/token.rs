//! The pieces of a template's text: literal text, and what stands between `{{` and `}}`.
//!
//! Positions are offsets in bytes; spaces are pieces too, since `.a .b` is not `.a.b`.

use std::borrow::Cow;

use crate::format::quoted;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Keyword(Keyword),
}

/// The words that begin an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A piece of the text.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) form: Form,
    pub(super) position: usize,
    pub(super) line: usize,
    pub(super) text: Cow<'t, str>,
}

impl Token<'_> {
    /// As an error names it.
    pub(super) fn shown(&self) -> String {
        match self.form {
            Form::End => "EOF".to_owned(),
            Form::Error => self.text.clone().into_owned(),
            Form::Keyword(_) | Form::Dot | Form::Nil => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{}...", quoted(start.as_bytes()))
            }
            _ => quoted(self.text.as_bytes()),
        }
    }
}

/// Cuts a text into its pieces, one at a time.
pub(super) struct Lexer<'t> {
    input: &'t str,
    position: usize,
    start: usize,
    line: usize,
    start_line: usize,
    parens: usize,
    inside: bool,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'t> Lexer<'t> {
    pub(super) fn new(input: &'t str) -> Self {
        Self {
            input,
            position: 0,
            start: 0,
            line: 1,
            start_line: 1,
            parens: 0,
            inside: false,
        }
    }

    /// The next piece; the end again and again when there is none.
    pub(super) fn next(&mut self) -> Token<'t> {
        if self.inside {
            return self.inside_action();
        }
        loop {
            if let Some(token) = self.text() {
                return token;
            }
        }
    }

    /// What is left.
    fn rest(&self) -> &'t str {
        &self.input[self.position..]
    }

    /// The text from the start of this piece.
    fn piece(&self) -> &'t str {
        &self.input[self.start..self.position]
    }

    fn token(&mut self, form: Form) -> Token<'t> {
        let token = Token {
            form,
            position: self.start,
            line: self.start_line,
            text: Cow::Borrowed(self.piece()),
        };
        // No other piece goes over the end of a line.
        if matches!(form, Form::Text | Form::Space | Form::RawString) {
            self.line += newlines(self.piece());
        }
        self.start = self.position;
        self.start_line = self.line;
        token
    }

    /// Goes on after what was passed over.
    fn ignore(&mut self) {
        self.line += newlines(self.piece());
        self.start = self.position;
        self.start_line = self.line;
    }

    /// Says what is wrong; nothing follows.
    fn error(&mut self, message: impl Into<String>) -> Token<'t> {
        let token = Token {
            form: Form::Error,
            position: self.start,
            line: self.start_line,
            text: Cow::Owned(message.into()),
        };
        self.input = "";
        self.position = 0;
        self.start = 0;
        self.inside = false;
        token
    }

    /// Text up to an action, an action's beginning, or `None` after a comment.
    fn text(&mut self) -> Option<Token<'t>> {
        let Some(length) = memchr::memmem::find(self.rest().as_bytes(), b"{{") else {
            self.position = self.input.len();
            let form = if self.position > self.start {
                Form::Text
            } else {
                Form::End
            };
            return Some(self.token(form));
        };
        let action = self.position + length;
        let text = &self.input[self.position..action];
        let trims = trims_left(&self.input[action + 2..]);
        let kept = if trims {
            text.trim_end_matches(SPACES)
        } else {
            text
        };
        if length > 0 {
            self.position += kept.len();
            let token = self.token(Form::Text);
            self.position = action;
            self.ignore();
            if !kept.is_empty() {
                return Some(token);
            }
        }
        self.left_delimiter()
    }

    fn left_delimiter(&mut self) -> Option<Token<'t>> {
        self.position += 2;
        let marker = if trims_left(self.rest()) { 2 } else { 0 };
        if self.input[self.position + marker..].starts_with("/*") {
            self.position += marker;
            self.ignore();
            return self.comment();
        }
        let token = self.token(Form::LeftDelim);
        self.inside = true;
        self.position += marker;
        self.ignore();
        self.parens = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token<'t>> {
        self.position += 2;
        let Some(length) = self.rest().find("*/") else {
            return Some(self.error("unclosed comment"));
        };
        self.position += length + 2;
        let Some(delimiter) = right_delimiter(self.rest()) else {
            return Some(self.error("comment ends before closing delimiter"));
        };
        self.position += delimiter;
        if delimiter > 2 {
            self.skip_spaces();
        }
        self.ignore();
        None
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start_matches(SPACES).len();
    }

    fn inside_action(&mut self) -> Token<'t> {
        if let Some(delimiter) = right_delimiter(self.rest()) {
            if self.parens == 0 {
                return self.right_delimiter(delimiter);
            }
            return self.error("unclosed left paren");
        }
        let Some(first) = self.rest().chars().next() else {
            return self.error("unclosed action");
        };
        let start = self.position;
        self.position += first.len_utf8();
        match first {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.token(Form::Assign),
            ':' if self.rest().starts_with('=') => {
                self.position += 1;
                self.token(Form::Declare)
            }
            ':' => self.error("expected :="),
            '|' => self.token(Form::Pipe),
            '"' => self.quote(),
            '`' => self.raw_quote(),
            '$' => self.name(Form::Variable, Form::Variable),
            '\'' => self.character(),
            '.' if !self.rest().starts_with(|next: char| next.is_ascii_digit())
                && !self.rest().is_empty() =>
            {
                self.name(Form::Dot, Form::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.position = start;
                self.number()
            }
            _ if is_alphanumeric(first) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.token(Form::LeftParen)
            }
            ')' if self.parens == 0 => self.error("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.token(Form::RightParen)
            }
            '!'..='~' => self.token(Form::Char),
            other => self.error(format!(
                "unrecognized character in action: {}",
                shown(other)
            )),
        }
    }

    fn right_delimiter(&mut self, length: usize) -> Token<'t> {
        let trims = length > 2;
        if trims {
            self.position += 2;
            self.ignore();
        }
        self.position += 2;
        let token = self.token(Form::RightDelim);
        if trims {
            self.skip_spaces();
            self.ignore();
        }
        self.inside = false;
        token
    }

    /// A run of spaces, but not one that belongs to ` -}}`.
    fn space(&mut self) -> Token<'t> {
        self.skip_spaces();
        let before_last = self.position - 1;
        if self.input[before_last + 1..].starts_with("-}}") {
            self.position = before_last;
            if self.position == self.start {
                return self.right_delimiter(4);
            }
        }
        self.token(Form::Space)
    }

    fn identifier(&mut self) -> Token<'t> {
        self.letters();
        if let Some(wrong) = self.not_ended() {
            return wrong;
        }
        let form = match self.piece() {
            "block" => Form::Keyword(Keyword::Block),
            "break" => Form::Keyword(Keyword::Break),
            "continue" => Form::Keyword(Keyword::Continue),
            "define" => Form::Keyword(Keyword::Define),
            "else" => Form::Keyword(Keyword::Else),
            "end" => Form::Keyword(Keyword::End),
            "if" => Form::Keyword(Keyword::If),
            "range" => Form::Keyword(Keyword::Range),
            "template" => Form::Keyword(Keyword::Template),
            "with" => Form::Keyword(Keyword::With),
            "nil" => Form::Nil,
            "true" | "false" => Form::Bool,
            _ => Form::Identifier,
        };
        self.token(form)
    }

    /// A field or variable, whose first character is passed; `alone` if nothing follows it.
    fn name(&mut self, alone: Form, form: Form) -> Token<'t> {
        if self.at_terminator() {
            return self.token(alone);
        }
        self.letters();
        if let Some(wrong) = self.not_ended() {
            return wrong;
        }
        self.token(form)
    }

    fn letters(&mut self) {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let plain = self.rest().bytes().take_while(|byte| is_plain(byte));
        self.position += plain.count();
        let rest = self.rest();
        self.position += rest
            .find(|each| !is_alphanumeric(each))
            .unwrap_or(rest.len());
    }

    fn not_ended(&mut self) -> Option<Token<'t>> {
        if self.at_terminator() {
            return None;
        }
        let wrong = self.rest().chars().next()?;
        Some(self.error(format!("bad character {}", shown(wrong))))
    }

    fn at_terminator(&self) -> bool {
        let rest = self.rest();
        match rest.chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => rest.starts_with("}}"),
        }
    }

    fn character(&mut self) -> Token<'t> {
        if self.until_quote('\'') {
            return self.token(Form::CharConstant);
        }
        self.error("unterminated character constant")
    }

    fn quote(&mut self) -> Token<'t> {
        if self.until_quote('"') {
            return self.token(Form::String);
        }
        self.error("unterminated quoted string")
    }

    /// Passes the closing quote on this line.
    fn until_quote(&mut self, quote: char) -> bool {
        let mut escaped = false;
        for (at, each) in self.rest().char_indices() {
            match each {
                '\n' => return false,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                each if each == quote => {
                    self.position += at + 1;
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn raw_quote(&mut self) -> Token<'t> {
        let Some(length) = self.rest().find('`') else {
            return self.error("unterminated raw quoted string");
        };
        self.position += length + 1;
        self.token(Form::RawString)
    }

    fn number(&mut self) -> Token<'t> {
        let mut form = Form::Number;
        let mut fine = self.scan_number();
        if fine && self.rest().starts_with(['+', '-']) {
            form = Form::Complex;
            fine = self.scan_number() && self.piece().ends_with('i');
        }
        if fine {
            return self.token(form);
        }
        let message = format!("bad number syntax: {}", quoted(self.piece().as_bytes()));
        self.error(message)
    }

    /// Passes what looks like a number; whether it is exact is for the parser to say.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let mut exponent = "eE";
        if self.accept("0") {
            if self.accept("xX") {
                (digits, exponent) = ("0123456789abcdefABCDEF_", "pP");
            } else if self.accept("oO") {
                (digits, exponent) = ("01234567_", "");
            } else if self.accept("bB") {
                (digits, exponent) = ("01_", "");
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        match self.rest().chars().next() {
            Some(next) if is_alphanumeric(next) => {
                self.position += next.len_utf8();
                false
            }
            _ => true,
        }
    }

    fn accept(&mut self, any_of: &str) -> bool {
        let found = self.rest().starts_with(|next| any_of.contains(next));
        self.position += usize::from(found);
        found
    }

    fn accept_run(&mut self, any_of: &str) {
        while self.accept(any_of) {}
    }
}

fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// Whether what follows `{{` trims the text before it.
fn trims_left(rest: &str) -> bool {
    rest.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(SPACES))
}

/// The length of a closing delimiter with its trim marker, if there is one.
fn right_delimiter(rest: &str) -> Option<usize> {
    if rest.starts_with("}}") {
        return Some(2);
    }
    let marked = rest.strip_prefix(SPACES)?;
    marked.starts_with("-}}").then_some(4)
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphabetic() || character.is_numeric()
}

/// A character as Go's `%#U` prints it.
fn shown(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() {
        return format!("U+{code:04X}");
    }
    format!("U+{code:04X} '{character}'")
}
