//! The name of one object, as a request needs it.
//!
//! What the object's kind is called on the wire is `discovery`'s knowledge.

use std::fmt;

use serde_json::Value;

use crate::error::{Cause, Error};

/// One object by kind, namespace and name; the namespace is empty for cluster-wide kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version to speak; empty for the one the server prefers.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for cluster-wide kinds, and ignored for them.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Reference {
    /// The object of this `api_version` ("v1", "apps/v1") and kind.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// What `object` calls itself. Fails where apiVersion, kind or name is missing.
    pub fn of(object: &Value) -> Result<Self, Error> {
        let text = |pointer: &str| {
            let found = object
                .pointer(pointer)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty());
            found.ok_or_else(|| {
                let field = pointer[1..].replace('/', ".");
                let message = format!("it has no {field}; add it");
                Error::new("address an object", Cause::Address { message })
            })
        };
        let namespace = object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .unwrap_or("");
        Ok(Self::new(
            text("/apiVersion")?,
            text("/kind")?,
            namespace,
            text("/metadata/name")?,
        ))
    }

    /// "apps/v1" or "v1", as in an object's `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.clone();
        }
        format!("{}/{}", self.group, self.version)
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

/// `Kind/namespace/name`, or `Kind/name`: Flux's way of naming objects in messages.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

/// The resourceVersion of an object, or "" where it has none.
pub(crate) fn resource_version(object: &Value) -> &str {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_names_itself_or_says_what_it_lacks() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"}});
        let reference = Reference::of(&deployment).unwrap();
        assert_eq!(
            reference,
            Reference::new("apps/v1", "Deployment", "shop", "web")
        );
        assert_eq!(
            (reference.to_string(), reference.api_version()),
            ("Deployment/shop/web".to_owned(), "apps/v1".to_owned())
        );
        let core = Reference::new("v1", "Namespace", "", "shop");
        assert_eq!(
            (core.to_string(), core.api_version()),
            ("Namespace/shop".to_owned(), "v1".to_owned())
        );
        let error =
            Reference::of(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot address an object: it has no metadata.name; add it"
        );
    }
}
