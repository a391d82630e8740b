//! What several kinds say in their status: artifact, inventory, history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use crate::Duration;

/// What a source produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The revision in the source's own words, such as `main@sha1:…`.
    pub revision: String,
    /// The digest of the file, such as `sha256:…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The file's path in the artifact storage.
    pub path: String,
    /// Where the file is served.
    pub url: String,
    /// When the artifact was made, in RFC 3339.
    pub last_update_time: String,
    /// The size of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What upstream says about it, such as OCI annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// The objects one reconciler owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
pub struct ResourceInventory {
    /// One entry for each object.
    pub entries: Vec<ResourceRef>,
}

/// One object in an inventory.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
pub struct ResourceRef {
    /// `<namespace>_<name>_<group>_<kind>`.
    pub id: String,
    /// The version of the API group.
    pub v: String,
}

/// How many snapshots a history keeps.
pub const HISTORY_SNAPSHOTS_MAX: usize = 5;

/// The attempts to bring one set of objects to one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The digest of the objects, such as `sha256:…`.
    pub digest: String,
    /// When they were first tried, in RFC 3339.
    pub first_reconciled: String,
    /// When they were last tried, in RFC 3339.
    pub last_reconciled: String,
    /// How long the last attempt took.
    pub last_reconciled_duration: Duration,
    /// How it ended: a [`crate::Reason`].
    pub last_reconciled_status: String,
    /// How many attempts ended so.
    pub total_reconciliations: i64,
    /// The revision, and more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// An attempt that has ended, to be put into a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The digest of the objects.
    pub digest: String,
    /// When it ended, in RFC 3339.
    pub time: String,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub status: String,
    /// The revision, and more.
    pub metadata: BTreeMap<String, String>,
}

/// Records an attempt: the snapshot of the same digest and status counts one more, or a new one is
/// made. It moves to the front, and the history keeps the newest [`HISTORY_SNAPSHOTS_MAX`].
pub fn record_attempt(history: &mut Vec<Snapshot>, attempt: Attempt) {
    let same = history.iter().position(|snapshot| {
        snapshot.digest == attempt.digest && snapshot.last_reconciled_status == attempt.status
    });
    let (first_reconciled, before) = match same.map(|index| history.remove(index)) {
        Some(snapshot) => (snapshot.first_reconciled, snapshot.total_reconciliations),
        None => (attempt.time.clone(), 0),
    };
    let snapshot = Snapshot {
        digest: attempt.digest,
        first_reconciled,
        last_reconciled: attempt.time,
        last_reconciled_duration: attempt.duration,
        last_reconciled_status: attempt.status,
        total_reconciliations: before.saturating_add(1),
        metadata: attempt.metadata,
    };
    history.insert(0, snapshot);
    history.truncate(HISTORY_SNAPSHOTS_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(digest: &str, status: &str, time: &str) -> Attempt {
        Attempt {
            digest: digest.to_owned(),
            time: time.to_owned(),
            duration: Duration::from_milliseconds(1500),
            status: status.to_owned(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn history_counts_equal_ends_and_keeps_the_newest() {
        let mut history = Vec::new();
        for (digest, status, time) in [
            ("a", "ReconciliationSucceeded", "1"),
            ("b", "HealthCheckFailed", "2"),
            ("a", "ReconciliationSucceeded", "3"),
        ] {
            record_attempt(&mut history, attempt(digest, status, time));
        }
        let seen: Vec<_> = history
            .iter()
            .map(|s| {
                (
                    &*s.digest,
                    &*s.first_reconciled,
                    &*s.last_reconciled,
                    s.total_reconciliations,
                )
            })
            .collect();
        assert_eq!(seen, [("a", "1", "3", 2), ("b", "2", "2", 1)]);

        for number in 0..HISTORY_SNAPSHOTS_MAX {
            record_attempt(&mut history, attempt(&number.to_string(), "Failed", "4"));
            assert!(history.len() <= HISTORY_SNAPSHOTS_MAX);
        }
        assert_eq!(history[HISTORY_SNAPSHOTS_MAX - 1].digest, "0");
    }

    #[test]
    fn a_snapshot_is_written_as_flux_writes_it() {
        let mut history = Vec::new();
        record_attempt(
            &mut history,
            attempt("sha256:1", "HealthCheckFailed", "2026-01-01T00:00:00Z"),
        );
        let written = serde_json::to_value(&history[0]).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "digest": "sha256:1",
                "firstReconciled": "2026-01-01T00:00:00Z",
                "lastReconciled": "2026-01-01T00:00:00Z",
                "lastReconciledDuration": "1.5s",
                "lastReconciledStatus": "HealthCheckFailed",
                "totalReconciliations": 1,
            })
        );
    }
}
