//! Inside a worker: a spec and a tree become manifests. Nothing here is trusted by the parent.

use std::collections::BTreeMap;

use fluvial_api::KustomizationSpec;
use fluvial_kustomize::{flux, substitute};
use fluvial_manifest::{Tree, Value};

use crate::job::Refusal;
use crate::overlay;

/// Objects that are nested more deeply are refused: readers of JSON, ours and others', stop at 128.
const DEPTH_MAX: usize = 100;

/// The manifests that `spec` makes of `tree`, substitution included.
pub(crate) fn render(
    tree: &Tree,
    spec: &KustomizationSpec,
    variables: Option<&BTreeMap<String, String>>,
) -> Result<Vec<Value>, Refusal> {
    /// flux: the gate StrictPostBuildSubstitutions is on.
    const STRICT: bool = true;
    let path = spec.path.as_deref().unwrap_or("");
    let path = path.trim_start_matches("./").trim_matches('/');
    let path = if path.is_empty() { "." } else { path };
    if !tree.is_dir(path) {
        return Err(Refusal {
            reason: "ArtifactFailed".into(),
            message: format!(
                "kustomization path not found: {path} is no directory of the source; correct spec.path"
            ),
        });
    }
    here(tree, path, spec, variables, STRICT)
}

/// The manifests that `spec` makes of the directory `path` of `tree`, whatever path it names itself, built
/// in this very process: for the files of whoever runs it, never for a stranger's. Where `strict`, a
/// variable that has neither value nor default is an error.
pub fn here(
    tree: &Tree,
    path: &str,
    spec: &KustomizationSpec,
    variables: Option<&BTreeMap<String, String>>,
    strict: bool,
) -> Result<Vec<Value>, Refusal> {
    let objects = flux::build_flux(tree, path, &overlay::of(spec)).map_err(Refusal::build)?;
    let objects = match variables {
        Some(variables) => substitute(objects, variables, strict).map_err(Refusal::build)?,
        None => objects,
    };
    match objects.iter().find(|object| is_deeper(object, DEPTH_MAX)) {
        Some(deep) => Err(Refusal::build(format!(
            "cannot build {}/{}: it is nested more than {DEPTH_MAX} deep; nest it less",
            fluvial_manifest::object::kind(deep),
            fluvial_manifest::object::name(deep),
        ))),
        None => Ok(objects),
    }
}

pub(crate) fn is_deeper(value: &Value, than: usize) -> bool {
    match value {
        Value::Array(items) => than == 0 || items.iter().any(|item| is_deeper(item, than - 1)),
        Value::Object(fields) => {
            than == 0 || fields.values().any(|field| is_deeper(field, than - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
