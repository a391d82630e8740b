//! How a manifest or a live object wants to be treated, and who owns it, by its labels and annotations.

use fluvial_api::metadata::{label, marker};
use fluvial_manifest::{Value, object};

/// How to apply an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ssa {
    /// Take every field of the manifest, from whoever owns it.
    #[default]
    Override,
    /// As `Override`, but let earlier managers keep the fields that the manifest does not set.
    Merge,
    /// Create, but never change.
    IfNotPresent,
    /// Neither apply nor prune.
    Ignore,
}

/// How an object wants to be treated. A marker counts as label and as annotation, in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markers {
    /// How to apply it.
    pub ssa: Ssa,
    /// `force: enabled`: delete and create again when a field cannot be changed.
    pub is_forced: bool,
    /// `prune: disabled`: never delete.
    pub is_kept: bool,
    /// `reconcile: disabled`: neither apply nor delete.
    pub is_unmanaged: bool,
}

impl Markers {
    /// Reads the markers of a manifest or of a live object.
    pub fn of(object: &Value) -> Self {
        let has = |key: &str, value: &str| {
            [object::label(object, key), object::annotation(object, key)]
                .into_iter()
                .flatten()
                .any(|found| found.eq_ignore_ascii_case(value))
        };
        let ssa = [
            (marker::IGNORE, Ssa::Ignore),
            (marker::IF_NOT_PRESENT, Ssa::IfNotPresent),
            (marker::MERGE, Ssa::Merge),
        ];
        Self {
            ssa: ssa
                .into_iter()
                .find_map(|(value, ssa)| has(marker::SSA, value).then_some(ssa))
                .unwrap_or_default(),
            is_forced: has(marker::FORCE, marker::ENABLED),
            is_kept: has(marker::PRUNE, marker::DISABLED),
            is_unmanaged: has(marker::RECONCILE, marker::DISABLED),
        }
    }

    /// Whether the object may be applied, as far as these markers say; for one that exists, those of
    /// the manifest and those of the live object must both agree.
    pub fn may_be_applied(self, exists: bool) -> bool {
        let is_left = match self.ssa {
            Ssa::Ignore => true,
            Ssa::IfNotPresent => exists,
            Ssa::Override | Ssa::Merge => false,
        };
        !is_left && !self.is_unmanaged
    }

    /// Whether the object may be deleted when it leaves the inventory.
    pub fn may_be_pruned(self) -> bool {
        !self.is_kept && !self.is_unmanaged && self.ssa != Ssa::Ignore
    }
}

/// The Kustomization that owns an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// The owner by an object's labels. Prune only what is still its owner's.
    pub fn of(object: &Value) -> Option<Self> {
        Some(Self {
            name: object::label(object, label::KUSTOMIZATION_NAME)?.to_owned(),
            namespace: object::label(object, label::KUSTOMIZATION_NAMESPACE)?.to_owned(),
        })
    }

    /// Labels an object as this owner's.
    pub fn mark(&self, object: &mut Value) {
        object::set_label(object, label::KUSTOMIZATION_NAME, &self.name);
        object::set_label(object, label::KUSTOMIZATION_NAMESPACE, &self.namespace);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_marker_counts_as_label_and_as_annotation() {
        for (metadata, created, changed, pruned) in [
            (json!({}), true, true, true),
            (
                json!({"labels": {marker::PRUNE: "disabled"}}),
                true,
                true,
                false,
            ),
            (
                json!({"annotations": {marker::PRUNE: "Disabled"}}),
                true,
                true,
                false,
            ),
            (
                json!({"annotations": {marker::PRUNE: "no"}}),
                true,
                true,
                true,
            ),
            (
                json!({"annotations": {marker::RECONCILE: "disabled"}}),
                false,
                false,
                false,
            ),
            (
                json!({"annotations": {marker::SSA: "Ignore"}}),
                false,
                false,
                false,
            ),
            (
                json!({"labels": {marker::SSA: "ifnotpresent"}}),
                true,
                false,
                true,
            ),
            (
                json!({"annotations": {marker::SSA: "Merge"}}),
                true,
                true,
                true,
            ),
        ] {
            let markers = Markers::of(&json!({"metadata": metadata}));
            let found = (
                markers.may_be_applied(false),
                markers.may_be_applied(true),
                markers.may_be_pruned(),
            );
            assert_eq!(found, (created, changed, pruned), "{metadata}");
        }
        let forced = json!({"metadata": {"annotations": {marker::FORCE: "enabled"}}});
        assert!(Markers::of(&forced).is_forced);
    }

    #[test]
    fn an_owner_needs_both_labels() {
        let owner = Owner {
            name: "app".to_owned(),
            namespace: "team".to_owned(),
        };
        let mut object = json!({"metadata": {"name": "x"}});
        assert_eq!(Owner::of(&object), None);
        owner.mark(&mut object);
        assert_eq!(Owner::of(&object), Some(owner));
        object["metadata"]["labels"]
            .as_object_mut()
            .unwrap()
            .remove(label::KUSTOMIZATION_NAME);
        assert_eq!(Owner::of(&object), None);
    }
}
