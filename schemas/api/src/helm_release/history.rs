//! The history of a release in `.status.history`: what was observed to be stored, newest first.
//!
//! The rules are helm-controller's (`api/v2/snapshot_types.go` and `internal/reconcile/release.go`, v1.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

/// How many releases a history keeps where none of them ever succeeded.
const SNAPSHOTS_MAX: usize = 5;

/// One release as it was last observed in Helm's storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseSnapshot {
    /// The version of this format, which says how the digest is made: v2 for helm 4.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// The digest of the stored release.
    pub digest: String,
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub version: i64,
    /// Helm's word for its state.
    pub status: String,
    /// What made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// The chart's name.
    pub chart_name: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of what the chart holds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// The digest of its values.
    pub config_digest: String,
    /// When the release was first made, in RFC 3339.
    pub first_deployed: String,
    /// When this revision was made, in RFC 3339.
    pub last_deployed: String,
    /// When it was uninstalled, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// The tests that were run; empty where there is none to run, absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_hooks: Option<BTreeMap<String, Option<TestHookStatus>>>,
    /// The digest of the OCI artifact of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub oci_digest: String,
}

/// How a test went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase", default)]
pub struct TestHookStatus {
    /// When it began, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_started: Option<String>,
    /// When it ended, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_completed: Option<String>,
    /// Unknown, Running, Succeeded or Failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
}

impl ReleaseSnapshot {
    /// The format that this version writes.
    pub const API_VERSION: &str = "v2";

    /// `<namespace>/<name>.v<version>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}.v{}", self.namespace, self.name, self.version)
    }

    /// `<name>@<version>` of the chart.
    pub fn chart(&self) -> String {
        format!("{}@{}", self.chart_name, self.chart_version)
    }

    /// Whether both are of one revision of one release.
    pub fn is_of(&self, other: &Self) -> bool {
        self.name == other.name
            && self.namespace == other.namespace
            && self.version == other.version
    }

    /// Whether every test that was to be run was, or one failed.
    pub fn has_been_tested(&self) -> bool {
        let Some(tests) = &self.test_hooks else {
            return false;
        };
        let is = |test: &Option<TestHookStatus>, phase: &str| {
            test.as_ref().is_some_and(|test| test.phase == phase)
        };
        tests.values().any(|test| is(test, "Failed"))
            || tests.values().all(|test| is(test, "Succeeded"))
    }

    /// Whether a test failed.
    pub fn has_failed_test(&self) -> bool {
        let mut tests = self.test_hooks.iter().flat_map(BTreeMap::values).flatten();
        tests.any(|test| test.phase == "Failed")
    }

    fn was_deployed(&self) -> bool {
        self.status == "deployed" || self.status == "superseded"
    }
}

/// The releases up to the last successful one, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(transparent)]
pub struct Snapshots(pub Vec<ReleaseSnapshot>);

impl Snapshots {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest.
    pub fn latest(&self) -> Option<&ReleaseSnapshot> {
        self.0.iter().max_by_key(|it| it.version)
    }

    /// The newest, to be changed.
    pub fn latest_mut(&mut self) -> Option<&mut ReleaseSnapshot> {
        self.0.iter_mut().max_by_key(|it| it.version)
    }

    /// The newest before the latest that was once deployed, and passed its tests unless they do not count.
    pub fn previous(&self, ignore_tests: bool) -> Option<&ReleaseSnapshot> {
        self.0.get(self.place_of_previous(ignore_tests)?)
    }

    fn place_of_previous(&self, ignore_tests: bool) -> Option<usize> {
        let mut older = self.0.iter().enumerate().skip(1);
        older
            .find(|(_, it)| it.was_deployed() && (ignore_tests || !it.has_failed_test()))
            .map(|(place, _)| place)
    }

    /// Takes over what was observed in storage: what is known is replaced, and keeps its tests unless the
    /// observation has some; what is new comes first.
    pub fn observe(&mut self, mut seen: ReleaseSnapshot) {
        let known = self.0.iter_mut().find(|it| it.is_of(&seen));
        match known {
            Some(known) => {
                if seen.test_hooks.is_none() {
                    seen.test_hooks.clone_from(&known.test_hooks);
                }
                if seen.oci_digest.is_empty() {
                    seen.oci_digest.clone_from(&known.oci_digest);
                }
                if seen.action.is_empty() {
                    seen.action.clone_from(&known.action);
                }
                *known = seen;
            }
            None => self.0.insert(0, seen),
        }
        self.0.sort_by_key(|it| std::cmp::Reverse(it.version));
    }

    /// Forgets what is older than the release to roll back to; where there is none, all but the newest five.
    pub fn truncate(&mut self, ignore_tests: bool) {
        match self.place_of_previous(ignore_tests) {
            Some(place) => self.0.truncate(place + 1),
            None => self.0.truncate(SNAPSHOTS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ReleaseSnapshot, Snapshots, TestHookStatus};

    fn snapshot(version: i64, status: &str) -> ReleaseSnapshot {
        ReleaseSnapshot {
            name: "app".into(),
            namespace: "team".into(),
            version,
            status: status.into(),
            ..ReleaseSnapshot::default()
        }
    }

    fn tested(mut snapshot: ReleaseSnapshot, phases: &[&str]) -> ReleaseSnapshot {
        let tests = phases.iter().enumerate().map(|(number, phase)| {
            let status = TestHookStatus {
                phase: (*phase).into(),
                ..TestHookStatus::default()
            };
            (format!("test-{number}"), Some(status))
        });
        snapshot.test_hooks = Some(tests.collect());
        snapshot
    }

    #[test]
    fn the_rollback_target_is_the_last_that_was_deployed_and_passed() {
        let history = Snapshots(vec![
            snapshot(4, "failed"),
            tested(snapshot(3, "superseded"), &["Failed"]),
            snapshot(2, "failed"),
            snapshot(1, "superseded"),
        ]);
        assert_eq!(history.previous(false).map(|it| it.version), Some(1));
        assert_eq!(history.previous(true).map(|it| it.version), Some(3));
        assert_eq!(
            Snapshots(vec![snapshot(1, "deployed")]).previous(true),
            None
        );
    }

    #[test]
    fn a_history_ends_at_its_rollback_target_or_after_five() {
        let mut history = Snapshots::default();
        for version in 1..=7 {
            history.observe(snapshot(version, "failed"));
        }
        history.truncate(false);
        let versions: Vec<_> = history.0.iter().map(|it| it.version).collect();
        assert_eq!(versions, [7, 6, 5, 4, 3]);
        history.observe(snapshot(5, "superseded"));
        history.truncate(false);
        assert_eq!(history.0.len(), 3);
    }

    #[test]
    fn an_observation_replaces_what_it_is_of_and_keeps_its_tests() {
        let mut history = Snapshots(vec![tested(snapshot(1, "deployed"), &["Succeeded"])]);
        history.observe(snapshot(1, "superseded"));
        history.observe(snapshot(2, "deployed"));
        assert_eq!(history.latest().map(|it| it.version), Some(2));
        assert_eq!(history.0[1].status, "superseded");
        assert!(history.0[1].has_been_tested());
    }

    #[test]
    fn a_release_is_tested_when_all_passed_or_one_failed() {
        for (phases, is_tested) in [
            (&[][..], true),
            (&["Succeeded"], true),
            (&["Succeeded", "Running"], false),
            (&["Failed", "Running"], true),
        ] {
            let snapshot = tested(snapshot(1, "deployed"), phases);
            assert_eq!(snapshot.has_been_tested(), is_tested, "{phases:?}");
        }
        assert!(!snapshot(1, "deployed").has_been_tested());
        let mut untold = snapshot(1, "deployed");
        untold.test_hooks = Some(BTreeMap::from([("a".into(), None)]));
        assert!(!untold.has_been_tested());
    }
}
