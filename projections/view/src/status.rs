//! `status`: what should stand in `.status` of every Flux object.
//!
//! Each kind's words are in a file of its own. Writing it to the cluster is `sinks/writeback`'s
//! business; an object about which nothing was said yet has no status here.

mod artifact;
mod bystander;
mod conditions;
mod git_repository;
mod helm_chart;
mod helm_release;
mod helm_repository;
mod kustomization;
mod oci_repository;
mod source;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::{condition, kinds};
use fluvial_event::{Event, ObjectRef, Record, ResourceObserved};
use serde_json::{Value, json};
use wincode::{SchemaRead, SchemaWrite};

use crate::Projection;
use crate::stored::{self, Change, Error, Stored};
use bystander::Bystander;
use git_repository::GitRepository;
use helm_chart::HelmChart;
use helm_release::HelmRelease;
use helm_repository::HelmRepository;
use kustomization::Kustomization;
use oci_repository::OciRepository;
use told::Told;

/// The status of every Flux object that lives.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Where artifacts are served: the host, and the port if it has one.
    advertised: String,
    objects: BTreeMap<ObjectRef, Object>,
    changed: BTreeSet<ObjectRef>,
    /// What is not stored yet.
    dirty: BTreeSet<ObjectRef>,
}

/// Two are equal when what is stored of them is.
impl PartialEq for Statuses {
    fn eq(&self, other: &Self) -> bool {
        self.advertised == other.advertised && self.objects == other.objects
    }
}

#[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
struct Object {
    version: String,
    uid: String,
    generation: i64,
    requested_at: String,
    said: Said,
    is_said: bool,
}

#[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
enum Said {
    GitRepository(Box<GitRepository>),
    Kustomization(Box<Kustomization>),
    Bystander(Bystander),
    HelmRepository(Box<HelmRepository>),
    HelmChart(Box<HelmChart>),
    HelmRelease(Box<HelmRelease>),
    OciRepository(Box<OciRepository>),
}

/// What a record is told to: the object as it is declared, and when.
struct Context<'a> {
    object: &'a ObjectRef,
    generation: i64,
    requested_at: &'a str,
    time: String,
    record: &'a Record,
    advertised: &'a str,
}

/// What should stand in one object's `.status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The object, in the version in which it was last seen.
    pub object: ObjectRef,
    /// Its uid: a namesake that was made later has another.
    pub uid: String,
    /// The fields of `.status` that are Fluvial's to write.
    pub value: Value,
}

impl Status {
    /// Whether it only says that work is under way: Ready is not known.
    pub fn is_under_way(&self) -> bool {
        let conditions = self.value.get("conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|it| it["type"] == condition::READY && it["status"] == "Unknown")
    }
}

impl Statuses {
    /// Nothing said yet. Artifacts are served at `advertised`, such as
    /// `source-controller.flux-system.svc.cluster.local.`.
    pub fn new(advertised: impl Into<String>) -> Self {
        Self {
            advertised: advertised.into(),
            ..Self::default()
        }
    }

    /// The status of `object`, whatever the version it is named with.
    pub fn get(&self, object: &ObjectRef) -> Option<Status> {
        let key = object.identity();
        let known = self.objects.get(&key).filter(|known| known.is_said)?;
        let value = match &known.said {
            Said::GitRepository(said) => json!(said.status),
            Said::Kustomization(said) => json!(said.status),
            Said::Bystander(said) => json!(said),
            Said::HelmRepository(said) => json!(said.status),
            Said::HelmChart(said) => json!(said.status),
            Said::HelmRelease(said) => json!(said.status),
            Said::OciRepository(said) => json!(said.status),
        };
        Some(Status {
            object: ObjectRef {
                version: known.version.clone(),
                ..key
            },
            uid: known.uid.clone(),
            value,
        })
    }

    /// Every object that has a status.
    pub fn iter(&self) -> impl Iterator<Item = Status> {
        self.objects.keys().filter_map(|object| self.get(object))
    }

    /// The objects whose status changed, or that are gone, since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<ObjectRef> {
        std::mem::take(&mut self.changed)
    }

    fn observe(&mut self, seen: &ResourceObserved, key: &ObjectRef) {
        let version = seen.object.as_ref().map(|it| it.version.clone());
        let known = self
            .objects
            .entry(key.clone())
            .or_insert_with(|| Object::new(key, seen));
        if known.uid != seen.uid {
            *known = Object::new(key, seen);
        }
        known.version = version.unwrap_or_default();
        known.generation = seen.generation;
        known.requested_at.clone_from(&seen.requested_at);
        match &mut known.said {
            Said::GitRepository(said) => said.observe(seen),
            Said::Kustomization(said) => {
                if said.observe(seen) {
                    self.changed.insert(key.clone());
                }
            }
            Said::HelmChart(said) => said.observe(seen),
            Said::OciRepository(said) => said.observe(seen),
            Said::HelmRelease(said) => {
                if said.observe(seen) {
                    self.changed.insert(key.clone());
                }
            }
            Said::HelmRepository(_) | Said::Bystander(_) => {}
        }
    }
}

impl Object {
    fn new(key: &ObjectRef, seen: &ResourceObserved) -> Self {
        let is = |kind: &kinds::Kind| kind.kind == key.kind && kind.group == key.group;
        let said = if is(&kinds::GIT_REPOSITORY) {
            Said::GitRepository(Box::default())
        } else if is(&kinds::KUSTOMIZATION) {
            Said::Kustomization(Box::new(Kustomization::found(seen)))
        } else if is(&kinds::HELM_REPOSITORY) {
            Said::HelmRepository(Box::default())
        } else if is(&kinds::HELM_CHART) {
            Said::HelmChart(Box::default())
        } else if is(&kinds::OCI_REPOSITORY) {
            Said::OciRepository(Box::default())
        } else if is(&kinds::HELM_RELEASE) {
            Said::HelmRelease(Box::new(HelmRelease::found(seen)))
        } else {
            Said::Bystander(Bystander::default())
        };
        Self {
            version: String::new(),
            uid: seen.uid.clone(),
            generation: seen.generation,
            requested_at: String::new(),
            said,
            is_said: false,
        }
    }
}

impl Projection for Statuses {
    fn apply(&mut self, record: &Record) {
        let Some(object) = record.event.object() else {
            return;
        };
        let key = object.identity();
        if let Event::ResourceObserved(seen) = &record.event {
            self.observe(seen, &key);
            self.dirty.insert(key);
            return;
        }
        if let Event::ResourceDeleted(_) = &record.event {
            if self.objects.remove(&key).is_some() {
                self.changed.insert(key.clone());
                self.dirty.insert(key);
            }
            return;
        }
        let Some(told) = Told::of(&record.event) else {
            return;
        };
        let Some(known) = self.objects.get_mut(&key) else {
            return;
        };
        self.dirty.insert(key.clone());
        let context = Context {
            object: &key,
            generation: known.generation,
            requested_at: &known.requested_at,
            time: crate::text::seconds(record.time),
            record,
            advertised: &self.advertised,
        };
        let changed = match &mut known.said {
            Said::GitRepository(said) => changes(said, |said| said.apply(&context, &told)),
            Said::Kustomization(said) => changes(said, |said| said.apply(&context, &told)),
            Said::Bystander(said) => changes(said, |said| said.apply(&context, &told)),
            Said::HelmRepository(said) => changes(said, |said| said.apply(&context, &told)),
            Said::HelmChart(said) => changes(said, |said| said.apply(&context, &told)),
            Said::HelmRelease(said) => changes(said, |said| said.apply(&context, &told)),
            Said::OciRepository(said) => changes(said, |said| said.apply(&context, &told)),
        };
        if changed {
            known.is_said = true;
            self.changed.insert(key);
        }
    }
}

impl Stored for Statuses {
    /// Where artifacts are served stands in what is stored.
    fn format(&self) -> String {
        format!("status/4 {}", self.advertised)
    }

    fn changes(&mut self) -> Vec<Change> {
        stored::changes(&mut self.dirty, &self.objects)
    }

    /// Every status counts as changed: whether it was written is not known.
    fn load<E: std::fmt::Display>(
        mut self,
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error> {
        for pair in pairs {
            let (object, known) = stored::read::<Object, E>(pair)?;
            if known.is_said {
                self.changed.insert(object.clone());
            }
            self.objects.insert(object, known);
        }
        Ok(self)
    }
}

/// What is written of a status.
trait Write {
    /// What will stand in the cluster.
    type Written: PartialEq + Clone;

    fn written(&self) -> &Self::Written;
}

impl<T: Write> Write for Box<T> {
    type Written = T::Written;

    fn written(&self) -> &Self::Written {
        self.as_ref().written()
    }
}

fn changes<T: Write>(said: &mut T, apply: impl FnOnce(&mut T)) -> bool {
    let before = said.written().clone();
    apply(said);
    *said.written() != before
}
