//! The values of a HelmRelease: those of ConfigMaps and Secrets that it refers to, then its own.
//!
//! Which of them win, and how their texts are read, is `engine/render`'s business.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::{ValuesKind, ValuesReference};
use fluvial_cluster::{Cluster, Error};
use fluvial_render::Refusal;
use fluvial_render::helm::Layer;

use crate::data;

/// The layers of values, the lowest first. helm-controller: `ChartValuesFromReferences`.
pub async fn layers(
    cluster: &Cluster,
    namespace: &str,
    spec: &HelmReleaseSpec,
) -> Result<Result<Vec<Layer>, Refusal>, Error> {
    let mut layers = Vec::new();
    for reference in &spec.values_from {
        let (kind, key) = (reference.kind.as_str(), reference.key());
        let name = format!("{namespace}/{}", reference.name);
        let data = data::read(cluster, kind, namespace, &reference.name).await?;
        let Some(bytes) = data.as_ref().and_then(|data| data.get(key)) else {
            if reference.optional {
                continue;
            }
            let why = match data {
                Some(_) => "it has no such key; correct valuesKey",
                None => "it is not there; create it, or set optional: true",
            };
            return Ok(Err(Refusal {
                reason: "ValuesError".to_owned(),
                message: format!(
                    "could not resolve {kind} chart values reference '{name}' with key '{key}': {why}"
                ),
            }));
        };
        let origin = format!("{kind} chart values reference '{name}' with key '{key}'");
        let text = String::from_utf8_lossy(bytes).into_owned();
        layers.push(layer(reference, text, origin));
    }
    if let Some(values) = &spec.values {
        layers.push(Layer::Json(values.clone()));
    }
    Ok(Ok(layers))
}

fn layer(reference: &ValuesReference, text: String, origin: String) -> Layer {
    let is_secret = reference.kind == ValuesKind::Secret;
    match &reference.target_path {
        Some(path) if !path.is_empty() => Layer::One {
            path: path.clone(),
            text,
            literal: reference.literal,
            origin,
            is_secret,
        },
        Some(_) | None => Layer::Yaml {
            text,
            origin,
            is_secret,
        },
    }
}
