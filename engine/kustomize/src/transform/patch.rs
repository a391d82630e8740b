//! patches, patchesStrategicMerge and patchesJson6902.

use fluvial_manifest::{Value, object, yaml};

use crate::error::{Error, Result};
use crate::json6902::{self, Operation};
use crate::kustomization::Patch;
use crate::loader::Loader;
use crate::parse;
use crate::resource::{Id, Resource, Written, child_map, pairs, scalar_text};
use crate::resources::Resources;
use crate::schema::Schema;
use crate::selector::{Matcher, Selector};
use crate::strategic;

/// A patch that was read and is ready to be applied.
pub(crate) struct PatchTransformer {
    /// For messages: the file it came from.
    file: String,
    content: Content,
    target: Option<Selector>,
    allow_name_change: bool,
    allow_kind_change: bool,
    /// Whether objects remember their name before a JSON patch, so that references follow it.
    remember: bool,
}

enum Content {
    Strategic(Vec<Resource>),
    Json(Vec<Operation>),
    Nothing,
}

impl PatchTransformer {
    /// An entry of `patches`.
    pub(crate) fn new(loader: &Loader<'_>, patch: &Patch) -> Result<Self> {
        let inline = patch.inline.trim();
        let (file, text) = match (inline.is_empty(), patch.path.is_empty()) {
            (false, true) => (String::new(), inline),
            (true, false) => (loader.path(&patch.path), loader.text(&patch.path)?),
            (true, true) => return Err(Error::new("a patch needs `patch` or `path`")),
            (false, false) => return Err(Error::new("a patch has `patch` or `path`, not both")),
        };
        Ok(Self {
            content: content(&file, text)?,
            file,
            target: patch.target.clone(),
            allow_name_change: patch.allow_name_change,
            allow_kind_change: patch.allow_kind_change,
            remember: true,
        })
    }

    /// Entries of `patchesStrategicMerge`: each is a file, or the patch itself.
    pub(crate) fn strategic(loader: &Loader<'_>, entries: &[String]) -> Result<Self> {
        let mut patches = Vec::new();
        for entry in entries {
            patches.extend(Self::strategic_entry(loader, entry)?);
        }
        Self::strategic_of(patches)
    }

    /// One entry: the patch itself if it can be read as one, else a file.
    pub(crate) fn strategic_entry(loader: &Loader<'_>, entry: &str) -> Result<Vec<Resource>> {
        match parse::resources("", entry) {
            Ok(inline) => Ok(inline),
            Err(_) => parse::resources(&loader.path(entry), loader.text(entry)?),
        }
    }

    /// The text of strategic merge patches.
    pub(crate) fn strategic_text(text: &str) -> Result<Vec<Resource>> {
        parse::resources("", text)
    }

    /// Strategic merge patches that were read already.
    pub(crate) fn strategic_of(patches: Vec<Resource>) -> Result<Self> {
        if patches.is_empty() {
            return Err(Error::new("the patch is empty").in_field("patchesStrategicMerge"));
        }
        Ok(Self {
            file: String::new(),
            content: Content::Strategic(patches),
            target: None,
            allow_name_change: false,
            allow_kind_change: false,
            remember: true,
        })
    }

    /// An entry of `patchesJson6902`.
    pub(crate) fn json(loader: &Loader<'_>, patch: &Patch) -> Result<Self> {
        let about = |error: Error| error.in_field("patchesJson6902");
        let target = patch
            .target
            .clone()
            .filter(|target| !target.id.name.is_empty())
            .ok_or_else(|| about(Error::new("a JSON patch needs a target with a name")))?;
        let mut made = Self::new(loader, patch).map_err(about)?;
        match &made.content {
            Content::Json(patch) if !patch.is_empty() => {}
            Content::Json(_) | Content::Nothing => {
                return Err(about(Error::new("the patch is empty")));
            }
            Content::Strategic(_) => {
                return Err(about(Error::new(
                    "it must be a list of JSON patch operations",
                )));
            }
        }
        made.target = Some(target);
        made.remember = false;
        Ok(made)
    }

    pub(crate) fn apply(&self, resources: &mut Resources, schema: &Schema) -> Result<()> {
        let applied = match (&self.content, &self.target) {
            (Content::Nothing, _) => Ok(()),
            (Content::Strategic(patches), None) => self.apply_to_named(resources, patches, schema),
            (Content::Strategic(patches), Some(target)) => {
                self.apply_to_selected(resources, patches, target, schema)
            }
            (Content::Json(patch), Some(target)) => self.apply_json(resources, patch, target),
            (Content::Json(_), None) => Err(Error::new("a JSON patch needs a target")),
        };
        applied.map_err(|error| {
            if self.file.is_empty() {
                error
            } else {
                error.in_file(&self.file)
            }
        })
    }

    /// Patches that say themselves what they are for.
    fn apply_to_named(
        &self,
        resources: &mut Resources,
        patches: &[Resource],
        schema: &Schema,
    ) -> Result<()> {
        for patch in patches {
            let position = resources.one_by_id(&patch.id())?;
            let list = resources.list_mut();
            let value = patch.value.clone();
            if !self.merge(&mut list[position], (value, patch), schema)? {
                list.remove(position);
            }
        }
        Ok(())
    }

    /// One patch for everything that a target selects.
    fn apply_to_selected(
        &self,
        resources: &mut Resources,
        patches: &[Resource],
        target: &Selector,
        schema: &Schema,
    ) -> Result<()> {
        let patch = match patches {
            [] => return Ok(()),
            [patch] => patch,
            _ => {
                return Err(Error::new(
                    "an entry with a target holds one patch; give each its own entry, or leave out the target",
                ));
            }
        };
        let matcher = Matcher::new(target)?;
        let selected: Vec<Id> = resources
            .list()
            .iter()
            .filter(|resource| matcher.selects(resource))
            .map(Resource::id)
            .collect();
        if selected.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::with_capacity(resources.list().len());
        for mut resource in std::mem::take(resources.list_mut()) {
            let mut keep = true;
            if matcher.selects(&resource) {
                let value =
                    for_target(patch, &resource).map_err(|error| about(&resource.id(), &error))?;
                keep = self.merge(&mut resource, (value, patch), schema)?;
            }
            if keep {
                kept.push(resource);
            }
        }
        *resources.list_mut() = kept;
        resources.check_ids()
    }

    /// Merges a patch into an object; false when the patch deletes it. The patch comes with what it was read as.
    fn merge(
        &self,
        resource: &mut Resource,
        (mut patch, read): (Value, &Resource),
        schema: &Schema,
    ) -> Result<bool> {
        let id = resource.id();
        if self.allow_name_change || self.allow_kind_change {
            resource.remember();
        }
        let shape = schema.of(object::api_version(&resource.value), &id.gvk.kind);
        let mut value = std::mem::take(&mut resource.value);
        if let Some(document) = resource.written.take().and_then(|written| written.marked()) {
            strategic::drop_absent(&mut value, &document, schema, shape.as_ref());
            strategic::fill_absent(&mut value, &document);
        }
        let gaps = read.written.as_ref().filter(|written| written.has_gaps());
        if let Some(document) = gaps.and_then(Written::marked) {
            strategic::fill_absent_in_lists(&mut patch, &document, schema, shape.as_ref());
        }
        let merged = strategic::merge(value, patch, schema, shape.as_ref())
            .map_err(|error| about(&id, &error))?;
        let Some(merged) = merged else {
            return Ok(false);
        };
        resource.value = merged;
        if !self.allow_kind_change
            && let Some(map) = resource.value.as_object_mut()
        {
            map.insert("kind".to_owned(), Value::String(id.gvk.kind.clone()));
        }
        if !self.allow_name_change && resource.id().name != id.name {
            resource.set_name(&id.name);
        }
        resource.set_namespace(&id.namespace);
        Ok(true)
    }

    fn apply_json(
        &self,
        resources: &mut Resources,
        patch: &[Operation],
        target: &Selector,
    ) -> Result<()> {
        let matcher = Matcher::new(target)?;
        for resource in resources.list_mut() {
            if !matcher.selects(resource) {
                continue;
            }
            let id = resource.id();
            if self.remember {
                resource.remember();
                // kustomize keeps what it remembers in annotations: there are always some.
                child_map(&mut resource.value, "metadata");
                if let Some(metadata) = resource.value.get_mut("metadata") {
                    child_map(metadata, "annotations");
                }
            }
            type_annotations(resource);
            json6902::apply(&mut resource.value, patch).map_err(|error| about(&id, &error))?;
            as_floats(&mut resource.value);
            resource
                .pair_annotations()
                .map_err(|error| about(&id, &error))?;
            resource.null_annotations.clear();
        }
        Ok(())
    }
}

/// A patch that does not fit, and what it was for.
fn about(id: &Id, error: &Error) -> Error {
    let within = if error.field.is_empty() {
        String::new()
    } else {
        format!("{}: ", error.field)
    };
    Error::new(format!("cannot patch {id}: {within}{}", error.reason))
}

/// On the way through JSON, numbers become floats of 64 bits, and large integers are rounded.
fn as_floats(value: &mut Value) {
    const EXACT_MAX: u64 = 1 << 53;
    match value {
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if let Some(float) = number.as_f64()
                && size.is_some_and(|size| size > EXACT_MAX)
            {
                *value = yaml::scalar(&format!("{float:e}"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_floats),
        Value::Object(map) => map.values_mut().for_each(as_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// On the way through JSON, annotations that were written without quotes become what they mean.
fn type_annotations(resource: &mut Resource) {
    let Some(written) = resource.written.take() else {
        return;
    };
    let documents = yaml::documents(&written.text).unwrap_or_default();
    let Some(document) = documents.get(written.document) else {
        return;
    };
    let Some(Value::Object(annotations)) = resource.value.pointer_mut("/metadata/annotations")
    else {
        return;
    };
    for (key, text) in annotations {
        let meant = document
            .pointer("/metadata/annotations")
            .and_then(|map| map.get(key));
        if let (Some(meant), Some(current)) = (meant, text.as_str())
            && yaml::scalar(current) == *meant
            && let Some(meant) = scalar_text(meant)
        {
            *text = Value::String(meant);
        }
    }
}

/// A patch is applied to what its target selects whatever version it names itself. Its labels and
/// annotations are texts then, even nulls; only a patch that finds its object itself removes them.
fn for_target(patch: &Resource, target: &Resource) -> Result<Value> {
    let mut value = patch.value.clone();
    let Some(map) = value.as_object_mut() else {
        return Ok(value);
    };
    let api_version = object::api_version(&target.value).to_owned();
    map.insert("apiVersion".to_owned(), Value::String(api_version));
    let Some(Value::Object(metadata)) = map.get_mut("metadata") else {
        return Ok(value);
    };
    let written = patch.written.as_ref().and_then(Written::marked);
    for field in ["labels", "annotations"] {
        let Some(texts) = metadata.get_mut(field) else {
            continue;
        };
        if let Value::Array(items) = texts {
            *texts = Value::Object(pairs(items)?);
        }
        let Some(texts) = texts.as_object_mut().filter(|texts| !texts.is_empty()) else {
            metadata.remove(field);
            continue;
        };
        let written = written
            .as_ref()
            .and_then(|written| written.get("metadata")?.get(field));
        for (key, text) in texts {
            let meant = if text.is_null() {
                let null = written.and_then(|texts| strategic::null_as_written(texts.get(key)?));
                Some(null.unwrap_or("null").to_owned())
            } else {
                scalar_text(text)
            };
            *text = Value::String(meant.unwrap_or_default());
        }
    }
    Ok(value)
}

/// A list of operations is a JSON patch, objects are strategic merge patches.
fn content(file: &str, text: &str) -> Result<Content> {
    if text.starts_with('[') {
        let operations: Vec<Value> = serde_json::from_str(text).map_err(|error| {
            let reason = format!(
                "a patch that begins with `[` must be JSON: {error}; quote its keys and texts, or write it as a YAML list"
            );
            Error::new(reason).in_file(file)
        })?;
        let operations = json6902::read(&operations).map_err(|error| error.in_file(file))?;
        return Ok(Content::Json(operations));
    }
    let documents = yaml::documents(text).map_err(|error| Error::yaml(file, error))?;
    match documents.first() {
        None => Ok(Content::Nothing),
        Some(Value::Array(operations)) => {
            // JSON patches go through the decoder that knows the booleans of YAML 1.1.
            let decoded = yaml::documents_yaml11(text).ok();
            let operations = match decoded.as_deref() {
                Some([Value::Array(decoded), ..]) => decoded,
                _ => operations,
            };
            let operations = json6902::read(operations).map_err(|error| error.in_file(file))?;
            Ok(Content::Json(operations))
        }
        Some(_) => parse::resources(file, text).map(Content::Strategic),
    }
}
