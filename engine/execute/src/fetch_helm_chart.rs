//! `FetchHelmChart`: pull a chart or package it, and store it as an artifact.

use std::collections::BTreeMap;

use fluvial_api::helm_chart::ReconcileStrategy;
use fluvial_api::{HelmChartSpec, HelmRepository, HelmRepositorySpec, kinds};
use fluvial_cluster::{Resource, Selector};
use fluvial_event::{
    Artifact, ArtifactFetched, ChartSource, Digest, Event, FetchHelmChart, ObjectRef, PackedChart,
    SourceUnchanged,
};
use fluvial_source::helm::{self, Built, ChartRequest, From, Known, Repository};
use fluvial_source::{Limits, archive};
use tokio::runtime::Handle;

use crate::refusal::Refusal;
use crate::{Executor, Trouble, named};

/// flux: a whole hash would fill a label, which has 63 characters.
const REVISION_CHARACTERS: usize = 12;

impl Executor {
    pub(crate) async fn fetch_helm_chart(self, command: FetchHelmChart) -> Result<Event, Trouble> {
        let object = named(command.object.clone())?;
        let generation = command.generation;
        match self.chart_request(&object, &command).await? {
            Ok(request) => self.make_chart(object, request, command).await,
            Err(refusal) => Ok(refusal.into_event(Some(object), generation)),
        }
    }

    async fn chart_request(
        &self,
        object: &ObjectRef,
        command: &FetchHelmChart,
    ) -> Result<Result<ChartRequest, Refusal>, Trouble> {
        let spec: HelmChartSpec = serde_json::from_slice(&command.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let source = command
            .source
            .as_ref()
            .ok_or_else(|| Trouble::Command("it names no source".into()))?;
        if let Some(verify) = &spec.verify {
            return Ok(Err(Refusal {
                reason: "ChartVerificationError",
                message: format!(
                    "chart verification error: cannot verify the signature of {object}: spec.verify with provider \
                     {} is not supported by this version of Fluvial; remove it to take the chart unverified",
                    serde_json::to_string(&verify.provider).unwrap_or_default()
                ),
                terminal: true,
            }));
        }
        let from = match self.chart_source(source).await? {
            Ok(from) => from,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let values_files: Vec<String> = spec
            .values_files_to_merge()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let version_metadata = metadata(&spec, source, command.generation, &values_files);
        Ok(Ok(ChartRequest {
            version_metadata,
            values_files,
            ignore_missing_values_files: spec.ignore_missing_values_files,
            chart: spec.chart,
            version: spec.version,
            from,
            known: known(command),
            limits: helm::Limits::default(),
        }))
    }

    /// Where the chart is, with what is needed to get it from there.
    async fn chart_source(&self, source: &ChartSource) -> Result<Result<From, Refusal>, Trouble> {
        let object = named(source.object.clone())?;
        let artifact = source.artifact.as_ref();
        if object.kind != kinds::HELM_REPOSITORY.kind {
            let packed = self.artifact(artifact).await?;
            let tree = archive::unpack(&packed, &Limits::default());
            return Ok(tree.map(From::Tree).map_err(Refusal::from));
        }
        let spec: HelmRepositorySpec = serde_json::from_slice(&source.spec)
            .map_err(|error| Trouble::Command(error.to_string()))?;
        let is_registry = spec.is_oci();
        let repository = self
            .chart_repository(&object, source.generation, spec)
            .await?;
        let repository = match repository {
            Ok(repository) => repository,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if is_registry {
            return Ok(Ok(From::Registry(repository)));
        }
        let index = self.artifact(artifact).await?;
        Ok(Ok(From::Index { repository, index }))
    }

    /// The bytes of an artifact that was stored before.
    async fn artifact(&self, artifact: Option<&Artifact>) -> Result<Vec<u8>, Trouble> {
        let artifact =
            artifact.ok_or_else(|| Trouble::Command("its source has no artifact".into()))?;
        let digest: Digest = artifact
            .blob
            .parse()
            .map_err(|error| Trouble::Command(format!("its source's artifact: {error}")))?;
        let blobs = self.blobs.clone();
        Ok(tokio::task::spawn_blocking(move || blobs.get(&digest)).await??)
    }

    async fn make_chart(
        self,
        object: ObjectRef,
        request: ChartRequest,
        command: FetchHelmChart,
    ) -> Result<Event, Trouble> {
        let generation = command.generation;
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            let repositories = |url: &str| handle.block_on(self.repository_at(&object, url));
            let built = match helm::build(&request, &repositories) {
                Ok(built) => built,
                Err(error) => return Ok(Refusal::from(error).into_event(Some(object), generation)),
            };
            Ok(match built {
                Built::Unchanged => SourceUnchanged {
                    object: Some(object),
                    generation,
                    revision: command.observed.unwrap_or_default().revision,
                    validators: None,
                }
                .into(),
                Built::New {
                    name,
                    version,
                    archive: packed,
                    values_files,
                    packaged,
                    dependencies,
                } => ArtifactFetched {
                    object: Some(object),
                    generation,
                    artifact: Some(Artifact {
                        revision: version,
                        digest: archive::digest(&packed),
                        bytes: packed.len() as u64,
                        blob: self.blobs.put(&packed)?.to_string(),
                        commit: None,
                    }),
                    validators: None,
                    metadata: BTreeMap::new(),
                    chart: Some(PackedChart {
                        name,
                        values_files,
                        packaged,
                        dependencies: u32::try_from(dependencies).unwrap_or(u32::MAX),
                        verified: String::new(),
                    }),
                }
                .into(),
            })
        })
        .await?
    }

    /// The repository of a dependency: the HelmRepository beside the chart that has its address, or else
    /// the address alone. flux: `namespacedChartRepositoryCallback`.
    async fn repository_at(&self, chart: &ObjectRef, url: &str) -> Result<Repository, helm::Error> {
        let failed = |why: String| helm::Error {
            reason: "DependencyBuildError",
            message: format!("failed to get chart repository for URL: {why}"),
            retry: fluvial_source::Retry::Soon,
        };
        let kind = &kinds::HELM_REPOSITORY;
        let resource = Resource {
            group: kind.group.into(),
            version: kind.version().into(),
            kind: kind.kind.into(),
            plural: kind.plural.into(),
            aliases: Vec::new(),
            namespaced: true,
            status: true,
            verbs: vec!["list".into()],
        };
        let beside = Selector::namespace(&chart.namespace);
        let all = self.cluster.list_all(&resource, &beside).await;
        let all = all.map_err(|error| failed(error.to_string()))?;
        let same = |it: &HelmRepository| helm::is_same_address(&it.spec.url, url);
        let found = all
            .iter()
            .filter_map(|object| HelmRepository::read(object).ok())
            .find(same);
        let Some(found) = found else {
            return Ok(Repository::new(url));
        };
        match self.repository_of(chart, &found.spec).await {
            Ok(Ok(repository)) => Ok(repository),
            Ok(Err(refusal)) => Err(failed(refusal.message)),
            Err(trouble) => Err(failed(trouble.to_string())),
        }
    }
}

/// The chart at hand, if the same may be made again.
fn known(command: &FetchHelmChart) -> Option<Known> {
    Some(Known {
        name: command.chart.as_ref()?.name.clone(),
        version: command.observed.as_ref()?.revision.clone(),
    })
}

/// The build metadata by which users of the chart notice what is no other version.
///
/// flux: `buildFromHelmRepository` and `buildFromTarballArtifact`, helmchart_controller.go.
fn metadata(
    spec: &HelmChartSpec,
    source: &ChartSource,
    generation: i64,
    values_files: &[String],
) -> String {
    let mut parts = Vec::new();
    let is_repository = spec.source_ref.kind == kinds::HELM_REPOSITORY.kind;
    if spec.reconcile_strategy == ReconcileStrategy::Revision && !is_repository {
        let revision = source.artifact.as_ref().map(|it| it.revision.as_str());
        let hash = revision.unwrap_or_default().rsplit(':').next();
        parts.push(
            hash.unwrap_or_default()
                .chars()
                .take(REVISION_CHARACTERS)
                .collect(),
        );
    }
    if !values_files.is_empty() {
        parts.push(generation.to_string());
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use fluvial_api::HelmChart;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_other_version_is_told_apart_by_metadata() {
        let files = vec!["prod.yaml".to_owned()];
        for (kind, strategy, revision, files, expected) in [
            (
                "HelmRepository",
                "ChartVersion",
                "sha256:0123456789abcdef",
                &[][..],
                "",
            ),
            (
                "HelmRepository",
                "Revision",
                "sha256:0123456789abcdef",
                &[],
                "",
            ),
            ("HelmRepository", "ChartVersion", "", &files, "7"),
            (
                "GitRepository",
                "ChartVersion",
                "main@sha1:0123456789abcdef",
                &[],
                "",
            ),
            (
                "GitRepository",
                "Revision",
                "main@sha1:0123456789abcdef",
                &[],
                "0123456789ab",
            ),
            (
                "GitRepository",
                "Revision",
                "sha1:0123456789abcdef",
                &files,
                "0123456789ab.7",
            ),
            (
                "Bucket",
                "Revision",
                "sha256:fedcba9876543210",
                &[],
                "fedcba987654",
            ),
        ] {
            let object = json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "HelmChart",
                "metadata": {"name": "a", "namespace": "b"},
                "spec": {
                    "chart": "a", "interval": "1m", "reconcileStrategy": strategy,
                    "sourceRef": {"kind": kind, "name": "s"},
                },
            });
            let spec = HelmChart::read(&object).unwrap().spec;
            let source = ChartSource {
                artifact: Some(Artifact {
                    revision: revision.into(),
                    ..Artifact::default()
                }),
                ..ChartSource::default()
            };
            assert_eq!(
                metadata(&spec, &source, 7, files),
                expected,
                "{kind} {strategy}"
            );
        }
    }
}
