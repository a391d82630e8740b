//! The variables of a Kustomization's `spec.postBuild`: its own, and those of ConfigMaps and Secrets.
//!
//! How they are put into manifests is `fluvial-kustomize`'s knowledge.

use std::collections::BTreeMap;

use fluvial_api::kustomization::{PostBuild, SubstituteKind, SubstituteStrategy};
use fluvial_cluster::{Cluster, Error};
use fluvial_render::Refusal;

use crate::data;

/// The variables to substitute; `None` where nothing is to be substituted. Without a `cluster` nothing is
/// read from ConfigMaps and Secrets, as in a dry run of Flux's.
pub async fn of(
    cluster: Option<&Cluster>,
    namespace: &str,
    post_build: &PostBuild,
) -> Result<Result<Option<BTreeMap<String, String>>, Refusal>, Error> {
    let mut variables = BTreeMap::new();
    for from in &post_build.substitute_from {
        let Some(cluster) = cluster else { break };
        let kind = match from.kind {
            SubstituteKind::Secret => "Secret",
            SubstituteKind::ConfigMap => "ConfigMap",
        };
        match data::read(cluster, kind, namespace, &from.name).await? {
            Some(data) => variables
                .extend(data.into_iter().map(|(name, value)| {
                    (name, String::from_utf8_lossy(&value).replace('\n', ""))
                })),
            None if from.optional => {}
            None => {
                return Ok(Err(Refusal::build(format!(
                    "cannot substitute variables: {kind}/{namespace}/{} is not there; create it or set optional: true",
                    from.name
                ))));
            }
        }
    }
    variables.extend(
        post_build
            .substitute
            .iter()
            .map(|(name, value)| (name.clone(), value.replace('\n', ""))),
    );
    let is_due = match post_build.substitute_strategy {
        SubstituteStrategy::WithVariables => !variables.is_empty(),
        SubstituteStrategy::Always => true,
    };
    Ok(Ok(is_due.then_some(variables)))
}
