//! YAML one thing after the other, from a reader: for texts that are larger than what is wanted of them.
//!
//! Nothing is kept and nothing repeated: an alias is refused, and so is a word or text that goes on without
//! end. What a scalar means is left to the caller, who knows the field.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use saphyr_parser::{BufferedInput, Event as Parsed, Parser, ScalarStyle};

use super::Error;

/// Maps and lists inside each other.
const DEPTH_MAX: usize = 64;
/// Bytes that may pass without an event: those of one scalar, with the spaces and comments around it.
pub const SCALAR_BYTES_MAX: usize = 1 << 20;

/// One thing in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A scalar as it is written, folded and unescaped.
    Scalar {
        /// Its text.
        text: String,
        /// Whether it has neither quotes nor an indicator, so that it may be a number or null.
        is_plain: bool,
    },
    /// A list begins.
    ListStart,
    /// The innermost list ends.
    ListEnd,
    /// A map begins: keys and values follow in turn.
    MapStart,
    /// The innermost map ends.
    MapEnd,
}

impl Event {
    /// Whether it says nothing: `~`, `null` or no text at all.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// The events of the first document that a reader gives.
///
/// After an error, or the end of the document, there is nothing more.
pub struct Events<'r, R: Read> {
    parser: Parser<'r, BufferedInput<Characters<R>>>,
    watch: Rc<Watch>,
    depth: usize,
    is_over: bool,
}

/// What the reader's side tells ours: the parser takes characters, and knows no errors.
#[derive(Default)]
struct Watch {
    since_event: Cell<usize>,
    failure: RefCell<Option<String>>,
}

impl<'r, R: Read + 'r> Events<'r, R> {
    /// Begins to read. Only as much as the next event needs is ever taken from `reader`.
    pub fn new(reader: R) -> Self {
        let watch = Rc::new(Watch::default());
        let characters = Characters {
            reader,
            buffer: vec![0; 64 << 10],
            start: 0,
            end: 0,
            is_begun: false,
            watch: Rc::clone(&watch),
        };
        Self {
            parser: Parser::new_from_iter(characters),
            watch,
            depth: 0,
            is_over: false,
        }
    }

    /// Passes over the value that begins with `event`.
    pub fn pass_over(&mut self, event: &Event) -> Result<(), Error> {
        let mut open = usize::from(matches!(event, Event::ListStart | Event::MapStart));
        while open > 0 {
            match self.next().transpose()? {
                Some(Event::ListStart | Event::MapStart) => open += 1,
                Some(Event::ListEnd | Event::MapEnd) => open -= 1,
                Some(Event::Scalar { .. }) => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Event>, Error> {
        loop {
            self.watch.since_event.set(0);
            let Some(next) = self.parser.next_event() else {
                return Ok(None);
            };
            // A reader that failed looks like the end of the text.
            if let Some(message) = self.watch.failure.borrow_mut().take() {
                let marker = next.as_ref().map_or_else(
                    |error| (error.marker().line(), error.marker().col()),
                    |(_, span)| (span.start.line(), span.start.col()),
                );
                return Err(error_at(marker, message));
            }
            let (event, span) = next.map_err(|error| {
                let marker = (error.marker().line(), error.marker().col());
                error_at(marker, error.info().to_owned())
            })?;
            let here =
                |message: &str| error_at((span.start.line(), span.start.col()), message.to_owned());
            match event {
                Parsed::Nothing | Parsed::StreamStart | Parsed::DocumentStart(_) => {}
                Parsed::StreamEnd | Parsed::DocumentEnd => return Ok(None),
                Parsed::Alias(_) => return Err(here("an alias; write the value out")),
                Parsed::Scalar(text, style, ..) => {
                    return Ok(Some(Event::Scalar {
                        text: text.into_owned(),
                        is_plain: style == ScalarStyle::Plain,
                    }));
                }
                Parsed::SequenceStart(..) | Parsed::MappingStart(..) if self.depth == DEPTH_MAX => {
                    return Err(here("more than 64 maps and lists inside each other"));
                }
                Parsed::SequenceStart(..) => {
                    self.depth += 1;
                    return Ok(Some(Event::ListStart));
                }
                Parsed::MappingStart(..) => {
                    self.depth += 1;
                    return Ok(Some(Event::MapStart));
                }
                Parsed::SequenceEnd => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Event::ListEnd));
                }
                Parsed::MappingEnd => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Event::MapEnd));
                }
            }
        }
    }
}

impl<'r, R: Read + 'r> Iterator for Events<'r, R> {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

fn error_at((line, column): (usize, usize), message: String) -> Error {
    Error {
        line,
        column: column + 1,
        message,
    }
}

/// The characters of a reader; it ends at the first thing that is wrong, which the watch then has.
struct Characters<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_begun: bool,
    watch: Rc<Watch>,
}

impl<R: Read> Characters<R> {
    /// Makes room for a whole character, and fills it where the reader has more.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < 4 {
            let count = match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count == 0 {
                break;
            }
            self.end += count;
        }
        Ok(())
    }

    fn character(&mut self) -> Result<Option<char>, String> {
        if self.end - self.start < 4 {
            self.fill().map_err(|error| error.to_string())?;
        }
        let Some(&first) = self.buffer[self.start..self.end].first() else {
            return Ok(None);
        };
        let length = match first {
            0..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let bytes = self.buffer[self.start..self.end].get(..length);
        let decoded = bytes.and_then(|bytes| str::from_utf8(bytes).ok());
        let character = decoded.and_then(|text| text.chars().next());
        let character = character.ok_or("it is not UTF-8")?;
        self.start += length;
        let passed = self.watch.since_event.get() + length;
        self.watch.since_event.set(passed);
        if passed > SCALAR_BYTES_MAX {
            return Err(format!("one value is longer than {SCALAR_BYTES_MAX} bytes"));
        }
        Ok(Some(character))
    }
}

impl<R: Read> Iterator for Characters<R> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.character() {
                Ok(Some('\u{feff}')) if !self.is_begun => self.is_begun = true,
                Ok(character) => {
                    self.is_begun = true;
                    return character;
                }
                Err(message) => {
                    self.end = self.start;
                    self.watch.failure.borrow_mut().get_or_insert(message);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[` `]` for lists, `{` `}` for maps, texts as they are, quoted ones in quotes.
    fn told(text: impl Read) -> Result<String, Error> {
        let mut words = Vec::new();
        for event in Events::new(text) {
            words.push(match event? {
                Event::Scalar {
                    text,
                    is_plain: true,
                } => text,
                Event::Scalar {
                    text,
                    is_plain: false,
                } => format!("{text:?}"),
                Event::ListStart => "[".to_owned(),
                Event::ListEnd => "]".to_owned(),
                Event::MapStart => "{".to_owned(),
                Event::MapEnd => "}".to_owned(),
            });
        }
        Ok(words.join(" "))
    }

    #[test]
    fn a_text_is_told_in_order() {
        for (text, expected) in [
            ("a: 1\nb: ['1', x]\n", "{ a 1 b [ \"1\" x ] }"),
            ("\u{feff}a: é\n", "{ a é }"),
            ("{\"a\": {\"b\": null}}", "{ \"a\" { \"b\" null } }"),
            ("a: |\n  x\n  y\n", "{ a \"x\\ny\\n\" }"),
            ("a: 1\n---\nb: 2\n", "{ a 1 }"),
            ("", ""),
        ] {
            assert_eq!(told(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_skipped_is_whole() {
        let mut events = Events::new("a: {b: [1, {c: 2}]}\nd: 3\n".as_bytes());
        let mut next = || events.next().transpose().unwrap();
        assert_eq!(next(), Some(Event::MapStart));
        next();
        let value = next().unwrap();
        events.pass_over(&value).unwrap();
        let text = |text: &str| Event::Scalar {
            text: text.into(),
            is_plain: true,
        };
        let rest: Vec<_> = events.map(Result::unwrap).collect();
        assert_eq!(rest, [text("d"), text("3"), Event::MapEnd]);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'a');
                Ok(buffer.len())
            }
        }
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the line is cut"))
            }
        }
        for (error, expected) in [
            (
                told("a: ".as_bytes().chain(Endless)).unwrap_err(),
                "one value is longer than 1048576 bytes",
            ),
            (
                told("#".as_bytes().chain(Endless)).unwrap_err(),
                "one value is longer than 1048576 bytes",
            ),
            (
                told("a: \"".as_bytes().chain(Broken)).unwrap_err(),
                "the line is cut",
            ),
            (told(&b"a: \xff"[..]).unwrap_err(), "it is not UTF-8"),
            (
                told("a: &x 1\nb: *x\n".as_bytes()).unwrap_err(),
                "an alias; write the value out",
            ),
            (
                told("[".repeat(65).as_bytes()).unwrap_err(),
                "more than 64 maps and lists inside each other",
            ),
        ] {
            assert_eq!(error.message, expected);
        }
        let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
        told(deep.as_bytes()).unwrap();
    }
}
