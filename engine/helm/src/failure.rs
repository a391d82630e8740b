//! Errors of templates as helm shows them: `reformatExecErrorMsg` and `cleanupParseError` of v4.3.1.

use fluvial_gotemplate::Error as TemplateError;

use crate::Error;

/// What `required` and `fail` put around their texts.
const MARKS: (&str, &str) = ("HELM_ERR_START", "HELM_ERR_END");

/// A template that could not be read.
pub(crate) fn of_parsing(file: &str, error: &TemplateError) -> Error {
    let text = error.to_string();
    let mut parts = text.split(": ");
    let (_template, location) = (parts.next(), parts.next());
    Error::Render(match (location, parts.last()) {
        (Some(location), Some(message)) => format!("parse error at ({location}): {message}"),
        (Some(location), None) => format!("parse error at ({location}): {location}"),
        (None, _) => format!("parse error in ({file}): {text}"),
    })
}

/// A template that failed.
pub(crate) fn of_execution(file: &str, error: &TemplateError) -> Error {
    let text = error.to_string();
    if error.limit().is_some() {
        return Error::Limit(text);
    }
    if !error.is_exec() {
        return Error::Render(text);
    }
    let mut parts = text.splitn(3, ": ");
    let (_template, Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Error::Render(format!("execution error in ({file}): {text}"));
    };
    if let (Some(start), Some(end)) = (rest.find(MARKS.0), rest.rfind(MARKS.1)) {
        let message = rest.get(start + MARKS.0.len()..end).unwrap_or_default();
        return Error::Render(format!("execution error at ({location}): {message}"));
    }
    let mut places: Vec<Place> = Vec::new();
    for text in error.chain() {
        let Some(place) = Place::of(&text) else {
            return Error::Render(error.to_string());
        };
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
    let places: String = places.iter().map(Place::lines).collect();
    Error::Render(places.trim().to_owned())
}

/// One level of an error: where, in what, why.
#[derive(Default, PartialEq)]
struct Place {
    location: String,
    executed: String,
    message: String,
}

impl Place {
    fn of(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                message: text.to_owned(),
                ..Self::default()
            });
        }
        let cut = |message: &str| {
            let end = message.find(" template:").unwrap_or(message.len());
            message[..end].to_owned()
        };
        if let Some((location, after)) = rest.split_once(": executing ") {
            let (function, after) = after.strip_prefix('"')?.split_once('"')?;
            let (at, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
            return Some(Self {
                location: location.to_owned(),
                executed: format!("executing \"{function}\" at <{at}>:"),
                message: cut(message),
            });
        }
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Self {
            location: location.to_owned(),
            message: cut(message),
            executed: String::new(),
        })
    }

    fn lines(&self) -> String {
        let mut lines = String::new();
        for (text, after) in [
            (&self.location, "\n  "),
            (&self.executed, "\n    "),
            (&self.message, "\n"),
        ] {
            if !text.is_empty() {
                lines.push_str(text);
                lines.push_str(after);
            }
        }
        lines
    }
}
