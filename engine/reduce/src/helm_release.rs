//! `HelmRelease`: what it owns, how far an action has come, and what Helm's storage was seen to hold.
//!
//! What is due is `decide`'s business, which action is next `next`'s, and its steps are `action`'s; this
//! file folds.

mod action;
mod chart;
mod decide;
mod deletion;
mod kind;
mod next;
mod outcome;
mod record;
mod repair;

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::{HelmReleaseStatus, ReleaseSnapshot};
use fluvial_api::kustomization::HealthCheckExpression;
use fluvial_apply::health::expression;
use fluvial_event::{
    Artifact, ChartDeclared, CommandIssued, Concluded, Event, Hook, HookRun, ObjectRef, Record,
    Rendered, ResourceObserved, Timestamp, command,
};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::holdings::Holdings;
use crate::index::Links;
use crate::live::Seen;
use crate::name::Name;
use crate::owned::Owned;
use crate::ready::{self, Facts};
use crate::table::Table;

pub(crate) use kind::Kind;
pub(crate) use repair::has_drifted;

/// One action, from rendering to the record that ends it.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
#[expect(clippy::struct_excessive_bools, reason = "each step leaves its mark")]
pub(crate) struct Action {
    kind: Kind,
    /// The revision that the record of this action has.
    version: i64,
    /// The release that is meant, where it is not a new one; an entry of `status.history`.
    target: ReleaseSnapshot,
    started: i64,
    is_rendered: bool,
    /// The blob of the record.
    release: String,
    prerequisites: Vec<Rendered>,
    pub(crate) objects: Vec<Rendered>,
    hooks: Vec<Hook>,
    digest: String,
    is_prepared: bool,
    /// Its pending state is in storage.
    is_begun: bool,
    /// The stage of the apply in hand, and the last one that was applied; 0 for none.
    in_hand: u32,
    applied_through: u32,
    /// Hooks that ran before and after.
    hooks_before: u32,
    hooks_after: u32,
    runs: Vec<HookRun>,
    /// What it created, to be deleted again where it fails and that was asked for.
    created: Vec<ObjectRef>,
    failure: String,
    /// Its end is in storage, as a failure.
    is_ended: bool,
}

/// How an attempt ended, before that is concluded.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct End {
    stalled: bool,
    reason: String,
    message: String,
}

/// What was read before anything is done.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Inspected {
    chart_name: String,
    chart_version: String,
    app_version: String,
    values: String,
    config_digest: String,
    /// Of the artifact that the chart was in, where it came from a registry as such.
    oci_digest: String,
    /// The newest release in storage.
    stored: Option<ReleaseSnapshot>,
}

/// One run, of as many actions as it takes.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Attempt {
    generation: i64,
    requested_at: String,
    started: i64,
    /// When the last outcome came: waits have their timeout from here.
    progressed: i64,
    artifact: Artifact,
    /// A release was asked for by hand, changed or not.
    forced: bool,
    inspected: Option<Inspected>,
    /// Each kind of action is done once in a run.
    performed: Performed,
    pub(crate) action: Option<Box<Action>>,
    changed: u32,
    pruned: u32,
    end: Option<End>,
}

/// What was done in a run.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
#[expect(clippy::struct_excessive_bools, reason = "a set of four")]
pub(crate) struct Performed {
    release: bool,
    test: bool,
    remediation: bool,
    unlock: bool,
}

/// What is said of one aspect of a release, as a condition says it.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Said {
    is_true: bool,
    reason: String,
    message: String,
}

/// What is stored of a HelmRelease under one key; its objects have keys of their own.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Core {
    pub(crate) declared: Declared,
    force_at: String,
    reset_at: String,
    pub(crate) attempt: Option<Attempt>,
    /// The artifact that was last attempted.
    attempted: String,
    /// What its status says, but for conditions and inventory.
    status: HelmReleaseStatus,
    /// The digest of the HelmChart that was made, and whether it was there since.
    chart_digest: String,
    chart_seen: bool,
    /// What the HelmChart was seen to be when it was last made as it is to be: that is not news any more. And
    /// what it was seen to be when that was last asked for.
    chart_observed: String,
    chart_asked: String,
    released: Option<Said>,
    tested: Option<Said>,
    remediated: Option<Said>,
    /// The definitions that the chart brought.
    definitions: Vec<ObjectRef>,
    /// The digest of the objects of the release.
    digest: String,
    inventory_changed: bool,
    repairing: String,
    repaired: Option<(u32, String)>,
    /// The drift that was said last.
    warned: String,
    /// When a failed release is tried again, where its strategy says when.
    retry_at: i64,
}

/// The state of one HelmRelease.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HelmRelease {
    pub(crate) core: Core,
    pub(crate) owned: Holdings,
    /// The spec as decisions read it; made from the stored one.
    pub(crate) spec: Option<HelmReleaseSpec>,
    /// Why an expression in it cannot be evaluated.
    refusal: Option<String>,
}

impl HelmRelease {
    /// What it owns.
    pub fn owned(&self) -> &Table<Owned> {
        &self.owned
    }

    /// One object that it owns.
    pub(crate) fn one(&self, object: &ObjectRef) -> Option<&Owned> {
        self.owned.get(object)
    }

    /// What its status says, but for conditions and inventory.
    pub fn status(&self) -> &HelmReleaseStatus {
        &self.core.status
    }

    /// What an object is held to: as the action in hand has it, else as it was applied.
    pub(crate) fn rendered_of(&self, object: &ObjectRef) -> Option<&Rendered> {
        let action = self.action();
        let mut attempted = action
            .into_iter()
            .flat_map(|action| action.prerequisites.iter().chain(&action.objects));
        let rendered = attempted.find(|it| it.object.as_ref().is_some_and(|it| it.is_same(object)));
        let rendered = rendered.or_else(|| self.one(object).map(|owned| &owned.rendered));
        rendered.filter(|rendered| !rendered.manifest.is_empty())
    }

    /// The action in hand.
    pub(crate) fn action(&self) -> Option<&Action> {
        self.core.attempt.as_ref()?.action.as_deref()
    }

    /// Puts together what was stored.
    pub(crate) fn restored(core: Core) -> Self {
        let mut this = Self {
            core,
            ..Self::default()
        };
        this.read_spec();
        this
    }

    fn read_spec(&mut self) {
        let declared = &self.core.declared;
        self.spec = serde_json::from_slice(&declared.spec)
            .ok()
            .filter(|_| declared.invalid.is_empty());
        self.refusal = self.spec.as_ref().and_then(|spec| {
            let health = expression::refusal(&spec.health_check_exprs);
            health.or_else(|| ready::refusal(&spec.depends_on))
        });
    }

    /// Its health checks in CEL.
    pub(crate) fn checks(&self) -> &[HealthCheckExpression] {
        self.spec
            .as_ref()
            .map_or(&[], |spec| &spec.health_check_exprs)
    }

    /// As an expression about it sees it.
    fn facts<'a>(&'a self, object: &'a ObjectRef) -> Facts<'a> {
        let core = &self.core;
        let status = serde_json::to_value(&core.status).unwrap_or_default();
        let is_acting = |it: &Attempt| it.action.is_some() || !core.declared.is_ready();
        Facts {
            object,
            declared: &core.declared,
            is_under_way: core.attempt.as_ref().is_some_and(is_acting),
            is_checked: false,
            status: status.as_object().cloned().unwrap_or_default(),
        }
    }

    /// What it refers to.
    pub(crate) fn links(&self, object: &ObjectRef) -> Links {
        let mut objects = Table::default();
        for (name, owned) in self.owned.iter() {
            objects.insert(name.clone(), owned.version().to_owned());
        }
        let action = self.action();
        let attempted = action.into_iter().flat_map(|action| &action.objects);
        for target in attempted.filter_map(|rendered| rendered.object.as_ref()) {
            objects.insert(self.owned.name_of(target), target.version.clone());
        }
        // What stands there before a release is nobody's: it is watched, each by its name.
        let before = action.into_iter().flat_map(|action| &action.prerequisites);
        for target in before.filter_map(|rendered| rendered.object.as_ref()) {
            objects.get_or_default(&self.owned.name_of(target));
        }
        let dependencies = self.spec.iter();
        let dependencies = dependencies.flat_map(|spec| Self::dependencies_of(object, spec));
        Links {
            source: self.source(object).map(|source| Name::of(&source)),
            dependencies: dependencies.map(|it| Name::of(&it)).collect(),
            objects,
        }
    }

    /// Folds in a record about this object; `seen` is what the cluster was last seen to hold.
    pub(crate) fn evolve(&mut self, record: &Record, seen: &Table<Seen>) {
        match &record.event {
            Event::ResourceObserved(observed) => self.observe(observed),
            Event::ChartDeclared(declared) => self.chart_declared(declared, record),
            Event::ReleaseInspected(inspected) => self.inspected(inspected, record),
            Event::ReleaseRendered(rendered) => self.rendered(rendered, record),
            Event::ReleaseFailed(failed) => self.failed(failed, record),
            Event::ReleaseStored(stored) => self.stored(stored, record),
            Event::HookRan(ran) => self.hook_ran(ran, record),
            Event::ObjectsApplied(applied) => self.applied(applied, record),
            Event::ObjectsPruned(pruned) => self.pruned(pruned, record),
            Event::FinalizerSet(set) => self.core.declared.finalizer_set(set, record),
            Event::CommandFailed(failed) => self.core.declared.stumble(failed, record),
            Event::CommandIssued(issued) => self.issued(issued, record, seen),
            Event::Waited(waited) => self.core.declared.wait(waited),
            Event::Concluded(concluded) => self.conclude(concluded, record.time),
            Event::ResourceDeleted(_)
            | Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::HoldEnded(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_) => {}
        }
    }

    fn observe(&mut self, seen: &ResourceObserved) {
        let is_new = self.core.declared.uid != seen.uid;
        if is_new {
            let mut owned = std::mem::take(&mut self.owned);
            owned.clear();
            *self = Self {
                owned,
                ..Self::default()
            };
            // What an earlier engine knew of the release is known from the start.
            let mut status: HelmReleaseStatus =
                serde_json::from_str(&seen.release).unwrap_or_default();
            status.conditions.clear();
            status.inventory = None;
            self.core.status = status;
        }
        self.owned.unlink();
        self.core.declared.observe(seen);
        self.core.force_at.clone_from(&seen.force_at);
        self.core.reset_at.clone_from(&seen.reset_at);
        self.read_spec();
    }

    fn issued(&mut self, issued: &CommandIssued, record: &Record, seen: &Table<Seen>) {
        self.core.declared.issue(record);
        let command = issued.command.as_ref();
        match command.and_then(|command| command.kind.as_ref()) {
            Some(command::Kind::InspectRelease(inspect)) => self.begin(inspect, record.time),
            Some(command::Kind::RenderRelease(render)) => {
                let kind = Kind::of_release(&render.action);
                self.take_up(
                    kind,
                    render.version,
                    ReleaseSnapshot::default(),
                    record.time,
                );
            }
            Some(command::Kind::RecallRelease(recall)) => {
                let target = serde_json::from_str(&recall.snapshot).unwrap_or_default();
                let kind = Kind::of_recall(&recall.action);
                self.take_up(kind, recall.version, target, record.time);
            }
            Some(command::Kind::DeclareChart(declare)) => {
                self.core.chart_asked.clone_from(&declare.observed);
            }
            Some(command::Kind::ApplyObjects(apply)) => {
                self.core.repairing.clone_from(&apply.repair);
                if apply.repair.is_empty() {
                    let stage = apply.objects.first().map_or(0, |it| it.stage);
                    if let Some(action) = self.action_mut() {
                        action.in_hand = stage;
                    }
                } else {
                    self.owned.count_repairs(&apply.objects, record.time, seen);
                }
                // What stands there before a release is nobody's.
                let released = apply.objects.iter().filter(|it| it.stage > 0);
                self.core.inventory_changed |= self.owned.intend(released);
            }
            Some(
                command::Kind::FetchGit(_)
                | command::Kind::BuildKustomization(_)
                | command::Kind::RecallManifests(_)
                | command::Kind::StoreRelease(_)
                | command::Kind::RunHook(_)
                | command::Kind::PruneObjects(_)
                | command::Kind::SetFinalizer(_)
                | command::Kind::FetchOci(_)
                | command::Kind::FetchHelmRepository(_)
                | command::Kind::FetchHelmChart(_),
            )
            | None => {}
        }
    }

    fn begin(&mut self, inspect: &fluvial_event::InspectRelease, time: Timestamp) {
        let declared = &self.core.declared;
        let artifact = inspect.artifact.clone().unwrap_or_default();
        self.core.attempted = fingerprint(&artifact);
        self.core.chart_seen = true;
        self.core.retry_at = 0;
        let requested = &declared.requested_at;
        self.core.attempt = Some(Attempt {
            generation: inspect.generation,
            requested_at: requested.clone(),
            started: time.0,
            progressed: time.0,
            artifact,
            forced: declared.is_requested() && self.core.force_at == *requested,
            ..Attempt::default()
        });
    }

    /// Puts an action in hand.
    fn take_up(&mut self, kind: Kind, version: i64, target: ReleaseSnapshot, time: Timestamp) {
        if self.core.attempt.is_none() {
            // The end of the HelmRelease: nothing was inspected for it.
            self.core.attempt = Some(Attempt {
                generation: self.core.declared.generation,
                requested_at: self.core.declared.requested_at.clone(),
                started: time.0,
                progressed: time.0,
                ..Attempt::default()
            });
        }
        let status = &mut self.core.status;
        match kind {
            Kind::Install => {
                "install".clone_into(&mut status.last_attempted_release_action);
                // What was before it is another release, whose revisions may have been higher.
                // helm-controller: `Install.Reconcile`.
                status.history.0.clear();
            }
            Kind::Upgrade => "upgrade".clone_into(&mut status.last_attempted_release_action),
            Kind::Test | Kind::Rollback | Kind::Uninstall | Kind::Remove | Kind::Unlock => {}
        }
        if let Some(attempt) = &mut self.core.attempt
            && attempt.action.is_none()
        {
            attempt.action = Some(Box::new(Action {
                kind,
                version,
                target,
                started: time.0,
                ..Action::default()
            }));
        }
    }

    fn action_mut(&mut self) -> Option<&mut Action> {
        self.core.attempt.as_mut()?.action.as_deref_mut()
    }

    /// Whether `record` is the outcome that is awaited.
    fn settle(&mut self, record: &Record) -> bool {
        let settled = self.core.declared.settle(record);
        if settled {
            self.core.declared.stumbles = 0;
            if let Some(attempt) = &mut self.core.attempt {
                attempt.progressed = record.time.0;
            }
        }
        settled
    }

    fn chart_declared(&mut self, declared: &ChartDeclared, record: &Record) {
        if !self.settle(record) {
            return;
        }
        if !declared.failure.is_empty() {
            let core = &mut self.core.declared;
            core.failures = core.failures.saturating_add(1);
            core.paused_until = record
                .time
                .plus_ms(crate::schedule::retry_ms(core.failures))
                .0;
            return;
        }
        self.core.chart_digest.clone_from(&declared.digest);
        self.core.chart_observed = std::mem::take(&mut self.core.chart_asked);
        self.core.chart_seen = false;
        self.core.status.helm_chart = match &declared.chart {
            Some(chart) if !declared.digest.is_empty() => {
                format!("{}/{}", chart.namespace, chart.name)
            }
            Some(_) | None => String::new(),
        };
        self.owned.unlink();
    }

    fn end(&mut self, stalled: bool, reason: &str, message: String) {
        if let Some(attempt) = &mut self.core.attempt {
            attempt.end = Some(End {
                stalled,
                reason: reason.to_owned(),
                message,
            });
        }
    }

    fn conclude(&mut self, concluded: &Concluded, time: Timestamp) {
        if concluded.repair {
            self.core.repaired = None;
            self.core.declared.waiting = None;
            if concluded.reason == "DriftDetected" {
                self.core.warned.clone_from(&concluded.message);
                return;
            }
            self.core.repairing.clear();
            if concluded.ready {
                return;
            }
        }
        self.owned.unlink();
        if concluded.ready && self.core.remediated.take().is_some() {
            self.core.released = Some(Said {
                is_true: true,
                reason: concluded.reason.clone(),
                message: concluded.message.clone(),
            });
        }
        let attempt = self.core.attempt.take();
        if let Some(attempt) = attempt {
            self.keep_what_was_handled(&attempt, concluded.ready || concluded.stalled);
            self.core.retry_at = self.retry_at(concluded, time).0;
        }
        if concluded.inventory.is_some() {
            self.core.inventory_changed = false;
        }
        self.core.declared.conclude(concluded, time);
    }

    fn keep_what_was_handled(&mut self, attempt: &Attempt, is_over: bool) {
        let requested = &attempt.requested_at;
        let status = &mut self.core.status;
        if !requested.is_empty() {
            status.last_handled_reconcile_at = Some(requested.clone());
            if self.core.force_at == *requested {
                status.last_handled_force_at = Some(requested.clone());
            }
            if self.core.reset_at == *requested {
                status.last_handled_reset_at = Some(requested.clone());
            }
        }
        if is_over {
            status.observed_generation = Some(attempt.generation);
        }
    }
}

/// What makes an artifact another.
fn fingerprint(artifact: &Artifact) -> String {
    format!("{} {}", artifact.revision, artifact.digest)
}
