//! `RenderRelease`: from a chart and values to a release record, and the objects and hooks that it asks for.

use fluvial_api::HelmReleaseSpec;
use fluvial_apply::Owner;
use fluvial_event::{Event, ObjectRef, ReleaseRendered, RenderRelease, Timestamp};
use fluvial_helm::release::storage::before;
use fluvial_helm::release::{Info, Record};
use fluvial_manifest::Map;
use fluvial_render::Refusal;
use fluvial_render::helm::{ReleaseJob, RenderedRelease};
use serde_json::Value;

use crate::build::{BUILT_BYTES_MAX, digest, too_many};
use crate::inspect_release::{broken, failed, spec, unreadable};
use crate::rendering::{Occasion, release_job, rendered};
use crate::{Executor, Trouble, named, parsed};

/// What a release goes on from.
#[derive(Default)]
struct Before {
    /// When the release was first made.
    first_deployed: Option<String>,
    /// The values that its chart assumed.
    defaults: Option<Map<String, Value>>,
}

impl Executor {
    pub(crate) async fn render_release(self, command: RenderRelease) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let spec = spec(&command.spec)?;
        let rendered = self.plan_release(&object, &spec, &command).await?;
        Ok(rendered.unwrap_or_else(|refusal| {
            let verb = &command.action;
            let (namespace, name) = (
                spec.release_namespace(&object.namespace),
                spec.release_name(&object.name),
            );
            let message = format!(
                "Helm {verb} failed for release {namespace}/{name}: {}",
                refusal.message
            );
            failed(object, command.generation, Refusal { message, ..refusal })
        }))
    }

    async fn plan_release(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RenderRelease,
    ) -> Result<Result<Event, Refusal>, Trouble> {
        let before = match self.before(object, spec, command).await? {
            Ok(before) => before,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let values: Map<String, Value> = serde_json::from_slice(&self.kept(&command.values).await?)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let job = self
            .job(object, spec, command, values, before.defaults)
            .await?;
        let config = job.values.clone();
        let rendered = match self.render(object, spec, job).await? {
            Ok(rendered) => rendered,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let record = Record {
            name: spec.release_name(&object.name),
            info: Info {
                first_deployed: before.first_deployed.or_else(|| Some(command.at.clone())),
                last_deployed: Some(command.at.clone()),
                notes: rendered.notes.clone(),
                ..Info::default()
            },
            chart: rendered.chart.clone(),
            config,
            manifest: rendered.manifest.clone(),
            hooks: Some(
                rendered
                    .hooks
                    .iter()
                    .map(|it| it.recorded.clone())
                    .collect(),
            ),
            version: command.version,
            namespace: spec.release_namespace(&object.namespace).to_owned(),
            apply_method: "ssa".to_owned(),
        };
        self.planned(object, spec, command, &record, rendered).await
    }

    async fn planned(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RenderRelease,
        record: &Record,
        rendered: RenderedRelease,
    ) -> Result<Result<Event, Refusal>, Trouble> {
        let owner = Owner::release(&record.namespace, &record.name);
        let objects = match self.released(&owner, rendered.objects).await? {
            Ok(objects) => objects,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let is_upgrade = command.action == "upgrade";
        let count = objects.len();
        let planned: Event = ReleaseRendered {
            object: Some(object.clone()),
            generation: command.generation,
            action: command.action.clone(),
            version: command.version,
            release: self.keep(record.to_json()).await?,
            prerequisites: self
                .prerequisites(object, spec, is_upgrade, rendered.definitions)
                .await?,
            digest: digest(&objects),
            objects,
            hooks: self.hooks(&record.namespace, rendered.hooks).await?,
        }
        .into();
        let bytes = planned.payload().len();
        if bytes <= BUILT_BYTES_MAX {
            return Ok(Ok(planned));
        }
        Ok(Err(too_many(count, bytes)))
    }

    /// What storage knows of the release before this one.
    async fn before(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RenderRelease,
    ) -> Result<Result<Before, Refusal>, Trouble> {
        if command.action != "upgrade" {
            return Ok(Ok(Before::default()));
        }
        let storage = self.storage_of(object, spec)?;
        let all = match storage.all().await {
            Ok(all) => all,
            Err(error) => return unreadable(error),
        };
        let Some(last) = before(&all.records, command.version) else {
            return Ok(Ok(Before::default()));
        };
        Ok(match last.record() {
            Ok(record) => {
                let defaults = record.chart.get("values").and_then(Value::as_object);
                Ok(Before {
                    defaults: defaults.filter(|_| spec.upgrade.preserve_values).cloned(),
                    first_deployed: record.info.first_deployed,
                })
            }
            Err(why) => Err(broken(&storage, last.version, &why)),
        })
    }

    async fn job(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RenderRelease,
        values: Map<String, Value>,
        defaults: Option<Map<String, Value>>,
    ) -> Result<ReleaseJob, Trouble> {
        let at: Timestamp = command
            .at
            .parse()
            .map_err(|error| Trouble::Command(format!("{error}")))?;
        let (seconds, nanos) = (
            at.0.div_euclid(1_000_000_000),
            at.0.rem_euclid(1_000_000_000),
        );
        let occasion = Occasion {
            version: command.version,
            is_upgrade: command.action == "upgrade",
            seed: parsed(&command.seed)?.0,
            now: (seconds, u32::try_from(nanos).unwrap_or_default()),
        };
        let job = release_job(&self.cluster, object, spec, values, occasion).await?;
        let artifact = command.artifact.clone().unwrap_or_default();
        Ok(ReleaseJob {
            artifact: artifact.blob,
            revision: artifact.revision,
            defaults,
            ..job
        })
    }

    /// Renders, and looks up what templates ask for until they ask for nothing more.
    async fn render(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        job: ReleaseJob,
    ) -> Result<Result<RenderedRelease, Refusal>, Trouble> {
        let account = spec.service_account_name.as_deref().unwrap_or_default();
        let tenant = self.acting_as(object, account)?;
        let digest = parsed(&job.artifact)?;
        let render = |job| async move {
            let archive = || self.blob(digest);
            let rendered = self.renderer.release(&object.namespace, job, &archive);
            Ok::<_, Trouble>(rendered.await?)
        };
        rendered(&tenant, job, render).await
    }
}
