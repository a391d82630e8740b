//! From the tokens of YAML to its events: which values begin and end, by the grammar of
//! go.yaml.in/yaml/v3 (v3.0.5, `parserc.go`).
//!
//! What the values mean is for `read.rs`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Error;
use super::scan::{Kind, Mark, Scanner, Style};

/// What comes next in a text. An anchor is a number from 1; 0 is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(usize),
    Scalar {
        text: Cow<'a, str>,
        style: Style,
        anchor: usize,
        tag: Option<Cow<'a, str>>,
    },
    SequenceStart {
        anchor: usize,
        flow: bool,
    },
    SequenceEnd,
    MappingStart {
        anchor: usize,
        flow: bool,
        tag: Option<Cow<'a, str>>,
    },
    MappingEnd,
}

/// What may follow.
#[derive(Clone, Copy)]
enum State {
    /// A document, which needs no `---` when it is the first.
    Document {
        first: bool,
    },
    DocumentContent,
    DocumentEnd,
    End,
    Node,
    BlockEntry,
    IndentlessEntry,
    BlockKey,
    BlockValue,
    FlowEntry {
        first: bool,
    },
    /// A map of one pair inside brackets.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey {
        first: bool,
    },
    FlowValue,
    FlowEmptyValue,
}

pub(super) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    /// What follows the collections that are open.
    states: Vec<State>,
    anchors: BTreeMap<&'a str, usize>,
    anchor_count: usize,
    handles: Vec<(&'a str, Cow<'a, str>)>,
}

type Found<'a> = Result<(Event<'a>, Mark), Error>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Error> {
        Ok(Self {
            scanner: Scanner::new(text)?,
            state: State::Document { first: true },
            states: Vec::with_capacity(16),
            anchors: BTreeMap::new(),
            anchor_count: 0,
            handles: Vec::new(),
        })
    }

    /// The next event and where it begins; after the end, the end again.
    pub(super) fn next(&mut self) -> Found<'a> {
        match self.state {
            State::Document { first } => self.document(first),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::End => {
                let mark = self.mark()?;
                Ok((Event::StreamEnd, mark))
            }
            State::Node => self.node(true, false),
            State::BlockEntry => self.block_entry(),
            State::IndentlessEntry => self.indentless_entry(),
            State::BlockKey => self.block_key(),
            State::BlockValue => self.block_value(),
            State::FlowEntry { first } => self.flow_entry(first),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => {
                self.state = State::FlowEntry { first: false };
                let mark = self.mark()?;
                Ok((Event::MappingEnd, mark))
            }
            State::FlowKey { first } => self.flow_key(first),
            State::FlowValue => self.flow_value(),
            State::FlowEmptyValue => {
                self.state = State::FlowKey { first: false };
                let mark = self.mark()?;
                Ok(empty(mark))
            }
        }
    }

    fn kind(&mut self) -> Result<&Kind<'a>, Error> {
        self.scanner.peek().map(|token| &token.kind)
    }

    fn mark(&mut self) -> Result<Mark, Error> {
        self.scanner.peek().map(|token| token.mark)
    }

    /// Takes the token that was looked at.
    fn take(&mut self) -> Result<Mark, Error> {
        self.scanner.take().map(|token| token.mark)
    }

    fn leave(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// A node, after which `then` follows.
    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> Found<'a> {
        self.states.push(then);
        self.node(block, indentless)
    }

    /// Nothing, where a value could be, after which `then` follows.
    fn nothing_then(&mut self, then: State, mark: Mark) -> (Event<'a>, Mark) {
        self.state = then;
        empty(mark)
    }

    fn document(&mut self, first: bool) -> Found<'a> {
        if !first {
            while matches!(self.kind()?, Kind::DocumentEnd) {
                self.take()?;
            }
        }
        self.anchors.clear();
        let mark = self.mark()?;
        match self.kind()? {
            Kind::StreamEnd => {
                self.state = State::End;
                return Ok((Event::StreamEnd, mark));
            }
            Kind::Version(_) | Kind::TagHandle(..) | Kind::DocumentStart => {}
            _ if first => {
                self.states.push(State::DocumentEnd);
                self.state = State::Node;
                return Ok((Event::DocumentStart, mark));
            }
            _ => {}
        }
        self.directives()?;
        let mark = self.mark()?;
        if !matches!(self.kind()?, Kind::DocumentStart) {
            return Err(mark.error("did not find expected <document start>"));
        }
        self.take()?;
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart, mark))
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut versions = 0;
        loop {
            let mark = self.mark()?;
            match self.kind()? {
                Kind::Version(version) if version != "1.1" => {
                    return Err(mark.error(format!(
                        "cannot read YAML {version:?}; remove the line `%YAML`"
                    )));
                }
                Kind::Version(_) if versions > 0 => {
                    return Err(mark.error("found duplicate %YAML directive"));
                }
                Kind::Version(_) => {
                    versions += 1;
                    self.take()?;
                }
                Kind::TagHandle(..) => {
                    let Kind::TagHandle(handle, prefix) = self.scanner.take()?.kind else {
                        continue;
                    };
                    if self.handles.iter().any(|(own, _)| *own == handle) {
                        return Err(mark.error("found duplicate %TAG directive"));
                    }
                    self.handles.push((handle, prefix));
                }
                _ => return Ok(()),
            }
        }
    }

    fn document_content(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        match self.kind()? {
            Kind::Version(_)
            | Kind::TagHandle(..)
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => {
                self.leave();
                Ok(empty(mark))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        if matches!(self.kind()?, Kind::DocumentEnd) {
            self.take()?;
        }
        self.handles.clear();
        self.state = State::Document { first: false };
        Ok((Event::DocumentEnd, mark))
    }

    fn node(&mut self, block: bool, indentless: bool) -> Found<'a> {
        let start = self.mark()?;
        if let Kind::Alias(name) = *self.kind()? {
            let Some(&anchor) = self.anchors.get(name) else {
                return Err(start.error(format!("there is no anchor {name:?} before this alias")));
            };
            self.take()?;
            self.leave();
            return Ok((Event::Alias(anchor), start));
        }
        let (anchor, tag) = self.properties(start)?;
        match self.kind()? {
            Kind::BlockEntry if indentless => {
                self.state = State::IndentlessEntry;
                let flow = false;
                Ok((Event::SequenceStart { anchor, flow }, start))
            }
            Kind::FlowSequenceStart | Kind::FlowMappingStart => {
                let event = self.collection(anchor, tag, true)?;
                Ok((event, start))
            }
            Kind::BlockSequenceStart | Kind::BlockMappingStart if block => {
                let event = self.collection(anchor, tag, false)?;
                Ok((event, start))
            }
            Kind::Scalar(..) => {
                self.leave();
                let (text, style) = match self.scanner.take()?.kind {
                    Kind::Scalar(text, style) => (text, style),
                    _ => (Cow::Borrowed(""), Style::Plain),
                };
                let event = Event::Scalar {
                    text,
                    style,
                    anchor,
                    tag,
                };
                Ok((event, start))
            }
            _ if anchor > 0 || tag.is_some() => {
                self.leave();
                let event = Event::Scalar {
                    text: Cow::Borrowed(""),
                    style: Style::Plain,
                    anchor,
                    tag,
                };
                Ok((event, start))
            }
            _ => Err(self.mark()?.error("did not find expected node content")),
        }
    }

    /// The beginning of a list or a map.
    fn collection(
        &mut self,
        anchor: usize,
        tag: Option<Cow<'a, str>>,
        flow: bool,
    ) -> Result<Event<'a>, Error> {
        let is_map = matches!(
            self.scanner.take()?.kind,
            Kind::FlowMappingStart | Kind::BlockMappingStart
        );
        let first = true;
        self.state = match (is_map, flow) {
            (true, true) => State::FlowKey { first },
            (true, false) => State::BlockKey,
            (false, true) => State::FlowEntry { first },
            (false, false) => State::BlockEntry,
        };
        Ok(if is_map {
            Event::MappingStart { anchor, flow, tag }
        } else {
            Event::SequenceStart { anchor, flow }
        })
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self, start: Mark) -> Result<(usize, Option<Cow<'a, str>>), Error> {
        let mut anchor = None;
        let mut tag = None;
        loop {
            match self.kind()? {
                Kind::Anchor(name) if anchor.is_none() => {
                    anchor = Some(*name);
                    self.take()?;
                }
                Kind::Tag(..) if tag.is_none() => {
                    if let Kind::Tag(handle, suffix) = self.scanner.take()?.kind {
                        tag = Some(self.full_tag(handle, suffix, start)?);
                    }
                }
                _ => break,
            }
        }
        let anchor = anchor.map_or(0, |name| {
            self.anchor_count += 1;
            self.anchors.insert(name, self.anchor_count);
            self.anchor_count
        });
        // `!` alone says no more than no tag.
        Ok((anchor, tag.filter(|tag| tag != "!")))
    }

    fn full_tag(
        &self,
        handle: &str,
        suffix: Cow<'a, str>,
        mark: Mark,
    ) -> Result<Cow<'a, str>, Error> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let own = self.handles.iter().find(|(own, _)| *own == handle);
        let prefix = match (own, handle) {
            (Some((_, prefix)), _) => prefix.as_ref(),
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            (None, _) => return Err(mark.error("found undefined tag handle")),
        };
        Ok(Cow::Owned(format!("{prefix}{suffix}")))
    }

    fn block_entry(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        match self.kind()? {
            Kind::BlockEntry => {
                self.take()?;
                if matches!(self.kind()?, Kind::BlockEntry | Kind::BlockEnd) {
                    return Ok(self.nothing_then(State::BlockEntry, mark));
                }
                self.node_then(State::BlockEntry, true, false)
            }
            Kind::BlockEnd => {
                self.take()?;
                self.leave();
                Ok((Event::SequenceEnd, mark))
            }
            _ => Err(mark.error("did not find expected '-' indicator")),
        }
    }

    fn indentless_entry(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        if !matches!(self.kind()?, Kind::BlockEntry) {
            self.leave();
            return Ok((Event::SequenceEnd, mark));
        }
        self.take()?;
        match self.kind()? {
            Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => {
                Ok(self.nothing_then(State::IndentlessEntry, mark))
            }
            _ => self.node_then(State::IndentlessEntry, true, false),
        }
    }

    fn block_key(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        match self.kind()? {
            Kind::Key => {
                self.take()?;
                match self.kind()? {
                    Kind::Key | Kind::Value | Kind::BlockEnd => {
                        Ok(self.nothing_then(State::BlockValue, mark))
                    }
                    _ => self.node_then(State::BlockValue, true, true),
                }
            }
            Kind::BlockEnd => {
                self.take()?;
                self.leave();
                Ok((Event::MappingEnd, mark))
            }
            _ => Err(mark.error("did not find expected key")),
        }
    }

    fn block_value(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        if !matches!(self.kind()?, Kind::Value) {
            return Ok(self.nothing_then(State::BlockKey, mark));
        }
        self.take()?;
        match self.kind()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => {
                Ok(self.nothing_then(State::BlockKey, mark))
            }
            _ => self.node_then(State::BlockKey, true, true),
        }
    }

    fn flow_entry(&mut self, first: bool) -> Found<'a> {
        if !first && !matches!(self.kind()?, Kind::FlowSequenceEnd) {
            let mark = self.mark()?;
            if !matches!(self.kind()?, Kind::FlowEntry) {
                return Err(mark.error("did not find expected ',' or ']'"));
            }
            self.take()?;
        }
        let mark = self.mark()?;
        match self.kind()? {
            Kind::FlowSequenceEnd => {
                self.take()?;
                self.leave();
                Ok((Event::SequenceEnd, mark))
            }
            Kind::Key => {
                self.take()?;
                self.state = State::PairKey;
                let (anchor, flow, tag) = (0, true, None);
                Ok((Event::MappingStart { anchor, flow, tag }, mark))
            }
            _ => self.node_then(State::FlowEntry { first: false }, false, false),
        }
    }

    fn pair_key(&mut self) -> Found<'a> {
        let mark = self.mark()?;
        match self.kind()? {
            Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => {
                // As libyaml does, which goes past what it has found.
                self.take()?;
                Ok(self.nothing_then(State::PairValue, mark))
            }
            _ => self.node_then(State::PairValue, false, false),
        }
    }

    fn pair_value(&mut self) -> Found<'a> {
        if matches!(self.kind()?, Kind::Value) {
            self.take()?;
            if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
                return self.node_then(State::PairEnd, false, false);
            }
        }
        let mark = self.mark()?;
        Ok(self.nothing_then(State::PairEnd, mark))
    }

    fn flow_key(&mut self, first: bool) -> Found<'a> {
        if !first && !matches!(self.kind()?, Kind::FlowMappingEnd) {
            let mark = self.mark()?;
            if !matches!(self.kind()?, Kind::FlowEntry) {
                return Err(mark.error("did not find expected ',' or '}'"));
            }
            self.take()?;
        }
        let mark = self.mark()?;
        match self.kind()? {
            Kind::FlowMappingEnd => {
                self.take()?;
                self.leave();
                Ok((Event::MappingEnd, mark))
            }
            Kind::Key => {
                self.take()?;
                match self.kind()? {
                    Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => {
                        Ok(self.nothing_then(State::FlowValue, mark))
                    }
                    _ => self.node_then(State::FlowValue, false, false),
                }
            }
            _ => self.node_then(State::FlowEmptyValue, false, false),
        }
    }

    fn flow_value(&mut self) -> Found<'a> {
        if matches!(self.kind()?, Kind::Value) {
            self.take()?;
            if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
                return self.node_then(State::FlowKey { first: false }, false, false);
            }
        }
        let mark = self.mark()?;
        Ok(self.nothing_then(State::FlowKey { first: false }, mark))
    }
}

/// A plain scalar without text.
fn empty<'a>(mark: Mark) -> (Event<'a>, Mark) {
    let event = Event::Scalar {
        text: Cow::Borrowed(""),
        style: Style::Plain,
        anchor: 0,
        tag: None,
    };
    (event, mark)
}
