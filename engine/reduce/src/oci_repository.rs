//! `OCIRepository`: when to ask a registry for an artifact again.

use fluvial_api::OciRepositorySpec;
use fluvial_event::{FetchOci, ObjectRef, Timestamp, command};

use crate::schedule::Due;
use crate::source::Source;

/// What is due of an OCIRepository that nothing stands in the way of.
pub(crate) fn decide(source: &Source, object: &ObjectRef, now: Timestamp) -> Due {
    let declared = &source.declared;
    let spec: OciRepositorySpec = match serde_json::from_slice(&declared.spec) {
        Ok(spec) => spec,
        Err(error) => return declared.wait_for(object, "InvalidSpec", error.to_string()),
    };
    if spec.suspend {
        return declared.wait_for(object, "Suspended", "reconciliation is suspended".into());
    }
    let next = source.next(spec.interval);
    if now < next {
        return Due::At(next);
    }
    declared.command(command::Kind::FetchOci(FetchOci {
        object: Some(declared.named(object)),
        generation: declared.generation,
        spec: declared.spec.clone(),
        observed: source.observed(),
    }))
}

/// Why the object is ready. flux: `reconcileArtifact`, ocirepository_controller.go.
pub(crate) fn summary(revision: &str) -> String {
    format!("stored artifact for digest '{revision}'")
}
