//! The end of a HelmRelease: the release goes first, then its HelmChart, then its finalizer.

use fluvial_event::{ObjectRef, Timestamp};

use super::{HelmRelease, Kind};
use crate::schedule::Due;
use crate::world::World;

impl HelmRelease {
    /// A suspended one leaves its release where it is, as Flux does.
    pub(super) fn decide_deletion(&self, object: &ObjectRef, now: Timestamp, world: &World) -> Due {
        let declared = &self.core.declared;
        let Some(spec) = self.spec.as_ref().filter(|spec| !spec.suspend) else {
            return declared.set_finalizer(object, false);
        };
        if let Some(action) = self.action() {
            return self.proceed_with(object, action, spec, now, world);
        }
        let status = &self.core.status;
        if let Some(latest) = status.history.latest()
            && !status.storage_namespace.is_empty()
        {
            return self.recall(object, Kind::Remove, latest, 0, now);
        }
        match self.made_before() {
            Some(chart) => self.delete_chart(object, chart),
            None => declared.set_finalizer(object, false),
        }
    }
}
