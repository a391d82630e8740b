//! `BuildKustomization`: from an artifact and a spec to manifests, each stored under its digest.

use std::collections::BTreeSet;

use fluvial_api::KustomizationSpec;
use fluvial_apply::marker::Ssa;
use fluvial_apply::{Markers, Object, Owner, normalize, order};
use fluvial_event::{
    BuildFailed, BuildKustomization, Digest, Event, ManifestsBuilt, ObjectRef, RECORD_BYTES_MAX,
    Rendered,
};
use fluvial_manifest::digest::canonical;
use fluvial_manifest::{ObjectId, Value};
use fluvial_render::{Job, Refusal};

use crate::{Executor, Trouble, named, parsed, released, scopes, variables};

/// What the names of all objects of a Kustomization may take. Every decision about them names some of
/// them again, and says a little more about each: this is far enough below what a record may have.
pub(crate) const BUILT_BYTES_MAX: usize = RECORD_BYTES_MAX / 4;

pub(crate) fn too_many(count: usize, bytes: usize) -> Refusal {
    Refusal::build(format!(
        "cannot record a build of {count} objects: their names take {bytes} bytes, and may take {BUILT_BYTES_MAX}; divide it into smaller ones"
    ))
}

fn failed(object: ObjectRef, generation: i64, revision: String, refusal: Refusal) -> Event {
    BuildFailed {
        object: Some(object),
        generation,
        revision,
        reason: refusal.reason,
        message: refusal.message,
        // A new artifact or a new spec makes a new attempt; the same gives the same.
        terminal: false,
    }
    .into()
}

impl Executor {
    pub(crate) async fn build(self, command: BuildKustomization) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let artifact = command.artifact.unwrap_or_default();
        let spec: KustomizationSpec = serde_json::from_slice(&command.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let (generation, revision) = (command.generation, artifact.revision);
        let built = match self.manifests(&object, spec, artifact.blob).await? {
            Ok(manifests) => self.normalized(&object, manifests).await?,
            Err(refusal) => Err(refusal),
        };
        match built {
            Ok(objects) => {
                let objects = self.store(objects).await?;
                let digest = digest(&objects);
                let count = objects.len();
                let built = Event::from(ManifestsBuilt {
                    object: Some(object.clone()),
                    generation,
                    revision: revision.clone(),
                    objects,
                    digest,
                });
                let bytes = built.payload().len();
                if bytes <= BUILT_BYTES_MAX {
                    return Ok(built);
                }
                Ok(failed(object, generation, revision, too_many(count, bytes)))
            }
            Err(refusal) => Ok(failed(object, generation, revision, refusal)),
        }
    }

    /// What the artifact renders to.
    async fn manifests(
        &self,
        object: &ObjectRef,
        spec: KustomizationSpec,
        blob: String,
    ) -> Result<Result<Vec<Value>, Refusal>, Trouble> {
        if let Some(field) = unsupported(&spec) {
            return Ok(Err(Refusal::build(format!(
                "cannot build {object}: spec.{field} is not supported by this version of Fluvial; remove it"
            ))));
        }
        let variables = match &spec.post_build {
            None => None,
            Some(post_build) => {
                match variables::of(Some(&self.cluster), &object.namespace, post_build).await? {
                    Ok(variables) => variables,
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
        };
        let job = Job {
            artifact: blob,
            spec,
            variables,
            output_bytes_max: self.renderer.limits().output_bytes_max,
        };
        let digest = parsed(&job.artifact)?;
        let artifact = || self.blob(digest);
        // Tenants are namespaces; their bytes never meet.
        Ok(self
            .renderer
            .render(&object.namespace, &job, &artifact)
            .await?)
    }

    /// The manifests as objects of their owner, in the order in which they are applied.
    async fn normalized(
        &self,
        object: &ObjectRef,
        manifests: Vec<Value>,
    ) -> Result<Result<Vec<Object>, Refusal>, Trouble> {
        let scopes = scopes::of(&self.cluster, &manifests).await?;
        let owner = Owner::kustomization(&object.namespace, &object.name);
        let scope = |id: &ObjectId| scopes.get(&(id.group.clone(), id.kind.clone())).copied();
        Ok(normalize::objects(manifests, &owner, &scope).map_err(Refusal::build))
    }

    /// Stores each manifest, before any record names it.
    async fn store(&self, objects: Vec<Object>) -> Result<Vec<Rendered>, Trouble> {
        let blobs = self.blobs.clone();
        tokio::task::spawn_blocking(move || Ok(rendered(objects, |bytes| blobs.put(bytes))?))
            .await?
    }
}

/// The objects of a set, each under the name that `put` gives its manifest, in stages.
pub fn rendered<E>(
    objects: Vec<Object>,
    mut put: impl FnMut(&[u8]) -> Result<Digest, E>,
) -> Result<Vec<Rendered>, E> {
    let mut rendered = Vec::with_capacity(objects.len());
    for (stage, number) in order::stages(objects, &BTreeSet::new())
        .into_iter()
        .zip(1..)
    {
        for object in stage.objects {
            let manifest = put(&canonical(&object.value))?.to_string();
            rendered.push(describe(&object, manifest, number));
        }
    }
    Ok(rendered)
}

/// A field that would change what is applied, and that this version does not know how to honour.
pub fn unsupported(spec: &KustomizationSpec) -> Option<&'static str> {
    if spec.decryption.is_some() {
        Some("decryption")
    } else if spec.kube_config.is_some() {
        Some("kubeConfig")
    } else if !spec.ignore.is_empty() {
        Some("ignore")
    } else {
        None
    }
}

fn describe(object: &Object, manifest: String, stage: u32) -> Rendered {
    let markers = Markers::of(&object.value);
    let policy = match markers.ssa {
        _ if markers.is_unmanaged => "Ignore",
        Ssa::Override => "",
        Ssa::Merge => "Merge",
        Ssa::IfNotPresent => "IfNotPresent",
        Ssa::Ignore => "Ignore",
    };
    Rendered {
        keep: markers.is_kept,
        force: markers.is_forced,
        policy: policy.to_owned(),
        ..released::named(object, manifest, stage)
    }
}

/// The digest of a set: names and manifests, in order.
pub fn digest(objects: &[Rendered]) -> String {
    let lines: Vec<_> = objects
        .iter()
        .map(|rendered| {
            let object = rendered
                .object
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("{object} {}\n", rendered.manifest)
        })
        .collect();
    Digest::of(lines.concat().as_bytes()).to_string()
}
