//! The status of a HelmRelease, in helm-controller's words.
//!
//! Conditions follow the records one by one. The other fields are those that the reducer keeps: the end of
//! each run brings them, and what Helm's storage holds shows as soon as it is stored. An interval that finds
//! nothing to do changes nothing.

use fluvial_api::condition::{
    self, Condition, DRIFTED, READY, RECONCILING, RELEASED, REMEDIATED, STALLED, TEST_SUCCESS,
    Truth,
};
use fluvial_api::helm_release::{HelmReleaseStatus, ReleaseSnapshot};
use fluvial_api::status::{ResourceInventory, ResourceRef};
use fluvial_api::{Duration, HelmReleaseSpec};
use fluvial_event::{
    ChartDeclared, Command, Concluded, InspectRelease, Inventory, InventoryEntry, ReleaseFailed,
    ReleaseInspected, ReleaseStored, ResourceObserved, Waited, command,
};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::told::{OfRelease, Told};
use super::{Context, Write};

/// What is said of one HelmRelease.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct HelmRelease {
    pub(super) status: HelmReleaseStatus,
    force_at: String,
    reset_at: String,
    /// The artifact that was last looked at.
    artifact: String,
    /// The command whose outcome is awaited; those of others say nothing.
    awaited: [u8; 16],
    /// The action in hand; empty without one.
    action: String,
    /// Whether the release is ready only if its tests passed.
    is_tested: bool,
}

impl Write for HelmRelease {
    type Written = HelmReleaseStatus;

    fn written(&self) -> &HelmReleaseStatus {
        &self.status
    }
}

impl HelmRelease {
    /// What an earlier engine said of it; its conditions are judged anew.
    pub(super) fn found(seen: &ResourceObserved) -> Self {
        let mut status: HelmReleaseStatus = serde_json::from_str(&seen.release).unwrap_or_default();
        status.conditions.clear();
        if !seen.inventory.is_empty() {
            status.inventory = Some(inventory(&seen.inventory));
        }
        Self {
            status,
            ..Self::default()
        }
    }

    /// Answers whether this changes what is said.
    pub(super) fn observe(&mut self, seen: &ResourceObserved) -> bool {
        self.force_at.clone_from(&seen.force_at);
        self.reset_at.clone_from(&seen.reset_at);
        let spec = serde_json::from_slice::<HelmReleaseSpec>(&seen.spec);
        let test = spec.map(|spec| spec.test).unwrap_or_default();
        self.is_tested = test.enable && !test.ignore_failures;
        let list = &mut self.status.conditions;
        let is_moot = !test.enable && condition::find(list, TEST_SUCCESS).is_some();
        if is_moot {
            condition::remove(list, TEST_SUCCESS);
        }
        is_moot
    }

    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => self.issued(context, command),
            Told::Waited(waited) => self.wait(context, waited),
            Told::OfRelease(OfRelease::ChartDeclared(it)) => self.chart_declared(context, it),
            Told::OfRelease(OfRelease::Inspected(it)) => self.inspected(it),
            Told::OfRelease(OfRelease::Failed(it)) => self.failed(context, it),
            Told::OfRelease(OfRelease::Stored(it)) => self.stored(context, it),
            Told::Concluded(concluded) => self.conclude(context, concluded),
            Told::Fetched(_) | Told::Recalled(_) | Told::RecallFailed(_) | Told::HoldEnded => {}
        }
    }

    fn issued(&mut self, context: &Context<'_>, command: &Command) {
        self.awaited = context.record.id.0;
        match &command.kind {
            Some(command::Kind::InspectRelease(inspect)) => self.begin(context, inspect),
            Some(command::Kind::RenderRelease(render)) => {
                let action = &mut self.status.last_attempted_release_action;
                action.clone_from(&render.action);
                let doing = self.take_up(context, &render.action, &render.spec);
                let ready = Saying {
                    reason: "Progressing",
                    message: &doing,
                };
                let list = &mut self.status.conditions;
                conditions::mark(list, context, READY, Truth::Unknown, &ready);
            }
            Some(command::Kind::RecallRelease(recall)) => {
                self.take_up(context, &recall.action, &recall.spec);
            }
            Some(
                command::Kind::FetchGit(_)
                | command::Kind::FetchOci(_)
                | command::Kind::FetchHelmRepository(_)
                | command::Kind::FetchHelmChart(_)
                | command::Kind::BuildKustomization(_)
                | command::Kind::RecallManifests(_)
                | command::Kind::ApplyObjects(_)
                | command::Kind::PruneObjects(_)
                | command::Kind::DeclareChart(_)
                | command::Kind::StoreRelease(_)
                | command::Kind::RunHook(_)
                | command::Kind::SetFinalizer(_),
            )
            | None => {}
        }
    }

    fn begin(&mut self, context: &Context<'_>, inspect: &InspectRelease) {
        let artifact = inspect.artifact.clone().unwrap_or_default();
        let artifact = format!("{} {}", artifact.revision, artifact.digest);
        let status = &mut self.status;
        let handled = status.last_handled_reconcile_at.as_deref();
        let is_quiet = condition::is_true(&status.conditions, READY)
            && status.observed_generation == Some(inspect.generation)
            && (context.requested_at.is_empty() || handled == Some(context.requested_at))
            && self.artifact == artifact;
        self.artifact = artifact;
        self.action.clear();
        // A run of nothing new leaves Ready as it is.
        if !is_quiet {
            conditions::progress(&mut status.conditions, context, "Fulfilling prerequisites");
        }
    }

    /// Says what is being done, and answers it.
    fn take_up(&mut self, context: &Context<'_>, action: &str, spec: &[u8]) -> String {
        action.clone_into(&mut self.action);
        let name = if removes(action) { "uninstall" } else { action };
        let timeout = timeout(action, spec);
        let doing = format!("Running '{name}' action with timeout of {timeout}");
        let said = Saying {
            reason: "Progressing",
            message: &doing,
        };
        let list = &mut self.status.conditions;
        condition::remove(list, STALLED);
        conditions::mark(list, context, RECONCILING, Truth::True, &said);
        doing
    }

    fn is_awaited(&self, context: &Context<'_>) -> bool {
        context.record.cause.0 == self.awaited
    }

    fn wait(&mut self, context: &Context<'_>, waited: &Waited) {
        if waited.reason == "Suspended" {
            return;
        }
        let said = Saying::of_wait(waited);
        conditions::fail(&mut self.status.conditions, context, &said);
    }

    fn chart_declared(&mut self, context: &Context<'_>, declared: &ChartDeclared) {
        if !self.is_awaited(context) {
            return;
        }
        if !declared.failure.is_empty() {
            let said = Saying {
                reason: "ArtifactFailed",
                message: &declared.failure,
            };
            conditions::fail(&mut self.status.conditions, context, &said);
            return;
        }
        let chart = declared.chart.as_ref();
        let chart = chart.filter(|_| !declared.digest.is_empty());
        let chart = chart.map(|it| format!("{}/{}", it.namespace, it.name));
        self.status.helm_chart = chart.unwrap_or_default();
    }

    fn inspected(&mut self, inspected: &ReleaseInspected) {
        let status = &mut self.status;
        status.last_attempted_generation = inspected.generation;
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

    /// An action came to nothing before it changed anything; without one, the end of the run says why.
    fn failed(&mut self, context: &Context<'_>, failed: &ReleaseFailed) {
        if !self.is_awaited(context) {
            return;
        }
        let action = std::mem::take(&mut self.action);
        match failed.reason.as_str() {
            "ReleaseNotFound" | "AccountNotFound" if action == "uninstall" => self.forget(),
            "MissingRollbackTarget" => {}
            _ => {
                if let Some(reason) = failure(&action) {
                    self.say(context, &action, reason, &failed.message);
                }
            }
        }
    }

    fn stored(&mut self, context: &Context<'_>, stored: &ReleaseStored) {
        if !self.is_awaited(context) {
            return;
        }
        let snapshots = stored.snapshots.iter().rev();
        for snapshot in snapshots.filter_map(|it| serde_json::from_str::<ReleaseSnapshot>(it).ok())
        {
            self.status.history.observe(snapshot);
        }
        if stored.reason.is_empty() {
            return;
        }
        // What a remediation uninstalled is said for as long as there is nothing newer.
        if stored.action == "uninstall" && is_success(&stored.reason) {
            self.forget();
        }
        self.say(context, &stored.action, &stored.reason, &stored.message);
        self.action.clear();
    }

    /// Nothing is left of the release.
    fn forget(&mut self) {
        let status = &mut self.status;
        status.history.0.clear();
        for aspect in [RELEASED, TEST_SUCCESS, REMEDIATED, DRIFTED] {
            condition::remove(&mut status.conditions, aspect);
        }
    }

    /// What came of an action. A release is neither tested nor remediated before it is made.
    fn say(&mut self, context: &Context<'_>, action: &str, reason: &str, message: &str) {
        let list = &mut self.status.conditions;
        let aspect = match action {
            "test" => TEST_SUCCESS,
            "rollback" | "uninstall-remediation" => REMEDIATED,
            _ => RELEASED,
        };
        if matches!(action, "install" | "upgrade") {
            condition::remove(list, TEST_SUCCESS);
            condition::remove(list, REMEDIATED);
        }
        // What was uninstalled is not released, however well that went.
        let holds = is_success(reason) && action != "uninstall";
        let said = Saying { reason, message };
        conditions::mark(list, context, aspect, truth(holds), &said);
        if let Some((holds, of)) = summary(list, self.is_tested) {
            let said = Saying {
                reason: &of.reason,
                message: &of.message,
            };
            conditions::mark(list, context, READY, truth(holds), &said);
        }
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        self.action.clear();
        if concluded.repair {
            self.conclude_repair(context, concluded);
            return;
        }
        self.take_over(concluded);
        let said = Saying::of_end(concluded);
        let list = &mut self.status.conditions;
        if concluded.ready {
            let is_remediated = condition::find(list, REMEDIATED).is_some();
            condition::remove(list, REMEDIATED);
            if is_remediated || condition::find(list, RELEASED).is_none() {
                conditions::mark(list, context, RELEASED, Truth::True, &said);
            }
            conditions::succeed(list, context, &said);
        } else if concluded.stalled {
            let of_release = summary(list, self.is_tested);
            conditions::stall(list, context, &said);
            if is_exhausted(&concluded.reason)
                && let Some((false, failure)) = of_release
            {
                let said = Saying {
                    reason: &failure.reason,
                    message: &failure.message,
                };
                conditions::mark(list, context, READY, Truth::False, &said);
            }
        } else {
            condition::remove(list, STALLED);
            let retry = Saying {
                reason: "ProgressingWithRetry",
                message: &concluded.message,
            };
            conditions::mark(list, context, RECONCILING, Truth::True, &retry);
            conditions::mark(list, context, READY, Truth::False, &said);
        }
    }

    /// The fields that the reducer keeps, and what was handled with this run.
    fn take_over(&mut self, concluded: &Concluded) {
        let before = &mut self.status;
        let kept: Option<HelmReleaseStatus> = serde_json::from_str(&concluded.release).ok();
        let mut status = kept.unwrap_or_else(|| before.clone());
        status.conditions = std::mem::take(&mut before.conditions);
        let said = concluded.inventory.as_ref();
        status.inventory = match said {
            Some(Inventory { entries }) => Some(inventory(entries)),
            None => before.inventory.take(),
        };
        status.observed_generation = before.observed_generation;
        if concluded.ready || concluded.stalled {
            status.observed_generation = Some(concluded.generation);
        }
        let requested = Some(&concluded.requested_at).filter(|at| !at.is_empty());
        let is_with = |at: &String| requested.filter(|requested| *requested == at).cloned();
        let handled = requested.cloned();
        status.last_handled_reconcile_at = handled.or(before.last_handled_reconcile_at.take());
        let forced = is_with(&self.force_at);
        status.last_handled_force_at = forced.or(before.last_handled_force_at.take());
        let reset = is_with(&self.reset_at);
        status.last_handled_reset_at = reset.or(before.last_handled_reset_at.take());
        *before = status;
    }

    /// Drift that was corrected leaves Ready as it was.
    fn conclude_repair(&mut self, context: &Context<'_>, concluded: &Concluded) {
        let list = &mut self.status.conditions;
        let said = Saying::of_end(concluded);
        match concluded.reason.as_str() {
            "DriftDetected" if concluded.message.is_empty() => {
                let said = Saying {
                    reason: "NoDriftDetected",
                    message: "No drift detected against the cluster state",
                };
                conditions::mark(list, context, DRIFTED, Truth::False, &said);
            }
            "DriftDetected" => conditions::mark(list, context, DRIFTED, Truth::True, &said),
            _ if concluded.ready => condition::remove(list, DRIFTED),
            _ => conditions::fail(list, context, &said),
        }
    }
}

fn truth(holds: bool) -> Truth {
    if holds { Truth::True } else { Truth::False }
}

fn is_success(reason: &str) -> bool {
    reason.ends_with("Succeeded")
}

fn removes(action: &str) -> bool {
    matches!(action, "uninstall" | "uninstall-remediation")
}

/// Whether a run ended because no more may be tried; Ready goes on saying what failed.
fn is_exhausted(reason: &str) -> bool {
    matches!(reason, "RetriesExceeded" | "MissingRollbackTarget")
}

/// What Ready says of a release: that it was remediated is never good, then its tests count, then itself.
fn summary(conditions: &[Condition], is_tested: bool) -> Option<(bool, Condition)> {
    let find = |aspect| condition::find(conditions, aspect);
    let remediated = find(REMEDIATED).map(|it| (false, it));
    let tested = find(TEST_SUCCESS).filter(|_| is_tested);
    let said = tested.or_else(|| find(RELEASED));
    let said = remediated.or_else(|| said.map(|it| (it.status == Truth::True, it)));
    said.map(|(holds, it)| (holds, it.clone()))
}

/// Flux's reason for an action that failed.
fn failure(action: &str) -> Option<&'static str> {
    Some(match action {
        "install" => "InstallFailed",
        "upgrade" => "UpgradeFailed",
        "test" => "TestFailed",
        "rollback" => "RollbackFailed",
        "uninstall" | "uninstall-remediation" => "UninstallFailed",
        "unlock" => "PendingRelease",
        _ => return None,
    })
}

/// How long an action may take, as its spec has it.
fn timeout(action: &str, spec: &[u8]) -> Duration {
    let Ok(spec) = serde_json::from_slice::<HelmReleaseSpec>(spec) else {
        return Duration::from_seconds(0);
    };
    let of_action = match action {
        "install" => spec.install.timeout,
        "upgrade" => spec.upgrade.timeout,
        "test" => spec.test.timeout,
        "rollback" => spec.rollback.timeout,
        "uninstall" | "uninstall-remediation" => spec.uninstall.timeout,
        _ => None,
    };
    of_action.unwrap_or_else(|| spec.timeout_or_default())
}

fn inventory(entries: &[InventoryEntry]) -> ResourceInventory {
    let entries = entries.iter().map(|entry| ResourceRef {
        id: entry.id.clone(),
        v: entry.version.clone(),
    });
    ResourceInventory {
        entries: entries.collect(),
    }
}
