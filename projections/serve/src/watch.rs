//! What became of objects since: a watch that goes on from the moment that is served.
//!
//! The records behind that moment are folded as they are read, up to the end of the log; what the log gets
//! later is not told.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use fluvial_event::Offset;
use fluvial_log::{BlobStore, EventLog};
use serde_json::{Value, json};

use crate::answer::Form;
use crate::path::Place;
use crate::resource::Resource;
use crate::select::Selector;
use crate::world::{Changed, World};

/// What a client wants to be told of.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    pub(crate) resource: Resource,
    pub(crate) place: Place,
    pub(crate) selector: Selector,
    pub(crate) form: Form,
    /// What was known to the client; what is there is told first where it knows nothing.
    pub(crate) since: Option<Offset>,
    /// Whether it is to be told how far it has come.
    pub(crate) with_bookmarks: bool,
    /// When it ends by itself.
    pub(crate) timeout: Option<Duration>,
}

/// Nobody listens any more.
pub(crate) struct Gone;

impl Watch {
    /// Tells everything up to the end of the log.
    pub(crate) fn play(
        &self,
        mut world: World,
        log: &dyn EventLog,
        blobs: &dyn BlobStore,
        mut tell: impl FnMut(Value) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        if self.since.is_none() {
            self.begin(&world, &mut tell)?;
        }
        let since = self.since.unwrap_or(world.offset());
        for record in log.read(world.offset().next()) {
            let changes = record.and_then(|it| world.advance(&it, blobs, &self.resource));
            let changes = match changes {
                Ok(changes) => changes,
                Err(error) => return tell(failure(&error)),
            };
            if world.offset() <= since {
                continue;
            }
            for changed in changes {
                if let Some(event) = self.event(&world, &changed) {
                    tell(event)?;
                }
            }
        }
        if self.with_bookmarks {
            tell(self.bookmark(&world, false))?;
        }
        Ok(())
    }

    /// What is there, for a client that knows nothing.
    fn begin(
        &self,
        world: &World,
        tell: &mut impl FnMut(Value) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        for object in world
            .objects(&self.resource)
            .into_iter()
            .flatten()
            .map(|it| it.1)
        {
            if self.is_meant(object) {
                tell(self.told(world, "ADDED", object))?;
            }
        }
        if self.with_bookmarks {
            tell(self.bookmark(world, true))?;
        }
        Ok(())
    }

    fn is_meant(&self, object: &Value) -> bool {
        let namespace = self.place.namespace.as_deref();
        namespace.is_none_or(|it| object["metadata"]["namespace"] == it)
            && self.selector.matches(object)
    }

    fn event(&self, world: &World, changed: &Changed) -> Option<Value> {
        let meant = |it: &Option<Arc<Value>>| it.clone().filter(|it| self.is_meant(it));
        match (meant(&changed.before), meant(&changed.after)) {
            (None, None) => None,
            (None, Some(after)) => Some(self.told(world, "ADDED", &after)),
            (Some(_), Some(after)) => Some(self.told(world, "MODIFIED", &after)),
            (Some(before), None) => {
                let mut last = Value::clone(&before);
                last["metadata"]["resourceVersion"] = json!(world.offset().to_string());
                Some(self.told(world, "DELETED", &last))
            }
        }
    }

    fn told(&self, world: &World, what: &str, object: &Value) -> Value {
        let object = self.form.one(world, &self.resource, &self.place, object);
        json!({"type": what, "object": object})
    }

    fn bookmark(&self, world: &World, is_beginning: bool) -> Value {
        let mut object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(&self.place.version),
            "metadata": {"resourceVersion": world.offset().to_string()},
        });
        if is_beginning {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        if let Form::Table(_) = self.form {
            object["kind"] = json!("Table");
            object["apiVersion"] = json!("meta.k8s.io/v1");
            object["rows"] = json!([]);
        }
        json!({"type": "BOOKMARK", "object": object})
    }
}

fn failure(error: &fluvial_log::Error) -> Value {
    let message = format!("{error}; run `fluvial log verify` to see what else is wrong");
    json!({"type": "ERROR", "object": crate::status::status(500, "InternalError", &message)})
}
