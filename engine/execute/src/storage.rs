//! Helm's storage: the Secrets that hold the records of a release.
//!
//! The form of a record is `fluvial-helm`'s knowledge; which record is written when is decided elsewhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluvial_api::kinds;
use fluvial_cluster::{Cluster, Delete, Error, Reference, Selector};
use fluvial_helm::release::storage::Stored;
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

/// Every record of a release, as it was read.
#[derive(Default)]
pub(crate) struct All {
    /// The oldest first.
    pub(crate) records: Vec<Stored>,
    /// The resource version of each Secret by the revision of its record.
    read: BTreeMap<i64, String>,
}

/// The record of a Secret, and the resource version of that.
fn stored(secret: &Value) -> Option<(Stored, String)> {
    let text = |pointer: &str| secret.pointer(pointer).and_then(Value::as_str);
    let packed = text(&format!("/data/{SECRET_KEY}"))?;
    let stored = Stored {
        version: text("/metadata/labels/version")?.parse().ok()?,
        status: text("/metadata/labels/status").unwrap_or_default().into(),
        attempt: secret["metadata"]["annotations"][ATTEMPT]
            .as_str()
            .unwrap_or_default()
            .into(),
        // The API server admits valid base64 only.
        packed: STANDARD.decode(packed).ok()?,
    };
    Some((stored, text("/metadata/resourceVersion")?.into()))
}

impl Storage {
    /// Every record. What only looks like one is left out.
    pub(crate) async fn all(&self) -> Result<All, Error> {
        let resource = self.cluster.resource("", "v1", "Secret").await?;
        let selector = Selector {
            namespace: self.namespace.clone(),
            labels: format!("owner=helm,name={}", self.name),
            fields: format!("type={SECRET_TYPE}"),
        };
        let secrets = self.cluster.list_all(&resource, &selector).await?;
        let mut all = All::default();
        for (stored, resource_version) in secrets.iter().filter_map(stored) {
            all.read.insert(stored.version, resource_version);
            all.records.push(stored);
        }
        all.records.sort_by_key(|it| it.version);
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

    /// Writes a record over what is stored of its version, if that is still what `all` shows.
    pub(crate) async fn update(
        &self,
        all: &All,
        record: &Record,
        attempt: &str,
    ) -> Result<(), Error> {
        let labels = record.labels(now_seconds(), false).into_iter();
        let labels = labels.map(|(key, value)| (key, Some(value)));
        let mut labels: BTreeMap<String, Option<String>> = labels.collect();
        labels.insert("createdAt".to_owned(), None);
        let patch = json!({
            "metadata": {
                "resourceVersion": all.read.get(&record.version),
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let (read, resource_version) = stored(&secret(labels.clone(), &packed)).unwrap();
        assert_eq!(
            (
                read.version,
                read.status.as_str(),
                read.attempt.as_str(),
                resource_version.as_str(),
            ),
            (3, "deployed", "a", "7")
        );
        assert_eq!(read.record().unwrap(), record);
        assert!(stored(&secret(json!({"version": "x"}), &packed)).is_none());
        assert!(stored(&json!({"metadata": {"labels": labels}})).is_none());
        let (broken, _) = stored(&secret(labels, "AAAA")).unwrap();
        assert!(
            broken
                .record()
                .unwrap_err()
                .starts_with("cannot read a release record")
        );
    }
}
