//! What is known of the Kubernetes kinds: which are of the cluster, and which lists are merged by key.
//!
//! The table holds the part of the Kubernetes OpenAPI (v1.21.2, the one kustomize v5.8 carries) that
//! leads to a list with a merge key. A kind that is not in it merges its maps and replaces its lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use fluvial_manifest::{Value, object};

use crate::error::{Error, Result};
use crate::resource::Gvk;

/// Lines: `cluster APIVERSION/KIND`; `kind APIVERSION/KIND TYPE`; `type NAME FIELD…`, where a field
/// is `name>TYPE` (a map), `name[]TYPE` (a replaced list), `name{}TYPE` (a map of them) or
/// `name*KEY,KEY:TYPE` (a list merged by keys; by value when it names none).
static TABLE: &str = include_str!("schema.txt");

/// The API versions of each kind of the cluster.
static CLUSTER: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let entries = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix("cluster ")?.rsplit_once('/'));
    for (api_version, kind) in entries {
        kinds.entry(kind).or_default().push(api_version);
    }
    kinds
});

static BUILTIN: LazyLock<Schema> = LazyLock::new(|| builtin(TABLE));

/// Whether objects of this kind certainly have no namespace.
pub(crate) fn is_cluster_scoped(gvk: &Gvk) -> bool {
    let Some(api_versions) = CLUSTER.get(gvk.kind.as_str()) else {
        return false;
    };
    api_versions
        .iter()
        .any(|api_version| object::group_version(api_version) == (&gvk.group, &gvk.version))
}

/// Whether Kubernetes itself has this kind, and its objects have no namespace.
pub fn has_no_namespace(api_version: &str, kind: &str) -> bool {
    let (group, version) = object::group_version(api_version);
    is_cluster_scoped(&Gvk {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    })
}

/// `APIVERSION/KIND`.
fn entry(gvk: &Gvk) -> String {
    if gvk.group.is_empty() {
        format!("{}/{}", gvk.version, gvk.kind)
    } else {
        format!("{}/{}/{}", gvk.group, gvk.version, gvk.kind)
    }
}

/// The kind that a path of an OpenAPI file serves, and whether it does so inside a namespace.
fn served(path: &str, item: &Value) -> Option<(String, bool)> {
    let served = item.pointer("/get/x-kubernetes-group-version-kind")?;
    let text = |key: &str| served.get(key).and_then(Value::as_str).map(str::to_owned);
    let gvk = Gvk {
        group: text("group")?,
        version: text("version")?,
        kind: text("kind")?,
    };
    Some((entry(&gvk), path.contains("namespaces/{namespace}")))
}

/// Types by name and by the kinds they describe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    /// Kinds that a repository's own OpenAPI serves without a namespace.
    cluster: BTreeSet<String>,
    kinds: BTreeMap<String, Arc<str>>,
    types: BTreeMap<Arc<str>, BTreeMap<String, Shape>>,
}

/// The schema in force: the built-in one, read when it is first needed, or a repository's own.
#[derive(Debug, Default)]
pub(crate) struct InForce(Option<Schema>);

impl InForce {
    pub(crate) fn replace(&mut self, schema: Schema) {
        self.0 = Some(schema);
    }

    pub(crate) fn get(&self) -> &Schema {
        self.0.as_ref().unwrap_or_else(|| Schema::builtin())
    }
}

/// What a value is, as far as merging cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A map with these fields.
    Type(Arc<str>),
    /// A map whose values are all of one type.
    MapOf(Arc<str>),
    /// A list that a patch replaces.
    ListOf(Arc<str>),
    /// A list that a patch merges.
    Merged {
        /// What tells its items apart; nothing when the items themselves do.
        keys: Arc<[String]>,
        /// Type of an item; empty when nothing inside it matters.
        item: Arc<str>,
    },
}

impl Schema {
    /// The table of this crate.
    pub(crate) fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Whether objects of this kind certainly have no namespace.
    pub(crate) fn is_cluster_scoped(&self, gvk: &Gvk) -> bool {
        is_cluster_scoped(gvk) || (!self.cluster.is_empty() && self.cluster.contains(&entry(gvk)))
    }

    /// The shape of a whole object.
    pub(crate) fn of(&self, api_version: &str, kind: &str) -> Option<Shape> {
        let name = self.kinds.get(&format!("{api_version}/{kind}"))?;
        Some(Shape::Type(name.clone()))
    }

    /// The shape of a field of a map of this shape.
    pub(crate) fn field(&self, shape: Option<&Shape>, field: &str) -> Option<Shape> {
        match shape? {
            Shape::Type(name) => self.types.get(name)?.get(field).cloned(),
            Shape::MapOf(name) => Some(Shape::Type(name.clone())),
            Shape::ListOf(_) | Shape::Merged { .. } => None,
        }
    }

    /// Reads OpenAPI definitions that a repository brings, and lays them over this schema.
    pub(crate) fn with_openapi(&self, document: &Value) -> Result<Self> {
        let definitions = document
            .get("definitions")
            .and_then(Value::as_object)
            .ok_or_else(|| Error::new("an OpenAPI file needs a map `definitions`"))?;
        let mut schema = self.clone();
        let paths = document.get("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flatten();
        let (inside, outside): (Vec<_>, Vec<_>) = paths
            .filter_map(|(path, item)| served(path, item))
            .partition(|(_, namespaced)| *namespaced);
        let inside: BTreeSet<String> = inside.into_iter().map(|(kind, _)| kind).collect();
        schema.cluster = outside
            .into_iter()
            .map(|(kind, _)| kind)
            .filter(|kind| !inside.contains(kind))
            .collect();
        for (name, definition) in definitions {
            let name = short(name);
            schema.add(name, definition, 0);
            let gvks = definition
                .get("x-kubernetes-group-version-kind")
                .and_then(Value::as_array);
            for gvk in gvks.into_iter().flatten() {
                let text = |key: &str| gvk.get(key).and_then(Value::as_str).unwrap_or_default();
                let (group, version, kind) = (text("group"), text("version"), text("kind"));
                let gvk = Gvk {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: kind.to_owned(),
                };
                schema.kinds.insert(entry(&gvk), name.into());
            }
        }
        Ok(schema)
    }

    fn add(&mut self, name: &str, definition: &Value, depth: usize) {
        /// Definitions inside definitions; a document cannot nest deeper than its reader allows.
        const DEPTH_MAX: usize = 64;
        let properties = definition.get("properties").and_then(Value::as_object);
        if depth > DEPTH_MAX {
            return;
        }
        let mut fields = BTreeMap::new();
        for (field, property) in properties.into_iter().flatten() {
            let inner = format!("{name}.{field}");
            if let Some(shape) = self.shape(&inner, property, depth) {
                fields.insert(field.clone(), shape);
            }
        }
        self.types.insert(name.into(), fields);
    }

    fn shape(&mut self, name: &str, property: &Value, depth: usize) -> Option<Shape> {
        let items = property.get("items");
        if property.get("type").and_then(Value::as_str) == Some("array") {
            let item = items
                .and_then(|items| self.type_of(name, items, depth))
                .unwrap_or_default();
            let strategy = property
                .get("x-kubernetes-patch-strategy")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !strategy.split(',').any(|part| part == "merge") {
                return Some(Shape::ListOf(item));
            }
            let keys = match property
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
            {
                Some(keys) => keys
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                None => property
                    .get("x-kubernetes-patch-merge-key")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
            };
            return Some(Shape::Merged { keys, item });
        }
        if let Some(values) = property
            .get("additionalProperties")
            .filter(|values| values.is_object())
        {
            return self.type_of(name, values, depth).map(Shape::MapOf);
        }
        self.type_of(name, property, depth).map(Shape::Type)
    }

    /// The name of the type that a definition is or refers to.
    fn type_of(&mut self, name: &str, definition: &Value, depth: usize) -> Option<Arc<str>> {
        if let Some(reference) = definition.get("$ref").and_then(Value::as_str) {
            return Some(short(reference.trim_start_matches("#/definitions/")).into());
        }
        definition.get("properties")?;
        self.add(name, definition, depth + 1);
        Some(name.into())
    }
}

/// The name of a definition as the table has it: without the package that all its kind share.
fn short(name: &str) -> &str {
    const PACKAGES: [&str; 4] = [
        "io.k8s.api.",
        "io.k8s.apimachinery.pkg.apis.",
        "io.k8s.apiextensions-apiserver.pkg.apis.",
        "io.k8s.kube-aggregator.pkg.apis.",
    ];
    let stripped = PACKAGES
        .iter()
        .find_map(|package| name.strip_prefix(package));
    stripped.unwrap_or(name)
}

fn builtin(table: &str) -> Schema {
    let mut schema = Schema::default();
    for line in table.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("kind"), Some(kind)) => {
                let name = words.next().unwrap_or_default();
                schema.kinds.insert(kind.to_owned(), name.into());
            }
            (Some("type"), Some(name)) => {
                let fields = words.filter_map(table_field).collect();
                schema.types.insert(name.into(), fields);
            }
            _ => {}
        }
    }
    schema
}

fn table_field(text: &str) -> Option<(String, Shape)> {
    if let Some((field, rest)) = text.split_once('*') {
        let (keys, item) = rest.split_once(':')?;
        let keys = keys
            .split(',')
            .filter(|key| !key.is_empty())
            .map(str::to_owned)
            .collect();
        let item = item.into();
        return Some((field.to_owned(), Shape::Merged { keys, item }));
    }
    if let Some((field, name)) = text.split_once('>') {
        return Some((field.to_owned(), Shape::Type(name.into())));
    }
    if let Some((field, name)) = text.split_once("[]") {
        return Some((field.to_owned(), Shape::ListOf(name.into())));
    }
    let (field, name) = text.split_once("{}")?;
    Some((field.to_owned(), Shape::MapOf(name.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_the_table_names_is_in_it() {
        let schema = Schema::builtin();
        for name in schema.kinds.values() {
            assert!(schema.types.contains_key(name), "{name}");
        }
        for shape in schema.types.values().flat_map(BTreeMap::values) {
            let (Shape::Type(name)
            | Shape::MapOf(name)
            | Shape::ListOf(name)
            | Shape::Merged { item: name, .. }) = shape;
            assert!(name.is_empty() || schema.types.contains_key(name), "{name}");
        }
        assert!(schema.kinds.len() > 80, "{}", schema.kinds.len());
    }

    #[test]
    fn containers_are_merged_by_name_and_ports_by_two_keys() {
        let schema = Schema::builtin();
        let mut shape = schema.of("apps/v1", "Deployment");
        for field in ["spec", "template", "spec", "containers"] {
            shape = schema.field(shape.as_ref(), field);
        }
        let Some(Shape::Merged { keys, item }) = shape else {
            panic!("containers are a merged list");
        };
        assert_eq!(*keys, ["name"]);
        let ports = schema.field(Some(&Shape::Type(item)), "ports");
        let Some(Shape::Merged { keys, .. }) = ports else {
            panic!("ports are a merged list");
        };
        assert_eq!(*keys, ["containerPort", "protocol"]);
    }

    #[test]
    fn scope_is_known_by_version_too() {
        let gvk = |group: &str, version: &str, kind: &str| Gvk {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        };
        assert!(is_cluster_scoped(&gvk("", "v1", "Namespace")));
        assert!(is_cluster_scoped(&gvk(
            "rbac.authorization.k8s.io",
            "v1",
            "ClusterRole"
        )));
        assert!(!is_cluster_scoped(&gvk("example.com", "v1", "ClusterRole")));
        assert!(!is_cluster_scoped(&gvk("apps", "v1", "Deployment")));
    }
}
