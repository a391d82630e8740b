//! Where in a text a field is, for messages.

use super::event::{Event, Parser};

/// The line of the key at `path` (map keys, or list indices in decimal) in the first document.
///
/// Meant for messages: it reads the text again, so that reading need not remember every line.
pub fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let mut parser = Parser::new(text).ok()?;
    let mut next = move || parser.next().ok();
    let mut found = None;
    let mut matched = 0;
    // One frame per open collection: whether it lies on the path, and what is read next in it.
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let (event, mark) = next()?;
        match event {
            Event::StreamEnd | Event::DocumentEnd => return found,
            Event::SequenceEnd | Event::MappingEnd => {
                let frame = frames.pop()?;
                if frame.on_path && matched == path.len() {
                    return found;
                }
            }
            Event::DocumentStart => {}
            Event::Alias(_)
            | Event::Scalar { .. }
            | Event::SequenceStart { .. }
            | Event::MappingStart { .. } => {
                let on_path = match frames.last_mut() {
                    None => true,
                    Some(frame) => {
                        if frame.is_key() {
                            let key = if let Event::Scalar { text: key, .. } = &event {
                                key
                            } else {
                                ""
                            };
                            frame.hit = frame.on_path && path.get(matched) == Some(&key);
                            frame.count += 1;
                            if frame.hit {
                                found = Some(mark.line + 1);
                                matched += 1;
                                if matched == path.len() {
                                    return found;
                                }
                            }
                            continue;
                        }
                        let index = frame.count.to_string();
                        frame.count += 1;
                        if frame.sequence {
                            frame.hit = frame.on_path && path.get(matched) == Some(&index.as_str());
                            if frame.hit {
                                found = Some(mark.line + 1);
                                matched += 1;
                                if matched == path.len() {
                                    return found;
                                }
                            }
                        }
                        frame.hit
                    }
                };
                let sequence = matches!(event, Event::SequenceStart { .. });
                if sequence || matches!(event, Event::MappingStart { .. }) {
                    frames.push(Frame {
                        sequence,
                        on_path,
                        hit: false,
                        count: 0,
                    });
                }
            }
        }
    }
}

struct Frame {
    sequence: bool,
    on_path: bool,
    hit: bool,
    count: usize,
}

impl Frame {
    fn is_key(&self) -> bool {
        !self.sequence && self.count.is_multiple_of(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_field_is_found() {
        let text = "a: 1\nb:\n  c: x\n  d:\n  - e: 1\n  - e: 2\n    f: 3\n";
        let cases: [(&[&str], Option<usize>); 6] = [
            (&["a"], Some(1)),
            (&["b"], Some(2)),
            (&["b", "d"], Some(4)),
            (&["b", "d", "1"], Some(6)),
            (&["b", "d", "1", "f"], Some(7)),
            (&["z"], None),
        ];
        for (path, line) in cases {
            assert_eq!(line_of(text, path), line, "{path:?}");
        }
    }
}
