//! From parser events to values, within limits.
//!
//! The parser (`event.rs`) knows the grammar. This knows what may be repeated, how deep and how large
//! a document may become, and what a key is.

mod common;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::event::{Event, Parser};
use super::scan::{Mark, Style};
use super::{Error, scalar};

/// How much one text may ask for. What comes from aliases is what a small text can make large.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maps and lists inside each other.
    pub depth: usize,
    /// Documents in one text.
    pub documents: usize,
    /// Values that aliases and merge keys may add to one text.
    pub alias_nodes: usize,
    /// Bytes of text that aliases and merge keys may add to one text.
    pub alias_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 256,
            documents: 100_000,
            alias_nodes: 500_000,
            alias_bytes: 8 << 20,
        }
    }
}

/// All documents of a text, in order; documents with nothing in them are left out.
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    documents_within(text, &Limits::default())
}

/// As [`documents`], with limits of the caller's own.
pub fn documents_within(text: &str, limits: &Limits) -> Result<Vec<Value>, Error> {
    compose(text, limits, Reading::Standard)
}

/// As [`documents`], for a kustomization file, which kustomize reads with another decoder: of a key
/// that is there twice the last one counts, and `yes` and `on` are booleans.
pub fn documents_of_kustomization(text: &str) -> Result<Vec<Value>, Error> {
    compose(text, &Limits::default(), Reading::Kustomization)
}

/// As [`documents`], with the booleans of YAML 1.1 (`yes`, `on`, …), as Kubernetes' own decoder
/// (sigs.k8s.io/yaml) has them.
pub fn documents_yaml11(text: &str) -> Result<Vec<Value>, Error> {
    compose(text, &Limits::default(), Reading::Yaml11)
}

/// The first document as sigs.k8s.io/yaml reads one, with the booleans of YAML 1.1: of a key that is
/// there twice the last one counts, and a key that is a number or a boolean is its text.
pub fn first_as_json(text: &str) -> Result<Value, Error> {
    let mut documents = compose(text, &Limits::default(), Reading::Loose)?.into_iter();
    Ok(documents.next().unwrap_or(Value::Null))
}

/// As [`documents`], for a reader that prints what it was given.
///
/// A decimal number keeps its text (`1.10`), and scalars right below `text_at`, a path of keys from
/// the root of a document, are strings of their text, unless they are null: kustomize reads
/// `metadata.annotations` so. [`canonical`] turns such a value into what [`documents`] would give.
pub fn documents_verbatim(text: &str, text_at: &[&str]) -> Result<Vec<Value>, Error> {
    compose(text, &Limits::default(), Reading::Verbatim { text_at })
}

/// What [`documents_absent`] puts where a key has no value.
pub const ABSENT: &str = "\u{f8ff}absent";

/// What [`documents_absent`] puts where a key between braces has no value: `{key: }`.
pub const ABSENT_IN_BRACKETS: &str = "\u{f8ff}absent in brackets";

/// What [`documents_absent`] puts before a null that is written in another way than `null`.
pub const NULL_WRITTEN: &str = "\u{f8ff}null as ";

/// As [`documents`], but a value that is not written at all (`key:`) is the text [`ABSENT`] or
/// [`ABSENT_IN_BRACKETS`], one such as `~` is that behind [`NULL_WRITTEN`], and only `null` is null.
/// kustomize tells them apart.
pub fn documents_absent(text: &str) -> Result<Vec<Value>, Error> {
    compose(text, &Limits::default(), Reading::MarkAbsent)
}

/// Rewrites the numbers that [`documents_verbatim`] left as they were written.
pub fn canonical(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(canonical) = scalar::canonical(number) {
                *number = canonical;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonical),
        Value::Object(map) => map.values_mut().for_each(canonical),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn compose(text: &str, limits: &Limits, reading: Reading<'_>) -> Result<Vec<Value>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(documents) = common::documents(text, limits, reading) {
        return Ok(documents);
    }
    by_grammar(text, limits, reading)
}

fn by_grammar(text: &str, limits: &Limits, reading: Reading<'_>) -> Result<Vec<Value>, Error> {
    let mut composer = Composer {
        parser: Parser::new(text)?,
        limits,
        reading,
        anchors: BTreeMap::new(),
        alias: Size::default(),
    };
    let mut documents = Vec::new();
    let mut count = 0;
    loop {
        let (event, mark) = composer.parser.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart => {
                count += 1;
                if count > limits.documents {
                    let message = format!("more than {} documents in one file", limits.documents);
                    return Err(mark.error(message));
                }
                composer.anchors.clear();
                let (event, mark) = composer.parser.next()?;
                let node = composer.node(event, mark, Place::root())?;
                if matches!(reading, Reading::Loose) {
                    return Ok(vec![node.value]);
                }
                if !node.value.is_null() {
                    documents.push(node.value);
                }
            }
            Event::DocumentEnd => {}
            Event::Alias(_)
            | Event::Scalar { .. }
            | Event::SequenceStart { .. }
            | Event::SequenceEnd
            | Event::MappingStart { .. }
            | Event::MappingEnd => {
                return Err(mark.error("a value outside of any document"));
            }
        }
    }
}

/// How much a value is: what an alias of it costs.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// In what the readers differ.
#[derive(Clone, Copy)]
enum Reading<'o> {
    Standard,
    /// As [`Reading::Yaml11`], and a repeated key replaces the first one instead of being refused.
    Kustomization,
    /// As [`Reading::Kustomization`], the first document alone, with keys of any scalar.
    Loose,
    /// `yes`, `no`, `on` and `off` are booleans.
    Yaml11,
    /// Values that are not written are marked.
    MarkAbsent,
    /// Decimal numbers keep their text, and scalars right below a path are text.
    Verbatim {
        text_at: &'o [&'o str],
    },
}

impl<'o> Reading<'o> {
    fn text_at(self) -> &'o [&'o str] {
        match self {
            Self::Verbatim { text_at } => text_at,
            Self::Standard
            | Self::Kustomization
            | Self::Loose
            | Self::Yaml11
            | Self::MarkAbsent => &[],
        }
    }

    /// What a scalar means.
    fn scalar(
        self,
        text: Cow<'_, str>,
        style: Style,
        tag: Option<&str>,
        place: Place,
    ) -> Result<Value, String> {
        let is_verbatim = matches!(self, Reading::Verbatim { .. });
        let at_text = place.matched == Some(self.text_at().len() + 1);
        match tag.map(core_tag) {
            Some(Some(name)) => return scalar::tagged(name, &text),
            Some(None) => return Ok(Value::String(text.into_owned())),
            None if style == Style::Folded && is_verbatim && !at_text => {
                return Ok(Value::String(scalar::refolded(text)));
            }
            None if style != Style::Plain => return Ok(Value::String(text.into_owned())),
            // kustomize writes it between quotes once, since it stands in brackets and has a colon.
            None if is_verbatim && !at_text && place.flow && text.contains(':') => {
                return Ok(Value::String(text.into_owned()));
            }
            None => {}
        }
        if at_text {
            return Ok(scalar::text_or_null(&text));
        }
        match self {
            Reading::Verbatim { .. } => scalar::verbatim(&text),
            Reading::Yaml11 | Reading::Kustomization | Reading::Loose => {
                match scalar::yaml11_boolean(&text) {
                    Some(flag) => Ok(Value::Bool(flag)),
                    None => scalar::plain(&text),
                }
            }
            Reading::MarkAbsent if place.depth > 0 && text.is_empty() => {
                let mark = if place.flow {
                    ABSENT_IN_BRACKETS
                } else {
                    ABSENT
                };
                Ok(Value::String(mark.to_owned()))
            }
            Reading::MarkAbsent if matches!(text.as_ref(), "~" | "Null" | "NULL") => {
                Ok(Value::String(format!("{NULL_WRITTEN}{text}")))
            }
            Reading::Standard | Reading::MarkAbsent => scalar::plain(&text),
        }
    }
}

/// Where in a document a value is: how deep, and how far along the path whose scalars are text.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    matched: Option<usize>,
    /// Whether brackets are around it.
    flow: bool,
}

impl Place {
    fn root() -> Self {
        Self {
            depth: 0,
            matched: Some(0),
            flow: false,
        }
    }

    /// The place of a collection, for what is in it.
    fn within(self, flow: bool) -> Self {
        Self {
            flow: self.flow || flow,
            ..self
        }
    }

    fn inside(self) -> Self {
        Self {
            depth: self.depth + 1,
            matched: None,
            flow: self.flow,
        }
    }

    fn below(self, key: &str, text_at: &[&str]) -> Self {
        let matched = self.matched.filter(|&count| {
            // One past the end of the path: the scalars themselves.
            !text_at.is_empty() && text_at.get(count).is_none_or(|part| *part == key)
        });
        Self {
            depth: self.depth + 1,
            matched: matched.map(|count| count + 1),
            flow: self.flow,
        }
    }
}

struct Node {
    value: Value,
    size: Size,
}

struct Composer<'a, 'o> {
    parser: Parser<'a>,
    limits: &'o Limits,
    reading: Reading<'o>,
    /// Values that were finished under an anchor; one that is still open is absent.
    anchors: BTreeMap<usize, Node>,
    alias: Size,
}

impl<'a> Composer<'a, '_> {
    fn node(&mut self, event: Event<'a>, mark: Mark, place: Place) -> Result<Node, Error> {
        if place.depth > self.limits.depth {
            let message = format!("nested more than {} deep", self.limits.depth);
            return Err(mark.error(message));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar {
                text,
                style,
                anchor,
                tag,
            } => {
                let bytes = text.len();
                let value = self
                    .reading
                    .scalar(text, style, tag.as_deref(), place)
                    .map_err(|message| mark.error(message))?;
                let size = Size { nodes: 1, bytes };
                (anchor, Node { value, size })
            }
            Event::SequenceStart { anchor, flow } => (anchor, self.sequence(place.within(flow))?),
            Event::MappingStart { anchor, flow, tag } => {
                let set = tag.is_some_and(|tag| core_tag(&tag) == Some("set"));
                (anchor, self.mapping(place.within(flow), set)?)
            }
            Event::StreamEnd
            | Event::DocumentStart
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(mark.error("expected a value")),
        };
        if anchor > 0 {
            let copy = Node {
                value: node.value.clone(),
                size: node.size,
            };
            // The copy kept under the anchor is itself something that the text made twice.
            self.spend(node.size, mark)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Result<Node, Error> {
        let Some(node) = self.anchors.get(&id) else {
            return Err(mark.error("an anchor contains itself"));
        };
        let size = node.size;
        let mut spent = self.alias;
        spent.add(size);
        self.check(spent, mark)?;
        self.alias = spent;
        let value = node.value.clone();
        Ok(Node { value, size })
    }

    fn spend(&mut self, size: Size, mark: Mark) -> Result<(), Error> {
        self.alias.add(size);
        self.check(self.alias, mark)
    }

    fn check(&self, spent: Size, mark: Mark) -> Result<(), Error> {
        if spent.nodes > self.limits.alias_nodes || spent.bytes > self.limits.alias_bytes {
            return Err(mark
                .error("anchors and aliases make this document too large; write the values out"));
        }
        Ok(())
    }

    fn sequence(&mut self, place: Place) -> Result<Node, Error> {
        let mut items = Vec::new();
        let mut size = Size { nodes: 1, bytes: 0 };
        loop {
            let (event, mark) = self.parser.next()?;
            if matches!(event, Event::SequenceEnd) {
                let value = Value::Array(items);
                return Ok(Node { value, size });
            }
            let node = self.node(event, mark, place.inside())?;
            size.add(node.size);
            items.push(node.value);
        }
    }

    fn mapping(&mut self, place: Place, set: bool) -> Result<Node, Error> {
        let mut map = Map::new();
        let mut merged: Option<(Value, Mark)> = None;
        let mut size = Size { nodes: 1, bytes: 0 };
        loop {
            let (event, mark) = self.parser.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar {
                    text,
                    style: Style::Plain,
                    tag: None,
                    ..
                } if text == "<<" => None,
                event => Some(self.key(event, mark, place)?),
            };
            let (event, value_mark) = self.parser.next()?;
            let below = key.as_ref().map_or(place.inside(), |key| {
                place.below(key, self.reading.text_at())
            });
            let mut node = self.node(event, value_mark, below)?;
            size.add(node.size);
            let Some(key) = key else {
                if merged.replace((node.value, mark)).is_some() {
                    return Err(mark.error("the merge key `<<` is there twice; use a list"));
                }
                continue;
            };
            size.bytes += key.len();
            if set && node.value.is_null() {
                node.value = Value::String(String::new());
            }
            match map.entry(key) {
                Entry::Vacant(vacant) => {
                    vacant.insert(node.value);
                }
                Entry::Occupied(mut occupied) => {
                    if !matches!(self.reading, Reading::Kustomization | Reading::Loose) {
                        let key = occupied.key();
                        return Err(mark.error(format!(
                            "the key {key:?} is there twice in one map; remove one of them"
                        )));
                    }
                    occupied.insert(node.value);
                }
            }
        }
        if let Some((value, mark)) = merged {
            merge(&mut map, value, mark)?;
        }
        let value = Value::Object(map);
        Ok(Node { value, size })
    }

    fn key(&mut self, event: Event<'a>, mark: Mark, place: Place) -> Result<String, Error> {
        match self.node(event, mark, place.inside())?.value {
            Value::String(key) => Ok(key),
            other @ (Value::Number(_) | Value::Bool(_))
                if matches!(self.reading, Reading::Loose) =>
            {
                Ok(other.to_string())
            }
            other => {
                let message = format!("the key {other} is not a string; quote it");
                Err(mark.error(message))
            }
        }
    }
}

/// Adds what a merge key brings; what the map says itself, and what came earlier, wins.
fn merge(map: &mut Map<String, Value>, value: Value, mark: Mark) -> Result<(), Error> {
    let sources = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    for source in sources {
        let Value::Object(source) = source else {
            return Err(mark.error("the merge key `<<` needs a map or a list of maps"));
        };
        for (key, value) in source {
            map.entry(key).or_insert(value);
        }
    }
    Ok(())
}

/// The name of a tag of YAML's own, such as `int` of `!!int`.
fn core_tag(tag: &str) -> Option<&str> {
    tag.strip_prefix("tag:yaml.org,2002:")
}

#[cfg(test)]
mod tests;
