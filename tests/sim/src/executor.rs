//! A simulated executor: a command, its effect on the models, and the event that answers it.

use fluvial_api::{GitRepositorySpec, KustomizationSpec};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildFailed,
    BuildKustomization, Command, CommandFailed, Commit, Digest, Event, FetchFailed, FetchGit,
    FinalizerSet, ManifestsBuilt, ObjectFailure, ObjectRef, ObjectsApplied, ObjectsPruned,
    PruneObjects, Rendered, SetFinalizer, SourceUnchanged, command,
};
use fluvial_log::BlobStore;
use fluvial_log::memory::{MemoryBlobs, MemoryLog};

use crate::cluster::{Cluster, OWNER, Refused, Written};
use crate::git::{Access, Folder, Git, Manifest, Tree};
use crate::rng::Rng;
use crate::rollback;

/// How often the API server misbehaves, in a thousand requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// It refuses for now and does nothing.
    pub throttled: usize,
    /// It does not answer, and did nothing.
    pub lost: usize,
    /// It does not answer, but did it.
    pub done: usize,
    /// The engine itself cannot do it.
    pub broken: usize,
}

/// What commands act on.
pub(crate) struct Outside<'a> {
    pub git: &'a Git,
    pub cluster: &'a mut Cluster,
    pub blobs: &'a MemoryBlobs,
    pub log: &'a MemoryLog,
    pub faults: Faults,
    pub rng: &'a mut Rng,
}

impl Outside<'_> {
    /// Carries out the first `steps` requests of a command. The outcome is only true of a command that
    /// was carried out whole.
    pub(crate) fn execute(&mut self, command: &Command, steps: usize) -> Event {
        if self.rng.chance(self.faults.broken) {
            let event = CommandFailed {
                object: command.object().cloned(),
                message: "no place left in memory".into(),
            };
            return event.into();
        }
        match &command.kind {
            Some(command::Kind::FetchGit(it)) => self.fetch(it),
            Some(command::Kind::BuildKustomization(it)) => self.build(it),
            Some(command::Kind::ApplyObjects(it)) => self.apply(it, steps).into(),
            Some(command::Kind::PruneObjects(it)) => self.prune(it, steps).into(),
            Some(command::Kind::SetFinalizer(it)) => self.set_finalizer(it, steps),
            Some(command::Kind::RecallManifests(it)) => rollback::recall(self.log, it),
            None => CommandFailed::default().into(),
        }
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
        };
        fetched.into()
    }

    fn read<T: serde::de::DeserializeOwned>(&self, blob: &str) -> Result<T, String> {
        let digest: Digest = blob.parse().map_err(|error| format!("{error}"))?;
        let bytes = self.blobs.get(&digest).map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
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
            match self.render(manifest, &owner) {
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

    fn render(&self, manifest: &Manifest, owner: &str) -> Result<Rendered, String> {
        let labelled = manifest.clone().with(OWNER, owner);
        let bytes = serde_json::to_vec(&labelled).map_err(|error| error.to_string())?;
        let blob = self.blobs.put(&bytes).map_err(|error| error.to_string())?;
        Ok(Rendered {
            object: Some(manifest.object()),
            manifest: blob.to_string(),
            stage: manifest.stage(),
            keep: manifest.keep,
            force: manifest.force,
            policy: manifest.policy.clone(),
            live: String::new(),
        })
    }

    fn apply(&mut self, apply: &ApplyObjects, steps: usize) -> ObjectsApplied {
        let mut outcome = ObjectsApplied {
            object: apply.object.clone(),
            ..ObjectsApplied::default()
        };
        for rendered in apply.objects.iter().take(steps) {
            match self.apply_one(rendered, apply.force) {
                Ok(applied) => outcome.applied.push(applied),
                Err(refused) => outcome.failures.push(ObjectFailure {
                    object: rendered.object.clone(),
                    reason: refused.reason.into(),
                    message: refused.message,
                }),
            }
        }
        outcome
    }

    fn apply_one(&mut self, rendered: &Rendered, force: bool) -> Result<AppliedObject, Refused> {
        let manifest: Manifest = self.read(&rendered.manifest).map_err(|message| Refused {
            reason: "InternalError",
            message,
        })?;
        let object = manifest.object();
        let exists = self.cluster.live(&object).is_some();
        let skipped = manifest.policy == "IfNotPresent" && exists;
        let written = if skipped {
            Written::Unchanged
        } else {
            self.ask(|cluster| cluster.apply(&manifest, force))?
        };
        let action = match written {
            _ if skipped => Action::Skipped,
            Written::Created => Action::Created,
            Written::Configured => Action::Configured,
            Written::Unchanged => Action::Unchanged,
            Written::Recreated => Action::Recreated,
        };
        let live = self.cluster.live(&object).ok_or_else(|| Refused {
            reason: "NotFound",
            message: format!("{object} not found"),
        })?;
        Ok(AppliedObject {
            rendered: Some(rendered.clone()),
            uid: live.uid.clone(),
            resource_version: live.version.to_string(),
            live: Cluster::projection(&manifest, live),
            action: action.into(),
            health: live.health.into(),
            health_message: String::new(),
        })
    }

    /// One request, with what can go wrong on the way.
    fn ask<T>(
        &mut self,
        request: impl FnOnce(&mut Cluster) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        if self.rng.chance(self.faults.throttled) {
            return Err(Refused {
                reason: "TooManyRequests",
                message: "the server is busy".into(),
            });
        }
        let timeout = Refused {
            reason: "Timeout",
            message: "the server did not answer".into(),
        };
        if self.rng.chance(self.faults.lost) {
            return Err(timeout);
        }
        let answer = request(self.cluster);
        if self.rng.chance(self.faults.done) {
            return Err(timeout);
        }
        answer
    }

    fn prune(&mut self, prune: &PruneObjects, steps: usize) -> ObjectsPruned {
        let owner = owner_of(prune.object.as_ref());
        let mut outcome = ObjectsPruned {
            object: prune.object.clone(),
            ..ObjectsPruned::default()
        };
        for doomed in prune.objects.iter().rev().take(steps) {
            let Some(object) = doomed.object.clone() else {
                continue;
            };
            let Some(live) = self.cluster.live(&object) else {
                outcome.pruned.push(object);
                continue;
            };
            let is_ours = live.owner() == owner;
            let is_same = doomed.uid.is_empty() || doomed.uid == live.uid;
            let uid = live.uid.clone();
            if !is_ours || !is_same {
                outcome.left.push(object);
                continue;
            }
            match self.ask(|cluster| cluster.delete(&object, &uid)) {
                Ok(()) => outcome.pruned.push(object),
                Err(refused) => outcome.failures.push(ObjectFailure {
                    object: Some(object),
                    reason: refused.reason.into(),
                    message: refused.message,
                }),
            }
        }
        outcome
    }

    fn set_finalizer(&mut self, set: &SetFinalizer, steps: usize) -> Event {
        let Some(object) = set.object.clone() else {
            return CommandFailed::default().into();
        };
        let present = set.present;
        let request = |cluster: &mut Cluster| {
            cluster.mark(&object, |declared| {
                declared.finalizer = present && !declared.deleting;
            });
            Ok(())
        };
        let answer = if steps == 0 {
            Ok(())
        } else {
            self.ask(request)
        };
        match answer {
            Ok(()) => FinalizerSet {
                object: set.object.clone(),
                present,
            }
            .into(),
            Err(refused) => CommandFailed {
                object: set.object.clone(),
                message: refused.message,
            }
            .into(),
        }
    }
}

/// `namespace/name`, as the owner labels say it.
pub(crate) fn owner_of(object: Option<&ObjectRef>) -> String {
    object.map_or_else(String::new, |it| format!("{}/{}", it.namespace, it.name))
}
