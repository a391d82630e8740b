//! A simulated executor: a command, its effect on the models, and the event that answers it.

use fluvial_api::{GitRepositorySpec, KustomizationSpec};
use fluvial_apply::health::expression;
use fluvial_apply::{Owner, prune};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildFailed,
    BuildKustomization, Command, CommandFailed, Commit, Digest, Event, FetchFailed, FetchGit,
    FinalizerSet, HealthExpression, ManifestsBuilt, ObjectFailure, ObjectRef, ObjectsApplied,
    ObjectsPruned, PruneObjects, Rendered, SetFinalizer, SourceUnchanged, command,
};
use fluvial_log::BlobStore;
use fluvial_log::memory::{MemoryBlobs, MemoryLog};
use fluvial_manifest::digest::canonical;
use serde_json::Value;

use crate::cluster::records::Records;
use crate::cluster::{Cluster, ENGINE, OWNER, Refused, Written};
use crate::git::{Access, Folder, Git, Manifest, Tree};
use crate::helm::CONTROLLER;
use crate::helm::charts::Charts;
use crate::rng::Rng;
use crate::rollback;
use crate::wire;

/// How often the API server misbehaves, in a thousand requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// It refuses for now and does nothing.
    pub throttled: usize,
    /// It does not answer, and did nothing.
    pub lost: usize,
    /// It does not answer, but did it.
    pub done: usize,
    /// It refuses this one object, as an admission webhook does.
    pub refused: usize,
    /// The engine itself cannot do it.
    pub broken: usize,
}

/// What commands act on.
pub(crate) struct Outside<'a> {
    pub git: &'a Git,
    pub cluster: &'a mut Cluster,
    pub blobs: &'a MemoryBlobs,
    pub charts: &'a Charts,
    pub log: &'a MemoryLog,
    pub faults: Faults,
    pub rng: &'a mut Rng,
    /// The requests that are still made before the engine dies, and those that were.
    pub left: usize,
    pub asked: usize,
    /// What a deposed leader had read of Helm's storage; `None` for who leads.
    pub as_of: Option<Records>,
}

impl Outside<'_> {
    /// Carries out the first `steps` requests of a command. The outcome is only true of a command that
    /// was carried out whole.
    pub(crate) fn execute(&mut self, command: &Command, steps: usize) -> Event {
        self.left = steps;
        let done = if self.rng.chance(self.faults.broken) {
            Err(Trouble("no place left in memory".into()))
        } else {
            match &command.kind {
                Some(command::Kind::FetchGit(it)) => Ok(self.fetch(it)),
                Some(command::Kind::BuildKustomization(it)) => Ok(self.build(it)),
                Some(command::Kind::ApplyObjects(it)) => self.apply(it, steps).map(Event::from),
                Some(command::Kind::PruneObjects(it)) => self.prune(it, steps).map(Event::from),
                Some(command::Kind::SetFinalizer(it)) => self.set_finalizer(it, steps),
                Some(command::Kind::RecallManifests(it)) => Ok(rollback::recall(self.log, it)),
                Some(command::Kind::FetchHelmRepository(it)) => Ok(self.fetch_repository(it)),
                Some(command::Kind::FetchHelmChart(it)) => Ok(self.fetch_chart(it)),
                Some(command::Kind::DeclareChart(it)) => self.declare_chart(it),
                Some(command::Kind::InspectRelease(it)) => self.inspect(it),
                Some(command::Kind::RenderRelease(it)) => self.render_release(it),
                Some(command::Kind::RecallRelease(it)) => self.recall_release(it),
                Some(command::Kind::StoreRelease(it)) => self.store_release(it),
                Some(command::Kind::RunHook(it)) => self.run_hook(it),
                Some(command::Kind::FetchOci(_)) | None => {
                    Err(Trouble("it is of a kind that nobody knows".into()))
                }
            }
        };
        done.unwrap_or_else(|Trouble(message)| {
            let failed = CommandFailed {
                object: command.object().cloned(),
                message,
            };
            failed.into()
        })
    }

    fn fetch(&mut self, fetch: &FetchGit) -> Event {
        let failed = |reason: &str, message: String| {
            let failed = FetchFailed {
                object: fetch.object.clone(),
                generation: fetch.generation,
                reason: reason.into(),
                message,
                terminal: false,
            };
            Event::from(failed)
        };
        let spec: GitRepositorySpec = match serde_json::from_slice(&fetch.spec) {
            Ok(spec) => spec,
            Err(error) => return failed("InvalidSpec", error.to_string()),
        };
        let url = &spec.url;
        let Some(repository) = self.git.repositories.get(url) else {
            return failed("GitOperationFailed", format!("{url} not found"));
        };
        match repository.access {
            Access::Open => {}
            Access::Unreachable => {
                return failed("GitOperationFailed", format!("cannot reach {url}"));
            }
            Access::Denied => {
                return failed(
                    "AuthenticationFailed",
                    format!("{url} wants other credentials"),
                );
            }
        }
        let (Some(commit), Some(revision)) = (repository.commits.last(), self.git.head(url)) else {
            return failed("GitOperationFailed", format!("{url} is empty"));
        };
        if fetch.observed == revision {
            let unchanged = SourceUnchanged {
                object: fetch.object.clone(),
                generation: fetch.generation,
                revision,
                validators: None,
            };
            return unchanged.into();
        }
        let bytes = serde_json::to_vec(&commit.tree).unwrap_or_default();
        let blob = match self.blobs.put(&bytes) {
            Ok(blob) => blob,
            Err(error) => return failed("StorageOperationFailed", error.to_string()),
        };
        let artifact = Artifact {
            revision,
            digest: Digest::of(&bytes).to_string(),
            bytes: bytes.len() as u64,
            blob: blob.to_string(),
            commit: Some(Commit {
                sha: commit.sha.clone(),
                subject: "a commit".into(),
                ..Commit::default()
            }),
        };
        let fetched = ArtifactFetched {
            object: fetch.object.clone(),
            generation: fetch.generation,
            artifact: Some(artifact),
            ..ArtifactFetched::default()
        };
        fetched.into()
    }

    pub(crate) fn bytes(&self, blob: &str) -> Result<Vec<u8>, String> {
        let digest: Digest = blob.parse().map_err(|error| format!("{error}"))?;
        self.blobs.get(&digest).map_err(|error| error.to_string())
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, blob: &str) -> Result<T, String> {
        serde_json::from_slice(&self.bytes(blob)?).map_err(|error| error.to_string())
    }

    fn build(&mut self, build: &BuildKustomization) -> Event {
        let artifact = build.artifact.clone().unwrap_or_default();
        let failed = |message: String| {
            let failed = BuildFailed {
                object: build.object.clone(),
                generation: build.generation,
                revision: artifact.revision.clone(),
                reason: "BuildFailed".into(),
                message,
                terminal: false,
            };
            Event::from(failed)
        };
        let spec: KustomizationSpec = match serde_json::from_slice(&build.spec) {
            Ok(spec) => spec,
            Err(error) => return failed(error.to_string()),
        };
        let tree: Tree = match self.read(&artifact.blob) {
            Ok(tree) => tree,
            Err(error) => return failed(error),
        };
        let path = spec.path.unwrap_or_default();
        let manifests = match tree.get(&path) {
            Some(Folder::Good(manifests)) => manifests,
            Some(Folder::Broken) => return failed(format!("{path} is not YAML")),
            None => return failed(format!("{path} not found")),
        };
        let owner = owner_of(build.object.as_ref());
        let mut objects = Vec::new();
        for manifest in manifests {
            match self.rendered(&manifest.clone().with(OWNER, &owner)) {
                Ok(rendered) => objects.push(rendered),
                Err(error) => return failed(error),
            }
        }
        let named = format!("{objects:?}");
        let built = ManifestsBuilt {
            object: build.object.clone(),
            generation: build.generation,
            revision: artifact.revision.clone(),
            objects,
            digest: Digest::of(named.as_bytes()).to_string(),
        };
        built.into()
    }

    /// A manifest, with the marks of its owner if it has one, as it is recorded.
    pub(crate) fn rendered(&self, manifest: &Manifest) -> Result<Rendered, String> {
        let bytes = canonical(&wire::manifest(manifest));
        let blob = self.blobs.put(&bytes).map_err(|error| error.to_string())?;
        Ok(Rendered {
            object: Some(manifest.object()),
            manifest: blob.to_string(),
            stage: manifest.stage(),
            keep: manifest.keep,
            force: manifest.force,
            policy: manifest.policy.clone(),
            live: String::new(),
            ignored: Vec::new(),
        })
    }

    /// As the real one: what fails stands beside what succeeds, and trouble fails the whole command,
    /// with what was asked for at the same time done or not.
    fn apply(&mut self, apply: &ApplyObjects, steps: usize) -> Result<ObjectsApplied, Trouble> {
        let manager = match &apply.object {
            Some(object) if object.kind == "HelmRelease" => CONTROLLER,
            Some(_) | None => ENGINE,
        };
        let mut outcome = ObjectsApplied {
            object: apply.object.clone(),
            ..ObjectsApplied::default()
        };
        let mut trouble = None;
        for rendered in apply.objects.iter().take(steps) {
            if trouble.is_some() && self.rng.chance(500) {
                continue;
            }
            match self.apply_one(apply, rendered, manager) {
                Ok(Ok(applied)) => outcome.applied.push(applied),
                Ok(Err(refused)) => outcome.failures.push(ObjectFailure {
                    object: rendered.object.clone(),
                    reason: refused.reason.into(),
                    message: refused.message,
                }),
                Err(why) => trouble = Some(why),
            }
        }
        trouble.map_or(Ok(outcome), Err)
    }

    fn apply_one(
        &mut self,
        apply: &ApplyObjects,
        rendered: &Rendered,
        manager: &str,
    ) -> Result<Result<AppliedObject, Refused>, Trouble> {
        let value: Value = self.read(&rendered.manifest).map_err(Trouble)?;
        let manifest = wire::read_manifest(&value);
        let object = manifest.object();
        let exists = self.cluster.live(&object).is_some();
        let skipped = rendered.policy == "IfNotPresent" && exists;
        let written = if skipped {
            Written::Unchanged
        } else {
            match self.ask(|cluster| cluster.apply_as(&manifest, apply.force, manager))? {
                Ok(written) => written,
                Err(refused) => return Ok(Err(refused)),
            }
        };
        let action = match written {
            _ if skipped => Action::Skipped,
            Written::Created => Action::Created,
            Written::Configured => Action::Configured,
            Written::Unchanged => Action::Unchanged,
            Written::Recreated => Action::Recreated,
        };
        let Some(live) = self.cluster.live(&object) else {
            return Err(Trouble("what was applied is not there".into()));
        };
        let shown = wire::live(&object, live);
        let is_kind = |it: &&HealthExpression| it.group == object.group && it.kind == object.kind;
        let check = apply.health.iter().find(is_kind);
        let health = match check {
            Some(_) => expression::status_by(check, &shown, 0).recorded(),
            None => live.health,
        };
        Ok(Ok(AppliedObject {
            rendered: Some(rendered.clone()),
            uid: live.uid.clone(),
            resource_version: live.version.to_string(),
            live: wire::digest(&value, &shown),
            action: action.into(),
            health: health.into(),
            health_message: String::new(),
            judged: check.map(expression::mark).unwrap_or_default(),
        }))
    }

    /// One request, with what can go wrong on the way.
    pub(crate) fn ask<T>(
        &mut self,
        request: impl FnOnce(&mut Cluster) -> Result<T, Refused>,
    ) -> Result<Result<T, Refused>, Trouble> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Trouble("the engine is dead".into()));
        };
        (self.left, self.asked) = (left, self.asked + 1);
        if self.rng.chance(self.faults.throttled) {
            return Err(Trouble("the server is busy".into()));
        }
        if self.rng.chance(self.faults.lost) {
            return Err(Trouble("the server did not answer".into()));
        }
        if self.rng.chance(self.faults.refused) {
            return Ok(Err(Refused {
                reason: "Forbidden",
                message: "an admission webhook denied the request".into(),
            }));
        }
        let answer = request(self.cluster);
        if self.rng.chance(self.faults.done) {
            return Err(Trouble("the server did not answer".into()));
        }
        Ok(answer)
    }

    fn prune(&mut self, prune: &PruneObjects, steps: usize) -> Result<ObjectsPruned, Trouble> {
        let owner = prune
            .object
            .as_ref()
            .map_or_else(ObjectRef::default, Clone::clone);
        let owner = match prune.release_name.as_str() {
            "" => Owner::kustomization(&owner.namespace, &owner.name),
            name => Owner::release(&prune.release_namespace, name),
        };
        let mut outcome = ObjectsPruned {
            object: prune.object.clone(),
            ..ObjectsPruned::default()
        };
        for doomed in prune.objects.iter().rev().take(steps) {
            let Some(object) = doomed.object.clone() else {
                continue;
            };
            let live = self.cluster.live(&object);
            let live = live.map(|live| wire::live(&object, live));
            let uid = match prune::fate(live.as_ref(), &owner, &doomed.uid) {
                prune::Fate::Gone => {
                    outcome.pruned.push(object);
                    continue;
                }
                prune::Fate::Left => {
                    outcome.left.push(object);
                    continue;
                }
                prune::Fate::Deleted { uid } => uid,
            };
            match self.ask(|cluster| cluster.delete(&object, &uid))? {
                Ok(()) => outcome.pruned.push(object),
                Err(refused) => outcome.failures.push(ObjectFailure {
                    object: Some(object),
                    reason: refused.reason.into(),
                    message: refused.message,
                }),
            }
        }
        Ok(outcome)
    }

    fn set_finalizer(&mut self, set: &SetFinalizer, steps: usize) -> Result<Event, Trouble> {
        let object = set.object.clone().unwrap_or_default();
        let present = set.present;
        if steps > 0 {
            let request = |cluster: &mut Cluster| {
                cluster.mark(&object, |declared| {
                    declared.finalizer = present && !declared.deleting;
                });
                Ok(())
            };
            self.ask(request)?
                .map_err(|refused| Trouble(refused.message))?;
        }
        let done = FinalizerSet {
            object: set.object.clone(),
            present,
        };
        Ok(done.into())
    }
}

/// Why a command has no outcome of its own.
pub(crate) struct Trouble(pub(crate) String);

/// How many requests a command makes: the places where an engine can die in the middle of it.
pub(crate) fn requests(command: &Command) -> usize {
    match &command.kind {
        Some(command::Kind::ApplyObjects(it)) => it.objects.len(),
        Some(command::Kind::PruneObjects(it)) => it.objects.len(),
        Some(
            command::Kind::FetchGit(_)
            | command::Kind::FetchOci(_)
            | command::Kind::FetchHelmRepository(_)
            | command::Kind::FetchHelmChart(_)
            | command::Kind::BuildKustomization(_)
            | command::Kind::SetFinalizer(_)
            | command::Kind::RecallManifests(_)
            | command::Kind::DeclareChart(_)
            | command::Kind::InspectRelease(_)
            | command::Kind::RenderRelease(_)
            | command::Kind::RecallRelease(_)
            | command::Kind::StoreRelease(_)
            | command::Kind::RunHook(_),
        )
        | None => 1,
    }
}

/// `namespace/name`, as the owner labels say it.
pub(crate) fn owner_of(object: Option<&ObjectRef>) -> String {
    object.map_or_else(String::new, |it| format!("{}/{}", it.namespace, it.name))
}
