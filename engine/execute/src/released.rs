//! From what a chart or a release record holds to objects that can be applied, each stored under its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::pin::Pin;

use fluvial_api::helm_release::{CrdsPolicy, HelmReleaseSpec, origin_labels};
use fluvial_api::kustomization::IgnoreRule;
use fluvial_apply::{Object, Owner, Scope, normalize, order};
use fluvial_event::{Digest, Hook, ObjectRef, Rendered};
use fluvial_manifest::digest::canonical;
use fluvial_manifest::{ObjectId, object};
use fluvial_render::Refusal;
use fluvial_render::helm::{ReadHook, ReadObject};
use serde_json::{Value, json};

use crate::{Executor, Trouble, parsed, scopes};

/// What of the objects of `spec` is left to others.
pub(crate) fn ignored(spec: &HelmReleaseSpec) -> Vec<IgnoreRule> {
    let detection = spec.drift_detection.as_ref();
    detection.map(|it| it.ignore.clone()).unwrap_or_default()
}

impl Executor {
    /// The objects of a release, marked as its own, in the order and the stages of their apply.
    pub(crate) async fn released(
        &self,
        owner: &Owner,
        objects: Vec<ReadObject>,
    ) -> Result<Result<Vec<Rendered>, Refusal>, Trouble> {
        let (values, ignored): (Vec<_>, Vec<_>) = objects
            .into_iter()
            .map(|object| (object.value, object.ignored))
            .unzip();
        let scopes = scopes::of(&self.cluster, &values).await?;
        let scope = |id: &ObjectId| scopes.get(&(id.group.clone(), id.kind.clone())).copied();
        let objects = match normalize::as_listed(values, owner, &scope) {
            Ok(objects) => objects,
            Err(error) => return Ok(Err(Refusal::build(error))),
        };
        let ignored: BTreeMap<ObjectId, Vec<String>> = objects
            .iter()
            .map(|it| it.id.clone())
            .zip(ignored)
            .collect();
        let (owner, blobs) = (owner.clone(), self.blobs.clone());
        let stored = tokio::task::spawn_blocking(move || {
            let stages = order::stages(objects, &BTreeSet::new());
            let mut rendered = Vec::new();
            for (stage, number) in stages.into_iter().zip(1..) {
                for object in stage.objects {
                    let manifest = blobs.put(&canonical(&object.value))?.to_string();
                    rendered.push(Rendered {
                        keep: owner.keeps(&object.value),
                        ignored: ignored.get(&object.id).cloned().unwrap_or_default(),
                        ..named(&object, manifest, number)
                    });
                }
            }
            Ok::<_, Trouble>(rendered)
        });
        Ok(Ok(stored.await??))
    }

    /// What stands there before a release: its namespace where that was asked for, and the definitions of
    /// its chart. Neither is the release's own, and neither goes with it.
    pub(crate) async fn prerequisites(
        &self,
        release: &ObjectRef,
        spec: &HelmReleaseSpec,
        is_upgrade: bool,
        definitions: Vec<Value>,
    ) -> Result<Vec<Rendered>, Trouble> {
        let policy = if is_upgrade {
            spec.upgrade.crds_or_default()
        } else {
            spec.install.crds_or_default()
        };
        let mut wanted = Vec::new();
        if spec.install.create_namespace && !is_upgrade {
            let name = spec.release_namespace(&release.namespace);
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}},
            });
            wanted.push((namespace, "IfNotPresent"));
        }
        let definitions = definitions
            .into_iter()
            .filter(|it| object::kind(it) == "CustomResourceDefinition");
        match policy {
            CrdsPolicy::Skip => {}
            CrdsPolicy::Create => wanted.extend(definitions.map(|it| (it, "IfNotPresent"))),
            CrdsPolicy::CreateReplace => wanted.extend(definitions.map(|it| (it, ""))),
        }
        let origin = origin_labels(&release.namespace, &release.name);
        let mut rendered = Vec::new();
        for (mut value, policy) in wanted {
            let Some(id) = ObjectId::of(&value) else {
                continue;
            };
            if id.kind != "Namespace" {
                for (key, label) in &origin {
                    object::set_label(&mut value, key, label);
                }
            }
            let version = object::group_version(object::api_version(&value))
                .1
                .to_owned();
            let manifest = self.keep(canonical(&value)).await?;
            let object = Object { id, version, value };
            rendered.push(Rendered {
                policy: policy.to_owned(),
                ..named(&object, manifest, 0)
            });
        }
        Ok(rendered)
    }

    /// Hooks, each with its object stored.
    pub(crate) async fn hooks(
        &self,
        namespace: &str,
        hooks: Vec<ReadHook>,
    ) -> Result<Vec<Hook>, Trouble> {
        let values: Vec<_> = hooks.iter().map(|it| it.value.clone()).collect();
        let scopes = scopes::of(&self.cluster, &values).await?;
        let mut all = Vec::new();
        for ReadHook {
            recorded,
            mut value,
        } in hooks
        {
            let (group, _) = object::group_version(object::api_version(&value));
            let scope = scopes.get(&(group.to_owned(), object::kind(&value).to_owned()));
            if scope != Some(&Scope::Cluster)
                && object::namespace(&value).is_empty()
                && let Some(Value::Object(metadata)) = value.get_mut("metadata")
            {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
            all.push(Hook {
                name: recorded.name,
                kind: recorded.kind,
                path: recorded.path,
                manifest: self.keep(canonical(&value)).await?,
                events: recorded.events,
                weight: recorded.weight,
                delete_policies: recorded.delete_policies,
            });
        }
        Ok(all)
    }

    /// Stores bytes, and says under which digest.
    pub(crate) async fn keep(&self, bytes: Vec<u8>) -> Result<String, Trouble> {
        let blobs = self.blobs.clone();
        let kept = tokio::task::spawn_blocking(move || blobs.put(&bytes));
        Ok(kept.await??.to_string())
    }

    /// The bytes that are stored under a digest.
    pub(crate) async fn kept(&self, digest: &str) -> Result<Vec<u8>, Trouble> {
        let digest = parsed(digest)?;
        let blobs = self.blobs.clone();
        Ok(tokio::task::spawn_blocking(move || blobs.get(&digest)).await??)
    }

    /// The same, for a worker that wants them.
    pub(crate) fn blob(
        &self,
        digest: Digest,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>> {
        let blobs = self.blobs.clone();
        let read =
            tokio::task::spawn_blocking(move || blobs.get(&digest).map_err(io::Error::other));
        Box::pin(async { read.await? })
    }
}

/// What is recorded of a rendered object that wants nothing special.
pub(crate) fn named(object: &Object, manifest: String, stage: u32) -> Rendered {
    let ObjectId {
        group,
        kind,
        namespace,
        name,
    } = object.id.clone();
    Rendered {
        object: Some(ObjectRef {
            group,
            version: object.version.clone(),
            kind,
            namespace,
            name,
        }),
        manifest,
        stage,
        ..Rendered::default()
    }
}
