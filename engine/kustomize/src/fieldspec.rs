//! Where a transformer may write: a kind of object and a path into it, and the walk along that path.

use std::sync::Arc;

use fluvial_manifest::{Map, Value};

use crate::error::{Error, Result};
use crate::resource::Gvk;

/// A group, version and kind (empty matches all) and a path such as `spec/template/metadata/labels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Arc<Gvk>,
    pub(crate) path: Arc<str>,
    pub(crate) segments: Arc<[Segment]>,
    /// Whether missing parts of the path are made.
    pub(crate) create: bool,
}

/// One part of a path. A list on the way is walked without being named; `[]` only says that a
/// part is a list, so that it is never made as a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) list: bool,
}

/// What is made at the end of a path that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    Nothing,
    Scalar,
    Map,
}

impl FieldSpec {
    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        let segments = split(path, '/')
            .into_iter()
            .map(|part| match part.strip_suffix("[]") {
                Some(name) => Segment {
                    name: name.to_owned(),
                    list: true,
                },
                None => Segment {
                    name: part,
                    list: false,
                },
            })
            .collect();
        Self {
            gvk: Arc::new(gvk),
            path: path.into(),
            segments,
            create,
        }
    }

    /// Calls `set` on every value at this path of an object that is of this kind.
    pub(crate) fn apply(
        &self,
        object: &mut Value,
        create: Create,
        set: &mut dyn FnMut(&mut Value) -> Result<()>,
    ) -> Result<()> {
        if !self.selects(object) {
            return Ok(());
        }
        self.apply_to_any(object, create, set)
    }

    /// As [`FieldSpec::apply`], whatever kind the object is of.
    pub(crate) fn apply_to_any(
        &self,
        object: &mut Value,
        create: Create,
        set: &mut dyn FnMut(&mut Value) -> Result<()>,
    ) -> Result<()> {
        let create = if self.create { create } else { Create::Nothing };
        walk(object, &self.segments, create, set).map_err(|error| error.in_field(&self.path))
    }

    pub(crate) fn selects(&self, object: &Value) -> bool {
        let field = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
        if !self.gvk.kind.is_empty() && self.gvk.kind != field("kind") {
            return false;
        }
        if self.gvk.group.is_empty() && self.gvk.version.is_empty() {
            return true;
        }
        let (group, version) = fluvial_manifest::object::group_version(field("apiVersion"));
        (self.gvk.group.is_empty() || self.gvk.group == group)
            && (self.gvk.version.is_empty() || self.gvk.version == version)
    }
}

/// Calls `set` wherever a spec for an object's kind leads.
pub(crate) fn apply_all(
    specs: &[FieldSpec],
    object: &mut Value,
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<()>,
) -> Result<()> {
    let gvk = Gvk::of(object);
    let own = specs.iter().filter(|spec| gvk.is_selected(&spec.gvk));
    for spec in own {
        spec.apply_to_any(object, create, set)?;
    }
    Ok(())
}

/// Adds the specs that are not there yet. Two that differ only in `create` contradict each other.
pub(crate) fn merge_all(into: &mut Vec<FieldSpec>, incoming: &[FieldSpec]) -> Result<()> {
    for spec in incoming {
        let same = |known: &&FieldSpec| known.path == spec.path && known.gvk.is_selected(&spec.gvk);
        match into.iter().find(same) {
            Some(known) if known.create != spec.create => {
                return Err(Error::new(format!(
                    "two field specs for {} contradict each other in `create`",
                    spec.path
                )));
            }
            Some(_) => {}
            None => into.push(spec.clone()),
        }
    }
    Ok(())
}

fn walk(
    value: &mut Value,
    path: &[Segment],
    create: Create,
    set: &mut dyn FnMut(&mut Value) -> Result<()>,
) -> Result<()> {
    let Some((segment, rest)) = path.split_first() else {
        return set(value);
    };
    match value {
        Value::Null => Ok(()),
        Value::Array(items) => {
            for item in items {
                walk(item, path, create, set)?;
            }
            Ok(())
        }
        Value::Object(map) => match field(map, segment, rest.is_empty(), create)? {
            Some(child) => walk(child, rest, create, set),
            None => Ok(()),
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(Error::new(format!(
            "a map or a list is needed around {:?}, and there is a scalar",
            segment.name
        ))),
    }
}

/// The child of a map on the way, made if that is wanted.
fn field<'a>(
    map: &'a mut Map<String, Value>,
    segment: &Segment,
    last: bool,
    create: Create,
) -> Result<Option<&'a mut Value>> {
    if segment.name.is_empty() {
        return Err(Error::new("a field path must not have an empty part"));
    }
    if is_of_list(&segment.name) {
        return Err(Error::new(format!(
            "a field path goes through a map by its keys alone, not by {:?}; lists on the way need no part of their own",
            segment.name
        )));
    }
    let made = match (create, segment.list, last) {
        (Create::Nothing, _, _) | (_, true, _) => None,
        (Create::Scalar, false, true) => Some(Value::String(String::new())),
        (Create::Map, false, true) | (Create::Scalar | Create::Map, false, false) => {
            Some(Value::Object(Map::new()))
        }
    };
    let Some(made) = made else {
        let child = map.get_mut(&segment.name);
        // A path that calls it a list makes one of nothing.
        return Ok(child.map(|child| {
            if segment.list && child.is_null() {
                *child = Value::Array(Vec::new());
            }
            child
        }));
    };
    let child = map.entry(segment.name.as_str()).or_insert(Value::Null);
    if child.is_null() {
        *child = made;
    }
    Ok(Some(child))
}

/// Whether a part of a path would choose items of a list.
fn is_of_list(part: &str) -> bool {
    let is_number = || part.parse::<i64>().is_ok();
    matches!(part, "*" | "-") || (part.starts_with('[') && part.ends_with(']')) || is_number()
}

/// Splits at `delimiter` unless a backslash is before it; a leading delimiter is ignored.
pub(crate) fn split(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = path.split(delimiter).peekable();
    let mut split: Vec<String> = Vec::new();
    if let Some(first) = parts.next() {
        let skipped = first.is_empty() && parts.peek().is_some();
        if !skipped {
            split.push(first.to_owned());
        }
    }
    for part in parts {
        match split.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            Some(_) | None => split.push(part.to_owned()),
        }
    }
    split
}
