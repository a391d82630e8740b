//! The status of a HelmChart, in source-controller's words.
//!
//! A chart that is the same changes nothing here but the revision of the source that it was looked for in.

use fluvial_api::condition::{
    self, ARTIFACT_IN_STORAGE, BUILD_FAILED, FETCH_FAILED, SOURCE_VERIFIED, Truth,
};
use fluvial_api::{HelmChartSpec, HelmChartStatus, Reason};
use fluvial_event::{ArtifactFetched, Concluded, Event, ResourceObserved, command};
use wincode::{SchemaRead, SchemaWrite};

use super::conditions::{self, Saying};
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

    pub(super) fn apply(&mut self, context: &Context<'_>) {
        match &context.record.event {
            Event::CommandIssued(issued) => {
                let kind = issued.command.as_ref().and_then(|it| it.kind.as_ref());
                if let Some(command::Kind::FetchHelmChart(fetch)) = kind {
                    let source = fetch.source.as_ref().and_then(|it| it.artifact.as_ref());
                    self.begin(
                        context,
                        fetch.generation,
                        source.map(|it| it.revision.clone()),
                    );
                }
            }
            Event::ArtifactFetched(fetched) => self.fetched(context, fetched),
            Event::Waited(waited) => {
                if waited.reason != "Suspended" {
                    self.handled(context.requested_at);
                    let said = Saying {
                        reason: &waited.reason,
                        message: &waited.message,
                    };
                    let list = &mut self.status.conditions;
                    conditions::mark(list, context, FETCH_FAILED, Truth::True, &said);
                    conditions::fail(list, context, &said);
                }
            }
            Event::Concluded(concluded) => self.conclude(context, concluded),
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::ManifestsBuilt(_)
            | Event::BuildFailed(_)
            | Event::ManifestsRecalled(_)
            | Event::RecallFailed(_)
            | Event::ChartDeclared(_)
            | Event::ReleaseInspected(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::ReleaseStored(_)
            | Event::HookRan(_)
            | Event::HoldEnded(_)
            | Event::ObjectsApplied(_)
            | Event::ObjectsPruned(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::NotificationDelivered(_)
            | Event::NotificationFailed(_)
            | Event::NotificationParked(_) => {}
        }
    }

    fn begin(&mut self, context: &Context<'_>, generation: i64, source: Option<String>) {
        if source.is_some() {
            self.status.observed_source_artifact_revision = source;
        }
        if self.status.observed_generation != Some(generation) {
            let message = format!("reconciling new object generation ({generation})");
            conditions::progress(&mut self.status.conditions, context, &message);
        }
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
        self.handled(&concluded.requested_at);
        let list = &mut self.status.conditions;
        let said = Saying {
            reason: &concluded.reason,
            message: &concluded.message,
        };
        condition::remove(list, FETCH_FAILED);
        condition::remove(list, BUILD_FAILED);
        condition::remove(list, SOURCE_VERIFIED);
        if concluded.ready {
            conditions::succeed(list, context, &said);
            conditions::mark(list, context, ARTIFACT_IN_STORAGE, Truth::True, &said);
            self.status.observed_generation = Some(concluded.generation);
            return;
        }
        if let Some(aspect) = failed_at(&concluded.reason) {
            conditions::mark(list, context, aspect, Truth::True, &said);
        }
        if concluded.reason == Reason::ChartVerificationError.as_str() {
            let said = Saying {
                reason: Reason::VerificationError.as_str(),
                ..said
            };
            conditions::mark(list, context, SOURCE_VERIFIED, Truth::False, &said);
        }
        if concluded.stalled {
            conditions::stall(list, context, &said);
            self.status.observed_generation = Some(concluded.generation);
        } else {
            conditions::fail(list, context, &said);
        }
    }

    fn handled(&mut self, requested_at: &str) {
        if !requested_at.is_empty() {
            self.status.last_handled_reconcile_at = Some(requested_at.to_owned());
        }
    }
}

/// What failed, by its reason. flux: `observeChartBuild`, helmchart_controller.go.
fn failed_at(reason: &str) -> Option<&'static str> {
    const BUILD: [Reason; 5] = [
        Reason::MetadataPatchError,
        Reason::ValuesFilesError,
        Reason::DependencyBuildError,
        Reason::ChartPackageError,
        Reason::ChartVerificationError,
    ];
    if BUILD.iter().any(|it| it.as_str() == reason) {
        Some(BUILD_FAILED)
    } else {
        (reason != "InvalidSpec").then_some(FETCH_FAILED)
    }
}
