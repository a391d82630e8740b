//! `HelmRepository`: when to ask a chart repository for its index again.
//!
//! One of type `oci` is a name and credentials: nothing is asked of it, and nothing said of it. flux: it is
//! static since v2.3.

use fluvial_api::HelmRepositorySpec;
use fluvial_event::{FetchHelmRepository, ObjectRef, Timestamp, command};

use crate::schedule::Due;
use crate::source::Source;

/// What is due of a registry; `None` for all else.
pub(crate) fn decide_static(source: &Source, object: &ObjectRef, now: Timestamp) -> Option<Due> {
    let declared = &source.declared;
    if object.kind != "HelmRepository" || !spec_of(source).is_some_and(|spec| spec.is_oci()) {
        return None;
    }
    Some(declared.decide_static(object, now).unwrap_or_else(|| {
        if declared.finalizer {
            // It was of the other type, or another engine put it on.
            declared.set_finalizer(object, false)
        } else {
            Due::Never
        }
    }))
}

/// What is due of a repository that nothing stands in the way of.
pub(crate) fn decide(source: &Source, object: &ObjectRef, now: Timestamp) -> Due {
    let declared = &source.declared;
    let spec: HelmRepositorySpec = match serde_json::from_slice(&declared.spec) {
        Ok(spec) => spec,
        Err(error) => return declared.wait_for(object, "InvalidSpec", error.to_string()),
    };
    if spec.suspend {
        return declared.wait_for(object, "Suspended", "reconciliation is suspended".into());
    }
    let next = source.next(spec.interval_or_default());
    if now < next {
        return Due::At(next);
    }
    let observed = source.artifact.as_ref().filter(|_| source.is_right());
    let command = FetchHelmRepository {
        object: Some(declared.named(object)),
        generation: declared.generation,
        spec: declared.spec.clone(),
        observed: observed.map(|it| it.revision.clone()).unwrap_or_default(),
        validators: observed.and(source.validators.clone()),
    };
    declared.command(command::Kind::FetchHelmRepository(Box::new(command)))
}

/// What is declared, where it can be read.
pub(crate) fn spec_of(source: &Source) -> Option<HelmRepositorySpec> {
    serde_json::from_slice(&source.declared.spec).ok()
}
