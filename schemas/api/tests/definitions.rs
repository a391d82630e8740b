//! The definitions in `schemas/crds` are those of the code, and the code keeps what they promise.
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail where its definitions are not what it says"
)]

use std::fs;
use std::path::PathBuf;

use fluvial_api::{
    Alert, GitRepository, HelmChart, HelmRepository, Kustomization, Provider, crd, kinds,
};
use serde_json::{Value, json};

/// `UPDATE=1 cargo test -p fluvial-api` writes them.
#[test]
fn files_are_up_to_date() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut expected = Vec::new();
    for kind in kinds::ALL {
        let name = format!("{}_{}.yaml", kind.group, kind.plural);
        let text = crd::to_yaml(&crd::definition(kind));
        let path = folder.join(&name);
        if is_update {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{name} is stale; run UPDATE=1 cargo test -p fluvial-api and commit it"
        );
        expected.push(name);
    }
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "a file without a kind");
}

#[test]
fn every_version_ever_published_is_served_and_one_is_stored() {
    for (kind, definition) in kinds::ALL.into_iter().zip(crd::all()) {
        let versions = definition["spec"]["versions"].as_array().unwrap();
        let names: Vec<_> = versions
            .iter()
            .map(|version| version["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, kind.versions);
        assert!(
            versions
                .iter()
                .all(|version| version["served"] == json!(true))
        );
        let stored: Vec<_> = versions
            .iter()
            .filter(|version| version["storage"] == json!(true))
            .collect();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0]["name"], json!(kind.version()));
        // A field that one version knows and the stored one does not would be pruned.
        assert!(
            versions
                .iter()
                .all(|version| version["schema"] == stored[0]["schema"])
        );
    }
}

#[test]
fn schemas_are_structural() {
    for definition in crd::all() {
        for version in definition["spec"]["versions"].as_array().unwrap() {
            check_structure(
                &version["schema"]["openAPIV3Schema"],
                &definition["metadata"]["name"].to_string(),
            );
        }
    }
}

fn check_structure(schema: &Value, place: &str) {
    let preserves = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
    let r#type = schema.get("type").and_then(Value::as_str);
    assert!(r#type.is_some() || preserves, "{place}: no type");
    assert!(
        r#type != Some("array") || schema.get("items").is_some(),
        "{place}: no items"
    );
    let has_fields = schema.get("properties").is_some();
    assert!(
        !has_fields || schema.get("additionalProperties").is_none(),
        "{place}: both"
    );
    for required in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        assert!(
            schema["properties"]
                .get(required.as_str().unwrap())
                .is_some(),
            "{place}: {required}"
        );
    }
    for (name, field) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        check_structure(field, &format!("{place}.{name}"));
    }
    if let Some(items) = schema.get("items") {
        check_structure(items, &format!("{place}[]"));
    }
}

/// A value with every field of a schema.
fn sample(schema: &Value) -> Value {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.last().unwrap().clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => json!(true),
        Some("integer") => json!(7),
        Some("array") => json!([sample(&schema["items"])]),
        Some("object") if schema.get("additionalProperties").is_some() => json!({"key": "value"}),
        Some("object") => {
            let fields = schema["properties"].as_object().unwrap();
            fields
                .iter()
                .map(|(name, field)| (name.clone(), sample(field)))
                .collect()
        }
        Some("string") => match schema.get("pattern").and_then(Value::as_str) {
            Some(pattern) if pattern.contains("(ms|s|m") => json!("1h30m0s"),
            Some(pattern) if pattern.contains("|oci)") => json!("oci://host/charts"),
            Some(pattern) if pattern.contains("ssh") => json!("ssh://host/repository"),
            Some(pattern) if pattern.contains("*:[") => json!("sha256:00"),
            Some(_) => json!("Ready"),
            None if schema.get("format").is_some() => json!("2026-01-31T12:00:00Z"),
            None => json!("text"),
        },
        Some(_) | None => json!({"any": [null]}),
    }
}

/// Every field of the schema is a field of the model, and the other way round.
#[test]
fn the_model_has_every_field_of_the_schema() {
    fn object(kind: &kinds::Kind) -> Value {
        let definition = crd::definition(kind);
        let fields = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let mut object = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {"name": "app", "namespace": "default"},
            "spec": sample(&fields["spec"]),
            "status": sample(&fields["status"]),
        });
        // Exactly one of the two is allowed.
        if let Some(kube_config) = object["spec"]
            .get_mut("kubeConfig")
            .and_then(Value::as_object_mut)
        {
            kube_config.remove("configMapRef");
        }
        if let Some(provider) = object["spec"].get_mut("provider") {
            *provider = json!("azure");
        }
        for entry in object["status"]
            .get_mut("history")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            entry["lastReconciledDuration"] = json!("1.5s");
        }
        object
    }

    let written = object(&kinds::GIT_REPOSITORY);
    let read = GitRepository::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
    assert_eq!(
        serde_json::to_value(&read.status).unwrap(),
        written["status"]
    );

    let mut written = object(&kinds::HELM_CHART);
    // Only of these are signatures verified.
    written["spec"]["sourceRef"]["kind"] = json!("HelmRepository");
    let read = HelmChart::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
    assert_eq!(
        serde_json::to_value(&read.status).unwrap(),
        written["status"]
    );

    let written = object(&kinds::HELM_REPOSITORY);
    let read = HelmRepository::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
    assert_eq!(
        serde_json::to_value(&read.status).unwrap(),
        written["status"]
    );

    let written = object(&kinds::KUSTOMIZATION);
    let read = Kustomization::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
    assert_eq!(
        serde_json::to_value(&read.status).unwrap(),
        written["status"]
    );
}

/// The same of the kinds without a status.
#[test]
fn the_model_of_static_kinds_has_every_field_of_the_schema() {
    let object = |kind: &kinds::Kind| {
        let definition = crd::definition(kind);
        let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(root["properties"].get("status").is_none());
        let mut spec = sample(&root["properties"]["spec"]);
        if *kind == kinds::PROVIDER {
            // Only with these may there be a commitStatusExpr.
            spec["type"] = json!("github");
            spec["proxy"] = json!("http://proxy");
        }
        json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {"name": "app", "namespace": "default"},
            "spec": spec,
        })
    };
    let written = object(&kinds::ALERT);
    let read = Alert::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
    let written = object(&kinds::PROVIDER);
    let read = Provider::read(&written).unwrap();
    assert_eq!(serde_json::to_value(&read.spec).unwrap(), written["spec"]);
}

/// Whatever an object holds, reading it answers.
#[test]
fn reading_is_total() {
    let scalars = [
        json!(null),
        json!(true),
        json!(-1.5e300),
        json!("\u{0}"),
        json!([[]]),
        json!({"": {}}),
    ];
    let template = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {
            "interval": "1m", "prune": true, "sourceRef": {"kind": "Bucket", "name": "a"},
            "kubeConfig": {"secretRef": {"name": "a"}}, "patches": [{"patch": ""}],
        },
        "status": {"conditions": [], "inventory": {"entries": []}, "history": []},
    });
    assert!(Kustomization::read(&template).is_ok());
    let places = [
        "",
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/spec",
        "/spec/interval",
        "/spec/sourceRef",
        "/spec/kubeConfig",
        "/spec/kubeConfig/secretRef",
        "/spec/patches",
        "/spec/patches/0",
        "/status",
        "/status/conditions",
        "/status/inventory/entries",
        "/status/history",
    ];
    for place in places {
        for scalar in &scalars {
            let mut object = template.clone();
            *object.pointer_mut(place).unwrap() = scalar.clone();
            if let Err(error) = Kustomization::read(&object) {
                assert!(
                    !error.path.is_empty() && !error.problem.is_empty(),
                    "{place} {scalar}"
                );
                assert!(!error.problem.contains("bug"), "{place} {scalar}: {error}");
            }
        }
    }
}
