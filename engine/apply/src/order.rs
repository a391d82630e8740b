//! In which order objects are applied, and in which stages.
//!
//! The order of kinds is that of Flux (`fluxcd/pkg/ssa/sort.go`); pruning goes the other way round.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use fluvial_manifest::ObjectId;

use crate::Object;

/// Kinds that others need, in the order they come first.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that could stop others from being applied, in the order they come last.
const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Compares two objects by the order in which they are applied: rank of the kind, then group, kind,
/// namespace, name. Equal only for the same object.
pub fn compare(a: &ObjectId, b: &ObjectId) -> Ordering {
    key(a).cmp(&key(b))
}

fn key(id: &ObjectId) -> (usize, &str, &str, &str, &str) {
    (rank(&id.kind), &id.group, &id.kind, &id.namespace, &id.name)
}

fn rank(kind: &str) -> usize {
    let others = FIRST.len();
    let first = FIRST.iter().position(|first| *first == kind);
    let last = || {
        LAST.iter()
            .position(|last| *last == kind)
            .map(|index| others + 1 + index)
    };
    first.or_else(last).unwrap_or(others)
}

/// Sorts objects into the order in which they are applied.
pub fn sort(objects: &mut [Object]) {
    objects.sort_by(|a, b| compare(&a.id, &b.id));
}

/// Sorts objects into the order in which they are pruned: last applied, first deleted.
pub fn sort_for_prune(ids: &mut [ObjectId]) {
    ids.sort_by(|a, b| Reverse(key(a)).cmp(&Reverse(key(b))));
}

/// A kind by group and name, as in Flux's `--custom-apply-stage-kinds`.
pub type GroupKind = (String, String);

/// Objects that may be applied together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Which stage it is.
    pub name: StageName,
    /// Its objects in the order in which they are applied; never none.
    pub objects: Vec<Object>,
}

/// The stages, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageName {
    /// Definitions, namespaces and cluster roles: nothing of a kind can be applied before its definition.
    Definitions,
    /// Kinds whose name ends in `Class`.
    Classes,
    /// Kinds that the operator names.
    Custom,
    /// Everything else.
    Rest,
}

impl StageName {
    /// Whether the next stage waits until the objects of this one are healthy.
    pub const fn waits(self) -> bool {
        match self {
            Self::Definitions | Self::Classes => true,
            Self::Custom | Self::Rest => false,
        }
    }
}

/// Splits objects into stages; stages without objects are left out.
pub fn stages(mut objects: Vec<Object>, custom: &BTreeSet<GroupKind>) -> Vec<Stage> {
    sort(&mut objects);
    objects.sort_by_key(|object| stage(&object.id, custom));
    let mut stages: Vec<Stage> = Vec::new();
    for object in objects {
        let name = stage(&object.id, custom);
        match stages.last_mut() {
            Some(last) if last.name == name => last.objects.push(object),
            Some(_) | None => stages.push(Stage {
                name,
                objects: vec![object],
            }),
        }
    }
    stages
}

fn stage(id: &ObjectId, custom: &BTreeSet<GroupKind>) -> StageName {
    match (id.group.as_str(), id.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("", "Namespace")
        | ("rbac.authorization.k8s.io", "ClusterRole") => StageName::Definitions,
        (_, kind) if kind.ends_with("Class") => StageName::Classes,
        _ if custom.contains(&(id.group.clone(), id.kind.clone())) => StageName::Custom,
        _ => StageName::Rest,
    }
}

#[cfg(test)]
mod tests {
    use fluvial_manifest::Value;

    use super::*;

    /// `group/Kind/namespace/name`
    fn id(text: &str) -> ObjectId {
        let parts: Vec<_> = text.split('/').map(str::to_owned).collect();
        let [group, kind, namespace, name] = parts.try_into().unwrap();
        ObjectId {
            group,
            kind,
            namespace,
            name,
        }
    }

    fn text(id: &ObjectId) -> String {
        format!("{}/{}/{}/{}", id.group, id.kind, id.namespace, id.name)
    }

    /// In the order of application.
    const ORDER: [&str; 14] = [
        "apiextensions.k8s.io/CustomResourceDefinition//foos.example.com",
        "/Namespace//a",
        "/Namespace//b",
        "rbac.authorization.k8s.io/ClusterRole//view",
        "storage.k8s.io/StorageClass//fast",
        "/ServiceAccount/a/app",
        "/ConfigMap/a/app",
        "/ConfigMap/b/app",
        "/Service/a/app",
        "apps/Deployment/a/app",
        "/Pod/a/app",
        "example.com/Foo/a/app",
        "admissionregistration.k8s.io/MutatingWebhookConfiguration//m",
        "admissionregistration.k8s.io/ValidatingWebhookConfiguration//v",
    ];

    fn objects(order: impl Iterator<Item = &'static str>) -> Vec<Object> {
        let object = |text| Object {
            id: id(text),
            version: "v1".to_owned(),
            value: Value::Null,
        };
        order.map(object).collect()
    }

    #[test]
    fn kinds_come_in_the_order_of_flux_and_go_in_reverse() {
        let mut forward = objects(ORDER.into_iter().rev());
        sort(&mut forward);
        let sorted: Vec<_> = forward.iter().map(|object| text(&object.id)).collect();
        assert_eq!(sorted, ORDER);

        let mut backward: Vec<_> = ORDER.iter().map(|text| id(text)).collect();
        sort_for_prune(&mut backward);
        let pruned: Vec<_> = backward.iter().rev().map(text).collect();
        assert_eq!(pruned, ORDER);
    }

    #[test]
    fn stages_apply_what_others_need_first() {
        let custom = BTreeSet::from([(String::new(), "Service".to_owned())]);
        let stages = stages(objects(ORDER.into_iter().rev()), &custom);
        let seen: Vec<_> = stages
            .iter()
            .map(|stage| (stage.name, stage.name.waits(), stage.objects.len()))
            .collect();
        assert_eq!(
            seen,
            [
                (StageName::Definitions, true, 4),
                (StageName::Classes, true, 1),
                (StageName::Custom, false, 1),
                (StageName::Rest, false, 8),
            ]
        );
        assert_eq!(text(&stages[3].objects[0].id), "/ServiceAccount/a/app");
    }

    #[test]
    fn a_kind_that_only_sounds_like_a_definition_is_none() {
        let like = ["example.com/Namespace/a/x", "example.com/ClusterRole/a/x"];
        let stages = stages(objects(like.into_iter()), &BTreeSet::new());
        assert_eq!(stages.len(), 1);
        assert_eq!(stages[0].name, StageName::Rest);
    }
}
