//! What a commit would do, said before it comes, and then it comes.

use fluvial_e2e::{Scenario, Scene};
use serde_json::{Value, json};

use crate::asked::asked;
use crate::manifests::config_map;

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "what-if-says-what-a-commit-would-do",
    what_if_says_what_a_commit_would_do,
)];

/// A Kustomization that another one declares.
fn below(scene: &Scene<'_>, path: &str) -> String {
    let kustomization = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "below", "namespace": scene.namespace},
        "spec": {
            "interval": "1h",
            "prune": true,
            "path": path,
            "sourceRef": {"kind": "GitRepository", "name": "source"},
        },
    });
    kustomization.to_string()
}

fn secret(token: &str) -> String {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token"},
        "stringData": {"token": token},
    });
    secret.to_string()
}

/// The exit code, and what was said.
fn what_if(scene: &Scene<'_>, commit: &str, more: &[&str]) -> (i32, String) {
    let here = scene.repository.path().to_str().unwrap();
    let source = format!("GitRepository/{}/source", scene.namespace);
    let flags = ["--repository", here, "--source", &source];
    asked(scene, &[&["what-if", commit], &flags[..], more].concat())
}

fn what_if_says_what_a_commit_would_do(scene: &Scene<'_>) {
    scene.begin(&[
        ("top/a.yaml", &config_map("a", "one")),
        ("top/below.yaml", &below(scene, "./old")),
        ("top/secret.yaml", &secret("hunter2-before")),
        ("old/b.yaml", &config_map("b", "two")),
        ("new/c.yaml", &config_map("c", "three")),
    ]);
    scene.kustomization("app", json!({"path": "./top", "wait": true}));
    scene.deployed("app");
    scene.ready("Kustomization", "below");
    scene.settled("app");
    let head = scene.repository.head("main").unwrap();
    let branch = |name: &str, write: &[(&str, &str)]| {
        // A branch that nobody reconciles.
        scene.repository.set_branch(name, &head).unwrap();
        scene.repository.commit(name, "Change", write).unwrap()
    };
    let (a, d, token) = (
        config_map("a", "changed"),
        config_map("d", "four"),
        secret("hunter2-after"),
    );
    let change: [(&str, &str); 4] = [
        ("top/a.yaml", &a),
        ("top/d.yaml", &d),
        ("top/below.yaml", &below(scene, "./new")),
        ("top/secret.yaml", &token),
    ];
    let feature = branch("feature", &change);
    every_object_is_named_and_no_secret(scene, &feature);

    // Nothing came of it; what is deployed would change nothing, and what cannot be built is told.
    assert!(scene.find("ConfigMap", "d").is_none());
    assert_eq!(what_if(scene, &head, &[]).0, 0);
    let broken = branch("broken", &[("top/a.yaml", "kind: [")]);
    for (commit, words) in [
        (&*broken, "fail with BuildFailed"),
        ("nowhere", "no directory, and no commit"),
    ] {
        let (code, said) = what_if(scene, commit, &[]);
        assert!(code == 2 && said.contains(words), "{said}");
    }

    // As it was said, it comes.
    scene.change(&change, &[]);
    scene.fetch();
    scene.deployed("app");
    scene.ready("Kustomization", "below");
    scene.gone("ConfigMap", "b");
    for (name, value) in [("a", "changed"), ("c", "three"), ("d", "four")] {
        assert_eq!(scene.get("ConfigMap", name)["data"]["value"], value);
    }
}

fn every_object_is_named_and_no_secret(scene: &Scene<'_>, feature: &str) {
    let (code, said) = what_if(scene, feature, &["-o", "json"]);
    assert_eq!(code, 1, "{said}");
    let plan: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(plan["revision"], format!("main@sha1:{feature}"));
    let mut found = Vec::new();
    for owner in plan["reconcilers"].as_array().unwrap() {
        assert_eq!(owner["failed"], false, "{plan}");
        for object in owner["objects"].as_array().unwrap() {
            let text = |it: &Value| it.as_str().unwrap().to_owned();
            let (object, change) = (text(&object["object"]), text(&object["change"]));
            found.push((text(&owner["object"]), object, change));
        }
    }
    found.sort();
    let namespace = &scene.namespace;
    let expected = [
        ("app", "ConfigMap", "a", "changed"),
        ("app", "ConfigMap", "d", "added"),
        ("app", "Kustomization", "below", "changed"),
        ("app", "Secret", "token", "changed"),
        ("below", "ConfigMap", "b", "removed"),
        ("below", "ConfigMap", "c", "added"),
    ];
    let expected = expected.map(|(owner, kind, name, change)| {
        (
            format!("Kustomization/{namespace}/{owner}"),
            format!("{kind}/{namespace}/{name}"),
            change.to_owned(),
        )
    });
    assert_eq!(found, expected, "{plan}");
    for form in [&["-o", "json"][..], &["-o", "markdown"], &[]] {
        let (_, said) = what_if(scene, feature, form);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let (_, comment) = what_if(scene, feature, &["-o", "markdown"]);
    let row = format!("| Kustomization/{namespace}/app | 1 | 3 | 0 |  |");
    assert!(comment.contains(&row), "{comment}");
    let (_, below) = what_if(scene, feature, &["--for", "ks/below"]);
    let says = |name: &str| below.contains(&format!("ConfigMap/{namespace}/{name} "));
    assert!(says("b") && !says("a"), "{below}");
}
