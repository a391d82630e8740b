//! Removes from a manifest what must not be applied, and says what the API server would only assume.
//!
//! What Flux does in `fluxcd/pkg/ssa/normalize` and `ssa/utils`: without it, such a field would look
//! like drift for ever, or be refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_api::metadata::annotation;
use fluvial_manifest::{ObjectId, Value};
use serde_json::{Map, json};

/// Fields of `metadata` that only the API server writes.
const SERVER_FIELDS: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// Labels and annotations that older tools left behind.
const STALE_KEYS: [&str; 3] = [
    annotation::LAST_APPLIED,
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];

/// Cleans a manifest whose identity was checked.
pub(super) fn object(value: &mut Value, id: &ObjectId) -> Result<(), String> {
    let Some(root) = value.as_object_mut() else {
        return Err("it must be a map".to_owned());
    };
    root.remove("status");
    if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
        clean_metadata(metadata);
    }
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Secret") => encode_secret(root),
        ("", "Service") => {
            say_protocols(value.pointer_mut("/spec/ports"));
            Ok(())
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            drop_broken_bundle(value);
            Ok(())
        }
        _ => {
            for container in pod(id).iter().flat_map(|pod| {
                ["containers", "initContainers"].map(|list| format!("{pod}/{list}"))
            }) {
                let containers = value.pointer_mut(&container).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten() {
                    say_protocols(container.get_mut("ports"));
                }
            }
            Ok(())
        }
    }
}

fn clean_metadata(metadata: &mut Map<String, Value>) {
    for field in SERVER_FIELDS {
        metadata.remove(field);
    }
    for field in ["labels", "annotations"] {
        let is_empty = match metadata.get_mut(field) {
            Some(Value::Object(entries)) => {
                entries.retain(|key, _| !STALE_KEYS.contains(&key.as_str()));
                entries.is_empty()
            }
            Some(_) => true,
            None => false,
        };
        if is_empty {
            metadata.remove(field);
        }
    }
}

/// `stringData` is written over `data` at every apply and never read back: it becomes `data`.
fn encode_secret(secret: &mut Map<String, Value>) -> Result<(), String> {
    let plain = match secret.remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(plain)) => plain,
        Some(_) => return Err("stringData must be a map".to_owned()),
    };
    let data = secret.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = json!({});
    }
    let data = data.as_object_mut().ok_or("data must be a map")?;
    for (key, value) in plain {
        let text = value
            .as_str()
            .ok_or_else(|| format!("stringData[{key}] must be a string; quote it"))?;
        data.insert(key, Value::from(STANDARD.encode(text)));
    }
    Ok(())
}

/// Where the pod is in the kinds that have one.
fn pod(id: &ObjectId) -> Option<&'static str> {
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Pod") => Some("/spec"),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            Some("/spec/template/spec")
        }
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// The protocol is part of a port's key in its list: a port without one would not be found again.
fn say_protocols(ports: Option<&mut Value>) {
    let ports = ports.and_then(Value::as_array_mut).into_iter().flatten();
    for port in ports.filter_map(Value::as_object_mut) {
        let is_said = port
            .get("protocol")
            .and_then(Value::as_str)
            .is_some_and(|said| !said.is_empty());
        if !is_said {
            port.insert("protocol".to_owned(), json!("TCP"));
        }
    }
}

/// Kubernetes refuses a definition whose CA bundle is no certificate; generators leave such as a
/// placeholder for cert-manager to fill in.
fn drop_broken_bundle(definition: &mut Value) {
    let client = definition.pointer_mut("/spec/conversion/webhook/clientConfig");
    let Some(client) = client.and_then(Value::as_object_mut) else {
        return;
    };
    let is_broken = client
        .get("caBundle")
        .is_some_and(|bundle| !bundle.as_str().is_some_and(is_bundle));
    if is_broken {
        client.remove("caBundle");
    }
}

/// Whether a text is base64 of PEM with a certificate; empty is no bundle and no harm.
fn is_bundle(text: &str) -> bool {
    let pem = STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(pem) = pem else {
        return false;
    };
    let certificate = pem
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .and_then(|(body, _)| {
            STANDARD
                .decode(body.split_whitespace().collect::<String>())
                .ok()
        });
    // A certificate is a DER sequence.
    text.is_empty() || certificate.is_some_and(|der| der.first() == Some(&0x30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(mut value: Value) -> Value {
        let id = ObjectId::of(&value).unwrap();
        object(&mut value, &id).unwrap();
        value
    }

    #[test]
    fn what_the_server_or_older_tools_write_is_removed() {
        let found = cleaned(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "x", "creationTimestamp": null, "uid": "1", "resourceVersion": "2", "managedFields": [],
                "annotations": {annotation::LAST_APPLIED: "{}"},
                "labels": {"kustomize.toolkit.fluxcd.io/checksum": "a", "app": "x"},
            },
            "data": {"a": "b"},
            "status": {},
        }));
        assert_eq!(
            found,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "x", "labels": {"app": "x"}},
                "data": {"a": "b"},
            })
        );
    }

    #[test]
    fn string_data_becomes_data() {
        let secret = |fields: Value| {
            let mut secret =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}});
            secret
                .as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            secret
        };
        let found = cleaned(secret(
            json!({"data": {"a": "b2xk", "k": "a2VlcA=="}, "stringData": {"a": "new"}}),
        ));
        assert_eq!(
            found,
            secret(json!({"data": {"a": "bmV3", "k": "a2VlcA=="}}))
        );

        let mut broken = secret(json!({"stringData": {"port": 5432}}));
        let id = ObjectId::of(&broken).unwrap();
        assert_eq!(
            object(&mut broken, &id),
            Err("stringData[port] must be a string; quote it".to_owned())
        );
    }

    #[test]
    fn ports_say_their_protocol() {
        let found = cleaned(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
            "spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]},
        }));
        assert_eq!(
            found["spec"]["ports"],
            json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}])
        );

        let found = cleaned(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"ports": [{"containerPort": 1}]}]}}}}},
        }));
        let port = found.pointer("/spec/jobTemplate/spec/template/spec/containers/0/ports/0");
        assert_eq!(port, Some(&json!({"containerPort": 1, "protocol": "TCP"})));
    }

    #[test]
    fn only_a_broken_bundle_is_dropped() {
        let good =
            STANDARD.encode("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        for (bundle, kept) in [
            ("Cg==", false),
            ("nonsense", false),
            (good.as_str(), true),
            ("", true),
        ] {
            let found = cleaned(json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"},
                "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": bundle}}}},
            }));
            let is_kept = found
                .pointer("/spec/conversion/webhook/clientConfig/caBundle")
                .is_some();
            assert_eq!(is_kept, kept, "{bundle}");
        }
    }
}
