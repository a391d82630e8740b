//! Drift: what was released and is no longer so is applied again, or said, as `spec.driftDetection` has it.

use fluvial_api::helm_release::{DriftMode, ReleaseSnapshot};
use fluvial_event::{ApplyObjects, Concluded, Decision, ObjectRef, Rendered, Timestamp, command};

use super::HelmRelease;
use crate::kustomization::finding;
use crate::live::Seen;
use crate::owned::Owned;
use crate::schedule::Due;
use crate::world::World;

/// How many objects one command repairs, so that no record of it can be too large; the rest follow.
const REPAIR_OBJECTS_MAX: usize = 1_000;

/// Whether `seen` shows that the cluster no longer holds what was released. What was taken over was
/// never applied by us: it has drifted where it differs from its manifest.
pub(crate) fn has_drifted(owned: &Owned, seen: Option<&Seen>) -> bool {
    if owned.rendered.manifest.is_empty() || owned.rendered.ignored.iter().any(String::is_empty) {
        return false;
    }
    match seen {
        Some(seen) if owned.live.is_empty() => seen.gone || !seen.changed.is_empty(),
        seen => owned.has_drifted(seen),
    }
}

impl HelmRelease {
    /// What is due about drift, or when the next repair may be.
    pub(super) fn repair(
        &self,
        object: &ObjectRef,
        now: Timestamp,
        world: &World,
    ) -> Result<Due, Timestamp> {
        const NEVER: Timestamp = Timestamp(i64::MAX);
        let latest = self.core.status.history.latest();
        let is_deployed = latest.is_some_and(|latest| latest.status == "deployed");
        let Some(spec) = self.spec.as_ref().filter(|spec| {
            spec.drift_mode() != DriftMode::Disabled && is_deployed && !spec.suspend
        }) else {
            return Err(NEVER);
        };
        let mut next = NEVER;
        let mut objects: Vec<Rendered> = Vec::new();
        let mut findings = Vec::new();
        for key in world.suspects(object) {
            let Some(owned) = self.one(key) else {
                continue;
            };
            let seen = world.seen.get(key);
            if !has_drifted(owned, seen) {
                continue;
            }
            let ripe = owned.repair_at(seen);
            if now < ripe && spec.drift_mode() == DriftMode::Enabled {
                next = next.min(ripe);
                continue;
            }
            findings.push(finding(key, owned, seen));
            objects.push(owned.rendered.clone());
            if objects.len() == REPAIR_OBJECTS_MAX {
                break;
            }
        }
        let said = findings.join("; ");
        if spec.drift_mode() == DriftMode::Warn {
            return self.warn(object, &said).ok_or(next);
        }
        if objects.is_empty() {
            return Err(next);
        }
        let declared = &self.core.declared;
        Ok(declared.command(command::Kind::ApplyObjects(ApplyObjects {
            object: Some(declared.named(object)),
            health: world.judges_of(object, &objects),
            objects,
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            force: false,
            repair: said,
        })))
    }

    /// Says what drifted, once.
    fn warn(&self, object: &ObjectRef, found: &str) -> Option<Due> {
        let latest = self.core.status.history.latest()?;
        let message = match found {
            "" => String::new(),
            found => format!(
                "Cluster state of release {} has drifted from the desired state:\n{found}",
                latest.full_name()
            ),
        };
        if message == self.core.warned {
            return None;
        }
        Some(self.say_of_drift(object, true, "DriftDetected", message, 0))
    }

    pub(super) fn conclude_repair(&self, object: &ObjectRef, changed: u32, failure: &str) -> Due {
        let latest = self.core.status.history.latest();
        let release = latest.map(ReleaseSnapshot::full_name).unwrap_or_default();
        let found = &self.core.repairing;
        if failure.is_empty() {
            let message =
                format!("Cluster state of release {release} has been corrected:\n{found}");
            self.say_of_drift(object, true, "DriftCorrected", message, changed)
        } else {
            let message =
                format!("Failed to correct cluster state of release {release}:\n{failure}");
            self.say_of_drift(object, false, "DriftCorrectionFailed", message, changed)
        }
    }

    fn say_of_drift(
        &self,
        object: &ObjectRef,
        ready: bool,
        reason: &str,
        message: String,
        changed: u32,
    ) -> Due {
        let declared = &self.core.declared;
        let last = declared.concluded.clone().unwrap_or_default();
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: last.generation,
            requested_at: declared.handled_at.clone(),
            ready,
            reason: reason.to_owned(),
            message,
            revision: last.revision,
            changed,
            repair: true,
            ..Concluded::default()
        })))
    }
}
