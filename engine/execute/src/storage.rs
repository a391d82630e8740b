//! Helm's storage: the Secrets that hold the records of a release.
//!
//! The form of a record is `fluvial-helm`'s knowledge; which record is written when is decided elsewhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_api::kinds;
use fluvial_cluster::{Cluster, Delete, Error, Reference, Selector};
use fluvial_event::Timestamp;
use fluvial_helm::release::{Record, SECRET_KEY, SECRET_TYPE};
use serde_json::{Value, json};

/// On a Secret: which attempt wrote it last.
const ATTEMPT: &str = "fluvial.dev/attempt";

/// The records of one release, as one account may see them.
pub(crate) struct Storage {
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A record as it is stored.
pub(crate) struct Stored {
    pub(crate) version: i64,
    /// Helm's word for its state, by its label.
    pub(crate) status: String,
    /// Which attempt wrote it last; empty for one of helm's.
    pub(crate) attempt: String,
    resource_version: String,
    packed: Vec<u8>,
}

impl Stored {
    fn of(secret: &Value) -> Option<Self> {
        let text = |pointer: &str| secret.pointer(pointer).and_then(Value::as_str);
        let packed = text(&format!("/data/{SECRET_KEY}"))?;
        Some(Self {
            version: text("/metadata/labels/version")?.parse().ok()?,
            status: text("/metadata/labels/status").unwrap_or_default().into(),
            attempt: secret["metadata"]["annotations"][ATTEMPT]
                .as_str()
                .unwrap_or_default()
                .into(),
            resource_version: text("/metadata/resourceVersion")?.into(),
            // The API server admits valid base64 only.
            packed: STANDARD.decode(packed).ok()?,
        })
    }

    /// The record itself.
    pub(crate) fn record(&self) -> Result<Record, String> {
        Record::decode(&self.packed)
    }
}

impl Storage {
    /// Every record, the oldest first. What only looks like one is left out.
    pub(crate) async fn all(&self) -> Result<Vec<Stored>, Error> {
        let resource = self.cluster.resource("", "v1", "Secret").await?;
        let selector = Selector {
            namespace: self.namespace.clone(),
            labels: format!("owner=helm,name={}", self.name),
            fields: format!("type={SECRET_TYPE}"),
        };
        let secrets = self.cluster.list_all(&resource, &selector).await?;
        let mut all: Vec<_> = secrets.iter().filter_map(Stored::of).collect();
        all.sort_by_key(|it| it.version);
        Ok(all)
    }

    fn reference(&self, version: i64) -> Reference {
        let name = Record::secret_name(&self.name, version);
        Reference::new("v1", "Secret", &self.namespace, &name)
    }

    /// Writes a record that is not there yet.
    pub(crate) async fn create(&self, record: &Record, attempt: &str) -> Result<(), Error> {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": SECRET_TYPE,
            "metadata": {
                "name": Record::secret_name(&self.name, record.version),
                "namespace": self.namespace,
                "labels": record.labels(now_seconds(), true),
                "annotations": {ATTEMPT: attempt},
            },
            "data": {SECRET_KEY: STANDARD.encode(record.encode())},
        });
        let created = self.cluster.create(&secret, kinds::HELM_RELEASE.controller);
        created.await.map(drop)
    }

    /// Writes a record over what is stored of its version, if that is still what was read.
    pub(crate) async fn update(
        &self,
        stored: &Stored,
        record: &Record,
        attempt: &str,
    ) -> Result<(), Error> {
        let labels = record.labels(now_seconds(), false).into_iter();
        let labels = labels.map(|(key, value)| (key, Some(value)));
        let mut labels: BTreeMap<String, Option<String>> = labels.collect();
        labels.insert("createdAt".to_owned(), None);
        let patch = json!({
            "metadata": {
                "resourceVersion": stored.resource_version,
                "labels": labels,
                "annotations": {ATTEMPT: attempt},
            },
            "data": {SECRET_KEY: STANDARD.encode(record.encode())},
        });
        let target = self.reference(record.version);
        let manager = kinds::HELM_RELEASE.controller;
        let patched = self.cluster.merge_patch(&target, &patch, manager);
        patched.await.map(drop)
    }

    /// Deletes a record.
    pub(crate) async fn delete(&self, version: i64) -> Result<(), Error> {
        let (target, how) = (self.reference(version), Delete::default());
        self.cluster.delete(&target, &how).await.map(drop)
    }
}

fn now_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

/// An entry of `status.history` for a record. helm-controller: `ObservedToSnapshot`.
pub(crate) fn snapshot(record: &Record, oci_digest: &str) -> ReleaseSnapshot {
    let metadata = |field: &str| record.chart_metadata(field).to_owned();
    let time = |time: &Option<String>| time.as_deref().map(seconds);
    ReleaseSnapshot {
        api_version: ReleaseSnapshot::API_VERSION.to_owned(),
        digest: record.digest(oci_digest),
        name: record.name.clone(),
        namespace: record.namespace.clone(),
        version: record.version,
        status: record.info.status.clone(),
        action: String::new(),
        chart_name: metadata("name"),
        chart_version: metadata("version"),
        app_version: metadata("appVersion"),
        config_digest: record.config_digest(),
        first_deployed: time(&record.info.first_deployed).unwrap_or_default(),
        last_deployed: time(&record.info.last_deployed).unwrap_or_default(),
        deleted: time(&record.info.deleted),
        test_hooks: None,
        oci_digest: oci_digest.to_owned(),
    }
}

/// A time in RFC 3339, in UTC and whole seconds, as Kubernetes writes it.
fn seconds(time: &str) -> String {
    let Ok(read) = time.parse::<Timestamp>() else {
        return time.to_owned();
    };
    let text = read.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |it| it.0);
    format!("{}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_kubernetes() {
        for (time, expected) in [
            ("2026-11-23T10:16:01.123456789Z", "2026-11-23T10:16:01Z"),
            ("2026-11-23T12:16:01+02:00", "2026-11-23T10:16:01Z"),
            ("2026-11-23T10:16:01Z", "2026-11-23T10:16:01Z"),
            ("soon", "soon"),
        ] {
            assert_eq!(seconds(time), expected);
        }
    }

    #[test]
    fn what_is_stored_is_read_back_and_what_only_looks_so_is_not() {
        let mut record = Record {
            name: "shop".into(),
            namespace: "team".into(),
            version: 3,
            ..Record::default()
        };
        record.info.status = "deployed".into();
        let secret = |labels: Value, data: &str| {
            json!({
                "metadata": {"labels": labels, "annotations": {ATTEMPT: "a"}, "resourceVersion": "7"},
                "data": {SECRET_KEY: data},
            })
        };
        let packed = STANDARD.encode(record.encode());
        let labels = json!(record.labels(1, true));
        let stored = Stored::of(&secret(labels.clone(), &packed)).unwrap();
        assert_eq!(
            (
                stored.version,
                stored.status.as_str(),
                stored.attempt.as_str()
            ),
            (3, "deployed", "a")
        );
        assert_eq!(stored.record().unwrap(), record);
        assert!(Stored::of(&secret(json!({"version": "x"}), &packed)).is_none());
        assert!(Stored::of(&json!({"metadata": {"labels": labels}})).is_none());
        let broken = Stored::of(&secret(labels, "AAAA")).unwrap();
        assert!(
            broken
                .record()
                .unwrap_err()
                .starts_with("cannot read a release record")
        );
    }
}
