//! `alert`: which notices are told to which Alert, and which of those nobody was told of yet.
//!
//! A notification waits here from the record that it tells until a record says that it was delivered or
//! given up. So a view as of any offset knows what is left to do, and a start needs to look no further
//! back. An Alert tells what happens after it was declared, as it was declared then; while it or its
//! Provider is suspended, nothing is told and nothing is kept. Sending is a sink's business.

mod event;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::{AlertSpec, ProviderSpec, kinds};
use fluvial_event::{Digest, Event, Notification, ObjectRef, Record, ResourceObserved};
use wincode::{SchemaRead, SchemaWrite};

use crate::Projection;
use crate::notice::{Notice, Notices};
use crate::stored::{self, Change, Error, Stored};

pub use event::{FluxEvent, InvolvedObject};
use rules::Rules;

/// Whether Alerts may tell what happens in other namespaces. flux: `--no-cross-namespace-refs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// They may.
    #[default]
    Any,
    /// They may not.
    Own,
}

/// One notification: a notice, for one Alert.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub struct Note {
    /// Its name wherever it is sent, however often: the same for the same Alert and record.
    pub id: String,
    /// The record that it tells.
    pub offset: u64,
    /// The id of that record.
    pub cause: [u8; 16],
    /// When that was.
    pub time: i64,
    /// The object that it is about, in the version in which it was last seen.
    pub about: ObjectRef,
    /// Its uid.
    pub uid: String,
    /// Its resource version when it was last declared.
    pub resource_version: String,
    /// Whether it is bad news.
    pub is_error: bool,
    /// Whether it says that all is still well: for machines that keep score, not for people.
    pub is_routine: bool,
    /// One word.
    pub reason: String,
    /// A sentence, or a line for each object.
    pub message: String,
    /// Key and value.
    pub metadata: BTreeMap<String, String>,
}

impl Note {
    /// What is recorded of it when it is told through `provider`.
    pub fn recorded(&self, provider: &str) -> Notification {
        Notification {
            id: self.id.clone(),
            offset: self.offset,
            about: Some(self.about.clone()),
            severity: self.severity().to_owned(),
            reason: self.reason.clone(),
            provider: provider.to_owned(),
        }
    }

    /// `info` or `error`.
    pub fn severity(&self) -> &'static str {
        if self.is_error { "error" } else { "info" }
    }
}

/// What Alerts can select of an object, and what they pass on.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Marks {
    labels: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

/// An Alert as it was last declared.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Declared {
    version: String,
    uid: String,
    spec: Vec<u8>,
}

/// A Provider as it was last declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaRead, SchemaWrite)]
enum Place {
    /// People are told: what says that all is still well is not for them.
    People,
    /// A machine is told everything.
    Machine,
    /// It is suspended.
    Suspended,
    /// It cannot be followed, or its type is not built; the refusal is on record.
    Refused,
}

/// An Alert, and what it asks for where that can be followed.
#[derive(Clone, Debug)]
struct Subscription {
    declared: Declared,
    rules: Option<Rules>,
    waiting: BTreeMap<u64, Note>,
}

/// One stored value's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, SchemaRead, SchemaWrite)]
enum Key {
    Notice(Vec<u8>),
    Marks(ObjectRef),
    Alert(ObjectRef),
    Provider(ObjectRef),
    Note(ObjectRef, u64),
}

/// Every Alert with what waits to be told.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    namespaces: Namespaces,
    notices: Notices,
    marks: BTreeMap<ObjectRef, Marks>,
    subscriptions: BTreeMap<ObjectRef, Subscription>,
    providers: BTreeMap<ObjectRef, Place>,
    /// What is not stored yet.
    dirty: BTreeSet<Key>,
}

/// Two are equal when what is stored of them is.
impl PartialEq for Alerts {
    fn eq(&self, other: &Self) -> bool {
        let face = |it: &Self| -> Vec<_> {
            let subscriptions = it.subscriptions.iter();
            subscriptions
                .map(|(alert, it)| (alert.clone(), it.declared.clone(), it.waiting.clone()))
                .collect()
        };
        self.notices == other.notices
            && self.marks == other.marks
            && self.providers == other.providers
            && face(self) == face(other)
    }
}

/// A subscription that has something to tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Due<'a> {
    /// The Alert, without version.
    pub alert: &'a ObjectRef,
    /// Its version.
    pub version: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// The Provider that it names now.
    pub provider: &'a str,
    /// What comes next.
    pub note: &'a Note,
    /// How many wait, this one among them.
    pub waiting: usize,
}

impl Alerts {
    /// No Alert yet.
    pub fn new(namespaces: Namespaces) -> Self {
        Self {
            namespaces,
            ..Self::default()
        }
    }

    /// Every subscription that has something to tell and is not suspended, with what comes next.
    pub fn due(&self) -> impl Iterator<Item = Due<'_>> {
        self.subscriptions.iter().filter_map(|(alert, it)| {
            let rules = it.rules.as_ref().filter(|rules| !rules.spec.suspend)?;
            let (_, note) = it.waiting.first_key_value()?;
            let is_open = !matches!(self.place(alert, &rules.spec), Some(Place::Suspended));
            is_open.then_some(Due {
                alert,
                version: &it.declared.version,
                uid: &it.declared.uid,
                provider: &rules.spec.provider_ref.name,
                note,
                waiting: it.waiting.len(),
            })
        })
    }

    /// Whether an Alert of this uid is declared.
    pub fn knows(&self, alert: &ObjectRef, uid: &str) -> bool {
        let known = self.subscriptions.get(alert);
        known.is_some_and(|it| it.declared.uid == uid)
    }

    fn place(&self, alert: &ObjectRef, spec: &AlertSpec) -> Option<Place> {
        self.providers
            .get(&provider(alert, &spec.provider_ref.name))
            .copied()
    }

    fn observe(&mut self, object: ObjectRef, seen: &ResourceObserved) {
        let marks = Marks {
            labels: seen.labels.clone(),
            metadata: seen.event_metadata.clone(),
        };
        let before = if marks == Marks::default() {
            self.marks.remove(&object)
        } else {
            self.marks.insert(object.clone(), marks.clone())
        };
        if before.unwrap_or_default() != marks {
            self.dirty.insert(Key::Marks(object.clone()));
        }
        if object.group != kinds::ALERT.group {
        } else if object.kind == kinds::ALERT.kind {
            self.declare(object, seen);
        } else if object.kind == kinds::PROVIDER.kind {
            self.providers.insert(object.clone(), place(seen));
            self.dirty.insert(Key::Provider(object));
        }
    }

    fn declare(&mut self, alert: ObjectRef, seen: &ResourceObserved) {
        let named = seen.object.as_ref();
        let declared = Declared {
            version: named.map(|it| it.version.clone()).unwrap_or_default(),
            uid: seen.uid.clone(),
            // One that cannot be read asks for nothing; the refusal is on record.
            spec: if seen.invalid.is_empty() && !seen.deleting {
                seen.spec.clone()
            } else {
                Vec::new()
            },
        };
        if !self.knows(&alert, &seen.uid) {
            self.forget(&alert);
        }
        let rules = Rules::read(&declared.spec);
        let waiting = self.subscriptions.remove(&alert).map(|it| it.waiting);
        let subscription = Subscription {
            declared,
            rules,
            waiting: waiting.unwrap_or_default(),
        };
        self.dirty.insert(Key::Alert(alert.clone()));
        self.subscriptions.insert(alert, subscription);
    }

    /// Nobody is left to be told.
    fn forget(&mut self, object: &ObjectRef) {
        if self.marks.remove(object).is_some() {
            self.dirty.insert(Key::Marks(object.clone()));
        }
        if self.providers.remove(object).is_some() {
            self.dirty.insert(Key::Provider(object.clone()));
        }
        if let Some(subscription) = self.subscriptions.remove(object) {
            self.dirty.insert(Key::Alert(object.clone()));
            let notes = subscription.waiting.into_keys();
            self.dirty
                .extend(notes.map(|offset| Key::Note(object.clone(), offset)));
        }
    }

    fn settle(&mut self, object: Option<ObjectRef>, uid: &str, told: Option<&Notification>) {
        let (Some(object), Some(told)) = (object, told) else {
            return;
        };
        let Some(subscription) = self.subscriptions.get_mut(&object) else {
            return;
        };
        if subscription.declared.uid == uid && subscription.waiting.remove(&told.offset).is_some() {
            self.dirty.insert(Key::Note(object, told.offset));
        }
    }

    /// Lets every Alert that wants it wait to tell what the last record was worth.
    fn spread(&mut self, record: &Record) {
        let Some(notice) = self.notices.latest() else {
            return;
        };
        let key = notice.object.identity();
        let nothing = Marks::default();
        let marks = self.marks.get(&key).unwrap_or(&nothing);
        for (alert, subscription) in &mut self.subscriptions {
            let Some(rules) = &subscription.rules else {
                continue;
            };
            let place = provider(alert, &rules.spec.provider_ref.name);
            // One that is not declared yet may come with the same commit.
            let is_open = match self.providers.get(&place) {
                Some(Place::Machine) => true,
                None | Some(Place::People) => !notice.is_routine,
                Some(Place::Suspended | Place::Refused) => false,
            };
            let is_allowed = self.namespaces == Namespaces::Any || alert.namespace == key.namespace;
            if is_open && is_allowed && rules.want(&alert.namespace, notice, &marks.labels) {
                let note = note(
                    &subscription.declared.uid,
                    &rules.spec,
                    notice,
                    marks,
                    record,
                );
                subscription.waiting.insert(note.offset, note);
                let key = Key::Note(alert.clone(), record.offset.0);
                self.dirty.insert(key);
            }
        }
    }
}

impl Projection for Alerts {
    fn apply(&mut self, record: &Record) {
        self.notices.apply(record);
        let object = record.event.object().map(ObjectRef::identity);
        if let (Event::ResourceObserved(seen), Some(object)) = (&record.event, &object) {
            self.observe(object.clone(), seen);
        } else if let (Event::ResourceDeleted(_), Some(object)) = (&record.event, &object) {
            self.forget(object);
        } else if let Event::NotificationDelivered(it) = &record.event {
            self.settle(object, &it.uid, it.notification.as_ref());
        } else if let Event::NotificationParked(it) = &record.event {
            self.settle(object, &it.uid, it.notification.as_ref());
        }
        self.spread(record);
    }
}

impl Stored for Alerts {
    fn format(&self) -> String {
        format!("alert/1 {:?} {}", self.namespaces, self.notices.format())
    }

    fn changes(&mut self) -> Vec<Change> {
        let notices = self.notices.changes().into_iter();
        let mut changes: Vec<_> = notices
            .map(|(key, value)| (stored::write(&Key::Notice(key)), value))
            .collect();
        for key in std::mem::take(&mut self.dirty) {
            let value = match &key {
                Key::Notice(_) => None,
                Key::Marks(object) => self.marks.get(object).map(stored::write),
                Key::Provider(object) => self.providers.get(object).map(stored::write),
                Key::Alert(object) => self
                    .subscriptions
                    .get(object)
                    .map(|it| stored::write(&it.declared)),
                Key::Note(object, offset) => self
                    .subscriptions
                    .get(object)
                    .and_then(|it| it.waiting.get(offset))
                    .map(stored::write),
            };
            changes.push((stored::write(&key), value));
        }
        changes
    }

    fn load<E: std::fmt::Display>(
        mut self,
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error> {
        let mut notices = Vec::new();
        let mut notes = Vec::new();
        for pair in pairs {
            let (key, value) = stored::pair(pair)?;
            match key {
                Key::Notice(key) => notices.push(Ok::<_, Error>((key, value))),
                Key::Marks(object) => {
                    self.marks.insert(object, stored::value(&value)?);
                }
                Key::Provider(object) => {
                    self.providers.insert(object, stored::value(&value)?);
                }
                Key::Alert(object) => {
                    let declared: Declared = stored::value(&value)?;
                    let subscription = Subscription {
                        rules: Rules::read(&declared.spec),
                        declared,
                        waiting: BTreeMap::new(),
                    };
                    self.subscriptions.insert(object, subscription);
                }
                Key::Note(object, offset) => {
                    notes.push((object, offset, stored::value::<Note>(&value)?));
                }
            }
        }
        for (object, offset, note) in notes {
            if let Some(subscription) = self.subscriptions.get_mut(&object) {
                subscription.waiting.insert(offset, note);
            }
        }
        self.notices = self.notices.load(notices.into_iter())?;
        Ok(self)
    }
}

fn provider(alert: &ObjectRef, name: &str) -> ObjectRef {
    ObjectRef {
        kind: kinds::PROVIDER.kind.to_owned(),
        name: name.to_owned(),
        ..alert.identity()
    }
}

fn place(seen: &ResourceObserved) -> Place {
    let spec = serde_json::from_slice::<ProviderSpec>(&seen.spec);
    match spec {
        Ok(spec) if seen.invalid.is_empty() && spec.unsupported().is_none() => {
            match spec.r#type.as_str() {
                _ if spec.suspend => Place::Suspended,
                "generic" | "generic-hmac" => Place::Machine,
                _ => Place::People,
            }
        }
        Ok(_) | Err(_) => Place::Refused,
    }
}

/// Metadata from low to high: of the object, of the Alert, its summary, what is always there.
fn note(uid: &str, spec: &AlertSpec, notice: &Notice, marks: &Marks, record: &Record) -> Note {
    let mut metadata = marks.metadata.clone();
    metadata.extend(spec.event_metadata.clone());
    let mut set = |key: &str, value: String| metadata.insert(key.to_owned(), value);
    if let Some(summary) = &spec.summary {
        set("summary", summary.clone());
    }
    if !notice.revision.is_empty() {
        set("revision", notice.revision.clone());
    }
    if !notice.app_version.is_empty() {
        set("app-version", notice.app_version.clone());
    }
    if notice.is_routine {
        set("commit_status", "update".to_owned());
    }
    set("fluvial.dev/offset", record.offset.to_string());
    set("fluvial.dev/correlation", record.correlation.to_string());
    let id = Digest::of_parts(&[uid.as_bytes(), &record.id.0]).to_string();
    Note {
        id: id["sha256:".len()..][..32].to_owned(),
        offset: record.offset.0,
        cause: record.id.0,
        time: record.time.0,
        about: notice.object.clone(),
        uid: notice.uid.clone(),
        resource_version: notice.resource_version.clone(),
        is_error: notice.is_warning,
        is_routine: notice.is_routine,
        reason: notice.reason.clone(),
        message: notice.message.clone(),
        metadata,
    }
}
