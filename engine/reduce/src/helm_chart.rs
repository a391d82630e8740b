//! `HelmChart`: when a chart is pulled or packaged again.
//!
//! A chart follows its source: another revision of it is news at once, and the same one, of a source that
//! has revisions, never is. Only a registry, which nobody asks but its charts, is asked at the interval.

use fluvial_api::HelmChartSpec;
use fluvial_event::{ChartSource, FetchHelmChart, ObjectRef, PackedChart, Timestamp, command};

use crate::helm_repository;
use crate::schedule::Due;
use crate::source::{Origin, Source};
use crate::world::World;

/// What is due of a chart that nothing of its own stands in the way of.
pub(crate) fn decide(chart: &Source, object: &ObjectRef, now: Timestamp, world: &World) -> Due {
    let declared = &chart.declared;
    let Some(spec) = spec_of(chart) else {
        let message = "its record cannot be read".to_owned();
        return declared.wait_for(object, "InvalidSpec", message);
    };
    if spec.suspend {
        return declared.wait_for(object, "Suspended", "reconciliation is suspended".into());
    }
    let from = source_of(object, &spec);
    let Some(source) = world.source(&from) else {
        if world.knows(&from) {
            let message = format!(
                "{from} is of a kind that this version of Fluvial does not reconcile yet; use a HelmRepository \
                 or a GitRepository"
            );
            return chart.refuse(object, "UnsupportedSourceKind", message);
        }
        let message =
            format!("failed to get source: {from} not found: create it or correct spec.sourceRef");
        return declared.wait_for(object, "SourceUnavailable", message);
    };
    let is_registry = is_registry(source, &from);
    if source.artifact.is_none() && !is_registry {
        let message = format!(
            "no artifact available for {} source '{}'",
            from.kind, from.name
        );
        return declared.wait_for(object, "NoSourceArtifact", message);
    }
    let from = seen(source, &from, is_registry);
    let is_news = chart.tried.as_ref() != Some(&origin_of(&from));
    if !is_news && !is_registry && is_settled(chart) {
        return Due::Never;
    }
    let next = chart.next(spec.interval);
    if !is_news && now < next {
        return Due::At(next);
    }
    let is_right = chart.is_right();
    let command = FetchHelmChart {
        object: Some(declared.named(object)),
        generation: declared.generation,
        spec: declared.spec.clone(),
        source: Some(from),
        observed: chart.artifact.clone().filter(|_| is_right),
        chart: chart.chart.clone().filter(|_| is_right),
    };
    declared.command(command::Kind::FetchHelmChart(Box::new(command)))
}

/// Whether the same again would end the same.
fn is_settled(chart: &Source) -> bool {
    let declared = &chart.declared;
    let last = declared.concluded.as_ref();
    declared.is_concluded()
        && !declared.is_requested()
        && last.is_some_and(|last| last.ready || last.stalled)
}

fn is_registry(source: &Source, object: &ObjectRef) -> bool {
    object.kind == "HelmRepository"
        && helm_repository::spec_of(source).is_some_and(|spec| spec.is_oci())
}

/// The source as it is now.
fn seen(source: &Source, object: &ObjectRef, is_registry: bool) -> ChartSource {
    let is_repository = object.kind == "HelmRepository";
    ChartSource {
        object: Some(source.declared.named(object)),
        generation: if is_repository {
            source.declared.generation
        } else {
            0
        },
        spec: if is_repository {
            source.declared.spec.clone()
        } else {
            Vec::new()
        },
        artifact: source.artifact.clone().filter(|_| !is_registry),
    }
}

/// What a chart is made from, to tell it from others.
pub(crate) fn origin_of(source: &ChartSource) -> Origin {
    let artifact = source.artifact.as_ref();
    Origin {
        revision: artifact.map(|it| it.revision.clone()).unwrap_or_default(),
        generation: source.generation,
    }
}

/// What is declared, where it can be read.
pub(crate) fn spec_of(chart: &Source) -> Option<HelmChartSpec> {
    serde_json::from_slice(&chart.declared.spec).ok()
}

/// The object that the chart is taken from.
pub(crate) fn source_of(object: &ObjectRef, spec: &HelmChartSpec) -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        version: String::new(),
        kind: spec.source_ref.kind.clone(),
        namespace: object.namespace.clone(),
        name: spec.source_ref.name.clone(),
    }
}

/// Why the chart is ready. flux: `Build.Summary`, internal/helm/chart/builder.go.
pub(crate) fn summary(chart: &PackedChart, version: &str) -> (&'static str, String) {
    let (reason, action) = if chart.packaged {
        ("ChartPackageSucceeded", "packaged")
    } else {
        ("ChartPullSucceeded", "pulled")
    };
    let mut message = format!("{action} '{}' chart with version '{version}'", chart.name);
    if !chart.values_files.is_empty() {
        let files = chart.values_files.join(" ");
        message = format!("{message} and merged values files [{files}]");
    }
    (reason, message)
}
