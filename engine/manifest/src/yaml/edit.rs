//! Changing values inside a YAML text, so that all that stays the same stays as it was written: the
//! order of keys, comments, quotes.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::Value;

use super::to_string;

/// The text of the first document with `new` where `old` was; `None` when that cannot be done by
/// writing over single scalars and adding keys at the end of maps.
///
/// `old` must be what the text says.
pub fn edited(text: &str, old: &Value, new: &Value) -> Option<String> {
    let offsets: Vec<usize> = text
        .char_indices()
        .map(|(offset, _)| offset)
        .chain([text.len()])
        .collect();
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    let root = reader.document()?;
    let mut edits = Vec::new();
    let context = Context {
        text,
        offsets: &offsets,
    };
    context.compare(&root, old, new, &mut edits)?;
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.from));
    let mut edited = text.to_owned();
    for edit in edits {
        edited.replace_range(edit.from..edit.to, &edit.text);
    }
    Some(edited)
}

/// A value and where it stands, counted in characters.
struct Node {
    from: usize,
    to: usize,
    /// Of the first key, for a map in block style.
    column: usize,
    style: Style,
    content: Content,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// A block of text, or something with an anchor, an alias or a tag.
    Other,
}

enum Content {
    Scalar,
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn document(&mut self) -> Option<Node> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) => {}
                event => return self.node(&event, span),
            }
        }
    }

    fn node(&mut self, event: &Event<'a>, span: Span) -> Option<Node> {
        let (from, mut to) = (span.start.index(), span.end.index());
        let mut column = 0;
        let (style, content) = match event {
            Event::Scalar(_, style, 0, None) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Other,
                };
                (style, Content::Scalar)
            }
            Event::Scalar(..) | Event::Alias(_) => (Style::Other, Content::Scalar),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        to = span.end.index();
                        break;
                    }
                    items.push(self.node(&event, span)?);
                }
                (Style::Other, Content::List(items))
            }
            Event::MappingStart(..) => {
                let mut map = BTreeMap::new();
                loop {
                    let (event, span) = self.next()?;
                    let key = match event {
                        Event::MappingEnd => {
                            to = span.end.index();
                            break;
                        }
                        Event::Scalar(key, ..) => key.into_owned(),
                        _ => return None,
                    };
                    if map.is_empty() {
                        column = span.start.col();
                    }
                    let (event, span) = self.next()?;
                    let node = self.node(&event, span)?;
                    if key == "<<" || map.insert(key, node).is_some() {
                        return None;
                    }
                }
                (Style::Other, Content::Map(map))
            }
            _ => return None,
        };
        Some(Node {
            from,
            to,
            column,
            style,
            content,
        })
    }
}

struct Edit {
    from: usize,
    to: usize,
    text: String,
}

struct Context<'a> {
    text: &'a str,
    offsets: &'a [usize],
}

impl Context<'_> {
    fn compare(&self, node: &Node, old: &Value, new: &Value, edits: &mut Vec<Edit>) -> Option<()> {
        if old == new {
            return Some(());
        }
        match (&node.content, old, new) {
            (Content::Scalar, _, _) => {
                edits.push(self.overwrite(node, new)?);
                Some(())
            }
            (Content::List(nodes), Value::Array(old), Value::Array(new)) => {
                if nodes.len() != old.len() || old.len() != new.len() {
                    return None;
                }
                for ((node, old), new) in nodes.iter().zip(old).zip(new) {
                    self.compare(node, old, new, edits)?;
                }
                Some(())
            }
            (Content::Map(nodes), Value::Object(old), Value::Object(new)) => {
                if old.keys().any(|key| !new.contains_key(key)) {
                    return None;
                }
                let mut added = serde_json::Map::new();
                for (key, value) in new {
                    match (nodes.get(key), old.get(key)) {
                        (Some(node), Some(old)) => self.compare(node, old, value, edits)?,
                        (None, None) => {
                            added.insert(key.clone(), value.clone());
                        }
                        _ => return None,
                    }
                }
                if !added.is_empty() {
                    edits.push(self.append(node, nodes, added)?);
                }
                Some(())
            }
            _ => None,
        }
    }

    fn overwrite(&self, node: &Node, new: &Value) -> Option<Edit> {
        let text = match (node.style, new) {
            (_, Value::Array(_) | Value::Object(_)) | (Style::Other, _) => return None,
            (_, Value::String(text)) if text.contains('\n') => return None,
            (Style::DoubleQuoted, Value::String(text)) if !text.contains(['"', '\\']) => {
                format!("\"{text}\"")
            }
            (Style::SingleQuoted, Value::String(text)) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            (_, new) => to_string(new).trim_end().to_owned(),
        };
        let from = *self.offsets.get(node.from)?;
        let to = *self.offsets.get(node.to)?;
        Some(Edit { from, to, text })
    }

    /// New keys stand in lines of their own behind the last value of a map in block style.
    fn append(
        &self,
        node: &Node,
        nodes: &BTreeMap<String, Node>,
        added: serde_json::Map<String, Value>,
    ) -> Option<Edit> {
        let last = nodes.values().map(|node| node.to).max()?;
        let begin = *self.offsets.get(node.from)?;
        if self.text[begin..].starts_with('{') {
            return None;
        }
        let last = *self.offsets.get(last)?;
        // A nested collection ends where the next token begins: go back to what was written.
        let written = self.text[..last].trim_end().len();
        let at = written
            + self.text[written..]
                .find('\n')
                .unwrap_or(self.text.len() - written);
        let indent = " ".repeat(node.column);
        let mut text = String::new();
        for line in to_string(&Value::Object(added)).lines() {
            text.push('\n');
            text.push_str(&indent);
            text.push_str(line);
        }
        Some(Edit {
            from: at,
            to: at,
            text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::documents;

    #[test]
    fn what_is_not_changed_stays_as_it_was_written() {
        let cases = [
            ("b: 1 # x\na: 2\n", "{b: 3, a: 2}", Some("b: 3 # x\na: 2\n")),
            (
                "b: \"x\"\na: 'y'\n",
                "{b: z, a: \"it's\"}",
                Some("b: \"z\"\na: 'it''s'\n"),
            ),
            (
                "é: ü\nl: [a, b]\n",
                "{é: ä, l: [a, c]}",
                Some("é: ä\nl: [a, c]\n"),
            ),
            (
                "l:\n- a: 1\n- a: 2\n",
                "{l: [{a: 1}, {a: yes}]}",
                Some("l:\n- a: 1\n- a: \"yes\"\n"),
            ),
            (
                "m:\n  a: 1 # x\nn: 2\n",
                "{m: {a: 1, b: c}, n: 2}",
                Some("m:\n  a: 1 # x\n  b: c\nn: 2\n"),
            ),
            ("a: 1", "{a: 1, b: {c: 2}}", Some("a: 1\nb:\n  c: 2")),
            ("a: {b: 1}\n", "{a: {b: 1, c: 2}}", None),
            ("a: [1]\n", "{a: [1, 2]}", None),
            ("a: |\n  x\n", "{a: z}", None),
            ("a: &x 1\nb: *x\n", "{a: 1, b: 2}", None),
        ];
        for (text, new, want) in cases {
            let old = documents(text).expect(text).remove(0);
            let new = documents(new).expect(new).remove(0);
            let got = edited(text, &old, &new);
            assert_eq!(got.as_deref(), want, "{text}");
            if let Some(got) = got {
                assert_eq!(documents(&got).expect(&got).remove(0), new, "{got}");
            }
        }
    }
}
