//! Which objects a patch or replacement is for: regular expressions over ids, and label selectors.

use fluvial_manifest::{Value, object};
use regex::Regex;

use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::resource::{Gvk, Id, Resource};

/// As written in `target`, `select` or `reject`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) id: Id,
    pub(crate) labels: String,
    pub(crate) annotations: String,
}

impl Selector {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            id: read_id(fields)?,
            labels: fields.string("labelSelector")?,
            annotations: fields.string("annotationSelector")?,
        })
    }
}

pub(crate) fn read_id(fields: &mut Fields<'_>) -> Result<Id> {
    Ok(Id {
        gvk: Gvk {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
        },
        name: fields.string("name")?,
        namespace: fields.string("namespace")?,
    })
}

/// A selector made ready to match.
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Requirements,
    annotations: Requirements,
    is_any_id: bool,
}

impl Matcher {
    pub(crate) fn new(selector: &Selector) -> Result<Self> {
        let id = &selector.id;
        Ok(Self {
            group: Pattern::new(&id.gvk.group)?,
            version: Pattern::new(&id.gvk.version)?,
            kind: Pattern::new(&id.gvk.kind)?,
            name: Pattern::new(&id.name)?,
            namespace: Pattern::new(&id.namespace)?,
            labels: Requirements::parse(&selector.labels)?,
            annotations: Requirements::parse(&selector.annotations)?,
            is_any_id: *id == Id::default(),
        })
    }

    /// Whether a patch with this target is for `resource`, by its first or its present id.
    pub(crate) fn selects(&self, resource: &Resource) -> bool {
        let (current, original) = (resource.id(), resource.original_id());
        (self.namespace.matches(original.effective_namespace())
            || self.namespace.matches(current.effective_namespace()))
            && (self.name.matches(&original.name) || self.name.matches(&current.name))
            && self.matches_gvk(&current.gvk)
            && self.matches_metadata(&resource.value)
    }

    /// Whether a replacement's selector matches this very id.
    pub(crate) fn matches_id(&self, id: &Id) -> bool {
        self.matches_gvk(&id.gvk)
            && self.name.matches(&id.name)
            && self.namespace.matches(&id.namespace)
    }

    pub(crate) fn matches_metadata(&self, value: &Value) -> bool {
        self.labels.match_map(value, "labels") && self.annotations.match_map(value, "annotations")
    }

    /// Whether the selector says nothing about ids.
    pub(crate) fn is_any_id(&self) -> bool {
        self.is_any_id
    }

    /// Whether the selector says anything about labels or annotations.
    pub(crate) fn has_metadata(&self) -> bool {
        !(self.labels.0.is_empty() && self.annotations.0.is_empty())
    }

    fn matches_gvk(&self, gvk: &Gvk) -> bool {
        self.kind.matches(&gvk.kind)
            && self.group.matches(&gvk.group)
            && self.version.matches(&gvk.version)
    }
}

/// A regular expression that must match all of a text; empty matches everything.
enum Pattern {
    Any,
    /// Words parted by `|`, in which `.` is one character and one `.*` any number of them.
    Words(Vec<String>),
    Regex(Regex),
}

impl Pattern {
    fn new(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if text.split('|').all(is_word) {
            return Ok(Self::Words(text.split('|').map(str::to_owned).collect()));
        }
        regex(&format!("^(?:{text})$")).map(Self::Regex)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Words(words) => words.iter().any(|word| fits(word, text)),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Whether a part of an expression is so simple that it need not be compiled.
fn is_word(text: &str) -> bool {
    let in_words =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.');
    let (start, end) = text.split_once(".*").unwrap_or((text, ""));
    !text.is_empty() && start.bytes().chain(end.bytes()).all(in_words)
}

fn fits(word: &str, text: &str) -> bool {
    let same = |(wanted, found): (char, char)| wanted == found || wanted == '.';
    if text.contains('\n') {
        return false;
    }
    let length = text.chars().count();
    match word.split_once(".*") {
        None => word.len() == length && word.chars().zip(text.chars()).all(same),
        Some((start, end)) => {
            length >= start.len() + end.len()
                && start.chars().zip(text.chars()).all(same)
                && end.chars().rev().zip(text.chars().rev()).all(same)
        }
    }
}

pub(crate) fn regex(pattern: &str) -> Result<Regex> {
    /// Memory that one expression may compile to.
    const BYTES_MAX: usize = 1 << 20;
    regex::RegexBuilder::new(pattern)
        .size_limit(BYTES_MAX)
        .build()
        .map_err(|error| Error::new(format!("{pattern:?} is not a regular expression: {error}")))
}

/// A label selector as Kubernetes writes it: `a=b,c!=d,e in (f,g),h,!i,j>1`.
struct Requirements(Vec<Requirement>);

struct Requirement {
    key: String,
    test: Test,
}

enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirements {
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!(
                "{text:?} is not a selector; write a=b, a!=b, a in (b,c), a notin (b), a or !a, parted by commas"
            ))
        };
        let mut requirements = Vec::new();
        for part in parts(text).ok_or_else(wrong)? {
            requirements.push(requirement(part.trim()).ok_or_else(wrong)?);
        }
        Ok(Self(requirements))
    }

    fn match_map(&self, value: &Value, field: &str) -> bool {
        self.0.iter().all(|requirement| {
            let found = match field {
                "labels" => object::label(value, &requirement.key),
                _ => object::annotation(value, &requirement.key),
            };
            match (&requirement.test, found) {
                (Test::Exists, found) => found.is_some(),
                (Test::Absent, found) => found.is_none(),
                (Test::In(values), Some(found)) => values.iter().any(|value| value == found),
                (Test::NotIn(values), Some(found)) => !values.iter().any(|value| value == found),
                (Test::NotIn(_), None) => true,
                (Test::Greater(bound), Some(found)) => {
                    found.parse::<i64>().is_ok_and(|found| found > *bound)
                }
                (Test::Less(bound), Some(found)) => {
                    found.parse::<i64>().is_ok_and(|found| found < *bound)
                }
                (Test::In(_) | Test::Greater(_) | Test::Less(_), None) => false,
            }
        })
    }
}

/// Splits at commas outside of parentheses.
fn parts(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut open) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !open => open = true,
            ')' if open => open = false,
            '(' | ')' => return None,
            ',' if !open => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if open {
        return None;
    }
    if !text.trim().is_empty() {
        parts.push(&text[start..]);
    }
    Some(parts)
}

fn requirement(text: &str) -> Option<Requirement> {
    let made = |key: &str, test| {
        let key = key.trim();
        let legal =
            !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "=!<>()".contains(c));
        legal.then(|| Requirement {
            key: key.to_owned(),
            test,
        })
    };
    let one = |value: &str| {
        let value = value.trim();
        (!value.contains(|c: char| c.is_whitespace() || "=!<>()".contains(c)))
            .then(|| vec![value.to_owned()])
    };
    if let Some(key) = text.strip_prefix('!') {
        return made(key, Test::Absent);
    }
    if let Some(list) = text.strip_suffix(')') {
        let (head, list) = list.split_once('(')?;
        let values: Vec<String> = list
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let head = head.trim();
        if let Some(key) = head.strip_suffix(" notin") {
            return made(key, Test::NotIn(values));
        }
        return made(head.strip_suffix(" in")?, Test::In(values));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return made(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return made(key, Test::In(one(value)?));
    }
    if let Some((key, value)) = text.split_once('>') {
        return made(key, Test::Greater(value.trim().parse().ok()?));
    }
    if let Some((key, value)) = text.split_once('<') {
        return made(key, Test::Less(value.trim().parse().ok()?));
    }
    made(text, Test::Exists)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_follow_the_grammar_of_kubernetes() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "x"}}});
        let cases = [
            ("", true),
            ("a=1", true),
            ("a==1,b=x", true),
            ("a=2", false),
            ("a!=2", true),
            ("c!=2", true),
            ("a", true),
            ("c", false),
            ("!c", true),
            ("!a", false),
            ("b in (x, y)", true),
            ("b notin (x,y)", false),
            ("c notin (x)", true),
            ("a>0", true),
            ("a<1", false),
            ("b in (y),a=1", false),
        ];
        for (selector, want) in cases {
            let requirements =
                Requirements::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
            assert_eq!(
                requirements.match_map(&object, "labels"),
                want,
                "{selector}"
            );
        }
        for selector in [
            "a=b=c", "a in b", "a in (b", "=b", "a b", "a > x", "a,,b", "(a)",
        ] {
            assert!(Requirements::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn patterns_match_whole_texts() {
        let cases = [
            ("web", "web", true),
            ("web", "website", false),
            ("web.*", "website", true),
            ("a|b", "b", true),
            ("a|b", "bc", false),
            ("", "anything", true),
        ];
        for (pattern, text, want) in cases {
            let got = Pattern::new(pattern).map(|pattern| pattern.matches(text));
            assert_eq!(got, Ok(want), "{pattern} {text}");
        }
        assert!(Pattern::new("(").is_err());
    }

    #[test]
    fn simple_patterns_match_as_the_expressions_that_they_are() {
        let patterns = [
            "a", "a.c", ".", ".*", "a.*", ".*c", "a.*c", "..*", "a|.*c|b.", "a-b_c/d",
        ];
        let texts = [
            "", "a", "c", "ac", "abc", "aéc", "é", "bé", "abcd", "a\nc", "\n", "a-b_c/d", "a.c",
        ];
        for pattern in patterns {
            let simple = Pattern::new(pattern).expect("it is an expression");
            assert!(matches!(simple, Pattern::Words(_)), "{pattern}");
            let compiled = regex(&format!("^(?:{pattern})$")).expect("it is an expression");
            for text in texts {
                assert_eq!(
                    simple.matches(text),
                    compiled.is_match(text),
                    "{pattern} {text:?}"
                );
            }
        }
    }
}
