//! The index of a chart repository: what of an `index.yaml` is needed to find and fetch a chart.
//!
//! An index may have hundreds of megabytes, most of it descriptions. It is read as it arrives, and only
//! what is needed is kept, within a bound; what is kept is written as JSON, in Helm's own form, and one
//! chart is read back without the others. Which version is wanted is the caller's business.

use std::collections::BTreeMap;
use std::io::Read;

use fluvial_manifest::yaml::{Event, Events};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// What may be kept of one index.
pub const KEPT_BYTES_MAX: usize = 32 << 20;
/// What an entry costs beside its texts.
const ENTRY_BYTES: usize = 64;

/// One version of one chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChartVersion {
    /// The chart.
    pub name: String,
    /// Its version, as it is written.
    pub version: String,
    /// The version of what is in it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// When it was packaged, in RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// SHA-256 of the archive, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Where the archive is: the first counts, and may be relative to the repository.
    pub urls: Vec<String>,
    /// Whether nobody should use it any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
}

/// What is kept of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    api_version: String,
    entries: BTreeMap<String, Vec<ChartVersion>>,
}

/// Why an index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is no YAML.
    #[error("cannot read the index: {0}")]
    Yaml(#[from] fluvial_manifest::yaml::Error),
    /// It is something else than an index.
    #[error("cannot read the index: {0}")]
    Form(String),
    /// It asks for too much.
    #[error(
        "cannot keep the index: names, versions, addresses and digests of its charts have more than {kept_bytes_max} bytes; \
         split the repository"
    )]
    TooLarge {
        /// How many are allowed.
        kept_bytes_max: usize,
    },
}

impl Index {
    /// Reads an index as it arrives, and keeps at most `kept_bytes_max` of it.
    ///
    /// As in Helm, entries without a name or a version are passed over.
    pub fn read(reader: impl Read, kept_bytes_max: usize) -> Result<Self, IndexError> {
        let mut reading = Reading {
            events: Events::new(reader),
            kept_bytes: 0,
            kept_bytes_max,
        };
        reading.index()
    }

    /// How many charts there are, whatever their versions.
    pub fn charts(&self) -> usize {
        self.entries.len()
    }

    /// As Helm would write it, with the fields that are kept.
    pub fn to_json(&self) -> Result<Vec<u8>, IndexError> {
        serde_json::to_vec(self).map_err(|error| IndexError::Form(error.to_string()))
    }
}

/// The versions of one chart, of an index that [`Index::to_json`] wrote; `None` without such a chart.
///
/// The others are passed over, and nothing is made of them.
pub fn versions_of(index: &[u8], chart: &str) -> Result<Option<Vec<ChartVersion>>, IndexError> {
    let mut reader = serde_json::Deserializer::from_slice(index);
    Wanted(chart)
        .deserialize(&mut reader)
        .map_err(|error| IndexError::Form(error.to_string()))
}

struct Reading<'r, R: Read> {
    events: Events<'r, R>,
    kept_bytes: usize,
    kept_bytes_max: usize,
}

impl<'r, R: Read + 'r> Reading<'r, R> {
    fn next(&mut self) -> Result<Event, IndexError> {
        match self.events.next() {
            Some(event) => Ok(event?),
            None => Err(IndexError::Form("it ends in the middle".to_owned())),
        }
    }

    fn index(&mut self) -> Result<Index, IndexError> {
        let refuse = |why: &str| Err(IndexError::Form(why.to_owned()));
        match self.events.next().transpose()? {
            Some(Event::MapStart) => {}
            Some(event) if !event.is_null() => {
                return refuse("it is no map; is this the address of a chart repository?");
            }
            _ => return refuse("it is empty"),
        }
        let mut index = Index::default();
        while let Some(key) = self.key()? {
            let value = self.next()?;
            match key.as_str() {
                "apiVersion" => index.api_version = self.text(&value)?,
                "entries" if value == Event::MapStart => self.entries(&mut index.entries)?,
                "entries" if !value.is_null() => return refuse("'entries' is no map"),
                _ => self.events.pass_over(&value)?,
            }
        }
        // helm: ErrNoAPIVersion.
        if index.api_version.is_empty() {
            return refuse("no API version specified");
        }
        Ok(index)
    }

    /// The next key of the map that is open, or `None` at its end.
    fn key(&mut self) -> Result<Option<String>, IndexError> {
        match self.next()? {
            Event::MapEnd => Ok(None),
            Event::Scalar { text, .. } => Ok(Some(text)),
            Event::ListStart | Event::ListEnd | Event::MapStart => {
                Err(IndexError::Form("a key is no text".to_owned()))
            }
        }
    }

    fn entries(
        &mut self,
        entries: &mut BTreeMap<String, Vec<ChartVersion>>,
    ) -> Result<(), IndexError> {
        while let Some(chart) = self.key()? {
            let value = self.next()?;
            if value != Event::ListStart {
                if value.is_null() {
                    continue;
                }
                return Err(IndexError::Form(format!(
                    "the versions of {} are no list",
                    shown(&chart)
                )));
            }
            self.keep(chart.len() + ENTRY_BYTES)?;
            let mut versions = Vec::new();
            loop {
                match self.next()? {
                    Event::ListEnd => break,
                    Event::MapStart => versions.extend(self.version(&chart)?),
                    other => self.events.pass_over(&other)?,
                }
            }
            entries.entry(chart).or_default().append(&mut versions);
        }
        Ok(())
    }

    fn version(&mut self, chart: &str) -> Result<Option<ChartVersion>, IndexError> {
        let mut version = ChartVersion::default();
        while let Some(key) = self.key()? {
            let value = self.next()?;
            match key.as_str() {
                "name" => version.name = self.text(&value)?,
                "version" => version.version = self.text(&value)?,
                "appVersion" => version.app_version = self.text(&value)?,
                "created" => version.created = self.text(&value)?,
                "digest" => version.digest = self.text(&value)?,
                "deprecated" => version.deprecated = self.text(&value)? == "true",
                "urls" if value == Event::ListStart => loop {
                    match self.next()? {
                        Event::ListEnd => break,
                        url => {
                            let url = self.text(&url)?;
                            version.urls.push(url);
                        }
                    }
                },
                _ => self.events.pass_over(&value)?,
            }
        }
        if version.name.is_empty() || version.version.is_empty() {
            return Ok(None);
        }
        // In Helm, the name of the entry decides, and that of the chart is another's problem.
        chart.clone_into(&mut version.name);
        self.keep(ENTRY_BYTES)?;
        Ok(Some(version))
    }

    /// The text of a scalar that is kept; nothing for null or what is no scalar.
    fn text(&mut self, value: &Event) -> Result<String, IndexError> {
        let Event::Scalar { text, .. } = value else {
            self.events.pass_over(value)?;
            return Ok(String::new());
        };
        if value.is_null() {
            return Ok(String::new());
        }
        self.keep(text.len())?;
        Ok(text.clone())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), IndexError> {
        self.kept_bytes += bytes;
        let kept_bytes_max = self.kept_bytes_max;
        if self.kept_bytes > kept_bytes_max {
            return Err(IndexError::TooLarge { kept_bytes_max });
        }
        Ok(())
    }
}

/// The beginning of a name that a stranger chose.
fn shown(name: &str) -> String {
    name.chars()
        .take(100)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

/// Reads the versions of one chart out of a whole index.
struct Wanted<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Option<Vec<ChartVersion>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<Vec<ChartVersion>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "entries" {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(A::Error::custom("'entries' is there twice"));
            } else {
                found = Some(map.next_value_seed(Entry(self.0))?);
            }
        }
        Ok(found.flatten())
    }
}

/// Reads one value out of a map.
struct Entry<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Option<Vec<ChartVersion>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Option<Vec<ChartVersion>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the charts of an index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(chart) = map.next_key::<String>()? {
            if chart == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
apiVersion: v1
entries:
  podinfo:
  - apiVersion: v1
    appVersion: 6.7.0
    created: \"2024-06-01T10:00:00.5Z\"
    description: |
      Podinfo: a web application
      with `colons: everywhere`
    digest: aa
    maintainers:
    - {email: a@b, name: a}
    name: podinfo
    urls:
    - https://charts/podinfo-6.7.0.tgz
    version: 6.7.0
  - name: podinfo
    version: 6.6.10
    deprecated: true
    urls: [podinfo-6.6.10.tgz, second.tgz]
  - name: podinfo
  - null
  empty: null
generated: \"2024-06-01T10:00:00Z\"
";

    #[test]
    fn what_is_needed_is_kept_and_read_back() {
        let index = Index::read(INDEX.as_bytes(), KEPT_BYTES_MAX).unwrap();
        assert_eq!(index.charts(), 1);
        let json = index.to_json().unwrap();
        let found = versions_of(&json, "podinfo").unwrap().unwrap();
        assert_eq!(
            found,
            [
                ChartVersion {
                    name: "podinfo".into(),
                    version: "6.7.0".into(),
                    app_version: "6.7.0".into(),
                    created: "2024-06-01T10:00:00.5Z".into(),
                    digest: "aa".into(),
                    urls: vec!["https://charts/podinfo-6.7.0.tgz".into()],
                    deprecated: false,
                },
                ChartVersion {
                    name: "podinfo".into(),
                    // No number: it would be 6.61.
                    version: "6.6.10".into(),
                    urls: vec!["podinfo-6.6.10.tgz".into(), "second.tgz".into()],
                    deprecated: true,
                    ..ChartVersion::default()
                },
            ]
        );
        assert_eq!(versions_of(&json, "empty").unwrap(), None);
        assert_eq!(versions_of(&json, "other").unwrap(), None);
        // What is kept reads as an index again, and says the same.
        assert_eq!(Index::read(json.as_slice(), KEPT_BYTES_MAX).unwrap(), index);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for (text, expected) in [
            ("", "cannot read the index: it is empty"),
            ("~", "cannot read the index: it is empty"),
            (
                "<!DOCTYPE html>",
                "cannot read the index: it is no map; is this the address of a chart repository?",
            ),
            (
                "entries: {}",
                "cannot read the index: no API version specified",
            ),
            (
                "{apiVersion: v1, entries: [a]}",
                "cannot read the index: 'entries' is no map",
            ),
            (
                "{apiVersion: v1, entries: {a: {}}}",
                "cannot read the index: the versions of a are no list",
            ),
            (
                "{apiVersion: v1, entries: {[a]: []}}",
                "cannot read the index: a key is no text",
            ),
            (
                "apiVersion: v1\nentries: &x {}\nmore: *x\n",
                "cannot read the index: line 3, column 7: an alias; write the value out",
            ),
        ] {
            let error = Index::read(text.as_bytes(), KEPT_BYTES_MAX).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
        assert!(Index::read("apiVersion: v1\nentries: {a: [".as_bytes(), 1).is_err());
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_not_kept_is_free() {
        let index = format!(
            "{{apiVersion: v1, entries: {{a: [{{name: a, version: 1.0.0, description: {}}}]}}}}",
            "x".repeat(10_000)
        );
        let cost = "v1".len() + ("a".len() + ENTRY_BYTES) + "a".len() + "1.0.0".len() + ENTRY_BYTES;
        assert!(Index::read(index.as_bytes(), cost).is_ok());
        assert_eq!(
            Index::read(index.as_bytes(), cost - 1),
            Err(IndexError::TooLarge {
                kept_bytes_max: cost - 1
            })
        );
    }
}
