//! `difference`: what two sets of manifests say differently, object by object and field by field.
//!
//! Values that must not be shown are replaced before anything leaves here: that they differ is said,
//! what they are is not, and neither is anything computed from them. Where the manifests come from, and
//! how a difference is printed, is for others.

pub mod lines;
mod secret;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_apply::drift::{labels, segment};
use fluvial_event::ObjectRef;
use fluvial_manifest::Value;
use serde::{Serialize, Serializer};

pub use secret::{HIDDEN, Secrets};

/// Manifests by the identity of their object.
pub type Manifests = BTreeMap<ObjectRef, Value>;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which, with the version of the newer manifest.
    #[serde(serialize_with = "named")]
    pub object: ObjectRef,
    /// Whether it came, went or changed.
    pub change: Change,
    /// Every field that is not the same; of an object that came or went, every field that it has.
    pub fields: Vec<Field>,
}

/// Whether an object came, went or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It is in the newer set only.
    Added,
    /// It is in the older set only.
    Removed,
    /// It is in both, and not the same.
    Changed,
}

/// One field that is not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Where: `spec.template.spec.containers[app].image`.
    pub path: String,
    /// What the older manifest says, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What the newer manifest says, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// Whether a part of the values is withheld, so that they may look the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
}

/// `Deployment/apps/web`.
fn named<S: Serializer>(object: &ObjectRef, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(object)
}

/// Every object that is not the same in both sets, by identity.
pub fn objects(old: &Manifests, new: &Manifests) -> Vec<Difference> {
    let secrets = Secrets::of(old.values().chain(new.values()));
    let all: BTreeSet<&ObjectRef> = old.keys().chain(new.keys()).collect();
    let compared = all.into_iter().filter_map(|key| {
        let (old, new) = (old.get(key), new.get(key));
        let change = match (old, new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(_), Some(_)) => Change::Changed,
        };
        let fields = fields(old, new, &secrets);
        let object = ObjectRef {
            version: version(new.or(old)?),
            ..key.clone()
        };
        (change != Change::Changed || !fields.is_empty()).then_some(Difference {
            object,
            change,
            fields,
        })
    });
    compared.collect()
}

fn version(manifest: &Value) -> String {
    let api_version = fluvial_manifest::object::api_version(manifest);
    fluvial_manifest::object::group_version(api_version)
        .1
        .to_owned()
}

/// Every field in which two manifests of one object differ, in the order of their paths. What is in
/// `secrets` is shown of neither.
pub fn fields(old: Option<&Value>, new: Option<&Value>, secrets: &Secrets) -> Vec<Field> {
    let mut walk = Walk {
        secrets,
        fields: Vec::new(),
    };
    walk.compare(old, new, &Place::default());
    walk.fields
}

/// Where the walk is, and whether what is there may be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    path: String,
    is_secret: bool,
}

impl Place {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value that is there as it may be shown, and whether anything is withheld.
    pub(crate) fn shown(&self, value: &Value, secrets: &Secrets) -> (Value, bool) {
        if self.is_secret {
            return (Value::from(HIDDEN), true);
        }
        let (_, shown, masked) = secrets.mask(None, Some(value));
        (shown.unwrap_or_default(), masked)
    }

    /// The member `key` of the map that is there, in two versions.
    pub(crate) fn member(&self, key: &str, of: [Option<&Value>; 2]) -> Self {
        let path = format!("{}{}", self.path, segment(key));
        let path = path.strip_prefix('.').unwrap_or(&path).to_owned();
        let is_secret = of.into_iter().flatten().any(|it| secret::hides(it, key));
        Self {
            path,
            is_secret: self.is_secret || is_secret,
        }
    }

    /// The item of the list that is there which goes by this label.
    pub(crate) fn item(&self, label: &str) -> Self {
        Self {
            path: format!("{}[{label}]", self.path),
            is_secret: self.is_secret,
        }
    }
}

struct Walk<'a> {
    secrets: &'a Secrets,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn compare(&mut self, old: Option<&Value>, new: Option<&Value>, place: &Place) {
        if old == new {
            return;
        }
        match (old, new) {
            (Some(Value::Object(_)), Some(Value::Object(_))) => self.maps(old, new, place),
            (Some(Value::Array(_)), Some(Value::Array(_))) => self.lists(old, new, place),
            (Some(one), None) | (None, Some(one)) if has_members(one) => {
                if one.is_object() {
                    self.maps(old, new, place);
                } else {
                    self.lists(old, new, place);
                }
            }
            // A map became a list or a value, or the other way round.
            (Some(before), Some(after)) if has_members(before) || has_members(after) => {
                self.compare(old, None, place);
                self.compare(None, new, place);
            }
            _ => self.differs(old, new, place),
        }
    }

    fn maps(&mut self, old: Option<&Value>, new: Option<&Value>, place: &Place) {
        let map = |it: Option<&Value>| it.and_then(Value::as_object).cloned().unwrap_or_default();
        let (before, after) = (map(old), map(new));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let place = place.member(key, [old, new]);
            self.compare(before.get(key), after.get(key), &place);
        }
    }

    fn lists(&mut self, old: Option<&Value>, new: Option<&Value>, place: &Place) {
        let list = |it: Option<&Value>| it.and_then(Value::as_array).cloned().unwrap_or_default();
        let (before, after) = (list(old), list(new));
        match labels(&before, &after) {
            Some([old, new]) => self.named_items(
                &old.into_iter().zip(&before).collect(),
                &new.into_iter().zip(&after).collect(),
                place,
            ),
            None => self.items(&before, &after, place),
        }
    }

    /// Lists whose items have names: item by item, and whether the order is another.
    fn named_items(
        &mut self,
        old: &Vec<(String, &Value)>,
        new: &Vec<(String, &Value)>,
        place: &Place,
    ) {
        let find =
            |items: &Vec<(String, &Value)>, label: &str| items.iter().position(|it| it.0 == label);
        for (label, item) in old {
            let other = find(new, label).map(|at| new[at].1);
            self.compare(Some(item), other, &place.item(label));
        }
        for (label, item) in new {
            if find(old, label).is_none() {
                self.compare(None, Some(item), &place.item(label));
            }
        }
        let common = |these: &Vec<(String, &Value)>, those: &Vec<(String, &Value)>| -> Vec<Value> {
            let stays = these.iter().filter(|it| find(those, &it.0).is_some());
            stays.map(|it| Value::from(it.0.as_str())).collect()
        };
        let (before, after) = (common(old, new), common(new, old));
        if before != after {
            let place = Place {
                path: format!("{} (order)", place.path),
                ..place.clone()
            };
            self.differs(Some(&before.into()), Some(&after.into()), &place);
        }
    }

    /// Lists whose items have none: what they begin and end with in common is left out.
    fn items(&mut self, old: &[Value], new: &[Value], place: &Place) {
        let same = |(a, b): &(&Value, &Value)| a == b;
        let start = old.iter().zip(new).take_while(same).count();
        let (old, new) = (&old[start..], &new[start..]);
        let end = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take_while(same)
            .count();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        for index in 0..old.len().max(new.len()) {
            let place = place.item(&(start + index).to_string());
            self.compare(old.get(index), new.get(index), &place);
        }
    }

    fn differs(&mut self, old: Option<&Value>, new: Option<&Value>, place: &Place) {
        let (old, new, masked) = if place.is_secret {
            let hide = |it: Option<&Value>| it.map(|_| Value::from(HIDDEN));
            (hide(old), hide(new), true)
        } else {
            self.secrets.mask(old, new)
        };
        self.fields.push(Field {
            path: place.path.clone(),
            old,
            new,
            masked,
        });
    }
}

fn has_members(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests;
