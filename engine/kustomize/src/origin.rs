//! Where an object came from and what changed it: the annotations `buildMetadata` asks for.

use fluvial_manifest::{Map, Value, object, yaml};

use crate::remote::Repository;
use crate::resource::Resource;

const ORIGIN: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// A place in the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file, relative to the directory that is built.
    pub(crate) path: String,
    /// The repository that the path is in, if it is another, and what of it.
    pub(crate) repository: String,
    pub(crate) reference: String,
    /// The file that configured a generator or transformer.
    pub(crate) configured_in: String,
    /// That generator or transformer.
    pub(crate) configured_by: Option<ConfiguredBy>,
}

/// A generator or transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfiguredBy {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Origin {
    /// The place reached from this one by a path.
    pub(crate) fn append(&self, path: &str) -> Self {
        if let Some(remote) = Repository::parse(path) {
            return Self {
                path: join("", &remote.path),
                repository: remote.clone,
                reference: remote.reference,
                ..Self::default()
            };
        }
        Self {
            path: join(&self.path, path),
            repository: self.repository.clone(),
            reference: self.reference.clone(),
            ..Self::default()
        }
    }

    /// A built-in generator or transformer configured in `file` of this directory.
    pub(crate) fn builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            repository: self.repository.clone(),
            reference: self.reference.clone(),
            configured_in: join(&self.path, file),
            configured_by: Some(ConfiguredBy {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                name: String::new(),
                namespace: String::new(),
            }),
        }
    }

    /// A generator or transformer configured by an object.
    pub(crate) fn of_plugin(plugin: &Resource) -> Option<Self> {
        let origin = plugin.origin.as_ref()?;
        let value = &plugin.value;
        Some(Self {
            path: String::new(),
            repository: origin.repository.clone(),
            reference: origin.reference.clone(),
            configured_in: origin.path.clone(),
            configured_by: Some(ConfiguredBy {
                api_version: object::api_version(value).to_owned(),
                kind: object::kind(value).to_owned(),
                name: object::name(value).to_owned(),
                namespace: object::namespace(value).to_owned(),
            }),
        })
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        let put = |map: &mut Map<String, Value>, key: &str, text: &str| {
            if !text.is_empty() {
                map.insert(key.to_owned(), Value::String(text.to_owned()));
            }
        };
        put(&mut map, "path", &self.path);
        put(&mut map, "repo", &self.repository);
        put(&mut map, "ref", &self.reference);
        put(&mut map, "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            let mut configured = Map::new();
            put(&mut configured, "apiVersion", &by.api_version);
            put(&mut configured, "kind", &by.kind);
            put(&mut configured, "name", &by.name);
            put(&mut configured, "namespace", &by.namespace);
            map.insert("configuredBy".to_owned(), Value::Object(configured));
        }
        Value::Object(map)
    }

    /// The annotation's text: YAML with the fields in kustomize's own order.
    fn to_text(&self, indent: &str) -> String {
        let value = self.to_value();
        let mut text = String::new();
        for key in ["path", "repo", "ref", "configuredIn", "configuredBy"] {
            let Some(field) = value.get(key) else {
                continue;
            };
            let mut single = Map::new();
            single.insert(key.to_owned(), field.clone());
            for line in yaml::to_string(&Value::Object(single)).lines() {
                if !text.is_empty() {
                    text.push_str(indent);
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

/// Writes the annotations that were asked for, and reads back those that were in the input.
pub(crate) fn annotate(resource: &mut Resource, origins: bool, transformations: bool) {
    if origins && let Some(origin) = &resource.origin {
        let text = origin.to_text("");
        object::set_annotation(&mut resource.value, ORIGIN, &text);
    }
    if transformations && !resource.transformations.is_empty() {
        let mut text = String::new();
        for origin in &resource.transformations {
            text.push_str("- ");
            text.push_str(&origin.to_text("  "));
        }
        object::set_annotation(&mut resource.value, TRANSFORMATIONS, &text);
    }
}

/// The annotations of earlier builds that this build does not keep.
pub(crate) fn stale(origins: bool, transformations: bool) -> impl Iterator<Item = &'static str> {
    [(ORIGIN, origins), (TRANSFORMATIONS, transformations)]
        .into_iter()
        .filter(|(_, kept)| !kept)
        .map(|(key, _)| key)
}

/// Joins as `path/filepath.Join` does, so that the result may climb above the start.
fn join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
