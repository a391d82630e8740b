//! Conditions as Kubernetes defines them, and the types Flux uses.

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

/// The object is as its spec asks; the one condition every tool reads.
pub const READY: &str = "Ready";
/// Work on the newest generation or revision is under way; present only while true.
pub const RECONCILING: &str = "Reconciling";
/// No progress is possible until the object or its surroundings change; present only while true.
pub const STALLED: &str = "Stalled";
/// The objects applied by a Kustomization passed their health checks.
pub const HEALTHY: &str = "Healthy";
/// What a rollback put back is held, whatever the source says; absent without one. Fluvial's own.
pub const HELD: &str = "Held";
/// The upstream of a source could not be fetched; present only while true.
pub const FETCH_FAILED: &str = "FetchFailed";
/// The artifact in `status.artifact` is stored and may be fetched.
pub const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";
/// A newer revision exists than the stored artifact; present only while true.
pub const ARTIFACT_OUTDATED: &str = "ArtifactOutdated";
/// The signature of the source was verified.
pub const SOURCE_VERIFIED: &str = "SourceVerified";
/// The artifact storage failed; present only while true.
pub const STORAGE_OPERATION_FAILED: &str = "StorageOperationFailed";
/// A GitRepository named in `spec.include` has no artifact; present only while true.
pub const INCLUDE_UNAVAILABLE: &str = "IncludeUnavailable";

/// The last install or upgrade of a HelmRelease succeeded.
pub const RELEASED: &str = "Released";
/// The tests of a release passed.
pub const TEST_SUCCESS: &str = "TestSuccess";
/// A release that failed was rolled back or uninstalled.
pub const REMEDIATED: &str = "Remediated";
/// The objects of a release are not as they were released; said where drift is only warned of.
pub const DRIFTED: &str = "Drifted";

/// The chart of a HelmChart could not be built; present only while true.
pub const BUILD_FAILED: &str = "BuildFailed";

/// The longest message Flux writes into a condition, in characters.
pub const MESSAGE_CHARACTERS_MAX: usize = 20_000;

/// Whether a condition holds.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    SchemaRead,
    SchemaWrite,
)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said.
    Unknown,
}

impl Truth {
    /// The word in `status.conditions[].status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One aspect of an object's state (`metav1.Condition`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, such as [`READY`].
    pub r#type: String,
    /// Whether it holds.
    pub status: Truth,
    /// One word saying why; see [`crate::Reason`].
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When `status` last changed, in RFC 3339.
    pub last_transition_time: String,
    /// The generation this was said about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The condition of a type, if the list has it.
pub fn find<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    conditions
        .iter()
        .find(|condition| condition.r#type == r#type)
}

/// Whether the list says that a condition holds.
pub fn is_true(conditions: &[Condition], r#type: &str) -> bool {
    find(conditions, r#type).is_some_and(|condition| condition.status == Truth::True)
}

/// Puts a condition into the list, in place of one of the same type.
///
/// The transition time stays what it was unless `status` changes. Ready comes first, then
/// Reconciling and Stalled, then the rest by type, as Flux orders them; the message is cut at
/// [`MESSAGE_CHARACTERS_MAX`]. Setting the same condition twice changes nothing.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition) {
    if let Some((end, _)) = condition.message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        condition.message.truncate(end);
    }
    match conditions
        .iter_mut()
        .find(|present| present.r#type == condition.r#type)
    {
        Some(present) => {
            if present.status == condition.status {
                condition.last_transition_time = std::mem::take(&mut present.last_transition_time);
            }
            *present = condition;
        }
        None => conditions.push(condition),
    }
    conditions.sort_by(|a, b| (rank(&a.r#type), &a.r#type).cmp(&(rank(&b.r#type), &b.r#type)));
}

/// Takes a condition out of the list.
pub fn remove(conditions: &mut Vec<Condition>, r#type: &str) {
    conditions.retain(|condition| condition.r#type != r#type);
}

fn rank(r#type: &str) -> u8 {
    match r#type {
        READY => 0,
        RECONCILING => 1,
        STALLED => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(r#type: &str, status: Truth, time: &str) -> Condition {
        Condition {
            r#type: r#type.to_owned(),
            status,
            reason: "Succeeded".to_owned(),
            message: String::new(),
            last_transition_time: time.to_owned(),
            observed_generation: Some(1),
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut conditions = vec![condition(READY, Truth::False, "t1")];
        set(&mut conditions, condition(READY, Truth::False, "t2"));
        assert_eq!(conditions[0].last_transition_time, "t1");
        set(&mut conditions, condition(READY, Truth::True, "t3"));
        assert_eq!(conditions[0].last_transition_time, "t3");
        assert!(is_true(&conditions, READY));
    }

    #[test]
    fn ready_comes_first() {
        let mut conditions = Vec::new();
        for r#type in [STALLED, HEALTHY, ARTIFACT_IN_STORAGE, READY, RECONCILING] {
            set(&mut conditions, condition(r#type, Truth::True, "t"));
        }
        let order: Vec<_> = conditions.iter().map(|c| c.r#type.as_str()).collect();
        assert_eq!(
            order,
            [READY, RECONCILING, STALLED, ARTIFACT_IN_STORAGE, HEALTHY]
        );
        remove(&mut conditions, READY);
        assert_eq!(find(&conditions, READY), None);
    }

    #[test]
    fn message_is_cut_at_its_limit() {
        for (length, kept) in [
            (MESSAGE_CHARACTERS_MAX - 1, MESSAGE_CHARACTERS_MAX - 1),
            (MESSAGE_CHARACTERS_MAX, MESSAGE_CHARACTERS_MAX),
            (MESSAGE_CHARACTERS_MAX + 1, MESSAGE_CHARACTERS_MAX),
        ] {
            let mut conditions = Vec::new();
            let message = "ü".repeat(length);
            set(
                &mut conditions,
                Condition {
                    message,
                    ..condition(READY, Truth::True, "t")
                },
            );
            assert_eq!(conditions[0].message.chars().count(), kept);
        }
    }
}
