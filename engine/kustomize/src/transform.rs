//! The built-in transformers: each changes all objects of a build in one way.

pub(crate) mod image;
pub(crate) mod name;
pub(crate) mod namespace;
pub(crate) mod patch;
pub(crate) mod value;

use std::collections::BTreeMap;

use fluvial_manifest::{Map, Number, Value, object};

use crate::error::{Error, Result};
use crate::fieldspec::{self, Create, FieldSpec};
use crate::generate;
use crate::kustomization::{Image, Replica};
use crate::replacement::{self, Replacement};
use crate::resource::{Resource, is_quoted};
use crate::resources::Resources;
use crate::schema::InForce;

/// A transformer with its configuration.
pub(crate) enum Transformer {
    Patch(patch::PatchTransformer),
    Namespace(namespace::NamespaceTransformer),
    Prefix(String, Vec<FieldSpec>),
    Suffix(String, Vec<FieldSpec>),
    Labels(BTreeMap<String, String>, Vec<FieldSpec>),
    Annotations(BTreeMap<String, String>, Vec<FieldSpec>),
    Replicas(Replica, Vec<FieldSpec>),
    Image(Image, Vec<FieldSpec>),
    Replacements(Vec<Replacement>),
    ValueAdd(value::ValueAdd),
    Hash,
}

impl Transformer {
    /// Changes the objects. Those that a patch deleted are gone afterwards.
    pub(crate) fn apply(&self, resources: &mut Resources, schema: &InForce) -> Result<()> {
        match self {
            Self::Patch(patch) => patch.apply(resources, schema.get()),
            Self::Namespace(namespace) => namespace.apply(resources, schema.get()),
            Self::Prefix(prefix, specs) => {
                name::apply(resources, specs, &name::Affix::Prefix(prefix))
            }
            Self::Suffix(suffix, specs) => {
                name::apply(resources, specs, &name::Affix::Suffix(suffix))
            }
            Self::Labels(texts, specs) | Self::Annotations(texts, specs) => {
                set_texts(resources, texts, specs)
            }
            Self::Replicas(replica, specs) => set_replicas(resources, replica, specs),
            Self::Image(image, specs) => image::apply(resources, image, specs),
            Self::Replacements(replacements) => replacement::apply(resources, replacements),
            Self::ValueAdd(value) => value.apply(resources, schema.get()),
            Self::Hash => {
                let hashed = resources.list_mut().iter_mut();
                hashed
                    .filter(|resource| resource.needs_hash || asks_for_hash(resource))
                    .for_each(generate::add_hash);
                Ok(())
            }
        }
    }
}

/// An object may ask for a hash itself, as kustomize's generators do.
fn asks_for_hash(resource: &Resource) -> bool {
    const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
    object::annotation(&resource.value, NEEDS_HASH) == Some("enabled")
}

/// Labels and annotations: adds every pair wherever a field spec leads.
fn set_texts(
    resources: &mut Resources,
    texts: &BTreeMap<String, String>,
    specs: &[FieldSpec],
) -> Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    for resource in resources.list_mut() {
        fieldspec::apply_all(specs, &mut resource.value, Create::Map, &mut |value| {
            let Some(map) = map_of(value) else {
                return Err(Error::new(
                    "a map is needed here, to add labels or annotations to",
                ));
            };
            for (key, text) in texts {
                map.insert(key.clone(), Value::String(text.clone()));
            }
            Ok(())
        })
        .map_err(|error| error.of(&resource.id()))?;
    }
    Ok(())
}

fn map_of(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

fn set_replicas(resources: &mut Resources, replica: &Replica, specs: &[FieldSpec]) -> Result<()> {
    let mut found = false;
    for spec in specs {
        let positions =
            resources.by_any_id(|id| id.name == replica.name && id.gvk.is_selected(&spec.gvk));
        for position in positions {
            found = true;
            let resource = &mut resources.list_mut()[position];
            spec.apply(&mut resource.value, Create::Scalar, &mut |value| {
                let count = Number::from(replica.count);
                // What stands in quotes stays in quotes; what was made just now is empty.
                let count = if is_quoted(value) && value != "" {
                    Value::String(count.to_string())
                } else {
                    Value::Number(count)
                };
                set_scalar(value, count)
            })
            .map_err(|error| error.of(&resource.id()))?;
        }
    }
    if !found {
        return Err(Error::new(format!(
            "no Deployment, ReplicaSet, ReplicationController or StatefulSet is named {:?}; correct the name",
            replica.name
        ))
        .in_field("replicas"));
    }
    Ok(())
}

/// Writes a scalar over a scalar.
pub(crate) fn set_scalar(value: &mut Value, scalar: Value) -> Result<()> {
    if value.is_array() || value.is_object() {
        return Err(Error::new("a scalar is needed here, not a map or a list"));
    }
    *value = scalar;
    Ok(())
}
