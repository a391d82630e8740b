//! The end of a Kustomization: its objects go first, then its finalizer.

use fluvial_event::{Doomed, ObjectRef};

use super::Kustomization;
use crate::schedule::Due;
use crate::world::World;

impl Kustomization {
    /// A suspended one leaves its objects where they are, as Flux does.
    pub(super) fn decide_deletion(&self, object: &ObjectRef, world: &World) -> Due {
        let declared = &self.core.declared;
        let prunes = self
            .spec
            .as_ref()
            .filter(|spec| !spec.suspend && spec.deletes_objects());
        let doomed: Vec<Doomed> = self
            .owned
            .iter()
            .filter(|(_, owned)| !owned.rendered.keep)
            .map(|(object, _)| self.doom(object, world))
            .collect();
        match prunes {
            Some(spec) if !doomed.is_empty() => {
                self.prune(object, spec, doomed, "the Kustomization was deleted")
            }
            _ => declared.set_finalizer(object, false),
        }
    }
}
