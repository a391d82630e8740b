//! replacements: copies a field of one object into fields of others.

use fluvial_manifest::{Map, Value, yaml};

use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::fieldpath::{self, Found, Made};
use crate::generate::write_json;
use crate::json6902::nodes;
use crate::resource::{Id, Resource, scalar_text};
use crate::resources::Resources;
use crate::selector::{Matcher, Selector, read_id};

/// One source and the fields it is copied to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    source: Option<SourceField>,
    source_value: Option<String>,
    targets: Option<Vec<Target>>,
}

#[derive(Clone, Debug)]
struct SourceField {
    id: Id,
    field_path: String,
    options: Options,
}

#[derive(Clone, Debug)]
struct Target {
    select: Option<Selector>,
    reject: Vec<Selector>,
    field_paths: Vec<String>,
    options: Options,
}

#[derive(Clone, Debug, Default)]
struct Options {
    delimiter: String,
    index: i64,
    create: bool,
}

/// What the replacements of one kustomization may copy: each can double an object.
const COPIED_NODES_MAX: usize = 2_000_000;

const DEFAULT_FIELD: &str = "metadata.name";

impl Replacement {
    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.source.is_none() && self.targets.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Reads the fields of a replacement.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Replacement> {
    let source = fields.object("source", |fields| {
        Ok(SourceField {
            id: read_id(fields)?,
            field_path: or_default(fields.string("fieldPath")?),
            options: fields.object("options", read_options)?.unwrap_or_default(),
        })
    })?;
    let source_value = fields.text("sourceValue")?.map(str::to_owned);
    let has_targets = fields.value("targets").is_some();
    let targets = fields.list("targets", |fields| {
        let mut paths = fields.strings("fieldPaths")?;
        if paths.is_empty() {
            paths.push(DEFAULT_FIELD.to_owned());
        }
        Ok(Target {
            select: fields.object("select", Selector::read)?,
            reject: fields.list("reject", Selector::read)?,
            field_paths: paths,
            options: fields.object("options", read_options)?.unwrap_or_default(),
        })
    })?;
    Ok(Replacement {
        source,
        source_value,
        targets: has_targets.then_some(targets),
    })
}

fn read_options(fields: &mut Fields<'_>) -> Result<Options> {
    fields.value("encoding");
    Ok(Options {
        delimiter: fields.string("delimiter")?,
        index: fields.integer("index")?,
        create: fields.flag("create")?,
    })
}

fn or_default(path: String) -> String {
    if path.is_empty() {
        DEFAULT_FIELD.to_owned()
    } else {
        path
    }
}

/// Reads a file of replacements: one, or a list of them.
pub(crate) fn read_file(file: &str, text: &str) -> Result<Vec<Replacement>> {
    let mut documents = yaml::documents(text).map_err(|error| Error::yaml(file, error))?;
    if documents.is_empty() {
        return Err(Error::new("there is no replacement in it").in_file(file));
    }
    let wrapped = match documents.swap_remove(0) {
        list @ Value::Array(_) => list,
        single @ Value::Object(_) => Value::Array(vec![single]),
        _ => return Err(Error::new("a replacement, or a list of them, is needed").in_file(file)),
    };
    let mut map = Map::new();
    map.insert("replacements".to_owned(), wrapped);
    let document = Value::Object(map);
    let source = Source {
        file,
        text: "",
        strict: false,
    };
    Fields::new(source, &document)?.list("replacements", read)
}

/// Carries out all replacements in order; a later one sees what an earlier one wrote.
pub(crate) fn apply(resources: &mut Resources, replacements: &[Replacement]) -> Result<()> {
    let mut copied = 0;
    for (index, replacement) in replacements.iter().enumerate() {
        apply_one(resources.list_mut(), replacement, &mut copied)
            .map_err(|error| error.in_field(&format!("replacements[{index}]")))?;
    }
    Ok(())
}

fn apply_one(list: &mut [Resource], replacement: &Replacement, copied: &mut usize) -> Result<()> {
    let Some(targets) = &replacement.targets else {
        return Err(Error::new("it needs a source and at least one target"));
    };
    let (mut value, live) = match (&replacement.source, &replacement.source_value) {
        (Some(_), Some(_)) => {
            return Err(Error::new("it has a source and a sourceValue; keep one"));
        }
        (None, None) => return Err(Error::new("it needs a source and at least one target")),
        (None, Some(text)) => (yaml::scalar(text), None),
        (Some(source), None) => source_value(list, source)?,
    };
    for target in targets {
        let select = target.select.as_ref();
        let select = Matcher::new(select.ok_or_else(|| Error::new("a target needs `select`"))?)?;
        let reject = target
            .reject
            .iter()
            .map(Matcher::new)
            .collect::<Result<Vec<_>>>()?;
        for (at, resource) in list.iter_mut().enumerate() {
            if !is_target(resource, &select, &reject) {
                continue;
            }
            let live = live.as_ref().filter(|live| live.position == at);
            for field_path in &target.field_paths {
                let path = fieldpath::split(field_path);
                let made = made(&value, &target.options);
                if let Some(live) = live {
                    live.refresh(&mut value, &mut resource.value, &path, made);
                }
                *copied += nodes(&value);
                if *copied > COPIED_NODES_MAX {
                    return Err(Error::new(format!(
                        "the replacements copy more than {COPIED_NODES_MAX} values; copy less"
                    )));
                }
                copy(&mut resource.value, &value, &path, &target.options)
                    .map_err(|error| error.in_field(field_path).of(&resource.id()))?;
            }
            if let Some(live) = live {
                live.refresh(&mut value, &mut resource.value, &[], None);
            }
        }
    }
    Ok(())
}

fn is_target(resource: &Resource, select: &Matcher, reject: &[Matcher]) -> bool {
    let rejected = reject.iter().any(|reject| {
        (reject.has_metadata() && reject.matches_metadata(&resource.value))
            || (!reject.is_any_id() && resource.any_id(|id| reject.matches_id(id)))
    });
    !rejected
        && select.matches_metadata(&resource.value)
        && resource.any_id(|id| select.matches_id(id))
}

/// Where a source is that is copied as it is then, not as it was at first: kustomize keeps its place.
struct Live {
    position: usize,
    path: Vec<String>,
}

impl Live {
    /// Reads the source anew before it is copied to `target` of the same object; where a map or a list is copied
    /// into itself, the new field is in it already.
    fn refresh(
        &self,
        value: &mut Value,
        object: &mut Value,
        target: &[String],
        made: Option<Made>,
    ) {
        let is_inside = target.len() > self.path.len() && target.starts_with(&self.path);
        if is_inside && matches!(made, Some(Made::Map | Made::List)) {
            // What is refused is refused again when it is copied.
            drop(fieldpath::visit(object, target, made, &mut |_, _| Ok(())));
        }
        if let Some(now) = fieldpath::lookup(object, &self.path) {
            value.clone_from(now);
        }
    }
}

/// The value of a source, and where it is unless only a part of it counts.
fn source_value(list: &[Resource], source: &SourceField) -> Result<(Value, Option<Live>)> {
    let mut found = list
        .iter()
        .enumerate()
        .filter(|(_, resource)| resource.any_id(|id| id.is_selected_by(&source.id)));
    let (first, second) = (found.next(), found.next());
    let Some((position, first)) = first else {
        return Err(Error::new(format!(
            "no object is selected by the source {}",
            source.id
        )));
    };
    if second.is_some() {
        return Err(Error::new(format!(
            "several objects are selected by the source {}; say more about it",
            source.id
        )));
    }
    let path = fieldpath::split(&source.field_path);
    let value = fieldpath::lookup(&first.value, &path)
        .filter(|value| !is_nothing(value))
        .ok_or_else(|| {
            Error::new(format!(
                "{} has no field {:?}",
                source.id, source.field_path
            ))
        })?;
    let delimiter = source.options.delimiter.as_str();
    if delimiter.is_empty() {
        return Ok((value.clone(), Some(Live { position, path })));
    }
    let text = scalar_text(value).ok_or_else(|| Error::new("a delimiter goes with text only"))?;
    let part = usize::try_from(source.options.index)
        .ok()
        .and_then(|index| text.split(delimiter).nth(index))
        .ok_or_else(|| {
            Error::new(format!(
                "{} of {} has no part {} between {delimiter:?}; correct options.index",
                source.field_path, source.id, source.options.index
            ))
        })?;
    Ok((Value::String(part.to_owned()), None))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn copy(object: &mut Value, value: &Value, path: &[String], options: &Options) -> Result<()> {
    if copy_into_text(object, value, path, options)? {
        return Ok(());
    }
    let made = made(value, options);
    let count = fieldpath::visit(object, path, made, &mut |field, found| {
        set(field, found, value, options)
    })?;
    if count == 0 {
        return Err(Error::new(
            "there is no such field; correct the path, or set options.create",
        ));
    }
    Ok(())
}

fn made(value: &Value, options: &Options) -> Option<Made> {
    options.create.then_some(match value {
        Value::Object(_) => Made::Map,
        Value::Array(_) => Made::List,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Made::Scalar,
    })
}

/// A path that goes on inside a text which is YAML or JSON itself; false when it does not.
fn copy_into_text(
    object: &mut Value,
    value: &Value,
    path: &[String],
    options: &Options,
) -> Result<bool> {
    for end in 1..path.len() {
        let text = match fieldpath::lookup(object, &path[..end]) {
            Some(Value::String(text)) => text,
            // As YAML, null is null again whatever is made inside of it.
            Some(Value::Null) if options.create => return Ok(true),
            Some(_) | None => continue,
        };
        let Ok(mut documents) = yaml::documents_verbatim(text, &[]) else {
            return Ok(false);
        };
        if documents.is_empty() {
            return Ok(false);
        }
        let mut inner = documents.swap_remove(0);
        if !inner.is_object() && !inner.is_array() {
            return Ok(false);
        }
        let before = inner.clone();
        let mut refused = false;
        let visited = fieldpath::visit(
            &mut inner,
            &path[end..],
            made(value, options),
            &mut |field, found| {
                // kustomize leaves a text alone that it could not write back.
                refused |= set(field, found, value, options).is_err();
                Ok(())
            },
        )?;
        if visited == 0 {
            return Ok(false);
        }
        if refused {
            return Ok(true);
        }
        let written = write_like(text, &before, &inner)?;
        fieldpath::visit(object, &path[..end], None, &mut |field, _| {
            *field = Value::String(written.clone());
            Ok(())
        })?;
        return Ok(true);
    }
    Ok(false)
}

/// Writes a value in the form that `original` has, which says `before`: JSON, compact or indented, or
/// YAML with its comments.
fn write_like(original: &str, before: &Value, value: &Value) -> Result<String> {
    if !original.trim_start().starts_with(['{', '[']) {
        let written = yaml::edited(original, before, value);
        let written = written.unwrap_or_else(|| yaml::to_string(value));
        return Ok(written.trim().to_owned());
    }
    if original.contains('\n') && original.contains("  ") {
        return serde_json::to_string_pretty(value).map_err(|error| Error::new(error.to_string()));
    }
    let mut text = String::new();
    write_json(&mut text, value);
    Ok(text)
}

/// Writes the value over a field, or into the part of it that a delimiter and an index name.
fn set(field: &mut Value, found: Found, value: &Value, options: &Options) -> Result<()> {
    let delimiter = options.delimiter.as_str();
    if delimiter.is_empty() {
        return overwrite(field, found, value);
    }
    let whole = scalar_text(field).ok_or_else(|| Error::new("a delimiter goes with text only"))?;
    let part = scalar_text(value).unwrap_or_default();
    let mut parts: Vec<&str> = whole.split(delimiter).collect();
    match usize::try_from(options.index) {
        Err(_negative) => parts.insert(0, &part),
        Ok(index) => match parts.get_mut(index) {
            Some(old) => *old = &part,
            None => parts.push(&part),
        },
    }
    let joined = parts.join(delimiter);
    overwrite(field, found, &Value::String(joined))
}

/// A scalar keeps its type: text stays text whatever is written into it.
fn overwrite(field: &mut Value, found: Found, value: &Value) -> Result<()> {
    match field {
        Value::Array(_) | Value::Object(_) => field.clone_from(value),
        Value::String(text) => *text = scalar_text(value).unwrap_or_default(),
        Value::Null if found == Found::New => {
            *field = match value {
                Value::String(text) => yaml::scalar(text),
                other => other.clone(),
            };
        }
        Value::Null => {
            let text = scalar_text(value).unwrap_or_default();
            if !yaml::scalar(&text).is_null() {
                return Err(Error::new(
                    "there is null, over which only null can be written; remove it, and set options.create",
                ));
            }
            if text.is_empty() {
                *field = Value::String(text);
            }
        }
        Value::Bool(_) | Value::Number(_) => {
            let text = scalar_text(value).unwrap_or_default();
            let typed = yaml::scalar(&text);
            if std::mem::discriminant(&typed) != std::mem::discriminant(field) {
                return Err(Error::new(
                    "what is copied has another type than what is there; take another source",
                ));
            }
            *field = typed;
        }
    }
    Ok(())
}
