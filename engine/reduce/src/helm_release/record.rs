//! The records of an action in Helm's storage: that it is under way, and how it ended.

use fluvial_api::HelmReleaseSpec;
use fluvial_event::{Digest, ObjectRef, StoreRelease, Tests, Timestamp, command};

use super::next::target_of;
use super::{Action, HelmRelease, Kind};
use crate::schedule::Due;

impl HelmRelease {
    /// What tells this action's records and hooks from those of another.
    pub(super) fn stamp(&self, action: &Action) -> String {
        let parts = [
            self.core.declared.uid.as_bytes(),
            action.kind.name().as_bytes(),
            &action.version.to_le_bytes(),
            &action.started.to_le_bytes(),
        ];
        Digest::of_parts(&parts).to_string()
    }

    pub(super) fn store_pending(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
    ) -> Due {
        let description = match action.kind {
            Kind::Install => "Initial install underway".to_owned(),
            Kind::Upgrade => "Preparing upgrade".to_owned(),
            Kind::Rollback => format!("Rollback to {}", action.target.version),
            Kind::Uninstall | Kind::Remove => {
                "Deletion in progress (or silently failed)".to_owned()
            }
            Kind::Test | Kind::Unlock => String::new(),
        };
        self.store(StoreRelease {
            status: action.kind.pending().to_owned(),
            description,
            records_max: spec.max_history_or_default(),
            ..self.record(object, action, spec, now)
        })
    }

    /// The record that ends an action.
    pub(super) fn finish(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
        end: Result<(), &str>,
    ) -> Due {
        let kind = action.kind;
        let is_success = end.is_ok() && kind != Kind::Unlock;
        let status = match (kind, is_success) {
            (Kind::Install | Kind::Upgrade | Kind::Rollback, true) => "deployed",
            (Kind::Install | Kind::Upgrade | Kind::Rollback | Kind::Unlock, _) => "failed",
            // The release stays as it was; what is recorded are its tests.
            (Kind::Test, _) => "",
            (Kind::Uninstall | Kind::Remove, true) => "uninstalled",
            (Kind::Uninstall | Kind::Remove, false) => "uninstalling",
        };
        let tests = (kind == Kind::Test).then(|| Tests {
            runs: action.runs.clone(),
        });
        self.store(StoreRelease {
            status: status.to_owned(),
            description: description(object, action, spec, end),
            supersede: is_success && kind.applies(),
            records_max: spec.max_history_or_default(),
            purge: kind.removes() && is_success && !spec.uninstall.keep_history,
            reason: kind.reason(is_success).to_owned(),
            message: self.message(object, action, spec, end),
            tests,
            ..self.record(object, action, spec, now)
        })
    }

    /// What both have in common. What is not made anew is where it was.
    fn record(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        now: Timestamp,
    ) -> StoreRelease {
        let target = target_of(spec, object);
        let (name, storage_namespace) = if action.kind.releases() {
            (target.name, target.storage_namespace)
        } else {
            let storage_namespace = self.core.status.storage_namespace.clone();
            (action.target.name.clone(), storage_namespace)
        };
        // What is released again, or tested, is what it was; the digest of a release counts this one in.
        let inspected = self
            .core
            .attempt
            .as_ref()
            .and_then(|it| it.inspected.as_ref());
        let oci_digest = match (action.kind, inspected) {
            (Kind::Install | Kind::Upgrade, Some(inspected)) => &inspected.oci_digest,
            _ => &action.target.oci_digest,
        };
        let version = match action.version {
            0 => action.target.version,
            version => version,
        };
        StoreRelease {
            object: Some(self.core.declared.named(object)),
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            storage_namespace,
            release: action.release.clone(),
            name,
            version,
            at: now.to_string(),
            attempt: self.stamp(action),
            action: action.kind.name().to_owned(),
            runs: action.runs.clone(),
            oci_digest: oci_digest.clone(),
            ..StoreRelease::default()
        }
    }

    fn store(&self, store: StoreRelease) -> Due {
        let kind = command::Kind::StoreRelease(Box::new(store));
        self.core.declared.command(kind)
    }

    /// helm-controller's sentence in condition and event.
    fn message(
        &self,
        object: &ObjectRef,
        action: &Action,
        spec: &HelmReleaseSpec,
        end: Result<(), &str>,
    ) -> String {
        let target = target_of(spec, object);
        let attempt = self.core.attempt.as_ref();
        let inspected = attempt.and_then(|it| it.inspected.clone());
        let inspected = inspected.unwrap_or_default();
        let chart = format!("{}@{}", inspected.chart_name, inspected.chart_version);
        let name = format!("{}/{}", target.namespace, target.name);
        let verb = action.kind.name();
        let (full, of) = (action.target.full_name(), action.target.chart());
        match (action.kind, end) {
            (Kind::Install | Kind::Upgrade, Ok(())) => format!(
                "Helm {verb} succeeded for release {name}.v{} with chart {chart}",
                action.version
            ),
            (Kind::Install | Kind::Upgrade, Err(why)) => {
                format!("Helm {verb} failed for release {name} with chart {chart}: {why}")
            }
            (Kind::Test, Ok(())) => {
                let tests = tests(action.runs.len());
                format!("Helm test succeeded for release {full} with chart {of}: {tests}")
            }
            (Kind::Rollback, Ok(())) => {
                format!("Helm rollback to previous release {full} with chart {of} succeeded")
            }
            (Kind::Rollback, Err(why)) => {
                format!("Helm rollback to previous release {full} with chart {of} failed: {why}")
            }
            (Kind::Uninstall, Ok(())) => {
                format!("Helm uninstall remediation for release {full} with chart {of} succeeded")
            }
            (Kind::Uninstall, Err(why)) => format!(
                "Helm uninstall remediation for release {full} with chart {of} failed: {why}"
            ),
            (Kind::Remove, Ok(())) => {
                format!("Helm uninstall succeeded for release {full} with chart {of}")
            }
            (Kind::Test | Kind::Remove, Err(why)) => {
                format!("Helm {verb} failed for release {full} with chart {of}: {why}")
            }
            (Kind::Unlock, _) => {
                let status = &action.target.status;
                format!("Unlocked Helm release {full} with chart {of} in {status} state")
            }
        }
    }
}

fn tests(count: usize) -> String {
    match count {
        0 => "no test hooks".to_owned(),
        1 => "1 test hook completed successfully".to_owned(),
        _ => format!("{count} test hooks completed successfully"),
    }
}

/// helm's sentence in the record.
fn description(
    object: &ObjectRef,
    action: &Action,
    spec: &HelmReleaseSpec,
    end: Result<(), &str>,
) -> String {
    let name = target_of(spec, object).name;
    let target = &action.target;
    match (action.kind, end) {
        (Kind::Install, Ok(())) => "Install complete".to_owned(),
        (Kind::Install, Err(why)) => format!("Release \"{name}\" failed: {why}"),
        (Kind::Upgrade, Ok(())) => "Upgrade complete".to_owned(),
        (Kind::Upgrade, Err(why)) => format!("Upgrade \"{name}\" failed: {why}"),
        (Kind::Rollback, Ok(())) => format!("Rollback to {}", target.version),
        (Kind::Rollback, Err(why)) => format!("Rollback \"{}\" failed: {why}", target.name),
        (Kind::Uninstall | Kind::Remove, Ok(())) => "Uninstallation complete".to_owned(),
        (Kind::Uninstall | Kind::Remove, Err(_)) => {
            "Deletion in progress (or silently failed)".to_owned()
        }
        (Kind::Unlock, _) => format!("Release unlocked from stale '{}' state", target.status),
        (Kind::Test, _) => String::new(),
    }
}
