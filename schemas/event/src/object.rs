//! How objects are named on screens, in messages and in inventories.

use std::fmt;

use crate::ObjectRef;

impl ObjectRef {
    /// The apiVersion this was last written with.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The same object whatever its version: what maps are keyed by.
    #[must_use]
    pub fn identity(&self) -> Self {
        Self {
            group: self.group.clone(),
            version: String::new(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Whether both name one object, whatever the version.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.namespace == other.namespace
            && self.kind == other.kind
            && self.group == other.group
    }

    /// The name of the record stream about this object.
    pub fn stream(&self) -> String {
        format!(
            "{}.{}/{}/{}",
            self.kind, self.group, self.namespace, self.name
        )
    }
}

/// `Deployment/apps/podinfo`, or `Namespace/apps` without a namespace.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
            ..
        } = self;
        if namespace.is_empty() {
            write!(f, "{kind}/{name}")
        } else {
            write!(f, "{kind}/{namespace}/{name}")
        }
    }
}
