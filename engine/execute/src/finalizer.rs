//! `SetFinalizer`: put the finalizer on a declared object, or take it off.

use fluvial_api::kinds;
use fluvial_event::{Event, FinalizerSet, SetFinalizer};

use crate::{Executor, Trouble, named, reference};

impl Executor {
    pub(crate) async fn set_finalizer(self, command: SetFinalizer) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let known = kinds::find(&object.group, &object.kind);
        let Some((kind, finalizer)) = known.and_then(|kind| Some((kind, kind.finalizer?))) else {
            return Err(Trouble::Command(format!(
                "{} has no finalizer",
                object.kind
            )));
        };
        let target = reference(&object);
        let present = command.present;
        if present {
            self.cluster
                .add_finalizer(&target, finalizer, kind.controller)
                .await?;
        } else {
            self.cluster
                .remove_finalizer(&target, finalizer, kind.controller)
                .await?;
        }
        Ok(FinalizerSet {
            object: Some(object),
            present,
        }
        .into())
    }
}
