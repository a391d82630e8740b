//! Small changes to one object: merge patches, status, finalizers, annotations; and plain creation.
//!
//! What git says goes through `apply`, never through here.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Outgoing},
    error::{Cause, Error},
    object::{Reference, resource_version},
    path,
    requests::Verb,
};

/// Which part of an object a request is for.
#[derive(Clone, Copy)]
enum Part {
    Main,
    Status,
}

impl Cluster {
    /// Merges `patch` into the object (RFC 7386) and answers with the result. With a
    /// `metadata.resourceVersion` in it, it fails with [`Cause::Conflict`] if the object has moved on.
    pub async fn merge_patch(
        &self,
        reference: &Reference,
        patch: &Value,
        field_manager: &str,
    ) -> Result<Value, Error> {
        let result = self
            .merge(reference, Part::Main, patch, field_manager)
            .await;
        result.map_err(|cause| cause.during("patch", reference, Some(patch)))
    }

    /// The same for the subresource `status`; nothing but `status` in the patch has an effect.
    pub async fn patch_status(
        &self,
        reference: &Reference,
        patch: &Value,
        field_manager: &str,
    ) -> Result<Value, Error> {
        let result = self
            .merge(reference, Part::Status, patch, field_manager)
            .await;
        result.map_err(|cause| cause.during("patch the status of", reference, Some(patch)))
    }

    /// Sets annotations, or removes those whose value is `None`.
    pub async fn annotate(
        &self,
        reference: &Reference,
        annotations: &BTreeMap<String, Option<String>>,
        field_manager: &str,
    ) -> Result<Value, Error> {
        let patch = json!({"metadata": {"annotations": annotations}});
        let result = self
            .merge(reference, Part::Main, &patch, field_manager)
            .await;
        result.map_err(|cause| cause.during("annotate", reference, None))
    }

    /// Makes sure the object has the finalizer, and answers with the object.
    pub async fn add_finalizer(
        &self,
        reference: &Reference,
        finalizer: &str,
        field_manager: &str,
    ) -> Result<Value, Error> {
        let add = |finalizers: &mut Vec<Value>| {
            if !finalizers.iter().any(|known| known == finalizer) {
                finalizers.push(finalizer.into());
            }
        };
        let result = self.edit_finalizers(reference, field_manager, add).await;
        result.map_err(|cause| cause.during("add a finalizer to", reference, None))
    }

    /// Makes sure the object does not have the finalizer. An object that is gone does not.
    pub async fn remove_finalizer(
        &self,
        reference: &Reference,
        finalizer: &str,
        field_manager: &str,
    ) -> Result<(), Error> {
        let remove = |finalizers: &mut Vec<Value>| finalizers.retain(|known| known != finalizer);
        match self.edit_finalizers(reference, field_manager, remove).await {
            Ok(_) | Err(Cause::NotFound { .. } | Cause::UnknownKind { .. }) => Ok(()),
            Err(cause) => Err(cause.during("remove a finalizer from", reference, None)),
        }
    }

    /// Creates the object; [`Cause::AlreadyExists`] if it is there.
    pub async fn create(&self, object: &Value, field_manager: &str) -> Result<Value, Error> {
        let reference = Reference::of(object)?;
        let result = self.create_at(&reference, object, field_manager).await;
        result.map_err(|cause| cause.during("create", &reference, Some(object)))
    }

    pub(crate) async fn create_at(
        &self,
        reference: &Reference,
        object: &Value,
        field_manager: &str,
    ) -> Result<Value, Cause> {
        let resource = self.resource_of(reference).await?;
        // Only its collection is addressed, but the name has to be one all the same.
        path::object(&resource, &reference.namespace, &reference.name)?;
        let collection = path::collection(&resource, &reference.namespace)?;
        let path = path::query(collection, &[("fieldManager", field_manager)]);
        let request = Outgoing::with_body(Method::POST, path, "application/json", object);
        let answer = self.call(Verb::Create, request).await;
        let created = self.believe(reference, answer).await?.object;
        self.doubt_kinds_after(reference);
        Ok(created)
    }

    /// Replaces the object if it is still at the version that `object` names.
    pub(crate) async fn replace(
        &self,
        object: &Value,
        field_manager: &str,
    ) -> Result<Value, Cause> {
        let reference = Reference::of(object).map_err(|error| error.cause().clone())?;
        let path = self.target(&reference, Part::Main, field_manager).await?;
        let request = Outgoing::with_body(Method::PUT, path, "application/json", object);
        let answer = self.call(Verb::Update, request).await;
        Ok(self.believe(&reference, answer).await?.object)
    }

    async fn merge(
        &self,
        reference: &Reference,
        part: Part,
        patch: &Value,
        field_manager: &str,
    ) -> Result<Value, Cause> {
        let path = self.target(reference, part, field_manager).await?;
        let request =
            Outgoing::with_body(Method::PATCH, path, "application/merge-patch+json", patch);
        let answer = self.call(Verb::Patch, request).await;
        Ok(self.believe(reference, answer).await?.object)
    }

    /// A merge patch replaces the whole list, so it is bound to the version that was read.
    async fn edit_finalizers(
        &self,
        reference: &Reference,
        field_manager: &str,
        edit: impl Fn(&mut Vec<Value>),
    ) -> Result<Value, Cause> {
        const ATTEMPTS_MAX: usize = 5;
        let mut attempt = 1;
        loop {
            let object = self.read(reference).await?;
            let before = object
                .pointer("/metadata/finalizers")
                .and_then(Value::as_array);
            let before = before.cloned().unwrap_or_default();
            let mut after = before.clone();
            edit(&mut after);
            if after == before {
                return Ok(object);
            }
            let version = resource_version(&object);
            let patch = json!({"metadata": {"resourceVersion": version, "finalizers": after}});
            match self
                .merge(reference, Part::Main, &patch, field_manager)
                .await
            {
                Err(Cause::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    async fn target(
        &self,
        reference: &Reference,
        part: Part,
        field_manager: &str,
    ) -> Result<String, Cause> {
        let resource = self.resource_of(reference).await?;
        let mut path = path::object(&resource, &reference.namespace, &reference.name)?;
        match part {
            Part::Main => {}
            Part::Status => path.push_str("/status"),
        }
        Ok(path::query(path, &[("fieldManager", field_manager)]))
    }
}
