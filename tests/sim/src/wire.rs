//! The models' objects as Kubernetes writes them, for the engine's own code to read.

use std::collections::BTreeMap;

use fluvial_api::kinds::{self, Kind};
use fluvial_api::metadata::{self, annotation, marker};
use fluvial_api::{Rollback, rollback};
use fluvial_apply::{Markers, Owner};
use fluvial_event::{Health, ObjectRef};
use fluvial_log::Key;
use fluvial_manifest::digest::canonical;
use serde_json::{Map, Value, json};

use crate::cluster::{Body, Declaration, ENGINE, Live, OWNER};
use crate::git::Manifest;
use crate::helm::{CONTROLLER, HELM, RELEASE};

/// The key under which the simulated engine digests and seals.
pub(crate) fn key() -> Key {
    Key::from_bytes([0; 32])
}

/// The digest of those fields of `live` that `manifest` sets, as the engine takes it.
pub(crate) fn digest(manifest: &Value, live: &Value) -> String {
    let projection = fluvial_apply::drift::projection(manifest, live);
    key().mac(&canonical(&projection)).to_string()
}

/// A manifest as it was built, with the labels of its owner.
pub(crate) fn manifest(manifest: &Manifest) -> Value {
    let fields = manifest.fields.iter();
    let fields = fields.map(|(field, value)| (field.as_str(), value.as_str()));
    let mut object = written(&manifest.object(), fields);
    annotate(&mut object, &manifest.annotations());
    object
}

/// A manifest read back, with its owner in [`OWNER`].
pub(crate) fn read_manifest(value: &Value) -> Manifest {
    use fluvial_manifest::object;
    let (group, version) = object::group_version(object::api_version(value));
    let markers = Markers::of(value);
    let release = Owner::release_of(value);
    let data = value["data"].as_object().into_iter().flatten();
    let mut manifest = Manifest {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: object::kind(value).to_owned(),
        namespace: object::namespace(value).to_owned(),
        name: object::name(value).to_owned(),
        fields: data
            .map(|(field, it)| (field.clone(), it.as_str().unwrap_or_default().to_owned()))
            .collect(),
        keep: markers.is_kept || release.as_ref().is_some_and(|it| it.keeps(value)),
        force: markers.is_forced,
        policy: object::annotation(value, marker::SSA)
            .unwrap_or_default()
            .to_owned(),
    };
    for (field, owner) in [(OWNER, Owner::of(value)), (RELEASE, release)] {
        if let Some(owner) = owner {
            manifest = manifest.with(field, &format!("{}/{}", owner.namespace, owner.name));
        }
    }
    manifest
}

/// What the API server holds.
pub(crate) fn body(object: &ObjectRef, body: &Body) -> Value {
    match body {
        Body::Object(live) => self::live(object, live),
        Body::Declared(declared) => self::declared(object, declared),
    }
}

/// An ordinary object as the API server holds it.
pub(crate) fn live(object: &ObjectRef, live: &Live) -> Value {
    let object = &ObjectRef {
        version: "v1".into(),
        ..object.clone()
    };
    let fields = live.fields.iter();
    let fields = fields.map(|(field, it)| (field.as_str(), it.value.as_str()));
    let mut value = written(object, fields);
    identify(&mut value, &live.uid, live.version, live.deleting);
    annotate(&mut value, &live.annotations);
    let managers = managers(live);
    if !managers.is_empty() {
        value["metadata"]["managedFields"] = managers.into();
    }
    work(object, live.health, &mut value);
    value
}

fn written<'a>(object: &ObjectRef, fields: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let api_version = match object.group.as_str() {
        "" => object.version.clone(),
        group => format!("{group}/{}", object.version),
    };
    let mut value = json!({
        "apiVersion": api_version,
        "kind": object.kind,
        "metadata": {"name": object.name},
    });
    if !object.namespace.is_empty() {
        value["metadata"]["namespace"] = object.namespace.clone().into();
    }
    let mut data = Map::new();
    for (field, text) in fields {
        let owner = match field {
            OWNER => Owner::kustomization,
            RELEASE => Owner::release,
            _ => {
                data.insert(field.into(), text.into());
                continue;
            }
        };
        if let Some((namespace, name)) = text.split_once('/') {
            owner(namespace, name).mark(&mut value);
        }
    }
    if !data.is_empty() {
        value["data"] = data.into();
    }
    value
}

fn annotate(value: &mut Value, annotations: &BTreeMap<String, String>) {
    for (key, text) in annotations {
        fluvial_manifest::object::set_annotation(value, key, text);
    }
}

fn identify(value: &mut Value, uid: &str, version: u64, deleting: bool) {
    value["metadata"]["uid"] = uid.into();
    value["metadata"]["resourceVersion"] = version.to_string().into();
    if deleting {
        value["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z".into();
    }
}

/// Who wrote which field of the data.
fn managers(live: &Live) -> Vec<Value> {
    let mut by: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (field, it) in &live.fields {
        if field != OWNER && field != RELEASE {
            let fields = by.entry(&it.manager).or_default();
            fields.insert(format!("f:{field}"), json!({}));
        }
    }
    by.into_iter()
        .map(|(manager, fields)| {
            let is_apply = [ENGINE, CONTROLLER, HELM].contains(&manager);
            let operation = if is_apply { "Apply" } else { "Update" };
            json!({
                "manager": manager, "operation": operation, "fieldsType": "FieldsV1",
                "time": "2027-01-15T08:00:00Z", "fieldsV1": {"f:data": fields},
            })
        })
        .collect()
}

/// What the controllers of Kubernetes say of an object in this health.
fn work(object: &ObjectRef, health: Health, value: &mut Value) {
    let is_current = health == Health::Current;
    match object.kind.as_str() {
        "Deployment" => {
            let count = i32::from(is_current);
            let mut status = json!({
                "replicas": count, "updatedReplicas": count, "availableReplicas": count,
                "readyReplicas": count,
                "conditions": [{"type": "Available", "status": if is_current { "True" } else { "False" }}],
            });
            if health == Health::Failed {
                status["conditions"][0] = json!({
                    "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                });
            }
            value["spec"] = json!({"replicas": 1});
            value["status"] = status;
        }
        "Job" if is_current || health == Health::Failed => {
            let aspect = if is_current { "Complete" } else { "Failed" };
            value["status"] = json!({"conditions": [{
                "type": aspect, "status": "True", "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            }]});
        }
        "Job" => value["status"] = json!({"active": 1, "startTime": "2027-01-15T08:00:00Z"}),
        "CustomResourceDefinition" if is_current => {
            value["status"] = json!({"conditions": [
                {"type": "NamesAccepted", "status": "True"},
                {"type": "Established", "status": "True"},
            ]});
        }
        _ => {}
    }
}

fn declared(object: &ObjectRef, declared: &Declaration) -> Value {
    let kind = kinds::find(&object.group, &object.kind);
    let mut value = json!({
        "apiVersion": kind.map(Kind::api_version),
        "kind": object.kind,
        "metadata": {
            "name": object.name, "namespace": object.namespace, "generation": declared.generation,
        },
        "spec": declared.spec,
        "status": declared.status,
    });
    value["status"]["lastHandledReconcileAt"] = declared.handled_at.clone().into();
    for (key, text) in &declared.labels {
        fluvial_manifest::object::set_label(&mut value, key, text);
    }
    identify(
        &mut value,
        &declared.uid,
        declared.version,
        declared.deleting,
    );
    if declared.finalizer {
        value["metadata"]["finalizers"] = json!([metadata::FINALIZER]);
    }
    let mut annotations = Map::new();
    if !declared.requested_at.is_empty() {
        let requested_at = declared.requested_at.clone();
        annotations.insert(annotation::REQUESTED_AT.into(), requested_at.into());
    }
    if let Some(asked) = declared.rollback.clone() {
        let rollback = Rollback {
            offset: asked.offset,
            digest: asked.digest,
            by: asked.by,
            reason: asked.reason,
            at: asked.at,
        };
        let text = rollback.value().expect("a rollback is plain data");
        annotations.insert(rollback::ANNOTATION.into(), text.into());
    }
    value["metadata"]["annotations"] = annotations.into();
    if !declared.inventory.is_empty() {
        let entries = declared.inventory.iter();
        let entries = entries.map(|entry| json!({"id": entry.id, "v": entry.version}));
        value["status"]["inventory"] = json!({"entries": entries.collect::<Vec<_>>()});
    }
    value
}

#[cfg(test)]
mod tests {
    use fluvial_event::Health;

    use super::live;
    use crate::cluster::Cluster;
    use crate::git::Manifest;

    #[test]
    fn the_engine_reads_the_health_that_the_model_means() {
        for kind in [
            "ConfigMap",
            "CustomResourceDefinition",
            "Deployment",
            "Job",
            "Namespace",
            "Widget",
        ] {
            for health in [Health::Current, Health::InProgress, Health::Failed] {
                let manifest = Manifest::new(kind, "", "x");
                let mut cluster = Cluster::default();
                cluster.put(&manifest);
                let mut body = cluster.live(&manifest.object()).unwrap().clone();
                let has_controller =
                    matches!(kind, "Deployment" | "Job" | "CustomResourceDefinition");
                body.health = if has_controller {
                    health
                } else {
                    Health::Current
                };
                let is_failed = kind == "CustomResourceDefinition" && health == Health::Failed;
                if is_failed {
                    continue;
                }
                let value = live(&manifest.object(), &body);
                let read = fluvial_apply::health::status(&value, 0).recorded();
                assert_eq!(read, body.health, "{value}");
            }
        }
    }
}
