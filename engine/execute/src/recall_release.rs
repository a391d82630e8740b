//! `RecallRelease`: read a stored release back, to roll back to it, to test it, to uninstall or to unlock it.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_apply::Owner;
use fluvial_cluster::{Cause, Reference, Retry};
use fluvial_event::{Event, ObjectRef, RecallRelease, ReleaseRendered};
use fluvial_helm::release::{Record, storage};
use fluvial_render::Refusal;
use fluvial_render::helm::RecordJob;

use crate::build::digest;
use crate::inspect_release::{broken, failed, spec, unreadable};
use crate::released::ignored;
use crate::storage::Storage;
use crate::{Executor, Trouble, named};

impl Executor {
    pub(crate) async fn recall_release(self, command: RecallRelease) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let spec = spec(&command.spec)?;
        let recalled = self.recall_record(&object, &spec, &command).await?;
        Ok(recalled.unwrap_or_else(|refusal| failed(object, command.generation, refusal)))
    }

    async fn recall_record(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RecallRelease,
    ) -> Result<Result<Event, Refusal>, Trouble> {
        let target: ReleaseSnapshot = serde_json::from_str(&command.snapshot)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let account = spec.service_account_name.as_deref().unwrap_or_default();
        let records = Storage {
            cluster: self.acting_as(object, account)?,
            namespace: command.storage_namespace.clone(),
            name: target.name.clone(),
        };
        let all = match records.all().await {
            Ok(all) => all,
            Err(error) => return self.unreadable_as(object, account, error).await,
        };
        let is_rollback = command.action == "rollback";
        let all = all.records;
        let found = storage::meant(&all, command, target.version);
        let Some(found) = found else {
            return Ok(Err(missing(&target, is_rollback)));
        };
        let mut record = match found.record() {
            Ok(record) => record,
            Err(why) => return Ok(Err(broken(&records, found.version, &why))),
        };
        if is_rollback {
            let newest = all.last().and_then(|it| it.record().ok());
            storage::roll_back(&mut record, command, newest);
        }
        self.recalled(object, spec, command, &record).await
    }

    async fn recalled(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        command: &RecallRelease,
        record: &Record,
    ) -> Result<Result<Event, Refusal>, Trouble> {
        let job = RecordJob {
            namespace: record.namespace.clone(),
            manifest: record.manifest.clone(),
            hooks: record.hooks.clone().unwrap_or_default(),
            ignore: ignored(spec),
        };
        let read = match self.renderer.record(&object.namespace, job).await? {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let owner = Owner::release(&record.namespace, &record.name);
        let objects = match self.released(&owner, read.objects).await? {
            Ok(objects) => objects,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(Ok(ReleaseRendered {
            object: Some(object.clone()),
            generation: command.generation,
            action: command.action.clone(),
            version: command.version,
            release: self.keep(record.to_json()).await?,
            prerequisites: Vec::new(),
            digest: digest(&objects),
            objects,
            hooks: self.hooks(&record.namespace, read.hooks).await?,
        }
        .into()))
    }

    /// A tenant whose account is gone can no longer uninstall: that is another reason than what was refused.
    async fn unreadable_as<T>(
        &self,
        object: &ObjectRef,
        account: &str,
        error: fluvial_cluster::Error,
    ) -> Result<Result<T, Refusal>, Trouble> {
        let is_refused = matches!(error.cause(), Cause::Forbidden { .. });
        if error.retry() == Retry::Soon || account.is_empty() || !is_refused {
            return unreadable(error);
        }
        let reference = Reference::new("v1", "ServiceAccount", &object.namespace, account);
        if self.cluster.get(&reference).await?.is_some() {
            return unreadable(error);
        }
        Ok(Err(Refusal {
            reason: "AccountNotFound".to_owned(),
            message: format!(
                "ServiceAccount/{}/{account} is not there; create it, or correct spec.serviceAccountName",
                object.namespace
            ),
        }))
    }
}

fn missing(target: &ReleaseSnapshot, is_rollback: bool) -> Refusal {
    let reason = if is_rollback {
        "MissingRollbackTarget"
    } else {
        "ReleaseNotFound"
    };
    Refusal {
        reason: reason.to_owned(),
        message: format!(
            "release {} is not in Helm's storage any more",
            target.full_name()
        ),
    }
}
