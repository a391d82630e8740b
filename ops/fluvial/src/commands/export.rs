//! `fluvial export`: objects as they would be committed, without what the cluster added.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fluvial_cluster::Selector;
use fluvial_manifest::yaml;
use serde_json::{Value, json};

use crate::connect::Globals;
use crate::objects::{self, reference};
use crate::output;

/// Print objects as YAML, fit to be committed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  fluvial export kustomization app > app.yaml
  fluvial export source git --all")]
pub(crate) struct ExportArgs {
    /// The objects: `kustomization app`, `source git app`
    #[arg(required = true, value_name = "KIND NAME")]
    words: Vec<String>,
    /// Every object of the kind in the namespace
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(globals: &Globals, args: &ExportArgs) -> Result<ExitCode> {
    let (kind, names) = objects::parse_one(&args.words)?;
    let cluster = globals.cluster().await?;
    let mut found = Vec::new();
    if args.all {
        let resource = cluster.preferred(kind.group, kind.kind).await?;
        let selector = Selector::namespace(&globals.namespace);
        for mut object in cluster.list_all(&resource, &selector).await? {
            object["apiVersion"] = json!(resource.api_version());
            object["kind"] = json!(resource.kind);
            found.push(object);
        }
    } else if names.is_empty() {
        bail!(
            "cannot tell which {} is meant: name it, or say --all",
            kind.kind
        );
    }
    for name in &names {
        let target = reference(kind, &globals.namespace, name);
        let object = cluster.get(&target).await?;
        found.push(
            object.with_context(|| format!("cannot find {target}: see `fluvial get all -A`"))?,
        );
    }
    let exported: Vec<Value> = found.iter().map(exported).collect();
    output::print(&yaml::to_multi(&exported))?;
    Ok(ExitCode::SUCCESS)
}

/// What a person would have written.
fn exported(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.retain(|key, _| {
            !key.starts_with("kubectl.kubernetes.io/") && !key.starts_with("reconcile.fluxcd.io/")
        });
    }
    for field in ["labels", "annotations"] {
        if metadata[field]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
            && let Some(map) = metadata.as_object_mut()
        {
            map.remove(field);
        }
    }
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": metadata,
        "spec": object["spec"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_declared_is_exported() {
        let object = json!({
            "apiVersion": "v1",
            "kind": "K",
            "metadata": {
                "name": "n",
                "namespace": "ns",
                "uid": "u",
                "managedFields": [],
                "finalizers": ["f"],
                "annotations": {"reconcile.fluxcd.io/requestedAt": "x"},
                "labels": {"a": "b"},
            },
            "spec": {"a": 1},
            "status": {"b": 1},
        });
        assert_eq!(
            exported(&object),
            json!({
                "apiVersion": "v1",
                "kind": "K",
                "metadata": {"name": "n", "namespace": "ns", "labels": {"a": "b"}},
                "spec": {"a": 1},
            })
        );
    }
}
