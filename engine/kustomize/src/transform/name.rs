//! namePrefix and nameSuffix.

use crate::error::Result;
use crate::fieldspec::{Create, FieldSpec};
use crate::resource::{Gvk, scalar_text};
use crate::resources::Resources;
use crate::transform::set_scalar;
use fluvial_manifest::Value;

/// What is added to a name, and where.
pub(crate) enum Affix<'a> {
    Prefix(&'a str),
    Suffix(&'a str),
}

/// Adds to the names of all objects but those whose name is not theirs to choose.
pub(crate) fn apply(
    resources: &mut Resources,
    specs: &[FieldSpec],
    affix: &Affix<'_>,
) -> Result<()> {
    for resource in resources.list_mut() {
        let original = resource.original_id();
        if is_skipped(&original.gvk) {
            continue;
        }
        for spec in specs {
            if !original.gvk.is_selected(&spec.gvk) {
                continue;
            }
            if *spec.path == *"metadata/name" {
                let (list, text) = match affix {
                    Affix::Prefix(text) => (&mut resource.prefixes, text),
                    Affix::Suffix(text) => (&mut resource.suffixes, text),
                };
                if !text.is_empty() {
                    list.push((*text).to_owned());
                    resource.remember();
                }
            }
            spec.apply(&mut resource.value, Create::Scalar, &mut |value| {
                let name = scalar_text(value).unwrap_or_default();
                let name = match affix {
                    Affix::Prefix(prefix) => format!("{prefix}{name}"),
                    Affix::Suffix(suffix) => format!("{name}{suffix}"),
                };
                set_scalar(value, Value::String(name))
            })
            .map_err(|error| error.of(&resource.id()))?;
        }
    }
    Ok(())
}

fn is_skipped(gvk: &Gvk) -> bool {
    matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io")
}
