//! Release records as helm keeps them in Secrets, and the digests that Flux takes of them.
//!
//! Imitated: helm v4.3 `pkg/release/v1` and `pkg/storage/driver/{secrets,util}.go`, Go's `encoding/json`, and
//! helm-controller v1.6 `internal/release/{observation,digest}.go`. Which record is written when is the
//! engine's to decide.

mod chart;
mod json;
pub mod storage;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use fluvial_manifest::{Map, Value, yaml};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The type of a Secret that holds a record.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";
/// The key of a Secret's data that holds the record.
pub const SECRET_KEY: &str = "release";
/// A record larger than this is not read: packed it has at most 1 MiB, and what comes to so much more by
/// unpacking is no record but a bomb.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// One revision of a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The release's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its state.
    pub info: Info,
    /// The chart, with its dependencies processed, as helm writes it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub chart: Value,
    /// The values that were given for it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// What was rendered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// What is run beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<RecordedHook>>,
    /// Its revision.
    pub version: i64,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// How objects are applied: ssa, or csa.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
}

/// The state of a release. Times are RFC 3339; empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// When the release was first made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<String>,
    /// When this revision was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<String>,
    /// When it was uninstalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// helm's word: deployed, failed, pending-upgrade, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The revision that this one went back to; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub rollback_revision: i64,
    /// The chart's NOTES.txt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// A hook in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedHook {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The object's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template that it comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// How it went last.
    pub last_run: LastRun,
    /// Its place among the others.
    #[serde(skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// When it is deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// When its log is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

impl RecordedHook {
    /// Whether it runs for `event`.
    pub fn is_for(&self, event: &str) -> bool {
        self.events.iter().any(|it| it == event)
    }
}

/// How a hook went last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Unknown, Running, Succeeded or Failed; empty before.
    pub phase: String,
}

impl Record {
    /// The name of the Secret of revision `version` of the release `name`.
    pub fn secret_name(name: &str, version: i64) -> String {
        format!("sh.helm.release.v1.{name}.v{version}")
    }

    /// The labels of the Secret. `at` is in seconds since 1970: when it was created, or changed since.
    pub fn labels(&self, at: i64, is_new: bool) -> BTreeMap<String, String> {
        let key = if is_new { "createdAt" } else { "modifiedAt" };
        let time = (key.to_owned(), at.to_string());
        let text = |key: &str, value: String| (key.to_owned(), value);
        [
            text("name", self.name.clone()),
            text("owner", "helm".to_owned()),
            text("status", self.info.status.clone()),
            text("version", self.version.to_string()),
        ]
        .into_iter()
        .chain([time])
        .collect()
    }

    /// What the Secret holds under [`SECRET_KEY`], before Kubernetes' own base64.
    pub fn encode(&self) -> String {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        let written = packed.write_all(&json::to_vec(self));
        let bytes = written.and_then(|()| packed.finish());
        STANDARD.encode(bytes.expect("a vector takes what is written to it"))
    }

    /// Reads what a Secret holds under [`SECRET_KEY`]: packed, or plain as before helm 2.
    pub fn decode(data: &[u8]) -> Result<Self, String> {
        const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
        let cannot = |why: String| format!("cannot read a release record: {why}");
        let bytes = STANDARD
            .decode(data.trim_ascii())
            .map_err(|error| cannot(error.to_string()))?;
        let bytes = if bytes.starts_with(&GZIP) {
            let mut plain = Vec::new();
            GzDecoder::new(bytes.as_slice())
                .take(RECORD_BYTES_MAX + 1)
                .read_to_end(&mut plain)
                .map_err(|error| cannot(error.to_string()))?;
            if plain.len() as u64 > RECORD_BYTES_MAX {
                return Err(cannot(format!("it has more than {RECORD_BYTES_MAX} bytes")));
            }
            plain
        } else {
            bytes
        };
        Self::from_json(&bytes)
    }

    /// Reads a record as JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let mut record: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("cannot read a release record: {error}"))?;
        record.without_empty_times();
        Ok(record)
    }

    /// The record as JSON, as helm writes it.
    pub fn to_json(&self) -> Vec<u8> {
        json::to_vec(self)
    }

    /// helm reads an empty time as none.
    fn without_empty_times(&mut self) {
        let info = &mut self.info;
        let mut times = vec![
            &mut info.first_deployed,
            &mut info.last_deployed,
            &mut info.deleted,
        ];
        for hook in self.hooks.iter_mut().flatten() {
            times.push(&mut hook.last_run.started_at);
            times.push(&mut hook.last_run.completed_at);
        }
        for time in times {
            let is_none = time
                .as_deref()
                .is_some_and(|it| it.is_empty() || it.starts_with("0001-01-01T"));
            if is_none {
                *time = None;
            }
        }
    }

    /// One word of the chart's metadata, such as `version`.
    pub fn chart_metadata(&self, field: &str) -> &str {
        let metadata = self.chart.get("metadata");
        let text = metadata
            .and_then(|it| it.get(field))
            .and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// The digest of the record as Flux takes it (`status.history[].digest`).
    pub fn digest(&self, oci_digest: &str) -> String {
        let hooks = self
            .hooks
            .iter()
            .flatten()
            .filter(|hook| !hook.is_for("test"));
        let hooks: Vec<_> = hooks.collect();
        let observation = Observation {
            name: &self.name,
            version: self.version,
            info: &self.info,
            chart_metadata: ChartMetadata::of(&self.chart),
            config: Some(&self.config).filter(|config| !config.is_empty()),
            manifest: &self.manifest,
            hooks: (!hooks.is_empty()).then_some(hooks),
            namespace: &self.namespace,
            oci_digest,
        };
        let mut bytes = json::to_vec(&observation);
        bytes.push(b'\n');
        sha256(&bytes)
    }

    /// The digest of its values as Flux takes it (`status.history[].configDigest`).
    pub fn config_digest(&self) -> String {
        config_digest(Some(&self.config))
    }
}

/// The digest of values as Flux takes it: of their YAML with sorted keys, or of nothing where there are none.
pub fn config_digest(values: Option<&Map<String, Value>>) -> String {
    let values = values.filter(|values| !values.is_empty());
    let text = values.map(|values| yaml::to_string(&Value::Object(values.clone())));
    sha256(text.unwrap_or_default().as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("sha256:{}", fluvial_manifest::digest::hex(&hash))
}

/// What Flux takes the digest of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation<'a> {
    name: &'a str,
    version: i64,
    info: &'a Info,
    chart_metadata: ChartMetadata,
    config: Option<&'a Map<String, Value>>,
    manifest: &'a str,
    hooks: Option<Vec<&'a RecordedHook>>,
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    oci_digest: &'a str,
}

/// A chart's metadata, in helm's order.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ChartMetadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    home: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    tags: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app_version: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    kube_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "String::is_empty")]
    r#type: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Maintainer {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Dependency {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    import_values: Vec<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    alias: String,
}

impl ChartMetadata {
    fn of(chart: &Value) -> Self {
        let metadata = chart.get("metadata").cloned().unwrap_or_default();
        serde_json::from_value(metadata).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
