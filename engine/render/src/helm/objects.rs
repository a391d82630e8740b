//! The objects of a rendered document, and what of each is left to others.

use fluvial_api::kustomization::IgnoreRule;
use fluvial_api::metadata::{annotation, marker};
use fluvial_kustomize::flux::Selection;
use fluvial_manifest::{Value, object, yaml};

use super::ReadObject;
use crate::overlay;

/// Objects that are nested more deeply are refused, as in a Kustomization.
const DEPTH_MAX: usize = 100;

/// Fields that are left to others, by what selects their objects.
#[derive(Default)]
pub(super) struct Ignored(Vec<(Option<Selection>, Vec<String>)>);

impl Ignored {
    pub(super) fn new(rules: &[IgnoreRule]) -> Result<Self, String> {
        let mut ignored = Vec::new();
        for rule in rules {
            let selection = match &rule.target {
                Some(selector) => Some(
                    Selection::new(&overlay::target(selector))
                        .map_err(|error| format!("spec.driftDetection.ignore: {error}"))?,
                ),
                None => None,
            };
            ignored.push((selection, rule.paths.clone()));
        }
        Ok(Self(ignored))
    }

    /// The JSON pointers for `object`; an empty one is the whole object.
    fn of(&self, object: &Value) -> Vec<String> {
        let own = [
            object::label(object, annotation::DRIFT_DETECTION),
            object::annotation(object, annotation::DRIFT_DETECTION),
        ];
        let is_off = |it: &str| it.eq_ignore_ascii_case(marker::DISABLED);
        if own.into_iter().flatten().any(is_off) {
            return vec![String::new()];
        }
        let rules = self.0.iter().filter(|(selection, _)| {
            selection
                .as_ref()
                .is_none_or(|selection| selection.selects(object))
        });
        rules.flat_map(|(_, paths)| paths.iter().cloned()).collect()
    }
}

/// The objects of one document; those of a list apart. Without a namespace an object is matched as if it
/// were in `namespace`.
pub(super) fn read(
    document: &str,
    namespace: &str,
    ignored: &Ignored,
) -> Result<Vec<ReadObject>, String> {
    let value = yaml::first_as_json(document).map_err(|error| error.to_string())?;
    if value.is_null() {
        return Ok(Vec::new());
    }
    if crate::kustomize::is_deeper(&value, DEPTH_MAX) {
        return Err(format!("it is nested more than {DEPTH_MAX} deep"));
    }
    let objects = if object::is_list(&value) {
        match value.get("items") {
            Some(Value::Array(items)) => items.clone(),
            _ => Vec::new(),
        }
    } else {
        vec![value]
    };
    let one = |value: Value| {
        let mut placed = value.clone();
        if object::namespace(&placed).is_empty()
            && let Some(Value::Object(metadata)) = placed.get_mut("metadata")
        {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let ignored = ignored.of(&placed);
        ReadObject { value, ignored }
    };
    Ok(objects.into_iter().map(one).collect())
}
