//! `Chart.yaml` and `requirements.yaml`: what a chart says of itself.

use std::collections::BTreeMap;

use fluvial_manifest::{Map, Value};
use fluvial_semver::Version;

use crate::{Error, yaml};

/// What a chart says of itself; what it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its own page.
    pub home: String,
    /// Where its source code is.
    pub sources: Vec<String>,
    /// Its version, a semantic one.
    pub version: String,
    /// In one sentence.
    pub description: String,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Who maintains it.
    pub maintainers: Vec<Maintainer>,
    /// Address of a picture.
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    /// Of Helm 2; nothing reads it.
    pub condition: String,
    /// Of Helm 2; nothing reads it.
    pub tags: String,
    /// The version of what it installs.
    pub app_version: String,
    /// Whether it should not be used any more.
    pub deprecated: bool,
    /// Free text for others.
    pub annotations: Option<BTreeMap<String, String>>,
    /// A range of Kubernetes versions that it needs.
    pub kube_version: String,
    /// The charts that it needs.
    pub dependencies: Vec<Dependency>,
    /// `application`, `library` or nothing.
    pub kind: String,
}

/// Who maintains a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// A person or an organisation.
    pub name: String,
    /// An address to write to.
    pub email: String,
    /// A page.
    pub url: String,
}

/// A chart that another one needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependency {
    /// As in its own `Chart.yaml`; its alias once dependencies were processed.
    pub name: String,
    /// A range of versions.
    pub version: String,
    /// Address of the repository.
    pub repository: String,
    /// Paths into the values, separated by commas; the first that is a boolean decides.
    pub condition: String,
    /// Names below `tags` in the values.
    pub tags: Vec<String>,
    /// Whether it is used.
    pub enabled: bool,
    /// Values that the parent takes over: texts, or maps of `child` and `parent`.
    pub import_values: Vec<Value>,
    /// Its name in this chart.
    pub alias: String,
}

impl Metadata {
    /// Whether this is a library chart.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Reads a text on top of what is known: `Chart.yaml` first, then `requirements.yaml`.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<(), String> {
        match yaml::first(text)? {
            Value::Null => Ok(()),
            Value::Object(map) => self.decode(&map),
            other => Err(mismatch(&other, "Metadata", "a map")),
        }
    }

    fn decode(&mut self, map: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in map {
            if value.is_null() {
                continue;
            }
            match canonical(key, &FIELDS) {
                "name" => self.name = text(value, key)?,
                "home" => self.home = text(value, key)?,
                "sources" => self.sources = texts(value, key)?,
                "version" => self.version = text(value, key)?,
                "description" => self.description = text(value, key)?,
                "keywords" => self.keywords = texts(value, key)?,
                "maintainers" => self.maintainers = list(value, key, maintainer)?,
                "icon" => self.icon = text(value, key)?,
                "apiVersion" => self.api_version = text(value, key)?,
                "condition" => self.condition = text(value, key)?,
                "tags" => self.tags = text(value, key)?,
                "appVersion" => self.app_version = text(value, key)?,
                "deprecated" => self.deprecated = truth(value, key)?,
                "annotations" => {
                    let annotations = self.annotations.get_or_insert_default();
                    for (name, value) in object(value, key)? {
                        let own = if value.is_null() {
                            String::new()
                        } else {
                            text(value, key)?
                        };
                        annotations.insert(name.clone(), own);
                    }
                }
                "kubeVersion" => self.kube_version = text(value, key)?,
                "dependencies" => self.dependencies = list(value, key, dependency)?,
                "type" => self.kind = text(value, key)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// helm's `Metadata.Validate`: what is missing or wrong is refused, spaces and what cannot be printed
    /// are cleaned away.
    pub(crate) fn validate(&mut self) -> Result<(), Error> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(text);
        }
        self.sources.iter_mut().for_each(sanitize);
        self.keywords.iter_mut().for_each(sanitize);
        let refuse = |why: String| Err(Error::chart(format!("validation: chart.metadata.{why}")));
        if self.name.is_empty() {
            return refuse("name is required".to_owned());
        }
        if matches!(self.name.as_str(), "." | "..") || self.name.contains('/') {
            return refuse(format!("name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return refuse("version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return refuse(format!("version {:?} is invalid", self.version));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return refuse("type must be application or library".to_owned());
        }
        for maintainer in &mut self.maintainers {
            sanitize(&mut maintainer.name);
            sanitize(&mut maintainer.email);
            sanitize(&mut maintainer.url);
        }
        self.validate_dependencies()
    }

    fn validate_dependencies(&mut self) -> Result<(), Error> {
        let mut names: Vec<&str> = Vec::new();
        for dependency in &mut self.dependencies {
            for text in [
                &mut dependency.name,
                &mut dependency.version,
                &mut dependency.repository,
                &mut dependency.condition,
            ] {
                sanitize(text);
            }
            dependency.tags.iter_mut().for_each(sanitize);
            let alias = dependency.alias.as_str();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if !alias.bytes().all(is_plain) {
                return Err(Error::chart(format!(
                    "validation: dependency {:?} has disallowed characters in the alias",
                    dependency.name
                )));
            }
            let name = if alias.is_empty() {
                dependency.name.as_str()
            } else {
                alias
            };
            if names.contains(&name) {
                return Err(Error::chart(format!(
                    "validation: more than one dependency with name or alias {name:?}"
                )));
            }
            names.push(name);
        }
        Ok(())
    }
}

const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

/// The field that Go's JSON reads this key into: case counts only where two differ by nothing else.
fn canonical<'f>(key: &str, fields: &[&'f str]) -> &'f str {
    let same = |field: &&&str| field.eq_ignore_ascii_case(key);
    fields.iter().find(same).copied().unwrap_or_default()
}

fn maintainer(value: &Value) -> Result<Maintainer, String> {
    let mut maintainer = Maintainer::default();
    for (key, value) in object(value, "maintainers")? {
        if value.is_null() {
            continue;
        }
        match canonical(key, &["name", "email", "url"]) {
            "name" => maintainer.name = text(value, key)?,
            "email" => maintainer.email = text(value, key)?,
            "url" => maintainer.url = text(value, key)?,
            _ => {}
        }
    }
    Ok(maintainer)
}

fn dependency(value: &Value) -> Result<Dependency, String> {
    let mut dependency = Dependency::default();
    let fields = [
        "name",
        "version",
        "repository",
        "condition",
        "tags",
        "enabled",
        "import-values",
        "alias",
    ];
    for (key, value) in object(value, "dependencies")? {
        if value.is_null() {
            continue;
        }
        match canonical(key, &fields) {
            "name" => dependency.name = text(value, key)?,
            "version" => dependency.version = text(value, key)?,
            "repository" => dependency.repository = text(value, key)?,
            "condition" => dependency.condition = text(value, key)?,
            "tags" => dependency.tags = texts(value, key)?,
            "enabled" => dependency.enabled = truth(value, key)?,
            "import-values" => {
                dependency.import_values = list(value, key, |item| Ok(item.clone()))?;
            }
            "alias" => dependency.alias = text(value, key)?,
            _ => {}
        }
    }
    Ok(dependency)
}

fn mismatch(value: &Value, key: &str, wanted: &str) -> String {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    format!("{key} is {is} and must be {wanted}")
}

/// A text. Numbers and booleans become one, as sigs.k8s.io/yaml makes them.
pub(crate) fn text(value: &Value, key: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(yaml::number_text(number)),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(mismatch(value, key, "a string")),
    }
}

fn texts(value: &Value, key: &str) -> Result<Vec<String>, String> {
    list(value, key, |item| match item {
        Value::Null => Ok(String::new()),
        item => text(item, key),
    })
}

fn list<T>(
    value: &Value,
    key: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        Value::Array(items) => items.iter().map(read).collect(),
        other => Err(mismatch(other, key, "a list")),
    }
}

fn object<'v>(value: &'v Value, key: &str) -> Result<&'v Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| mismatch(value, key, "a map"))
}

fn truth(value: &Value, key: &str) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| mismatch(value, key, "a boolean"))
}

/// Any space becomes a plain one; what cannot be printed is taken out.
fn sanitize(text: &mut String) {
    let plain = |c: char| c == ' ' || (!c.is_whitespace() && is_printable(c));
    if text.chars().all(plain) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| match c {
            c if c.is_whitespace() => Some(' '),
            c if is_printable(c) => Some(c),
            _ => None,
        })
        .collect();
}

/// Letters, marks, numbers, punctuation and symbols; no control, format or private characters.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{10ffff}')
}
