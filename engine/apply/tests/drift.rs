//! Drift as a real API server (1.37.2) makes it: the answers in `answers/` are recorded, the verdicts are not.
//!
//! `desired.json` was applied server-side as `kustomize-controller`; `applied.json` is what was there
//! right after. Then others wrote fields that the manifests do not set (`foreign.json`), and then
//! people changed fields that they do set (`edited.json`).
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail where its answers are not what it says"
)]

use fluvial_apply::drift;
use fluvial_manifest::{ObjectId, Value};

const OURS: [&str; 1] = ["kustomize-controller"];

/// The manifests and what became of them, object by object.
fn objects(answers: &str) -> Vec<(String, Value, Value)> {
    let read = |text: &str| serde_json::from_str::<Vec<Value>>(text).unwrap();
    let desired = read(include_str!("answers/desired.json"));
    let live = read(answers);
    assert_eq!(desired.len(), live.len());
    let named = |(desired, live): (Value, Value)| {
        let id = ObjectId::of(&desired).unwrap();
        assert_eq!(ObjectId::of(&live), Some(id.clone()));
        (id.kind, desired, live)
    };
    desired.into_iter().zip(live).map(named).collect()
}

fn baseline() -> Vec<Value> {
    let applied = objects(include_str!("answers/applied.json"));
    applied
        .iter()
        .map(|(_, desired, live)| drift::projection(desired, live))
        .collect()
}

#[test]
fn nothing_has_drifted_right_after_the_apply() {
    for (kind, desired, live) in objects(include_str!("answers/applied.json")) {
        assert_eq!(
            drift::changed_paths(&desired, &live),
            Vec::<String>::new(),
            "{kind}"
        );
        let projected = drift::projection(&desired, &live);
        assert_eq!(
            drift::changed_paths(&projected, &live),
            Vec::<String>::new(),
            "{kind}"
        );
    }
}

#[test]
fn what_others_write_beside_the_manifest_is_no_drift() {
    for ((kind, desired, live), baseline) in objects(include_str!("answers/foreign.json"))
        .into_iter()
        .zip(baseline())
    {
        assert_eq!(drift::projection(&desired, &live), baseline, "{kind}");
        assert_eq!(
            drift::changed_paths(&baseline, &live),
            Vec::<String>::new(),
            "{kind}"
        );
    }
}

#[test]
fn what_people_change_is_found_and_laid_to_them() {
    let expected: [(&str, &[&str], &str); 8] = [
        (
            "Deployment",
            &[
                "metadata.labels",
                "spec.replicas",
                "spec.template.spec.containers[app].args",
                "spec.template.spec.containers[app].image",
            ],
            "kubectl-edit",
        ),
        ("Role", &["rules"], "kubectl-edit"),
        (
            "Service",
            &["spec.ports[80/TCP].targetPort"],
            "kubectl-edit",
        ),
        // Whoever only removes leaves no trace: the last that wrote is named.
        (
            "ServiceAccount",
            &["metadata.finalizers[example.com/keep]"],
            "openshift",
        ),
        ("ConfigMap", &["data.a", "data.b"], "kubectl-edit"),
        ("Kustomization", &["spec.dependsOn"], "kubectl-edit"),
        (
            "HorizontalPodAutoscaler",
            &["spec.metrics[1].resource.target.averageUtilization"],
            "kubectl-edit",
        ),
        (
            "Ingress",
            &["spec.rules[0].http.paths[0].path"],
            "kubectl-edit",
        ),
    ];
    let edited = objects(include_str!("answers/edited.json"));
    for (((kind, desired, live), baseline), (expected_kind, paths, manager)) in
        edited.into_iter().zip(baseline()).zip(expected)
    {
        assert_eq!(kind, expected_kind);
        assert_ne!(drift::projection(&desired, &live), baseline, "{kind}");
        assert_eq!(drift::changed_paths(&baseline, &live), paths, "{kind}");
        assert_eq!(drift::changed_paths(&desired, &live), paths, "{kind}");
        let blamed = drift::blame(&desired, &live, &OURS).map(|manager| manager.name);
        assert_eq!(blamed.as_deref(), Some(manager), "{kind}");
    }
}
