//! What is due for a HelmRelease: whether to begin, which action is next, how a run ended.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_event::{
    Artifact, Concluded, Decision, InspectRelease, Inventory, InventoryEntry, ObjectRef,
    RecallRelease, Timestamp, command,
};

use super::next::Next;
use super::{Attempt, End, HelmRelease, Kind, fingerprint};
use crate::kustomization::{inventory_id, terminal};
use crate::ready;
use crate::schedule::{Due, jittered_ms, retry_ms};
use crate::world::World;

impl HelmRelease {
    /// What is due. Asked twice without news in between, it answers the same.
    pub(crate) fn decide(&self, object: &ObjectRef, now: Timestamp, world: &World) -> Due {
        let declared = &self.core.declared;
        if let Some(due) = declared.decide_first(object, now) {
            return due;
        }
        if declared.deleting {
            return self.decide_deletion(object, now, world);
        }
        if let Some((changed, failure)) = &self.core.repaired {
            return self.conclude_repair(object, *changed, failure);
        }
        if !declared.invalid.is_empty() {
            return self.refuse(object, "InvalidSpec", &declared.invalid);
        }
        let Some(spec) = &self.spec else {
            let why = "the recorded spec cannot be read by this version";
            return self.refuse(object, "InvalidSpec", why);
        };
        if let Some(attempt) = &self.core.attempt {
            return self.proceed(object, attempt, spec, now, world);
        }
        if let Some(field) = unsupported(spec) {
            let why = format!(
                "cannot release {object}: spec.{field} is not supported by this version of Fluvial; remove it"
            );
            return self.refuse(object, "UnsupportedField", &why);
        }
        if spec.suspend {
            let message = "reconciliation is suspended".to_owned();
            return declared.wait_for(object, "Suspended", message);
        }
        if let Some(why) = &self.refusal {
            return self.refuse(object, "InvalidCELExpression", &terminal(why));
        }
        if let Some(due) = self.declare_chart(object, spec, world) {
            return due;
        }
        let next = self.next_attempt(spec);
        let artifact = self.artifact(object, world);
        let news = artifact.is_some_and(|it| fingerprint(it) != self.core.attempted);
        if now < next && !news {
            return self
                .repair(object, now, world)
                .unwrap_or_else(|at| Due::At(next.min(at)));
        }
        match self.begin_when_possible(object, spec, world) {
            Due::Never => self.repair(object, now, world).unwrap_or_else(Due::At),
            due @ (Due::Now(_) | Due::At(_)) => due,
        }
    }

    fn artifact<'a>(&self, object: &ObjectRef, world: &'a World) -> Option<&'a Artifact> {
        let source = self.source(object)?;
        world.artifact_of(&source)
    }

    /// When the next attempt is due if nothing happens.
    fn next_attempt(&self, spec: &HelmReleaseSpec) -> Timestamp {
        let declared = &self.core.declared;
        let Some(last) = declared
            .concluded
            .as_ref()
            .filter(|_| declared.is_concluded())
        else {
            return Timestamp::default();
        };
        if declared.is_requested() {
            return Timestamp::default();
        }
        let finished = declared.finished();
        if last.ready || last.stalled {
            let interval = i64::try_from(spec.interval.milliseconds()).unwrap_or(i64::MAX);
            return finished.plus_ms(jittered_ms(interval, &declared.uid, finished));
        }
        Timestamp(self.core.retry_at)
    }

    /// When a failed run is followed by another.
    pub(super) fn retry_at(&self, concluded: &Concluded, time: Timestamp) -> Timestamp {
        let action = self.core.status.last_attempted_release_action.as_str();
        let retry = self.spec.as_ref().and_then(|spec| match action {
            "install" => spec.install.retry_interval(),
            "upgrade" => spec.upgrade.retry_interval(),
            _ => None,
        });
        let was_released = matches!(
            concluded.reason.as_str(),
            "InstallFailed" | "UpgradeFailed" | "TestFailed"
        );
        match retry.filter(|_| was_released) {
            Some(retry) => {
                let pause = i64::try_from(retry.milliseconds()).unwrap_or(i64::MAX);
                time.plus_ms(jittered_ms(pause, &self.core.declared.uid, time))
            }
            None => time.plus_ms(retry_ms(self.core.declared.failures.saturating_add(1))),
        }
    }

    fn begin_when_possible(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        world: &World,
    ) -> Due {
        let declared = &self.core.declared;
        if let Some(message) = self.unmet_dependency(object, spec, world) {
            return declared.wait_for(object, "DependencyNotReady", message);
        }
        let Some(source) = self.source(object) else {
            return self.refuse(
                object,
                "InvalidSpec",
                "either chart or chartRef must be set",
            );
        };
        let Some(artifact) = world.artifact_of(&source) else {
            let name = format!("{} '{}/{}'", source.kind, source.namespace, source.name);
            let (reason, message) = if !World::is_source(&source) {
                let why = "is of a kind that this version of Fluvial does not reconcile";
                ("ArtifactFailed", format!("{name} {why}"))
            } else if world.knows(&source) {
                (
                    "SourceNotReady",
                    format!("{name} is not ready: it has no artifact"),
                )
            } else {
                (
                    "ArtifactFailed",
                    format!("could not get Source object: {name} not found"),
                )
            };
            return declared.wait_for(object, reason, message);
        };
        let latest = self.core.status.history.latest();
        declared.command(command::Kind::InspectRelease(Box::new(InspectRelease {
            object: Some(declared.named(object)),
            generation: declared.generation,
            spec: declared.spec.clone(),
            artifact: Some(artifact.clone()),
            latest: latest.map(json).unwrap_or_default(),
            adopt: self.owned.names().next().is_none(),
        })))
    }

    /// The first dependency that is not ready, as a sentence.
    fn unmet_dependency(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        world: &World,
    ) -> Option<String> {
        Self::dependencies_of(object, spec)
            .into_iter()
            .zip(&spec.depends_on)
            .find_map(|(dependency, said)| {
                let name = format!("'{}/{}'", dependency.namespace, dependency.name);
                let Some(other) = world.releases.get(&dependency) else {
                    return Some(format!("unable to get {name} dependency: not found"));
                };
                if let Some(cycle) = world.cycle_through(object) {
                    return Some(format!("circular dependency: {cycle}"));
                }
                if let Some(source) = ready::expression(said) {
                    let (this, other) = (self.facts(object), other.facts(&dependency));
                    return ready::unmet(source, &this, &other, &name);
                }
                let is_ready = other.core.declared.is_ready();
                (!is_ready).then(|| format!("dependency {name} is not ready"))
            })
    }

    /// The HelmReleases that come first, by identity.
    pub(crate) fn dependencies_of(object: &ObjectRef, spec: &HelmReleaseSpec) -> Vec<ObjectRef> {
        let one = |dependency: &fluvial_api::reference::DependencyReference| ObjectRef {
            namespace: dependency
                .namespace
                .clone()
                .unwrap_or_else(|| object.namespace.clone()),
            name: dependency.name.clone(),
            ..object.identity()
        };
        spec.depends_on.iter().map(one).collect()
    }

    /// The next step of a run.
    fn proceed(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        spec: &HelmReleaseSpec,
        now: Timestamp,
        world: &World,
    ) -> Due {
        if let Some(end) = &attempt.end {
            return self.conclude_with(object, attempt, now, Err(end.clone()));
        }
        if let Some(action) = &attempt.action {
            return self.proceed_with(object, action, spec, now, world);
        }
        let Some(inspected) = &attempt.inspected else {
            return self.begin_when_possible(object, spec, world);
        };
        match self.next(object, attempt, inspected, spec) {
            Next::Release(kind, version) => {
                self.render(object, attempt, inspected, kind, version, now)
            }
            Next::Recall(kind, target, version) => self.recall(object, kind, &target, version, now),
            Next::Over => self.conclude_with(object, attempt, now, self.in_sync()),
            Next::Failed(end) => self.conclude_with(object, attempt, now, Err(end)),
        }
    }

    /// Reads a stored release back.
    pub(super) fn recall(
        &self,
        object: &ObjectRef,
        kind: Kind,
        target: &ReleaseSnapshot,
        version: i64,
        now: Timestamp,
    ) -> Due {
        let declared = &self.core.declared;
        let recall = RecallRelease {
            object: Some(declared.named(object)),
            generation: declared.generation,
            spec: declared.spec.clone(),
            action: kind.name().to_owned(),
            snapshot: json(target),
            version,
            at: now.to_string(),
            storage_namespace: self.core.status.storage_namespace.clone(),
        };
        declared.command(command::Kind::RecallRelease(Box::new(recall)))
    }

    fn conclude_with(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        now: Timestamp,
        end: Result<(String, String), End>,
    ) -> Due {
        let ready = end.is_ok();
        let End {
            stalled,
            reason,
            message,
        } = end.unwrap_or_else_end();
        let revision = attempt
            .inspected
            .as_ref()
            .map(|it| it.chart_version.clone());
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(self.core.declared.named(object)),
            generation: attempt.generation,
            requested_at: attempt.requested_at.clone(),
            ready,
            stalled,
            reason,
            message,
            revision: revision.unwrap_or_else(|| attempt.artifact.revision.clone()),
            duration_ms: now.since_ms(Timestamp(attempt.started)),
            inventory: self.inventory_to_say(),
            digest: self.core.digest.clone(),
            changed: attempt.changed,
            pruned: attempt.pruned,
            repair: false,
            held_at: 0,
            release: serde_json::to_string(&self.core.status).unwrap_or_default(),
        })))
    }

    /// What owns the release, if that is another set than was last said.
    fn inventory_to_say(&self) -> Option<Inventory> {
        if !self.core.inventory_changed {
            return None;
        }
        let entry = |object: &ObjectRef, version: &str| InventoryEntry {
            id: inventory_id(object),
            version: version.to_owned(),
        };
        let owned = self.owned.iter();
        let owned = owned.map(|(object, owned)| entry(object, owned.version()));
        let definitions = self.core.definitions.iter();
        let definitions = definitions.map(|object| entry(object, &object.version));
        Some(Inventory {
            entries: owned.chain(definitions).collect(),
        })
    }

    /// A declaration that cannot be followed is concluded once for each generation.
    fn refuse(&self, object: &ObjectRef, reason: &str, why: &str) -> Due {
        let declared = &self.core.declared;
        if declared.is_concluded() && self.core.attempt.is_none() {
            return Due::Never;
        }
        Due::Now(Decision::Conclude(Box::new(Concluded {
            object: Some(declared.named(object)),
            generation: declared.generation,
            requested_at: declared.requested_at.clone(),
            stalled: true,
            reason: reason.into(),
            message: why.to_owned(),
            release: serde_json::to_string(&self.core.status).unwrap_or_default(),
            ..Concluded::default()
        })))
    }
}

/// How a run ended, as a condition says it.
trait Ended {
    fn unwrap_or_else_end(self) -> End;
}

impl Ended for Result<(String, String), End> {
    fn unwrap_or_else_end(self) -> End {
        self.map_or_else(
            |end| end,
            |(reason, message)| End {
                stalled: false,
                reason,
                message,
            },
        )
    }
}

pub(super) fn json(snapshot: &ReleaseSnapshot) -> String {
    serde_json::to_string(snapshot).unwrap_or_default()
}

/// A field that would change what is released, and that this version does not know how to honour.
fn unsupported(spec: &HelmReleaseSpec) -> Option<&'static str> {
    use fluvial_api::helm_release::ServerSideApply;
    let is_client_side = |it: Option<ServerSideApply>| it == Some(ServerSideApply::Disabled);
    [
        (spec.kube_config.is_some(), "kubeConfig"),
        (
            spec.wait_strategy
                .as_ref()
                .is_some_and(|it| it.name == "legacy"),
            "waitStrategy.name legacy",
        ),
        (
            spec.install.server_side_apply == Some(false),
            "install.serverSideApply false",
        ),
        (
            is_client_side(spec.upgrade.server_side_apply),
            "upgrade.serverSideApply disabled",
        ),
        (
            is_client_side(spec.rollback.server_side_apply),
            "rollback.serverSideApply disabled",
        ),
        (
            spec.install.disable_take_ownership,
            "install.disableTakeOwnership",
        ),
        (
            spec.upgrade.disable_take_ownership,
            "upgrade.disableTakeOwnership",
        ),
    ]
    .into_iter()
    .find_map(|(is_set, field)| is_set.then_some(field))
}
