//! `blame`: whose commit made each field of an object what it is, and who changed it in the cluster since.
//!
//! Manifests are read back from the newest, only as far as fields are open. No value of a Secret is told.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_apply::drift::labels;
use fluvial_event::{ObjectRef, Offset, Record, Rendered, Role, Timestamp};
use fluvial_manifest::Value;
use serde::Serialize;

use super::managed::member;
use super::obstacles::set;
use super::{Asking, Chain, Commit, Drift, Past, Standing, answer};
use crate::difference::{Place, Secrets};

/// Who made an object what its newest manifest says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blame {
    /// The object, as `Deployment/apps/web`.
    pub object: String,
    /// The last record that was looked at.
    pub as_of: Offset,
    /// Its fields, in the order of the manifest.
    pub fields: Vec<Blamed>,
}

/// One field, and who made it what it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blamed {
    /// Where: `spec.template.spec.containers[app].image`.
    pub path: String,
    /// What the manifest says.
    pub value: Value,
    /// Whether a part of the value is withheld.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// The record of the set that was the first to say so.
    pub offset: Offset,
    /// When that was.
    pub time: Timestamp,
    /// Whose set it is.
    pub owner: String,
    /// The commit, or the chart, that it was made from.
    pub commit: Commit,
    /// How it was changed in the cluster since, where that was not repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<ByHand>,
}

/// A change of a field by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByHand {
    /// The field manager that made it; empty where nobody knows.
    pub manager: String,
    /// The record that says so.
    pub offset: Offset,
    /// When it was seen.
    pub time: Timestamp,
}

impl Blamed {
    /// Whether this is the field `path`, or a part of it.
    pub fn is_in(&self, path: &str) -> bool {
        is_part(&self.path, path)
    }
}

/// Who made `object` what it was to be at `until`. `None` where it was in no set then. `read` reads the
/// manifest of a member of a set.
pub fn blame<P: Past>(
    past: &P,
    object: &ObjectRef,
    until: Offset,
    read: impl Fn(&Rendered) -> Result<Value, P::Error>,
) -> Result<Option<Blame>, P::Error> {
    let Some(newest) = newest(past, object, until, &read)? else {
        return Ok(None);
    };
    let drift = answer(past, object, until)?
        .filter(|it| it.standing == Standing::Drifted)
        .and_then(|it| it.drift);
    let mut fields = BTreeMap::new();
    for (record, leaves) in settle(past, object, newest, &read)? {
        let Some(owner) = record.event.object().filter(|_| !leaves.is_empty()) else {
            continue;
        };
        let commit = story(past, owner, record.offset)?;
        for (path, leaf) in leaves {
            let blamed = Blamed {
                by_hand: drift.as_ref().and_then(|it| by_hand(it, &path)),
                path,
                value: leaf.value,
                masked: leaf.masked,
                offset: record.offset,
                time: record.time,
                owner: owner.to_string(),
                commit: commit.clone(),
            };
            fields.insert(leaf.at, blamed);
        }
    }
    Ok(Some(Blame {
        object: object.to_string(),
        as_of: until,
        fields: fields.into_values().collect(),
    }))
}

/// The fields of the newest manifest, each with the record of the first set that said so and was never
/// contradicted. The newest record comes first.
fn settle<P: Past>(
    past: &P,
    object: &ObjectRef,
    newest: Newest,
    read: &impl Fn(&Rendered) -> Result<Value, P::Error>,
) -> Result<Vec<(Record, Leaves)>, P::Error> {
    let Newest {
        manifest,
        record,
        mut digest,
    } = newest;
    let mut open = leaves(&manifest, &secrets_of(&record, &manifest, read)?);
    let mut origin = record;
    let mut settled = Vec::new();
    for mention in past.mentions(object, Offset(origin.offset.0.saturating_sub(1))) {
        let mention = mention?;
        // Of what was deleted and made again, everything is new.
        if mention.role == Role::Pruned || open.is_empty() {
            break;
        }
        if mention.role != Role::Rendered {
            continue;
        }
        let record = past.record(mention.offset)?;
        let Some(rendered) = member(&record, object) else {
            continue;
        };
        if rendered.manifest != digest {
            digest.clone_from(&rendered.manifest);
            let changed = take_changed(&mut open, &read(rendered)?, &manifest);
            settled.push((origin, changed));
        }
        origin = record;
    }
    settled.push((origin, open));
    Ok(settled)
}

/// The newest manifest, and the record of the set that it is in.
struct Newest {
    manifest: Value,
    record: Record,
    digest: String,
}

fn newest<P: Past>(
    past: &P,
    object: &ObjectRef,
    until: Offset,
    read: &impl Fn(&Rendered) -> Result<Value, P::Error>,
) -> Result<Option<Newest>, P::Error> {
    for mention in past.mentions(object, until) {
        let mention = mention?;
        if mention.role == Role::Pruned {
            return Ok(None);
        }
        if mention.role != Role::Rendered {
            continue;
        }
        let record = past.record(mention.offset)?;
        let Some(rendered) = member(&record, object) else {
            continue;
        };
        return Ok(Some(Newest {
            manifest: read(rendered)?,
            digest: rendered.manifest.clone(),
            record,
        }));
    }
    Ok(None)
}

/// The values that must not be shown: those of the Secrets in the same set, and in the manifest itself.
fn secrets_of<E>(
    record: &Record,
    manifest: &Value,
    read: &impl Fn(&Rendered) -> Result<Value, E>,
) -> Result<Secrets, E> {
    let is_secret = |it: &&Rendered| it.object.as_ref().is_some_and(|it| it.kind == "Secret");
    let secrets = set(record).iter().filter(is_secret).map(read);
    let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
    Ok(Secrets::of(secrets.iter().chain([manifest])))
}

pub(super) fn story<P: Past>(
    past: &P,
    owner: &ObjectRef,
    built: Offset,
) -> Result<Commit, P::Error> {
    let mut asking = Asking {
        past,
        until: built,
        chain: Chain::default(),
        visited: BTreeSet::new(),
    };
    asking.story(owner, built)
}

fn by_hand(drift: &Drift, path: &str) -> Option<ByHand> {
    let mut fields = drift.fields.iter();
    fields.any(|it| is_part(path, it)).then(|| ByHand {
        manager: drift.manager.clone(),
        offset: drift.offset,
        time: drift.time,
    })
}

fn is_part(path: &str, of: &str) -> bool {
    let rest = path.strip_prefix(of);
    rest.is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
}

/// Fields that have no parts, by path.
type Leaves = BTreeMap<String, Leaf>;

/// The place of a field among the others, and what may be shown of it.
struct Leaf {
    at: usize,
    value: Value,
    masked: bool,
}

fn leaves(manifest: &Value, secrets: &Secrets) -> Leaves {
    let mut leaves = Leaves::new();
    let tell = &mut |place: &Place, value: &Value, _: Option<&Value>| {
        let (value, masked) = place.shown(value, secrets);
        let at = leaves.len();
        leaves.insert(place.path().to_owned(), Leaf { at, value, masked });
    };
    walk(manifest, None, &Place::default(), tell);
    leaves
}

/// Takes out of `open` what `older` does not say, or says otherwise than `newest`.
fn take_changed(open: &mut Leaves, older: &Value, newest: &Value) -> Leaves {
    let mut changed = Leaves::new();
    let tell = &mut |place: &Place, value: &Value, older: Option<&Value>| {
        if older != Some(value) {
            changed.extend(open.remove_entry(place.path()));
        }
    };
    walk(newest, Some(older), &Place::default(), tell);
    changed
}

/// Tells of every field of `value` that has no parts: where it is, what it is, and what `older` has there.
fn walk(
    value: &Value,
    older: Option<&Value>,
    place: &Place,
    tell: &mut impl FnMut(&Place, &Value, Option<&Value>),
) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, member) in map {
                let place = place.member(key, [older, Some(value)]);
                walk(member, older.and_then(|it| it.get(key)), &place, tell);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let names = labels(items, items).map(|[names, _]| names);
            let before = older
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            let pairs = labels(before, items);
            for (at, item) in items.iter().enumerate() {
                let older = match &pairs {
                    Some([before_names, names]) => {
                        let same = before_names.iter().position(|it| *it == names[at]);
                        same.and_then(|at| before.get(at))
                    }
                    None => before.get(at),
                };
                let place = match &names {
                    Some(names) => place.item(&names[at]),
                    None => place.item(&at.to_string()),
                };
                walk(item, older, &place, tell);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => tell(place, value, older),
    }
}
