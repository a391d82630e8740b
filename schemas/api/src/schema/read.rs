//! Reads a value by a schema, as an API server that holds the schema would: prunes, defaults, validates.

use serde_json::{Map, Value};

use super::{Field, Schema, Shape, Text};

/// The longest value an error repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 48;

/// The first place where a value is not what its schema allows.
#[derive(Debug)]
pub(crate) struct Problem {
    /// From the root of the object, such as `spec.images[0].name`.
    pub(crate) path: String,
    /// What is wrong and what is allowed.
    pub(crate) problem: String,
}

impl Schema {
    /// The value with unknown fields, nulls and empty optional texts dropped and defaults filled in.
    ///
    /// `path` names the value in the problem.
    pub(crate) fn read(&self, value: &Value, path: &str) -> Result<Value, Problem> {
        let read = match (&self.shape, value) {
            (Shape::Boolean, Value::Bool(_))
            | (Shape::Anything, _)
            | (Shape::OpenObject, Value::Object(_)) => value.clone(),
            (Shape::Integer { minimum }, Value::Number(_)) => integer(value, *minimum, path)?,
            (Shape::Text(allowed), Value::String(found)) => {
                allowed.check(found).map_err(|problem| at(path, problem))?;
                value.clone()
            }
            (Shape::Map, Value::Object(entries)) => map(entries, path)?,
            (Shape::List { item, items_min }, Value::Array(items)) => {
                list(item, *items_min, items, path)?
            }
            (Shape::Object(fields), Value::Object(entries)) => object(fields, entries, path)?,
            (shape, found) => {
                let problem = format!("must be {}; found {}", shape.noun(), noun(found));
                return Err(at(path, problem));
            }
        };
        match self.rules.iter().find(|rule| !(rule.holds)(&read)) {
            Some(rule) => Err(at(path, rule.message.to_owned())),
            None => Ok(read),
        }
    }

    /// Whether an absent value means the same as this one.
    fn is_as_absent(&self, value: &Value) -> bool {
        match (&self.shape, value) {
            (_, Value::Null) => true,
            (Shape::Text(_), Value::String(text)) => text.is_empty(),
            _ => false,
        }
    }
}

fn at(path: &str, problem: String) -> Problem {
    Problem {
        path: path.to_owned(),
        problem,
    }
}

fn integer(value: &Value, minimum: Option<i64>, path: &str) -> Result<Value, Problem> {
    match (value.as_i64(), minimum) {
        (Some(found), Some(least)) if found < least => {
            Err(at(path, format!("must be {least} or more; found {found}")))
        }
        (Some(found), _) => Ok(Value::from(found)),
        (None, _) => Err(at(
            path,
            "must be a whole number of at most 64 bits".to_owned(),
        )),
    }
}

fn map(entries: &Map<String, Value>, path: &str) -> Result<Value, Problem> {
    let mut read = Map::new();
    for (key, value) in entries {
        match value {
            Value::String(_) => {
                read.insert(key.clone(), value.clone());
            }
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                let problem = format!("must be a string (quote it); found {}", noun(value));
                return Err(at(&format!("{path}[{key}]"), problem));
            }
        }
    }
    Ok(Value::Object(read))
}

fn list(item: &Schema, items_min: usize, items: &[Value], path: &str) -> Result<Value, Problem> {
    if items.len() < items_min {
        return Err(at(
            path,
            format!("must have {items_min} items or more; found {}", items.len()),
        ));
    }
    let read = items
        .iter()
        .enumerate()
        .map(|(index, value)| item.read(value, &format!("{path}[{index}]")));
    Ok(Value::Array(read.collect::<Result<_, _>>()?))
}

fn object(fields: &[Field], entries: &Map<String, Value>, path: &str) -> Result<Value, Problem> {
    let mut read = Map::new();
    for Field {
        name,
        schema,
        required,
    } in fields
    {
        let found = entries.get(*name).filter(|value| !value.is_null());
        let here = format!("{path}.{name}");
        match (found, &schema.default) {
            (Some(value), _) => {
                let value = schema.read(value, &here)?;
                if *required || !schema.is_as_absent(&value) {
                    read.insert((*name).to_owned(), value);
                }
            }
            (None, Some(default)) => {
                read.insert((*name).to_owned(), default.clone());
            }
            (None, None) if *required => {
                let problem = format!("must be set to {}", schema.shape.noun());
                return Err(at(&here, problem));
            }
            (None, None) => {}
        }
    }
    Ok(Value::Object(read))
}

impl Text {
    fn check(&self, found: &str) -> Result<(), String> {
        if !self.words.is_empty() && !self.words.contains(&found) {
            return Err(format!("must be {}; found {}", self.noun(), shown(found)));
        }
        if let Some(form) = self.form
            && !(form.accepts)(found)
        {
            let found = if form.may_be_shown {
                format!("; found {}", shown(found))
            } else {
                String::new()
            };
            return Err(format!("must be {}{found}", form.says));
        }
        let characters = found.chars().count();
        if characters < self.characters_min {
            let min = self.characters_min;
            return Err(format!(
                "must have {min} characters or more; found {characters}"
            ));
        }
        match self.characters_max {
            Some(max) if characters > max => Err(format!(
                "must have {max} characters or fewer; found {characters}"
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn noun(&self) -> String {
        match (self.words, self.form) {
            ([], Some(form)) => form.says.to_owned(),
            ([], None) if self.date_time => "a time such as 2026-01-31T12:00:00Z".to_owned(),
            ([], None) => "a string".to_owned(),
            ([word], _) => format!("{word:?}"),
            (words, _) => format!("one of {}", words.join(", ")),
        }
    }
}

impl Shape {
    /// What is allowed, to finish the sentence "must be …".
    fn noun(&self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { .. } => "a whole number".to_owned(),
            Self::Text(text) => text.noun(),
            Self::Map => "a map of strings".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::Object(_) | Self::OpenObject => "an object".to_owned(),
            Self::Anything => "a value".to_owned(),
        }
    }
}

/// What a value is, without saying the value.
fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text quoted and cut to a length fit for a message.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{anything, boolean, integer, list, map, object, text, word};
    use super::*;

    fn schema() -> Schema {
        object("")
            .required("name", text("").characters(1, 3))
            .optional("mode", word(&["A", "B"], "").default("A"))
            .optional("on", boolean(""))
            .optional("count", integer("").minimum(0))
            .optional("labels", map(""))
            .optional("items", list(object("").required("id", text("")), ""))
            .optional("any", anything(""))
    }

    #[test]
    fn prunes_and_defaults_as_the_api_server_does() {
        for (input, expected) in [
            (json!({"name": "a"}), json!({"name": "a", "mode": "A"})),
            (
                json!({"name": "abc", "mode": null, "new": 1}),
                json!({"name": "abc", "mode": "A"}),
            ),
            (
                json!({"name": "a", "mode": "B", "on": false, "items": [{"id": "", "x": 1}]}),
                json!({"name": "a", "mode": "B", "on": false, "items": [{"id": ""}]}),
            ),
            (
                json!({"name": "a", "any": {"deep": [null]}, "labels": {"k": "v", "n": null}}),
                json!({"name": "a", "mode": "A", "any": {"deep": [null]}, "labels": {"k": "v"}}),
            ),
        ] {
            assert_eq!(schema().read(&input, "spec").unwrap(), expected);
        }
    }

    #[test]
    fn a_problem_names_the_place_and_what_is_allowed() {
        for (input, path, problem) in [
            (json!({}), "spec.name", "must be set to a string"),
            (
                json!({"name": ""}),
                "spec.name",
                "must have 1 characters or more; found 0",
            ),
            (
                json!({"name": "abcd"}),
                "spec.name",
                "must have 3 characters or fewer; found 4",
            ),
            (
                json!({"name": 1}),
                "spec.name",
                "must be a string; found a number",
            ),
            (
                json!({"name": "a", "mode": "C"}),
                "spec.mode",
                "must be one of A, B; found \"C\"",
            ),
            (
                json!({"name": "a", "on": "yes"}),
                "spec.on",
                "must be true or false; found a string",
            ),
            (
                json!({"name": "a", "count": -1}),
                "spec.count",
                "must be 0 or more; found -1",
            ),
            (
                json!({"name": "a", "count": 0.5}),
                "spec.count",
                "must be a whole number of at most 64 bits",
            ),
            (
                json!({"name": "a", "items": {}}),
                "spec.items",
                "must be a list; found an object",
            ),
            (
                json!({"name": "a", "items": [{}]}),
                "spec.items[0].id",
                "must be set to a string",
            ),
            (
                json!({"name": "a", "labels": {"k": 5}}),
                "spec.labels[k]",
                "must be a string (quote it); found a number",
            ),
            (json!([]), "spec", "must be an object; found a list"),
        ] {
            let found = schema().read(&input, "spec").unwrap_err();
            assert_eq!(
                (found.path.as_str(), found.problem.as_str()),
                (path, problem),
                "{input}"
            );
        }
    }
}
