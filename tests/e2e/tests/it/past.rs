//! The past, as the real kubectl sees it.

use fluvial_e2e::{Scenario, Scene, text};
use serde_json::{Value, json};

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "kubectl-sees-the-past-as-it-was",
    kubectl_sees_the_past_as_it_was,
)];

const PASSWORD: &str = "hunter2-of-old";
/// The same in base64.
const ENCODED: &str = "aHVudGVyMi1vZi1vbGQ=";

/// One that holds a password, and a ConfigMap that a copy of it went into.
fn secrets() -> String {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "stringData": {"password": PASSWORD},
    });
    let copy = config_map("copy", &format!("password={PASSWORD}"));
    format!("{secret}\n---\n{copy}")
}

/// The words of `fluvial at`, and of kubectl in the scene's namespace.
fn words<'a>(scene: &'a Scene<'_>, at: &'a [&'a str], kubectl: &[&'a str]) -> Vec<String> {
    let data = scene.stage.engine.data().display().to_string();
    let mut words = vec!["at".to_owned()];
    words.extend(at.iter().map(|it| (*it).to_owned()));
    words.extend([
        "--data".to_owned(),
        data,
        "-n".to_owned(),
        scene.namespace.clone(),
        "--".to_owned(),
    ]);
    words.extend(scene.stage.plane.kubectl_words());
    words.extend(kubectl.iter().map(|it| (*it).to_owned()));
    words
}

/// What kubectl printed of the past.
fn then(scene: &Scene<'_>, at: &[&str], kubectl: &[&str]) -> String {
    let words = words(scene, at, kubectl);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    scene.stage.engine.cli(&words).unwrap()
}

/// The exit code, and all that was said.
fn exit(scene: &Scene<'_>, at: &str, kubectl: &[&str]) -> (i32, String) {
    let words = words(scene, &[at], kubectl);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    scene.stage.engine.exit(&words).unwrap()
}

fn json_of(scene: &Scene<'_>, at: &str, kubectl: &[&str]) -> Value {
    let printed = then(scene, &[at], &[kubectl, &["-o", "json"]].concat());
    serde_json::from_str(&printed).unwrap()
}

fn kubectl_sees_the_past_as_it_was(scene: &Scene<'_>) {
    let old = scene.begin(&[
        ("web.yaml", &deployment("web", 2, "tier: front")),
        ("gone.yaml", &config_map("gone", "still here")),
        ("secrets.yaml", &secrets()),
    ]);
    scene.kustomization("app", json!({"targetNamespace": scene.namespace}));
    scene.deployed("app");
    let history = scene
        .stage
        .engine
        .json_of_data(&["history", "ks/app", "-n", &scene.namespace])
        .unwrap();
    let offset = history[0]["offset"].to_string();
    scene.change(
        &[("web.yaml", &deployment("web", 5, "tier: front"))],
        &["gone.yaml"],
    );
    scene.fetch();
    scene.deployed("app");
    scene.gone("ConfigMap", "gone");

    let commit = &old[..12];
    for at in [offset.as_str(), commit] {
        objects_are_those_of_then(scene, at);
    }
    let now = json_of(scene, "now", &["get", "deploy", "web"]);
    assert_eq!(now["spec"]["replicas"], 5);
    let (code, said) = exit(scene, "now", &["get", "configmap", "gone"]);
    assert!(code == 1 && said.contains("not found"), "{code}: {said}");

    tables_and_descriptions_are_of_then(scene, &offset);
    selectors_and_pages_narrow(scene, &offset);
    what_became_of_it_is_told(scene, &offset);
    nothing_can_be_written(scene, &offset);
    no_secret_is_shown(scene, &offset);
}

fn objects_are_those_of_then(scene: &Scene<'_>, at: &str) {
    let all = json_of(scene, at, &["get", "deploy", "-A"]);
    let ours = all["items"].as_array().unwrap().iter();
    let ours: Vec<_> = ours
        .filter(|it| text(it, "/metadata/namespace") == scene.namespace)
        .collect();
    assert_eq!(ours.len(), 1, "{all}");
    assert_eq!(ours[0]["spec"]["replicas"], 2, "{all}");
    let live = scene.get("Deployment", "web");
    assert_eq!(text(ours[0], "/metadata/uid"), text(&live, "/metadata/uid"));
    let pruned = json_of(scene, at, &["get", "configmap", "gone"]);
    assert_eq!(text(&pruned, "/data/value"), "still here");
}

fn tables_and_descriptions_are_of_then(scene: &Scene<'_>, offset: &str) {
    let table = then(scene, &[offset], &["get", "ks", "-A"]);
    let line = table
        .lines()
        .find(|it| it.starts_with(&scene.namespace))
        .unwrap();
    assert!(
        table.starts_with("NAMESPACE") && table.contains("READY"),
        "{table}"
    );
    assert!(line.contains("app") && line.contains("True"), "{table}");
    let all = then(scene, &[offset], &["get", "all"]);
    assert!(
        all.contains("deployment.apps/web") && all.contains("READY"),
        "{all}"
    );
    assert!(all.contains("/2"), "{all}");
    let told = then(scene, &[offset], &["describe", "deployment", "web"]);
    assert!(
        told.contains("Replicas:") && told.contains("2 desired"),
        "{told}"
    );
    let told = then(scene, &[offset], &["describe", "ks", "app"]);
    assert!(told.contains("Last Applied Revision"), "{told}");
    let context = then(scene, &[offset], &["config", "current-context"]);
    assert_eq!(context.trim(), format!("fluvial@{offset}"));
    let version = then(scene, &[offset], &["version", "-o", "json"]);
    assert!(
        version.contains(&format!("+fluvial.{offset}\"")),
        "{version}"
    );
}

fn selectors_and_pages_narrow(scene: &Scene<'_>, offset: &str) {
    let owner = "kustomize.toolkit.fluxcd.io/name=app";
    for (words, names) in [
        (&["-l", owner][..], "configmap/copy configmap/gone"),
        (&["-l", "kustomize.toolkit.fluxcd.io/name!=app"], ""),
        (
            &["--field-selector", "metadata.name=gone"],
            "configmap/gone",
        ),
        (&["--chunk-size", "1"], "configmap/copy configmap/gone"),
    ] {
        let get = [&["get", "configmap", "-o", "name"], words].concat();
        let found = then(scene, &[offset], &get);
        let found: Vec<_> = found.lines().collect();
        assert_eq!(found.join(" "), names, "{words:?}");
    }
}

/// Both of these are true of what came later, and end when a watch says so.
fn what_became_of_it_is_told(scene: &Scene<'_>, offset: &str) {
    for words in [
        &["deploy/web", "--for=jsonpath={.spec.replicas}=5"][..],
        &["configmap/gone", "--for=delete"],
    ] {
        let wait = [&["wait", "--timeout=60s"], words].concat();
        let said = then(scene, &[offset], &wait);
        assert!(said.contains("condition met"), "{said}");
    }
}

fn nothing_can_be_written(scene: &Scene<'_>, offset: &str) {
    for words in [
        &["delete", "deployment", "web"][..],
        &["scale", "deployment", "web", "--replicas=9"],
        &["annotate", "configmap", "gone", "a=b"],
        &["create", "namespace", "another"],
    ] {
        let (code, said) = exit(scene, offset, words);
        assert!(
            code == 1 && said.contains("this is the past"),
            "{words:?} {code}: {said}"
        );
    }
    assert_eq!(scene.get("Deployment", "web")["spec"]["replicas"], 5);
    let (code, said) = exit(scene, offset, &["auth", "can-i", "delete", "pods"]);
    assert!(code == 1 && said.contains("no"), "{code}: {said}");
}

fn no_secret_is_shown(scene: &Scene<'_>, offset: &str) {
    let all = "deployments,configmaps,secrets,kustomizations,gitrepositories";
    for words in [
        &["get", all, "-A", "-o", "yaml"][..],
        &["get", all, "-A", "-o", "wide"],
        &["describe", "secret", "login"],
        &["describe", "configmap", "copy"],
    ] {
        let said = exit(scene, offset, words).1;
        assert!(said.contains("login") || said.contains("copy"), "{said}");
        for secret in [PASSWORD, ENCODED] {
            assert!(!said.contains(secret), "{words:?}: {said}");
        }
    }
    let shown = then(
        scene,
        &[offset, "--unseal-secrets"],
        &["get", "secret", "login", "-o", "yaml"],
    );
    assert!(shown.contains(ENCODED), "{shown}");
}
