//! `notice`: what is worth a Kubernetes Event, in the words of Flux's controllers.
//!
//! A record is worth one notice or none, and never that nothing happened. Sending them, once each, is
//! a sink's business.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::helm_release::ReleaseSnapshot;
use fluvial_api::oci_repository::{REVISION_ANNOTATION, SOURCE_ANNOTATION};
use fluvial_api::{
    HelmReleaseSpec, HelmRepositorySpec, KustomizationSpec, OciRepositorySpec, kinds,
};
use fluvial_event::{
    Action, ArtifactFetched, ChartDeclared, Concluded, Event, Notification, ObjectRef,
    ObjectsApplied, ObjectsPruned, Record, ReleaseStored, ResourceObserved, Waited,
};
use wincode::{SchemaRead, SchemaWrite};

use crate::stored::{self, Change, Error, Stored};
use crate::{Projection, text};

/// One Kubernetes Event to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object that it is about, in the version in which it was last seen.
    pub object: ObjectRef,
    /// Its uid.
    pub uid: String,
    /// Its resource version when it was last declared.
    pub resource_version: String,
    /// Whether it is bad news: Warning, not Normal.
    pub is_warning: bool,
    /// Whether it says that all is still well. flux: metadata commit_status: update.
    pub is_routine: bool,
    /// One word.
    pub reason: String,
    /// A sentence, or a line for each object.
    pub message: String,
    /// The revision that it is about, where there is one.
    pub revision: String,
    /// What is said besides of a release: the version of what its chart holds. flux: metadata app-version.
    pub app_version: String,
}

/// What notices need to know of an object.
#[derive(Clone, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Known {
    version: String,
    uid: String,
    resource_version: String,
    /// How long until the next reconciliation, as Flux writes it.
    interval: String,
    revision: String,
    /// Where a HelmRepository is, as it may be shown; of a HelmRelease, where its chart comes from.
    url: String,
    /// The version of what the chart of a release holds.
    app_version: String,
    /// A chart was fetched that nothing was said of yet.
    is_new: bool,
    /// The offset of what a rollback put back and this said.
    held_at: u64,
    /// How the last attempt ended; a repetition of a failure is no news.
    failure: String,
}

/// What the last record was worth.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    objects: BTreeMap<ObjectRef, Known>,
    latest: Option<Notice>,
    /// What is not stored yet.
    dirty: BTreeSet<ObjectRef>,
}

/// Two are equal when what is stored of them is, and what they say last.
impl PartialEq for Notices {
    fn eq(&self, other: &Self) -> bool {
        self.objects == other.objects && self.latest == other.latest
    }
}

/// Good or bad news, before it is known about whom.
struct News {
    is_warning: bool,
    is_routine: bool,
    reason: String,
    message: String,
}

impl News {
    fn good(reason: &str, message: String) -> Self {
        Self {
            is_warning: false,
            is_routine: false,
            reason: reason.to_owned(),
            message,
        }
    }

    fn bad(reason: &str, message: String) -> Self {
        Self {
            is_warning: true,
            is_routine: false,
            reason: reason.to_owned(),
            message,
        }
    }
}

impl Notices {
    /// What the record that was applied last is worth.
    pub fn latest(&self) -> Option<&Notice> {
        self.latest.as_ref()
    }
}

impl Projection for Notices {
    fn apply(&mut self, record: &Record) {
        self.latest = None;
        let Some(object) = record.event.object() else {
            return;
        };
        let key = object.identity();
        if let Event::ResourceObserved(seen) = &record.event {
            self.dirty.insert(key.clone());
            self.objects.entry(key).or_default().observe(seen);
            return;
        }
        if let Event::ResourceDeleted(_) = &record.event {
            if self.objects.remove(&key).is_some() {
                self.dirty.insert(key);
            }
            return;
        }
        let Some(known) = self.objects.get_mut(&key) else {
            return;
        };
        self.dirty.insert(key.clone());
        let Some(news) = known.news(&key, &record.event) else {
            return;
        };
        self.latest = Some(Notice {
            object: ObjectRef {
                version: known.version.clone(),
                ..key
            },
            uid: known.uid.clone(),
            resource_version: known.resource_version.clone(),
            is_warning: news.is_warning,
            is_routine: news.is_routine,
            reason: news.reason,
            message: news.message,
            revision: known.revision.clone(),
            app_version: known.app_version.clone(),
        });
    }
}

impl Stored for Notices {
    fn format(&self) -> String {
        "notice/5".to_owned()
    }

    fn changes(&mut self) -> Vec<Change> {
        stored::changes(&mut self.dirty, &self.objects)
    }

    fn load<E: std::fmt::Display>(
        mut self,
        pairs: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>>,
    ) -> Result<Self, Error> {
        for pair in pairs {
            let (object, known) = stored::read(pair)?;
            self.objects.insert(object, known);
        }
        Ok(self)
    }
}

impl Known {
    fn observe(&mut self, seen: &ResourceObserved) {
        if self.uid != seen.uid {
            *self = Self::default();
        }
        let object = seen.object.clone().unwrap_or_default();
        self.version = object.version;
        self.uid.clone_from(&seen.uid);
        self.resource_version.clone_from(&seen.resource_version);
        if object.kind == kinds::KUSTOMIZATION.kind {
            if let Ok(spec) = serde_json::from_slice::<KustomizationSpec>(&seen.spec) {
                self.interval = spec.interval.to_string();
            }
        } else if object.kind == kinds::HELM_REPOSITORY.kind
            && let Ok(spec) = serde_json::from_slice::<HelmRepositorySpec>(&seen.spec)
        {
            self.url = spec.url;
        } else if object.kind == kinds::OCI_REPOSITORY.kind
            && let Ok(spec) = serde_json::from_slice::<OciRepositorySpec>(&seen.spec)
        {
            self.url = spec.url;
        } else if object.kind == kinds::HELM_RELEASE.kind
            && let Ok(spec) = serde_json::from_slice::<HelmReleaseSpec>(&seen.spec)
        {
            let source = spec.chart.map(|chart| chart.spec.source_ref);
            let source = source.map(|source| {
                let namespace = source.namespace.unwrap_or(object.namespace);
                format!("{}/{namespace}/{}", source.kind, source.name)
            });
            self.url = source.unwrap_or_default();
        }
    }

    fn fetched(&mut self, object: &ObjectRef, fetched: &ArtifactFetched) -> Option<News> {
        let artifact = fetched.artifact.as_ref()?;
        self.revision.clone_from(&artifact.revision);
        if fetched.chart.is_some() {
            // Which chart it is, the end of the attempt says.
            self.is_new = true;
            return None;
        }
        let message = if object.kind == kinds::HELM_REPOSITORY.kind {
            let size = text::size(artifact.bytes);
            format!("stored fetched index of size {size} from '{}'", self.url)
        } else if object.kind == kinds::OCI_REPOSITORY.kind {
            self.pulled(fetched)
        } else {
            let subject = artifact.commit.as_ref().map(|it| it.subject.as_str());
            let subject = first_characters(subject.unwrap_or_default(), SUBJECT_CHARACTERS_MAX);
            format!("stored artifact for commit '{subject}'")
        };
        Some(News::good("NewArtifact", message))
    }

    /// flux: `notify`, ocirepository_controller.go.
    fn pulled(&self, fetched: &ArtifactFetched) -> String {
        let message = format!(
            "stored artifact with revision '{}' from '{}'",
            self.revision, self.url
        );
        let said = |name: &str| fetched.metadata.get(name).filter(|said| !said.is_empty());
        match (said(SOURCE_ANNOTATION), said(REVISION_ANNOTATION)) {
            (Some(source), Some(revision)) => {
                format!("{message}, origin source '{source}', origin revision '{revision}'")
            }
            _ => message,
        }
    }

    fn news(&mut self, object: &ObjectRef, event: &Event) -> Option<News> {
        match event {
            Event::ArtifactFetched(fetched) => self.fetched(object, fetched),
            Event::ManifestsBuilt(built) => {
                self.revision.clone_from(&built.revision);
                None
            }
            Event::ObjectsApplied(_) | Event::ObjectsPruned(_)
                if object.kind == kinds::HELM_RELEASE.kind =>
            {
                None
            }
            Event::ObjectsApplied(applied) => applied_lines(applied),
            Event::ObjectsPruned(pruned) => pruned_lines(pruned),
            Event::ManifestsRecalled(recalled) => {
                self.revision.clone_from(&recalled.revision);
                None
            }
            Event::HoldEnded(ended) => {
                self.held_at = 0;
                Some(News::good(&ended.reason, ended.message.clone()))
            }
            Event::Waited(waited) => waiting(object, waited),
            Event::Concluded(concluded) => self.concluded(object, concluded),
            Event::ChartDeclared(declared) => self.chart_declared(declared),
            Event::ReleaseInspected(inspected) => {
                self.revision.clone_from(&inspected.chart_version);
                self.app_version.clone_from(&inspected.app_version);
                None
            }
            Event::ReleaseStored(stored) => self.stored(stored),
            Event::NotificationFailed(it) => Some(not_told(it.notification.as_ref(), &it.message)),
            Event::NotificationParked(it) => Some(not_told(it.notification.as_ref(), &it.message)),
            Event::ResourceObserved(_)
            | Event::ResourceDeleted(_)
            | Event::SourceUnchanged(_)
            | Event::FetchFailed(_)
            | Event::BuildFailed(_)
            | Event::RecallFailed(_)
            | Event::ObjectObserved(_)
            | Event::ObjectGone(_)
            | Event::TermStarted(_)
            | Event::TimerFired(_)
            | Event::WatchGap(_)
            | Event::FinalizerSet(_)
            | Event::CommandFailed(_)
            | Event::ReleaseFailed(_)
            | Event::ReleaseRendered(_)
            | Event::HookRan(_)
            | Event::NotificationDelivered(_)
            | Event::CommandIssued(_) => None,
        }
    }

    /// flux: `HelmChartCreated` in helm-controller's `internal/reconcile/helmchart_template.go`.
    fn chart_declared(&self, declared: &ChartDeclared) -> Option<News> {
        let chart = declared.chart.as_ref()?;
        if !declared.changed || declared.digest.is_empty() {
            return None;
        }
        let message = format!("Created {chart} with SourceRef '{}'", self.url);
        Some(News::good("HelmChartCreated", message))
    }

    /// What came of an action. The end of the run says a failure again, and is not heard.
    fn stored(&mut self, stored: &ReleaseStored) -> Option<News> {
        let (reason, message) = (stored.reason.as_str(), stored.message.clone());
        if reason.is_empty() {
            return None;
        }
        let snapshots = stored.snapshots.iter();
        let mut snapshots =
            snapshots.filter_map(|it| serde_json::from_str::<ReleaseSnapshot>(it).ok());
        if let Some(newest) = snapshots.next() {
            self.revision = newest.chart_version;
            self.app_version = newest.app_version;
        }
        self.failure = format!("{reason} {message}");
        if reason.ends_with("Failed") {
            return Some(News::bad(reason, message));
        }
        Some(News::good(reason, message))
    }

    fn concluded(&mut self, object: &ObjectRef, concluded: &Concluded) -> Option<News> {
        let Concluded {
            reason, message, ..
        } = concluded;
        if object.kind == kinds::HELM_RELEASE.kind && concluded.ready {
            return self.released(concluded);
        }
        if !concluded.revision.is_empty() {
            self.revision.clone_from(&concluded.revision);
        }
        if concluded.ready {
            let recovered = !std::mem::take(&mut self.failure).is_empty();
            let is_new = std::mem::take(&mut self.is_new);
            if concluded.repair {
                return Some(News::good(reason, message.clone()));
            }
            if concluded.held_at != 0 && concluded.held_at != self.held_at {
                self.held_at = concluded.held_at;
                return Some(News::good("RolledBack", message.clone()));
            }
            if object.kind == kinds::KUSTOMIZATION.kind {
                let took = text::duration(concluded.duration_ms);
                let message = format!(
                    "Reconciliation finished in {took}, next run in {}",
                    self.interval
                );
                return Some(News {
                    is_routine: true,
                    ..News::good(reason, message)
                });
            }
            return (recovered || is_new).then(|| News::good(reason, message.clone()));
        }
        let failure = format!("{reason} {message}");
        let is_new = failure != self.failure;
        self.failure = failure;
        is_new.then(|| News::bad(reason, message.clone()))
    }
}

impl Known {
    /// What a release came to was said where it was stored; what is left is its drift.
    fn released(&mut self, concluded: &Concluded) -> Option<News> {
        let (reason, message) = (&concluded.reason, concluded.message.clone());
        if !concluded.repair {
            // It is news where it ends a failure that no action ended, such as values that were missing.
            let failure = std::mem::take(&mut self.failure);
            let is_said = failure.is_empty()
                || failure == format!("{reason} {message}")
                || failure.starts_with("TestFailed");
            return (!is_said).then(|| News::good(reason, message));
        }
        if reason == "DriftDetected" {
            return (!message.is_empty()).then(|| News::bad(reason, message));
        }
        Some(News::good(reason, message))
    }
}

/// flux: source-controller cuts the subject of a commit at 50 characters.
const SUBJECT_CHARACTERS_MAX: usize = 50;
/// An Event's note must not be longer. kubernetes: 1024 bytes, for events.k8s.io.
const MESSAGE_BYTES_MAX: usize = 1024;

fn first_characters(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map(|(end, _)| end);
    &text[..end.unwrap_or(text.len())]
}

/// `Deployment/apps/podinfo configured`, a line for each object that changed.
fn applied_lines(applied: &ObjectsApplied) -> Option<News> {
    let line = |it: &fluvial_event::AppliedObject| {
        let verb = match it.action() {
            Action::Created => "created",
            Action::Configured => "configured",
            Action::Recreated => "recreated",
            Action::Unchanged | Action::Skipped | Action::Unspecified => return None,
        };
        let object = it.rendered.as_ref()?.object.as_ref()?;
        Some(format!("{object} {verb}"))
    };
    progress(applied.applied.iter().filter_map(line))
}

fn pruned_lines(pruned: &ObjectsPruned) -> Option<News> {
    progress(pruned.pruned.iter().map(|it| format!("{it} deleted")))
}

/// As many lines as fit into an Event, and how many more there are.
fn progress(lines: impl Iterator<Item = String>) -> Option<News> {
    const ROOM_FOR_MORE: usize = 32;
    let mut message = String::new();
    let mut more = 0;
    for line in lines {
        if message.len() + line.len() + ROOM_FOR_MORE > MESSAGE_BYTES_MAX {
            more += 1;
            continue;
        }
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(&line);
    }
    if more > 0 {
        message = format!("{message}\nand {more} more");
    }
    (!message.is_empty()).then(|| News::good("Progressing", message))
}

/// flux: notification-controller says so on the Alert, and tries no more; we do.
fn not_told(notification: Option<&Notification>, why: &str) -> News {
    let about = notification.and_then(|it| it.about.as_ref());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let message = format!("cannot notify of {about}: {why}");
    let message = first_bytes(&message, MESSAGE_BYTES_MAX).to_owned();
    News::bad("NotificationDispatchFailed", message)
}

fn first_bytes(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn waiting(object: &ObjectRef, waited: &Waited) -> Option<News> {
    let message = waited.message.clone();
    match waited.reason.as_str() {
        // helm-controller says nothing of a chart that is still to come.
        "Suspended" | "Progressing" | "Held" | "SourceNotReady" => None,
        "DependencyNotReady" if object.kind == kinds::HELM_RELEASE.kind => {
            Some(News::good(&waited.reason, message))
        }
        "DependencyNotReady" => Some(News::good(
            &waited.reason,
            format!("Dependencies do not meet ready condition: {message}"),
        )),
        reason => Some(News::bad(reason, message)),
    }
}
