//! The part of an object's metadata that Fluvial reads, and the names Flux gives labels and annotations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Annotations on Flux objects and on what they apply.
pub mod annotation {
    /// A new value asks for a reconciliation now; it is copied to `status.lastHandledReconcileAt`.
    pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
    /// Asks a HelmRelease to release again; counts when it equals [`REQUESTED_AT`].
    pub const FORCE_AT: &str = "reconcile.fluxcd.io/forceAt";
    /// Asks a HelmRelease to forget its failures; counts when it equals [`REQUESTED_AT`].
    pub const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";
    /// Annotations that start so are copied into the metadata of events.
    pub const EVENT_PREFIX: &str = "event.toolkit.fluxcd.io/";
    /// What kubectl last applied; dropped before an object is applied.
    pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    /// The name of the Helm release that owns an object.
    pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
    /// The namespace of the Helm release that owns an object.
    pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
    /// `keep`: helm does not delete the object.
    pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";
    /// On an object of a release: `disabled` leaves its drift alone.
    pub const DRIFT_DETECTION: &str = "helm.toolkit.fluxcd.io/driftDetection";
}

/// Labels on Flux objects and on what they apply.
pub mod label {
    /// The name of the Kustomization that owns an object.
    pub const KUSTOMIZATION_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
    /// The namespace of the Kustomization that owns an object.
    pub const KUSTOMIZATION_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
    /// The name of the HelmRelease that made an object.
    pub const HELM_RELEASE_NAME: &str = "helm.toolkit.fluxcd.io/name";
    /// The namespace of the HelmRelease that made an object.
    pub const HELM_RELEASE_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
    /// What manages an object; `Helm` for those of a release.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// On a ConfigMap or Secret: a change wakes the objects that refer to it.
    pub const WATCH: &str = "reconcile.fluxcd.io/watch";
    /// The value of [`WATCH`] that counts.
    pub const WATCH_ENABLED: &str = "Enabled";
}

/// Labels or annotations by which a manifest says how it wants to be treated.
pub mod marker {
    /// How to apply: [`MERGE`], [`IF_NOT_PRESENT`], [`IGNORE`]; anything else overrides.
    pub const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
    /// [`ENABLED`]: delete and create again when a field cannot be changed.
    pub const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
    /// [`DISABLED`]: never delete.
    pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
    /// [`DISABLED`]: neither apply nor delete.
    pub const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
    /// [`DISABLED`]: no variable is substituted.
    pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
    /// [`DISABLED`]: nothing is decrypted.
    pub const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";

    /// Switches something on.
    pub const ENABLED: &str = "enabled";
    /// Switches something off.
    pub const DISABLED: &str = "disabled";
    /// Apply without taking fields from other managers.
    pub const MERGE: &str = "Merge";
    /// Create, but never change.
    pub const IF_NOT_PRESENT: &str = "IfNotPresent";
    /// Do not apply.
    pub const IGNORE: &str = "Ignore";
}

/// The finalizer on every Flux object but Alert and ArtifactGenerator.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// What Fluvial reads of `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The object's name; never empty.
    pub name: String,
    /// The object's namespace; never empty for a Flux object.
    pub namespace: String,
    /// The identity of this object among all that ever had its name.
    pub uid: String,
    /// The version of the object in the API server.
    pub resource_version: String,
    /// Counts the changes of the spec.
    pub generation: i64,
    /// When the object was created, in RFC 3339.
    pub creation_timestamp: Option<String>,
    /// When somebody asked for the deletion of the object, in RFC 3339.
    pub deletion_timestamp: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Who must agree to a deletion.
    pub finalizers: Vec<String>,
}

impl Metadata {
    /// The value of the annotation that asks for a reconciliation.
    pub fn requested_at(&self) -> Option<&str> {
        self.annotations
            .get(annotation::REQUESTED_AT)
            .map(String::as_str)
    }

    /// Whether somebody asked for the deletion of the object.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether the object waits for Fluvial before it is deleted.
    pub fn has_finalizer(&self) -> bool {
        self.finalizers
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    }
}
