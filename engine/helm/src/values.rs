//! The values that a user gives: files first, then what is set one by one.

use fluvial_gotemplate::{Map, Value};

use crate::coalesce::{copy_map, merge_maps};
use crate::strvals::{self, Style};
use crate::{Error, yaml};

/// Values that are laid over those of a chart.
#[derive(Clone, Debug, Default)]
pub struct Values(Map);

impl Values {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Values as JSON, such as a HelmRelease has them. What is no map is none.
    pub fn from_json(values: &serde_json::Value) -> Self {
        match Value::from_json(values) {
            Value::Map(map) => Self(map),
            _ => Self::new(),
        }
    }

    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        json(&self.0)
    }

    /// `-f`: lays a YAML text over what is here; of maps on both sides the keys come together.
    pub fn add_yaml(&mut self, text: &[u8]) -> Result<(), Error> {
        let more = yaml::values(text).map_err(Error::Values)?;
        self.0 = merge_maps(&self.0, &more);
        Ok(())
    }

    /// `--set`
    pub fn set(&mut self, text: &str) -> Result<(), Error> {
        self.parse("--set", text, Style::Typed)
    }

    /// `--set-string`
    pub fn set_text(&mut self, text: &str) -> Result<(), Error> {
        self.parse("--set-string", text, Style::Text)
    }

    /// `--set-literal`
    pub fn set_literal(&mut self, text: &str) -> Result<(), Error> {
        self.parse("--set-literal", text, Style::Literal)
    }

    /// `--set-file`; `read` answers with the contents of a file.
    pub fn set_file(
        &mut self,
        text: &str,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<(), Error> {
        self.parse("--set-file", text, Style::File(read))
    }

    /// `--set-json`: `key=json,…`, or one JSON object that is laid over everything.
    pub fn set_json(&mut self, text: &str) -> Result<(), Error> {
        let trimmed = text.trim();
        if !trimmed.starts_with('{') {
            return self.parse("--set-json", text, Style::Json);
        }
        let value: serde_json::Value = serde_json::from_str(trimmed).map_err(|error| {
            Error::Values(format!(
                "failed parsing --set-json data JSON: {text}: {error}"
            ))
        })?;
        self.0 = merge_maps(&self.0, &Self::from_json(&value).0);
        Ok(())
    }

    /// Lays more values over what is here; of maps on both sides the keys come together.
    pub fn add_json(&mut self, more: &serde_json::Value) {
        self.0 = merge_maps(&self.0, &Self::from_json(more).0);
    }

    fn parse(&mut self, flag: &str, text: &str, style: Style<'_>) -> Result<(), Error> {
        strvals::parse(text, &self.0, style)
            .map_err(|why| Error::Values(format!("failed parsing {flag} data: {why}")))
    }

    /// A map of its own: templates may change theirs.
    pub(crate) fn map(&self) -> Map {
        copy_map(&self.0)
    }
}

/// A map as Go's `encoding/json` writes it; null if it holds what JSON has no form for.
pub(crate) fn json(values: &Map) -> serde_json::Value {
    let text = fluvial_gotemplate::to_json(&Value::Map(values.clone()));
    serde_json::from_str(&text).unwrap_or_default()
}
