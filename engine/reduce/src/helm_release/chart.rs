//! The HelmChart that is made from `spec.chart`, as helm-controller makes it.

use fluvial_api::helm_release::{ChartTemplate, origin_labels};
use fluvial_api::{HelmChart, HelmReleaseSpec};
use fluvial_event::{DeclareChart, Digest, ObjectRef, command};
use serde_json::{Map, Value, json};

use super::HelmRelease;
use crate::schedule::Due;
use crate::world::World;

const GROUP: &str = "source.toolkit.fluxcd.io";

impl HelmRelease {
    /// The source of the chart, by identity.
    pub(crate) fn source(&self, object: &ObjectRef) -> Option<ObjectRef> {
        let spec = self.spec.as_ref()?;
        if let Some(template) = &spec.chart {
            return Some(made(object, template));
        }
        let reference = spec.chart_ref.as_ref()?;
        Some(ObjectRef {
            group: GROUP.into(),
            version: String::new(),
            kind: reference.kind.clone(),
            namespace: reference
                .namespace
                .clone()
                .unwrap_or_else(|| object.namespace.clone()),
            name: reference.name.clone(),
        })
    }

    /// The HelmChart is made, changed or deleted first, where it is not as it is to be.
    pub(super) fn declare_chart(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
        world: &World,
    ) -> Option<Due> {
        let chart = spec.chart.as_ref().map(|it| made(object, it));
        if let Some(old) = self.made_before()
            && chart.as_ref() != Some(&old)
        {
            return Some(self.delete_chart(object, old));
        }
        let (chart, template) = chart.zip(spec.chart.as_ref())?;
        let manifest = manifest(object, &chart, template, spec);
        let digest = Digest::of(&fluvial_manifest::digest::canonical(&manifest)).to_string();
        let is_lost = self.core.chart_seen && !world.knows(&chart);
        let observed = observed(&chart, world);
        let is_news = observed != self.core.chart_observed;
        let is_edited = is_news && is_edited(&chart, &manifest, world);
        if digest == self.core.chart_digest && !is_lost && !is_edited {
            return None;
        }
        let declare = DeclareChart {
            object: Some(self.core.declared.named(object)),
            chart: Some(with_version(chart)),
            manifest: fluvial_manifest::digest::canonical(&manifest),
            observed,
        };
        let kind = command::Kind::DeclareChart(Box::new(declare));
        Some(self.core.declared.command(kind))
    }

    /// The HelmChart that was made, by what the status says.
    pub(super) fn made_before(&self) -> Option<ObjectRef> {
        let (namespace, name) = self.core.status.helm_chart.split_once('/')?;
        Some(ObjectRef {
            group: GROUP.into(),
            version: String::new(),
            kind: "HelmChart".into(),
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    pub(super) fn delete_chart(&self, object: &ObjectRef, chart: ObjectRef) -> Due {
        let declare = DeclareChart {
            object: Some(self.core.declared.named(object)),
            chart: Some(with_version(chart)),
            manifest: Vec::new(),
            observed: String::new(),
        };
        let kind = command::Kind::DeclareChart(Box::new(declare));
        self.core.declared.command(kind)
    }
}

fn with_version(chart: ObjectRef) -> ObjectRef {
    ObjectRef {
        version: "v1".into(),
        ..chart
    }
}

fn made(object: &ObjectRef, template: &ChartTemplate) -> ObjectRef {
    let namespace = template.spec.source_ref.namespace.as_ref();
    ObjectRef {
        group: GROUP.into(),
        version: String::new(),
        kind: "HelmChart".into(),
        namespace: namespace.unwrap_or(&object.namespace).clone(),
        name: format!("{}-{}", object.namespace, object.name),
    }
}

/// helm-controller: `buildHelmChartFromTemplate` in `internal/reconcile/helmchart_template.go`.
fn manifest(
    object: &ObjectRef,
    chart: &ObjectRef,
    template: &ChartTemplate,
    whole: &HelmReleaseSpec,
) -> Value {
    let wanted = &template.spec;
    let mut labels = Map::new();
    let mut annotations = Map::new();
    if let Some(metadata) = &template.metadata {
        let text = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
        labels.extend(metadata.labels.iter().map(text));
        annotations.extend(metadata.annotations.iter().map(text));
    }
    let origin = origin_labels(&object.namespace, &object.name);
    labels.extend(origin.into_iter().map(|(key, value)| (key, value.into())));
    let mut spec = json!({
        "chart": wanted.chart,
        "version": wanted.version.as_deref().unwrap_or("*"),
        "sourceRef": {"kind": wanted.source_ref.kind, "name": wanted.source_ref.name},
        "interval": wanted.interval.unwrap_or(whole.interval),
        "reconcileStrategy": wanted.reconcile_strategy.as_deref().unwrap_or("ChartVersion"),
    });
    let mut files = wanted.values_files.clone();
    files.extend(wanted.values_file.clone().filter(|_| files.is_empty()));
    if !files.is_empty() {
        spec["valuesFiles"] = json!(files);
    }
    if wanted.ignore_missing_values_files {
        spec["ignoreMissingValuesFiles"] = json!(true);
    }
    if let Some(verify) = &wanted.verify {
        spec["verify"] = json!(verify);
    }
    let mut metadata = json!({
        "name": chart.name, "namespace": chart.namespace, "labels": labels,
    });
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "HelmChart", "metadata": metadata, "spec": spec,
    })
}

/// A HelmChart as it was last seen.
fn observed(chart: &ObjectRef, world: &World) -> String {
    let source = world.source(chart).map(|source| &source.declared);
    source.map_or_else(String::new, |it| format!("{}/{}", it.uid, it.generation))
}

/// Whether a HelmChart that is there is not as `manifest` has it. What others set beside is theirs.
fn is_edited(chart: &ObjectRef, manifest: &Value, world: &World) -> bool {
    let (Some(source), Ok(wanted)) = (world.source(chart), HelmChart::read(manifest)) else {
        return false;
    };
    let live: Value = serde_json::from_slice(&source.declared.spec).unwrap_or_default();
    let wanted = serde_json::to_value(wanted.spec).unwrap_or_default();
    let mut wanted = wanted.as_object().into_iter().flatten();
    wanted.any(|(key, value)| live.get(key) != Some(value))
}
