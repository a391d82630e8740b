//! Which action is next: the state of the release, as helm-controller determines it, and what follows.
//!
//! helm-controller v1.6: `internal/reconcile/state.go` and `atomic_release.go`, whose words are used.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::{
    HelmReleaseStatus, ReleaseSnapshot, Remediation, RemediationStrategy,
};
use fluvial_event::ObjectRef;

use super::outcome::ignores_tests;
use super::{Attempt, End, HelmRelease, Inspected, Kind};

/// What is next in a run.
pub(super) enum Next {
    /// The chart is rendered, to become this revision.
    Release(Kind, i64),
    /// A stored release is read back, to become this revision if it is to become one.
    Recall(Kind, Box<ReleaseSnapshot>, i64),
    /// Nothing: everything is as it is to be.
    Over,
    /// Nothing more in this run.
    Failed(End),
}

/// What state a release is in.
enum State {
    Absent,
    Locked,
    Unmanaged,
    OutOfSync,
    Untested,
    Failed,
    InSync,
}

/// Which release is meant.
pub(super) struct Target {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) storage_namespace: String,
}

/// Which release `spec` means, of a HelmRelease of this namespace and name.
pub(super) fn target_of(spec: &HelmReleaseSpec, object: &ObjectRef) -> Target {
    let ObjectRef {
        namespace, name, ..
    } = object;
    Target {
        name: spec.release_name(name),
        namespace: spec.release_namespace(namespace).to_owned(),
        storage_namespace: spec.storage_namespace(namespace).to_owned(),
    }
}

impl Target {
    /// Whether the release that `status` tells of is this one, or there is none yet.
    pub(super) fn is_of(
        &self,
        status: &HelmReleaseStatus,
        chart_name: &str,
        spec: &HelmReleaseSpec,
    ) -> bool {
        let Some(latest) = status.history.latest() else {
            return true;
        };
        status.storage_namespace.is_empty()
            || self.storage_namespace == status.storage_namespace
                && self.namespace == latest.namespace
                && self.name == latest.name
                && (latest.chart_name == chart_name || spec.upgrade.keeps_release_of_other_chart())
    }
}

impl HelmRelease {
    pub(super) fn next(
        &self,
        object: &ObjectRef,
        attempt: &Attempt,
        inspected: &Inspected,
        spec: &HelmReleaseSpec,
    ) -> Next {
        let status = &self.core.status;
        let target = target_of(spec, object);
        if let Some(latest) = status.history.latest()
            && !target.is_of(status, &inspected.chart_name, spec)
        {
            return Next::Recall(Kind::Remove, Box::new(latest.clone()), 0);
        }
        if attempt.performed.remediation {
            return Next::Failed(self.stop(spec));
        }
        let next = self.for_state(attempt, inspected, spec);
        let is_done = match &next {
            Next::Release(..) => attempt.performed.release,
            Next::Recall(Kind::Test, ..) => attempt.performed.test,
            Next::Recall(Kind::Unlock, ..) => attempt.performed.unlock,
            Next::Recall(..) | Next::Over | Next::Failed(_) => false,
        };
        if is_done {
            Next::Failed(self.failure())
        } else {
            next
        }
    }

    fn for_state(&self, attempt: &Attempt, inspected: &Inspected, spec: &HelmReleaseSpec) -> Next {
        let status = &self.core.status;
        let stored = inspected.stored.clone().unwrap_or_default();
        let upgrade = Next::Release(Kind::Upgrade, stored.version + 1);
        let forced = attempt.forced && !attempt.performed.release;
        match self.state(attempt, inspected, spec) {
            State::InSync if forced => upgrade,
            State::InSync => Next::Over,
            State::Locked => Next::Recall(Kind::Unlock, Box::new(stored), 0),
            State::Absent => {
                let remediation = spec.install.remediation.clone().unwrap_or_default();
                if remediation.is_exhausted(status.install_failures) && !forced {
                    return Next::Failed(self.exhausted());
                }
                Next::Release(Kind::Install, stored.version + 1)
            }
            State::Unmanaged => upgrade,
            State::OutOfSync => {
                let remediation = spec.upgrade.remediation.clone().unwrap_or_default();
                if remediation.is_exhausted(status.upgrade_failures) && !forced {
                    return Next::Failed(self.exhausted());
                }
                upgrade
            }
            State::Untested => Next::Recall(Kind::Test, Box::new(stored), 0),
            State::Failed => self.for_failed(spec, &stored, upgrade, forced),
        }
    }

    fn state(&self, attempt: &Attempt, inspected: &Inspected, spec: &HelmReleaseSpec) -> State {
        let status = &self.core.status;
        let Some(stored) = &inspected.stored else {
            return State::Absent;
        };
        if stored.status.starts_with("pending-") || stored.status == "uninstalling" {
            return State::Locked;
        }
        if stored.status == "uninstalled" {
            return State::Absent;
        }
        let Some(latest) = status.history.latest() else {
            return State::Unmanaged;
        };
        let is_legacy = latest.api_version != ReleaseSnapshot::API_VERSION;
        if !latest.is_of(stored) || !is_legacy && latest.digest != stored.digest {
            return State::Unmanaged;
        }
        if stored.status == "failed" {
            return State::Failed;
        }
        if stored.status != "deployed" {
            return State::Unmanaged;
        }
        if stored.chart_name != inspected.chart_name
            || stored.chart_version != inspected.chart_version
            || latest.config_digest != inspected.config_digest
            || self.renders_otherwise(attempt, spec)
        {
            return State::OutOfSync;
        }
        if spec.test.enable {
            if !latest.has_been_tested() {
                return State::Untested;
            }
            let ignores = ignores_tests(spec, &status.last_attempted_release_action);
            if !ignores
                && latest.has_failed_test()
                && !status.last_attempted_release_action.is_empty()
            {
                return State::Failed;
            }
        }
        State::InSync
    }

    /// Whether what is done after rendering changed with the declaration.
    fn renders_otherwise(&self, attempt: &Attempt, spec: &HelmReleaseSpec) -> bool {
        let status = &self.core.status;
        !attempt.performed.release
            && status.observed_generation != Some(attempt.generation)
            && (spec.post_renderers_digest() != status.observed_post_renderers_digest
                || spec.common_metadata_digest() != status.observed_common_metadata_digest)
    }

    fn for_failed(
        &self,
        spec: &HelmReleaseSpec,
        stored: &ReleaseSnapshot,
        upgrade: Next,
        forced: bool,
    ) -> Next {
        let status = &self.core.status;
        let (remediation, strategy, retries, failures, remediates_last) =
            match status.last_attempted_release_action.as_str() {
                "install" => {
                    let remediation = spec.install.remediation.clone().unwrap_or_default();
                    let last = remediation.remediate_last_failure.unwrap_or(false);
                    (
                        remediation,
                        RemediationStrategy::Uninstall,
                        spec.install.retry_interval(),
                        status.install_failures,
                        last,
                    )
                }
                "upgrade" => (
                    spec.upgrade.remediation.clone().unwrap_or_default(),
                    spec.upgrade.remediation_strategy(),
                    spec.upgrade.retry_interval(),
                    status.upgrade_failures,
                    spec.upgrade.remediates_last_failure(),
                ),
                _ => return upgrade,
            };
        if retries.is_some() || failures <= 0 || forced {
            return upgrade;
        }
        let remediation: Remediation = remediation;
        if remediation.is_exhausted(failures) && !remediates_last {
            return Next::Failed(self.exhausted());
        }
        let latest = status.history.latest().cloned().unwrap_or_default();
        match strategy {
            RemediationStrategy::Uninstall => Next::Recall(Kind::Uninstall, Box::new(latest), 0),
            RemediationStrategy::Rollback => {
                let ignores = ignores_tests(spec, &status.last_attempted_release_action);
                match status.history.previous(ignores) {
                    Some(before) => {
                        Next::Recall(Kind::Rollback, Box::new(before.clone()), stored.version + 1)
                    }
                    None => Next::Failed(End {
                        stalled: true,
                        reason: "MissingRollbackTarget".into(),
                        message:
                            "Failed to perform remediation: missing target release for rollback: \
                                  cannot remediate failed release"
                                .into(),
                    }),
                }
            }
        }
    }

    /// After a remediation: whether another run may follow.
    fn stop(&self, spec: &HelmReleaseSpec) -> End {
        let status = &self.core.status;
        let (remediation, failures, uninstalls) =
            match status.last_attempted_release_action.as_str() {
                "upgrade" => (
                    &spec.upgrade.remediation,
                    status.upgrade_failures,
                    spec.upgrade.remediation_strategy() == RemediationStrategy::Uninstall,
                ),
                _ => (&spec.install.remediation, status.install_failures, false),
            };
        let remediation = remediation.clone().unwrap_or_default();
        if remediation.is_exhausted(failures) && !uninstalls {
            self.exhausted()
        } else {
            self.failure()
        }
    }

    fn exhausted(&self) -> End {
        let status = &self.core.status;
        let action = status.last_attempted_release_action.as_str();
        let attempts = match action {
            "install" => status.install_failures,
            _ => status.upgrade_failures,
        };
        End {
            stalled: true,
            reason: "RetriesExceeded".into(),
            message: format!("Failed to {action} after {attempts} attempt(s)"),
        }
    }

    /// What failed, as Ready says it.
    fn failure(&self) -> End {
        let (reason, message) = self.summary().map_or_else(
            |end| (end.reason, end.message),
            |(reason, message)| (reason, message),
        );
        End {
            stalled: false,
            reason,
            message,
        }
    }

    /// How a run ends that finds everything as it is to be. What a rollback restored may be just that.
    pub(super) fn in_sync(&self) -> Result<(String, String), End> {
        match &self.core.remediated {
            Some(said) if said.is_true => Ok(self.upgraded()),
            Some(_) | None => self.summary(),
        }
    }

    /// As if the latest release had been made by an upgrade.
    fn upgraded(&self) -> (String, String) {
        let latest = self.core.status.history.latest();
        let latest = latest.cloned().unwrap_or_default();
        let (release, chart) = (latest.full_name(), latest.chart());
        let message = format!("Helm upgrade succeeded for release {release} with chart {chart}");
        ("UpgradeSucceeded".to_owned(), message)
    }

    /// Ready, from the conditions of the release: remediated is never ready, then tests, then the release.
    pub(super) fn summary(&self) -> Result<(String, String), End> {
        let tests = self.spec.as_ref().is_some_and(|spec| {
            spec.test.enable
                && !ignores_tests(spec, &self.core.status.last_attempted_release_action)
        });
        let said = self
            .core
            .remediated
            .as_ref()
            .map(|said| (false, said))
            .or_else(|| {
                self.core
                    .tested
                    .as_ref()
                    .filter(|_| tests)
                    .map(|said| (said.is_true, said))
            })
            .or_else(|| self.core.released.as_ref().map(|said| (said.is_true, said)));
        match said {
            Some((true, said)) => Ok((said.reason.clone(), said.message.clone())),
            Some((false, said)) => Err(End {
                stalled: false,
                reason: said.reason.clone(),
                message: said.message.clone(),
            }),
            // Taken over as it was.
            None => Ok(self.upgraded()),
        }
    }
}
