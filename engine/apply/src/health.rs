//! Whether an object works: kstatus, as cli-utils computes it and Flux refines it.
//!
//! `kubernetes-sigs/cli-utils/pkg/kstatus/status` (of October 2025) says what counts for which kind;
//! a Job is healthy when it has completed, as in `fluxcd/pkg/runtime/statusreaders`. What an owner says of a
//! kind of its own comes first: [`expression`].

pub mod expression;
mod workload;

use fluvial_api::kinds::HELM_REPOSITORY;
use fluvial_manifest::{ObjectId, Value, object};

/// Whether an object works, and a sentence saying why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is as its spec asks, and works.
    Current(String),
    /// It is not there yet.
    InProgress(String),
    /// It will not get there without help.
    Failed(String),
    /// It is being deleted.
    Terminating(String),
    /// There is no such object; said by whoever looked for it, never by [`status`].
    NotFound,
    /// What it says about itself cannot be understood.
    Unknown(String),
}

impl Health {
    /// The word of kstatus.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Current(_) => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating(_) => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown(_) => "Unknown",
        }
    }

    /// The sentence saying why.
    pub fn message(&self) -> &str {
        match self {
            Self::Current(message)
            | Self::InProgress(message)
            | Self::Failed(message)
            | Self::Terminating(message)
            | Self::Unknown(message) => message,
            Self::NotFound => "Resource not found",
        }
    }

    /// Whether it works.
    pub const fn is_current(&self) -> bool {
        matches!(self, Self::Current(_))
    }

    /// Whether there is no use in waiting.
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// As the log records it.
    pub const fn recorded(&self) -> fluvial_event::Health {
        use fluvial_event::Health as Recorded;
        match self {
            Self::Current(_) => Recorded::Current,
            Self::InProgress(_) => Recorded::InProgress,
            Self::Failed(_) => Recorded::Failed,
            Self::Terminating(_) => Recorded::Terminating,
            Self::NotFound => Recorded::NotFound,
            Self::Unknown(_) => Recorded::Unspecified,
        }
    }
}

/// The health of a live object.
///
/// `now_seconds` is the record's time in seconds since 1970: a Pod that cannot be scheduled gets 15
/// seconds from its creation before it counts as failed. Nothing else depends on the time.
pub fn status(live: &Value, now_seconds: i64) -> Health {
    let (group, _) = object::group_version(object::api_version(live));
    if let Some(health) = deletion(live)
        .or_else(|| fixed(group, live))
        .or_else(|| generic(live))
    {
        return health;
    }
    match (group, object::kind(live)) {
        ("", "Service") => workload::service(live),
        ("", "Pod") => workload::pod(live, now_seconds),
        ("", "PersistentVolumeClaim") => workload::persistent_volume_claim(live),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => {
            Health::Current("Resource is always ready".to_owned())
        }
        ("apps" | "extensions", "Deployment") => workload::deployment(live),
        ("apps" | "extensions", "ReplicaSet") => workload::replica_set(live),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(live),
        ("apps", "StatefulSet") => workload::stateful_set(live),
        ("batch", "Job") => workload::job(live),
        ("policy", "PodDisruptionBudget") => {
            Health::Current("AllowedDisruptions has been computed.".to_owned())
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => workload::definition(live),
        _ => ready_condition(live),
    }
}

fn deletion(live: &Value) -> Option<Health> {
    let is_deleted = !text(live, "/metadata/deletionTimestamp").is_empty();
    is_deleted.then(|| Health::Terminating("Resource scheduled for deletion".to_owned()))
}

/// Nobody reconciles a HelmRepository of type oci: whatever its status holds says nothing.
fn fixed(group: &str, live: &Value) -> Option<Health> {
    let is_repository =
        (group, object::kind(live)) == (HELM_REPOSITORY.group, HELM_REPOSITORY.kind);
    let is_fixed = is_repository && text(live, "/spec/type") == "oci";
    is_fixed.then(|| Health::Current("Helm repository is Ready".to_owned()))
}

/// What can be said of any object before its kind is looked at.
fn generic(live: &Value) -> Option<Health> {
    let generation = integer(live, "/metadata/generation");
    let observed = integer(live, "/status/observedGeneration");
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Health::InProgress(format!(
            "{} generation is {generation}, but latest observed generation is {observed}",
            object::kind(live)
        )));
    }
    conditions(live).find_map(|condition| match (condition.r#type, condition.status) {
        ("Reconciling", "True") => Some(Health::InProgress(condition.message.to_owned())),
        ("Stalled", "True") => Some(Health::Failed(condition.message.to_owned())),
        _ => None,
    })
}

/// For kinds that nothing is known about: Ready says it, and without Ready all is well.
fn ready_condition(live: &Value) -> Health {
    let ready = conditions(live).find(|condition| condition.r#type == "Ready");
    match ready.map(|ready| (ready.status, ready.message)) {
        Some(("True", _)) => Health::Current("Resource is Ready".to_owned()),
        Some(("False" | "Unknown", message)) => Health::InProgress(message.to_owned()),
        Some(_) | None => Health::Current("Resource is current".to_owned()),
    }
}

/// Flux's sentence for objects that failed: `failed early due to stalled resources: [Job/a/b status: 'Failed']`.
pub fn failed_early(unhealthy: &[(ObjectId, Health)]) -> String {
    sentence("failed early due to stalled resources", unhealthy)
}

/// Flux's sentence for objects that did not get there in time: `timeout waiting for: […]`.
pub fn timed_out(unhealthy: &[(ObjectId, Health)]) -> String {
    sentence("timeout waiting for", unhealthy)
}

fn sentence(what: &str, unhealthy: &[(ObjectId, Health)]) -> String {
    let object =
        |(id, health): &(ObjectId, Health)| format!("{} status: '{}'", id.human(), health.as_str());
    let objects: Vec<_> = unhealthy.iter().map(object).collect();
    format!("{what}: [{}]", objects.join(", "))
}

/// A condition, with what is absent read as empty.
struct Condition<'a> {
    r#type: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    updated: &'a str,
}

fn conditions(live: &Value) -> impl Iterator<Item = Condition<'_>> {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().map(|condition| {
        let text = |key| {
            condition
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        Condition {
            r#type: text("type"),
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            updated: text("lastUpdateTime"),
        }
    })
}

fn has_condition(live: &Value, r#type: &str) -> bool {
    conditions(live).any(|condition| condition.r#type == r#type && condition.status == "True")
}

fn integer(live: &Value, pointer: &str) -> Option<i64> {
    live.pointer(pointer).and_then(Value::as_i64)
}

fn text<'a>(live: &'a Value, pointer: &str) -> &'a str {
    live.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
