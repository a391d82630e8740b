//! The health of what Kubernetes itself brings: workloads, volumes, services, definitions.

use fluvial_manifest::Value;

use super::{Health, conditions, has_condition, integer, text};

/// How long a Pod may be without a node before that counts as a failure.
const SCHEDULE_SECONDS_MAX: i64 = 15;

fn current(message: impl Into<String>) -> Health {
    Health::Current(message.into())
}

fn in_progress(message: impl Into<String>) -> Health {
    Health::InProgress(message.into())
}

fn failed(message: impl Into<String>) -> Health {
    Health::Failed(message.into())
}

/// A number under `status`; the API server leaves out what is zero.
fn count(live: &Value, field: &str) -> i64 {
    integer(live, &format!("/status/{field}")).unwrap_or(0)
}

/// `spec.replicas`; the controllers take one for none said.
fn replicas(live: &Value) -> i64 {
    integer(live, "/spec/replicas").unwrap_or(1)
}

/// When somebody last wrote what an object is to be, if that is recorded. A Deployment keeps the
/// condition of a rollout that failed until the next has come further, so right after a rollback it is about
/// what was rolled back. A deadline is a second at least, so one of the same second is, too.
fn written(live: &Value) -> Option<&str> {
    let entries = live.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    let of_spec = entries.filter(|entry| entry.get("subresource").is_none());
    let times = of_spec.filter_map(|entry| entry.get("time")?.as_str());
    times.max()
}

pub(super) fn deployment(live: &Value) -> Health {
    // Without a deadline the controller says nothing about progress.
    let deadline = integer(live, "/spec/progressDeadlineSeconds").unwrap_or(i64::from(i32::MAX));
    let mut has_progressed = deadline == i64::from(i32::MAX);
    for condition in conditions(live).filter(|condition| condition.r#type == "Progressing") {
        if condition.reason == "ProgressDeadlineExceeded" {
            if written(live).is_some_and(|time| condition.updated <= time) {
                return in_progress("Deployment is rolled out anew");
            }
            return failed("Progress deadline exceeded");
        }
        has_progressed |=
            condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
    }
    let (wanted, there) = (replicas(live), count(live, "replicas"));
    let (updated, available) = (
        count(live, "updatedReplicas"),
        count(live, "availableReplicas"),
    );
    let ready = count(live, "readyReplicas");
    if wanted > there {
        in_progress(format!("Replicas: {there}/{wanted}"))
    } else if wanted > updated {
        in_progress(format!("Updated: {updated}/{wanted}"))
    } else if there > wanted {
        in_progress(format!(
            "Pending termination: {}",
            there.saturating_sub(wanted)
        ))
    } else if updated > available {
        in_progress(format!("Available: {available}/{updated}"))
    } else if wanted > ready {
        in_progress(format!("Ready: {ready}/{wanted}"))
    } else if !has_progressed {
        in_progress("ReplicaSet not Available")
    } else if !has_condition(live, "Available") {
        in_progress("Deployment not Available")
    } else {
        current(format!("Deployment is available. Replicas: {there}"))
    }
}

pub(super) fn replica_set(live: &Value) -> Health {
    if has_condition(live, "ReplicaFailure") {
        return in_progress("Replica Failure condition. Check Pods");
    }
    let (wanted, there) = (replicas(live), count(live, "replicas"));
    let (labelled, available) = (
        count(live, "fullyLabeledReplicas"),
        count(live, "availableReplicas"),
    );
    let ready = count(live, "readyReplicas");
    if wanted > labelled {
        in_progress(format!("Labelled: {labelled}/{wanted}"))
    } else if wanted > available {
        in_progress(format!("Available: {available}/{wanted}"))
    } else if wanted > ready {
        in_progress(format!("Ready: {ready}/{wanted}"))
    } else if there > wanted {
        in_progress(format!(
            "Pending termination: {}",
            there.saturating_sub(wanted)
        ))
    } else {
        current(format!("ReplicaSet is available. Replicas: {there}"))
    }
}

pub(super) fn stateful_set(live: &Value) -> Health {
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return current("StatefulSet is using the ondelete update strategy");
    }
    let (wanted, there) = (replicas(live), count(live, "replicas"));
    let (ready, updated) = (count(live, "readyReplicas"), count(live, "updatedReplicas"));
    let newest = count(live, "currentReplicas");
    if wanted > there {
        return in_progress(format!("Replicas: {there}/{wanted}"));
    }
    if wanted > ready {
        return in_progress(format!("Ready: {ready}/{wanted}"));
    }
    if there > wanted {
        return in_progress(format!(
            "Pending termination: {}",
            there.saturating_sub(wanted)
        ));
    }
    if let Some(partition) = integer(live, "/spec/updateStrategy/rollingUpdate/partition") {
        let wanted = wanted.saturating_sub(partition);
        if updated < wanted {
            return in_progress(format!("updated: {updated}/{wanted}"));
        }
        return current(format!("Partition rollout complete. updated: {updated}"));
    }
    if wanted > newest {
        return in_progress(format!("current: {newest}/{wanted}"));
    }
    if text(live, "/status/currentRevision") != text(live, "/status/updateRevision") {
        return in_progress("Waiting for updated revision to match current");
    }
    current(format!(
        "All replicas scheduled as expected. Replicas: {there}"
    ))
}

pub(super) fn daemon_set(live: &Value) -> Health {
    // Its controller always says which generation it has seen.
    for (pointer, field) in [
        ("/metadata/generation", "metadata.generation"),
        ("/status/observedGeneration", "status.observedGeneration"),
    ] {
        if integer(live, pointer).is_none() {
            return in_progress(format!("DaemonSet {field} not found"));
        }
    }
    let Some(wanted) = integer(live, "/status/desiredNumberScheduled") else {
        return in_progress("Missing .status.desiredNumberScheduled");
    };
    for (name, field) in [
        ("Current", "currentNumberScheduled"),
        ("Updated", "updatedNumberScheduled"),
        ("Available", "numberAvailable"),
        ("Ready", "numberReady"),
    ] {
        let found = count(live, field);
        if wanted > found {
            return in_progress(format!("{name}: {found}/{wanted}"));
        }
    }
    current(format!(
        "All replicas scheduled as expected. Replicas: {wanted}"
    ))
}

pub(super) fn pod(live: &Value, now_seconds: i64) -> Health {
    match text(live, "/status/phase") {
        "Succeeded" => current("Pod has completed successfully"),
        "Failed" => current("Pod has completed, but not successfully"),
        "Running" if has_condition(live, "Ready") => current("Pod is Ready"),
        "Running" => match crash_looping(live).as_slice() {
            [] => in_progress("Pod is running but is not Ready"),
            names => failed(format!(
                "Containers in CrashLoop state: {}",
                names.join(",")
            )),
        },
        "Pending" if is_unschedulable(live) => {
            let created = seconds(text(live, "/metadata/creationTimestamp"));
            let is_late = created
                .is_none_or(|created| now_seconds.saturating_sub(created) >= SCHEDULE_SECONDS_MAX);
            if is_late {
                failed("Pod could not be scheduled")
            } else {
                in_progress("Pod has not been scheduled")
            }
        }
        "Pending" => in_progress("Pod is in the Pending phase"),
        "" => in_progress("Pod phase not available"),
        phase => Health::Unknown(format!("unknown phase {phase}")),
    }
}

fn is_unschedulable(live: &Value) -> bool {
    conditions(live).any(|condition| {
        (condition.r#type, condition.status, condition.reason)
            == ("PodScheduled", "False", "Unschedulable")
    })
}

fn crash_looping(live: &Value) -> Vec<&str> {
    let containers = live
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    let looping = containers
        .into_iter()
        .flatten()
        .filter(|container| text(container, "/state/waiting/reason") == "CrashLoopBackOff");
    looping.map(|container| text(container, "/name")).collect()
}

/// The seconds since 1970 of a time that the API server wrote, such as `2026-01-31T12:00:00Z`.
fn seconds(time: &str) -> Option<i64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock
        .splitn(3, ':')
        .map(|part| part.split('.').next()?.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_time = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !is_time {
        return None;
    }
    // Days since 1970-01-01 in a calendar whose years begin in March, so that leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

pub(super) fn persistent_volume_claim(live: &Value) -> Health {
    match text(live, "/status/phase") {
        "Bound" => current("PVC is Bound"),
        "" => in_progress("PVC is not Bound. phase: unknown"),
        phase => in_progress(format!("PVC is not Bound. phase: {phase}")),
    }
}

pub(super) fn service(live: &Value) -> Health {
    let is_balanced = text(live, "/spec/type") == "LoadBalancer";
    if is_balanced && text(live, "/spec/clusterIP").is_empty() {
        return in_progress("ClusterIP not set. Service type: LoadBalancer");
    }
    current("Service is ready")
}

pub(super) fn job(live: &Value) -> Health {
    if live.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return current("Job is suspended");
    }
    let parallelism = integer(live, "/spec/parallelism").unwrap_or(1);
    let completions = integer(live, "/spec/completions").unwrap_or(parallelism);
    let (active, succeeded, failures) = (
        count(live, "active"),
        count(live, "succeeded"),
        count(live, "failed"),
    );
    if has_condition(live, "Complete") {
        return current(format!(
            "Job Completed. succeeded: {succeeded}/{completions}"
        ));
    }
    if has_condition(live, "Failed") {
        return failed(format!("Job Failed. failed: {failures}/{completions}"));
    }
    if text(live, "/status/startTime").is_empty() {
        return in_progress(format!("Job not started. active: 0/{parallelism}"));
    }
    in_progress(format!(
        "Job in progress. success:{succeeded}, active: {active}, failed: {failures}"
    ))
}

pub(super) fn definition(live: &Value) -> Health {
    for condition in conditions(live) {
        match (condition.r#type, condition.status, condition.reason) {
            ("Established", "False", "Installing") => {}
            ("NamesAccepted" | "Established", "False", _) => return failed(condition.message),
            ("Established", "True", _) => return current("CRD is established"),
            _ => {}
        }
    }
    in_progress("Install in progress")
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_seconds_since_1970() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2026-11-23T10:42:02Z", Some(1_795_430_522)),
            ("2026-11-23T10:42:02.123456Z", Some(1_795_430_522)),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-23", None),
            ("99999999999999999-11-23T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }
}
