//! The status of a Kustomization, in kustomize-controller's words.
//!
//! An interval that finds nothing to do shows in the history alone; drift that was repaired between
//! reconciliations does not show here at all.

use std::collections::BTreeMap;

use fluvial_api::condition::{self, HEALTHY, HELD, READY, STALLED, Truth};
use fluvial_api::status::{Attempt, ResourceInventory, ResourceRef, record_attempt};
use fluvial_api::{Duration, KustomizationSpec, KustomizationStatus};
use fluvial_event::{
    BuildKustomization, Command, Concluded, InventoryEntry, ManifestsRecalled, RecallFailed,
    RecallManifests, ResourceObserved, Timestamp, Waited, command,
};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::told::Told;
use super::{Context, Write};
use crate::text;

/// What is said of one Kustomization.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Kustomization {
    pub(super) status: KustomizationStatus,
    /// None where the spec cannot be read.
    asked: Option<Asked>,
    /// The revision of the attempt in hand.
    revision: String,
    /// Whether the attempt in hand is of nothing new, so that Ready stays.
    is_quiet: bool,
    /// When the health checks began.
    checking: Option<Timestamp>,
}

/// What of a spec is spoken of in the status.
#[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Asked {
    timeout: Duration,
    health_checks: bool,
}

impl From<KustomizationSpec> for Asked {
    fn from(spec: KustomizationSpec) -> Self {
        Self {
            timeout: spec.timeout_or_default(),
            health_checks: spec.wait || !spec.health_checks.is_empty(),
        }
    }
}

impl Write for Kustomization {
    type Written = KustomizationStatus;

    fn written(&self) -> &KustomizationStatus {
        &self.status
    }
}

impl Kustomization {
    /// What an earlier engine said of it.
    pub(super) fn found(seen: &ResourceObserved) -> Self {
        let status = KustomizationStatus {
            inventory: (!seen.inventory.is_empty()).then(|| inventory(&seen.inventory)),
            last_handled_reconcile_at: Some(seen.handled_at.clone()).filter(|at| !at.is_empty()),
            ..KustomizationStatus::default()
        };
        Self {
            status,
            ..Self::default()
        }
    }

    /// Answers whether this changes what is said.
    pub(super) fn observe(&mut self, seen: &ResourceObserved) -> bool {
        let spec = serde_json::from_slice::<KustomizationSpec>(&seen.spec);
        self.asked = spec.ok().map(Asked::from);
        let list = &mut self.status.conditions;
        // That a rollback was refused is said as long as it is asked for.
        let is_moot = seen.rollback.is_none()
            && condition::find(list, HELD).is_some_and(|it| it.status == Truth::False);
        if is_moot {
            condition::remove(list, HELD);
        }
        is_moot
    }

    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => self.issued(context, command),
            Told::Waited(waited) => self.wait(context, waited),
            Told::Concluded(concluded) => self.conclude(context, concluded),
            Told::Recalled(recalled) => self.hold(context, recalled),
            Told::RecallFailed(failed) => self.refuse(context, failed),
            Told::HoldEnded => {
                condition::remove(&mut self.status.conditions, HELD);
            }
            Told::Fetched(_) | Told::OfRelease(_) => {}
        }
    }

    fn issued(&mut self, context: &Context<'_>, command: &Command) {
        match &command.kind {
            Some(command::Kind::BuildKustomization(build)) => self.begin(context, build),
            Some(command::Kind::RecallManifests(recall)) => self.begin_recall(context, recall),
            Some(command::Kind::ApplyObjects(apply)) if apply.repair.is_empty() => {
                self.progress(context, "Detecting drift");
            }
            Some(
                command::Kind::ApplyObjects(_)
                | command::Kind::FetchGit(_)
                | command::Kind::FetchOci(_)
                | command::Kind::FetchHelmRepository(_)
                | command::Kind::FetchHelmChart(_)
                | command::Kind::PruneObjects(_)
                | command::Kind::DeclareChart(_)
                | command::Kind::InspectRelease(_)
                | command::Kind::RenderRelease(_)
                | command::Kind::RecallRelease(_)
                | command::Kind::StoreRelease(_)
                | command::Kind::RunHook(_)
                | command::Kind::SetFinalizer(_),
            )
            | None => {}
        }
    }

    fn begin(&mut self, context: &Context<'_>, build: &BuildKustomization) {
        let status = &self.status;
        let revision = build
            .artifact
            .as_ref()
            .map(|artifact| artifact.revision.clone())
            .unwrap_or_default();
        self.is_quiet = self.is_as_asked(context, build.generation)
            && status.last_applied_revision.as_ref() == Some(&revision);
        self.checking = None;
        self.revision.clone_from(&revision);
        self.status.last_attempted_revision = Some(revision);
        self.progress(context, "Building manifests");
    }

    fn begin_recall(&mut self, context: &Context<'_>, recall: &RecallManifests) {
        let offset = recall.rollback.as_ref().map_or(0, |asked| asked.offset);
        self.is_quiet = recall.held && self.is_as_asked(context, recall.generation);
        self.checking = None;
        if !self.is_quiet {
            let message = format!("Rolling back to offset {offset}");
            conditions::progress(&mut self.status.conditions, context, &message);
        }
    }

    /// Whether it is ready, as it is declared now and nobody asked for more.
    fn is_as_asked(&self, context: &Context<'_>, generation: i64) -> bool {
        let status = &self.status;
        let handled = status.last_handled_reconcile_at.as_deref();
        condition::is_true(&status.conditions, READY)
            && status.observed_generation == Some(generation)
            && (context.requested_at.is_empty() || handled == Some(context.requested_at))
    }

    /// The manifests are there: they are what is attempted, and held.
    fn hold(&mut self, context: &Context<'_>, recalled: &ManifestsRecalled) {
        self.revision.clone_from(&recalled.revision);
        self.status.last_attempted_revision = Some(recalled.revision.clone());
        let said = Saying {
            reason: "RolledBack",
            message: &held(context, recalled),
        };
        let list = &mut self.status.conditions;
        conditions::mark(list, context, HELD, Truth::True, &said);
    }

    fn refuse(&mut self, context: &Context<'_>, failed: &RecallFailed) {
        let list = &mut self.status.conditions;
        // What is held already stays so.
        if !condition::is_true(list, HELD) {
            let said = Saying {
                reason: "RollbackFailed",
                message: &failed.message,
            };
            conditions::mark(list, context, HELD, Truth::False, &said);
        }
    }

    fn progress(&mut self, context: &Context<'_>, doing: &str) {
        let (false, Some(asked)) = (self.is_quiet, &self.asked) else {
            return;
        };
        let message = format!(
            "{doing} for revision {} with a timeout of {}",
            self.revision, asked.timeout
        );
        conditions::progress(&mut self.status.conditions, context, &message);
    }

    fn wait(&mut self, context: &Context<'_>, waited: &Waited) {
        let list = &mut self.status.conditions;
        let said = Saying::of_wait(waited);
        match waited.reason.as_str() {
            "Suspended" | "Held" => {}
            "Progressing" => {
                self.checking.get_or_insert(context.record.time);
                conditions::progress(list, context, &waited.message);
                conditions::mark(list, context, HEALTHY, Truth::Unknown, &said);
            }
            _ => {
                conditions::fail(list, context, &said);
                conditions::handled(
                    &mut self.status.last_handled_reconcile_at,
                    context.requested_at,
                );
            }
        }
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        if let Some(said) = &concluded.inventory {
            self.status.inventory = Some(inventory(&said.entries));
        }
        if concluded.repair && concluded.ready {
            return;
        }
        conditions::handled(
            &mut self.status.last_handled_reconcile_at,
            &concluded.requested_at,
        );
        if !concluded.repair {
            self.remember(context, concluded);
        }
        let said = Saying::of_end(concluded);
        if concluded.ready {
            self.healthy(context);
            conditions::succeed(&mut self.status.conditions, context, &said);
            self.status.last_applied_revision = Some(concluded.revision.clone());
            self.status.observed_generation = Some(concluded.generation);
            return;
        }
        let list = &mut self.status.conditions;
        if concluded.reason.starts_with("HealthCheck") {
            conditions::mark(list, context, HEALTHY, Truth::False, &said);
        }
        if concluded.stalled {
            conditions::stall(list, context, &said);
            self.status.observed_generation = Some(concluded.generation);
        } else {
            condition::remove(list, STALLED);
            conditions::fail(list, context, &said);
        }
    }

    /// Healthy is said of those that have health checks, anew when they had to be waited for.
    fn healthy(&mut self, context: &Context<'_>) {
        let list = &mut self.status.conditions;
        let is_checked = self.asked.as_ref().is_some_and(|asked| asked.health_checks);
        let checking = self.checking.take();
        if !is_checked {
            condition::remove(list, HEALTHY);
        } else if checking.is_some() || !condition::is_true(list, HEALTHY) {
            let since = checking.unwrap_or(context.record.time);
            let took = text::duration(context.record.time.since_ms(since));
            let said = Saying {
                reason: "Succeeded",
                message: &format!("Health check passed in {took}"),
            };
            conditions::mark(list, context, HEALTHY, Truth::True, &said);
        }
    }

    fn remember(&mut self, context: &Context<'_>, concluded: &Concluded) {
        if concluded.digest.is_empty() {
            return;
        }
        let attempt = Attempt {
            digest: concluded.digest.clone(),
            time: context.time.clone(),
            duration: text::duration(concluded.duration_ms),
            status: concluded.reason.clone(),
            metadata: BTreeMap::from([("revision".to_owned(), concluded.revision.clone())]),
        };
        record_attempt(&mut self.status.history, attempt);
    }
}

/// `held at offset 41, revision main@sha1:…, as jane asked at …: incident 7; …`
fn held(context: &Context<'_>, recalled: &ManifestsRecalled) -> String {
    let asked = recalled.rollback.clone().unwrap_or_default();
    let by = if asked.by.is_empty() {
        "someone"
    } else {
        &asked.by
    };
    let why = if asked.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", asked.reason)
    };
    let source = recalled.source.clone().unwrap_or_default();
    format!(
        "held at offset {}, revision {}, as {by} asked at {}{why}; until {source} has another revision \
         than {}, or `fluvial resume kustomization {} -n {}`",
        asked.offset,
        recalled.revision,
        asked.at,
        if recalled.against.is_empty() {
            "none"
        } else {
            &recalled.against
        },
        context.object.name,
        context.object.namespace,
    )
}

fn inventory(entries: &[InventoryEntry]) -> ResourceInventory {
    let entries = entries
        .iter()
        .map(|entry| ResourceRef {
            id: entry.id.clone(),
            v: entry.version.clone(),
        })
        .collect();
    ResourceInventory { entries }
}
