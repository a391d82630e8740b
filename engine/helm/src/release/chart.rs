//! The chart of a release as helm writes it into the record: itself, without the charts in it.
//!
//! Imitated: helm v4.3 `pkg/chart/v2/chart.go` and its `encoding/json` tags.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_manifest::{Map, Value};
use serde_json::json;

use super::{ChartMetadata, Dependency, Maintainer};
use crate::values::json as values_json;
use crate::{Chart, File, Metadata};

impl Chart {
    /// What a release record says of this chart.
    pub fn recorded(&self) -> Value {
        let metadata = serde_json::to_value(ChartMetadata::from(&self.metadata));
        json!({
            "metadata": metadata.unwrap_or_default(),
            "lock": self.lock,
            "templates": files(&self.templates),
            "values": values_json(&self.values),
            "schema": self.schema.as_deref().map(|schema| STANDARD.encode(schema)),
            "files": files(&self.files),
        })
    }

    /// Takes the values of the chart in a record for its own defaults: what was released before goes
    /// before what a newer chart assumes.
    pub fn assume(&mut self, values: &Map<String, Value>) {
        let values = crate::Values::from_json(&Value::Object(values.clone()));
        self.values = values.map();
    }
}

fn files(files: &[File]) -> Vec<Value> {
    let one = |file: &File| json!({"name": file.name, "data": STANDARD.encode(&file.data)});
    files.iter().map(one).collect()
}

impl From<&Metadata> for ChartMetadata {
    fn from(metadata: &Metadata) -> Self {
        let maintainers = metadata.maintainers.iter().map(|it| Maintainer {
            name: it.name.clone(),
            email: it.email.clone(),
            url: it.url.clone(),
        });
        let dependencies = metadata.dependencies.iter().map(|it| Dependency {
            name: it.name.clone(),
            version: it.version.clone(),
            repository: it.repository.clone(),
            condition: it.condition.clone(),
            tags: it.tags.clone(),
            enabled: it.enabled,
            import_values: it.import_values.clone(),
            alias: it.alias.clone(),
        });
        Self {
            name: metadata.name.clone(),
            home: metadata.home.clone(),
            sources: metadata.sources.clone(),
            version: metadata.version.clone(),
            description: metadata.description.clone(),
            keywords: metadata.keywords.clone(),
            maintainers: maintainers.collect(),
            icon: metadata.icon.clone(),
            api_version: metadata.api_version.clone(),
            condition: metadata.condition.clone(),
            tags: metadata.tags.clone(),
            app_version: metadata.app_version.clone(),
            deprecated: metadata.deprecated,
            annotations: metadata.annotations.clone().unwrap_or_default(),
            kube_version: metadata.kube_version.clone(),
            dependencies: dependencies.collect(),
            r#type: metadata.kind.clone(),
        }
    }
}
