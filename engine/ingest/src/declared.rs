//! The Flux kinds: what people declare, when its declared part changed.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::kinds::{self, Kind};
use fluvial_api::{
    Alert, GitRepository, HelmChart, HelmRelease, HelmRepository, Kustomization, OciRepository,
    Provider, Rollback, metadata, rollback,
};
use fluvial_apply::drift;
use fluvial_event::{
    Draft, InventoryEntry, ObjectRef, ResourceDeleted, ResourceObserved, RollbackRequest,
};
use fluvial_manifest::digest::canonical;
use fluvial_reduce::marks;
use serde_json::Value;

use crate::hear::{Known, Watcher, identity, named, text};

/// The kinds that are watched: what is reconciled, and what has a status on which to say that it is not.
pub fn watched() -> impl Iterator<Item = &'static Kind> {
    kinds::ALL
        .iter()
        .copied()
        .filter(|kind| kind.is_reconciled || has_status(kind))
}

/// flux: an ExternalArtifact is its maker's.
fn has_status(kind: &Kind) -> bool {
    !matches!(kind.kind, "ExternalArtifact")
}

/// What is recorded of a spec that is not read.
const UNREAD: &[u8] = b"{}";

/// What of a declaration decides whether it is news.
#[derive(Clone, PartialEq)]
struct Face {
    uid: String,
    generation: i64,
    /// Nothing of it was read: an earlier version of Fluvial did not know the kind.
    is_unread: bool,
    deleting: bool,
    finalizer: bool,
    marks: String,
    requested_at: String,
    rollback: Option<RollbackRequest>,
}

pub(crate) struct Declarations {
    known: Known,
    kind: &'static Kind,
    /// What was said in this batch, and the world does not know yet.
    said: BTreeMap<ObjectRef, Option<Face>>,
}

impl Declarations {
    pub(crate) fn new(kind: &'static Kind, known: Known) -> Self {
        Self {
            known,
            kind,
            said: BTreeMap::new(),
        }
    }

    fn heard_of(&self, object: &ObjectRef) -> Option<Face> {
        if let Some(said) = self.said.get(object) {
            return said.clone();
        }
        let world = self.known.world();
        let declared = world.one(object)?;
        Some(Face {
            uid: declared.uid.clone(),
            generation: declared.generation,
            is_unread: is_unread(&declared.spec, &declared.invalid),
            deleting: declared.deleting,
            finalizer: declared.finalizer,
            marks: declared.marks.clone(),
            requested_at: declared.requested_at.clone(),
            rollback: declared.rollback.clone(),
        })
    }

    fn say_gone(&mut self, object: &ObjectRef, drafts: &mut Vec<Draft>) {
        let Some(known) = self.heard_of(object) else {
            return;
        };
        let event = ResourceDeleted {
            object: Some(object.clone()),
            uid: known.uid,
        };
        drafts.push(Draft::news(event.into()));
        self.said.insert(object.clone(), None);
    }
}

impl Watcher for Declarations {
    fn present(&mut self, object: &Value, _now_seconds: i64, drafts: &mut Vec<Draft>) {
        let observed = read(self.kind, object);
        let face = Face {
            uid: observed.uid.clone(),
            generation: observed.generation,
            is_unread: is_unread(&observed.spec, &observed.invalid),
            deleting: observed.deleting,
            finalizer: observed.finalizer,
            marks: marks(&observed.labels, &observed.event_metadata),
            requested_at: observed.requested_at.clone(),
            rollback: observed.rollback.clone(),
        };
        let key = identity(object);
        if self.heard_of(&key).as_ref() == Some(&face) {
            self.known.drop_one();
            return;
        }
        self.said.insert(key, Some(face));
        let manager = drift::last_manager(object, &[self.kind.controller]);
        let actor = manager
            .map(|manager| format!("manager:{}", manager.name))
            .unwrap_or_default();
        drafts.push(Draft::news(observed.into()).by(actor));
    }

    fn deleted(&mut self, object: &Value, drafts: &mut Vec<Draft>) {
        self.say_gone(&identity(object), drafts);
    }

    fn listed(
        &mut self,
        listed: &BTreeSet<ObjectRef>,
        _resource_version: &str,
        drafts: &mut Vec<Draft>,
    ) {
        let gone: Vec<_> = {
            let world = self.known.world();
            let ours = world
                .declared()
                .map(|(object, _)| object)
                .filter(|object| object.group == self.kind.group && object.kind == self.kind.kind);
            ours.filter(|object| !listed.contains(*object))
                .cloned()
                .collect()
        };
        for object in gone {
            self.say_gone(&object, drafts);
        }
    }

    fn passed(&self) {
        self.known.drop_one();
    }

    fn settled(&mut self) {
        self.said.clear();
    }
}

/// What an earlier engine said of a release, as JSON; empty where it said nothing that can be read.
fn found_release(kind: &Kind, object: &Value) -> String {
    if *kind != kinds::HELM_RELEASE || object.get("status").is_none() {
        return String::new();
    }
    let status = HelmRelease::read_status(object).unwrap_or_default();
    serde_json::to_string(&status).unwrap_or_default()
}

/// The spec in the model, as JSON; what a kind that is not reconciled asks for is not read.
fn spec(kind: &Kind, object: &Value) -> Result<Vec<u8>, String> {
    fn json(spec: Result<impl serde::Serialize, fluvial_api::Error>) -> Result<Vec<u8>, String> {
        let spec = spec.map_err(|error| error.to_string())?;
        serde_json::to_vec(&spec).map_err(|error| error.to_string())
    }
    match kind.kind {
        // What may be a credential, here, in the other sources and in a Provider, is read when it is used,
        // and never recorded.
        "GitRepository" => json(GitRepository::read(object).map(|it| it.spec.recorded())),
        "HelmRepository" => json(HelmRepository::read(object).map(|it| it.spec.recorded())),
        "HelmChart" => json(HelmChart::read(object).map(|it| it.spec)),
        "OCIRepository" => json(OciRepository::read(object).map(|it| it.spec.recorded())),
        "HelmRelease" => json(HelmRelease::read(object).map(|it| it.spec)),
        "Kustomization" => json(Kustomization::read(object).map(|it| it.spec)),
        "Alert" => json(Alert::read(object).map(|it| it.spec)),
        "Provider" => json(Provider::read(object).map(|it| it.spec.recorded())),
        _ => Ok(UNREAD.to_vec()),
    }
}

fn is_unread(spec: &[u8], invalid: &str) -> bool {
    spec == UNREAD && invalid.is_empty()
}

/// The declared part of an object. What cannot be read is said with the object, and decides nothing.
pub fn read(kind: &Kind, object: &Value) -> ResourceObserved {
    let (spec, invalid) = match spec(kind, object) {
        Ok(spec) => (spec, String::new()),
        Err(error) if may_hold_credentials(kind) => (UNREAD.to_vec(), error),
        Err(error) => (canonical(object.get("spec").unwrap_or(&Value::Null)), error),
    };
    let finalizers = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    let has_finalizer = finalizers.is_some_and(|all| {
        all.iter()
            .any(|each| each.as_str() == Some(metadata::FINALIZER))
    });
    let requested_at = annotation(object, metadata::annotation::REQUESTED_AT);
    let rollback =
        annotation(object, rollback::ANNOTATION).filter(|_| *kind == kinds::KUSTOMIZATION);
    ResourceObserved {
        object: Some(named(object)),
        uid: text(object, "/metadata/uid").to_owned(),
        generation: object
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        resource_version: text(object, "/metadata/resourceVersion").to_owned(),
        spec,
        invalid,
        deleting: object.pointer("/metadata/deletionTimestamp").is_some(),
        finalizer: has_finalizer,
        requested_at: requested_at.unwrap_or_default().to_owned(),
        inventory: inventory(object),
        handled_at: text(object, "/status/lastHandledReconcileAt").to_owned(),
        labels: texts(object, "/metadata/labels").collect(),
        force_at: annotation(object, metadata::annotation::FORCE_AT)
            .unwrap_or_default()
            .to_owned(),
        reset_at: annotation(object, metadata::annotation::RESET_AT)
            .unwrap_or_default()
            .to_owned(),
        release: found_release(kind, object),
        event_metadata: texts(object, "/metadata/annotations")
            .filter_map(|(key, value)| {
                let key = key.strip_prefix(metadata::annotation::EVENT_PREFIX)?;
                Some((key.to_owned(), value))
            })
            .collect(),
        rollback: rollback.map(rollback_request),
    }
}

/// Whether a spec that cannot be read may say what nobody may know.
fn may_hold_credentials(kind: &Kind) -> bool {
    [
        &kinds::PROVIDER,
        &kinds::GIT_REPOSITORY,
        &kinds::HELM_REPOSITORY,
        &kinds::OCI_REPOSITORY,
    ]
    .contains(&kind)
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(name))
        .and_then(Value::as_str)
}

/// A rollback that cannot be read is on record, too, and refused where it would be begun.
fn rollback_request(value: &str) -> RollbackRequest {
    match Rollback::read(value) {
        Ok(Rollback {
            offset,
            digest,
            by,
            reason,
            at,
        }) => RollbackRequest {
            offset,
            digest,
            by,
            reason,
            at,
            invalid: String::new(),
        },
        Err(invalid) => RollbackRequest {
            invalid,
            ..RollbackRequest::default()
        },
    }
}

fn texts<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (String, String)> + 'a {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
}

fn inventory(object: &Value) -> Vec<InventoryEntry> {
    let entries = object
        .pointer("/status/inventory/entries")
        .and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .map(|entry| InventoryEntry {
            id: text(entry, "/id").to_owned(),
            version: text(entry, "/v").to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, RwLock};

    use fluvial_event::{Chain, Head, Id, Timestamp};
    use fluvial_log::Key;
    use fluvial_log::memory::MemoryBlobs;
    use fluvial_reduce::World;
    use serde_json::json;

    use super::*;

    fn kustomization(spec: &Value) -> Value {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {
                "name": "app", "namespace": "team", "uid": "u", "generation": 3,
                "resourceVersion": "42", "finalizers": ["finalizers.fluxcd.io"],
                "annotations": {"reconcile.fluxcd.io/requestedAt": "now"},
            },
            "spec": spec,
            "status": {
                "lastHandledReconcileAt": "then",
                "inventory": {"entries": [{"id": "team_app_apps_Deployment", "v": "v1"}]},
            },
        })
    }

    #[test]
    fn a_declaration_is_read_with_what_an_earlier_engine_left() {
        let object = kustomization(&json!({
            "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"},
        }));
        let observed = read(&kinds::KUSTOMIZATION, &object);
        assert_eq!(observed.invalid, "");
        assert_eq!(
            (observed.generation, observed.finalizer, observed.deleting),
            (3, true, false)
        );
        assert_eq!(
            (observed.requested_at.as_str(), observed.handled_at.as_str()),
            ("now", "then")
        );
        assert_eq!(observed.inventory[0].id, "team_app_apps_Deployment");
        assert!(
            String::from_utf8(observed.spec)
                .unwrap()
                .contains(r#""interval":"1m0s""#)
        );
    }

    #[test]
    fn a_rollback_is_asked_for_of_a_kustomization_alone() {
        let spec = json!({
            "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"},
        });
        let read_with = |kind, value: &str| {
            let mut object = kustomization(&spec);
            object["metadata"]["annotations"]["fluvial.dev/rollback"] = value.into();
            read(kind, &object).rollback
        };
        assert_eq!(
            read(&kinds::KUSTOMIZATION, &kustomization(&spec)).rollback,
            None
        );
        let good = r#"{"offset":41,"digest":"d","by":"jane","at":"t"}"#;
        let asked = read_with(&kinds::KUSTOMIZATION, good).unwrap();
        assert_eq!(
            (asked.offset, asked.by.as_str(), asked.invalid.as_str()),
            (41, "jane", "")
        );
        let bad = read_with(&kinds::KUSTOMIZATION, "41").unwrap();
        assert!(bad.offset == 0 && !bad.invalid.is_empty(), "{bad:?}");
        assert_eq!(read_with(&kinds::GIT_REPOSITORY, good), None);
    }

    #[test]
    fn no_credential_of_a_url_is_recorded() {
        let login = "https://me:s3cr3t@host/x";
        for (spec, url) in [
            (
                json!({"url": login, "interval": "1m"}),
                "https://***@host/x",
            ),
            (
                json!({"url": "https://host/x?token=s3cr3t", "interval": "1m"}),
                "https://host/x?***",
            ),
            (json!({"url": login, "interval": "never"}), ""),
            (
                json!({"url": "https://me:s3cr3t@ho st/x", "interval": "1m"}),
                "",
            ),
            (json!({"url": [login], "interval": "1m"}), ""),
            (json!({"urls": login, "url": {"s3cr3t": login}}), ""),
            (json!({"interval": login, "ref": login}), ""),
            (json!(login), ""),
        ] {
            for kind in [&kinds::GIT_REPOSITORY, &kinds::HELM_REPOSITORY] {
                let mut object = kustomization(&spec);
                object["apiVersion"] = kind.api_version().into();
                object["kind"] = kind.kind.into();
                let observed = read(kind, &object);
                let recorded = String::from_utf8(observed.spec).unwrap();
                assert!(!recorded.contains("s3cr3t"), "{recorded}");
                let kept: Value = serde_json::from_str(&recorded).unwrap();
                assert_eq!(kept["url"].as_str().unwrap_or_default(), url, "{spec}");
                assert_eq!(observed.invalid.is_empty(), !url.is_empty(), "{spec}");
            }
        }
    }

    #[test]
    fn no_credential_of_a_registrys_url_is_recorded() {
        for (url, recorded) in [
            ("oci://me:s3cr3t@host/x", r#""url":"oci://***@host/x""#),
            ("oci://host/x?token=s3cr3t", "{}"),
        ] {
            let mut object = kustomization(&json!({"url": url, "interval": "1m"}));
            object["apiVersion"] = kinds::OCI_REPOSITORY.api_version().into();
            object["kind"] = kinds::OCI_REPOSITORY.kind.into();
            let spec = String::from_utf8(read(&kinds::OCI_REPOSITORY, &object).spec).unwrap();
            assert!(
                spec.contains(recorded) && !spec.contains("s3cr3t"),
                "{spec}"
            );
        }
    }

    /// Or an OCIRepository would never be fetched in a cluster that an earlier version has seen.
    #[test]
    fn what_an_earlier_version_could_not_read_is_news() {
        let mut object = kustomization(&json!({"url": "oci://host/app", "interval": "1m"}));
        object["apiVersion"] = kinds::OCI_REPOSITORY.api_version().into();
        object["kind"] = kinds::OCI_REPOSITORY.kind.into();
        let now = read(&kinds::OCI_REPOSITORY, &object);
        let before = ResourceObserved {
            spec: UNREAD.to_vec(),
            ..now.clone()
        };
        for (recorded, is_news) in [(before, true), (now, false)] {
            let mut world = World::default();
            let mut chain = Chain::new(Head::default(), 1);
            let draft = Draft::news(recorded.into());
            world.evolve(&chain.seal(draft, Id::NONE, Timestamp::default()));
            let blobs = Arc::new(MemoryBlobs::default());
            let known = Known::new(
                Arc::new(RwLock::new(world)),
                blobs,
                Key::from_bytes([7; 32]),
            );
            let mut declarations = Declarations::new(&kinds::OCI_REPOSITORY, known);
            let mut drafts = Vec::new();
            declarations.present(&object, 0, &mut drafts);
            assert_eq!(drafts.len(), usize::from(is_news));
        }
    }

    #[test]
    fn a_spec_that_cannot_be_read_says_where() {
        let object = kustomization(&json!({
            "interval": "-1s", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"},
        }));
        let observed = read(&kinds::KUSTOMIZATION, &object);
        assert!(
            observed.invalid.contains("spec.interval"),
            "{}",
            observed.invalid
        );
        serde_json::from_slice::<Value>(&observed.spec).unwrap();
    }
}
