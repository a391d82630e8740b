//! Alerts and Providers: whether they can be followed.
//!
//! Which notifications follow from them, and which of those wait, is `view::alert`'s business, and telling
//! them a sink's.

use fluvial_api::ProviderSpec;
use fluvial_event::{Concluded, Decision, ObjectRef, Record, Timestamp};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::schedule::Due;

/// The state of an Alert.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Alert {
    pub(crate) declared: Declared,
}

/// The state of a Provider.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Provider {
    pub(crate) declared: Declared,
}

impl Alert {
    pub(crate) fn evolve(&mut self, record: &Record) {
        self.declared.evolve_static(record);
    }

    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp) -> Due {
        let declared = &self.declared;
        if let Some(due) = declared.decide_static(object, now) {
            return due;
        }
        if declared.invalid.is_empty() {
            conclude(declared, object, Ok("Alert is Ready"))
        } else {
            conclude(declared, object, Err(("InvalidConfig", &declared.invalid)))
        }
    }
}

impl Provider {
    pub(crate) fn evolve(&mut self, record: &Record) {
        self.declared.evolve_static(record);
    }

    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp) -> Due {
        let declared = &self.declared;
        if let Some(due) = declared.decide_static(object, now) {
            return due;
        }
        if !declared.invalid.is_empty() {
            return conclude(declared, object, Err(("InvalidConfig", &declared.invalid)));
        }
        match serde_json::from_slice::<ProviderSpec>(&declared.spec) {
            Err(error) => declared.wait_for(object, "InvalidSpec", error.to_string()),
            Ok(spec) => match spec.unsupported() {
                Some(why) => conclude(declared, object, Err(("ProviderNotSupported", &why))),
                None => conclude(declared, object, Ok("Provider is Ready")),
            },
        }
    }
}

/// Says once for each generation whether what is declared can be followed.
fn conclude(declared: &Declared, object: &ObjectRef, verdict: Result<&str, (&str, &str)>) -> Due {
    if declared.is_concluded() {
        return Due::Never;
    }
    let (reason, message) = match verdict {
        Ok(message) => ("Succeeded", message),
        Err(refusal) => refusal,
    };
    Due::Now(Decision::Conclude(Box::new(Concluded {
        object: Some(declared.named(object)),
        generation: declared.generation,
        requested_at: declared.requested_at.clone(),
        ready: verdict.is_ok(),
        stalled: verdict.is_err(),
        reason: reason.into(),
        message: message.into(),
        ..Concluded::default()
    })))
}

#[cfg(test)]
mod tests {
    use fluvial_event::{FinalizerSet, ObjectRef, ResourceDeleted, ResourceObserved};
    use serde_json::{Value, json};

    use crate::World;
    use crate::script::Script;

    fn named(kind: &str) -> ObjectRef {
        ObjectRef {
            group: "notification.toolkit.fluxcd.io".into(),
            version: "v1beta3".into(),
            kind: kind.into(),
            namespace: "team".into(),
            name: "chat".into(),
        }
    }

    fn observed(kind: &str, uid: &str, spec: &Value) -> ResourceObserved {
        ResourceObserved {
            object: Some(named(kind)),
            uid: uid.into(),
            generation: 1,
            spec: serde_json::to_vec(spec).unwrap(),
            ..ResourceObserved::default()
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused_once_and_by_name() {
        for (kind, seen, said) in [
            (
                "Provider",
                observed("Provider", "a", &json!({"type": "slack"})),
                "ready Succeeded",
            ),
            (
                "Provider",
                observed("Provider", "a", &json!({"type": "pagerduty"})),
                "stalled ProviderNotSupported",
            ),
            (
                "Provider",
                ResourceObserved {
                    invalid: "no".into(),
                    ..observed("Provider", "a", &json!({}))
                },
                "stalled InvalidConfig",
            ),
            (
                "Alert",
                ResourceObserved {
                    invalid: "no".into(),
                    ..observed("Alert", "a", &json!({}))
                },
                "stalled InvalidConfig",
            ),
        ] {
            let mut script = Script::new();
            assert_eq!(script.tell(seen.clone().into()), [said], "{kind}");
            let nothing: [&str; 0] = [];
            assert_eq!(script.tell(seen.into()), nothing, "{kind}");
        }
    }

    #[test]
    fn a_finalizer_of_an_earlier_engine_does_not_hold_it() {
        let mut script = Script::new();
        let deleting = ResourceObserved {
            deleting: true,
            finalizer: true,
            ..observed("Provider", "a", &json!({"type": "slack"}))
        };
        assert_eq!(script.tell(deleting.into()), ["finalizer off"]);
        let nothing: [&str; 0] = [];
        let set = FinalizerSet {
            object: Some(named("Provider")),
            present: false,
        };
        assert_eq!(script.answer(&named("Provider"), set.into()), nothing);
        let deleted = ResourceDeleted {
            object: Some(named("Provider")),
            uid: "a".into(),
        };
        assert_eq!(script.tell(deleted.into()), nothing);
        assert!(script.world.one(&named("Provider").identity()).is_none());
    }

    #[test]
    fn it_is_stored_and_read_back() {
        let mut script = Script::new();
        script.tell(observed("Alert", "a", &json!({})).into());
        script.tell(observed("Provider", "a", &json!({"type": "slack"})).into());
        let pairs: Vec<_> = script.world.changes();
        let pairs = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(Ok::<_, String>((key, value?))));
        let loaded = World::load(pairs).unwrap();
        assert_eq!(loaded, script.world);
    }
}
