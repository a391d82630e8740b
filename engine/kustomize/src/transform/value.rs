//! ValueAddTransformer: writes one value into fields, or into a path that a field holds.

use fluvial_manifest::{Map, Value};

use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::fieldspec::split;
use crate::resource::scalar_text;
use crate::resources::Resources;
use crate::schema::Schema;
use crate::selector::{Matcher, Selector};
use crate::transform::namespace::{NamespaceTransformer, Subjects};
use crate::transform::set_scalar;

/// The value and the fields it goes to.
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) targets: Vec<Target>,
}

/// One field of the selected objects.
pub(crate) struct Target {
    selector: Option<Selector>,
    field_path: String,
    /// From 1, the part of a path before which the value goes; 0 replaces the field.
    position: usize,
}

impl Target {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let selector = fields.object("selector", Selector::read)?;
        let field_path = fields.string("fieldPath")?;
        if field_path.is_empty() {
            return Err(fields.error("fieldPath", "it must not be empty"));
        }
        let position = fields.integer("filePathPosition")?;
        let position = usize::try_from(position)
            .map_err(|_negative| fields.error("filePathPosition", "it must not be negative"))?;
        Ok(Self {
            selector,
            field_path,
            position,
        })
    }
}

impl ValueAdd {
    pub(crate) fn apply(&self, resources: &mut Resources, schema: &Schema) -> Result<()> {
        for target in &self.targets {
            let matcher = target.selector.as_ref().map(Matcher::new).transpose()?;
            if target.field_path == "metadata/namespace" && matcher.is_none() {
                let namespace = NamespaceTransformer {
                    namespace: self.value.clone(),
                    specs: Vec::new(),
                    unset_only: false,
                    subjects: Subjects::Default,
                };
                namespace.apply(resources, schema)?;
                continue;
            }
            let path = split(&target.field_path, '/');
            for resource in resources.list_mut() {
                if matcher
                    .as_ref()
                    .is_none_or(|matcher| matcher.selects(resource))
                {
                    self.add(&mut resource.value, &path, target.position)
                        .map_err(|error| error.in_field(&target.field_path).of(&resource.id()))?;
                }
            }
        }
        Ok(())
    }

    fn add(&self, value: &mut Value, path: &[String], position: usize) -> Result<()> {
        let Some((part, rest)) = path.split_first() else {
            let old = scalar_text(value).unwrap_or_default();
            return set_scalar(value, Value::String(self.placed(&old, position)));
        };
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        let Some(map) = value.as_object_mut() else {
            return Err(Error::new(format!("there is no map to hold {part:?}")));
        };
        self.add(
            map.entry(part.as_str()).or_insert(Value::Null),
            rest,
            position,
        )
    }

    /// The value alone, or inside the path that the field held.
    fn placed(&self, old: &str, position: usize) -> String {
        if position == 0 {
            return self.value.clone();
        }
        let (root, relative) = match old.strip_prefix('/') {
            Some(relative) => ("/", relative),
            None => ("", old),
        };
        let mut parts: Vec<&str> = relative
            .split('/')
            .filter(|part| !part.is_empty())
            .collect();
        parts.insert((position - 1).min(parts.len()), &self.value);
        format!("{root}{}", parts.join("/"))
    }
}
