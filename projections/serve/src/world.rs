//! The objects of one moment, composed and with nothing in them that must not be shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluvial_event::{Digest, ObjectRef, Offset, Record, Timestamp};
use fluvial_log::BlobStore;
use fluvial_view::past::{GAP, Past};
use fluvial_view::{Projection as _, difference};
use serde_json::{Value, json};

use crate::resource::{self, Resource};

/// What becomes of the values of Secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// A mark stands in their place, wherever they are found.
    Redacted,
    /// They are shown, to somebody who has the key of the data directory.
    Shown,
}

/// The objects of one moment, as an API server would have shown them.
#[derive(Clone, Debug)]
pub struct World {
    past: Past,
    resources: Arc<Vec<Resource>>,
    objects: BTreeMap<Kind, BTreeMap<Name, Arc<Value>>>,
    secrets: Secrets,
    values: difference::Secrets,
}

/// What became of an object in one record.
pub(crate) struct Changed {
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
}

/// Group and kind.
type Kind = (String, String);
/// Namespace and name.
pub(crate) type Name = (String, String);

impl World {
    /// Reads the manifests of a `past`, once. One that is not stored any more is a gap; one that cannot be
    /// read is an error.
    pub fn new(
        past: Past,
        blobs: &dyn BlobStore,
        secrets: Secrets,
    ) -> Result<Self, fluvial_log::Error> {
        let mut past = past;
        past.take_changed();
        let mut wholes = BTreeMap::new();
        for key in past.objects() {
            if let Some(whole) = past.object(key, manifest(&past, key, blobs)?) {
                wholes.insert(key.clone(), whole);
            }
        }
        let definitions = wholes.iter();
        let definitions = definitions.filter(|(key, _)| key.kind == "CustomResourceDefinition");
        let known = past.objects().map(|key| (key, past.version(key)));
        let resources = resource::all(definitions.map(|(_, it)| it), known);
        let mut world = Self {
            values: difference::Secrets::of(wholes.values()),
            resources: Arc::new(resources),
            objects: BTreeMap::new(),
            secrets,
            past,
        };
        for (key, whole) in wholes {
            world.insert(key, whole);
        }
        world.name_namespaces();
        Ok(world)
    }

    /// The last record that it follows from.
    pub fn offset(&self) -> Offset {
        self.past.offset()
    }

    /// Its time.
    pub fn time(&self) -> Timestamp {
        self.past.time()
    }

    pub(crate) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The objects of a kind, by namespace and name.
    pub(crate) fn objects(&self, resource: &Resource) -> Option<&BTreeMap<Name, Arc<Value>>> {
        let kind = (resource.group.clone(), resource.kind.clone());
        self.objects.get(&kind)
    }

    /// What is to be known about every answer that is of this kind.
    pub(crate) fn warnings(&self, resource: &Resource) -> Vec<String> {
        let mut warnings = Vec::new();
        if resource.is_made_by_kubernetes() {
            warnings.push(format!(
                "{}: only those that were declared are on record, not those that Kubernetes made",
                resource.full_name()
            ));
        }
        if let Some(gap) = self.past.gap(&resource.group, &resource.kind) {
            warnings.push(format!(
                "{}: the watch was interrupted until offset {} ({}): {}; what happened just before was not all seen",
                resource.full_name(),
                gap.offset,
                gap.time,
                gap.reason,
            ));
        }
        warnings
    }

    /// Goes on by one record, for somebody who looks at objects of this kind: the others stay as they were,
    /// but for Secrets, whose values must be known wherever they are copied to.
    pub(crate) fn advance(
        &mut self,
        record: &Record,
        blobs: &dyn BlobStore,
        watched: &Resource,
    ) -> Result<Vec<Changed>, fluvial_log::Error> {
        self.past.apply(record);
        let mut changes = Vec::new();
        let mut wholes = Vec::new();
        for key in self.past.take_changed() {
            let is_watched = key.group == watched.group && key.kind == watched.kind;
            if !is_watched && key.kind != "Secret" {
                continue;
            }
            let manifest = manifest(&self.past, &key, blobs)?;
            let whole = self.past.object(&key, manifest);
            if let Some(whole) = &whole {
                self.values.learn(whole);
            }
            if is_watched {
                wholes.push((key, whole));
            }
        }
        for (key, whole) in wholes {
            let name = (key.namespace.clone(), key.name.clone());
            let objects = self.objects.entry((key.group.clone(), key.kind.clone()));
            let before = objects.or_default().remove(&name);
            let after = whole.map(|whole| self.insert(key, whole));
            changes.push(Changed { before, after });
        }
        Ok(changes)
    }

    fn insert(&mut self, key: ObjectRef, whole: Value) -> Arc<Value> {
        let object = match self.secrets {
            Secrets::Shown => whole,
            Secrets::Redacted => self.redacted(whole),
        };
        let object = Arc::new(object);
        let objects = self.objects.entry((key.group, key.kind)).or_default();
        objects.insert((key.namespace, key.name), Arc::clone(&object));
        object
    }

    /// Without values of Secrets. What an object is called by stays, whatever it is like.
    fn redacted(&self, whole: Value) -> Value {
        const NAMES: [&str; 5] = [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
        ];
        let mut object = whole;
        let api_version = object["apiVersion"].take();
        let kind = object["kind"].clone();
        let names: Vec<_> = NAMES
            .into_iter()
            .filter_map(|name| Some((name, object["metadata"].get(name)?.clone())))
            .collect();
        self.values.redact(&mut object);
        object["apiVersion"] = api_version;
        object["kind"] = kind;
        for (name, value) in names {
            object["metadata"][name] = value;
        }
        object
    }

    /// The namespaces that objects are in, though nobody declared them.
    fn name_namespaces(&mut self) {
        let named = self.past.objects().map(|it| it.namespace.clone());
        let named: BTreeSet<_> = named.filter(|it| !it.is_empty()).collect();
        let kind = (String::new(), "Namespace".to_owned());
        let namespaces = self.objects.entry(kind).or_default();
        for name in named {
            let version = self.past.offset().to_string();
            let object = || {
                Arc::new(json!({
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {
                        "name": &name,
                        "resourceVersion": version,
                        "annotations": {GAP: "only its name is known, from the objects in it"},
                    },
                }))
            };
            namespaces
                .entry((String::new(), name.clone()))
                .or_insert_with(object);
        }
    }
}

/// The manifest that an object was applied from, where there is one.
fn manifest(
    past: &Past,
    key: &ObjectRef,
    blobs: &dyn BlobStore,
) -> Result<Option<Value>, fluvial_log::Error> {
    let Some(digest) = past.manifest(key).and_then(|it| it.parse::<Digest>().ok()) else {
        return Ok(None);
    };
    let bytes = match blobs.get(&digest) {
        Err(fluvial_log::Error::NoBlob(_)) => return Ok(None),
        read => read?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| fluvial_log::Error::storage("read a manifest", format!("{key}: {error}")))
}
