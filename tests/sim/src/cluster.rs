//! A model of the Kubernetes API server: objects that grow older, and everything that happened to them.

pub(crate) mod records;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{Health, Inventory, InventoryEntry, ObjectRef, RollbackRequest, Timestamp};
use serde_json::Value;

use crate::git::Manifest;
use crate::helm::{CONTROLLER, HELM, RELEASE};

/// The field manager of the engine.
pub const ENGINE: &str = "kustomize-controller";
/// The field that holds the owner labels.
pub const OWNER: &str = "owner";
/// A field that cannot change once it is set.
pub const IMMUTABLE: &str = "immutable";
/// An interval that makes a spec unreadable.
pub const UNREADABLE: &str = "-1s";

/// A field and who wrote it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub value: String,
    pub manager: String,
}

/// An ordinary object.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub uid: String,
    pub version: u64,
    pub fields: BTreeMap<String, Field>,
    /// How it wants to be treated: the markers of the manifest that was applied.
    pub annotations: BTreeMap<String, String>,
    pub deleting: bool,
    /// A finalizer that nobody takes off.
    pub stuck: bool,
    pub health: Health,
    /// When a controller will have done its work, and how it ends.
    settles: Option<(Timestamp, Health)>,
}

impl Live {
    /// The owner, `namespace/name`, by its labels.
    pub fn owner(&self) -> &str {
        self.fields.get(OWNER).map_or("", |field| &field.value)
    }

    /// The release, `namespace/name`, by its annotations.
    pub fn release(&self) -> &str {
        self.fields.get(RELEASE).map_or("", |field| &field.value)
    }

    fn new(uid: String) -> Self {
        Self {
            uid,
            version: 0,
            fields: BTreeMap::new(),
            annotations: BTreeMap::new(),
            deleting: false,
            stuck: false,
            health: Health::Current,
            settles: None,
        }
    }
}

/// A Flux object.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    pub uid: String,
    pub version: u64,
    pub generation: i64,
    pub spec: Value,
    pub requested_at: String,
    pub rollback: Option<RollbackRequest>,
    pub handled_at: String,
    pub deleting: bool,
    pub finalizer: bool,
    pub inventory: Vec<InventoryEntry>,
    pub labels: BTreeMap<String, String>,
    /// What an engine said of it, apart from its inventory.
    pub status: Value,
}

/// What the API server holds under a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Object(Live),
    Declared(Box<Declaration>),
}

impl Body {
    fn set_version(&mut self, version: u64) {
        match self {
            Self::Object(live) => live.version = version,
            Self::Declared(declared) => declared.version = version,
        }
    }
}

/// One change, as a watch tells it: how the object is now, or how it last was.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub object: ObjectRef,
    pub body: Body,
    pub is_deleted: bool,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: &'static str,
    pub message: String,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Created,
    Configured,
    Unchanged,
    Recreated,
}

/// The API server and the controllers behind it.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub now: Timestamp,
    pub version: u64,
    made: u64,
    pub bodies: BTreeMap<ObjectRef, Body>,
    /// Every change of each kind: group and kind.
    pub history: BTreeMap<(String, String), Vec<Change>>,
    /// Writes that changed something, made by the engine.
    pub writes: u64,
    /// The uids of what a Kustomization left behind because it was suspended, did not prune or could
    /// not be read when it went. Whoever applies it again owns it again.
    pub orphans: BTreeSet<String>,
    /// The uids of what a deposed leader made when its successor was already at work.
    pub strays: BTreeSet<String>,
    /// How often each hook of each attempt was made.
    pub(crate) hooks: BTreeMap<(String, ObjectRef), u32>,
    /// What was done against the law.
    pub(crate) breaches: Vec<String>,
}

/// The kind that a change belongs to.
pub fn kind_of(object: &ObjectRef) -> (String, String) {
    (object.group.clone(), object.kind.clone())
}

impl Cluster {
    /// The ordinary object named `object`.
    pub fn live(&self, object: &ObjectRef) -> Option<&Live> {
        match self.bodies.get(&object.identity())? {
            Body::Object(live) => Some(live),
            Body::Declared(_) => None,
        }
    }

    /// The Flux object named `object`.
    pub fn declared(&self, object: &ObjectRef) -> Option<&Declaration> {
        match self.bodies.get(&object.identity())? {
            Body::Declared(declared) => Some(declared),
            Body::Object(_) => None,
        }
    }

    /// Every ordinary object.
    pub fn lives(&self) -> impl Iterator<Item = (&ObjectRef, &Live)> {
        self.bodies.iter().filter_map(|(object, body)| match body {
            Body::Object(live) => Some((object, live)),
            Body::Declared(_) => None,
        })
    }

    fn new_uid(&mut self) -> String {
        self.made += 1;
        format!("uid-{}", self.made)
    }

    /// Stores `body` as a new version and tells the watches.
    fn store(&mut self, object: &ObjectRef, mut body: Body) {
        self.version += 1;
        body.set_version(self.version);
        let object = object.identity();
        self.tell(&object, body.clone(), false);
        self.bodies.insert(object, body);
    }

    fn tell(&mut self, object: &ObjectRef, body: Body, is_deleted: bool) {
        let change = Change {
            version: self.version,
            object: object.clone(),
            body,
            is_deleted,
        };
        self.history
            .entry(kind_of(object))
            .or_default()
            .push(change);
    }

    fn remove(&mut self, object: &ObjectRef) {
        let object = object.identity();
        let Some(mut body) = self.bodies.remove(&object) else {
            return;
        };
        if let Body::Declared(declared) = &body {
            self.orphan(&object, declared);
        }
        self.version += 1;
        body.set_version(self.version);
        self.tell(&object, body, true);
    }

    /// Remembers what stays behind when `declared` goes: as in Flux, a later namesake owns none of it.
    fn orphan(&mut self, object: &ObjectRef, declared: &Declaration) {
        let Declaration { spec, .. } = declared;
        if spec["suspend"] == true || spec["prune"] != true || spec["interval"] == UNREADABLE {
            let owner = format!("{}/{}", object.namespace, object.name);
            let left: Vec<_> = self
                .lives()
                .filter(|(_, live)| live.owner() == owner)
                .map(|(_, live)| live.uid.clone())
                .collect();
            self.orphans.extend(left);
        }
    }

    /// Server-side apply by the engine, for a Kustomization.
    pub fn apply(&mut self, manifest: &Manifest, force: bool) -> Result<Written, Refused> {
        self.apply_as(manifest, force, ENGINE)
    }

    /// Server-side apply. What Helm's own program released is taken over whole by the engine.
    pub fn apply_as(
        &mut self,
        manifest: &Manifest,
        force: bool,
        manager: &str,
    ) -> Result<Written, Refused> {
        self.admit(manifest)?;
        let object = manifest.object();
        let Some(mut live) = self.live(&object).cloned() else {
            self.create(manifest, manager);
            return Ok(Written::Created);
        };
        self.orphans.remove(&live.uid);
        let fixed = live.fields.get(IMMUTABLE).map(|field| &field.value);
        if fixed.is_some() && fixed != manifest.fields.get(IMMUTABLE) {
            if !force && !manifest.force {
                return Err(Refused {
                    reason: "Invalid",
                    message: format!("{object}: field is immutable"),
                });
            }
            self.remove(&object);
            self.create(manifest, manager);
            return Ok(Written::Recreated);
        }
        let before = live.fields.clone();
        let annotations = std::mem::replace(&mut live.annotations, manifest.annotations());
        let set = &manifest.fields;
        let is_taken =
            |it: &Field| it.manager == manager || manager == CONTROLLER && it.manager == HELM;
        live.fields
            .retain(|field, it| set.contains_key(field) || !is_taken(it));
        for (field, value) in set {
            live.fields.insert(field.clone(), by(value, manager));
        }
        if live.fields == before && live.annotations == annotations {
            return Ok(Written::Unchanged);
        }
        let values = |fields: &BTreeMap<String, Field>| {
            let values = fields.iter().filter(|(field, _)| !is_mark(field.as_str()));
            values
                .map(|(field, it)| (field.clone(), it.value.clone()))
                .collect::<Vec<_>>()
        };
        if values(&live.fields) != values(&before) {
            self.unsettle(&object, &mut live);
        }
        self.writes += 1;
        self.store(&object, Body::Object(live));
        Ok(Written::Configured)
    }

    fn admit(&self, manifest: &Manifest) -> Result<(), Refused> {
        let refuse = |reason, message: String| Err(Refused { reason, message });
        if manifest.fields.values().any(|value| value == "invalid") {
            return refuse("Invalid", format!("{} is invalid", manifest.name));
        }
        if manifest.kind == "Widget" {
            let definition =
                Manifest::new("CustomResourceDefinition", "", "widgets.example.org").object();
            let known = self.live(&definition);
            if known.is_none_or(|it| it.health != Health::Current || it.deleting) {
                return refuse("NotFound", "no matches for kind \"Widget\"".into());
            }
        }
        if !manifest.namespace.is_empty() && manifest.namespace != "default" {
            let namespace = Manifest::new("Namespace", "", &manifest.namespace).object();
            match self.live(&namespace) {
                None => {
                    return refuse(
                        "NotFound",
                        format!("namespace {} not found", manifest.namespace),
                    );
                }
                Some(live) if live.deleting => {
                    return refuse(
                        "Forbidden",
                        format!("namespace {} is being terminated", manifest.namespace),
                    );
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Somebody creates an object, whoever its labels say owns it.
    pub fn put(&mut self, manifest: &Manifest) {
        let writes = self.writes;
        self.create(manifest, ENGINE);
        self.writes = writes;
    }

    fn create(&mut self, manifest: &Manifest, manager: &str) {
        let object = manifest.object();
        let fields = manifest.fields.iter();
        let uid = self.new_uid();
        let mut live = Live {
            fields: fields
                .map(|(field, value)| (field.clone(), by(value, manager)))
                .collect(),
            annotations: manifest.annotations(),
            stuck: manifest.fields.contains_key("finalizer"),
            ..Live::new(uid)
        };
        self.unsettle(&object, &mut live);
        self.writes += 1;
        self.store(&object, Body::Object(live));
    }

    /// A controller has to work on it before it is ready again.
    fn unsettle(&self, object: &ObjectRef, live: &mut Live) {
        let delay = match object.kind.as_str() {
            "Deployment" => 4_000,
            "Job" => 2_000,
            "CustomResourceDefinition" => 700,
            _ => return,
        };
        let end = match live.fields.get("image").map(|field| field.value.as_str()) {
            Some("broken") => Health::Failed,
            Some("stuck") => Health::InProgress,
            _ => Health::Current,
        };
        live.health = Health::InProgress;
        let jitter = i64::try_from(self.version % 9).unwrap_or_default() * 700;
        live.settles = Some((self.now.plus_ms(delay + jitter), end));
    }

    /// When a controller next has something to do.
    pub fn next_settling(&self) -> Option<Timestamp> {
        self.lives()
            .filter_map(|(_, live)| live.settles.map(|(at, _)| at))
            .min()
    }

    /// Lets the controllers work up to `now`.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = now;
        let ripe: Vec<_> = self
            .lives()
            .filter(|(_, live)| live.settles.is_some_and(|(at, _)| at <= now))
            .map(|(object, live)| (object.clone(), live.clone()))
            .collect();
        for (object, mut live) in ripe {
            let health = live
                .settles
                .take()
                .map_or(live.health, |(_, health)| health);
            let changed = live.health != health;
            live.health = health;
            if changed {
                self.store(&object, Body::Object(live));
            } else {
                self.bodies.insert(object, Body::Object(live));
            }
        }
    }

    /// Deletes an object if its uid is `uid` (empty for any). A finalizer keeps it, and a namespace
    /// takes its content with it.
    pub fn delete(&mut self, object: &ObjectRef, uid: &str) -> Result<(), Refused> {
        let Some(body) = self.bodies.get(&object.identity()).cloned() else {
            return Err(Refused {
                reason: "NotFound",
                message: format!("{object} not found"),
            });
        };
        let known = match &body {
            Body::Object(live) => &live.uid,
            Body::Declared(declared) => &declared.uid,
        };
        if !uid.is_empty() && known != uid {
            return Err(Refused {
                reason: "Conflict",
                message: format!("{object} has another uid"),
            });
        }
        match body {
            Body::Object(mut live) => {
                if live.stuck {
                    if !live.deleting {
                        live.deleting = true;
                        live.health = Health::Terminating;
                        live.settles = None;
                        self.store(object, Body::Object(live));
                    }
                } else {
                    self.remove(object);
                }
                self.delete_content(object);
            }
            Body::Declared(mut declared) if declared.finalizer => {
                if !declared.deleting {
                    declared.deleting = true;
                    declared.generation += 1;
                    self.store(object, Body::Declared(declared));
                }
            }
            Body::Declared(_) => self.remove(object),
        }
        Ok(())
    }

    fn delete_content(&mut self, object: &ObjectRef) {
        let content: Vec<_> = self
            .lives()
            .map(|(it, _)| it.clone())
            .filter(|it| match object.kind.as_str() {
                "Namespace" => it.namespace == object.name,
                "CustomResourceDefinition" => it.kind == "Widget",
                _ => false,
            })
            .collect();
        for it in content {
            self.delete(&it, "").unwrap_or_default();
        }
    }

    /// Somebody sets a field (`None` removes it), without changing anything else.
    pub fn edit(&mut self, object: &ObjectRef, field: &str, value: Option<&str>, manager: &str) {
        let Some(mut live) = self.live(object).cloned() else {
            return;
        };
        match value {
            Some(value) => {
                let field_value = Field {
                    value: value.to_owned(),
                    manager: manager.to_owned(),
                };
                live.fields.insert(field.to_owned(), field_value);
            }
            None => {
                live.fields.remove(field);
            }
        }
        if !is_mark(field) {
            self.unsettle(object, &mut live);
        }
        self.store(object, Body::Object(live));
    }

    /// Takes finalizers off, so that what is being deleted goes.
    pub fn unstick(&mut self, object: &ObjectRef) {
        let Some(mut live) = self.live(object).cloned() else {
            return;
        };
        live.stuck = false;
        if live.deleting {
            self.remove(object);
        } else {
            self.store(object, Body::Object(live));
        }
    }

    /// Declares a Flux object, or changes its spec.
    pub fn declare(&mut self, object: &ObjectRef, spec: Value, inventory: Vec<InventoryEntry>) {
        let declared = match self.declared(object).cloned() {
            Some(declared) if declared.spec == spec => declared,
            Some(mut declared) => {
                declared.spec = spec;
                declared.generation += 1;
                declared
            }
            None => Declaration {
                uid: self.new_uid(),
                version: 0,
                generation: 1,
                spec,
                requested_at: String::new(),
                rollback: None,
                handled_at: String::new(),
                deleting: false,
                finalizer: false,
                inventory,
                labels: BTreeMap::new(),
                status: Value::Null,
            },
        };
        self.store(object, Body::Declared(Box::new(declared)));
    }

    /// The engine says how an attempt ended. Nobody is told: no decision reads a status.
    pub fn write_status(
        &mut self,
        object: &ObjectRef,
        handled_at: &str,
        inventory: Option<&Inventory>,
        status: &str,
    ) {
        if let Some(Body::Declared(declared)) = self.bodies.get_mut(&object.identity()) {
            handled_at.clone_into(&mut declared.handled_at);
            if let Some(inventory) = inventory {
                declared.inventory.clone_from(&inventory.entries);
            }
            if let Ok(status) = serde_json::from_str(status) {
                declared.status = status;
            }
        }
    }

    /// Changes a Flux object without touching its spec.
    pub fn mark(&mut self, object: &ObjectRef, change: impl FnOnce(&mut Declaration)) {
        let Some(mut declared) = self.declared(object).cloned() else {
            return;
        };
        change(&mut declared);
        if declared.deleting && !declared.finalizer {
            self.remove(object);
        } else {
            self.store(object, Body::Declared(Box::new(declared)));
        }
    }
}

fn by(value: &str, manager: &str) -> Field {
    Field {
        value: value.to_owned(),
        manager: manager.to_owned(),
    }
}

/// Whether a field stands for the marks of an owner.
fn is_mark(field: &str) -> bool {
    field == OWNER || field == RELEASE
}
