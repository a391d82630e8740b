//! `DeclareChart`: make the HelmChart of a HelmRelease as it is to be, or delete it.

use fluvial_api::helm_release::origin_labels;
use fluvial_api::kinds;
use fluvial_cluster::{Apply, Delete, Retry, Takeover};
use fluvial_event::{ChartDeclared, DeclareChart, Digest, Event, ObjectRef};
use fluvial_manifest::object;
use serde_json::Value;

use crate::{Executor, Trouble, named, reference};

impl Executor {
    pub(crate) async fn declare_chart(self, command: DeclareChart) -> Result<Event, Trouble> {
        let object = named(command.object)?;
        let chart = named(command.chart)?;
        let done = if command.manifest.is_empty() {
            self.delete_chart(&object, &chart).await
        } else {
            let manifest: Value = serde_json::from_slice(&command.manifest)
                .map_err(|error| Trouble::Command(error.to_string()))?;
            self.apply_chart(&manifest).await
        };
        let mut declared = ChartDeclared {
            object: Some(object),
            chart: Some(chart),
            ..ChartDeclared::default()
        };
        match done {
            Ok(changed) => {
                declared.changed = changed;
                if !command.manifest.is_empty() {
                    declared.digest = Digest::of(&command.manifest).to_string();
                }
            }
            Err(error) if error.retry() == Retry::Soon => return Err(error.into()),
            Err(error) => declared.failure = error.to_string(),
        }
        Ok(declared.into())
    }

    async fn apply_chart(&self, manifest: &Value) -> Result<bool, fluvial_cluster::Error> {
        let target = fluvial_cluster::Reference::of(manifest)?;
        let live = self.cluster.get(&target).await?;
        let known = live
            .as_ref()
            .and_then(|live| live.pointer("/metadata/resourceVersion"))
            .and_then(Value::as_str);
        let how = Apply {
            field_manager: kinds::HELM_RELEASE.controller.to_owned(),
            known: known.map(str::to_owned),
            takeover: Takeover::Nobody,
            ..Apply::flux()
        };
        let applied = self.cluster.apply(manifest, &how).await?;
        Ok(applied.action != fluvial_cluster::Action::Unchanged)
    }

    /// Deletes a HelmChart that was made for `object`, and no other.
    async fn delete_chart(
        &self,
        object: &ObjectRef,
        chart: &ObjectRef,
    ) -> Result<bool, fluvial_cluster::Error> {
        let target = reference(chart);
        let Some(live) = self.cluster.get(&target).await? else {
            return Ok(false);
        };
        let origin = origin_labels(&object.namespace, &object.name);
        let is_ours = origin
            .iter()
            .all(|(key, value)| object::label(&live, key) == Some(value));
        if !is_ours {
            return Ok(false);
        }
        let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
        let how = Delete {
            uid: uid.map(str::to_owned),
            ..Delete::default()
        };
        self.cluster.delete(&target, &how).await?;
        Ok(true)
    }
}
