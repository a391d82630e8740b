//! What the cluster was last seen to hold, of the objects that someone owns or waits for.

use fluvial_event::{AppliedObject, Health, ObjectGone, ObjectObserved};
use wincode::{SchemaRead, SchemaWrite};

/// One object as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Seen {
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub resource_version: String,
    /// Keyed digest of its owned fields.
    pub live: String,
    /// Its health, as [`Health`].
    pub health: i32,
    /// Why.
    pub health_message: String,
    /// Who wrote last.
    pub manager: String,
    /// The owned fields that differ from the manifest.
    pub changed: Vec<String>,
    /// Whether it is gone.
    pub gone: bool,
    /// Mark of the health check in CEL that its health was judged by; empty where there was none.
    pub judged: String,
}

impl Seen {
    pub(crate) fn observed(event: &ObjectObserved) -> Self {
        Self {
            uid: event.uid.clone(),
            resource_version: event.resource_version.clone(),
            live: event.live.clone(),
            health: event.health,
            health_message: event.health_message.clone(),
            manager: event.manager.clone(),
            changed: event.changed.clone(),
            gone: false,
            judged: event.judged.clone(),
        }
    }

    pub(crate) fn applied(event: &AppliedObject) -> Self {
        Self {
            uid: event.uid.clone(),
            resource_version: event.resource_version.clone(),
            live: event.live.clone(),
            health: event.health,
            health_message: event.health_message.clone(),
            judged: event.judged.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn gone(event: &ObjectGone) -> Self {
        Self {
            uid: event.uid.clone(),
            resource_version: event.resource_version.clone(),
            health: Health::NotFound.into(),
            gone: true,
            ..Self::default()
        }
    }

    /// Its health.
    pub fn health(&self) -> Health {
        Health::try_from(self.health).unwrap_or_default()
    }

    /// Whether this was seen at or after `resource_version`. Resource versions are numbers that grow
    /// (guaranteed since Kubernetes 1.35); what is no number counts as later.
    pub fn is_newer_than(&self, resource_version: &str) -> bool {
        match (
            self.resource_version.parse::<u128>(),
            resource_version.parse::<u128>(),
        ) {
            (Ok(this), Ok(that)) => this > that,
            _ => self.resource_version != resource_version,
        }
    }

    /// Whether this is certain to have been seen before `resource_version`.
    pub(crate) fn is_older_than(&self, resource_version: &str) -> bool {
        let versions = [self.resource_version.as_str(), resource_version];
        matches!(versions.map(str::parse::<u128>), [Ok(this), Ok(that)] if this < that)
    }

    /// What a repair answers to: that it is gone, or how its owned fields differ.
    pub(crate) fn finding(&self) -> &str {
        if self.gone { "gone" } else { &self.live }
    }

    /// Whether this is certain to be later than `other`.
    pub(crate) fn is_later(&self, other: &Self) -> bool {
        other.is_older_than(&self.resource_version)
    }
}
