//! What is seen and asked: statuses as Flux writes them, Events, the command line.

use fluvial_e2e::{Scenario, Scene, condition, text};
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "a-status-is-as-flux-writes-it",
        a_status_is_as_flux_writes_it,
    ),
    ("a-request-is-handled-once", a_request_is_handled_once),
    (
        "the-command-line-tells-and-asks",
        the_command_line_tells_and_asks,
    ),
];

fn a_status_is_as_flux_writes_it(scene: &Scene<'_>) {
    let commit = scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({"wait": true}));
    let revision = format!("main@sha1:{commit}");
    let app = scene.deployed("app");
    let status = &app["status"];
    assert_eq!(
        status["inventory"]["entries"],
        json!([{"id": format!("{}_a__ConfigMap", scene.namespace), "v": "v1"}])
    );
    let history = &status["history"][0];
    assert_eq!(
        history["lastReconciledStatus"], "ReconciliationSucceeded",
        "{status}"
    );
    assert_eq!(
        history["metadata"]["revision"],
        revision.as_str(),
        "{status}"
    );
    assert_eq!(history["totalReconciliations"], 1, "{status}");
    assert!(text(history, "/digest").starts_with("sha256:"), "{status}");
    let ready = condition(&app, "Ready");
    assert_eq!(text(ready, "/reason"), "ReconciliationSucceeded");
    assert_eq!(
        text(ready, "/message"),
        format!("Applied revision: {revision}")
    );
    assert_eq!(ready["observedGeneration"], app["metadata"]["generation"]);
    assert_eq!(text(condition(&app, "Healthy"), "/status"), "True");
    assert_eq!(condition(&app, "Reconciling"), &Value::Null);
    let source = scene.ready("GitRepository", "source");
    let ready = condition(&source, "Ready");
    assert_eq!(text(ready, "/reason"), "Succeeded");
    assert_eq!(
        text(ready, "/message"),
        format!("stored artifact for revision '{revision}'")
    );
    assert_eq!(
        text(condition(&source, "ArtifactInStorage"), "/status"),
        "True"
    );
    let path = format!("gitrepository/{}/source/{commit}.tar.gz", scene.namespace);
    assert_eq!(text(&source, "/status/artifact/path"), path);
    scene.told("app", "ReconciliationSucceeded", "next run in 1h");
    scene.told("app", "Progressing", "a created");
    scene.told(
        "source",
        "NewArtifact",
        "stored artifact for commit 'Change'",
    );
}

fn a_request_is_handled_once(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let at = scene.request("Kustomization", "app");
    scene.handled("Kustomization", "app", &at);
    let app = scene.ready("Kustomization", "app");
    assert_eq!(
        app["status"]["history"][0]["totalReconciliations"], 2,
        "{}",
        app["status"]
    );
    let at = scene.request("GitRepository", "source");
    scene.handled("GitRepository", "source", &at);
}

fn the_command_line_tells_and_asks(scene: &Scene<'_>) {
    let commit = scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let table = scene.cli(&["get", "kustomizations"]).unwrap();
    let line = table
        .lines()
        .find(|line| line.starts_with("app"))
        .unwrap_or(&table);
    assert!(
        line.contains("True") && line.contains(&commit[..8]),
        "{table}"
    );
    let table = scene.cli(&["get", "sources", "git"]).unwrap();
    assert!(table.contains("source"), "{table}");
    let later = scene.commit(&[("a.yaml", &config_map("a", "two"))]);
    let said = scene
        .cli(&["reconcile", "kustomization", "app", "--with-source"])
        .unwrap();
    scene.deployed("app");
    assert_eq!(
        scene.get("ConfigMap", "a")["data"]["value"],
        "two",
        "{said}"
    );
    let engine = &scene.stage.engine;
    let args = ["history", "kustomization/app", "-n", &scene.namespace];
    let history = engine.json_of_data(&args).unwrap();
    let all = history.as_array().unwrap();
    let (newest, oldest) = (&all[0], &all[all.len() - 1]);
    for (deployment, commit) in [(newest, &later), (oldest, &commit)] {
        assert_eq!(
            deployment["revision"],
            format!("main@sha1:{commit}"),
            "{history}"
        );
        assert_eq!(
            deployment["author"], "Ada Example <ada@example.org>",
            "{history}"
        );
        assert_eq!(deployment["ready"], true, "{history}");
        assert_eq!(
            deployment["objects"].as_array().map(Vec::len),
            Some(1),
            "{history}"
        );
    }
}
