//! Names of objects as the world keeps them: made once, shared from then on, and compared without
//! reading them where possible.
//!
//! A [`Name`] equals, orders and hashes like the identity of its object, so that a map by name can be
//! asked for any [`ObjectRef`], whatever its version: `map.get(object as &dyn Identified)`.

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
    object: ObjectRef,
}

impl Name {
    /// The name of `object`. Whoever has it already clones that instead of making another.
    pub(crate) fn of(object: &ObjectRef) -> Self {
        Self(Arc::new(Named {
            fingerprint: object.fingerprint(),
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
}

impl Identified for ObjectRef {
    fn object(&self) -> &ObjectRef {
        self
    }

    fn fingerprint(&self) -> u64 {
        let identity = (&self.name, &self.namespace, &self.kind, &self.group);
        FixedState::default().hash_one(identity)
    }
}

impl Identified for Name {
    fn object(&self) -> &ObjectRef {
        &self.0.object
    }

    fn fingerprint(&self) -> u64 {
        self.0.fingerprint
    }
}

impl Hash for dyn Identified + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.fingerprint());
    }
}

impl PartialEq for dyn Identified + '_ {
    fn eq(&self, other: &Self) -> bool {
        let (this, that) = (self.object(), other.object());
        std::ptr::eq(this, that) || this.is_same(that)
    }
}

impl Eq for dyn Identified + '_ {}

impl Ord for dyn Identified + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        let (this, that) = (self.object(), other.object());
        if std::ptr::eq(this, that) {
            return Ordering::Equal;
        }
        (this.group.cmp(&that.group))
            .then_with(|| this.kind.cmp(&that.kind))
            .then_with(|| this.namespace.cmp(&that.namespace))
            .then_with(|| this.name.cmp(&that.name))
    }
}

impl PartialOrd for dyn Identified + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Borrow<dyn Identified + 'a> for Name {
    fn borrow(&self) -> &(dyn Identified + 'a) {
        self
    }
}

/// For those outside of this crate, who ask by identity.
impl Borrow<ObjectRef> for Name {
    fn borrow(&self) -> &ObjectRef {
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
        self as &dyn Identified == other as &dyn Identified
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        (self as &dyn Identified).cmp(other as &dyn Identified)
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
    use std::collections::BTreeSet;

    use fluvial_event::ObjectRef;

    use super::{Identified, Name};

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
            object(["apps", "v1beta1", "Deployment", "team", "b"]),
        ];
        for this in &objects {
            let (name, identity) = (Name::of(this), this.identity());
            assert_eq!(*name, identity, "{this:?}");
            let set = BTreeSet::from([name.clone()]);
            for that in &objects {
                let other = Name::of(that);
                let order = identity.cmp(&that.identity());
                assert_eq!(name.cmp(&other), order, "{this:?} {that:?}");
                assert_eq!(name == other, order.is_eq(), "{this:?} {that:?}");
                let is_alike = name.fingerprint() == that.fingerprint();
                assert_eq!(is_alike, order.is_eq(), "{this:?} {that:?}");
                let is_found = set.contains(that as &dyn Identified);
                assert_eq!(is_found, order.is_eq(), "{this:?} {that:?}");
                assert_eq!(set.contains(&that.identity()), order.is_eq());
            }
        }
    }
}
