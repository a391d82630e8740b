//! What the log is asked: why an object is as it is, who made its fields so, and what two points in time say differently.

use fluvial_e2e::{PATIENCE, Scenario, Scene};
use fluvial_support::{Change, wait};
use serde_json::{Value, json};

use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "a-difference-names-fields-and-no-secret",
        a_difference_names_fields_and_no_secret,
    ),
    (
        "bisect-finds-the-commit-that-broke-it",
        bisect_finds_the_commit_that_broke_it,
    ),
    (
        "blame-names-the-commit-behind-each-field",
        blame_names_the_commit_behind_each_field,
    ),
    (
        "history-of-all-says-who-deployed-what",
        history_of_all_says_who_deployed_what,
    ),
    (
        "why-follows-a-dependency-to-its-root",
        why_follows_a_dependency_to_its_root,
    ),
    ("why-goes-back-to-the-commit", why_goes_back_to_the_commit),
];

fn history_of_all_says_who_deployed_what(scene: &Scene<'_>) {
    let first = scene.begin(&[
        ("a/a.yaml", &config_map("a", "one")),
        ("b/b.yaml", &config_map("b", "one")),
    ]);
    for name in ["a", "b"] {
        scene.kustomization(name, json!({"path": name}));
        scene.deployed(name);
    }
    let second = scene
        .repository
        .change(&Change {
            author: ("Grace Hopper", "grace@example.org"),
            write: &[
                ("a/a.yaml", &config_map("a", "two")),
                ("b/b.yaml", "kind: ["),
            ],
            ..Change::default()
        })
        .unwrap();
    scene.fetch();
    scene.deployed("a");
    scene.refused("Kustomization", "b", "BuildFailed", &["b.yaml"]);

    // Each as `name@commit`, the newest first.
    let told = |more: &[&str]| {
        let args = [&["history", "-n", &scene.namespace], more].concat();
        let told = scene.stage.engine.json_of_data(&args).unwrap();
        let told = told.as_array().unwrap().iter().map(|it| {
            let object = it["object"].as_str().unwrap().rsplit('/').next().unwrap();
            let revision = it["revision"].as_str().unwrap();
            let commit = if revision.ends_with(&second) { 2 } else { 1 };
            assert!(revision.ends_with(&first) || commit == 2, "{it}");
            format!("{object}@{commit}")
        });
        told.collect::<Vec<_>>()
    };
    let sorted = |more: &[&str]| {
        let mut told = told(more);
        told.sort();
        told
    };
    assert_eq!(sorted(&[]), ["a@1", "a@2", "b@1", "b@2"]);
    assert_eq!(told(&["--limit", "1"]).len(), 1);
    assert_eq!(told(&["ks/a"]), ["a@2", "a@1"]);
    assert_eq!(sorted(&["--commit", &first[..9]]), ["a@1", "b@1"]);
    assert_eq!(sorted(&["--author", "hopper"]), ["a@2", "b@2"]);
    assert_eq!(told(&["ks/a", "--author", "GRACE@"]), ["a@2"]);
    assert_eq!(told(&["--failed"]), ["b@2"]);
    assert_eq!(told(&["--since", &second]).len(), 0);
    let args = ["dora", "-n", &scene.namespace];
    let four = scene.stage.engine.json_of_data(&args).unwrap();
    assert_eq!(four[0]["group"], *scene.namespace, "{four}");
    assert_eq!(four[0]["deployments"], 3, "{four}");
    assert_eq!(four[0]["changeFailureRate"], 0.25, "{four}");
    assert!(four[0]["leadTimeSeconds"].is_f64(), "{four}");
    assert_eq!(sorted(&["--since", &first]), ["a@2", "b@2"]);
}

fn why_goes_back_to_the_commit(scene: &Scene<'_>) {
    let commit = scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let answer = why(scene, "configmap/a");
    let said = answer["sentence"].as_str().unwrap();
    for words in [
        &format!(
            "ConfigMap/{}/a is as commit {} by Ada Example",
            scene.namespace,
            &commit[..8]
        ),
        &format!("by Kustomization/{}/app", scene.namespace),
    ] {
        assert!(said.contains(words.as_str()), "{words} in {said}");
    }
    assert_eq!(answer["standing"], "applied", "{answer}");
    let chain = answer["chain"].as_array().unwrap();
    let events: Vec<_> = chain.iter().filter_map(|it| it["event"].as_str()).collect();
    for event in ["ObjectsApplied", "ManifestsBuilt", "ArtifactFetched"] {
        assert!(events.contains(&event), "{event} in {events:?}");
    }

    edit(scene);
    scene.told(
        "app",
        "DriftCorrected",
        "data.value changed by kubectl-edit",
    );
    let answer = why(scene, "cm a");
    assert_eq!(answer["drift"]["manager"], "kubectl-edit", "{answer}");
    assert_eq!(answer["drift"]["fields"], json!(["data.value"]), "{answer}");
    assert!(answer["drift"]["repairedAt"].is_u64(), "{answer}");
    assert_eq!(answer["standing"], "applied", "{answer}");

    scene.suspend("app");
    edit(scene);
    wait(
        "why to tell of drift that is not put back",
        PATIENCE,
        || {
            let answer = why(scene, "configmaps/a");
            let said = answer["sentence"].to_string();
            let is_told = answer["standing"] == "drifted"
                && said.contains("kubectl-edit changed data.value")
                && said.contains(&format!(
                    "Kustomization/{}/app is suspended since",
                    scene.namespace
                ));
            is_told.then_some(()).ok_or(said)
        },
    );
    // A name of no other scenario: what is not in a namespace is looked for in the others.
    let (code, said) = asked(scene, &["why", "configmap/ax1"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("nobody manages configmap/ax1") && said.contains("near are"),
        "{said}"
    );
}

fn why_follows_a_dependency_to_its_root(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "one"))]);
    scene.kustomization("base", json!({"path": "./nowhere"}));
    scene.kustomization("infra", json!({"dependsOn": [{"name": "base"}]}));
    scene.kustomization("app", json!({"dependsOn": [{"name": "infra"}]}));
    scene.refused("Kustomization", "base", "ArtifactFailed", &["nowhere"]);
    scene.refused("Kustomization", "app", "DependencyNotReady", &["infra"]);
    let answer = why(scene, "kustomization/app");
    let reasons: Vec<_> = answer["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["reason"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        reasons[..2],
        ["DependencyNotReady", "DependencyNotReady"],
        "{answer}"
    );
    let said = answer["sentence"].to_string();
    assert!(
        said.contains("base fails since") && said.contains("nowhere"),
        "{said}"
    );
}

fn bisect_finds_the_commit_that_broke_it(scene: &Scene<'_>) {
    scene.begin(&[("a.yaml", &config_map("a", "fast"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let broke = scene.commit(&[("a.yaml", &config_map("a", "slow"))]);
    scene.fetch();
    scene.deployed("app");
    scene.commit(&[("a.yaml", &config_map("a", "slower"))]);
    scene.fetch();
    scene.deployed("app");
    let is_fast = ["bisect", "cm/a", "data.value == 'fast'"];
    let (code, said) = asked(scene, &[&is_fast[..], &["-o", "json"]].concat());
    assert_eq!(code, 0, "{said}");
    let found: Value = serde_json::from_str(&said).unwrap();
    let revision = found["turn"]["commit"]["revision"].as_str();
    assert!(revision.unwrap_or_default().ends_with(&broke), "{found}");
    assert_eq!(found["turns"], 1, "{found}");
    let (code, said) = asked(scene, &is_fast);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("turned false at offset") && said.contains("it is so still"),
        "{said}"
    );
    let (code, said) = asked(scene, &["bisect", "cm/a", "has(data.value)"]);
    assert!(
        code == 1 && said.contains("it never turned false"),
        "{code} {said}"
    );
    let (code, said) = asked(scene, &["bisect", "cm/a", "data.value =="]);
    assert!(code == 2 && said.contains("parse"), "{code} {said}");
    // The Kustomization itself is asked by its status.
    let ready = "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')";
    scene.commit(&[("a.yaml", "kind: [")]);
    scene.fetch();
    wait("bisect to tell that it is not ready", PATIENCE, || {
        let (code, said) = asked(scene, &["bisect", "ks/app", ready, "--last"]);
        let is_told = code == 0 && said.contains("it is so still");
        is_told.then_some(()).ok_or(said)
    });
}

fn blame_names_the_commit_behind_each_field(scene: &Scene<'_>) {
    let two = |one: &str, other: &str| format!("{}  other: {other:?}\n", config_map("a", one));
    let old = scene.begin(&[("a.yaml", &two("one", "1"))]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let new = scene.commit(&[("a.yaml", &two("three", "1"))]);
    scene.fetch();
    scene.deployed("app");
    scene.suspend("app");
    edit(scene);
    let blamed = |more: &[&str]| {
        let (code, said) = asked(scene, &[&["blame", "cm/a"], more].concat());
        assert_eq!(code, 0, "{more:?}: {said}");
        serde_json::from_str::<Value>(&said).unwrap()["fields"].clone()
    };
    let field = |fields: &Value, path: &str| {
        let mut all = fields.as_array().unwrap().iter();
        all.find(|it| it["path"] == path).cloned().unwrap()
    };
    wait("blame to tell of the change by hand", PATIENCE, || {
        let value = field(&blamed(&["-o", "json"]), "data.value");
        let manager = value["byHand"]["manager"].clone();
        (manager == "kubectl-edit")
            .then_some(())
            .ok_or(value.to_string())
    });
    let fields = blamed(&["-o", "json"]);
    for (path, commit) in [("data.value", &new), ("data.other", &old), ("kind", &old)] {
        let it = field(&fields, path);
        let revision = it["commit"]["revision"].as_str().unwrap_or_default();
        assert!(revision.ends_with(commit.as_str()), "{path}: {it}");
    }
    assert_eq!(field(&fields, "data.other").get("byHand"), None);
    let before = blamed(&["data.value", "--at", &old, "-o", "json"]);
    assert_eq!(before.as_array().unwrap().len(), 1, "{before}");
    assert_eq!(before[0]["value"], "one", "{before}");
    let (code, said) = asked(scene, &["blame", "cm/a", "data.nothing"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("has no data.nothing"), "{said}");
}

fn a_difference_names_fields_and_no_secret(scene: &Scene<'_>) {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: {value}\n"
        )
    };
    let copied = |value: &str| config_map("copy", &format!("--password={value}"));
    let old = scene.begin(&[
        ("a.yaml", &config_map("a", "one")),
        ("s.yaml", &secret("hunter2-old")),
        ("c.yaml", &copied("hunter2-old")),
    ]);
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    let new = scene.commit(&[
        ("a.yaml", &config_map("a", "two")),
        ("s.yaml", &secret("hunter2-new")),
        ("c.yaml", &copied("hunter2-new")),
        ("b.yaml", &config_map("b", "new")),
    ]);
    scene.fetch();
    scene.deployed("app");
    for more in [
        &[][..],
        &["-o", "json"],
        &["-o", "yaml"],
        &["-o", "wide"],
        &["--for", "kustomization/app"],
    ] {
        let args = [&["diff", &old[..9], &new], more].concat();
        let (code, said) = asked(scene, &args);
        assert_eq!(code, 1, "{args:?}: {said}");
        for words in ["data.value", "\"one\"", "\"two\"", "password", "/b"] {
            let is_there = said.contains(words) || said.contains(words.trim_matches('"'));
            assert!(is_there, "{words} in {args:?}: {said}");
        }
        for value in ["hunter2", "aHVudGVyMi"] {
            assert!(!said.contains(value), "{value} in {args:?}: {said}");
        }
    }
    let (code, said) = asked(
        scene,
        &["diff", &old, &new, "--for", "configmap/b", "-o", "name"],
    );
    assert_eq!(
        (code, said.trim()),
        (1, format!("ConfigMap/{}/b", scene.namespace).as_str())
    );
    let (code, said) = asked(scene, &["diff", &new, "now", "--for", "kustomization/app"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = asked(scene, &["diff", "no-such-commit", "now"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("cannot find"), "{said}");
}

/// Somebody changes what was applied.
fn edit(scene: &Scene<'_>) {
    let patch = r#"{"data":{"value":"two"}}"#;
    let manager = "--field-manager=kubectl-edit";
    let args = ["patch", "configmap", "a", manager, "-p", patch];
    scene.kubectl(&args).unwrap();
}

/// What `fluvial why` answers.
fn why(scene: &Scene<'_>, object: &str) -> Value {
    let words: Vec<_> = object.split(' ').collect();
    let args = [&["why"], &words[..], &["-n", &scene.namespace]].concat();
    scene.stage.engine.json_of_data(&args).unwrap()
}

/// The exit code of a command that reads the log, and all that it said.
pub(crate) fn asked(scene: &Scene<'_>, args: &[&str]) -> (i32, String) {
    let args = [args, &["-n", &scene.namespace]].concat();
    scene.stage.engine.exit_of_data(&args).unwrap()
}
