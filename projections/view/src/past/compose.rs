//! One object of the past as Kubernetes would have shown it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_api::metadata::{FINALIZER, annotation};
use fluvial_event::{Health, ObjectRef};
use serde_json::{Map, Value, json};

use super::{Declared, Owned, Past};
use crate::text;

/// What of an object is not known, and why.
pub const GAP: &str = "fluvial.dev/gap";
/// The owned fields that were seen to differ from the manifest that is shown.
pub const DRIFT: &str = "fluvial.dev/drift";
/// Whether an object worked, in kstatus' words.
pub const HEALTH: &str = "fluvial.dev/health";
/// Why.
pub const HEALTH_MESSAGE: &str = "fluvial.dev/health-message";

impl Past {
    /// The object with the manifest that [`Past::manifest`] names, if it was there.
    ///
    /// Values of Secrets are in it: the caller withholds them.
    pub fn object(&self, key: &ObjectRef, manifest: Option<Value>) -> Option<Value> {
        let mut object = match (self.declared.get(key), self.owned.get(key)) {
            (Some(declared), _) => self.declared_object(key, declared),
            (None, Some(owned)) => self.owned_object(key, owned, manifest),
            (None, None) => return None,
        };
        let at = self.changed_at.get(key).copied().unwrap_or(self.offset);
        object["metadata"]["resourceVersion"] = json!(at.to_string());
        Some(object)
    }

    fn declared_object(&self, key: &ObjectRef, declared: &Declared) -> Value {
        let seen = &declared.seen;
        let mut annotations = Map::new();
        for (name, value) in &seen.event_metadata {
            annotations.insert(format!("{}{name}", annotation::EVENT_PREFIX), json!(value));
        }
        for (name, value) in [
            (annotation::REQUESTED_AT, &seen.requested_at),
            (annotation::FORCE_AT, &seen.force_at),
            (annotation::RESET_AT, &seen.reset_at),
        ] {
            if !value.is_empty() {
                annotations.insert(name.to_owned(), json!(value));
            }
        }
        let spec: Option<Value> = serde_json::from_slice(&seen.spec).ok();
        if spec.is_none() {
            let why = format!("its spec is not on record: {}", seen.invalid);
            annotations.insert(GAP.to_owned(), json!(why));
        }
        let mut object = json!({
            "apiVersion": seen.object.clone().unwrap_or_default().api_version(),
            "kind": key.kind,
            "metadata": {
                "name": key.name,
                "uid": seen.uid,
                "generation": seen.generation,
                "creationTimestamp": text::seconds(declared.first_seen),
            },
        });
        let metadata = &mut object["metadata"];
        set_namespace(metadata, key);
        if !seen.labels.is_empty() {
            metadata["labels"] = json!(seen.labels);
        }
        if seen.finalizer {
            metadata["finalizers"] = json!([FINALIZER]);
        }
        if let Some(time) = declared.deleted_at {
            metadata["deletionTimestamp"] = json!(text::seconds(time));
        }
        if !annotations.is_empty() {
            metadata["annotations"] = Value::Object(annotations);
        }
        if let Some(spec) = spec {
            object["spec"] = spec;
        }
        if let Some(status) = self.statuses.get(key) {
            object["status"] = status.value;
        }
        object
    }

    fn owned_object(&self, key: &ObjectRef, owned: &Owned, manifest: Option<Value>) -> Value {
        let mut unseen = owned.unseen.clone();
        if owned.manifest.is_some() && manifest.is_none() {
            "the manifest that it was applied from is not stored any more".clone_into(&mut unseen);
        }
        let mut object = manifest.unwrap_or_else(|| json!({}));
        if key.kind == "Secret" && key.group.is_empty() {
            as_stored(&mut object);
        }
        let versioned = ObjectRef {
            version: owned.version.clone(),
            ..key.clone()
        };
        object["apiVersion"] = json!(versioned.api_version());
        object["kind"] = json!(key.kind);
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        set_namespace(metadata, key);
        if !owned.uid.is_empty() {
            metadata["uid"] = json!(owned.uid);
        }
        metadata["creationTimestamp"] = json!(text::seconds(owned.first_seen));
        self.annotate(key, owned, unseen, metadata);
        object
    }

    fn annotate(&self, key: &ObjectRef, owned: &Owned, unseen: String, metadata: &mut Value) {
        let mut said = Vec::new();
        if !unseen.is_empty() {
            said.push(unseen);
        }
        let gap = self.gap(&key.group, &key.kind);
        if let Some(gap) = gap.filter(|gap| owned.seen_at < gap.offset) {
            said.push(format!(
                "the watch was interrupted until offset {} ({}): changes before that were not all seen",
                gap.offset, gap.reason
            ));
        }
        let mut drift = owned.drifted.join(", ");
        if !drift.is_empty() && !owned.manager.is_empty() {
            drift = format!("{drift} (last written by {})", owned.manager);
        }
        let health = match owned.health {
            Health::Unspecified => "",
            Health::Current => "Current",
            Health::InProgress => "InProgress",
            Health::Failed => "Failed",
            Health::Terminating => "Terminating",
            Health::NotFound => "NotFound",
        };
        for (name, value) in [
            (GAP, said.join("; ")),
            (DRIFT, drift),
            (HEALTH, health.to_owned()),
            (HEALTH_MESSAGE, owned.health_message.clone()),
        ] {
            if !value.is_empty() {
                metadata["annotations"][name] = json!(value);
            }
        }
    }
}

fn set_namespace(metadata: &mut Value, key: &ObjectRef) {
    if !key.namespace.is_empty() {
        metadata["namespace"] = json!(key.namespace);
    }
}

/// A Secret as the API server keeps it: what is written as `stringData` stands among the data, in base64.
fn as_stored(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(texts)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| json!({}));
        for (key, text) in texts {
            data[key] = json!(STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    }
}
