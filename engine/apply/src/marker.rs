//! How a manifest or a live object wants to be treated, and who owns it, by its labels and annotations.

use fluvial_api::metadata::{annotation, label, marker};
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

/// What kind of object owns others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerKind {
    /// A Kustomization, which labels what it owns.
    #[default]
    Kustomization,
    /// A Helm release, which annotates what it owns as helm does.
    Release,
}

/// Who owns an object: a Kustomization, or a Helm release (not the HelmRelease that asks for it).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// A Kustomization.
    pub fn kustomization(namespace: &str, name: &str) -> Self {
        Self {
            kind: OwnerKind::Kustomization,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// A Helm release.
    pub fn release(namespace: &str, name: &str) -> Self {
        Self {
            kind: OwnerKind::Release,
            ..Self::kustomization(namespace, name)
        }
    }

    /// The Kustomization that an object is owned by, by its labels. Prune only what is still its owner's.
    pub fn of(object: &Value) -> Option<Self> {
        let name = object::label(object, label::KUSTOMIZATION_NAME)?;
        let namespace = object::label(object, label::KUSTOMIZATION_NAMESPACE)?;
        Some(Self::kustomization(namespace, name))
    }

    /// The Helm release that an object is owned by, by its annotations.
    pub fn release_of(object: &Value) -> Option<Self> {
        let is_of_helm = object::label(object, label::MANAGED_BY) == Some(MANAGED_BY_HELM);
        let name = object::annotation(object, annotation::RELEASE_NAME)?;
        let namespace = object::annotation(object, annotation::RELEASE_NAMESPACE)?;
        is_of_helm.then(|| Self::release(namespace, name))
    }

    /// Whether an object is this owner's.
    pub fn owns(&self, object: &Value) -> bool {
        let owner = match self.kind {
            OwnerKind::Kustomization => Self::of(object),
            OwnerKind::Release => Self::release_of(object),
        };
        owner.as_ref() == Some(self)
    }

    /// Marks an object as this owner's.
    pub fn mark(&self, object: &mut Value) {
        match self.kind {
            OwnerKind::Kustomization => {
                object::set_label(object, label::KUSTOMIZATION_NAME, &self.name);
                object::set_label(object, label::KUSTOMIZATION_NAMESPACE, &self.namespace);
            }
            OwnerKind::Release => {
                object::set_label(object, label::MANAGED_BY, MANAGED_BY_HELM);
                object::set_annotation(object, annotation::RELEASE_NAME, &self.name);
                object::set_annotation(object, annotation::RELEASE_NAMESPACE, &self.namespace);
            }
        }
    }

    /// Whether an object that is no longer wanted stays all the same, as it says itself.
    pub fn keeps(&self, object: &Value) -> bool {
        match self.kind {
            OwnerKind::Kustomization => !Markers::of(object).may_be_pruned(),
            OwnerKind::Release => object::annotation(object, annotation::RESOURCE_POLICY)
                .is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep")),
        }
    }
}

/// What helm says of whatever it manages.
const MANAGED_BY_HELM: &str = "Helm";

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
        let owner = Owner::kustomization("team", "app");
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

    #[test]
    fn a_release_needs_its_label_and_both_annotations() {
        let owner = Owner::release("team", "app");
        let mut object = json!({"metadata": {"name": "x"}});
        assert!(!owner.owns(&object));
        owner.mark(&mut object);
        assert!(owner.owns(&object));
        assert!(!Owner::release("team", "other").owns(&object));
        assert!(!Owner::kustomization("team", "app").owns(&object));
        for (part, key) in [
            ("labels", label::MANAGED_BY),
            ("annotations", annotation::RELEASE_NAME),
            ("annotations", annotation::RELEASE_NAMESPACE),
        ] {
            let mut less = object.clone();
            less["metadata"][part].as_object_mut().unwrap().remove(key);
            assert!(!owner.owns(&less), "{key}");
        }
    }

    #[test]
    fn each_kind_of_owner_keeps_what_its_own_marker_says() {
        let object = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
        let (kustomization, release) = (
            Owner::kustomization("team", "app"),
            Owner::release("team", "app"),
        );
        for (object, by_kustomization, by_release) in [
            (object("a", "b"), false, false),
            (object(marker::PRUNE, "disabled"), true, false),
            (object(annotation::RESOURCE_POLICY, " Keep"), false, true),
            (object(annotation::RESOURCE_POLICY, "delete"), false, false),
        ] {
            let kept = (kustomization.keeps(&object), release.keeps(&object));
            assert_eq!(kept, (by_kustomization, by_release), "{object}");
        }
    }
}
