//! Label and field selectors, as the API server reads them.

use serde_json::Value;

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Label>,
    /// Path, value, and whether it is to be equal.
    fields: Vec<(String, String, bool)>,
}

/// The fields that any kind can be selected by.
const FIELDS: [&str; 2] = ["metadata.name", "metadata.namespace"];

impl Selector {
    /// Reads both selectors; an error is a sentence.
    pub(crate) fn read(labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self {
            labels: parts(labels)
                .into_iter()
                .map(label)
                .collect::<Result<_, _>>()?,
            fields: parts(fields)
                .into_iter()
                .map(field)
                .collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let value = |key: &str| object["metadata"]["labels"][key].as_str();
        let has = |label: &Label| match label {
            Label::In(key, values) => value(key).is_some_and(|it| values.iter().any(|v| v == it)),
            Label::NotIn(key, values) => value(key).is_none_or(|it| values.iter().all(|v| v != it)),
            Label::Exists(key) => value(key).is_some(),
            Label::Absent(key) => value(key).is_none(),
        };
        let is = |(path, expected, is_equal): &(String, String, bool)| {
            let found = object.pointer(&format!("/{}", path.replace('.', "/")));
            let found = found.and_then(Value::as_str).unwrap_or_default();
            (found == expected) == *is_equal
        };
        self.labels.iter().all(has) && self.fields.iter().all(is)
    }
}

/// What commas part, but for those in parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|it| !it.is_empty());
    parts
}

fn label(text: &str) -> Result<Label, String> {
    let bad = || format!("unable to parse requirement {text:?} of the label selector");
    let one = |key: &str, value: &str| Ok((key.trim().to_owned(), vec![value.trim().to_owned()]));
    if let Some((key, set)) = text
        .split_once(" notin ")
        .or_else(|| text.split_once(" notin("))
    {
        return Ok(Label::NotIn(key.trim().to_owned(), set_of(set)));
    }
    if let Some((key, set)) = text.split_once(" in ").or_else(|| text.split_once(" in(")) {
        return Ok(Label::In(key.trim().to_owned(), set_of(set)));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return one(key, value).map(|(key, values)| Label::NotIn(key, values));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return one(key, value).map(|(key, values)| Label::In(key, values));
    }
    let (key, is_absent) = match text.strip_prefix('!') {
        Some(key) => (key.trim(), true),
        None => (text, false),
    };
    if key.is_empty() || key.contains(|it: char| it.is_whitespace() || "()<>".contains(it)) {
        return Err(bad());
    }
    let key = key.to_owned();
    Ok(if is_absent {
        Label::Absent(key)
    } else {
        Label::Exists(key)
    })
}

fn set_of(text: &str) -> Vec<String> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    text.split(',').map(|it| it.trim().to_owned()).collect()
}

fn field(text: &str) -> Result<(String, String, bool), String> {
    let (path, value, is_equal) = match text.split_once("!=") {
        Some((path, value)) => (path, value, false),
        None => match text.split_once("==").or_else(|| text.split_once('=')) {
            Some((path, value)) => (path, value, true),
            None => return Err(format!("invalid field selector {text:?}: no operator")),
        },
    };
    // What a client of Events asks by (`kubectl describe`) selects among none.
    if !FIELDS.contains(&path) && !path.starts_with("involvedObject.") {
        return Err(format!(
            "field label not supported: {path}; the past can be selected by {}",
            FIELDS.join(" and ")
        ));
    }
    Ok((path.to_owned(), value.to_owned(), is_equal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_as_the_api_server_does() {
        let object = json!({"metadata": {"name": "web", "namespace": "apps", "labels": {"app": "web", "tier": "front"}}});
        for (labels, fields, is_selected) in [
            ("", "", true),
            ("app=web", "", true),
            ("app==web", "", true),
            ("app=db", "", false),
            ("app!=db", "", true),
            ("app!=web", "", false),
            ("none!=web", "", true),
            ("app", "", true),
            ("!app", "", false),
            ("!none", "", true),
            ("none", "", false),
            ("app in (db, web)", "", true),
            ("app in (db)", "", false),
            ("app notin (db)", "", true),
            ("app notin (db,web)", "", false),
            ("app in (web,db),tier=front", "", true),
            ("app in (web,db),tier=back", "", false),
            ("", "metadata.name=web", true),
            ("", "metadata.name=db", false),
            ("", "metadata.name!=db", true),
            ("", "metadata.namespace=apps,metadata.name=web", true),
            ("", "metadata.namespace==other", false),
        ] {
            let selector = Selector::read(labels, fields).unwrap();
            assert_eq!(
                selector.matches(&object),
                is_selected,
                "{labels:?} {fields:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_selected_by_is_refused() {
        for (labels, fields) in [
            ("a b", ""),
            ("!", ""),
            ("a > 1", ""),
            ("", "status.phase=Running"),
            ("", "x"),
        ] {
            assert!(
                Selector::read(labels, fields).is_err(),
                "{labels:?} {fields:?}"
            );
        }
    }
}
