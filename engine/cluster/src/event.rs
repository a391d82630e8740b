//! Kubernetes Events about an object, in the form in which Flux writes them.
//!
//! What is worth an Event, and its words, is `writeback`'s knowledge.

use std::{collections::BTreeMap, time::SystemTime};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    error::{Cause, Error},
    object::Reference,
};

/// An Event about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub involved: Reference,
    /// The uid of that object.
    pub uid: String,
    /// The version of that object.
    pub resource_version: String,
    /// Distinguishes it among the Events about that object, and nothing else does: an Event sent twice
    /// with one `id` is there once. Lower-case letters, digits and '-'.
    pub id: String,
    /// Whether it is good or bad news.
    pub severity: Severity,
    /// The reason, in one CamelCase word.
    pub reason: String,
    /// The message.
    pub message: String,
    /// Who says so: "kustomize-controller", "source-controller", …
    pub component: String,
    /// Its annotations: Flux puts the revision there.
    pub annotations: BTreeMap<String, String>,
    /// When it happened.
    pub at: SystemTime,
}

/// Whether an Event is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Flux's severities trace and info.
    Normal,
    /// Flux's severity error.
    Warning,
}

impl Cluster {
    /// Writes the Event, in the namespace of the object or in `default`. Writing it again changes nothing.
    pub async fn create_event(&self, event: &Event) -> Result<(), Error> {
        let object = object(event)
            .map_err(|cause| cause.during("write an Event about", &event.involved, None))?;
        let reference = Reference::of(&object)?;
        match self.create_at(&reference, &object, &event.component).await {
            Ok(_) | Err(Cause::AlreadyExists { .. }) => Ok(()),
            Err(cause) => Err(cause.during("write an Event about", &event.involved, None)),
        }
    }
}

fn object(event: &Event) -> Result<Value, Cause> {
    const NAME_BYTES_MAX: usize = 253;
    let at = Timestamp::try_from(event.at).map_err(|error| Cause::Address {
        message: error.to_string(),
    })?;
    let at = format!("{at:.0}");
    let involved = &event.involved;
    let namespace = if involved.namespace.is_empty() {
        "default"
    } else {
        &involved.namespace
    };
    // RBAC names have colons, names of Events do not.
    let stem: String = involved.name.to_lowercase().replace(':', "-");
    let room = NAME_BYTES_MAX.saturating_sub(event.id.len() + 1);
    let stem: String = stem.chars().take(room).collect();
    let severity = match event.severity {
        Severity::Normal => "Normal",
        Severity::Warning => "Warning",
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{stem}.{}", event.id),
            "namespace": namespace,
            "annotations": event.annotations,
        },
        "involvedObject": {
            "apiVersion": involved.api_version(),
            "kind": involved.kind,
            "namespace": involved.namespace,
            "name": involved.name,
            "uid": event.uid,
            "resourceVersion": event.resource_version,
        },
        "type": severity,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }))
}
