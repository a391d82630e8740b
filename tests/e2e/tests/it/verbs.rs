//! flux's verbs that look at what is: trace, tree, stats, events, logs.

use fluvial_e2e::{PATIENCE, Scenario, Scene};
use fluvial_support::wait;
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "events-and-logs-tell-what-was-done",
        events_and_logs_tell_what_was_done,
    ),
    (
        "trace-and-tree-follow-an-object-both-ways",
        trace_and_tree_follow_an_object_both_ways,
    ),
];

fn trace_and_tree_follow_an_object_both_ways(scene: &Scene<'_>) {
    let below = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "below", "namespace": scene.namespace},
        "spec": {
            "interval": "1h",
            "prune": true,
            "path": "./below",
            "sourceRef": {"kind": "GitRepository", "name": "source"},
        },
    });
    let commit = scene.begin(&[
        ("top/a.yaml", &config_map("a", "one")),
        ("top/below.yaml", &below.to_string()),
        ("below/b.yaml", &config_map("b", "two")),
    ]);
    scene.kustomization("app", json!({"path": "./top"}));
    scene.deployed("app");
    scene.ready("Kustomization", "below");
    // Made by what was applied, and not applied itself.
    let owner = scene.get("ConfigMap", "b");
    scene.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "made",
            "namespace": scene.namespace,
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": "b",
                "uid": owner["metadata"]["uid"],
            }],
        },
    }));

    let namespace = &scene.namespace;
    let trace = scene.cli(&["trace", "cm", "made"]).unwrap();
    for line in [
        "Object:          ConfigMap/made\n".to_owned(),
        format!("Kustomization:   below\nNamespace:       {namespace}\nPath:            ./below\n"),
        format!("Revision:        main@sha1:{commit}\n"),
        format!("GitRepository:   source\nNamespace:       {namespace}\nURL:             "),
        "Branch:          main\n".to_owned(),
        format!("Message:         Applied revision: main@sha1:{commit}\n"),
    ] {
        assert!(trace.contains(&line), "{line} in {trace}");
    }
    let named = ["trace", "below", "--kind", "Kustomization", "-o", "json"];
    let version = ["--api-version", "kustomize.toolkit.fluxcd.io/v1"];
    let trace = scene.cli(&[&named[..], &version].concat()).unwrap();
    let trace: Value = serde_json::from_str(&trace).unwrap();
    assert_eq!(trace[0][1]["kustomization"], "app", "{trace}");
    scene.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "nobodys", "namespace": scene.namespace},
    }));
    for (name, said) in [("nobodys", "not managed by Flux"), ("none", "not there")] {
        let error = scene.cli(&["trace", "cm", name]).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }

    the_tree_has_both(scene);
}

fn the_tree_has_both(scene: &Scene<'_>) {
    let namespace = &scene.namespace;
    let tree = scene.cli(&["tree", "ks", "app"]).unwrap();
    assert_eq!(
        tree,
        format!(
            "Kustomization/{namespace}/app\n\
             ├── ConfigMap/{namespace}/a\n\
             └── Kustomization/{namespace}/below\n    \
             └── ConfigMap/{namespace}/b\n"
        )
    );
    let compact = scene.cli(&["tree", "ks", "app", "--compact"]).unwrap();
    assert_eq!(
        compact,
        format!("Kustomization/{namespace}/app\n└── Kustomization/{namespace}/below\n")
    );
    let stats = scene.cli(&["stats", "-o", "json"]).unwrap();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    let of = |kind: &str| {
        let mut all = stats.as_array().unwrap().iter();
        all.find(|it| it["kind"] == kind).unwrap()
    };
    assert_eq!(of("Kustomization")["running"], 2, "{stats}");
    assert!(
        of("GitRepository")["storageBytes"].as_u64() > Some(0),
        "{stats}"
    );
}

fn events_and_logs_tell_what_was_done(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.kustomization("bad", json!({"path": "./nowhere"}));
    scene.refused("Kustomization", "bad", "ArtifactFailed", &["nowhere"]);
    wait("the events of what was done", PATIENCE, || {
        let said = scene.cli(&["events", "--for", "ks/app"]).unwrap();
        // The source's are told too.
        let is_told = [
            "NewArtifact",
            "GitRepository/source",
            "ReconciliationSucceeded",
        ]
        .iter()
        .all(|it| said.contains(it));
        if is_told && !said.contains("Kustomization/bad") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let bad = scene.cli(&["events", "--types", "warning"]).unwrap();
    assert!(
        bad.contains("Kustomization/bad") && !bad.contains("Normal"),
        "{bad}"
    );

    let logs = |words: &[&str]| {
        let args = [&["logs"], words, &["-n", &scene.namespace]].concat();
        let (code, said) = scene.stage.engine.exit_of_data(&args).unwrap();
        assert_eq!(code, 0, "{said}");
        said
    };
    let all = logs(&["--since", "1h"]);
    let place = &scene.namespace;
    for line in [
        format!(" info GitRepository/source.{place} - ArtifactFetched: main@sha1:"),
        format!(" info Kustomization/app.{place} - ObjectsApplied: 1 applied"),
        format!(" error Kustomization/bad.{place} - BuildFailed: "),
    ] {
        assert!(all.contains(&line), "{line} in {all}");
    }
    let errors = logs(&["--level", "error", "--kind", "ks", "--name", "bad"]);
    assert!(
        !errors.is_empty() && errors.lines().all(|it| it.contains("Kustomization/bad")),
        "{errors}"
    );
    let one = logs(&["--tail", "1", "--name", "app", "-o", "json"]);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["name"], "app", "{one}");
    assert_eq!(logs(&["--since-time", "2100-01-01T00:00:00Z"]), "");
}
