//! `InspectRelease`: read the chart and the values of a HelmRelease, and what Helm's storage holds of it.

use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_api::{HelmReleaseSpec, oci_repository};
use fluvial_apply::Owner;
use fluvial_cluster::Retry;
use fluvial_event::{Event, InspectRelease, ObjectRef, ReleaseFailed, ReleaseInspected, Rendered};
use fluvial_helm::release::Record;
use fluvial_helm::release::storage::snapshot;
use fluvial_render::Refusal;
use fluvial_render::helm::{ChartValues, RecordJob, ValuesJob};

use crate::released::ignored;
use crate::storage::Storage;
use crate::{Executor, Trouble, named, parsed, values};

/// What was found, or why nothing can be.
type Found<T> = Result<Result<T, Refusal>, Trouble>;

impl Executor {
    pub(crate) async fn inspect_release(self, command: InspectRelease) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let spec = spec(&command.spec)?;
        let inspected = self.inspect(&object, &spec, &command).await?;
        Ok(inspected.unwrap_or_else(|refusal| failed(object, command.generation, refusal)))
    }

    async fn inspect(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &InspectRelease,
    ) -> Found<Event> {
        let newest = match self.newest(object, spec).await? {
            Ok(newest) => newest,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let chart = match self
            .chart_values(object, spec, command, newest.as_ref())
            .await?
        {
            Ok(chart) => chart,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let latest: Option<ReleaseSnapshot> = serde_json::from_str(&command.latest).ok();
        let stored = newest.as_ref().map(|record| {
            let same = latest
                .as_ref()
                .filter(|it| it.name == record.name && it.version == record.version);
            snapshot(record, same.map_or("", |it| it.oci_digest.as_str()))
        });
        let objects = match newest.filter(|_| command.adopt) {
            Some(record) => match self.objects_of(object, spec, &record).await? {
                Ok(objects) => objects,
                Err(refusal) => return Ok(Err(refusal)),
            },
            None => Vec::new(),
        };
        let revision = command.artifact.as_ref().map_or("", |it| &it.revision);
        let values = serde_json::to_vec(&chart.values);
        let values = values.map_err(|error| Trouble::Command(error.to_string()))?;
        Ok(Ok(ReleaseInspected {
            object: Some(object.clone()),
            generation: command.generation,
            chart_name: chart.name,
            chart_version: chart.version,
            app_version: chart.app_version,
            values: self.keep(values).await?,
            config_digest: chart.config_digest,
            stored: stored.as_ref().map(json).unwrap_or_default(),
            objects,
            oci_digest: oci_repository::digest_of(revision).to_owned(),
        }
        .into()))
    }

    /// The newest record of the release that `spec` means.
    async fn newest(&self, object: &ObjectRef, spec: &HelmReleaseSpec) -> Found<Option<Record>> {
        let storage = self.storage_of(object, spec)?;
        let all = match storage.all().await {
            Ok(all) => all,
            Err(error) => return unreadable(error),
        };
        let Some(newest) = all.records.last() else {
            return Ok(Ok(None));
        };
        let record = newest.record();
        Ok(record
            .map(Some)
            .map_err(|why| broken(&storage, newest.version, &why)))
    }

    /// Where the records of the release that `spec` means are, as its account may see them.
    pub(crate) fn storage_of(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
    ) -> Result<Storage, Trouble> {
        let account = spec.service_account_name.as_deref().unwrap_or_default();
        Ok(Storage {
            cluster: self.acting_as(object, account)?,
            namespace: spec.storage_namespace(&object.namespace).to_owned(),
            name: spec.release_name(&object.name),
        })
    }

    async fn chart_values(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &InspectRelease,
        newest: Option<&Record>,
    ) -> Found<ChartValues> {
        let layers = values::layers(&self.cluster, &object.namespace, spec).await?;
        let layers = match layers {
            Ok(layers) => layers,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let kept = newest.filter(|_| spec.upgrade.preserve_values);
        let artifact = command.artifact.clone().unwrap_or_default();
        let job = ValuesJob {
            artifact: artifact.blob,
            revision: artifact.revision,
            layers,
            kept: kept.map(|record| record.config.clone()),
        };
        let digest = parsed(&job.artifact)?;
        let archive = || self.blob(digest);
        Ok(self
            .renderer
            .values(&object.namespace, job, &archive)
            .await?)
    }

    /// The objects of a record, as what this HelmRelease owns.
    pub(crate) async fn objects_of(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        record: &Record,
    ) -> Found<Vec<Rendered>> {
        let job = RecordJob {
            namespace: record.namespace.clone(),
            manifest: record.manifest.clone(),
            hooks: Vec::new(),
            ignore: ignored(spec),
        };
        let read = match self.renderer.record(&object.namespace, job).await? {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let owner = Owner::release(&record.namespace, &record.name);
        self.released(&owner, read.objects).await
    }
}

/// The spec that a command carries.
pub(crate) fn spec(bytes: &[u8]) -> Result<HelmReleaseSpec, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble::Command(error.to_string()))
}

/// The outcome that says why a release cannot go on.
pub(crate) fn failed(object: ObjectRef, generation: i64, refusal: Refusal) -> Event {
    ReleaseFailed {
        object: Some(object),
        generation,
        reason: refusal.reason,
        message: refusal.message,
    }
    .into()
}

/// Storage that cannot be read: trouble if it passes by itself, else a reason for the object.
pub(crate) fn unreadable<T>(error: fluvial_cluster::Error) -> Found<T> {
    if error.retry() == Retry::Soon {
        return Err(error.into());
    }
    Ok(Err(Refusal {
        reason: "StateError".to_owned(),
        message: format!("could not determine release state: {error}"),
    }))
}

/// A record that cannot be read.
pub(crate) fn broken(storage: &Storage, version: i64, why: &str) -> Refusal {
    let secret = Record::secret_name(&storage.name, version);
    Refusal {
        reason: "StateError".to_owned(),
        message: format!(
            "could not determine release state: Secret/{}/{secret}: {why}; delete it, or restore it",
            storage.namespace
        ),
    }
}

/// An entry of `status.history` as commands and records carry it.
pub(crate) fn json(snapshot: &ReleaseSnapshot) -> String {
    serde_json::to_string(snapshot).unwrap_or_default()
}
