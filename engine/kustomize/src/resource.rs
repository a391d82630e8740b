//! One object on its way through a build, and the names it has had.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fluvial_manifest::{Map, Value, object, yaml};

use crate::error::{Error, Result};
use crate::origin::Origin;
use crate::schema;

/// Group, version and kind. As a selector, an empty part matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl Gvk {
    pub(crate) fn of(value: &Value) -> Self {
        let api_version = field_text(Some(value), "apiVersion");
        let (group, version) = object::group_version(&api_version);
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: field_text(Some(value), "kind"),
        }
    }

    pub(crate) fn is_selected(&self, selector: &Self) -> bool {
        let matches = |own: &str, wanted: &str| wanted.is_empty() || own == wanted;
        matches(&self.kind, &selector.kind)
            && matches(&self.group, &selector.group)
            && matches(&self.version, &selector.version)
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kind.is_empty() {
            "*"
        } else {
            &self.kind
        })?;
        for part in [&self.version, &self.group] {
            if !part.is_empty() {
                write!(f, ".{part}")?;
            }
        }
        Ok(())
    }
}

/// The namespace of objects that have none, where it must differ from every real one.
pub(crate) const CLUSTER: &str = "_non_namespaceable_";

/// What names an object within one build.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    /// As written; [`Id::effective_namespace`] is what counts.
    pub(crate) namespace: String,
}

impl Id {
    pub(crate) fn of(value: &Value) -> Self {
        Self {
            gvk: Gvk::of(value),
            name: field_text(value.get("metadata"), "name"),
            namespace: field_text(value.get("metadata"), "namespace"),
        }
    }

    pub(crate) fn is_cluster_scoped(&self) -> bool {
        schema::is_cluster_scoped(&self.gvk)
    }

    /// An unset namespace is `default`, and objects of the cluster have one of their own.
    pub(crate) fn effective_namespace(&self) -> &str {
        if self.is_cluster_scoped() {
            CLUSTER
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.gvk == other.gvk
            && self.effective_namespace() == other.effective_namespace()
    }

    /// The id with its effective namespace: equal for two ids that are [`Id::same`].
    pub(crate) fn key(mut self) -> Self {
        self.effective_namespace()
            .to_owned()
            .clone_into(&mut self.namespace);
        self
    }

    /// Whether `selector`, whose empty parts match anything, selects this.
    pub(crate) fn is_selected_by(&self, selector: &Self) -> bool {
        (selector.name.is_empty() || selector.name == self.name)
            && (selector.namespace.is_empty()
                || selector.effective_namespace() == self.effective_namespace())
            && self.gvk.is_selected(&selector.gvk)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.gvk, self.name)?;
        if self.namespace.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.namespace)
        }
    }
}

/// What a generated object does to one of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Create,
    Replace,
    Merge,
}

/// A name that an object had before a transformer changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// The text that an object was read from.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) text: Arc<str>,
    /// Which of its documents, from 0.
    pub(crate) document: usize,
}

impl Written {
    /// Whether a value may be missing between brackets: `{key: }`, `{key}`, `[? key]`.
    pub(crate) fn has_gaps(&self) -> bool {
        let goes_on = |at: usize| self.text[at + 1..].trim_start();
        self.text
            .match_indices([':', '{', '?'])
            .any(|(at, found)| match found {
                ":" => goes_on(at).starts_with([',', '}', ']']),
                "{" => !goes_on(at).starts_with('}'),
                _ => true,
            })
    }

    /// The document, with what is not written marked as such.
    pub(crate) fn marked(&self) -> Option<Value> {
        let documents = yaml::documents_absent(&self.text).unwrap_or_default();
        documents.into_iter().nth(self.document)
    }
}

/// An object and its history within the build.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) value: Value,
    /// Oldest first.
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) needs_hash: bool,
    /// Names of the vars that read from this object.
    pub(crate) vars: Vec<String>,
    /// How annotations that are null were written, such as `~` or not at all; others say `null`.
    pub(crate) null_annotations: BTreeMap<String, String>,
    /// Where the text says more than the value, until a patch has used it: which nulls are not
    /// written (a strategic merge drops them), which annotations are no text (JSON keeps their type).
    pub(crate) written: Option<Written>,
    /// Whether a namespace was written where a subject of a role binding had one without quotes, or none.
    pub(crate) plain_subjects: bool,
    pub(crate) origin: Option<Origin>,
    pub(crate) transformations: Vec<Origin>,
}

impl Resource {
    pub(crate) fn new(value: Value) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    pub(crate) fn id(&self) -> Id {
        Id::of(&self.value)
    }

    /// All earlier ids, oldest first. The group and version are today's.
    pub(crate) fn previous_ids(&self) -> impl DoubleEndedIterator<Item = Id> + '_ {
        let gvk = Gvk::of(&self.value);
        self.previous.iter().map(move |previous| Id {
            gvk: Gvk {
                group: gvk.group.clone(),
                version: gvk.version.clone(),
                kind: previous.kind.clone(),
            },
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
        })
    }

    /// The id it was read with.
    pub(crate) fn original_id(&self) -> Id {
        self.previous_ids().next().unwrap_or_else(|| self.id())
    }

    /// Whether `matches` any id, past or present.
    pub(crate) fn any_id(&self, matches: impl Fn(&Id) -> bool) -> bool {
        self.previous_ids().any(|id| matches(&id)) || matches(&self.id())
    }

    /// Notes the present id before it is changed.
    pub(crate) fn remember(&mut self) {
        let id = self.id();
        self.previous.push(Previous {
            namespace: id.effective_namespace().to_owned(),
            kind: id.gvk.kind,
            name: id.name,
        });
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.set_metadata("name", name);
    }

    /// Sets the namespace; an empty one is removed.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if !namespace.is_empty() {
            self.set_metadata("namespace", namespace);
        } else if let Some(Value::Object(metadata)) = self.value.get_mut("metadata") {
            metadata.remove("namespace");
        }
    }

    /// Makes a map of annotations that a patch or a replacement wrote something else over, as kustomize reads
    /// them then: the items of a list are keys and values in turn, and nothing is in a text.
    pub(crate) fn pair_annotations(&mut self) -> Result<()> {
        let Some(Value::Object(metadata)) = self.value.get_mut("metadata") else {
            return Ok(());
        };
        let pairs = match metadata.get("annotations") {
            None | Some(Value::Object(_)) => return Ok(()),
            Some(Value::Array(items)) => pairs(items)?,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Map::new(),
        };
        if pairs.is_empty() {
            metadata.remove("annotations");
        } else {
            metadata.insert("annotations".to_owned(), Value::Object(pairs));
        }
        Ok(())
    }

    /// That it still has what makes it an object, whatever was done to it.
    pub(crate) fn check_kept(&self) -> Result<()> {
        let id = self.id();
        let field = match (id.gvk.kind.as_str(), id.name.as_str()) {
            ("", _) => "kind",
            (kind, "") if !kind.ends_with("List") => "metadata.name",
            _ => return Ok(()),
        };
        Err(Error::new(format!(
            "{} has no {field} any more; no patch and no replacement may take it away",
            self.original_id()
        )))
    }

    fn set_metadata(&mut self, key: &str, value: &str) {
        if let Some(metadata) = child_map(&mut self.value, "metadata") {
            metadata.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    }
}

/// The map under `key` of an object, put there if nothing, or null, was.
pub(crate) fn child_map<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    let child = value.as_object_mut()?.entry(key).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    child.as_object_mut()
}

/// A field that is text, or that stands without quotes and so is read as something else.
fn field_text(value: Option<&Value>, field: &str) -> String {
    value
        .and_then(|value| value.get(field))
        .and_then(scalar_text)
        .unwrap_or_default()
}

/// The map that kustomize reads in a list where labels or annotations should be: keys and values in turn.
pub(crate) fn pairs(items: &[Value]) -> Result<Map<String, Value>> {
    let mut pairs = Map::new();
    for pair in items.chunks(2) {
        let [key, value] = pair else {
            return Err(Error::new(
                "labels and annotations are a map, and here is a list; write a map",
            ));
        };
        let key = scalar_text(key).unwrap_or_default();
        check_annotation_key(&key)?;
        let value = scalar_text(value).unwrap_or_default();
        pairs.insert(key, Value::String(value));
    }
    Ok(pairs)
}

/// kustomize writes annotations without the quotes of their keys, and refuses those that are no text then.
pub(crate) fn check_annotation_key(key: &str) -> Result<()> {
    if yaml::scalar(key).is_string() {
        return Ok(());
    }
    Err(Error::new(format!(
        "the annotation key {key:?} is written without quotes, and is no text then; give it another name"
    )))
}

/// Whether this is text that certainly stood in quotes or in a block: without, it would be no text.
pub(crate) fn is_quoted(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.contains('\n') || !yaml::scalar(text).is_string())
}

/// A scalar as the text that it is once it is taken for one: null is `null`, and maps and lists are nothing.
pub(crate) fn written_text(value: &Value) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    scalar_text(value).unwrap_or_default()
}

/// A scalar as the text that YAML shows for it; `None` for a map or a list.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}
