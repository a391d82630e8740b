//! What is due for a Kustomization: whether to begin, what comes next, how it ended.

use fluvial_api::KustomizationSpec;
use fluvial_event::{
    ApplyObjects, Artifact, BuildKustomization, Concluded, Decision, Doomed, Inventory,
    InventoryEntry, ObjectRef, PruneObjects, Rendered, Timestamp, command,
};
use fluvial_manifest::ObjectId;

use super::health::Verdict;
use super::{Attempt, End, Kustomization, fingerprint};
use crate::name::Name;
use crate::owned::Owned;
use crate::ready;
use crate::schedule::{Due, jittered_ms};
use crate::world::World;

/// How long the objects of a stage have to become ready before the next is applied. flux: 60s.
const STAGE_MS_MAX: i64 = 60_000;
/// How many objects one command deletes, so that no record of it can be too large; the rest follow when
/// those are gone.
const PRUNE_OBJECTS_MAX: usize = 10_000;
/// Of a later version, perhaps.
const UNREADABLE: &str = "the recorded spec cannot be read by this version";

impl Kustomization {
    /// What is due. Asked twice without news in between, it answers the same.
    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp, world: &World) -> Due {
        let declared = &self.core.declared;
        if let Some(due) = declared.decide_first(object, now) {
            return due;
        }
        if declared.deleting {
            return self.decide_deletion(object, world);
        }
        if let Some((changed, failure)) = &self.core.repaired {
            return self.conclude_repair(object, *changed, failure);
        }
        if let Some(attempt) = &self.core.attempt {
            return self.proceed(object, attempt, now, world);
        }
        if !declared.invalid.is_empty() {
            return self.refuse(object, "InvalidSpec", &declared.invalid);
        }
        let Some(spec) = &self.spec else {
            return self.refuse(object, "InvalidSpec", UNREADABLE);
        };
        if spec.suspend {
            return self.wait_for_resume(object);
        }
        if let Some(why) = &self.refusal {
            return self.refuse(object, "InvalidCELExpression", &terminal(why));
        }
        if let Some(rollback) = self.asked() {
            return self.roll_back(object, rollback, spec, world);
        }
        if let Some(due) = self.release(object, spec, world) {
            return due;
        }
        let next = self.next(spec);
        let hold = self.core.hold.as_ref();
        let news = hold.is_none()
            && world
                .artifact_for(object)
                .is_some_and(|it| fingerprint(it) != self.core.attempted);
        if now < next && !news {
            return self.repair(object, now, world).unwrap_or_else(|at| {
                let held_back = self.hold_back(object, world);
                held_back.unwrap_or(Due::At(next.min(at)))
            });
        }
        let begun = match hold {
            Some(hold) => self.hold_on(object, hold),
            None => self.begin_when_possible(object, spec, world),
        };
        match begun {
            // What is applied stays as it was applied, whatever the next attempt waits for.
            Due::Never => self.repair(object, now, world).unwrap_or_else(Due::At),
            due @ (Due::Now(_) | Due::At(_)) => due,
        }
    }

    /// Suspended: nothing is done, not even a rollback.
    fn wait_for_resume(&self, object: &ObjectRef) -> Due {
        let message = match self.asked() {
            None => "reconciliation is suspended".to_owned(),
            Some(rollback) => format!(
                "reconciliation is suspended: the rollback to offset {} waits for that",
                rollback.offset
            ),
        };
        self.core.declared.wait_for(object, "Suspended", message)
    }

    /// When the next attempt is due if nothing happens.
    fn next(&self, spec: &KustomizationSpec) -> Timestamp {
        let declared = &self.core.declared;
        let Some(last) = declared
            .concluded
            .as_ref()
            .filter(|_| declared.is_concluded())
        else {
            return Timestamp::default();
        };
        if declared.is_requested() || self.core.overtaken {
            return Timestamp::default();
        }
        let ms = |duration: fluvial_api::Duration| {
            i64::try_from(duration.milliseconds()).unwrap_or(i64::MAX)
        };
        let finished = declared.finished();
        finished.plus_ms(if last.ready || last.stalled {
            jittered_ms(ms(spec.interval), &declared.uid, finished)
        } else {
            ms(spec.retry_interval_or_default())
        })
    }

    fn begin_when_possible(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
        world: &World,
    ) -> Due {
        let declared = &self.core.declared;
        let Some(artifact) = world.artifact_for(object) else {
            let source = World::source_of(object, spec);
            let message = if !World::is_source(&source) {
                format!("{source} is of a kind that this version of Fluvial does not reconcile")
            } else if world.knows(&source) {
                format!("Source artifact not found, waiting for {source}")
            } else {
                format!("{source} not found: create it or correct spec.sourceRef")
            };
            return declared.wait_for(object, "ArtifactFailed", message);
        };
        if let Some(message) = self.unmet_dependency(object, spec, artifact, world) {
            return declared.wait_for(object, "DependencyNotReady", message);
        }
        declared.command(command::Kind::BuildKustomization(BuildKustomization {
            object: Some(declared.named(object)),
            generation: declared.generation,
            spec: declared.spec.clone(),
            artifact: Some(artifact.clone()),
        }))
    }

    /// The first dependency that is not ready, as a sentence.
    fn unmet_dependency(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
        artifact: &Artifact,
        world: &World,
    ) -> Option<String> {
        if spec.depends_on.is_empty() {
            return None;
        }
        let source = World::source_of(object, spec);
        World::dependencies_of(object, spec)
            .into_iter()
            .zip(&spec.depends_on)
            .find_map(|(dependency, said)| {
                let name = format!("'{}/{}'", dependency.namespace, dependency.name);
                let Some(other) = world.kustomizations.get(&dependency) else {
                    return Some(format!("dependency {name} not found"));
                };
                if let Some(cycle) = world.cycle_through(object) {
                    return Some(format!("circular dependency: {cycle}"));
                }
                if let Some(source) = ready::expression(said) {
                    let (this, other) = (self.facts(object), other.facts(&dependency));
                    return ready::unmet(source, &this, &other, &name);
                }
                if !other.core.declared.is_ready() {
                    return Some(format!("dependency {name} is not ready"));
                }
                let same_source = other
                    .spec
                    .as_ref()
                    .is_some_and(|spec| World::source_of(&dependency, spec) == source);
                (same_source && other.core.applied_revision != artifact.revision).then(|| {
                    let held = match other.hold() {
                        Some(hold) => format!(": it is held at '{}'", hold.revision),
                        None => String::new(),
                    };
                    format!(
                        "dependency {name} is not updated to revision '{}'{held}",
                        artifact.revision
                    )
                })
            })
    }

    /// The next step of an attempt.
    fn proceed(&self, object: &ObjectRef, attempt: &Attempt, now: Timestamp, world: &World) -> Due {
        let Some(spec) = &self.spec else {
            return self.refuse(object, "InvalidSpec", UNREADABLE);
        };
        if let Some(end) = &attempt.end {
            return self.conclude_with(object, attempt, now, Err(end.clone()));
        }
        if let Some(rollback) = self.asked().filter(|_| !spec.suspend) {
            let why = format!("a rollback to offset {} was asked for", rollback.offset);
            return self.cancel(object, attempt, now, &why);
        }
        if !attempt.is_built {
            // The outcome never came, because the command failed in the engine.
            return match &attempt.recall {
                Some(recall) => self.recall(recall.clone()),
                None => self.begin_when_possible(object, spec, world),
            };
        }
        if attempt.recall.is_some()
            && let Some(over) = self.over(object, spec, world)
        {
            return self.cancel(object, attempt, now, &over.message);
        }
        if let Some(due) = self.next_stage(object, attempt, spec, now, world) {
            return due;
        }
        let doomed = self.stale(attempt, world);
        if spec.prune && !doomed.is_empty() {
            return self.prune(object, spec, doomed, "not in the source any more");
        }
        if let Ok(due) = self.repair(object, now, world) {
            return due;
        }
        self.check_health(object, attempt, spec, now, world)
    }

    /// The apply of the first stage that needs one, once the stages before it are ready.
    fn next_stage(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        spec: &KustomizationSpec,
        now: Timestamp,
        world: &World,
    ) -> Option<Due> {
        let (stage, todo) = self.todo(attempt, world)?;
        let before = attempt
            .objects
            .iter()
            .filter(|it| it.stage < stage && it.policy != "Ignore");
        match self.verdict(before, world) {
            Verdict::Current => {}
            Verdict::Failed(message) => {
                return Some(self.fail(object, attempt, now, "ReconciliationFailed", message));
            }
            Verdict::Waiting(message) => {
                let deadline = Timestamp(attempt.progressed).plus_ms(STAGE_MS_MAX);
                return Some(if now < deadline {
                    Due::At(deadline)
                } else {
                    self.fail(object, attempt, now, "ReconciliationFailed", message)
                });
            }
        }
        Some(
            self.core
                .declared
                .command(command::Kind::ApplyObjects(ApplyObjects {
                    object: Some(self.core.declared.named(object)),
                    service_account: spec.service_account_name.clone().unwrap_or_default(),
                    force: spec.force,
                    repair: String::new(),
                    health: world.judges_of(object, &todo),
                    objects: todo,
                })),
        )
    }

    /// The first stage after the last applied one that has something to apply, and what.
    fn todo(&self, attempt: &Attempt, world: &World) -> Option<(u32, Vec<Rendered>)> {
        let stages = || attempt.objects.iter().map(|it| it.stage);
        let after = |before: u32| stages().filter(|stage| *stage > before).min();
        let mut next = after(attempt.applied_through);
        while let Some(stage) = next {
            let of_stage = attempt.objects.iter().filter(|it| it.stage == stage);
            let todo: Vec<_> = of_stage
                .filter(|it| self.needs_apply(it, attempt.thorough, world))
                .map(|it| self.as_seen(it, world))
                .collect();
            if !todo.is_empty() {
                return Some((stage, todo));
            }
            next = after(stage);
        }
        None
    }

    /// With how its object was last seen, so that the executor can tell whether it changed anything.
    pub(super) fn as_seen(&self, rendered: &Rendered, world: &World) -> Rendered {
        let object = rendered.object.as_ref();
        let live = object.and_then(|object| match world.seen.get(object) {
            Some(seen) => (!seen.gone).then(|| seen.live.clone()),
            None => self.one(object).map(|owned| owned.live.clone()),
        });
        Rendered {
            live: live.unwrap_or_default(),
            ..rendered.clone()
        }
    }

    fn needs_apply(&self, rendered: &Rendered, thorough: bool, world: &World) -> bool {
        let Some(object) = rendered.object.as_ref() else {
            return false;
        };
        match self.one(object) {
            _ if rendered.policy == "Ignore" => false,
            None => true,
            Some(owned) => {
                thorough
                    || owned.rendered.manifest != rendered.manifest
                    || owned.version() != object.version
                    || owned.has_drifted(world.seen.get(object))
            }
        }
    }

    /// What is owned and not in the set, in no particular order: the executor deletes in reverse of
    /// the order of application.
    fn stale(&self, attempt: &Attempt, world: &World) -> Vec<Doomed> {
        let now = attempt.identities();
        let stays = |object: &Name, owned: &Owned| now.contains(object) || owned.rendered.keep;
        // Nearly always nothing left the set, and nothing has to be put in order.
        if self.owned.all(stays) {
            return Vec::new();
        }
        self.owned
            .iter()
            .filter(|(object, owned)| !stays(object, owned))
            .map(|(object, _)| self.doom(object, world))
            .collect()
    }

    pub(super) fn doom(&self, object: &ObjectRef, world: &World) -> Doomed {
        let owned = self.one(object);
        let version = owned.map(|it| it.version().to_owned()).unwrap_or_default();
        // A namesake that someone created later has another uid, and is not ours to delete.
        let uid = owned.map(|it| it.uid.clone()).filter(|uid| !uid.is_empty());
        let seen = world.seen.get(object).filter(|seen| !seen.gone);
        let seen = seen.map(|seen| seen.uid.clone());
        Doomed {
            object: Some(ObjectRef {
                version,
                ..object.clone()
            }),
            uid: uid.or(seen).unwrap_or_default(),
        }
    }

    pub(super) fn prune(
        &self,
        object: &ObjectRef,
        spec: &KustomizationSpec,
        mut doomed: Vec<Doomed>,
        reason: &str,
    ) -> Due {
        doomed.truncate(PRUNE_OBJECTS_MAX);
        self.core
            .declared
            .command(command::Kind::PruneObjects(PruneObjects {
                object: Some(self.core.declared.named(object)),
                objects: doomed,
                service_account: spec.service_account_name.clone().unwrap_or_default(),
                reason: reason.to_owned(),
                ..PruneObjects::default()
            }))
    }

    fn check_health(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        spec: &KustomizationSpec,
        now: Timestamp,
        world: &World,
    ) -> Due {
        let timeout = spec.timeout_or_default();
        let timeout_ms = i64::try_from(timeout.milliseconds()).unwrap_or(i64::MAX);
        let deadline = Timestamp(attempt.progressed).plus_ms(timeout_ms);
        let elapsed_ms = now.since_ms(Timestamp(attempt.progressed));
        match self.health(object, attempt, spec, world) {
            Verdict::Current => self.conclude_with(object, attempt, now, Ok(())),
            Verdict::Failed(message) => {
                let message = format!(
                    "health check failed after {}: {message}",
                    seconds(elapsed_ms)
                );
                self.fail(object, attempt, now, "HealthCheckFailed", message)
            }
            Verdict::Waiting(_) if self.is_outdated(object, attempt, world) => {
                let message = "health check canceled: there is something newer to apply".into();
                self.fail(object, attempt, now, "HealthCheckCanceled", message)
            }
            Verdict::Waiting(message) if now >= deadline => {
                let message = format!(
                    "health check failed after {}: {message}",
                    seconds(elapsed_ms)
                );
                self.fail(object, attempt, now, "HealthCheckFailed", message)
            }
            Verdict::Waiting(_) => {
                let message = format!(
                    "Running health checks for revision {} with a timeout of {timeout}",
                    attempt.artifact.revision
                );
                match self.core.declared.wait_for(object, "Progressing", message) {
                    Due::Never => Due::At(deadline),
                    due @ (Due::Now(_) | Due::At(_)) => due,
                }
            }
        }
    }

    /// Whether a fix waits behind these health checks.
    fn is_outdated(&self, object: &ObjectRef, attempt: &Attempt, world: &World) -> bool {
        let declared = &self.core.declared;
        declared.generation != attempt.generation
            || declared.requested_at != attempt.requested_at
            || attempt.recall.is_none()
                && world
                    .artifact_for(object)
                    .is_some_and(|artifact| artifact.digest != attempt.artifact.digest)
    }

    /// Gives an attempt up between two of its steps.
    fn cancel(&self, object: &ObjectRef, attempt: &Attempt, now: Timestamp, why: &str) -> Due {
        let message = format!("reconciliation canceled: {why}");
        self.fail(object, attempt, now, "ReconciliationCanceled", message)
    }

    fn fail(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        now: Timestamp,
        reason: &str,
        message: String,
    ) -> Due {
        let end = End {
            stalled: false,
            reason: reason.to_owned(),
            message,
        };
        self.conclude_with(object, attempt, now, Err(end))
    }

    fn conclude_with(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        now: Timestamp,
        end: Result<(), End>,
    ) -> Due {
        let revision = attempt.artifact.revision.clone();
        let ready = end.is_ok();
        let End {
            stalled,
            reason,
            message,
        } = end.err().unwrap_or_else(|| End {
            stalled: false,
            reason: "ReconciliationSucceeded".into(),
            message: match attempt.held_at() {
                0 => format!("Applied revision: {revision}"),
                offset => format!(
                    "Rolled back to offset {offset}, revision {revision}; \
                     held until a newer commit or resume"
                ),
            },
        });
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(self.core.declared.named(object)),
            generation: attempt.generation,
            requested_at: attempt.requested_at.clone(),
            ready,
            stalled,
            reason,
            message,
            revision,
            duration_ms: now.since_ms(Timestamp(attempt.started)),
            inventory: self.inventory_to_say(ready.then_some(attempt)),
            digest: attempt.digest.clone(),
            changed: attempt.changed,
            pruned: attempt.pruned,
            repair: false,
            held_at: attempt.held_at(),
            release: String::new(),
        })))
    }

    /// The inventory, if it is another than was last said. After success, only what is in the set.
    pub(super) fn inventory_to_say(&self, succeeded: Option<&Attempt>) -> Option<Inventory> {
        let set = succeeded.map(Attempt::identities);
        let stays = |object: &Name| set.as_ref().is_none_or(|set| set.contains(object));
        if !self.core.inventory_changed && self.owned.all(|object, _| stays(object)) {
            return None;
        }
        let entries = self
            .owned
            .iter()
            .filter(|(object, _)| stays(object))
            .map(|(object, owned)| InventoryEntry {
                id: inventory_id(object),
                version: owned.version().to_owned(),
            })
            .collect();
        Some(Inventory { entries })
    }

    /// A declaration that cannot be read is concluded once for each generation.
    fn refuse(&self, object: &ObjectRef, reason: &str, why: &str) -> Due {
        let declared = &self.core.declared;
        if declared.is_concluded() {
            return Due::Never;
        }
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: declared.generation,
            requested_at: declared.requested_at.clone(),
            stalled: true,
            reason: reason.to_owned(),
            message: why.to_owned(),
            ..Concluded::default()
        })))
    }
}

/// Flux's words for what only a change of the declaration can help.
pub(crate) fn terminal(why: &str) -> String {
    format!("Reconciliation failed terminally due to configuration error: {why}")
}

pub(crate) fn inventory_id(object: &ObjectRef) -> String {
    let ObjectRef {
        group,
        kind,
        namespace,
        name,
        version: _,
    } = object.clone();
    ObjectId {
        group,
        kind,
        namespace,
        name,
    }
    .to_string()
}

/// `1.5s`, as Flux writes it.
fn seconds(ms: i64) -> String {
    format!("{}.{}s", ms / 1000, ms % 1000 / 100)
}
