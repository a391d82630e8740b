//! Typed reading of configuration, as Go's `encoding/json` reads it: names match whatever their
//! case, null is absence, and a strict reader refuses fields it does not know.

use std::collections::BTreeMap;

use fluvial_manifest::{Map, Value, yaml};

use crate::error::{Error, Result};

/// The text that is read, for the line of an error.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// Whether unknown fields are refused.
    pub(crate) strict: bool,
}

/// One map that is being read.
pub(crate) struct Fields<'a> {
    source: Source<'a>,
    path: Vec<String>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    key: &'a str,
    value: &'a Value,
    read: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(source: Source<'a>, value: &'a Value) -> Result<Self> {
        Self::at(source, Vec::new(), value)
    }

    fn at(source: Source<'a>, path: Vec<String>, value: &'a Value) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(error(source, &path, "a map is needed here"));
        };
        Ok(Self {
            source,
            path,
            entries: entries(map),
        })
    }

    /// The value of a field; `None` when it is absent or null.
    pub(crate) fn value(&mut self, name: &str) -> Option<&'a Value> {
        let position = self
            .entries
            .iter()
            .position(|entry| entry.key == name)
            .or_else(|| {
                self.entries
                    .iter()
                    .position(|entry| !entry.read && entry.key.eq_ignore_ascii_case(name))
            })?;
        let entry = &mut self.entries[position];
        entry.read = true;
        (!entry.value.is_null()).then_some(entry.value)
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<String> {
        Ok(self.text(name)?.unwrap_or_default().to_owned())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(name, "text is needed here; quote it if it is text")),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(name, "true or false is needed here")),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64> {
        match self.value(name) {
            None => Ok(0),
            Some(value) => value
                .as_i64()
                .ok_or_else(|| self.error(name, "a whole number is needed here")),
        }
    }

    /// A map of anything; empty when it is absent.
    pub(crate) fn map(&mut self, name: &str) -> Result<Map<String, Value>> {
        match self.value(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map.clone()),
            Some(_) => Err(self.error(name, "a map is needed here")),
        }
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        value
            .as_array()
            .and_then(|items| {
                items
                    .iter()
                    .map(|item| match item {
                        Value::Null => Some(String::new()),
                        item => item.as_str().map(str::to_owned),
                    })
                    .collect()
            })
            .ok_or_else(|| self.error(name, "a list of texts is needed here"))
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<BTreeMap<String, String>> {
        let Some(value) = self.value(name) else {
            return Ok(BTreeMap::new());
        };
        let texts = value.as_object().and_then(|map| {
            map.iter()
                .map(|(key, value)| match value {
                    Value::Null => Some((key.clone(), String::new())),
                    value => Some((key.clone(), value.as_str()?.to_owned())),
                })
                .collect()
        });
        texts.ok_or_else(|| self.error(name, "a map of text to text is needed here; quote numbers"))
    }

    /// A list of maps, each read by `read`, which must end in [`Fields::finish`].
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        let Value::Array(items) = value else {
            return Err(self.error(name, "a list is needed here"));
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let mut path = self.path.clone();
            path.extend([name.to_owned(), index.to_string()]);
            let mut fields = Self::at(self.source, path, item)?;
            list.push(read(&mut fields)?);
            fields.finish()?;
        }
        Ok(list)
    }

    /// A map read by `read`.
    pub(crate) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let mut path = self.path.clone();
        path.push(name.to_owned());
        let mut fields = Self::at(self.source, path, value)?;
        let read = read(&mut fields)?;
        fields.finish()?;
        Ok(Some(read))
    }

    /// Refuses what nobody read.
    pub(crate) fn finish(&self) -> Result<()> {
        if !self.source.strict {
            return Ok(());
        }
        match self.entries.iter().find(|entry| !entry.read) {
            None => Ok(()),
            Some(entry) => Err(self.error(
                entry.key,
                "unknown field; remove it, or check its spelling and indentation",
            )),
        }
    }

    pub(crate) fn error(&self, name: &str, reason: impl Into<String>) -> Error {
        let mut path = self.path.clone();
        path.push(name.to_owned());
        error(self.source, &path, reason)
    }
}

fn entries(map: &Map<String, Value>) -> Vec<Entry<'_>> {
    map.iter()
        .map(|(key, value)| Entry {
            key,
            value,
            read: false,
        })
        .collect()
}

fn error(source: Source<'_>, path: &[String], reason: impl Into<String>) -> Error {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut field = String::new();
    for part in &keys {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            field.push('[');
            field.push_str(part);
            field.push(']');
        } else {
            if !field.is_empty() {
                field.push('.');
            }
            field.push_str(part);
        }
    }
    Error {
        file: source.file.to_owned(),
        field,
        line: yaml::line_of(source.text, &keys),
        reason: reason.into(),
    }
}
