//! `past`: the objects of a cluster as they were known at an offset.
//!
//! Of a Flux object that is what was declared, with the status that followed; of an owned object the
//! manifest as it was applied, with what was seen of it since. What was not seen is said, not guessed
//! ([`GAP`]). The manifests themselves are blobs, which the caller reads; serving objects is
//! `projections/serve`'s business.

mod compose;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{
    Action, AppliedObject, Concluded, Event, Health, InventoryEntry, ObjectObserved, ObjectRef,
    ObjectsApplied, Offset, Record, ResourceObserved, Timestamp, WatchGap,
};
use fluvial_manifest::ObjectId;

use crate::Projection;
use crate::status::Statuses;

pub use compose::{DRIFT, GAP, HEALTH, HEALTH_MESSAGE};

/// Where the artifacts of the past are said to be served: the address that `fluvial install` sets up.
const ADVERTISED: &str = "source-controller.flux-system.svc.cluster.local.";

/// The objects that were known, as of the last record that was folded in.
#[derive(Clone, Debug)]
pub struct Past {
    offset: Offset,
    time: Timestamp,
    declared: BTreeMap<ObjectRef, Declared>,
    owned: BTreeMap<ObjectRef, Owned>,
    statuses: Statuses,
    /// When each object was last another.
    changed_at: BTreeMap<ObjectRef, Offset>,
    changed: BTreeSet<ObjectRef>,
    /// The last interruption of the watch on a kind, by group and kind.
    gaps: BTreeMap<(String, String), Gap>,
}

/// A watch was interrupted: what happened just before was not all seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it was back.
    pub offset: Offset,
    /// The same, as a time.
    pub time: Timestamp,
    /// Why it was interrupted.
    pub reason: String,
}

/// A Flux object.
#[derive(Clone, Debug)]
struct Declared {
    seen: ResourceObserved,
    first_seen: Timestamp,
    deleted_at: Option<Timestamp>,
}

/// An object that a Kustomization or a HelmRelease owns, or that a health check names.
#[derive(Clone, Debug, Default)]
struct Owned {
    version: String,
    /// The blob of what was applied; none where only the name is known.
    manifest: Option<String>,
    /// Why there is no manifest, or why it may not be what was there.
    unseen: String,
    uid: String,
    owner: Option<ObjectRef>,
    first_seen: Timestamp,
    seen_at: Offset,
    health: Health,
    health_message: String,
    /// The owned fields that were seen to differ, and who wrote last.
    drifted: Vec<String>,
    manager: String,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            offset: Offset::default(),
            time: Timestamp::default(),
            declared: BTreeMap::new(),
            owned: BTreeMap::new(),
            statuses: Statuses::new(ADVERTISED),
            changed_at: BTreeMap::new(),
            changed: BTreeSet::new(),
            gaps: BTreeMap::new(),
        }
    }
}

impl Past {
    /// The last record that was folded in.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Its time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Every object that was there, by identity.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        let owned = self.owned.keys();
        let owned = owned.filter(|key| !self.declared.contains_key(*key));
        self.declared.keys().chain(owned)
    }

    /// The version in which an object was last written.
    pub fn version(&self, key: &ObjectRef) -> &str {
        let declared = self.declared.get(key);
        let declared = declared.and_then(|it| it.seen.object.as_ref());
        declared.map_or_else(
            || self.owned.get(key).map_or("", |it| it.version.as_str()),
            |it| &it.version,
        )
    }

    /// The blob that holds the manifest which an object was applied from.
    pub fn manifest(&self, key: &ObjectRef) -> Option<&str> {
        self.owned.get(key)?.manifest.as_deref()
    }

    /// The last interruption of the watch on a kind.
    pub fn gap(&self, group: &str, kind: &str) -> Option<&Gap> {
        self.gaps.get(&(group.to_owned(), kind.to_owned()))
    }

    /// The objects that changed, came or went since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.changed)
    }

    fn touch(&mut self, key: &ObjectRef) {
        self.changed_at.insert(key.clone(), self.offset);
        self.changed.insert(key.clone());
    }

    fn forget(&mut self, key: &ObjectRef) {
        let was_there = self.owned.remove(key).is_some();
        if was_there && !self.declared.contains_key(key) {
            self.changed_at.remove(key);
            self.changed.insert(key.clone());
        }
    }

    fn declare(&mut self, seen: &ResourceObserved) {
        let key = seen.object.clone().unwrap_or_default().identity();
        let before = self.declared.get(&key);
        let before = before.filter(|it| it.seen.uid == seen.uid);
        let deleted_at = before.and_then(|it| it.deleted_at);
        let declared = Declared {
            first_seen: before.map_or(self.time, |it| it.first_seen),
            deleted_at: seen.deleting.then(|| deleted_at.unwrap_or(self.time)),
            seen: seen.clone(),
        };
        self.declared.insert(key.clone(), declared);
        self.found(&key, &seen.inventory);
        self.touch(&key);
    }

    /// What an engine before this log owned: names, until it is applied again.
    fn found(&mut self, owner: &ObjectRef, inventory: &[InventoryEntry]) {
        for entry in inventory {
            let Some(key) = named(entry) else {
                continue;
            };
            if self.owned.contains_key(&key) {
                continue;
            }
            let owned = Owned {
                version: entry.version.clone(),
                unseen: format!("only its name is known, from the inventory of {owner}"),
                owner: Some(owner.clone()),
                first_seen: self.time,
                seen_at: self.offset,
                ..Owned::default()
            };
            self.owned.insert(key.clone(), owned);
            self.touch(&key);
        }
    }

    fn undeclare(&mut self, object: &ObjectRef) {
        let key = object.identity();
        if self.declared.remove(&key).is_some() {
            self.changed.insert(key.clone());
            self.changed_at.remove(&key);
        }
        self.owned.remove(&key);
        let ended = "its owner is gone: nobody looked at it any more since offset";
        self.left_alone(&key, ended, |_| false);
    }

    /// Objects of an owner that does not watch them any more.
    fn left_alone(&mut self, owner: &ObjectRef, why: &str, is_kept: impl Fn(&ObjectRef) -> bool) {
        let is_left =
            |(key, it): &(&ObjectRef, &Owned)| it.owner.as_ref() == Some(owner) && !is_kept(key);
        let left = self.owned.iter().filter(is_left);
        let left: Vec<_> = left.map(|(key, _)| key.clone()).collect();
        for key in left {
            if let Some(owned) = self.owned.get_mut(&key) {
                owned.owner = None;
                owned.unseen = format!("{why} {}", self.offset);
            }
            self.touch(&key);
        }
    }

    fn applied(&mut self, stage: &ObjectsApplied) {
        let owner = stage.object.as_ref().map(ObjectRef::identity);
        for applied in &stage.applied {
            self.apply_one(applied, owner.as_ref());
        }
    }

    fn apply_one(&mut self, applied: &AppliedObject, owner: Option<&ObjectRef>) {
        let Some(rendered) = &applied.rendered else {
            return;
        };
        let object = rendered.object.clone().unwrap_or_default();
        let key = object.identity();
        let before = self.owned.remove(&key).unwrap_or_default();
        let is_new = before.seen_at == Offset::default()
            || (!before.uid.is_empty() && before.uid != applied.uid);
        let is_skipped = applied.action() == Action::Skipped;
        let (manifest, unseen) = match (is_skipped, before.manifest) {
            (false, _) => (Some(rendered.manifest.clone()), String::new()),
            (true, Some(earlier)) => (Some(earlier), String::new()),
            (true, None) => (
                None,
                format!("it was there and was left as it was ({})", rendered.policy),
            ),
        };
        let owned = Owned {
            version: object.version,
            manifest,
            unseen,
            uid: applied.uid.clone(),
            owner: owner.cloned(),
            first_seen: if is_new { self.time } else { before.first_seen },
            seen_at: self.offset,
            health: applied.health(),
            health_message: applied.health_message.clone(),
            drifted: Vec::new(),
            manager: String::new(),
        };
        self.owned.insert(key.clone(), owned);
        self.touch(&key);
    }

    fn observe(&mut self, seen: &ObjectObserved) {
        let object = seen.object.clone().unwrap_or_default();
        let key = object.identity();
        if self.declared.contains_key(&key) {
            return;
        }
        let (time, offset) = (self.time, self.offset);
        let owned = self.owned.entry(key.clone()).or_insert_with(|| Owned {
            unseen: "only its health was looked at".to_owned(),
            uid: seen.uid.clone(),
            first_seen: time,
            ..Owned::default()
        });
        if !owned.uid.is_empty() && owned.uid != seen.uid {
            owned.first_seen = time;
        }
        if !object.version.is_empty() {
            owned.version = object.version;
        }
        owned.uid.clone_from(&seen.uid);
        owned.seen_at = offset;
        owned.health = seen.health();
        owned.health_message.clone_from(&seen.health_message);
        owned.drifted.clone_from(&seen.changed);
        owned.manager.clone_from(&seen.manager);
        self.touch(&key);
    }

    /// What its owner owns now; the rest of what it owned is left to itself.
    fn concluded(&mut self, concluded: &Concluded) {
        let (Some(owner), Some(inventory)) = (&concluded.object, &concluded.inventory) else {
            return;
        };
        let kept: BTreeSet<_> = inventory.entries.iter().filter_map(named).collect();
        let why = "it is in no inventory: nobody looked at it any more since offset";
        self.left_alone(&owner.identity(), why, |key| kept.contains(key));
    }

    fn interrupted(&mut self, gap: &WatchGap) {
        let kind = (gap.group.clone(), gap.kind.clone());
        let gap = Gap {
            offset: self.offset,
            time: self.time,
            reason: gap.reason.clone(),
        };
        self.gaps.insert(kind, gap);
    }
}

impl Projection for Past {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other records change no object but through its status"
    )]
    fn apply(&mut self, record: &Record) {
        self.offset = record.offset;
        self.time = record.time;
        self.statuses.apply(record);
        for key in self.statuses.take_changed() {
            if self.declared.contains_key(&key) {
                self.touch(&key);
            }
        }
        match &record.event {
            Event::ResourceObserved(it) => self.declare(it),
            Event::ResourceDeleted(it) => self.undeclare(&it.object.clone().unwrap_or_default()),
            Event::ObjectsApplied(it) => self.applied(it),
            Event::ObjectsPruned(it) => {
                for object in &it.pruned {
                    self.forget(&object.identity());
                }
            }
            Event::ObjectObserved(it) => self.observe(it),
            Event::ObjectGone(it) => self.forget(&it.object.clone().unwrap_or_default().identity()),
            Event::Concluded(it) => self.concluded(it),
            Event::WatchGap(it) => self.interrupted(it),
            _ => {}
        }
    }
}

/// The object that a line of an inventory names.
fn named(entry: &InventoryEntry) -> Option<ObjectRef> {
    let id: ObjectId = entry.id.parse().ok()?;
    Some(ObjectRef {
        group: id.group,
        version: String::new(),
        kind: id.kind,
        namespace: id.namespace,
        name: id.name,
    })
}
