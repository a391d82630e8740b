//! A tenant's objects are applied as the tenant, and tenants stay apart.

use fluvial_e2e::{Scenario, Scene};
use serde_json::json;

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "a-tenant-may-do-what-it-is-granted",
    a_tenant_may_do_what_it_is_granted,
)];

fn a_tenant_may_do_what_it_is_granted(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization(
        "app",
        json!({"serviceAccountName": "tenant", "retryInterval": "1s"}),
    );
    let user = format!("system:serviceaccount:{}:tenant", scene.namespace);
    let words = [
        &*format!("ConfigMap/{}/a", scene.namespace),
        "forbidden",
        &user,
    ];
    scene.refused("Kustomization", "app", "ReconciliationFailed", &words);
    assert!(scene.find("ConfigMap", "a").is_none());
    let (namespace, group) = (&scene.namespace, "rbac.authorization.k8s.io");
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "tenant", "namespace": namespace},
    }));
    scene.apply(&json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "tenant", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": namespace}],
    }));
    scene.deployed("app");
    scene.get("ConfigMap", "a");
    // Beyond its namespace it may nothing.
    let beyond =
        config_map("beyond", "one").replace("metadata:", "metadata:\n  namespace: default");
    scene.commit(&[("beyond.yaml", &beyond)]);
    scene.fetch();
    let words = ["ConfigMap/default/beyond", "forbidden"];
    scene.refused("Kustomization", "app", "ReconciliationFailed", &words);
    // What it was refused is not held against it once it is gone from git.
    scene.change(&[], &["beyond.yaml"]);
    scene.fetch();
    scene.deployed("app");
    scene.delete("Kustomization", "app");
    scene.gone("ConfigMap", "a");
    scene.gone("Kustomization", "app");
}
