//! The status of a HelmChart, in source-controller's words.
//!
//! A chart that is the same changes nothing here but the revision of the source that it was looked for in.

use fluvial_api::condition::{BUILD_FAILED, FETCH_FAILED, SOURCE_VERIFIED, Truth};
use fluvial_api::{HelmChartSpec, HelmChartStatus, Reason};
use fluvial_event::{
    ArtifactFetched, Concluded, FetchHelmChart, ResourceObserved, Waited, command,
};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
use super::source::{fetching, source};
use super::told::Told;
use super::{Context, Write, artifact};

/// What is said of one HelmChart.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct HelmChart {
    pub(super) status: HelmChartStatus,
    /// Whether values files may be missing: those that were there are then said.
    may_be_missing: bool,
}

impl Write for HelmChart {
    type Written = HelmChartStatus;

    fn written(&self) -> &HelmChartStatus {
        &self.status
    }
}

impl HelmChart {
    pub(super) fn observe(&mut self, seen: &ResourceObserved) {
        let spec = serde_json::from_slice::<HelmChartSpec>(&seen.spec);
        self.may_be_missing = spec.is_ok_and(|spec| spec.ignore_missing_values_files);
    }

    pub(super) fn apply(&mut self, context: &Context<'_>, told: &Told<'_>) {
        match told {
            Told::Issued(command) => {
                if let Some(command::Kind::FetchHelmChart(fetch)) = &command.kind {
                    self.begin(context, fetch);
                }
            }
            Told::Fetched(fetched) => self.fetched(context, fetched),
            Told::Waited(waited) => self.wait(context, waited),
            Told::Concluded(concluded) => self.conclude(context, concluded),
            Told::Recalled(_) | Told::RecallFailed(_) | Told::HoldEnded | Told::OfRelease(_) => {}
        }
    }

    fn begin(&mut self, context: &Context<'_>, fetch: &FetchHelmChart) {
        let source = fetch.source.as_ref().and_then(|it| it.artifact.as_ref());
        if let Some(artifact) = source {
            let revision = artifact.revision.clone();
            self.status.observed_source_artifact_revision = Some(revision);
        }
        source!(self.status).begin(context, fetch.generation);
    }

    fn wait(&mut self, context: &Context<'_>, waited: &Waited) {
        if waited.reason != "Suspended" {
            let list = &mut self.status.conditions;
            let said = Saying::of_wait(waited);
            conditions::mark(list, context, FETCH_FAILED, Truth::True, &said);
        }
        source!(self.status).wait(context, waited);
    }

    fn fetched(&mut self, context: &Context<'_>, fetched: &ArtifactFetched) {
        let (Some(packed), Some(chart)) = (&fetched.artifact, &fetched.chart) else {
            return;
        };
        let file = format!("{}-{}.tgz", chart.name, packed.revision);
        self.status.artifact = Some(artifact::served(context, packed, &file));
        self.status.url = Some(artifact::url(context, "latest.tar.gz"));
        self.status.observed_chart_name = Some(chart.name.clone());
        self.status.observed_values_files = if self.may_be_missing {
            chart.values_files.clone()
        } else {
            Vec::new()
        };
    }

    fn conclude(&mut self, context: &Context<'_>, concluded: &Concluded) {
        let said = Saying::of_end(concluded);
        let failed = failed_at(concluded);
        source!(self.status).conclude(context, concluded, &said, failed);
        if concluded.reason == Reason::ChartVerificationError.as_str() {
            let said = Saying {
                reason: Reason::VerificationError.as_str(),
                ..said
            };
            let list = &mut self.status.conditions;
            conditions::mark(list, context, SOURCE_VERIFIED, Truth::False, &said);
        }
    }
}

/// What failed, by its reason. flux: `observeChartBuild`, helmchart_controller.go.
fn failed_at(concluded: &Concluded) -> Option<&'static str> {
    const BUILD: [Reason; 5] = [
        Reason::MetadataPatchError,
        Reason::ValuesFilesError,
        Reason::DependencyBuildError,
        Reason::ChartPackageError,
        Reason::ChartVerificationError,
    ];
    if BUILD.iter().any(|it| it.as_str() == concluded.reason) {
        Some(BUILD_FAILED)
    } else {
        fetching(concluded)
    }
}
