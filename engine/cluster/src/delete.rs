//! Deleting one object, and only the one that was meant.

use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    cluster::{Cluster, Outgoing},
    error::{Cause, Error},
    object::Reference,
    path,
    requests::Verb,
};

/// How to delete, and what must hold for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// Only the object with this uid: a namesake created since is never deleted.
    pub uid: Option<String>,
    /// Only while it is at this version.
    pub resource_version: Option<String>,
    /// What becomes of the objects it owns.
    pub propagation: Propagation,
}

/// What becomes of the objects that a deleted object owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// There was nothing to delete: the object, its namespace or its kind is not there.
    AlreadyGone,
    /// It is gone.
    Gone,
    /// It is marked, and goes when its finalizers or its grace period are through.
    Going,
}

impl Cluster {
    /// Deletes the object if it is the one described. Where uid or version differ it fails with
    /// [`Cause::Conflict`] and nothing is deleted. Deleting twice is deleting once.
    pub async fn delete(&self, reference: &Reference, delete: &Delete) -> Result<Deletion, Error> {
        match self.delete_at(reference, delete).await {
            Ok(object) => {
                self.doubt_kinds_after(reference);
                let going = object.pointer("/metadata/deletionTimestamp").is_some();
                Ok(if going {
                    Deletion::Going
                } else {
                    Deletion::Gone
                })
            }
            Err(Cause::NotFound { .. } | Cause::UnknownKind { .. }) => Ok(Deletion::AlreadyGone),
            Err(cause) => Err(cause.during("delete", reference, None)),
        }
    }

    async fn delete_at(&self, reference: &Reference, delete: &Delete) -> Result<Value, Cause> {
        let resource = self.resource_of(reference).await?;
        let path = path::object(&resource, &reference.namespace, &reference.name)?;
        let request =
            Outgoing::with_body(Method::DELETE, path, "application/json", &options(delete));
        let answer = self.call(Verb::Delete, request).await;
        Ok(self.believe(reference, answer).await?.object)
    }
}

fn options(delete: &Delete) -> Value {
    let propagation = match delete.propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
        Propagation::Orphan => "Orphan",
    };
    let conditions = [
        ("uid", &delete.uid),
        ("resourceVersion", &delete.resource_version),
    ];
    let preconditions: Map<String, Value> = conditions
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
        "preconditions": preconditions,
    })
}
