//! Reading the ConfigMaps and Secrets that a declaration refers to. Their values go no further.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_cluster::{Cluster, Error, Reference};
use serde_json::Value;

/// The data of a Secret or ConfigMap; `None` where it is not there.
pub async fn read(
    cluster: &Cluster,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, Vec<u8>>>, Error> {
    let Some(object) = cluster
        .get(&Reference::new("v1", kind, namespace, name))
        .await?
    else {
        return Ok(None);
    };
    let is_secret = kind == "Secret";
    let mut data = BTreeMap::new();
    for (field, is_encoded) in [("data", is_secret), ("binaryData", true)] {
        for (key, value) in object
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let text = value.as_str().unwrap_or_default();
            // The API server admits valid base64 only.
            let bytes = if is_encoded {
                STANDARD.decode(text).unwrap_or_default()
            } else {
                text.into()
            };
            data.insert(key.clone(), bytes);
        }
    }
    Ok(Some(data))
}
