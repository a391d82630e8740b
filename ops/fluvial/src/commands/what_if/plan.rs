//! What would be done: for each reconciler, how its attempt would end and which objects it would change.

use fluvial_event::{ObjectRef, Offset, Timestamp};
use fluvial_view::difference::Difference;
use serde::{Serialize, Serializer};

/// What would follow.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// The last record that counts.
    pub(super) offset: Offset,
    /// Its time.
    pub(super) time: Timestamp,
    /// The source that would be other.
    #[serde(serialize_with = "named")]
    pub(super) source: ObjectRef,
    /// What it would be at.
    pub(super) revision: String,
    /// Who would do something because of it, in the order of their ends.
    pub(super) reconcilers: Vec<Reconciler>,
    /// What is not known here.
    pub(super) notes: Vec<String>,
}

/// What one reconciler would do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reconciler {
    #[serde(serialize_with = "named")]
    pub(super) object: ObjectRef,
    /// Whether its attempt would fail.
    #[serde(rename = "failed")]
    pub(super) has_failed: bool,
    /// Whether it would wait for something else.
    #[serde(rename = "waiting")]
    pub(super) is_waiting: bool,
    /// How the attempt would end, or what it would wait for.
    pub(super) reason: String,
    pub(super) message: String,
    /// What it would change.
    pub(super) objects: Vec<Difference>,
}

/// `Kustomization/apps/web`.
fn named<S: Serializer>(object: &ObjectRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}

impl Plan {
    /// How many objects would change.
    pub(super) fn changes(&self) -> usize {
        self.reconcilers.iter().map(|it| it.objects.len()).sum()
    }

    /// Whether an attempt would fail.
    pub(super) fn has_failed(&self) -> bool {
        self.reconcilers.iter().any(|it| it.has_failed)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = ObjectRef> {
        self.reconcilers.iter().map(|it| it.object.clone())
    }

    /// Leaves out what others would do.
    pub(super) fn keep(&mut self, owner: &ObjectRef) {
        self.reconcilers.retain(|it| it.object.is_same(owner));
    }
}

impl Reconciler {
    /// How it would end, in a line.
    pub(super) fn said(&self) -> String {
        let message = self.message.replace('\n', "; ");
        let changes = match self.objects.len() {
            0 => "would change nothing".to_owned(),
            1 => "would change 1 object".to_owned(),
            count => format!("would change {count} objects"),
        };
        if self.has_failed {
            format!("{changes} and fail with {}: {message}", self.reason)
        } else if self.is_waiting {
            format!("{changes} and wait: {message}")
        } else {
            changes
        }
    }
}
