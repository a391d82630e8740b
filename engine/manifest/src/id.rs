//! What names an object in a cluster, and how Flux's inventory writes it.
//!
//! The version is no part of it: two versions of one kind are one object.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::object;

/// The identity of an object: group, kind, namespace, name, ordered in this order.
///
/// It prints as Flux's inventory id, `<namespace>_<name>_<group>_<kind>`
/// (`pkg/object/objmetadata.go` of fluxcd/cli-utils), and parses back from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for an object that has none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Why a text is not an inventory id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?} as an inventory id: it must be <namespace>_<name>_<group>_<kind>")]
pub struct Error(pub String);

impl ObjectId {
    /// The identity of `object`; `None` when it lacks a kind or a name.
    pub fn of(object: &Value) -> Option<Self> {
        let (kind, name) = (object::kind(object), object::name(object));
        if kind.is_empty() || name.is_empty() {
            return None;
        }
        let (group, _) = object::group_version(object::api_version(object));
        Some(Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: object::namespace(object).to_owned(),
            name: name.to_owned(),
        })
    }

    /// As people and Flux's messages write it: `Deployment/default/web`, `Namespace/web`.
    pub fn human(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind, self.name)
        } else {
            format!("{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }

    /// RBAC names may hold a colon, which the inventory writes as two underscores.
    fn may_have_colon(&self) -> bool {
        self.group == "rbac.authorization.k8s.io"
            && matches!(
                self.kind.as_str(),
                "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding"
            )
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            group,
            kind,
            namespace,
            name,
        } = self;
        if self.may_have_colon() {
            let name = name.replace(':', "__");
            return write!(f, "{namespace}_{name}_{group}_{kind}");
        }
        write!(f, "{namespace}_{name}_{group}_{kind}")
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = || {
            let (namespace, rest) = text.split_once('_')?;
            let (rest, kind) = rest.rsplit_once('_')?;
            let (name, group) = rest.rsplit_once('_')?;
            Some(Self {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name: name.replace("__", ":"),
            })
        };
        parts()
            .filter(|id| !id.kind.is_empty() && !id.name.is_empty())
            .ok_or_else(|| Error(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inventory_ids_are_those_of_flux() {
        let cases = [
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}),
                "shop_web_apps_Deployment",
                "Deployment/shop/web",
            ),
            (
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
                "_shop__Namespace",
                "Namespace/shop",
            ),
            (
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:view"}}),
                "_system__view_rbac.authorization.k8s.io_ClusterRole",
                "ClusterRole/system:view",
            ),
        ];
        for (object, id, human) in cases {
            let read = ObjectId::of(&object).expect("it has a kind and a name");
            assert_eq!(read.to_string(), id);
            assert_eq!(read.human(), human);
            assert_eq!(id.parse(), Ok(read));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "a", "a_b", "a_b_c", "a_b_c_", "a__c_d"] {
            assert_eq!(
                text.parse::<ObjectId>(),
                Err(Error(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn an_object_without_kind_or_name_has_no_identity() {
        assert_eq!(ObjectId::of(&json!({"kind": "A"})), None);
        assert_eq!(ObjectId::of(&json!({"metadata": {"name": "a"}})), None);
    }
}
