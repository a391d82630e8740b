//! Whether a dependency is ready, where `dependsOn[].readyExpr` says what that means.
//!
//! Flux asks the API server for both objects when it decides. Here they are put together from what the log
//! says of them, which is what their status is written from: so the answer is the same at every replay, and
//! comes as soon as the dependency changes. What no decision reads is not in it: annotations, and when a
//! condition changed.

use fluvial_api::reference::DependencyReference;
use fluvial_apply::cel::{Error, Expression};
use fluvial_event::ObjectRef;
use serde_json::{Map, Value, json};

use crate::declared::Declared;

/// The variables of an expression, as Flux declares them.
const VARIABLES: [&str; 2] = ["self", "dep"];

/// An object, as an expression sees it.
pub(crate) struct Facts<'a> {
    pub(crate) object: &'a ObjectRef,
    pub(crate) declared: &'a Declared,
    /// An attempt of something new is in hand.
    pub(crate) is_under_way: bool,
    /// Whether health is asked for.
    pub(crate) is_checked: bool,
    /// What the kind's status says besides.
    pub(crate) status: Map<String, Value>,
}

impl Facts<'_> {
    fn value(&self) -> Value {
        let (object, declared) = (self.object, self.declared);
        let mut metadata = json!({
            "name": object.name,
            "namespace": object.namespace,
            "uid": declared.uid,
            "generation": declared.generation,
        });
        if !declared.labels.is_empty() {
            metadata["labels"] = json!(declared.labels);
        }
        let mut status = self.status.clone();
        // The definitions say so of what was never reconciled.
        let observed = declared.observed_generation.unwrap_or(-1);
        status.insert("observedGeneration".to_owned(), json!(observed));
        if !declared.handled_at.is_empty() {
            let handled = json!(declared.handled_at);
            status.insert("lastHandledReconcileAt".to_owned(), handled);
        }
        let conditions = self.conditions();
        if !conditions.is_empty() {
            status.insert("conditions".to_owned(), json!(conditions));
        }
        json!({
            "apiVersion": format!("{}/{}", object.group, declared.version),
            "kind": object.kind,
            "metadata": metadata,
            "spec": serde_json::from_slice::<Value>(&declared.spec).unwrap_or_default(),
            "status": status,
        })
    }

    fn conditions(&self) -> Vec<Value> {
        let declared = self.declared;
        let condition = |aspect: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": aspect,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": declared.generation,
            })
        };
        let is_said = |reason: &str| !matches!(reason, "Suspended" | "Held" | "Progressing");
        let waiting = declared
            .waiting
            .as_ref()
            .filter(|(reason, _)| is_said(reason));
        if self.is_under_way {
            let message = "Reconciliation in progress";
            return vec![
                condition("Ready", "Unknown", "Progressing", message),
                condition("Reconciling", "True", "Progressing", message),
            ];
        }
        if let Some((reason, message)) = waiting {
            return vec![condition("Ready", "False", reason, message)];
        }
        let Some(last) = &declared.concluded else {
            return Vec::new();
        };
        let word = |holds: bool| if holds { "True" } else { "False" };
        let mut all = vec![condition(
            "Ready",
            word(last.ready),
            &last.reason,
            &last.message,
        )];
        if last.stalled {
            all.push(condition("Stalled", "True", &last.reason, &last.message));
        }
        let is_unhealthy = last.reason.starts_with("HealthCheck");
        if is_unhealthy {
            all.push(condition("Healthy", "False", &last.reason, &last.message));
        } else if self.is_checked && last.ready {
            all.push(condition(
                "Healthy",
                "True",
                "Succeeded",
                "Health check passed",
            ));
        }
        all
    }
}

/// The expression of a dependency, if it has one.
pub(crate) fn expression(dependency: &DependencyReference) -> Option<&str> {
    dependency.ready_expr.as_deref().filter(|it| !it.is_empty())
}

/// Why `dep` is not ready for `this` by `source`, if it is not; `name` is that of `dep`.
pub(crate) fn unmet(source: &str, this: &Facts<'_>, dep: &Facts<'_>, name: &str) -> Option<String> {
    let holds = || -> Result<bool, Error> {
        let expression = Expression::boolean(source, &VARIABLES)?;
        let (this, dep) = (this.value(), dep.value());
        expression.holds([("self", &this), ("dep", &dep)])
    };
    match holds() {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "dependency {name} is not ready according to readyExpr eval"
        )),
        Err(error) => Some(format!("dependency {name} is not ready: {error}")),
    }
}

/// Why these expressions cannot be evaluated; `None` where they can.
pub(crate) fn refusal(dependencies: &[DependencyReference]) -> Option<String> {
    dependencies.iter().find_map(|dependency| {
        let source = expression(dependency)?;
        let error = Expression::boolean(source, &VARIABLES).err()?;
        Some(format!(
            "failed to read the readyExpr of dependency '{}': {error}",
            dependency.name
        ))
    })
}
