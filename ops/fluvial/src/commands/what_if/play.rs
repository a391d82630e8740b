//! The rehearsal: the commands of the reducers, answered as a healthy cluster would answer them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use fluvial_api::kinds::{self, Kind};
use fluvial_api::{GitRepositorySpec, KustomizationSpec};
use fluvial_apply::health::expression;
use fluvial_apply::{Owner, Scope, normalize};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildFailed,
    BuildKustomization, Digest, Event, FinalizerSet, Health, HealthExpression, Id, ManifestsBuilt,
    ObjectObserved, ObjectRef, ObjectsApplied, ObjectsPruned, PruneObjects, Rendered,
    ResourceDeleted, ResourceObserved, SetFinalizer, SourceUnchanged, command,
};
use fluvial_execute::{build, variables};
use fluvial_log::Key;
use fluvial_log_rocksdb::Data;
use fluvial_manifest::{ObjectId, Value, object};
use fluvial_reduce::Declared;
use fluvial_runtime::{Order, Rehearsal};
use fluvial_view::difference::{self, Manifests};

use super::checkout::Checkout;
use super::plan::{Plan, Reconciler};
use crate::disk;
use crate::index::{Memory, manifest};

/// How many commands are answered: who decides without end has a fault, and is stopped.
const ORDERS_MAX: usize = 100_000;
/// Who asks.
const REQUEST: &str = "what-if";

pub(super) struct Play<'a> {
    rehearsal: Rehearsal,
    memory: &'a Memory,
    key: Key,
    source: ObjectRef,
    checkout: Checkout,
    /// How every owned object was applied before.
    before: BTreeMap<ObjectRef, Rendered>,
    /// Kinds that have a namespace, or have none, as their objects on record show.
    scopes: BTreeMap<(String, String), Scope>,
    /// Manifests that were made here.
    made: BTreeMap<String, Value>,
    /// By owner: what it would apply, and none where it would delete it.
    touched: BTreeMap<ObjectRef, BTreeMap<ObjectRef, Option<Rendered>>>,
    notes: BTreeSet<String>,
    plan: Plan,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        rehearsal: Rehearsal,
        memory: &'a Memory,
        data: &Data,
        source: ObjectRef,
        checkout: Checkout,
    ) -> Result<Self> {
        let world = rehearsal.world();
        let mut before = BTreeMap::new();
        let mut scopes = BTreeMap::new();
        for kustomization in world.kustomizations().values() {
            for (name, owned) in kustomization.owned().iter() {
                let scope = if name.namespace.is_empty() {
                    Scope::Cluster
                } else {
                    Scope::Namespaced
                };
                scopes.insert((name.group.clone(), name.kind.clone()), scope);
                before.insert((**name).clone(), owned.rendered.clone());
            }
        }
        let artifact = world.sources().get(&source).and_then(|it| it.artifact());
        let revision = artifact.map_or("", |it| it.revision.as_str());
        let plan = Plan {
            offset: rehearsal.head().offset,
            time: rehearsal.head().time,
            source: source.clone(),
            revision: checkout.revision(revision),
            reconcilers: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Self {
            key: Key::open_file(&data.key_file())?,
            rehearsal,
            memory,
            source,
            checkout,
            before,
            scopes,
            made: BTreeMap::new(),
            touched: BTreeMap::new(),
            notes: BTreeSet::new(),
            plan,
        })
    }

    /// Asks the source, and goes on until nothing more is to be done.
    pub(super) async fn play(mut self) -> Result<Plan> {
        self.note_what_is_under_way();
        let declared = self.rehearsal.world().one(&self.source);
        let declared = declared.with_context(|| format!("{} is not declared", self.source))?;
        ensure!(
            declared.outstanding.is_none(),
            "cannot tell what would be: {} is being fetched as of offset {}; say --at, or ask again",
            self.source,
            self.plan.offset
        );
        let asked = ResourceObserved {
            requested_at: REQUEST.to_owned(),
            ..observed(&self.source, declared)
        };
        self.rehearsal.tell(asked);
        let mut answered = 0;
        while let Some(order) = self.next() {
            answered += 1;
            ensure!(
                answered <= ORDERS_MAX,
                "cannot tell what would be: it is decided without end"
            );
            self.answer(order).await?;
        }
        ensure!(
            answered > 0,
            "cannot tell what would be: {} would not be fetched; is it suspended?",
            self.source
        );
        self.conclude()
    }

    fn next(&mut self) -> Option<Order> {
        let order = self.rehearsal.order();
        if order.is_none() {
            self.judge_again();
        }
        order.or_else(|| self.rehearsal.order())
    }

    /// What another expression is to judge is healthy by it, as in a healthy cluster.
    fn judge_again(&mut self) {
        let world = self.rehearsal.world();
        let judged = world.all_watched().filter_map(|(object, _)| {
            let mark = expression::mark(&world.judge_of(object)?);
            let seen = world
                .seen(object)
                .filter(|it| !it.gone && it.judged != mark)?;
            Some(ObjectObserved {
                object: Some(object.clone()),
                uid: seen.uid.clone(),
                resource_version: seen.resource_version.clone(),
                live: seen.live.clone(),
                health: Health::Current.into(),
                judged: mark,
                ..ObjectObserved::default()
            })
        });
        for seen in judged.collect::<Vec<_>>() {
            self.rehearsal.tell(seen);
        }
    }

    fn note_what_is_under_way(&mut self) {
        let under_way: Vec<_> = self.rehearsal.world().outstanding().collect();
        for (object, _) in under_way {
            self.notes.insert(format!(
                "{object} is in the middle of something: what comes of that is not known"
            ));
        }
    }

    async fn answer(&mut self, order: Order) -> Result<()> {
        use command::Kind;
        let Order { id, command } = order;
        let object = command.object().cloned().unwrap_or_default();
        match command.kind {
            Some(Kind::FetchGit(_) | Kind::FetchOci(_)) if object.is_same(&self.source) => {
                self.fetched(id);
            }
            Some(
                Kind::FetchGit(_)
                | Kind::FetchOci(_)
                | Kind::FetchHelmRepository(_)
                | Kind::FetchHelmChart(_),
            ) => self.unchanged(id, object),
            Some(Kind::BuildKustomization(it)) => self.build(id, it).await?,
            Some(Kind::ApplyObjects(it)) => self.apply(id, it)?,
            Some(Kind::PruneObjects(it)) => self.prune(id, it),
            Some(Kind::SetFinalizer(it)) => self.finalizer(id, it),
            Some(Kind::RecallManifests(_)) => {
                self.not_known(&object, "would put back what a rollback asked for");
            }
            Some(
                Kind::DeclareChart(_)
                | Kind::InspectRelease(_)
                | Kind::RenderRelease(_)
                | Kind::RecallRelease(_)
                | Kind::StoreRelease(_)
                | Kind::RunHook(_),
            ) => self.not_known(
                &object,
                "would be reconciled: what its chart comes to is not known here",
            ),
            None => {}
        }
        Ok(())
    }

    fn not_known(&mut self, object: &ObjectRef, what: &str) {
        self.notes.insert(format!("{} {what}", object.identity()));
    }

    fn generation(&self, object: &ObjectRef) -> i64 {
        let declared = self.rehearsal.world().one(&object.identity());
        declared.map_or(0, |it| it.generation)
    }

    fn fetched(&mut self, id: Id) {
        let artifact = Artifact {
            revision: self.plan.revision.clone(),
            digest: Digest::of(self.plan.revision.as_bytes()).to_string(),
            commit: self.checkout.commit.clone(),
            ..Artifact::default()
        };
        let fetched = ArtifactFetched {
            object: Some(self.source.clone()),
            generation: self.generation(&self.source),
            artifact: Some(artifact),
            ..ArtifactFetched::default()
        };
        self.rehearsal.answer(id, fetched);
    }

    fn unchanged(&mut self, id: Id, object: ObjectRef) {
        let sources = self.rehearsal.world().sources();
        let artifact = sources.get(&object.identity()).and_then(|it| it.artifact());
        let Some(revision) = artifact.map(|it| it.revision.clone()) else {
            self.not_known(&object, "would be fetched: what it has is not known here");
            return;
        };
        let unchanged = SourceUnchanged {
            generation: self.generation(&object),
            object: Some(object),
            revision,
            ..SourceUnchanged::default()
        };
        self.rehearsal.answer(id, unchanged);
    }

    async fn build(&mut self, id: Id, command: BuildKustomization) -> Result<()> {
        let object = command.object.clone().unwrap_or_default();
        let artifact = command.artifact.unwrap_or_default();
        if artifact.revision != self.plan.revision {
            self.not_known(
                &object,
                "would be built again from another source, which is not here",
            );
            return Ok(());
        }
        let spec: KustomizationSpec = serde_json::from_slice(&command.spec)
            .with_context(|| format!("cannot read the spec of {object}"))?;
        let built = self.manifests(&object, &spec).await?;
        let (generation, revision) = (command.generation, artifact.revision);
        let event: Event = match built {
            Ok(objects) => ManifestsBuilt {
                object: Some(object),
                generation,
                revision,
                digest: build::digest(&objects),
                objects,
            }
            .into(),
            Err((reason, message)) => BuildFailed {
                object: Some(object),
                generation,
                revision,
                reason,
                message,
                terminal: false,
            }
            .into(),
        };
        self.rehearsal.answer(id, event);
        Ok(())
    }

    /// What the files come to, or why they come to nothing.
    async fn manifests(
        &mut self,
        owner: &ObjectRef,
        spec: &KustomizationSpec,
    ) -> Result<Result<Vec<Rendered>, (String, String)>> {
        let failed = |message: String| Ok(Err(("BuildFailed".to_owned(), message)));
        if let Some(field) = build::unsupported(spec) {
            return failed(format!(
                "spec.{field} is not supported by this version of Fluvial"
            ));
        }
        let mut variables = None;
        if let Some(post_build) = &spec.post_build {
            if !post_build.substitute_from.is_empty() {
                self.not_known(
                    owner,
                    "substitutes variables of ConfigMaps and Secrets, which are not known here",
                );
            }
            let read = variables::of(None, &owner.namespace, post_build).await?;
            variables = match read {
                Ok(variables) => variables,
                Err(refusal) => return Ok(Err((refusal.reason, refusal.message))),
            };
        }
        let path = spec.path.as_deref().unwrap_or_default();
        let directory = self.checkout.path(path);
        if !directory.is_dir() {
            let message =
                format!("kustomization path not found: {path} is no directory of the source");
            return Ok(Err(("ArtifactFailed".to_owned(), message)));
        }
        let (tree, at) = disk::read_flux(&directory, &spec.components, &self.ignored())
            .with_context(|| format!("cannot read {}", directory.display()))?;
        let manifests = fluvial_render::here(&tree, &at, spec, variables.as_ref(), false);
        let manifests = match manifests {
            Ok(manifests) => manifests,
            Err(refusal) => return Ok(Err((refusal.reason, refusal.message))),
        };
        let mark = Owner::kustomization(&owner.namespace, &owner.name);
        let kinds = versions(&manifests);
        let scope = |id: &ObjectId| self.scope(id, &kinds);
        let objects = match normalize::objects(manifests, &mark, &scope) {
            Ok(objects) => objects,
            Err(error) => return failed(error.to_string()),
        };
        let (key, made) = (&self.key, &mut self.made);
        let rendered = build::rendered(objects, |bytes| {
            // As the log would name it: what is the same has the same name.
            let digest = Digest::of(&key.seal(bytes));
            made.insert(digest.to_string(), serde_json::from_slice(bytes)?);
            anyhow::Ok(digest)
        })?;
        Ok(Ok(rendered))
    }

    /// The rules of the source for what is no part of its artifact.
    fn ignored(&self) -> Vec<String> {
        let declared = self.rehearsal.world().one(&self.source);
        let spec = declared.map(|it| serde_json::from_slice::<GitRepositorySpec>(&it.spec));
        let ignore = spec.and_then(Result::ok).and_then(|it| it.ignore);
        let ignore = ignore.unwrap_or_default();
        ignore.lines().map(str::to_owned).collect()
    }

    fn scope(&self, id: &ObjectId, versions: &BTreeMap<(String, String), String>) -> Option<Scope> {
        let key = (id.group.clone(), id.kind.clone());
        if let Some(scope) = self.scopes.get(&key) {
            return Some(*scope);
        }
        let api_version = versions.get(&key)?;
        if fluvial_kustomize::has_no_namespace(api_version, &id.kind) {
            return Some(Scope::Cluster);
        }
        let is_built_in = !id.group.contains('.') || id.group.ends_with(".k8s.io");
        let is_ours = kinds::ALL
            .iter()
            .any(|it| it.group == id.group && it.kind == id.kind);
        (is_built_in || is_ours).then_some(Scope::Namespaced)
    }

    fn apply(&mut self, id: Id, command: ApplyObjects) -> Result<()> {
        let owner = command.object.clone().unwrap_or_default();
        let mut declared = Vec::new();
        let mut applied = Vec::new();
        for rendered in command.objects {
            let object = rendered.object.clone().unwrap_or_default().identity();
            let is_kind =
                |it: &&HealthExpression| it.group == object.group && it.kind == object.kind;
            let check = command.health.iter().find(is_kind);
            let value = self.value(&rendered)?;
            let action = match self.before.get(&object) {
                None => Action::Created,
                Some(_) => Action::Configured,
            };
            if let Some(kind) = flux_kind(&object) {
                declared.push((kind, object.clone(), value));
            }
            let touched = self.touched.entry(owner.identity()).or_default();
            touched.insert(object, Some(rendered.clone()));
            applied.push(AppliedObject {
                uid: REQUEST.to_owned(),
                live: rendered.manifest.clone(),
                action: action.into(),
                health: Health::Current.into(),
                judged: check.map(expression::mark).unwrap_or_default(),
                rendered: Some(rendered),
                ..AppliedObject::default()
            });
        }
        let event = ObjectsApplied {
            object: Some(owner),
            applied,
            failures: Vec::new(),
        };
        self.rehearsal.answer(id, event);
        for (kind, object, value) in declared {
            self.declare(kind, &object, value);
        }
        Ok(())
    }

    /// An object of Flux is declared as it was applied.
    fn declare(&mut self, kind: &Kind, object: &ObjectRef, mut value: Value) {
        let known = self.rehearsal.world().one(object).cloned();
        let uid = known.as_ref().map_or(REQUEST, |it| it.uid.as_str());
        value["metadata"]["uid"] = uid.into();
        let seen = fluvial_ingest::observed(kind, &value);
        let known = known.unwrap_or_default();
        if known.spec == seen.spec && known.invalid == seen.invalid {
            return;
        }
        self.rehearsal.tell(ResourceObserved {
            generation: known.generation + 1,
            finalizer: true,
            requested_at: known.requested_at,
            handled_at: known.handled_at,
            rollback: known.rollback,
            ..seen
        });
    }

    fn prune(&mut self, id: Id, command: PruneObjects) {
        let owner = command.object.clone().unwrap_or_default();
        let doomed = command.objects.into_iter().filter_map(|it| it.object);
        let doomed: Vec<_> = doomed.collect();
        let touched = self.touched.entry(owner.identity()).or_default();
        touched.extend(doomed.iter().map(|it| (it.identity(), None)));
        let event = ObjectsPruned {
            object: Some(owner),
            pruned: doomed.clone(),
            ..ObjectsPruned::default()
        };
        self.rehearsal.answer(id, event);
        for object in doomed.iter().filter(|it| flux_kind(it).is_some()) {
            let object = object.identity();
            let Some(declared) = self.rehearsal.world().one(&object) else {
                continue;
            };
            let deleting = ResourceObserved {
                deleting: true,
                ..observed(&object, declared)
            };
            if deleting.finalizer {
                self.rehearsal.tell(deleting);
            } else {
                self.gone(object);
            }
        }
    }

    fn finalizer(&mut self, id: Id, command: SetFinalizer) {
        let object = command.object.unwrap_or_default();
        let event = FinalizerSet {
            object: Some(object.clone()),
            present: command.present,
        };
        self.rehearsal.answer(id, event);
        if !command.present {
            self.gone(object.identity());
        }
    }

    fn gone(&mut self, object: ObjectRef) {
        let declared = self.rehearsal.world().one(&object);
        let uid = declared.map(|it| it.uid.clone()).unwrap_or_default();
        self.rehearsal.tell(ResourceDeleted {
            object: Some(object),
            uid,
        });
    }

    fn value(&self, rendered: &Rendered) -> Result<Value> {
        match self.made.get(&rendered.manifest) {
            Some(value) => Ok(value.clone()),
            None => manifest(self.memory.log(), rendered),
        }
    }

    fn conclude(mut self) -> Result<Plan> {
        for event in self.rehearsal.decided() {
            let is_waiting = matches!(event, Event::Waited(_));
            let (object, has_failed, reason, message) = match event {
                Event::Concluded(it) => (it.object, !it.ready, it.reason, it.message),
                Event::Waited(it) => (it.object, false, it.reason, it.message),
                _ => continue,
            };
            let object = object.unwrap_or_default().identity();
            if object.is_same(&self.source) {
                if has_failed {
                    bail!("cannot tell what would be: {reason}: {message}");
                }
                continue;
            }
            if object.kind != kinds::KUSTOMIZATION.kind {
                continue;
            }
            // What was decided last is how it ends.
            self.plan.reconcilers.retain(|it| it.object != object);
            self.plan.reconcilers.push(Reconciler {
                objects: Vec::new(),
                object,
                has_failed,
                is_waiting,
                reason,
                message,
            });
        }
        for (owner, touched) in std::mem::take(&mut self.touched) {
            let objects = self.differences(&touched)?;
            let mut known = self.plan.reconcilers.iter_mut();
            match known.find(|it| it.object == owner) {
                Some(known) => known.objects = objects,
                None => self.plan.reconcilers.push(Reconciler {
                    object: owner,
                    has_failed: false,
                    is_waiting: false,
                    reason: String::new(),
                    message: String::new(),
                    objects,
                }),
            }
        }
        self.plan.notes = self.notes.into_iter().collect();
        Ok(self.plan)
    }

    /// What of the touched objects would be other. Secrets are among them: their values must be recognised
    /// where they were copied to.
    fn differences(
        &self,
        touched: &BTreeMap<ObjectRef, Option<Rendered>>,
    ) -> Result<Vec<difference::Difference>> {
        let (mut old, mut new) = (Manifests::new(), Manifests::new());
        let secrets = self.before.iter().filter(|(it, _)| it.kind == "Secret");
        for (object, rendered) in secrets.filter(|(it, _)| !touched.contains_key(it)) {
            if !rendered.manifest.is_empty() {
                let value = self.value(rendered)?;
                old.insert(object.clone(), value.clone());
                new.insert(object.clone(), value);
            }
        }
        for (object, rendered) in touched {
            let before = self.before.get(object).filter(|it| !it.manifest.is_empty());
            if let Some(before) = before {
                old.insert(object.clone(), self.value(before)?);
            }
            if let Some(rendered) = rendered {
                new.insert(object.clone(), self.value(rendered)?);
            }
        }
        Ok(difference::objects(&old, &new))
    }
}

/// The versions in which the kinds of these manifests are written.
fn versions(manifests: &[Value]) -> BTreeMap<(String, String), String> {
    let named = |it: &Value| {
        let api_version = object::api_version(it);
        let (group, _) = object::group_version(api_version);
        let key = (group.to_owned(), object::kind(it).to_owned());
        (key, api_version.to_owned())
    };
    manifests.iter().map(named).collect()
}

fn flux_kind(object: &ObjectRef) -> Option<&'static Kind> {
    let mut all = kinds::ALL.into_iter();
    all.find(|it| it.group == object.group && it.kind == object.kind)
}

/// What would be observed of an object that is as it was.
fn observed(object: &ObjectRef, declared: &Declared) -> ResourceObserved {
    ResourceObserved {
        object: Some(ObjectRef {
            version: declared.version.clone(),
            ..object.clone()
        }),
        uid: declared.uid.clone(),
        generation: declared.generation,
        spec: declared.spec.clone(),
        invalid: declared.invalid.clone(),
        deleting: declared.deleting,
        finalizer: declared.finalizer,
        requested_at: declared.requested_at.clone(),
        handled_at: declared.handled_at.clone(),
        rollback: declared.rollback.clone(),
        ..ResourceObserved::default()
    }
}
