//! Helm's storage in the model of the API server, and the law of what the engine may write to it.

use std::collections::BTreeMap;

use fluvial_event::{Hook, ObjectRef};
use fluvial_helm::hook;
use fluvial_helm::release::Record;
use fluvial_helm::release::storage::Stored;
use serde_json::Value;

use super::{Body, Cluster, Field, Live, Refused};
use crate::git::Manifest;
use crate::helm::CONTROLLER;

const STATUS: &str = "status";
const ATTEMPT: &str = "attempt";
const PACKED: &str = "packed";
const CONFLICT: &str = "Conflict";

/// The records of a release as they were read: each with the resource version of its Secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub(crate) Vec<(Stored, u64)>);

impl Records {
    /// The records, the oldest first.
    pub(crate) fn all(&self) -> Vec<Stored> {
        self.0.iter().map(|(stored, _)| stored.clone()).collect()
    }

    fn read_at(&self, version: i64) -> Option<u64> {
        let mut all = self.0.iter();
        all.find(|(stored, _)| stored.version == version)
            .map(|(_, read)| *read)
    }
}

/// Who writes a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writer<'a> {
    /// The engine, for an attempt: what it writes is held to the law.
    Engine(&'a str),
    /// Somebody with helm.
    Person,
}

fn secret(namespace: &str, release: &str, version: i64) -> ObjectRef {
    Manifest::new("Secret", namespace, &Record::secret_name(release, version)).object()
}

/// The revision of a release whose record an object is.
pub(crate) fn revision_of<'a>(object: &'a ObjectRef, release: &str) -> Option<i64> {
    let rest: &'a str = object.name.strip_prefix("sh.helm.release.v1.")?;
    let (name, version) = rest.rsplit_once(".v")?;
    (object.kind == "Secret" && name == release).then(|| version.parse().ok())?
}

/// Whether an object is a record of Helm's.
pub(crate) fn is_record(object: &ObjectRef) -> bool {
    object.kind == "Secret" && object.name.starts_with("sh.helm.release.v1.")
}

/// Whether a release in this state is in the middle of something.
pub(crate) fn is_underway(status: &str) -> bool {
    status.starts_with("pending-") || status == "uninstalling"
}

impl Cluster {
    /// The records of a release, the oldest first.
    pub(crate) fn records(&self, namespace: &str, release: &str) -> Records {
        let secrets = self
            .lives()
            .filter(|(object, _)| object.namespace == namespace);
        let mut all: Vec<_> = secrets
            .filter_map(|(object, live)| {
                let text = |field: &str| {
                    let field = live.fields.get(field);
                    field.map(|it| it.value.clone()).unwrap_or_default()
                };
                let stored = Stored {
                    version: revision_of(object, release)?,
                    status: text(STATUS),
                    attempt: text(ATTEMPT),
                    packed: text(PACKED).into_bytes(),
                };
                Some((stored, live.version))
            })
            .collect();
        all.sort_by_key(|(stored, _)| stored.version);
        Records(all)
    }

    /// A record that must not be there yet.
    pub(crate) fn create_record(
        &mut self,
        namespace: &str,
        record: &Record,
        writer: Writer<'_>,
    ) -> Result<(), Refused> {
        let object = secret(namespace, &record.name, record.version);
        if self.live(&object).is_some() {
            return Err(Refused {
                reason: "AlreadyExists",
                message: format!("{object} already exists"),
            });
        }
        if let Writer::Engine(_) = writer {
            self.judge_new(namespace, record);
        }
        self.write_record(&object, record, writer);
        self.judge_all(namespace, &record.name, writer);
        Ok(())
    }

    /// A record over what is stored, if that is still what was read.
    pub(crate) fn update_record(
        &mut self,
        namespace: &str,
        record: &Record,
        read: &Records,
        writer: Writer<'_>,
    ) -> Result<(), Refused> {
        let object = secret(namespace, &record.name, record.version);
        let is_read = |live: &&Live| Some(live.version) == read.read_at(record.version);
        let Some(live) = self.live(&object).filter(is_read) else {
            return Err(Refused {
                reason: CONFLICT,
                message: format!("{object} has changed"),
            });
        };
        let before = live.fields.get(STATUS).map(|it| it.value.clone());
        if let Writer::Engine(_) = writer {
            self.judge_change(&object, &before.unwrap_or_default(), &record.info.status);
        }
        self.write_record(&object, record, writer);
        self.judge_all(namespace, &record.name, writer);
        Ok(())
    }

    /// The record of a version goes, whoever made it.
    pub(crate) fn delete_record(&mut self, namespace: &str, release: &str, version: i64) {
        self.remove(&secret(namespace, release, version));
    }

    fn write_record(&mut self, object: &ObjectRef, record: &Record, writer: Writer<'_>) {
        let attempt = match writer {
            Writer::Engine(attempt) => attempt,
            Writer::Person => "",
        };
        let field = |name: &str, value: String| {
            let manager = CONTROLLER.to_owned();
            (name.to_owned(), Field { value, manager })
        };
        let fields = [
            field(STATUS, record.info.status.clone()),
            field(ATTEMPT, attempt.to_owned()),
            field(PACKED, record.encode()),
        ];
        let live = self.live(object).cloned();
        let mut live = live.unwrap_or_else(|| {
            let uid = self.new_uid();
            Live::new(uid)
        });
        live.fields = fields.into_iter().collect();
        self.writes += 1;
        self.store(object, Body::Object(live));
    }

    /// Revisions grow by one, and one action is under way at a time.
    fn judge_new(&mut self, namespace: &str, record: &Record) {
        let all = self.records(namespace, &record.name).all();
        let newest = all.last().map_or(0, |it| it.version);
        let name = &record.name;
        if record.version != newest + 1 {
            let version = record.version;
            self.breach(format!("release {name} goes from v{newest} to v{version}"));
        }
        if let Some(other) = all.iter().find(|it| is_underway(&it.status)) {
            let (version, status) = (other.version, &other.status);
            self.breach(format!(
                "release {name} goes on while v{version} is {status}"
            ));
        }
        // What stands there before a release may fail before anything is under way.
        if !record.info.status.starts_with("pending-") && record.info.status != "failed" {
            let status = &record.info.status;
            self.breach(format!("release {name} begins as {status}"));
        }
    }

    /// What a record was says what it may become.
    fn judge_change(&mut self, object: &ObjectRef, before: &str, after: &str) {
        let may_follow = match before {
            "pending-install" | "pending-upgrade" | "pending-rollback" => {
                after == before || matches!(after, "deployed" | "failed" | "uninstalling")
            }
            "uninstalling" => matches!(after, "uninstalling" | "uninstalled" | "failed"),
            "uninstalled" => after == "uninstalled",
            _ => after == before || matches!(after, "superseded" | "uninstalling" | "uninstalled"),
        };
        if !may_follow {
            self.breach(format!("{object} goes from {before} to {after}"));
        }
    }

    /// At most one revision is deployed.
    fn judge_all(&mut self, namespace: &str, release: &str, writer: Writer<'_>) {
        let all = self.records(namespace, release).all();
        let deployed = all.iter().filter(|it| it.status == "deployed");
        let deployed: Vec<_> = deployed.map(|it| it.version).collect();
        if deployed.len() > 1 && matches!(writer, Writer::Engine(_)) {
            self.breach(format!("of release {release} {deployed:?} are deployed"));
        }
    }

    /// A hook is created, and comes to its end at once.
    pub(crate) fn run_hook(
        &mut self,
        manifest: &Manifest,
        stamp: &str,
        manager: &str,
    ) -> Result<(), Refused> {
        let object = manifest.object();
        self.admit(manifest)?;
        if self.live(&object).is_some() {
            return Err(Refused {
                reason: "AlreadyExists",
                message: format!("{object} already exists"),
            });
        }
        self.create(manifest, manager);
        if let Some(mut live) = self.live(&object).cloned() {
            live.annotations
                .insert(hook::ATTEMPT.to_owned(), stamp.to_owned());
            if let Some((_, end)) = live.settles.take() {
                live.health = end;
            }
            self.store(&object, Body::Object(live));
        }
        Ok(())
    }

    /// A hook was made. One that was not deleted by its own policy is made once for each attempt.
    pub(crate) fn count_hook(&mut self, stamp: &str, object: &ObjectRef, hook: &Hook) {
        let key = (stamp.to_owned(), object.identity());
        let count = self.hooks.entry(key).or_default();
        *count += 1;
        let is_kept = hook
            .delete_policies
            .iter()
            .all(|it| it == "before-hook-creation");
        if *count > 1 && is_kept {
            self.breach(format!("{object} is run again by the attempt that ran it"));
        }
    }

    /// The HelmChart that the engine makes; what somebody else set beside stays. Answers whether it changed.
    pub(crate) fn declare_chart(
        &mut self,
        object: &ObjectRef,
        spec: &Value,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let before = self.declared(object).cloned();
        let mut merged = before
            .as_ref()
            .map_or_else(|| spec.clone(), |it| it.spec.clone());
        for (key, value) in spec.as_object().into_iter().flatten() {
            merged[key] = value.clone();
        }
        if before.is_some_and(|it| it.spec == merged && it.labels == *labels) {
            return false;
        }
        self.writes += 1;
        self.declare(object, merged, Vec::new());
        if let Some(Body::Declared(declared)) = self.bodies.get_mut(&object.identity()) {
            declared.labels.clone_from(labels);
        }
        true
    }

    /// A law does not hold.
    pub(crate) fn breach(&mut self, why: String) {
        self.breaches.push(why);
    }
}
