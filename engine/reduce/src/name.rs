//! Names of objects as the world keeps them: made once, shared from then on, and compared without
//! reading them where possible.
//!
//! A [`Name`] equals and hashes like the identity of its object, so that a table by name can be asked for
//! any [`ObjectRef`], whatever its version.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use fluvial_event::ObjectRef;
use foldhash::fast::FixedState;

/// The identity of an object: its name without the version. Cheap to clone.
#[derive(Clone)]
pub struct Name(Arc<Named>);

struct Named {
    fingerprint: u64,
    /// Group, kind, namespace and name in one piece: comparing names is what going through them in order and
    /// finding them costs, and the parts of `object` lie all over the memory.
    sorted_by: Box<str>,
    /// Where the first three end in it.
    ends: [usize; 3],
    object: ObjectRef,
}

impl Named {
    /// Whether this is the name of `object`, whatever its version.
    fn names(&self, object: &ObjectRef) -> bool {
        let [group, kind, namespace] = self.ends;
        let text = self.sorted_by.as_bytes();
        object.group.len() == group
            && object.kind.len() + group + 1 == kind
            && object.namespace.len() + kind + 1 == namespace
            && object.name.len() + namespace + 1 == text.len()
            && object.name.as_bytes() == &text[namespace + 1..]
            && object.namespace.as_bytes() == &text[kind + 1..namespace]
            && object.kind.as_bytes() == &text[group + 1..kind]
            && object.group.as_bytes() == &text[..group]
    }
}

impl Name {
    /// The name of `object`. Whoever has it already clones that instead of making another.
    pub(crate) fn of(object: &ObjectRef) -> Self {
        let ObjectRef {
            group,
            version: _,
            kind,
            namespace,
            name,
        } = object;
        let kind_end = group.len() + 1 + kind.len();
        Self(Arc::new(Named {
            fingerprint: object.fingerprint(),
            sorted_by: format!("{group}\0{kind}\0{namespace}\0{name}").into(),
            ends: [group.len(), kind_end, kind_end + 1 + namespace.len()],
            object: object.identity(),
        }))
    }
}

/// What has an identity: a name, or an object of whatever version.
pub trait Identified {
    /// What it names; its version says nothing.
    fn object(&self) -> &ObjectRef;

    /// A hash of the identity. Nothing that is recorded, stored or said may follow from it.
    fn fingerprint(&self) -> u64;

    /// Whether both name one object, whatever the version.
    fn is_also(&self, other: &dyn Identified) -> bool;

    /// Whether `name` is the name of this.
    fn is_named(&self, name: &Name) -> bool;
}

impl Identified for ObjectRef {
    fn object(&self) -> &ObjectRef {
        self
    }

    fn fingerprint(&self) -> u64 {
        let identity = (&self.name, &self.namespace, &self.kind, &self.group);
        FixedState::default().hash_one(identity)
    }

    fn is_also(&self, other: &dyn Identified) -> bool {
        self.is_same(other.object())
    }

    fn is_named(&self, name: &Name) -> bool {
        std::ptr::eq(self, &raw const name.0.object) || name.0.names(self)
    }
}

impl Identified for Name {
    fn object(&self) -> &ObjectRef {
        &self.0.object
    }

    fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }

    fn is_also(&self, other: &dyn Identified) -> bool {
        other.is_named(self)
    }

    fn is_named(&self, name: &Name) -> bool {
        Arc::ptr_eq(&self.0, &name.0)
            || self.0.ends == name.0.ends && self.0.sorted_by == name.0.sorted_by
    }
}

impl Hash for dyn Identified + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

impl PartialEq for dyn Identified + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.is_also(other)
    }
}

impl Eq for dyn Identified + '_ {}

impl<'a> Borrow<dyn Identified + 'a> for Name {
    fn borrow(&self) -> &(dyn Identified + 'a) {
        self
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.is_named(other)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        let by_text = self.0.sorted_by.cmp(&other.0.sorted_by);
        // No name of Kubernetes holds a zero; where one of nobody does, its parts tell.
        by_text.then_with(|| self.0.object.cmp(&other.0.object))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deref for Name {
    type Target = ObjectRef;

    fn deref(&self) -> &ObjectRef {
        &self.0.object
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.object, f)
    }
}

#[cfg(test)]
mod tests {
    use fluvial_event::ObjectRef;

    use super::{Identified as _, Name};
    use crate::table::Table;

    fn object(parts: [&str; 5]) -> ObjectRef {
        let [group, version, kind, namespace, name] = parts.map(str::to_owned);
        ObjectRef {
            group,
            version,
            kind,
            namespace,
            name,
        }
    }

    #[test]
    fn a_name_compares_and_is_found_like_the_identity_of_any_version() {
        let objects = [
            object(["", "v1", "ConfigMap", "team", "a"]),
            object(["", "v2", "ConfigMap", "team", "a"]),
            object(["", "v1", "ConfigMap", "tea", "ma"]),
            object(["", "v1", "ConfigMap", "", "teama"]),
            object(["apps", "v1", "Deployment", "team", "a"]),
            object(["apps", "v1", "Deployment", "te\0am", "a"]),
            object(["apps", "v1", "Deployment", "te", "am\0a"]),
            object(["apps", "v1beta1", "Deployment", "team", "b"]),
        ];
        for this in &objects {
            let (name, identity) = (Name::of(this), this.identity());
            assert_eq!(*name, identity, "{this:?}");
            let mut table = Table::default();
            table.insert(name.clone(), 1);
            for that in &objects {
                let other = Name::of(that);
                let order = identity.cmp(&that.identity());
                assert_eq!(name.cmp(&other), order, "{this:?} {that:?}");
                assert_eq!(name == other, order.is_eq(), "{this:?} {that:?}");
                let is_alike = name.fingerprint() == that.fingerprint();
                assert_eq!(is_alike, order.is_eq(), "{this:?} {that:?}");
                assert_eq!(table.contains(that), order.is_eq(), "{this:?} {that:?}");
                assert_eq!(table.contains(&other), order.is_eq(), "{this:?} {that:?}");
            }
        }
    }
}
