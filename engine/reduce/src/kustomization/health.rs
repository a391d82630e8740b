//! Whether what a Kustomization waits for is healthy, by what the watch last showed.

use std::borrow::Cow;

use fluvial_api::KustomizationSpec;
use fluvial_api::kustomization::HealthCheckExpression;
use fluvial_event::{Health, ObjectRef, Rendered};

use super::{Attempt, Kustomization};
use crate::world::World;

/// What a set of objects amounts to.
pub(crate) enum Verdict {
    Current,
    /// Not yet, and who is missing.
    Waiting(String),
    /// Never without a change.
    Failed(String),
}

impl Kustomization {
    /// The health of everything with `wait`, else of `healthChecks`.
    pub(super) fn health(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        spec: &KustomizationSpec,
        world: &World,
    ) -> Verdict {
        if spec.wait {
            let all = attempt.objects.iter().filter(|it| {
                it.policy != "Ignore"
                    && it
                        .object
                        .as_ref()
                        .is_some_and(|target| !target.is_same(object))
            });
            return self.verdict(all, world);
        }
        verdict(
            World::health_targets_of(object, spec)
                .into_iter()
                .map(|target| {
                    let health = if self.one(&target).is_some() {
                        self.health_of(&target, world)
                    } else {
                        let seen = world.seen.get(&target);
                        seen.map_or(Health::NotFound, |seen| {
                            if world.is_judged(self.checks(), &target, seen) {
                                seen.health()
                            } else {
                                Health::InProgress
                            }
                        })
                    };
                    (Cow::Owned(target), health)
                }),
        )
    }

    /// Its health checks in CEL.
    pub(crate) fn checks(&self) -> &[HealthCheckExpression] {
        self.spec
            .as_ref()
            .map_or(&[], |spec| &spec.health_check_exprs)
    }

    pub(super) fn verdict<'a>(
        &self,
        objects: impl Iterator<Item = &'a Rendered>,
        world: &World,
    ) -> Verdict {
        verdict(objects.filter_map(|it| it.object.as_ref()).map(|object| {
            let health = self.health_of(object, world);
            (Cow::Borrowed(object), health)
        }))
    }

    /// The health of an owned object. What was seen before the apply says nothing about after it, and
    /// what drifted is repaired first. What was seen of the very version that was applied is that,
    /// whatever its digest: where two own an object, it may have been taken by the other's manifest.
    fn health_of(&self, object: &ObjectRef, world: &World) -> Health {
        let (Some(owned), Some(seen)) = (self.one(object), world.seen.get(object)) else {
            return Health::InProgress;
        };
        let is_held = !owned.has_drifted(Some(seen));
        if !world.is_judged(self.checks(), object, seen) {
            return Health::InProgress;
        }
        let is_stale = seen.is_older_than(&owned.resource_version) && seen.live != owned.live;
        if seen.gone || owned.live.is_empty() || is_held && !is_stale {
            seen.health()
        } else {
            Health::InProgress
        }
    }
}

/// Failure first, then what is missing. The sentences are Flux's.
pub(crate) fn verdict<'a>(objects: impl Iterator<Item = (Cow<'a, ObjectRef>, Health)>) -> Verdict {
    let unhealthy: Vec<_> = objects
        .filter(|(_, health)| *health != Health::Current)
        .collect();
    let said = |those: Vec<&(Cow<ObjectRef>, Health)>| {
        let each: Vec<_> = those
            .iter()
            .map(|(object, health)| format!("{object} status: '{}'", word(*health)))
            .collect();
        each.join(", ")
    };
    let failed: Vec<_> = unhealthy
        .iter()
        .filter(|(_, health)| *health == Health::Failed)
        .collect();
    if !failed.is_empty() {
        return Verdict::Failed(format!(
            "failed early due to stalled resources: [{}]",
            said(failed)
        ));
    }
    if unhealthy.is_empty() {
        return Verdict::Current;
    }
    Verdict::Waiting(format!(
        "timeout waiting for: [{}]",
        said(unhealthy.iter().collect())
    ))
}

/// kstatus' word.
fn word(health: Health) -> &'static str {
    match health {
        Health::Current => "Current",
        Health::InProgress => "InProgress",
        Health::Failed => "Failed",
        Health::Terminating => "Terminating",
        Health::NotFound => "NotFound",
        Health::Unspecified => "Unknown",
    }
}
