//! Charts in a registry: which tag is meant, and the layer that is a chart.

use serde::Deserialize;

use super::resolve::{Candidate, is_exact, pick};
use super::{Error, Limits, Repository, index};
use crate::registry::{self, Digest};
use crate::{Error as SourceError, address};

const CHART_LAYERS: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];

/// The repository of one chart.
pub(super) struct Registry {
    registry: registry::Registry,
    limits: Limits,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

impl Registry {
    /// The repository of one chart.
    pub(super) fn open(
        repository: &Repository,
        chart: &str,
        limits: &Limits,
    ) -> Result<Self, Error> {
        if !repository.is_registry() {
            return Err(Error::lasting(
                "URLInvalid",
                format!(
                    "invalid OCI registry URL: {}; write oci://host/path",
                    address::redact(&repository.url)
                ),
            ));
        }
        let place = registry::place(&repository.url, repository.insecure)
            .map_err(|error| Error::on_the_way("ChartPullError", &error))?;
        let path = place.url.path().trim_matches('/');
        let name = if path.is_empty() {
            chart.to_owned()
        } else {
            format!("{path}/{chart}")
        };
        let web = index::open(repository, &place)?;
        Ok(Self {
            registry: registry::Registry::open(web, &place, name),
            limits: *limits,
        })
    }

    /// The version that a range means; one that is written out is believed to be there.
    pub(super) fn find(&self, range: &str) -> Result<String, Error> {
        if is_exact(range) {
            return Ok(range.to_owned());
        }
        let failed = |error: &SourceError| {
            let error = Error::on_the_way("ChartPullError", error);
            Error {
                message: format!(
                    "chart pull error: failed to get chart version for remote reference: {}",
                    error.message
                ),
                ..error
            }
        };
        let refuse = |why: String| {
            Error::passing(
                "InvalidChartReference",
                format!(
                    "invalid chart reference: failed to get chart version for remote reference: {why}"
                ),
            )
        };
        let tags = self.registry.tags(self.limits.tag_pages_max);
        let tags = tags.map_err(|error| failed(&error))?;
        // A tag has no plus.
        let versions: Vec<_> = tags.iter().map(|tag| tag.replace('_', "+")).collect();
        let candidates: Vec<_> = versions
            .iter()
            .map(|version| Candidate {
                version,
                created: "",
            })
            .collect();
        match pick(&candidates, range) {
            Ok(Some(at)) => Ok(versions[at].clone()),
            Ok(None) => Err(refuse(format!(
                "could not locate a version matching provided version string {range}"
            ))),
            Err(why) => Err(refuse(format!("'{range}' is no range of versions: {why}"))),
        }
    }

    /// The archive of a version, as its manifest describes it.
    pub(super) fn pull(&self, version: &str) -> Result<Vec<u8>, Error> {
        self.archive(version).map_err(|error| {
            let error = Error::on_the_way("ChartPullError", &error);
            Error {
                message: format!(
                    "chart pull error: failed to download chart for remote reference: {}",
                    error.message
                ),
                ..error
            }
        })
    }

    fn archive(&self, version: &str) -> Result<Vec<u8>, SourceError> {
        let registry = &self.registry;
        let name = registry.name();
        // A tag has no plus. helm: registry.Client.Pull.
        let tag = version.replace('+', "_");
        let (bytes, _digest) = registry.manifest(&tag)?;
        let manifest: Manifest = registry.read(&bytes, "manifest")?;
        let mut charts = manifest
            .layers
            .iter()
            .filter(|layer| CHART_LAYERS.contains(&layer.media_type.as_str()));
        let (Some(layer), None) = (charts.next(), charts.next()) else {
            return Err(registry.remote(format!(
                "{name}:{tag} is no Helm chart: its manifest has not one layer of the type {}",
                CHART_LAYERS[0]
            )));
        };
        let Some(digest) = Digest::parse(&layer.digest) else {
            return Err(registry.remote(format!(
                "the chart in {name}:{tag} has no digest by SHA-256"
            )));
        };
        registry.blob(&digest, self.limits.chart_bytes_max)
    }
}
