//! Objects of Flux kinds that this version does not reconcile: it says so on each, once.

use fluvial_event::{Concluded, Decision, Event, ObjectRef, Record};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::schedule::Due;

/// The state of one such object.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Bystander {
    declared: Declared,
}

impl Bystander {
    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    pub(crate) fn evolve(&mut self, record: &Record) {
        if let Event::ResourceObserved(seen) = &record.event {
            self.declared.observe(seen);
        } else if let Event::Concluded(concluded) = &record.event {
            self.declared.conclude(concluded, record.time);
        }
    }

    pub(crate) fn decide(&self, object: &ObjectRef) -> Due {
        let declared = &self.declared;
        if declared.is_concluded() || declared.deleting {
            return Due::Never;
        }
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: declared.generation,
            requested_at: declared.requested_at.clone(),
            stalled: true,
            reason: "KindNotSupported".into(),
            message: format!(
                "this version of Fluvial does not reconcile {} yet; the object is left as it is",
                object.kind
            ),
            ..Concluded::default()
        })))
    }
}
