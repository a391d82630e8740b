//! Folding in what came of a release's commands: what was read, rendered, applied, run and stored.

use std::collections::BTreeSet;

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_event::{
    Action as Changed, HookRan, ObjectRef, ObjectsApplied, ObjectsPruned, Record, ReleaseFailed,
    ReleaseInspected, ReleaseRendered, ReleaseStored, Rendered,
};

use super::next::target_of;
use super::{HelmRelease, Inspected, Kind, Said};
use crate::name::Name;
use crate::owned::{Owned, sentence};
use crate::schedule::retry_ms;

impl HelmRelease {
    pub(super) fn inspected(&mut self, found: &ReleaseInspected, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let stored: Option<ReleaseSnapshot> = serde_json::from_str(&found.stored).ok();
        let inspected = Inspected {
            chart_name: found.chart_name.clone(),
            chart_version: found.chart_version.clone(),
            app_version: found.app_version.clone(),
            values: found.values.clone(),
            config_digest: found.config_digest.clone(),
            oci_digest: found.oci_digest.clone(),
            stored,
        };
        let object = found.object.clone().unwrap_or_default();
        self.count_anew(&object, &inspected);
        self.take_over(&inspected, &found.objects);
        if let Some(attempt) = &mut self.core.attempt {
            attempt.inspected = Some(inspected);
        }
    }

    /// Failures are forgotten where something changed that can make a difference, or that was asked for.
    /// helm-controller: `internal/action/reset.go`.
    fn count_anew(&mut self, object: &ObjectRef, inspected: &Inspected) {
        let core = &mut self.core;
        let Some((attempt, spec)) = core.attempt.as_ref().zip(self.spec.as_ref()) else {
            return;
        };
        let status = &mut core.status;
        let requested = &attempt.requested_at;
        let is_reset = core.reset_at == *requested
            && !requested.is_empty()
            && status.last_handled_reset_at.as_ref() != Some(requested);
        let is_changed = status.last_attempted_generation != attempt.generation
            || status.last_attempted_revision != inspected.chart_version
            || status.last_attempted_config_digest != inspected.config_digest;
        if is_changed || is_reset {
            status.failures = 0;
            status.install_failures = 0;
            status.upgrade_failures = 0;
        }
        let target = target_of(spec, object);
        if target.is_of(status, &inspected.chart_name, spec) {
            status.storage_namespace = target.storage_namespace;
        }
        status.last_attempted_generation = attempt.generation;
        status
            .last_attempted_revision
            .clone_from(&inspected.chart_version);
        status
            .last_attempted_revision_digest
            .clone_from(&inspected.oci_digest);
        status
            .last_attempted_config_digest
            .clone_from(&inspected.config_digest);
    }

    /// A release that somebody else made, and that is as it is to be, is this one's from now on.
    fn take_over(&mut self, inspected: &Inspected, objects: &[Rendered]) {
        let Some(stored) = &inspected.stored else {
            return;
        };
        let is_same = stored.chart_name == inspected.chart_name
            && stored.chart_version == inspected.chart_version
            && stored.config_digest == inspected.config_digest
            && stored.status == "deployed";
        if self.core.status.history.is_empty() && is_same {
            self.core.status.history.observe(stored.clone());
        }
        let is_known = self
            .core
            .status
            .history
            .latest()
            .is_some_and(|latest| latest.is_of(stored));
        if !is_known || self.owned.names().next().is_some() {
            return;
        }
        self.own(objects);
        self.owned.unlink();
    }

    pub(super) fn rendered(&mut self, rendered: &ReleaseRendered, record: &Record) {
        if !self.settle(record) {
            return;
        }
        self.owned.unlink();
        if let Some(action) = self.action_mut() {
            action.is_rendered = true;
            action.release.clone_from(&rendered.release);
            action.prerequisites.clone_from(&rendered.prerequisites);
            action.objects.clone_from(&rendered.objects);
            action.hooks.clone_from(&rendered.hooks);
            action.digest.clone_from(&rendered.digest);
            if rendered.version > 0 {
                action.version = rendered.version;
            }
        }
        if self.action().is_some_and(|action| action.kind.removes()) {
            self.own(&rendered.objects);
        }
    }

    /// What a release holds is its own, also what was never applied from here.
    fn own(&mut self, objects: &[Rendered]) {
        for rendered in objects {
            let Some(object) = &rendered.object else {
                continue;
            };
            if self.one(object).is_none() {
                self.core.inventory_changed = true;
                self.owned.adopt(object, Owned::released(rendered.clone()));
            }
        }
    }

    /// Nothing was changed: the chart, the values or the storage cannot be used.
    pub(super) fn failed(&mut self, failed: &ReleaseFailed, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let kind = self.action().map(|action| action.kind);
        match (kind, failed.reason.as_str()) {
            // There is nothing (left) to remove, or nobody who may: the end goes on without.
            (Some(Kind::Remove), "ReleaseNotFound" | "AccountNotFound") => self.removed(),
            (Some(Kind::Rollback), "MissingRollbackTarget") => {
                self.drop_action();
                self.end(true, "MissingRollbackTarget", failed.message.clone());
            }
            (Some(kind), _) => {
                self.core.status.failures += 1;
                let reason = kind.reason(false);
                self.say(reason, &failed.message);
                self.drop_action();
                if self.core.declared.deleting {
                    let declared = &mut self.core.declared;
                    declared.failures = declared.failures.saturating_add(1);
                    declared.paused_until = record.time.plus_ms(retry_ms(declared.failures)).0;
                }
                self.end(false, reason, failed.message.clone());
            }
            (None, reason) => self.end(false, reason, failed.message.clone()),
        }
    }

    fn drop_action(&mut self) {
        self.owned.unlink();
        if let Some(attempt) = &mut self.core.attempt {
            attempt.action = None;
        }
    }

    pub(super) fn hook_ran(&mut self, ran: &HookRan, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let Some(action) = self.action_mut() else {
            return;
        };
        let run = ran.run.clone().unwrap_or_default();
        if run.phase != "Succeeded" && action.failure.is_empty() {
            action.failure.clone_from(&ran.message);
        }
        if ran.event == action.kind.hook_after() {
            action.hooks_after += 1;
        } else {
            action.hooks_before += 1;
        }
        action.runs.push(run);
    }

    pub(super) fn applied(&mut self, outcome: &ObjectsApplied, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let mut changed = 0;
        let mut created = Vec::new();
        for applied in &outcome.applied {
            let Some(rendered) = &applied.rendered else {
                continue;
            };
            let Some(object) = rendered.object.as_ref().filter(|_| rendered.stage > 0) else {
                continue;
            };
            let taken = self.owned.take(object, applied);
            self.core.inventory_changed |= taken.is_other;
            changed += u32::from(taken.is_changed);
            if applied.action() == Changed::Created {
                created.push(object.clone());
            }
        }
        let failure = sentence(&outcome.failures);
        if !self.core.repairing.is_empty() {
            self.core.repaired = Some((changed, failure));
            return;
        }
        let Some(attempt) = &mut self.core.attempt else {
            return;
        };
        attempt.changed += changed;
        let Some(action) = &mut attempt.action else {
            return;
        };
        action.created.extend(created);
        if !failure.is_empty() {
            action.failure = failure;
        } else if action.in_hand == 0 {
            action.is_prepared = true;
        } else {
            action.applied_through = action.in_hand;
        }
    }

    pub(super) fn pruned(&mut self, outcome: &ObjectsPruned, record: &Record) {
        if !self.settle(record) {
            return;
        }
        for object in outcome.pruned.iter().chain(&outcome.left) {
            self.core.inventory_changed |= self.owned.disown(object);
        }
        let Some(attempt) = &mut self.core.attempt else {
            return;
        };
        attempt.pruned += u32::try_from(outcome.pruned.len()).unwrap_or(u32::MAX);
        let Some(action) = &mut attempt.action else {
            return;
        };
        if action.is_ended {
            action.created.clear();
        } else if !outcome.failures.is_empty() {
            action.failure = sentence(&outcome.failures);
        }
    }

    /// Helm's storage holds another record. One with a reason ends an action.
    pub(super) fn stored(&mut self, stored: &ReleaseStored, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let snapshots: Vec<ReleaseSnapshot> = stored
            .snapshots
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        for snapshot in snapshots.iter().rev() {
            self.core.status.history.observe(snapshot.clone());
        }
        if let Some(attempt) = &mut self.core.attempt
            && let Some(inspected) = &mut attempt.inspected
        {
            inspected.stored = snapshots.first().cloned().filter(|_| !stored.purged);
        }
        let Some(action) = self.action_mut() else {
            return;
        };
        if stored.reason.is_empty() {
            action.is_begun = true;
            return;
        }
        let kind = action.kind;
        let is_success = kind.reason(true) == stored.reason;
        self.say(&stored.reason, &stored.message);
        self.perform(kind);
        if kind == Kind::Remove && is_success {
            self.removed();
            return;
        }
        self.count(kind, is_success, record);
        if is_success {
            self.succeeded(kind);
        }
        let keeps = !is_success && self.cleans_up();
        let Some(action) = self.action_mut() else {
            return;
        };
        action.is_ended = true;
        if !keeps {
            self.drop_action();
        }
    }

    fn perform(&mut self, kind: Kind) {
        let Some(attempt) = &mut self.core.attempt else {
            return;
        };
        match kind {
            Kind::Install | Kind::Upgrade => attempt.performed.release = true,
            Kind::Test => attempt.performed.test = true,
            Kind::Rollback | Kind::Uninstall => attempt.performed.remediation = true,
            Kind::Unlock => attempt.performed.unlock = true,
            Kind::Remove => {}
        }
    }

    fn count(&mut self, kind: Kind, is_success: bool, record: &Record) {
        let status = &mut self.core.status;
        if let Some(attempt) = &self.core.attempt
            && let Some(action) = &attempt.action
            && matches!(kind, Kind::Install | Kind::Upgrade)
        {
            let took = record
                .time
                .since_ms(fluvial_event::Timestamp(action.started));
            let took = u64::try_from(took).unwrap_or_default();
            status.last_attempted_release_action_duration =
                Some(fluvial_api::Duration::from_milliseconds(took));
        }
        if is_success {
            return;
        }
        let ignores = self
            .spec
            .as_ref()
            .is_some_and(|it| ignores_tests(it, &status.last_attempted_release_action));
        status.failures += 1;
        match kind {
            Kind::Install => status.install_failures += 1,
            Kind::Upgrade => status.upgrade_failures += 1,
            // A failed test is a failure of the release that it tested.
            Kind::Test if !ignores && status.last_attempted_release_action == "install" => {
                status.install_failures += 1;
            }
            Kind::Test if !ignores => status.upgrade_failures += 1,
            Kind::Test | Kind::Rollback | Kind::Uninstall | Kind::Remove | Kind::Unlock => {}
        }
    }

    /// The objects of what was released are owned; what left it was pruned, or is to be kept.
    fn succeeded(&mut self, kind: Kind) {
        let status = &mut self.core.status;
        let retries = self.spec.as_ref().and_then(|spec| match kind {
            Kind::Install => spec.install.retry_interval(),
            Kind::Upgrade => spec.upgrade.retry_interval(),
            Kind::Test | Kind::Rollback | Kind::Uninstall | Kind::Remove | Kind::Unlock => None,
        });
        if retries.is_some() {
            status.failures = 0;
            status.install_failures = 0;
            status.upgrade_failures = 0;
        }
        if !matches!(
            kind,
            Kind::Install | Kind::Upgrade | Kind::Rollback | Kind::Uninstall
        ) {
            return;
        }
        let Some(action) = self.core.attempt.as_ref().and_then(|it| it.action.as_ref()) else {
            return;
        };
        let now: BTreeSet<Name> = if kind == Kind::Uninstall {
            BTreeSet::new()
        } else {
            identities(&action.objects)
                .map(|it| Name::of(&it))
                .collect()
        };
        let is_current = self
            .core
            .attempt
            .as_ref()
            .is_some_and(|it| it.generation == self.core.declared.generation);
        if let Some(spec) = self.spec.as_ref().filter(|_| is_current && kind.releases()) {
            let status = &mut self.core.status;
            status.observed_post_renderers_digest = spec.post_renderers_digest();
            status.observed_common_metadata_digest = spec.common_metadata_digest();
        }
        if matches!(kind, Kind::Install | Kind::Upgrade) {
            self.core.digest.clone_from(&action.digest);
            let definitions: Vec<_> = action
                .prerequisites
                .iter()
                .filter_map(|it| it.object.clone())
                .filter(|it| it.kind == "CustomResourceDefinition")
                .collect();
            self.core.inventory_changed |= definitions != self.core.definitions;
            self.core.definitions = definitions;
        }
        self.core.inventory_changed |= self.owned.retain(|key| now.contains(key));
    }

    /// Nothing is left of the release that was.
    pub(super) fn removed(&mut self) {
        self.core.inventory_changed |= self.owned.retain(|_| false);
        self.core.definitions.clear();
        let status = &mut self.core.status;
        status.history.0.clear();
        status.failures = 0;
        status.install_failures = 0;
        status.upgrade_failures = 0;
        status.storage_namespace.clear();
        self.core.released = None;
        self.core.tested = None;
        self.core.remediated = None;
        self.owned.unlink();
        self.core.attempted.clear();
        self.core.attempt = None;
    }

    /// What is said of the release from now on. A release is not tested or remediated before it is made.
    fn say(&mut self, reason: &str, message: &str) {
        let said = Said {
            is_true: reason.ends_with("Succeeded"),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let kind = self.action().map(|action| action.kind);
        match kind {
            Some(Kind::Install | Kind::Upgrade) => {
                self.core.tested = None;
                self.core.remediated = None;
                self.core.released = Some(said);
            }
            Some(Kind::Unlock) | None => self.core.released = Some(said),
            Some(Kind::Test) => self.core.tested = Some(said),
            Some(Kind::Rollback | Kind::Uninstall | Kind::Remove) => {
                self.core.remediated = Some(said);
            }
        }
    }

    fn cleans_up(&self) -> bool {
        let Some((spec, action)) = self.spec.as_ref().zip(self.action()) else {
            return false;
        };
        let is_asked = match action.kind {
            Kind::Upgrade => spec.upgrade.cleanup_on_fail,
            Kind::Rollback => spec.rollback.cleanup_on_fail,
            Kind::Install | Kind::Test | Kind::Uninstall | Kind::Remove | Kind::Unlock => false,
        };
        is_asked && !action.created.is_empty()
    }
}

pub(super) fn identities(objects: &[Rendered]) -> impl Iterator<Item = ObjectRef> {
    let objects = objects.iter().filter_map(|it| it.object.as_ref());
    objects.map(ObjectRef::identity)
}

/// Whether failed tests are no failure after this action.
pub(super) fn ignores_tests(spec: &HelmReleaseSpec, action: &str) -> bool {
    let remediation = if action == "install" {
        &spec.install.remediation
    } else {
        &spec.upgrade.remediation
    };
    let said = remediation.as_ref().and_then(|it| it.ignore_test_failures);
    said.unwrap_or(spec.test.ignore_failures)
}
