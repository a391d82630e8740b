//! What was declared at a point in time: the sets that were recorded, and their manifests.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use fluvial_event::{Event, ObjectRef, Offset, Rendered, Role};
use fluvial_log::BlobStore;
use fluvial_log::index::Index;
use fluvial_view::difference::Manifests;

use super::positions::is_kustomization;
use crate::index::manifest;
use crate::position::Position;

/// The records that say what a Kustomization consists of.
const SETS: [&str; 2] = ["ManifestsBuilt", "ManifestsRecalled"];
/// How many records are read to find who declares an object.
const OWNERS_LOOKED_AT_MAX: usize = 100;

/// Objects by identity, each with how it was rendered.
pub(super) type Set = BTreeMap<ObjectRef, Rendered>;

/// The Kustomizations that are to be compared.
pub(super) fn owners(
    index: &Index<'_>,
    about: Option<&ObjectRef>,
    sides: [&Position; 2],
) -> Result<BTreeSet<ObjectRef>> {
    if let Some(object) = about {
        return if is_kustomization(object) {
            Ok([object.clone()].into())
        } else {
            owners_of(index, object)
        };
    }
    let commits: BTreeSet<_> = sides.iter().filter_map(|it| it.commit.as_deref()).collect();
    if commits.is_empty() {
        let all = index.objects()?;
        return Ok(all.into_iter().filter(is_kustomization).collect());
    }
    let mut owners = BTreeSet::new();
    for commit in commits {
        for seen in index.revisions(commit, index.end())? {
            if seen.commit == commit && SETS.contains(&name(seen.number)) {
                let record = index.record(seen.offset)?;
                owners.extend(record.event.object().map(ObjectRef::identity));
            }
        }
    }
    Ok(owners)
}

fn name(number: u16) -> &'static str {
    let mut types = Event::TYPES.iter();
    types.find(|it| it.0 == number).map_or("", |it| it.2)
}

fn owners_of(index: &Index<'_>, object: &ObjectRef) -> Result<BTreeSet<ObjectRef>> {
    let mut owners = BTreeSet::new();
    let rendered = index
        .mentions(object, index.end())
        .filter(|it| !matches!(it, Ok(it) if it.role != Role::Rendered));
    for mention in rendered.take(OWNERS_LOOKED_AT_MAX) {
        let record = index.record(mention?.offset)?;
        owners.extend(record.event.object().map(ObjectRef::identity));
    }
    Ok(owners)
}

/// What `owner` declared at `position`: where that is a revision, what was last built of it.
pub(super) fn of(index: &Index<'_>, owner: &ObjectRef, position: &Position) -> Result<Set> {
    let offset = match &position.commit {
        Some(commit) => built_of(index, owner, commit)?,
        None => None,
    };
    let offset = match offset {
        Some(offset) => Some(offset),
        None => newest(index, owner, position.offset)?,
    };
    let Some(offset) = offset else {
        return Ok(Set::new());
    };
    let objects = match index.record(offset)?.event {
        Event::ManifestsBuilt(it) => it.objects,
        Event::ManifestsRecalled(it) => it.objects,
        _ => Vec::new(),
    };
    let named = |it: Rendered| Some((it.object.as_ref()?.identity(), it));
    Ok(objects.into_iter().filter_map(named).collect())
}

fn built_of(index: &Index<'_>, owner: &ObjectRef, commit: &str) -> Result<Option<Offset>> {
    let seen = index.revisions(commit, index.end())?;
    let offsets: BTreeSet<_> = seen
        .iter()
        .filter(|it| it.commit == commit)
        .map(|it| it.offset)
        .collect();
    for mention in index.mentions(owner, index.end()) {
        let mention = mention?;
        let is_set = mention.role == Role::Subject && SETS.contains(&mention.name());
        if is_set && offsets.contains(&mention.offset) {
            return Ok(Some(mention.offset));
        }
    }
    Ok(None)
}

/// The newest set up to `until`; none where its owner was deleted since.
fn newest(index: &Index<'_>, owner: &ObjectRef, until: Offset) -> Result<Option<Offset>> {
    for mention in index.mentions(owner, until) {
        let mention = mention?;
        if mention.role != Role::Subject {
            continue;
        }
        if mention.name() == "ResourceDeleted" {
            return Ok(None);
        }
        if SETS.contains(&mention.name()) {
            return Ok(Some(mention.offset));
        }
    }
    Ok(None)
}

/// The manifests of both sets, but for those that are the same. Secrets are always among them: their
/// values must be recognised where they were copied to.
pub(super) fn manifests(
    blobs: &dyn BlobStore,
    old: &Set,
    new: &Set,
) -> Result<(Manifests, Manifests)> {
    let read = |set: &Set, other: &Set| -> Result<Manifests> {
        let mut manifests = Manifests::new();
        for (object, rendered) in set {
            let is_same = other
                .get(object)
                .is_some_and(|it| it.manifest == rendered.manifest);
            if !is_same || object.kind == "Secret" {
                manifests.insert(object.clone(), manifest(blobs, rendered)?);
            }
        }
        Ok(manifests)
    };
    Ok((read(old, new)?, read(new, old)?))
}
