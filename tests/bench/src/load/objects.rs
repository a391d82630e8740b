//! What is declared and applied: N Kustomizations of three objects each, of one source.

use serde_json::{Value, json};

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "load";

/// The source.
pub(crate) fn source(url: &str) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "load", "namespace": NAMESPACE},
        "spec": {"interval": "10m", "url": url, "ref": {"branch": "main"}},
    })
}

/// One Kustomization.
pub(crate) fn kustomization(number: usize) -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": format!("app{number}"), "namespace": NAMESPACE},
        "spec": {
            "interval": "10m",
            "path": format!("./app{number}"),
            "prune": true,
            "wait": true,
            "sourceRef": {"kind": "GitRepository", "name": "load"},
        },
    })
}

/// The objects of one Kustomization, as they stand in git.
pub(crate) fn objects(number: usize) -> [Value; 3] {
    let metadata = json!({"name": format!("app{number}"), "namespace": NAMESPACE});
    [
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {"number": number.to_string()},
        }),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {
                "selector": {"app": format!("app{number}")},
                "ports": [{"name": "http", "port": 80}],
            },
        }),
    ]
}

/// The same, as they are applied: with their owner's labels, and somewhere else.
pub(crate) fn rendered(number: usize, namespace: &str) -> [Value; 3] {
    objects(number).map(|mut object| {
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["labels"] = json!({
            "kustomize.toolkit.fluxcd.io/name": format!("app{number}"),
            "kustomize.toolkit.fluxcd.io/namespace": NAMESPACE,
        });
        object
    })
}

/// Every file of the repository: its path and its content.
pub(crate) fn files(count: usize) -> Vec<(String, String)> {
    let file = |number| {
        let documents = objects(number).map(|it| it.to_string());
        (format!("app{number}/all.yaml"), documents.join("\n---\n"))
    };
    (1..=count).map(file).collect()
}
