//! The steps of an action, from rendering to the record that ends it.
//!
//! Their order is helm's (`pkg/action/{install,upgrade,rollback,uninstall}.go`, v4.3): what stands before a
//! release, the pending record, hooks, objects, what left, health, hooks, the record of the end.

use std::borrow::Cow;
use std::collections::BTreeSet;

use fluvial_api::helm_release::is_selected;
use fluvial_api::{Duration, HelmReleaseSpec};
use fluvial_event::{
    ApplyObjects, Doomed, Health, Hook, ObjectRef, PruneObjects, RenderRelease, Rendered, RunHook,
    Timestamp, command,
};

use super::next::target_of;
use super::outcome::identities;
use super::repair::has_drifted;
use super::{Action, Attempt, HelmRelease, Inspected, Kind};
use crate::kustomization::{Verdict, verdict};
use crate::live::Seen;
use crate::name::Name;
use crate::owned::Owned;
use crate::schedule::Due;
use crate::world::World;

/// What a spec says of one kind of action.
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are fields of Flux's spec"
)]
struct How {
    timeout: Duration,
    hooks: bool,
    waits: bool,
    waits_for_jobs: bool,
    force: bool,
}

fn how(spec: &HelmReleaseSpec, kind: Kind) -> How {
    let whole = spec.timeout_or_default();
    let of =
        |timeout: Option<Duration>, no_hooks: bool, no_wait: bool, no_jobs: bool, force: bool| {
            How {
                timeout: timeout.unwrap_or(whole),
                hooks: !no_hooks,
                waits: !no_wait,
                waits_for_jobs: !no_jobs,
                force,
            }
        };
    match kind {
        Kind::Install => {
            let it = &spec.install;
            of(
                it.timeout,
                it.disable_hooks,
                it.disable_wait,
                it.disable_wait_for_jobs,
                false,
            )
        }
        Kind::Upgrade => {
            let it = &spec.upgrade;
            of(
                it.timeout,
                it.disable_hooks,
                it.disable_wait,
                it.disable_wait_for_jobs,
                it.force,
            )
        }
        Kind::Rollback => {
            let it = &spec.rollback;
            of(
                it.timeout,
                it.disable_hooks,
                it.disable_wait,
                it.disable_wait_for_jobs,
                it.force,
            )
        }
        Kind::Uninstall | Kind::Remove => {
            let it = &spec.uninstall;
            of(it.timeout, it.disable_hooks, it.disable_wait, false, false)
        }
        Kind::Test => of(spec.test.timeout, false, false, false, false),
        Kind::Unlock => of(None, true, true, true, false),
    }
}

impl HelmRelease {
    /// The chart is rendered for an install or an upgrade.
    pub(super) fn render(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        inspected: &Inspected,
        kind: Kind,
        version: i64,
        now: Timestamp,
    ) -> Due {
        let declared = &self.core.declared;
        let seed = [
            declared.uid.as_bytes(),
            &version.to_le_bytes(),
            &now.0.to_le_bytes(),
        ];
        let render = RenderRelease {
            object: Some(declared.named(object)),
            generation: attempt.generation,
            spec: declared.spec.clone(),
            artifact: Some(attempt.artifact.clone()),
            values: inspected.values.clone(),
            action: kind.name().to_owned(),
            version,
            at: now.to_string(),
            seed: fluvial_event::Digest::of_parts(&seed).to_string(),
        };
        declared.command(command::Kind::RenderRelease(Box::new(render)))
    }

    /// The next step of an action.
    pub(super) fn proceed_with(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
        world: &World,
    ) -> Due {
        if !action.is_rendered {
            // The outcome never came, because the command failed in the engine.
            return self.render_again(object, action, now);
        }
        if action.is_ended {
            return self.clean_up(object, action, spec, world);
        }
        if !action.failure.is_empty() {
            return self.finish(object, action, spec, now, Err(&action.failure));
        }
        if let Some(due) = self.prepare(object, action, spec, now, world) {
            return due;
        }
        if !action.is_begun && !action.kind.pending().is_empty() {
            return self.store_pending(object, action, spec, now);
        }
        let how = how(spec, action.kind);
        if let Some(due) = self.run(object, action, action.kind.hook_before(), spec, now) {
            return due;
        }
        if action.kind.applies()
            && let Some(due) = self.apply(object, action, spec, &how, now, world)
        {
            return due;
        }
        if action.hooks_after == 0
            && let Some(due) = self.settle_down(object, action, spec, &how, now, world)
        {
            return due;
        }
        if let Some(due) = self.run(object, action, action.kind.hook_after(), spec, now) {
            return due;
        }
        self.finish(object, action, spec, now, Ok(()))
    }

    fn render_again(&self, object: &ObjectRef, action: &Action, now: Timestamp) -> Due {
        let attempt = self.core.attempt.as_ref();
        let inspected = attempt.and_then(|attempt| Some((attempt, attempt.inspected.as_ref()?)));
        match (action.kind, inspected) {
            (Kind::Install | Kind::Upgrade, Some((attempt, inspected))) => {
                self.render(object, attempt, inspected, action.kind, action.version, now)
            }
            _ => self.recall(object, action.kind, &action.target, action.version, now),
        }
    }

    /// What stands there before the release: its namespace, the definitions of the chart.
    fn prepare(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
        world: &World,
    ) -> Option<Due> {
        if action.prerequisites.is_empty() || action.is_begun {
            return None;
        }
        if !action.is_prepared {
            let all = action.prerequisites.clone();
            return Some(self.apply_objects(object, all, spec, false, world));
        }
        let health = |object: ObjectRef| {
            let health = world
                .seen
                .get(&object)
                .map_or(Health::InProgress, Seen::health);
            (Cow::Owned(object), health)
        };
        let verdict = verdict(identities(&action.prerequisites).map(health));
        self.await_verdict(object, action, spec, now, verdict)
    }

    /// Goes on where `verdict` is good, waits while it is not yet, and ends the action where it is bad.
    fn await_verdict(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
        verdict: Verdict,
    ) -> Option<Due> {
        let progressed = self.core.attempt.as_ref().map_or(0, |it| it.progressed);
        let timeout = how(spec, action.kind).timeout.milliseconds();
        let deadline = Timestamp(progressed).plus_ms(i64::try_from(timeout).unwrap_or(i64::MAX));
        match verdict {
            Verdict::Current => None,
            Verdict::Failed(message) => Some(self.finish(object, action, spec, now, Err(&message))),
            Verdict::Waiting(message) if now >= deadline => {
                Some(self.finish(object, action, spec, now, Err(&message)))
            }
            Verdict::Waiting(_) => Some(Due::At(deadline)),
        }
    }

    fn hooks<'a>(
        action: &'a Action,
        event: &str,
        spec: &HelmReleaseSpec,
        how: &How,
    ) -> Vec<&'a Hook> {
        if !how.hooks || event.is_empty() {
            return Vec::new();
        }
        let hooks = action.hooks.iter();
        hooks
            .filter(|hook| hook.events.iter().any(|it| it == event))
            .filter(|hook| event != "test" || is_selected(&spec.test.filters, &hook.name))
            .collect()
    }

    /// The next hook of `event`.
    fn run(
        &self,
        object: &ObjectRef,
        action: &Action,
        event: &str,
        spec: &HelmReleaseSpec,
        now: Timestamp,
    ) -> Option<Due> {
        let how = how(spec, action.kind);
        let hooks = Self::hooks(action, event, spec, &how);
        let ran = if event == action.kind.hook_after() {
            action.hooks_after
        } else {
            action.hooks_before
        };
        let ran = usize::try_from(ran).unwrap_or(usize::MAX);
        let hook = hooks.get(ran)?;
        let declared = &self.core.declared;
        let run = RunHook {
            object: Some(declared.named(object)),
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            namespace: target_of(spec, object).namespace,
            hook: Some((*hook).clone()),
            event: event.to_owned(),
            timeout_ms: i64::try_from(how.timeout.milliseconds()).unwrap_or(i64::MAX),
            attempt: self.stamp(action),
            before: hooks[..ran].iter().map(|hook| (*hook).clone()).collect(),
            is_last: ran + 1 == hooks.len(),
            at: now.to_string(),
        };
        Some(declared.command(command::Kind::RunHook(Box::new(run))))
    }

    /// The objects of the first stage that has some to apply, once those before it are healthy.
    fn apply(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        how: &How,
        now: Timestamp,
        world: &World,
    ) -> Option<Due> {
        let stages: BTreeSet<u32> = action.objects.iter().map(|it| it.stage).collect();
        let (stage, todo) = stages
            .into_iter()
            .filter(|stage| *stage > action.applied_through)
            .find_map(|stage| {
                let of_stage = action.objects.iter().filter(|it| it.stage == stage);
                let todo: Vec<_> = of_stage
                    .filter(|it| self.needs_apply(it, world))
                    .cloned()
                    .collect();
                (!todo.is_empty()).then_some((stage, todo))
            })?;
        let before = action.objects.iter().filter(|it| it.stage < stage);
        let verdict = self.health(before, world);
        if let Some(due) = self.await_verdict(object, action, spec, now, verdict) {
            return Some(due);
        }
        Some(self.apply_objects(object, todo, spec, how.force, world))
    }

    fn needs_apply(&self, rendered: &Rendered, world: &World) -> bool {
        let Some(object) = &rendered.object else {
            return false;
        };
        let key = object.identity();
        self.one(&key).is_none_or(|owned| {
            owned.rendered.manifest != rendered.manifest
                || owned.live.is_empty()
                || owned.version() != object.version
                || has_drifted(owned, world.seen.get(&key))
        })
    }

    pub(super) fn apply_objects(
        &self,
        object: &ObjectRef,
        objects: Vec<Rendered>,
        spec: &HelmReleaseSpec,
        force: bool,
        world: &World,
    ) -> Due {
        let declared = &self.core.declared;
        declared.command(command::Kind::ApplyObjects(ApplyObjects {
            object: Some(declared.named(object)),
            health: world.judges_of(object, &objects),
            objects,
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            force,
            repair: String::new(),
        }))
    }

    /// What left the release goes, and what is there is waited for.
    fn settle_down(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        how: &How,
        now: Timestamp,
        world: &World,
    ) -> Option<Due> {
        let doomed = self.stale(action, world);
        if !doomed.is_empty() {
            let why = if action.kind.removes() {
                "the release is uninstalled"
            } else {
                "not in the release any more"
            };
            return Some(self.prune(object, action, doomed, spec, why));
        }
        if !how.waits || !action.kind.applies() {
            return None;
        }
        let waited_for = action.objects.iter().filter(|it| {
            let kind = it.object.as_ref().map(|it| it.kind.as_str());
            how.waits_for_jobs || kind != Some("Job")
        });
        let verdict = self.health(waited_for, world);
        self.await_verdict(object, action, spec, now, verdict)
    }

    fn health<'a>(&self, objects: impl Iterator<Item = &'a Rendered>, world: &World) -> Verdict {
        let objects = objects
            .filter_map(|it| it.object.as_ref())
            .map(ObjectRef::identity);
        verdict(objects.map(|object| {
            let health = self.health_of(&object, world);
            (Cow::Owned(object), health)
        }))
    }

    /// What was seen before the apply says nothing about after it.
    fn health_of(&self, object: &ObjectRef, world: &World) -> Health {
        let (Some(owned), Some(seen)) = (self.one(object), world.seen.get(object)) else {
            return Health::InProgress;
        };
        if !world.is_judged(self.checks(), object, seen) {
            return Health::InProgress;
        }
        let is_stale = seen.is_older_than(&owned.resource_version) && seen.live != owned.live;
        if is_stale && !seen.gone {
            Health::InProgress
        } else {
            seen.health()
        }
    }

    /// What is owned and not in the set of `action`. What was never applied, nor seen, is not there.
    fn stale(&self, action: &Action, world: &World) -> Vec<Doomed> {
        let now: BTreeSet<Name> = if action.kind.applies() {
            identities(&action.objects)
                .map(|it| Name::of(&it))
                .collect()
        } else if action.kind.removes() {
            BTreeSet::new()
        } else {
            return Vec::new();
        };
        let owned = self.owned.iter();
        owned
            .filter(|(object, owned)| !now.contains(*object) && !owned.rendered.keep)
            .map(|(object, owned)| doom(object, owned, world.seen.get(object)))
            .collect()
    }

    fn prune(
        &self,
        object: &ObjectRef,
        action: &Action,
        doomed: Vec<Doomed>,
        spec: &HelmReleaseSpec,
        why: &str,
    ) -> Due {
        let declared = &self.core.declared;
        let target = target_of(spec, object);
        let (release_namespace, release_name) = if action.kind.releases() {
            (target.namespace, target.name)
        } else {
            (action.target.namespace.clone(), action.target.name.clone())
        };
        let propagation = &spec.uninstall.deletion_propagation;
        let propagation = propagation.clone().filter(|_| action.kind.removes());
        let how = how(spec, action.kind);
        let waits = how.waits && action.kind.removes();
        let gone_within = how.timeout.milliseconds();
        declared.command(command::Kind::PruneObjects(PruneObjects {
            object: Some(declared.named(object)),
            objects: doomed,
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            reason: why.to_owned(),
            release_namespace,
            release_name,
            propagation: propagation.unwrap_or_default(),
            gone_within_ms: if waits {
                i64::try_from(gone_within).unwrap_or(i64::MAX)
            } else {
                0
            },
        }))
    }

    /// Deletes what a failed action created.
    fn clean_up(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        world: &World,
    ) -> Due {
        let doomed = action.created.iter().filter_map(|created| {
            let key = created.identity();
            let owned = self.one(&key)?;
            Some(doom(&key, owned, world.seen.get(&key)))
        });
        self.prune(
            object,
            action,
            doomed.collect(),
            spec,
            "it came with an action that failed",
        )
    }
}

fn doom(object: &ObjectRef, owned: &Owned, seen: Option<&Seen>) -> Doomed {
    let uid = Some(owned.uid.clone()).filter(|uid| !uid.is_empty());
    let seen = seen.filter(|seen| !seen.gone).map(|seen| seen.uid.clone());
    Doomed {
        object: Some(ObjectRef {
            version: owned.version().to_owned(),
            ..object.clone()
        }),
        uid: uid.or(seen).unwrap_or_default(),
    }
}
