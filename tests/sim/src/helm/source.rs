//! The simulated executors of Helm's sources: an index, and a chart that it names or that git has.

use fluvial_api::{HelmChartSpec, HelmRepositorySpec};
use fluvial_event::{
    Artifact, ArtifactFetched, Digest, Event, FetchFailed, FetchHelmChart, FetchHelmRepository,
    ObjectRef, PackedChart, SourceUnchanged,
};
use fluvial_log::BlobStore;
use serde::Serialize;

use super::charts::{Chart, Charts, Index, choose, revision};
use crate::executor::Outside;
use crate::git::{Access, Folder, Tree};

/// Why a source has no artifact: a reason and a sentence.
type Failure = (&'static str, String);

fn outcome(object: Option<ObjectRef>, generation: i64, fetched: Result<Event, Failure>) -> Event {
    fetched.unwrap_or_else(|(reason, message)| {
        let failed = FetchFailed {
            object,
            generation,
            reason: reason.into(),
            message,
            terminal: false,
        };
        failed.into()
    })
}

impl Outside<'_> {
    pub(crate) fn fetch_repository(&mut self, fetch: &FetchHelmRepository) -> Event {
        let fetched = self.index(fetch);
        outcome(fetch.object.clone(), fetch.generation, fetched)
    }

    fn index(&self, fetch: &FetchHelmRepository) -> Result<Event, Failure> {
        let invalid = |error: serde_json::Error| ("InvalidSpec", error.to_string());
        let spec: HelmRepositorySpec = serde_json::from_slice(&fetch.spec).map_err(invalid)?;
        let repository = self.charts.0.get(&spec.url);
        let repository = repository.filter(|it| it.access == Access::Open);
        let repository =
            repository.ok_or_else(|| ("Failed", format!("cannot reach {}", spec.url)))?;
        let artifact = self.stored(&Charts::index(repository), None)?;
        if artifact.revision == fetch.observed {
            let unchanged = SourceUnchanged {
                object: fetch.object.clone(),
                generation: fetch.generation,
                revision: artifact.revision,
                validators: None,
            };
            return Ok(unchanged.into());
        }
        let fetched = ArtifactFetched {
            object: fetch.object.clone(),
            generation: fetch.generation,
            artifact: Some(artifact),
            ..ArtifactFetched::default()
        };
        Ok(fetched.into())
    }

    fn stored(&self, content: &impl Serialize, version: Option<&str>) -> Result<Artifact, Failure> {
        let bytes = serde_json::to_vec(content).unwrap_or_default();
        let blob = self.blobs.put(&bytes);
        let blob = blob.map_err(|error| ("StorageOperationFailed", error.to_string()))?;
        Ok(Artifact {
            revision: version.map_or_else(|| revision(&bytes), str::to_owned),
            digest: Digest::of(&bytes).to_string(),
            bytes: bytes.len() as u64,
            blob: blob.to_string(),
            commit: None,
        })
    }

    pub(crate) fn fetch_chart(&mut self, fetch: &FetchHelmChart) -> Event {
        let fetched = self.chart(fetch);
        outcome(fetch.object.clone(), fetch.generation, fetched)
    }

    fn chart(&self, fetch: &FetchHelmChart) -> Result<Event, Failure> {
        let invalid = |error: serde_json::Error| ("InvalidSpec", error.to_string());
        let spec: HelmChartSpec = serde_json::from_slice(&fetch.spec).map_err(invalid)?;
        let source = fetch.source.clone().unwrap_or_default();
        let artifact = source.artifact.unwrap_or_default();
        let is_git = spec.source_ref.kind == "GitRepository";
        let chart = if is_git {
            self.chart_in_git(&artifact, &spec.chart)?
        } else {
            let index: Index = self
                .read(&artifact.blob)
                .map_err(|why| ("StorageOperationFailed", why))?;
            let from: HelmRepositorySpec = serde_json::from_slice(&source.spec).map_err(invalid)?;
            self.chart_by_index(&index, &from.url, &spec)?
        };
        let observed = fetch.observed.as_ref().map(|it| it.revision.as_str());
        if observed == Some(&chart.version) {
            let unchanged = SourceUnchanged {
                object: fetch.object.clone(),
                generation: fetch.generation,
                revision: chart.version,
                validators: None,
            };
            return Ok(unchanged.into());
        }
        let fetched = ArtifactFetched {
            object: fetch.object.clone(),
            generation: fetch.generation,
            artifact: Some(self.stored(&chart, Some(&chart.version))?),
            validators: None,
            chart: Some(PackedChart {
                name: chart.name,
                packaged: is_git,
                ..PackedChart::default()
            }),
            metadata: std::collections::BTreeMap::new(),
        };
        Ok(fetched.into())
    }

    fn chart_by_index(
        &self,
        index: &Index,
        url: &str,
        spec: &HelmChartSpec,
    ) -> Result<Chart, Failure> {
        let name = &spec.chart;
        let wanted = &spec.version;
        let version = choose(index, name, wanted);
        let version = version.ok_or_else(|| {
            let why = format!("no chart version found for {name}-{wanted}");
            ("InvalidChartReference", why)
        })?;
        let is_open = self
            .charts
            .0
            .get(url)
            .is_some_and(|it| it.access == Access::Open);
        let found = self.charts.find(url, name, version).filter(|_| is_open);
        found
            .cloned()
            .ok_or_else(|| ("ChartPullError", format!("cannot reach {url}")))
    }

    /// A folder of a commit as a chart. Its version says which commit, as `reconcileStrategy: Revision` has it.
    fn chart_in_git(&self, artifact: &Artifact, path: &str) -> Result<Chart, Failure> {
        let tree: Tree = self
            .read(&artifact.blob)
            .map_err(|why| ("StorageOperationFailed", why))?;
        let Some(Folder::Good(objects)) = tree.get(path) else {
            return Err(("InvalidChartReference", format!("{path} is no chart")));
        };
        let commit = artifact.revision.rsplit(':').next().unwrap_or_default();
        let commit: String = commit.chars().take(12).collect();
        Ok(Chart::new(
            path,
            &format!("0.1.0+{commit}"),
            objects.clone(),
        ))
    }
}
