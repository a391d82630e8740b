//! Server-side apply of one object.
//!
//! It leaves to others what to apply, in which order and whether at all; it never asks before it acts.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::{
    cluster::{Answer, Cluster, Outgoing},
    error::{Cause, Error},
    object::{Reference, resource_version},
    path,
    requests::Verb,
    takeover::{self, Takeover},
};

/// How to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apply {
    /// In whose name fields are owned.
    pub field_manager: String,
    /// What to do about fields that others own.
    pub conflicts: Conflicts,
    /// Whether it counts.
    pub mode: Mode,
    /// The object's resourceVersion as last seen, if it was seen.
    pub known: Option<String>,
    /// Whose fields to take over.
    pub takeover: Takeover,
}

/// What to do about fields that other managers have applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// Take them.
    Force,
    /// Fail with [`Cause::Conflict`].
    Refuse,
}

/// Whether the server keeps the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Commit,
    /// It validates, defaults, asks the webhooks and answers, and nothing changes.
    DryRun,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The object as it is now, or would be.
    pub object: Value,
    /// What had to be done for it.
    pub action: Action,
}

/// What an apply did: kubectl's and Flux's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The object was not there: the server answered 201.
    Created,
    /// The object was there and is not known to be the same.
    Configured,
    /// The server left it exactly as [`Apply::known`] says it was seen.
    Unchanged,
}

impl Apply {
    /// As Flux's kustomize-controller applies: its name, by force, taking over kubectl's fields.
    pub fn flux() -> Self {
        Self {
            field_manager: "kustomize-controller".to_owned(),
            conflicts: Conflicts::Force,
            mode: Mode::Commit,
            known: None,
            takeover: Takeover::Legacy { also: Vec::new() },
        }
    }
}

impl Cluster {
    /// Makes `object` so, by server-side apply. Applying twice is applying once: the second time the
    /// server changes nothing, not even the resourceVersion, and that is how `Unchanged` is known. So
    /// without [`Apply::known`] an object that was there is called `Configured`.
    ///
    /// Where fields have to be taken over it is applied twice, with one patch between; that patch is
    /// sent only when the answer shows a manager to take over, and never in a dry run.
    pub async fn apply(&self, object: &Value, apply: &Apply) -> Result<Applied, Error> {
        let reference = Reference::of(object)?;
        let result = self.apply_to(&reference, object, apply).await;
        let verb = match apply.mode {
            Mode::Commit => "apply",
            Mode::DryRun => "dry-run",
        };
        let applied = result.map_err(|cause| cause.during(verb, &reference, Some(object)))?;
        if apply.mode == Mode::Commit && applied.action != Action::Unchanged {
            self.doubt_kinds_after(&reference);
        }
        Ok(applied)
    }

    async fn apply_to(
        &self,
        reference: &Reference,
        object: &Value,
        apply: &Apply,
    ) -> Result<Applied, Cause> {
        let resource = self.resource_of(reference).await?;
        let target = path::object(&resource, &reference.namespace, &reference.name)?;
        let request = request(&target, object, apply);
        let answer = self.call(Verb::Apply, request.clone()).await;
        let mut answer = self.believe(reference, answer).await?;
        let created = answer.status == StatusCode::CREATED;
        if apply.mode == Mode::Commit {
            answer = self.take_over(&target, request, answer, apply).await?;
        }
        let action = if created {
            Action::Created
        } else if apply.known.as_deref() == Some(resource_version(&answer.object)) {
            Action::Unchanged
        } else {
            Action::Configured
        };
        Ok(Applied {
            object: answer.object,
            action,
        })
    }

    async fn take_over(
        &self,
        target: &str,
        request: Outgoing,
        mut answer: Answer,
        apply: &Apply,
    ) -> Result<Answer, Cause> {
        const ATTEMPTS_MAX: usize = 3;
        for _ in 0..ATTEMPTS_MAX {
            let Some(fields) =
                takeover::adopted(&answer.object, &apply.field_manager, &apply.takeover)
            else {
                break;
            };
            let patch = takeover::patch(resource_version(&answer.object), &fields);
            let path = path::query(target.to_owned(), &[("fieldManager", &apply.field_manager)]);
            let patch =
                Outgoing::with_body(Method::PATCH, path, "application/json-patch+json", &patch);
            match self.call(Verb::Patch, patch).await {
                // Somebody was faster: the next answer shows what they made of it.
                Ok(_) | Err(Cause::Conflict { .. }) => {}
                Err(cause) => return Err(cause),
            }
            answer = self.call(Verb::Apply, request.clone()).await?;
        }
        Ok(answer)
    }

    /// A changed CRD or APIService changes what kinds there are.
    pub(crate) fn doubt_kinds_after(&self, changed: &Reference) {
        if matches!(
            changed.kind.as_str(),
            "CustomResourceDefinition" | "APIService"
        ) {
            self.doubt_kinds();
        }
    }
}

fn request(target: &str, object: &Value, apply: &Apply) -> Outgoing {
    let force = match apply.conflicts {
        Conflicts::Force => "true",
        Conflicts::Refuse => "",
    };
    let dry_run = match apply.mode {
        Mode::Commit => "",
        Mode::DryRun => "All",
    };
    let pairs = [
        ("fieldManager", apply.field_manager.as_str()),
        ("force", force),
        ("dryRun", dry_run),
    ];
    let path = path::query(target.to_owned(), &pairs);
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        // An exported object has them, and the server refuses them in an apply.
        metadata.remove("managedFields");
    }
    // JSON is YAML.
    Outgoing::with_body(Method::PATCH, path, "application/apply-patch+yaml", &object)
}
