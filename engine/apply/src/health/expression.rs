//! Health as `spec.healthCheckExprs` says it, for kinds that do not follow the conventions.
//!
//! Behaviour is that of `fluxcd/pkg/runtime/cel` (status_evaluator.go, status_poller.go): what is not
//! observed yet is in progress, then `inProgress`, `failed` and `current` are asked, in this order.

use fluvial_api::kustomization::HealthCheckExpression;
use fluvial_event::{Digest, HealthExpression};
use fluvial_manifest::{Value, object};

use super::{Health, status};
use crate::cel::{Error, Expression};

/// The health check of one kind, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

impl Judge {
    /// Reads a health check; what cannot be read is named as Flux names it.
    pub fn new(check: &HealthExpression) -> Result<Self, String> {
        if check.current.is_empty() {
            return Err("expression Current not specified".to_owned());
        }
        let failed =
            |name: &str, error: Error| format!("failed to parse the expression {name}: {error}");
        let optional = |name: &str, source: &str| {
            let source = Some(source).filter(|it| !it.is_empty());
            let read = source.map(Expression::parse).transpose();
            read.map_err(|error| failed(name, error))
        };
        let current =
            Expression::parse(&check.current).map_err(|error| failed("Current", error))?;
        let failure = optional("Failed", &check.failed)?;
        Ok(Self {
            in_progress: optional("InProgress", &check.in_progress)?,
            failed: failure,
            current,
        })
    }

    /// The health of a live object of the kind.
    pub fn judge(&self, live: &Value) -> Health {
        let generation = live.pointer("/metadata/generation").and_then(Value::as_i64);
        match live.pointer("/status/observedGeneration") {
            None => {}
            Some(observed) => {
                let Some(observed) = observed.as_i64() else {
                    return Health::Unknown("status.observedGeneration is no number".to_owned());
                };
                if generation.is_some_and(|it| it != observed) {
                    return Health::InProgress(
                        "the latest generation is not observed yet".to_owned(),
                    );
                }
            }
        }
        let said = |word: &str| format!("spec.healthCheckExprs: {word}");
        for (expression, health) in [
            (
                self.in_progress.as_ref(),
                Health::InProgress(said("inProgress")),
            ),
            (self.failed.as_ref(), Health::Failed(said("failed"))),
            (Some(&self.current), Health::Current(said("current"))),
        ] {
            let Some(expression) = expression else {
                continue;
            };
            let fields = live.as_object().into_iter().flatten();
            match expression.holds(fields.map(|(name, value)| (name.as_str(), value))) {
                Ok(true) => return health,
                Ok(false) => {}
                Err(error) => return Health::Unknown(error.to_string()),
            }
        }
        Health::InProgress(said("not current"))
    }
}

/// The health of a live object: by `check` where there is one, else by what is known of its kind.
pub fn status_by(check: Option<&HealthExpression>, live: &Value, now_seconds: i64) -> Health {
    match check.map(Judge::new) {
        None => status(live, now_seconds),
        Some(Ok(judge)) => judge.judge(live),
        Some(Err(why)) => Health::Unknown(why),
    }
}

/// The health check of a kind: the first that names it, else the first for all of its group.
pub fn find<'a>(
    checks: &'a [HealthCheckExpression],
    group: &str,
    kind: &str,
) -> Option<&'a HealthCheckExpression> {
    let mut of_group = checks.iter().filter(|it| group_of(it) == group);
    let mut of_kind = of_group.clone();
    let named = of_kind.find(|it| it.kind.as_deref() == Some(kind));
    named.or_else(|| of_group.find(|it| it.kind.as_deref().unwrap_or_default().is_empty()))
}

fn group_of(check: &HealthCheckExpression) -> &str {
    object::group_version(&check.api_version).0
}

/// A health check as records have it.
pub fn recorded(check: &HealthCheckExpression) -> HealthExpression {
    HealthExpression {
        group: group_of(check).to_owned(),
        kind: check.kind.clone().unwrap_or_default(),
        current: check.current.clone(),
        in_progress: check.in_progress.clone().unwrap_or_default(),
        failed: check.failed.clone().unwrap_or_default(),
    }
}

/// What a verdict is told by that was reached with this check; two that ask the same have the same.
pub fn mark(check: &HealthExpression) -> String {
    let asked = [&check.in_progress, &check.failed, &check.current];
    let texts = asked.map(|it| format!("{}:{it}", it.len()));
    Digest::of(texts.concat().as_bytes()).to_string()
}

/// Why these cannot be evaluated, as Flux says it; `None` where they can. Of several for one kind only the
/// first counts.
pub fn refusal(checks: &[HealthCheckExpression]) -> Option<String> {
    checks.iter().enumerate().find_map(|(position, check)| {
        let kind = check.kind.as_deref().unwrap_or_default();
        let is_of_kind = |it: &&HealthCheckExpression| {
            group_of(it) == group_of(check) && it.kind.as_deref().unwrap_or_default() == kind
        };
        let first = checks.iter().find(is_of_kind);
        if first.is_some_and(|first| !std::ptr::eq(first, check)) {
            return None;
        }
        let why = Judge::new(&recorded(check)).err()?;
        Some(format!(
            "failed to create custom status reader for healthchecks[{position}]: {why}"
        ))
    })
}

#[cfg(test)]
mod tests;
