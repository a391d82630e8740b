//! `Kustomization`: what it owns, how far an attempt has come, and how it ended.
//!
//! What is due is `decide`'s business; this file folds.

mod decide;
mod deletion;
mod health;
mod repair;
mod rollback;

use fluvial_api::KustomizationSpec;
use fluvial_apply::health::expression;
use fluvial_event::{
    Artifact, BuildKustomization, CommandIssued, Concluded, Event, InventoryEntry, ObjectRef,
    ObjectsApplied, ObjectsPruned, RecallManifests, Record, Rendered, ResourceObserved,
    RollbackRequest, Timestamp, command,
};
use fluvial_manifest::ObjectId;
use serde_json::{Map, json};
use wincode::{SchemaRead, SchemaWrite};

use crate::declared::Declared;
use crate::holdings::Holdings;
use crate::live::Seen;
use crate::name::Name;
use crate::owned::{Owned, sentence};
use crate::ready::{self, Facts};
use crate::schedule::retry_ms;
use crate::table::{Identities, Table};
pub(crate) use decide::{inventory_id, terminal};
pub(crate) use health::{Verdict, verdict};
pub(crate) use repair::finding;
pub use rollback::Hold;

/// How an attempt ended, before that is concluded.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct End {
    stalled: bool,
    reason: String,
    message: String,
}

/// One run from build to health.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Attempt {
    generation: i64,
    requested_at: String,
    started: i64,
    /// When the last outcome came: health has its timeout from here.
    progressed: i64,
    artifact: Artifact,
    /// Where the manifests come from the log instead.
    recall: Option<RecallManifests>,
    /// Someone asked for it by hand: everything is applied, changed or not.
    thorough: bool,
    is_built: bool,
    pub(crate) objects: Vec<Rendered>,
    digest: String,
    /// The last stage that was applied; 0 for none.
    applied_through: u32,
    changed: u32,
    pruned: u32,
    end: Option<End>,
}

/// What is stored of a Kustomization under one key; its objects have keys of their own.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(crate) struct Core {
    pub(crate) declared: Declared,
    pub(crate) attempt: Option<Attempt>,
    /// The artifact that was last attempted, as `fingerprint` says it.
    attempted: String,
    applied_revision: String,
    /// Whether the inventory changed since it was last said.
    inventory_changed: bool,
    /// The stage of the apply in hand.
    in_hand: u32,
    /// The drift that is being repaired.
    repairing: String,
    /// How that went: how many objects, and the failure if any.
    repaired: Option<(u32, String)>,
    /// A repair succeeded after the last conclusion was a failure, or a rollback could not begin: how
    /// things are is to be found out at once.
    overtaken: bool,
    /// The rollback that was begun last. Each is begun once.
    answered: Option<RollbackRequest>,
    hold: Option<Hold>,
}

/// The state of one Kustomization.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kustomization {
    pub(crate) core: Core,
    pub(crate) owned: Holdings,
    /// The spec as decisions read it; made from the stored one.
    pub(crate) spec: Option<KustomizationSpec>,
    /// Why an expression in it cannot be evaluated.
    refusal: Option<String>,
}

impl Kustomization {
    /// What it owns.
    pub fn owned(&self) -> &Table<Owned> {
        &self.owned
    }

    /// One object that it owns.
    pub(crate) fn one(&self, object: &ObjectRef) -> Option<&Owned> {
        self.owned.get(object)
    }

    /// The revision that was last applied with success.
    pub fn applied_revision(&self) -> &str {
        &self.core.applied_revision
    }

    /// What an object is held to: as the attempt in hand has it, else as it was applied.
    pub(crate) fn rendered_of(&self, object: &ObjectRef) -> Option<&Rendered> {
        let mut attempted = self
            .core
            .attempt
            .iter()
            .flat_map(|attempt| &attempt.objects);
        let rendered = attempted.find(|it| it.object.as_ref().is_some_and(|it| it.is_same(object)));
        let rendered = rendered.or_else(|| self.one(object).map(|owned| &owned.rendered));
        rendered.filter(|rendered| !rendered.manifest.is_empty())
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

    /// As an expression about it sees it.
    fn facts<'a>(&'a self, object: &'a ObjectRef) -> Facts<'a> {
        let core = &self.core;
        let revision = |it: &Attempt| it.artifact.revision.clone();
        let attempted = core.attempt.as_ref().map(revision);
        let last = || Some(core.declared.concluded.as_ref()?.revision.clone());
        let mut status = Map::new();
        for (field, revision) in [
            ("lastAppliedRevision", Some(core.applied_revision.clone())),
            ("lastAttemptedRevision", attempted.clone().or_else(last)),
        ] {
            if let Some(revision) = revision.filter(|it| !it.is_empty()) {
                status.insert(field.to_owned(), json!(revision));
            }
        }
        let entry = |(object, owned): (&Name, &Owned)| json!({"id": inventory_id(object), "v": owned.version()});
        let entries: Vec<_> = self.owned.iter().map(entry).collect();
        if !entries.is_empty() {
            status.insert("inventory".to_owned(), json!({"entries": entries}));
        }
        let is_as_it_was =
            core.declared.is_ready() && attempted.as_ref() == Some(&core.applied_revision);
        Facts {
            object,
            declared: &core.declared,
            is_under_way: core.attempt.is_some() && !is_as_it_was,
            is_checked: self
                .spec
                .as_ref()
                .is_some_and(|it| it.wait || !it.health_checks.is_empty()),
            status,
        }
    }

    /// Folds in a record about this object; `seen` is what the cluster was last seen to hold.
    pub(crate) fn evolve(&mut self, record: &Record, seen: &Table<Seen>) {
        match &record.event {
            Event::ResourceObserved(observed) => self.observe(observed),
            Event::ManifestsBuilt(built) => {
                if self.settle(record)
                    && let Some(attempt) = &mut self.core.attempt
                {
                    attempt.is_built = true;
                    attempt.digest.clone_from(&built.digest);
                    self.attempt_objects(&built.objects);
                }
            }
            Event::ManifestsRecalled(recalled) => self.recalled(recalled, record),
            Event::RecallFailed(failed) => {
                if self.settle(record) {
                    self.end(false, "RollbackFailed", failed.message.clone());
                }
            }
            Event::BuildFailed(failed) => {
                if self.settle(record) {
                    self.end(failed.terminal, &failed.reason, failed.message.clone());
                }
            }
            Event::ObjectsApplied(applied) => self.applied(applied, record),
            Event::ObjectsPruned(pruned) => self.pruned(pruned, record),
            Event::FinalizerSet(set) => self.core.declared.finalizer_set(set, record),
            Event::CommandFailed(failed) => self.core.declared.stumble(failed, record),
            Event::CommandIssued(issued) => self.issued(issued, record, seen),
            Event::Waited(waited) => self.core.declared.wait(waited),
            Event::Concluded(concluded) => self.conclude(concluded, record.time),
            Event::HoldEnded(_) => self.released(),
            Event::ResourceDeleted(_)
            | Event::ArtifactFetched(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::WatchGap(_) => {}
        }
    }

    fn issued(&mut self, issued: &CommandIssued, record: &Record, seen: &Table<Seen>) {
        self.core.declared.issue(record);
        let command = issued.command.as_ref();
        match command.and_then(|command| command.kind.as_ref()) {
            Some(command::Kind::BuildKustomization(build)) => self.begin(build, record.time),
            Some(command::Kind::RecallManifests(recall)) => self.begin_recall(recall, record.time),
            Some(command::Kind::ApplyObjects(apply)) => {
                self.core.repairing.clone_from(&apply.repair);
                self.core.in_hand = apply.objects.first().map_or(0, |it| it.stage);
                self.core.inventory_changed |= self.owned.intend(&apply.objects);
                if !apply.repair.is_empty() {
                    self.owned.count_repairs(&apply.objects, record.time, seen);
                }
            }
            Some(
                command::Kind::FetchGit(_)
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

    fn observe(&mut self, seen: &ResourceObserved) {
        if self.core.declared.uid != seen.uid {
            let mut owned = std::mem::take(&mut self.owned);
            owned.clear();
            *self = Self {
                owned,
                ..Self::default()
            };
        }
        self.owned.unlink();
        self.core.declared.observe(seen);
        self.read_spec();
        if self.core.declared.concluded.is_none() && self.owned.is_empty() {
            self.adopt(&seen.inventory);
        }
    }

    /// What an earlier engine applied is owned from the start.
    fn adopt(&mut self, entries: &[InventoryEntry]) {
        for entry in entries {
            let Ok(id) = entry.id.parse::<ObjectId>() else {
                continue;
            };
            let ObjectId {
                group,
                kind,
                namespace,
                name,
            } = id;
            let object = ObjectRef {
                group,
                version: entry.version.clone(),
                kind,
                namespace,
                name,
            };
            self.owned.adopt(&object, Owned::adopted(object.clone()));
        }
    }

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

    fn begin(&mut self, build: &BuildKustomization, time: Timestamp) {
        let artifact = build.artifact.clone().unwrap_or_default();
        let declared = &self.core.declared;
        self.core.attempted = fingerprint(&artifact);
        let attempt = Attempt {
            generation: build.generation,
            requested_at: declared.requested_at.clone(),
            started: time.0,
            progressed: time.0,
            artifact,
            thorough: declared.is_requested(),
            ..Attempt::default()
        };
        self.take_up(attempt);
    }

    /// Puts `attempt` in hand; the one before it is over.
    fn take_up(&mut self, attempt: Attempt) {
        self.unlink_if_attempting_others();
        self.core.attempt = Some(attempt);
    }

    /// The attempt in hand is to apply `objects`.
    fn attempt_objects(&mut self, objects: &[Rendered]) {
        self.unlink_if_attempting_others();
        if let Some(attempt) = &mut self.core.attempt {
            attempt.objects = objects.to_vec();
        }
        self.unlink_if_attempting_others();
    }

    /// Has the index made again if the attempt in hand refers to objects that are not owned, or of another
    /// version. Where it does not, what this refers to is the same with it and without.
    fn unlink_if_attempting_others(&mut self) {
        let objects = self.core.attempt.iter().flat_map(|it| &it.objects);
        let mut objects = objects.filter_map(|rendered| rendered.object.as_ref());
        let others = |object: &ObjectRef| {
            let owned = self.one(object);
            owned.is_none_or(|owned| owned.version() != object.version)
        };
        if objects.any(others) {
            self.owned.unlink();
        }
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

    fn applied(&mut self, outcome: &ObjectsApplied, record: &Record) {
        if !self.settle(record) {
            return;
        }
        let is_repair = !self.core.repairing.is_empty();
        let mut changed = 0;
        for applied in &outcome.applied {
            let Some(object) = applied.rendered.as_ref().and_then(|it| it.object.as_ref()) else {
                continue;
            };
            let taken = self.owned.take(object, applied);
            self.core.inventory_changed |= taken.is_other;
            changed += u32::from(taken.is_changed);
        }
        let failure = sentence(&outcome.failures);
        if is_repair {
            self.core.repaired = Some((changed, failure));
            return;
        }
        let Some(attempt) = &mut self.core.attempt else {
            return;
        };
        attempt.changed += changed;
        if failure.is_empty() {
            attempt.applied_through = self.core.in_hand;
        } else {
            self.end(false, "ReconciliationFailed", failure);
        }
    }

    fn pruned(&mut self, outcome: &ObjectsPruned, record: &Record) {
        if !self.settle(record) {
            return;
        }
        for object in outcome.pruned.iter().chain(&outcome.left) {
            self.core.inventory_changed |= self.owned.disown(object);
        }
        if let Some(attempt) = &mut self.core.attempt {
            attempt.pruned += u32::try_from(outcome.pruned.len()).unwrap_or(u32::MAX);
        }
        if outcome.failures.is_empty() {
            return;
        }
        if self.core.declared.deleting {
            let declared = &mut self.core.declared;
            declared.failures = declared.failures.saturating_add(1);
            declared.paused_until = record.time.plus_ms(retry_ms(declared.failures)).0;
        }
        self.end(false, "PruneFailed", sentence(&outcome.failures));
    }

    fn conclude(&mut self, concluded: &Concluded, time: Timestamp) {
        if concluded.repair {
            self.core.repaired = None;
            self.core.repairing.clear();
            self.core.declared.waiting = None;
            if concluded.ready {
                let last = self.core.declared.concluded.as_ref();
                self.core.overtaken |= last.is_some_and(|last| !last.ready);
                return;
            }
        }
        self.unlink_if_attempting_others();
        let attempt = self.core.attempt.take();
        self.core.overtaken = attempt.as_ref().is_some_and(Attempt::is_refused_rollback);
        if let Some(attempt) = attempt.filter(|_| concluded.ready) {
            self.core.applied_revision.clone_from(&concluded.revision);
            self.forget_what_left(&attempt);
        }
        if concluded.inventory.is_some() {
            self.core.inventory_changed = false;
        }
        self.core.declared.conclude(concluded, time);
    }

    /// After success, what is not in the set is owned no more: it was pruned, or is to be kept.
    fn forget_what_left(&mut self, attempt: &Attempt) {
        let now = attempt.identities();
        self.owned.retain(|object| now.contains(object));
    }
}

/// What makes an artifact another: a commit that changes nothing here has the same content under a
/// new revision, a changed `ignore` other content under the same.
fn fingerprint(artifact: &Artifact) -> String {
    format!("{} {}", artifact.revision, artifact.digest)
}

impl Attempt {
    fn identities(&self) -> Identities<'_> {
        let named = self.objects.iter().filter_map(|it| it.object.as_ref());
        named.collect()
    }
}
