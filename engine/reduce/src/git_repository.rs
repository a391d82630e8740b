//! `GitRepository`: when to ask a git server again.

use fluvial_api::GitRepositorySpec;
use fluvial_event::{FetchGit, ObjectRef, Timestamp, command};

use crate::schedule::Due;
use crate::source::Source;

/// What is due of a GitRepository that nothing stands in the way of.
pub(crate) fn decide(source: &Source, object: &ObjectRef, now: Timestamp) -> Due {
    let declared = &source.declared;
    let spec: GitRepositorySpec = match serde_json::from_slice(&declared.spec) {
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
    declared.command(command::Kind::FetchGit(FetchGit {
        object: Some(declared.named(object)),
        generation: declared.generation,
        spec: declared.spec.clone(),
        observed: source.observed(),
    }))
}
