//! What keeps a declared object from getting on, through its dependencies and its source to the root.

use fluvial_api::reference::DependencyReference;
use fluvial_api::{HelmReleaseSpec, KustomizationSpec, kinds};
use fluvial_event::{
    AppliedObject, Command, Concluded, Event, Health, ObjectRef, Offset, Record, Rendered,
    ResourceObserved, Waited,
};

use super::{Asking, DECLARED, END, Past, Reason, at, by, is_own};

/// What commands end with.
const OUTCOMES: &[&str] = &[
    // sorted
    "ArtifactFetched",
    "BuildFailed",
    "CommandFailed",
    "FetchFailed",
    "FinalizerSet",
    "ManifestsBuilt",
    "ManifestsRecalled",
    "ObjectsApplied",
    "ObjectsPruned",
    "RecallFailed",
    "SourceUnchanged",
];
/// How far back the beginning of a state is looked for, in records.
const BACK_MAX: usize = 10_000;
/// How many unhealthy objects are named.
const UNHEALTHY_MAX: usize = 10;

impl Reason {
    pub(super) fn of(record: &Record, object: &ObjectRef, reason: &str, sentence: String) -> Self {
        Self {
            reason: reason.to_owned(),
            sentence,
            object: object.to_string(),
            offset: record.offset,
            since: Some(record.time),
        }
    }
}

impl<P: Past> Asking<'_, P> {
    /// Everything that stands in the way of `object`, what is nearest first; none where it gets on.
    pub(super) fn obstacles(&mut self, object: &ObjectRef) -> Result<Vec<Reason>, P::Error> {
        if !self.visited.insert(object.identity()) {
            return Ok(Vec::new());
        }
        let Some(declared) = self.declared(object)? else {
            return Ok(vec![Reason {
                reason: "NotFound".to_owned(),
                sentence: format!(
                    "{object} is not there: create it, or correct the reference to it"
                ),
                object: object.to_string(),
                offset: Offset::default(),
                since: None,
            }]);
        };
        let Event::ResourceObserved(observed) = &declared.event else {
            self.chain.add(&declared);
            let sentence = format!("{object} was deleted at {}", at(&declared));
            return Ok(vec![Reason::of(&declared, object, "Deleted", sentence)]);
        };
        if let Some(reason) = self.declaration(object, &declared, observed)? {
            return Ok(vec![reason]);
        }
        let mut reasons = self.state(object, observed)?;
        if let Some(source) = source_of(object, &observed.spec) {
            reasons.extend(self.obstacles(&source)?);
        }
        Ok(reasons)
    }

    /// What is wrong with the declaration itself.
    fn declaration(
        &mut self,
        object: &ObjectRef,
        declared: &Record,
        observed: &ResourceObserved,
    ) -> Result<Option<Reason>, P::Error> {
        let reason = if observed.deleting {
            let sentence = format!("{object} is being deleted since {}", at(declared));
            Reason::of(declared, object, "Deleting", sentence)
        } else if is_suspended(observed) {
            let since = self.suspended_since(object, declared)?;
            self.chain.add(&since);
            let sentence = format!(
                "{object} is suspended since {}{}",
                at(&since),
                by(&since.actor)
            );
            return Ok(Some(Reason::of(&since, object, "Suspended", sentence)));
        } else if !observed.invalid.is_empty() {
            let sentence = format!(
                "{object} cannot be read as declared at {}{}: {}",
                at(declared),
                by(&declared.actor),
                observed.invalid
            );
            Reason::of(declared, object, "InvalidSpec", sentence)
        } else {
            return Ok(None);
        };
        self.chain.add(declared);
        Ok(Some(reason))
    }

    /// The declaration that began the suspension.
    fn suspended_since(&self, object: &ObjectRef, now: &Record) -> Result<Record, P::Error> {
        let mut since = now.clone();
        for mention in self.past.mentions(object, now.offset).take(BACK_MAX) {
            let mention = mention?;
            if !is_own(&mention, DECLARED) {
                continue;
            }
            let record = self.past.record(mention.offset)?;
            let Event::ResourceObserved(it) = &record.event else {
                break;
            };
            if !is_suspended(it) {
                break;
            }
            since = record;
        }
        Ok(since)
    }

    /// What it waits for, or how it failed.
    fn state(
        &mut self,
        object: &ObjectRef,
        observed: &ResourceObserved,
    ) -> Result<Vec<Reason>, P::Error> {
        let Some(last) = self.own(object, END, &["CommandIssued", "Concluded", "Waited"])? else {
            return Ok(Vec::new());
        };
        if let Event::Waited(waited) = &last.event {
            return self.waiting(object, observed, &last, waited);
        }
        let mut reasons = self.failure(object)?;
        let outcome = self.own(object, END, OUTCOMES)?;
        let is_open = outcome.is_none_or(|it| it.offset < last.offset);
        if let Event::CommandIssued(issued) = &last.event
            && is_open
        {
            let name = issued.command.as_ref().map_or("", Command::name);
            self.chain.add(&last);
            let when = at(&last);
            let sentence =
                format!("{name} for {object} was issued at {when} and has no outcome yet");
            reasons.push(Reason::of(&last, object, "InProgress", sentence));
        }
        Ok(reasons)
    }

    fn waiting(
        &mut self,
        object: &ObjectRef,
        observed: &ResourceObserved,
        record: &Record,
        waited: &Waited,
    ) -> Result<Vec<Reason>, P::Error> {
        self.chain.add(record);
        let sentence = format!("{object} waits since {}: {}", at(record), waited.message);
        let mut reasons = vec![Reason::of(record, object, &waited.reason, sentence)];
        if waited.reason == "Progressing" {
            reasons.extend(self.unhealthy(object)?);
        }
        for dependency in dependencies_of(object, &observed.spec) {
            let dependency = ObjectRef {
                namespace: dependency
                    .namespace
                    .unwrap_or_else(|| object.namespace.clone()),
                name: dependency.name,
                ..object.identity()
            };
            let name = format!("'{}/{}'", dependency.namespace, dependency.name);
            if waited.message.contains(&name) {
                reasons.extend(self.obstacles(&dependency)?);
            }
        }
        Ok(reasons)
    }

    /// How the last attempt failed, and since when attempts do.
    fn failure(&mut self, object: &ObjectRef) -> Result<Vec<Reason>, P::Error> {
        let mut failing: Option<(Record, Concluded)> = None;
        let mut newest = None;
        for mention in self.past.mentions(object, self.until).take(BACK_MAX) {
            let mention = mention?;
            if !is_own(&mention, &["Concluded"]) {
                continue;
            }
            let record = self.past.record(mention.offset)?;
            let Event::Concluded(concluded) = &record.event else {
                continue;
            };
            if concluded.ready && concluded.repair {
                continue;
            }
            if concluded.ready {
                break;
            }
            newest.get_or_insert_with(|| concluded.clone());
            failing = Some((record.clone(), concluded.clone()));
        }
        let (Some((since, _)), Some(last)) = (failing, newest) else {
            return Ok(Vec::new());
        };
        self.chain.add(&since);
        let sentence = format!(
            "{object} fails since {}: {}: {}",
            at(&since),
            last.reason,
            last.message
        );
        let mut reasons = vec![Reason::of(&since, object, &last.reason, sentence)];
        if last.reason.starts_with("HealthCheck") {
            reasons.extend(self.unhealthy(object)?);
        }
        Ok(reasons)
    }

    /// The objects of the newest set that are not healthy.
    fn unhealthy(&mut self, object: &ObjectRef) -> Result<Vec<Reason>, P::Error> {
        let Some(record) = self.own(object, END, SETS)? else {
            return Ok(Vec::new());
        };
        let mut reasons = Vec::new();
        for target in set(&record).iter().filter_map(|it| it.object.as_ref()) {
            if reasons.len() == UNHEALTHY_MAX {
                break;
            }
            reasons.extend(self.ill(target)?);
        }
        Ok(reasons)
    }

    /// That an object is not healthy, if it is not.
    pub(super) fn ill(&mut self, object: &ObjectRef) -> Result<Option<Reason>, P::Error> {
        let seen = self.newest(object, END, |it| {
            matches!(
                it.name(),
                "ObjectObserved" | "ObjectGone" | "ObjectsApplied"
            )
        })?;
        let Some(record) = seen else {
            return Ok(None);
        };
        let (health, message) = if let Event::ObjectObserved(it) = &record.event {
            (it.health(), it.health_message.as_str())
        } else if let Event::ObjectsApplied(it) = &record.event {
            let is_it = |it: &&AppliedObject| {
                let rendered = it.rendered.as_ref().and_then(|it| it.object.as_ref());
                rendered.is_some_and(|it| it.is_same(object))
            };
            match it.applied.iter().find(is_it) {
                Some(it) => (it.health(), it.health_message.as_str()),
                None => return Ok(None),
            }
        } else {
            (Health::NotFound, "")
        };
        let word = match health {
            Health::Current | Health::Unspecified => return Ok(None),
            Health::InProgress => "InProgress",
            Health::Failed => "Failed",
            Health::Terminating => "Terminating",
            Health::NotFound => "NotFound",
        };
        self.chain.add(&record);
        let message = if message.is_empty() {
            String::new()
        } else {
            format!(": {message}")
        };
        let sentence = format!("{object} is {word} since {}{message}", at(&record));
        Ok(Some(Reason::of(&record, object, "NotHealthy", sentence)))
    }
}

/// The records that say what a Kustomization or a release consists of.
pub(super) const SETS: &[&str] = &["ManifestsBuilt", "ManifestsRecalled", "ReleaseRendered"];

/// The objects of such a record.
pub(super) fn set(record: &Record) -> &[Rendered] {
    if let Event::ManifestsBuilt(it) = &record.event {
        &it.objects
    } else if let Event::ManifestsRecalled(it) = &record.event {
        &it.objects
    } else if let Event::ReleaseRendered(it) = &record.event {
        // What is read back to be uninstalled is not to be there.
        if it.action.starts_with("uninstall") {
            return &[];
        }
        &it.objects
    } else {
        &[]
    }
}

pub(super) fn is_suspended(observed: &ResourceObserved) -> bool {
    let spec: Option<serde_json::Value> = serde_json::from_slice(&observed.spec).ok();
    spec.is_some_and(|it| it.get("suspend") == Some(&serde_json::Value::Bool(true)))
}

/// What an object of this spec is made from, if it is a Kustomization or a HelmRelease.
pub(super) fn source_of(object: &ObjectRef, spec: &[u8]) -> Option<ObjectRef> {
    if object.kind == kinds::HELM_RELEASE.kind {
        let spec: HelmReleaseSpec = serde_json::from_slice(spec).ok()?;
        return Some(match (spec.chart, spec.chart_ref) {
            (Some(chart), _) => {
                let namespace = chart.spec.source_ref.namespace;
                let name = format!("{}-{}", object.namespace, object.name);
                source(object, kinds::HELM_CHART.kind, namespace, name)
            }
            (None, reference) => {
                let reference = reference?;
                source(object, &reference.kind, reference.namespace, reference.name)
            }
        });
    }
    let spec: KustomizationSpec = serde_json::from_slice(spec).ok()?;
    let reference = spec.source_ref;
    Some(source(
        object,
        &reference.kind,
        reference.namespace,
        reference.name,
    ))
}

/// Without a namespace it is beside `object`.
fn source(object: &ObjectRef, kind: &str, namespace: Option<String>, name: String) -> ObjectRef {
    let mut known = kinds::ALL.into_iter();
    let known = known.find(|known| known.kind == kind);
    ObjectRef {
        group: known.map_or("", |known| known.group).to_owned(),
        version: String::new(),
        kind: kind.to_owned(),
        namespace: namespace.unwrap_or_else(|| object.namespace.clone()),
        name,
    }
}

/// What comes before an object of this spec.
fn dependencies_of(object: &ObjectRef, spec: &[u8]) -> Vec<DependencyReference> {
    if object.kind == kinds::HELM_RELEASE.kind {
        let spec = serde_json::from_slice::<HelmReleaseSpec>(spec);
        return spec.map(|it| it.depends_on).unwrap_or_default();
    }
    let spec = serde_json::from_slice::<KustomizationSpec>(spec);
    spec.map(|it| it.depends_on).unwrap_or_default()
}
