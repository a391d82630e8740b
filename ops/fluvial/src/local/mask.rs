//! What stands in the place of values that are encrypted with SOPS: they are no one's to see, and
//! encrypted they would be no use. flux: `internal/build`, `maskSopsData`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_apply::drift::is_secret;
use fluvial_manifest::Value;
use serde_json::json;

/// What flux shows for an encrypted value.
const MASK: &str = "**SOPS**";
const DOCKER_CONFIG: &str = "kubernetes.io/dockerconfigjson";

/// Masks what is encrypted in a Secret.
pub(super) fn encrypted(object: &mut Value) {
    if !is_secret(object) {
        return;
    }
    let is_whole = object
        .pointer("/sops/mac")
        .and_then(Value::as_str)
        .is_some_and(|mac| mac.starts_with("ENC["));
    let is_docker = object.get("type").and_then(Value::as_str) == Some(DOCKER_CONFIG);
    // The API server wants JSON there, in a dry run too.
    let mask = if is_docker && is_whole {
        json!({"mask": MASK}).to_string()
    } else {
        MASK.to_owned()
    };
    if is_whole && let Some(secret) = object.as_object_mut() {
        secret.remove("sops");
    }
    for (field, is_encoded) in [("data", true), ("stringData", false)] {
        let values = object.get_mut(field).and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(|it| it.values_mut()) {
            if is_whole || holds_sops(value, is_encoded) {
                *value = Value::from(if is_encoded {
                    STANDARD.encode(&mask)
                } else {
                    mask.clone()
                });
            }
        }
    }
}

/// Whether a value is a file that is encrypted as a whole, as a generator puts it into a Secret.
fn holds_sops(value: &Value, is_encoded: bool) -> bool {
    let text = value.as_str().unwrap_or_default();
    let bytes = if is_encoded {
        // kustomize breaks what it encodes into lines.
        let lines: String = text.split_whitespace().collect();
        STANDARD.decode(lines).unwrap_or_default()
    } else {
        text.as_bytes().to_vec()
    };
    let text = String::from_utf8_lossy(&bytes);
    text.contains("sops") && text.contains("ENC[")
}

/// Whether a Secret has values that were masked here.
pub(crate) fn has_masked(secret: &Value) -> bool {
    let values = secret.get("data").and_then(Value::as_object);
    values.into_iter().flat_map(|it| it.values()).any(|value| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default());
        bytes.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(MASK))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_value_is_masked_and_every_other_stays() {
        let secret = |more: Value| {
            let mut secret = json!({"apiVersion": "v1", "kind": "Secret"});
            for (key, value) in more.as_object().unwrap() {
                secret[key] = value.clone();
            }
            secret
        };
        let sops = json!({"mac": "ENC[AES256_GCM,data:x]"});
        let file = STANDARD.encode("token: ENC[AES256_GCM]\nsops: {}\n");
        let lines = format!("{}\n{}\n", &file[..10], &file[10..]);
        for (declared, expected) in [
            (
                json!({"data": {"a": "RU5DWw=="}, "stringData": {"b": "ENC[x]"}, "sops": sops}),
                json!({"data": {"a": "KipTT1BTKio="}, "stringData": {"b": "**SOPS**"}}),
            ),
            (
                json!({"type": DOCKER_CONFIG, "data": {".dockerconfigjson": "RU5DWw=="}, "sops": sops}),
                json!({"type": DOCKER_CONFIG, "data": {".dockerconfigjson": "eyJtYXNrIjoiKipTT1BTKioifQ=="}}),
            ),
            (
                json!({"data": {"token": file, "lines": lines, "plain": "YWRtaW4="}}),
                json!({"data": {"token": "KipTT1BTKio=", "lines": "KipTT1BTKio=", "plain": "YWRtaW4="}}),
            ),
            (
                json!({"stringData": {"plain": "sops"}}),
                json!({"stringData": {"plain": "sops"}}),
            ),
        ] {
            let (mut built, expected) = (secret(declared), secret(expected));
            encrypted(&mut built);
            assert_eq!(built, expected);
            let masks = expected.to_string().contains("KipTT1BT")
                || expected.to_string().contains("eyJtYXNr");
            assert_eq!(has_masked(&built), masks, "{built}");
        }
        let mut other = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": file}});
        let before = other.clone();
        encrypted(&mut other);
        assert_eq!(other, before);
    }
}
