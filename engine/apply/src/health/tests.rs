//! kstatus, case by case: `spec | status | word: message`, a case a line.

use serde_json::json;

use super::*;

/// 2026-01-01T00:01:00Z
const NOW: i64 = 1_767_225_660;

#[track_caller]
fn check(api_version: &str, kind: &str, cases: &str) {
    for case in cases.lines().map(str::trim).filter(|case| !case.is_empty()) {
        let parts: Vec<_> = case.split(" | ").collect();
        let [spec, status, expected] = parts.try_into().unwrap();
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let live = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": "x", "generation": 2, "creationTimestamp": "2026-01-01T00:00:50Z"},
            "spec": json(spec),
            "status": json(status),
        });
        let health = super::status(&live, NOW);
        assert_eq!(
            format!("{}: {}", health.as_str(), health.message()),
            expected,
            "{kind}: {case}"
        );
    }
}

#[test]
fn any_kind() {
    check(
        "example.com/v1",
        "Foo",
        r#"
        {} | {} | Current: Resource is current
        {} | {"observedGeneration": 2} | Current: Resource is current
        {} | {"observedGeneration": 1} | InProgress: Foo generation is 2, but latest observed generation is 1
        {} | {"observedGeneration": -1} | InProgress: Foo generation is 2, but latest observed generation is -1
        {} | {"conditions": [{"type": "Ready", "status": "True"}]} | Current: Resource is Ready
        {} | {"conditions": [{"type": "Ready", "status": "False", "message": "why"}]} | InProgress: why
        {} | {"conditions": [{"type": "Ready", "status": "Unknown", "message": "why"}]} | InProgress: why
        {} | {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Reconciling", "status": "True", "message": "busy"}]} | InProgress: busy
        {} | {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True", "message": "stuck"}]} | Failed: stuck
        {} | {"conditions": [{"type": "Stalled", "status": "False"}, {"type": "Ready", "status": "True"}]} | Current: Resource is Ready
        {} | {"conditions": "nonsense"} | Current: Resource is current
        "#,
    );
    let deleted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(status(&deleted, NOW).as_str(), "Terminating");
}

#[test]
fn a_static_helm_repository_is_ready() {
    check(
        "source.toolkit.fluxcd.io/v1",
        "HelmRepository",
        r#"
        {"type": "oci"} | {"observedGeneration": -1} | Current: Helm repository is Ready
        {} | {"observedGeneration": -1} | InProgress: HelmRepository generation is 2, but latest observed generation is -1
        "#,
    );
}

#[test]
fn deployments() {
    check(
        "apps/v1",
        "Deployment",
        r#"
        {"replicas": 2} | {} | InProgress: Replicas: 0/2
        {"replicas": 2} | {"replicas": 2, "updatedReplicas": 1} | InProgress: Updated: 1/2
        {"replicas": 2} | {"replicas": 3, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2} | InProgress: Pending termination: 1
        {"replicas": 2} | {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 1} | InProgress: Available: 1/2
        {"replicas": 2} | {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 2} | InProgress: Ready: 1/2
        {"progressDeadlineSeconds": 600} | {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1} | InProgress: ReplicaSet not Available
        {} | {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1} | InProgress: Deployment not Available
        {} | {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]} | Current: Deployment is available. Replicas: 1
        {"progressDeadlineSeconds": 600} | {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]} | Current: Deployment is available. Replicas: 1
        {"replicas": 0} | {"conditions": [{"type": "Available", "status": "True"}]} | Current: Deployment is available. Replicas: 0
        {} | {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]} | Failed: Progress deadline exceeded
        "#,
    );
}

#[test]
fn a_rollout_that_failed_says_nothing_of_the_next() {
    for (written, exceeded, expected) in [
        (
            Some("2026-01-01T00:00:10Z"),
            "2026-01-01T00:00:11Z",
            "Failed",
        ),
        (
            Some("2026-01-01T00:00:10Z"),
            "2026-01-01T00:00:10Z",
            "InProgress",
        ),
        (
            Some("2026-01-01T00:00:10Z"),
            "2026-01-01T00:00:09Z",
            "InProgress",
        ),
        (None, "2026-01-01T00:00:09Z", "Failed"),
    ] {
        let scaled = json!({"subresource": "status", "time": "2026-01-01T00:00:59Z"});
        let entries = written.map(|time| json!({"time": time})).into_iter();
        let entries: Vec<_> = entries.chain([scaled]).collect();
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "managedFields": entries},
            "spec": {},
            "status": {"conditions": [{
                "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                "lastUpdateTime": exceeded,
            }]},
        });
        assert_eq!(
            status(&live, NOW).as_str(),
            expected,
            "{written:?} {exceeded}"
        );
    }
}

#[test]
fn replica_sets() {
    check(
        "apps/v1",
        "ReplicaSet",
        r#"
        {} | {} | InProgress: Labelled: 0/1
        {} | {"fullyLabeledReplicas": 1} | InProgress: Available: 0/1
        {} | {"fullyLabeledReplicas": 1, "availableReplicas": 1} | InProgress: Ready: 0/1
        {} | {"replicas": 2, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1} | InProgress: Pending termination: 1
        {} | {"replicas": 1, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1} | Current: ReplicaSet is available. Replicas: 1
        {} | {"conditions": [{"type": "ReplicaFailure", "status": "True"}]} | InProgress: Replica Failure condition. Check Pods
        "#,
    );
}

#[test]
fn stateful_sets() {
    check(
        "apps/v1",
        "StatefulSet",
        r#"
        {"replicas": 2} | {} | InProgress: Replicas: 0/2
        {"replicas": 2} | {"replicas": 2, "readyReplicas": 1} | InProgress: Ready: 1/2
        {"replicas": 2} | {"replicas": 3, "readyReplicas": 2} | InProgress: Pending termination: 1
        {"replicas": 2} | {"replicas": 2, "readyReplicas": 2, "currentReplicas": 1} | InProgress: current: 1/2
        {"replicas": 2} | {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2, "updateRevision": "b"} | InProgress: Waiting for updated revision to match current
        {"replicas": 2} | {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2} | Current: All replicas scheduled as expected. Replicas: 2
        {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}} | {"replicas": 2, "readyReplicas": 2} | InProgress: updated: 0/1
        {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}} | {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1} | Current: Partition rollout complete. updated: 1
        {"updateStrategy": {"type": "OnDelete"}} | {} | Current: StatefulSet is using the ondelete update strategy
        "#,
    );
}

#[test]
fn daemon_sets() {
    check(
        "apps/v1",
        "DaemonSet",
        r#"
        {} | {} | InProgress: DaemonSet status.observedGeneration not found
        {} | {"observedGeneration": 2} | InProgress: Missing .status.desiredNumberScheduled
        {} | {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 1} | InProgress: Current: 1/2
        {} | {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 1} | InProgress: Updated: 1/2
        {} | {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1} | InProgress: Available: 1/2
        {} | {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": 1} | InProgress: Ready: 1/2
        {} | {"observedGeneration": 2, "desiredNumberScheduled": 0} | Current: All replicas scheduled as expected. Replicas: 0
        "#,
    );
}

#[test]
fn pods() {
    check(
        "v1",
        "Pod",
        r#"
        {} | {} | InProgress: Pod phase not available
        {} | {"phase": "Succeeded"} | Current: Pod has completed successfully
        {} | {"phase": "Failed"} | Current: Pod has completed, but not successfully
        {} | {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]} | Current: Pod is Ready
        {} | {"phase": "Running"} | InProgress: Pod is running but is not Ready
        {} | {"phase": "Running", "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"name": "b", "state": {"running": {}}}]} | Failed: Containers in CrashLoop state: a
        {} | {"phase": "Pending"} | InProgress: Pod is in the Pending phase
        {} | {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]} | InProgress: Pod has not been scheduled
        {} | {"phase": "Lost"} | Unknown: unknown phase Lost
        "#,
    );
}

#[test]
fn a_pod_gets_fifteen_seconds_to_be_scheduled() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"creationTimestamp": "2026-01-01T00:01:00Z"},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
        },
    });
    for (after, word) in [(14, "InProgress"), (15, "Failed"), (16, "Failed")] {
        assert_eq!(status(&pod, NOW + after).as_str(), word, "{after}");
    }
}

#[test]
fn jobs_are_healthy_when_they_have_completed() {
    check(
        "batch/v1",
        "Job",
        r#"
        {} | {} | InProgress: Job not started. active: 0/1
        {} | {"startTime": "t", "active": 1} | InProgress: Job in progress. success:0, active: 1, failed: 0
        {"completions": 3} | {"succeeded": 3, "conditions": [{"type": "Complete", "status": "True"}]} | Current: Job Completed. succeeded: 3/3
        {} | {"failed": 4, "conditions": [{"type": "Failed", "status": "True"}]} | Failed: Job Failed. failed: 4/1
        {"suspend": true} | {} | Current: Job is suspended
        "#,
    );
    check(
        "batch/v1",
        "CronJob",
        "{} | {} | Current: Resource is always ready",
    );
}

#[test]
fn volumes_services_and_budgets() {
    check(
        "v1",
        "PersistentVolumeClaim",
        r#"
        {} | {"phase": "Bound"} | Current: PVC is Bound
        {} | {"phase": "Pending"} | InProgress: PVC is not Bound. phase: Pending
        {} | {} | InProgress: PVC is not Bound. phase: unknown
        "#,
    );
    check(
        "v1",
        "Service",
        r#"
        {} | {} | Current: Service is ready
        {"type": "LoadBalancer"} | {} | InProgress: ClusterIP not set. Service type: LoadBalancer
        {"type": "LoadBalancer", "clusterIP": "10.0.0.1"} | {} | Current: Service is ready
        "#,
    );
    check(
        "v1",
        "ConfigMap",
        "{} | {} | Current: Resource is always ready",
    );
    check(
        "policy/v1",
        "PodDisruptionBudget",
        "{} | {} | Current: AllowedDisruptions has been computed.",
    );
}

#[test]
fn definitions() {
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        r#"
        {} | {} | InProgress: Install in progress
        {} | {"conditions": [{"type": "Established", "status": "False", "reason": "Installing"}]} | InProgress: Install in progress
        {} | {"conditions": [{"type": "Established", "status": "False", "reason": "Other", "message": "no"}]} | Failed: no
        {} | {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "taken"}]} | Failed: taken
        {} | {"conditions": [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]} | Current: CRD is established
        "#,
    );
}

#[test]
fn sentences_are_those_of_flux() {
    let id = |text: &str| text.parse::<ObjectId>().unwrap();
    let unhealthy = [
        (
            id("shop_web_apps_Deployment"),
            Health::InProgress("Ready: 0/1".to_owned()),
        ),
        (id("shop_db__PersistentVolumeClaim"), Health::NotFound),
    ];
    assert_eq!(
        timed_out(&unhealthy),
        "timeout waiting for: [Deployment/shop/web status: 'InProgress', PersistentVolumeClaim/shop/db status: 'NotFound']"
    );
    let failed = [(id("shop_job_batch_Job"), Health::Failed(String::new()))];
    assert_eq!(
        failed_early(&failed),
        "failed early due to stalled resources: [Job/shop/job status: 'Failed']"
    );
}
