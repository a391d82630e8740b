//! Drift: what was applied and is no longer so is applied again, that and nothing else.

use fluvial_event::{ApplyObjects, Concluded, Decision, ObjectRef, Timestamp, command};

use super::Kustomization;
use crate::live::Seen;
use crate::owned::Owned;
use crate::schedule::Due;
use crate::world::World;

/// How many objects one command repairs, so that no record of it can be too large; the rest follow.
const REPAIR_OBJECTS_MAX: usize = 1_000;

impl Kustomization {
    /// The repair that is due, or when the next may be.
    pub(super) fn repair(
        &self,
        object: &ObjectRef,
        now: Timestamp,
        world: &World,
    ) -> Result<Due, Timestamp> {
        const NEVER: Timestamp = Timestamp(i64::MAX);
        let Some(spec) = &self.spec else {
            return Err(NEVER);
        };
        let mut next = NEVER;
        let mut objects = Vec::new();
        let mut findings = Vec::new();
        for key in world.suspects(object) {
            let Some(owned) = self.owned.get(key) else {
                continue;
            };
            let seen = world.seen.get(key);
            if owned.rendered.manifest.is_empty() || !owned.has_drifted(seen) {
                continue;
            }
            let ripe = owned.repair_at(seen);
            if now < ripe {
                next = next.min(ripe);
                continue;
            }
            findings.push(finding(key, owned, seen));
            objects.push(self.as_seen(&owned.rendered, world));
            if objects.len() == REPAIR_OBJECTS_MAX {
                break;
            }
        }
        if objects.is_empty() {
            return Err(next);
        }
        Ok(self
            .core
            .declared
            .command(command::Kind::ApplyObjects(ApplyObjects {
                object: Some(self.core.declared.named(object)),
                health: world.judges_of(object, &objects),
                objects,
                service_account: spec.service_account_name.clone().unwrap_or_default(),
                force: spec.force,
                repair: findings.join("; "),
            })))
    }

    pub(super) fn conclude_repair(&self, object: &ObjectRef, changed: u32, failure: &str) -> Due {
        let declared = &self.core.declared;
        let last = declared.concluded.clone().unwrap_or_default();
        let ready = failure.is_empty();
        let found = &self.core.repairing;
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: last.generation,
            requested_at: declared.handled_at.clone(),
            ready,
            reason: if ready {
                "DriftCorrected"
            } else {
                "ReconciliationFailed"
            }
            .into(),
            message: if ready {
                format!("Corrected drift: {found}")
            } else {
                failure.to_owned()
            },
            revision: last.revision,
            changed,
            repair: true,
            ..Concluded::default()
        })))
    }
}

/// `Deployment/apps/podinfo: spec.replicas changed by kubectl-edit`.
pub(crate) fn finding(object: &ObjectRef, owned: &Owned, seen: Option<&Seen>) -> String {
    const NAMED_MAX: usize = 5;
    let Some(seen) = seen.filter(|seen| !seen.gone) else {
        return format!("{object}: deleted");
    };
    let mut fields = seen
        .changed
        .iter()
        .take(NAMED_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let by = if seen.manager.is_empty() {
        "someone"
    } else {
        &seen.manager
    };
    if owned.is_replaced_by(seen) {
        return format!("{object}: deleted and created again by {by}");
    }
    if fields.is_empty() {
        fields.push_str("owned fields");
    } else if seen.changed.len() > NAMED_MAX {
        fields.push_str(", …");
    }
    format!("{object}: {fields} changed by {by}")
}
