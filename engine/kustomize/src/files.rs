//! The names under which `kustomize build --output DIR` writes objects, one in each file
//! (`kustomize/commands/build/writer.go`, v5.8.2).

use std::collections::BTreeSet;

use fluvial_manifest::Value;

use crate::resource::Id;

/// A file name for each object, in their order: `apps_v1_deployment_web.yaml`, with the namespace
/// before it when the objects are in several.
pub fn file_names(objects: &[Value]) -> Vec<String> {
    let ids: Vec<Id> = objects.iter().map(Id::of).collect();
    let namespaces: BTreeSet<&str> = ids
        .iter()
        .filter(|id| !id.is_cluster_scoped())
        .map(Id::effective_namespace)
        .collect();
    ids.iter()
        .map(|id| {
            let namespace = Some(id.effective_namespace())
                .filter(|_| namespaces.len() > 1 && !id.is_cluster_scoped());
            let parts = [
                namespace.unwrap_or_default(),
                &id.gvk.group,
                &id.gvk.version,
                &id.gvk.kind,
                &id.name,
            ];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            // A name is no path: it comes from a file that anyone may have written.
            let name = parts.join("_").to_lowercase().replace(['/', '\0'], "_");
            format!("{name}.yaml")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_tell_objects_apart() {
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "Web"}});
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x"}});
        let cluster =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "../n"}});
        assert_eq!(
            file_names(&[deployment.clone(), cluster.clone()]),
            ["apps_v1_deployment_web.yaml", "v1_namespace_.._n.yaml"]
        );
        assert_eq!(
            file_names(&[deployment, other, cluster]),
            [
                "default_apps_v1_deployment_web.yaml",
                "x_v1_configmap_a.yaml",
                "v1_namespace_.._n.yaml"
            ]
        );
    }
}
