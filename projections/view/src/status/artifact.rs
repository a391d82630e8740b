//! Artifacts as they stand in a status: where Flux would serve them.

use fluvial_api::status::Artifact;

use super::Context;

/// The artifact as Flux names it: `<kind>/<namespace>/<name>/<file>`.
pub(super) fn served(
    context: &Context<'_>,
    artifact: &fluvial_event::Artifact,
    file: &str,
) -> Artifact {
    Artifact {
        revision: artifact.revision.clone(),
        digest: artifact.digest.clone(),
        url: url(context, file),
        path: path(context, file),
        last_update_time: context.time.clone(),
        size: Some(artifact.bytes),
        metadata: std::collections::BTreeMap::default(),
    }
}

/// Where a file of an object is served.
pub(super) fn url(context: &Context<'_>, file: &str) -> String {
    format!("http://{}/{}", context.advertised, path(context, file))
}

fn path(context: &Context<'_>, file: &str) -> String {
    let object = context.object;
    let kind = object.kind.to_ascii_lowercase();
    format!("{kind}/{}/{}/{file}", object.namespace, object.name)
}
