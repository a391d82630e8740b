//! In which order kinds are installed, and in which they are removed.

use std::cmp::Ordering;

/// helm v4.3.1: `releaseutil.InstallOrder`.
const INSTALL: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// helm v4.3.1: `releaseutil.UninstallOrder`, which is not the other one turned around.
const UNINSTALL: [&str; 38] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// Which of two kinds is installed first. Kinds that helm does not know come last, by their names; the
/// order of equal kinds is for the caller to keep.
pub fn compare_install(left: &str, right: &str) -> Ordering {
    compare(&INSTALL, left, right)
}

/// Which of two kinds is removed first, as [`compare_install`].
pub fn compare_uninstall(left: &str, right: &str) -> Ordering {
    compare(&UNINSTALL, left, right)
}

fn compare(order: &[&str], left: &str, right: &str) -> Ordering {
    let rank = |kind: &str| order.iter().position(|known| *known == kind);
    match (rank(left), rank(right)) {
        (None, None) => left.cmp(right),
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => left.cmp(&right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_kinds_come_first_and_the_others_by_name() {
        let sorted = |compare: fn(&str, &str) -> Ordering| {
            let mut kinds = [
                "Zebra",
                "Service",
                "Ant",
                "Namespace",
                "Deployment",
                "Secret",
            ];
            kinds.sort_by(|left, right| compare(left, right));
            kinds.join(" ")
        };
        assert_eq!(
            sorted(compare_install),
            "Namespace Secret Service Deployment Ant Zebra"
        );
        assert_eq!(
            sorted(compare_uninstall),
            "Service Deployment Secret Namespace Ant Zebra"
        );
    }
}
