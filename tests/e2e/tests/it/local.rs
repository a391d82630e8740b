//! What local files would become and change: `fluvial build kustomization` and `fluvial diff kustomization`.

use std::fs;
use std::path::Path;

use fluvial_e2e::{Scenario, Scene};
use serde_json::{Value, json};

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[(
    "local-files-are-built-and-compared-as-flux-does",
    local_files_are_built_and_compared_as_flux_does,
)];

const SECRET: &str = "apiVersion: v1
kind: Secret
metadata:
  name: token
stringData:
  token: hunter2-old
";

fn local_files_are_built_and_compared_as_flux_does(scene: &Scene<'_>) {
    let files = deployed(scene);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    write(directory.path(), &pairs(&files));
    let built = scene
        .cli(&["build", "kustomization", "app", "--path", path])
        .unwrap();
    for words in [
        "value: one",
        "kustomize.toolkit.fluxcd.io/name: app",
        "name: web",
    ] {
        assert!(built.contains(words), "{words} in {built}");
    }
    let (code, said) = diff(scene, path, &[]);
    assert_eq!((code, said.as_str()), (0, ""), "what is deployed differs");

    change(directory.path());
    let (code, said) = diff(scene, path, &[]);
    let ns = &scene.namespace;
    assert_eq!(code, 1, "{said}");
    for words in [
        format!("► ConfigMap/{ns}/a drifted\n\ndata.value\n± value change\n- one\n+ two\n"),
        format!("► ConfigMap/{ns}/new created\n"),
        format!("► ConfigMap/{ns}/gone deleted\n"),
        "spec.replicas\n± value change\n- 1\n+ 3\n".to_owned(),
        "data.token\n± value change\n- *** (before)\n+ *** (after)\n".to_owned(),
        format!("► Namespace/{ns}-more created\n"),
        format!("► ConfigMap/{ns}-more/inside created\n"),
    ] {
        assert!(said.contains(&words), "{words} in {said}");
    }
    assert!(!said.contains("/kept "), "it may not be deleted: {said}");
    let (code, printed) = diff(scene, path, &["-o", "json"]);
    assert_eq!(code, 1, "{printed}");
    let objects: Value = serde_json::from_str(printed.split("\n⚠️").next().unwrap()).unwrap();
    let of = |name: &str| -> &Value {
        let objects = objects.as_array().unwrap();
        objects
            .iter()
            .find(|it| it["object"] == format!("ConfigMap/{ns}/{name}"))
            .unwrap()
    };
    assert_eq!(
        of("a")["fields"],
        json!([{"path": "data.value", "old": "one", "new": "two"}])
    );
    for said in [&said, &printed] {
        assert!(
            !said.contains("hunter2") && !said.contains("aHVudGVyMi"),
            "{said}"
        );
    }
    assert_eq!(
        scene.get("ConfigMap", "a")["data"]["value"],
        "one",
        "a dry run changed it"
    );
    trouble(scene, directory.path());
}

/// What is deployed: the files.
fn deployed(scene: &Scene<'_>) -> [(&'static str, String); 6] {
    let files = [
        ("a.yaml", config_map("a", "${value}")),
        ("gone.yaml", config_map("gone", "one")),
        ("kept.yaml", kept()),
        ("web.yaml", deployment("web", 1, "tier: front")),
        ("token.yaml", SECRET.to_owned()),
        ("copy.yaml", config_map("copy", "--token=hunter2-old")),
    ];
    scene.begin(&pairs(&files));
    scene.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"value": "one"},
        "metadata": {"name": "values", "namespace": scene.namespace},
    }));
    let spec = json!({"postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "values"}]}});
    scene.kustomization("app", spec);
    scene.deployed("app");
    files
}

fn pairs<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|it| (it.0, it.1.as_str())).collect()
}

/// One of each: changed, new, gone, and with a namespace of its own.
fn change(directory: &Path) {
    let namespace = "local-files-are-built-and-compared-as-flux-does-more";
    let inside = config_map("inside", "x").replace(
        "name: inside",
        &format!("name: inside\n  namespace: {namespace}"),
    );
    write(
        directory,
        &[
            ("a.yaml", &config_map("a", "two")),
            ("new.yaml", &config_map("new", "one")),
            ("web.yaml", &deployment("web", 3, "tier: front")),
            ("token.yaml", &SECRET.replace("-old", "-new")),
            ("copy.yaml", &config_map("copy", "--token=hunter2-new")),
            (
                "ns.yaml",
                &format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n"),
            ),
            ("inside.yaml", &inside),
        ],
    );
    for name in ["gone.yaml", "kept.yaml"] {
        fs::remove_file(directory.join(name)).unwrap();
    }
}

/// What cannot be compared ends with 2 and says why.
fn trouble(scene: &Scene<'_>, directory: &Path) {
    let path = directory.to_str().unwrap();
    let declared = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "new"},
        "spec": {"interval": "1h", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "source"}},
    });
    let apart = tempfile::tempdir().unwrap();
    let nowhere = apart.path().join("nowhere");
    let declared_in = apart.path().join("new.yaml");
    fs::write(&declared_in, declared.to_string()).unwrap();
    let file_flag = ["--kustomization-file", declared_in.to_str().unwrap()];
    let run = |name: &str, path: &str, more: &[&str]| {
        let args = [
            &[
                "diff",
                "kustomization",
                name,
                "--path",
                path,
                "-n",
                &scene.namespace,
            ],
            more,
        ]
        .concat();
        scene.stage.engine.exit(&args).unwrap()
    };
    for (name, path, more, words) in [
        ("nothing", path, &[][..], "--kustomization-file"),
        ("new", path, &file_flag[..], "--ignore-not-found"),
        ("app", nowhere.to_str().unwrap(), &[], "it is no directory"),
    ] {
        let (code, said) = run(name, path, more);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(words), "{words} in {said}");
    }
    let (code, said) = run(
        "new",
        path,
        &[&file_flag[..], &["--ignore-not-found"]].concat(),
    );
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("kustomize.toolkit.fluxcd.io/name\n"),
        "it changes hands: {said}"
    );
}

fn kept() -> String {
    let annotation = "  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\n";
    config_map("kept", "one").replace("  name: kept\n", &format!("  name: kept\n{annotation}"))
}

fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
}

fn diff(scene: &Scene<'_>, path: &str, more: &[&str]) -> (i32, String) {
    let args = ["diff", "ks", "app", "--path", path, "-n", &scene.namespace];
    scene
        .stage
        .engine
        .exit(&[&args[..], more].concat())
        .unwrap()
}
