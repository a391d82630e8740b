//! The event as Flux sends it to webhooks. flux: pkg/apis/event/v1beta1, field by field.

use std::collections::BTreeMap;

use fluvial_api::kinds;
use fluvial_event::Timestamp;
use serde::Serialize;

use super::Note;

/// Flux's event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FluxEvent<'a> {
    /// The object that it is about.
    pub involved_object: InvolvedObject<'a>,
    /// `info` or `error`.
    pub severity: &'static str,
    /// When it happened, in RFC 3339 with whole seconds.
    pub timestamp: String,
    /// A sentence, or a line for each object.
    pub message: &'a str,
    /// One word.
    pub reason: &'a str,
    /// Key and value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: &'a BTreeMap<String, String>,
    /// The controller of Flux that would say it.
    pub reporting_controller: &'static str,
    /// Always `fluvial`: the same bytes from every replica.
    pub reporting_instance: &'static str,
}

/// A reference to an object, in the order in which Kubernetes writes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvolvedObject<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Its API version.
    pub api_version: String,
    /// Its resource version when it was last declared.
    pub resource_version: &'a str,
}

impl Note {
    /// It as Flux sends it: the same for ever.
    pub fn event(&self) -> FluxEvent<'_> {
        let about = &self.about;
        FluxEvent {
            involved_object: InvolvedObject {
                kind: &about.kind,
                namespace: &about.namespace,
                name: &about.name,
                uid: &self.uid,
                api_version: about.api_version(),
                resource_version: &self.resource_version,
            },
            severity: self.severity(),
            timestamp: seconds(Timestamp(self.time)),
            message: &self.message,
            reason: &self.reason,
            metadata: &self.metadata,
            reporting_controller: self.controller(),
            reporting_instance: "fluvial",
        }
    }

    /// The controller of Flux that would say it.
    pub fn controller(&self) -> &'static str {
        let kind = kinds::find(&self.about.group, &self.about.kind);
        kind.map_or("fluvial", |kind| kind.controller)
    }
}

/// RFC 3339 without the milliseconds.
fn seconds(time: Timestamp) -> String {
    let text = time.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    format!("{whole}Z")
}
