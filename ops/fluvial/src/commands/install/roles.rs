//! The ClusterRoles that Flux ships: one for its controllers, two that extend `view` and `edit`.

use serde_json::{Value, json};

/// The API groups of Flux.
const GROUPS: [&str; 6] = [
    "source.toolkit.fluxcd.io",
    "source.extensions.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "notification.toolkit.fluxcd.io",
    "image.toolkit.fluxcd.io",
];

const READ: [&str; 3] = ["get", "list", "watch"];
const EDIT: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// Every role.
pub(super) fn all() -> Vec<Value> {
    vec![controller(), view(), edit()]
}

fn role(name: &str, aggregate_to: &[&str], rules: &Value) -> Value {
    let mut labels = json!({"app.kubernetes.io/part-of": "flux"});
    for other in aggregate_to {
        labels[format!("rbac.authorization.k8s.io/aggregate-to-{other}")] = json!("true");
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": rules,
    })
}

fn controller() -> Value {
    let mut rules: Vec<Value> = GROUPS
        .iter()
        .map(|group| json!({"apiGroups": [group], "resources": ["*"], "verbs": ["*"]}))
        .collect();
    rules.extend([
        json!({
            "apiGroups": [""],
            "resources": ["namespaces", "secrets", "configmaps", "serviceaccounts"],
            "verbs": READ,
        }),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]}),
        json!({
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "verbs": ["create"],
        }),
        json!({
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        }),
    ]);
    role("crd-controller", &[], &Value::Array(rules))
}

fn view() -> Value {
    let rules = json!([{"apiGroups": GROUPS, "resources": ["*"], "verbs": READ}]);
    role("flux-view", &["admin", "edit", "view"], &rules)
}

fn edit() -> Value {
    let rules = json!([{"apiGroups": GROUPS, "resources": ["*"], "verbs": EDIT}]);
    role("flux-edit", &["admin", "edit"], &rules)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fluvial_api::kinds;

    use super::*;

    #[test]
    fn every_group_of_a_kind_is_in_the_roles() {
        let groups: BTreeSet<_> = kinds::ALL.iter().map(|kind| kind.group).collect();
        assert_eq!(groups, GROUPS.into_iter().collect());
    }
}
