//! From a commit to objects: what is applied, what is left alone, how it is built.

use fluvial_e2e::{Scenario, Scene, text};
use serde_json::json;

use crate::manifests::{config_map, deployment};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a-commit-is-applied", a_commit_is_applied),
    (
        "an-update-touches-what-changed",
        an_update_touches_what_changed,
    ),
    (
        "an-interval-finds-new-commits",
        an_interval_finds_new_commits,
    ),
    (
        "definitions-and-namespaces-go-first",
        definitions_and_namespaces_go_first,
    ),
    (
        "the-spec-changes-what-is-built",
        the_spec_changes_what_is_built,
    ),
    ("an-overlay-is-built", an_overlay_is_built),
    (
        "force-replaces-what-cannot-change",
        force_replaces_what_cannot_change,
    ),
    ("older-versions-are-read", older_versions_are_read),
    ("ssh-and-tags-are-sources-too", ssh_and_tags_are_sources_too),
];

fn a_commit_is_applied(scene: &Scene<'_>) {
    let commit = scene.begin(&[
        ("app/deployment.yaml", &deployment("web", 2, "")),
        ("app/deep/settings.yaml", &config_map("settings", "one")),
        ("elsewhere/other.yaml", &config_map("other", "one")),
    ]);
    scene.kustomization("app", json!({"path": "./app", "wait": true}));
    let source = scene.ready("GitRepository", "source");
    let revision = format!("main@sha1:{commit}");
    assert_eq!(text(&source, "/status/artifact/revision"), revision);
    assert!(
        text(&source, "/status/artifact/digest").starts_with("sha256:"),
        "{source}"
    );
    let app = scene.deployed("app");
    assert_eq!(text(&app, "/status/lastAppliedRevision"), revision);
    assert_eq!(text(&app, "/status/lastAttemptedRevision"), revision);
    let web = scene.get("Deployment", "web");
    assert_eq!(
        web["status"]["readyReplicas"], 2,
        "Ready before the pods were: {web}"
    );
    let labels = &web["metadata"]["labels"];
    assert_eq!(labels["kustomize.toolkit.fluxcd.io/name"], "app");
    assert_eq!(
        labels["kustomize.toolkit.fluxcd.io/namespace"],
        scene.namespace.as_str()
    );
    let managers = web["metadata"]["managedFields"].to_string();
    assert!(
        managers.contains(r#""manager":"kustomize-controller""#),
        "{managers}"
    );
    assert_eq!(scene.get("ConfigMap", "settings")["data"]["value"], "one");
    assert!(
        scene.find("ConfigMap", "other").is_none(),
        "outside of the path"
    );
}

fn an_update_touches_what_changed(scene: &Scene<'_>) {
    scene.begin(&[
        ("a.yaml", &config_map("a", "one")),
        ("b.yaml", &config_map("b", "one")),
        ("web.yaml", &deployment("web", 1, "")),
    ]);
    scene.kustomization("app", json!({"wait": true}));
    scene.deployed("app");
    let version = |kind, name| text(&scene.get(kind, name), "/metadata/resourceVersion").to_owned();
    let generation = scene.get("Deployment", "web")["metadata"]["generation"].clone();
    let before = (version("ConfigMap", "a"), version("ConfigMap", "b"));
    scene.commit(&[("a.yaml", &config_map("a", "two"))]);
    scene.fetch();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "two");
    assert_ne!(version("ConfigMap", "a"), before.0);
    assert_eq!(
        version("ConfigMap", "b"),
        before.1,
        "b was touched and had not changed"
    );
    assert_eq!(
        scene.get("Deployment", "web")["metadata"]["generation"],
        generation
    );
}

fn an_interval_finds_new_commits(scene: &Scene<'_>) {
    scene.commit(&[("a.yaml", &config_map("a", "one"))]);
    scene.source("1s");
    scene.kustomization("app", json!({}));
    scene.deployed("app");
    scene.commit(&[("a.yaml", &config_map("a", "two"))]);
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "two");
}

/// A custom object comes with its definition and its namespace in one commit.
fn definitions_and_namespaces_go_first(scene: &Scene<'_>) {
    let cron = "apiVersion: e2e.example.org/v1
kind: Widget
metadata: {name: first, namespace: made-by-git}
spec: {size: 3}
";
    let definition = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.e2e.example.org}
spec:
  group: e2e.example.org
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
";
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: made-by-git}\n";
    scene.begin(&[
        ("a-widget.yaml", cron),
        (
            "b-settings.yaml",
            &config_map("settings", "one").replace("name:", "namespace: made-by-git\n  name:"),
        ),
        ("y-definition.yaml", definition),
        ("z-namespace.yaml", namespace),
    ]);
    scene.kustomization("app", json!({"wait": true}));
    let app = scene.deployed("app");
    let ids: Vec<_> = app["status"]["inventory"]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(it, "/id").to_owned(), text(it, "/v").to_owned()))
        .collect();
    for (id, version) in [
        (
            "_widgets.e2e.example.org_apiextensions.k8s.io_CustomResourceDefinition",
            "v1",
        ),
        ("_made-by-git__Namespace", "v1"),
        ("made-by-git_settings__ConfigMap", "v1"),
        ("made-by-git_first_e2e.example.org_Widget", "v1"),
    ] {
        assert!(
            ids.contains(&(id.to_owned(), version.to_owned())),
            "{id} is not in {ids:?}"
        );
    }
}

fn the_spec_changes_what_is_built(scene: &Scene<'_>) {
    scene.namespace("target-of-spec");
    scene.begin(&[
        ("app/web.yaml", &deployment("web", 1, "")),
        ("app/settings.yaml", &config_map("settings", "${colour:=grey}")),
        (
            "more/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n",
        ),
        ("more/more.yaml", &config_map("more", "one")),
    ]);
    scene.kustomization(
        "app",
        json!({
            "path": "./app",
            "targetNamespace": "target-of-spec",
            "namePrefix": "pre-",
            "nameSuffix": "-post",
            "components": ["../more"],
            "commonMetadata": {"labels": {"team": "blue"}},
            "images": [{"name": "example.org/web", "newTag": "2"}],
            "patches": [{
                "patch": "- {op: replace, path: /spec/replicas, value: 2}",
                "target": {"kind": "Deployment"},
            }],
            "postBuild": {"substitute": {"colour": "red"}},
        }),
    );
    scene.deployed("app");
    let find = |kind, name| {
        scene
            .stage
            .cluster
            .get(kind, "target-of-spec", name)
            .unwrap()
    };
    let web = find("Deployment", "pre-web-post").expect("the Deployment is there");
    assert_eq!(web["spec"]["replicas"], 2);
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.org/web:2"
    );
    assert_eq!(web["metadata"]["labels"]["team"], "blue");
    let settings = find("ConfigMap", "pre-settings-post").expect("the ConfigMap is there");
    assert_eq!(settings["data"]["value"], "red");
    assert!(
        find("ConfigMap", "pre-more-post").is_some(),
        "the component's object is there"
    );
}

fn an_overlay_is_built(scene: &Scene<'_>) {
    scene.begin(&[
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", &deployment("web", 1, "")),
        (
            "staging/kustomization.yaml",
            "resources: [../base]
nameSuffix: -staging
labels: [{pairs: {stage: staging}}]
configMapGenerator: [{name: files, files: [banner.txt]}]
patches: [{path: replicas.yaml}]
",
        ),
        ("staging/banner.txt", "hello"),
        (
            "staging/replicas.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
        ),
    ]);
    scene.kustomization(
        "app",
        json!({"path": "staging", "targetNamespace": scene.namespace}),
    );
    let app = scene.deployed("app");
    let web = scene.get("Deployment", "web-staging");
    assert_eq!(web["spec"]["replicas"], 3);
    assert_eq!(web["metadata"]["labels"]["stage"], "staging");
    let inventory = app["status"]["inventory"].to_string();
    assert!(
        inventory.contains("_files-staging-"),
        "the generated name has a hash: {inventory}"
    );
}

fn force_replaces_what_cannot_change(scene: &Scene<'_>) {
    let with_selector = |value: &str| {
        deployment("web", 1, "").replace("{app: web", &format!("{{app: web, side: {value}"))
    };
    scene.begin(&[
        ("web.yaml", &with_selector("left")),
        ("settings.yaml", &config_map("settings", "one")),
    ]);
    scene.kustomization("app", json!({"wait": true}));
    scene.deployed("app");
    let before = text(&scene.get("Deployment", "web"), "/metadata/uid").to_owned();
    scene.commit(&[("web.yaml", &with_selector("right"))]);
    scene.fetch();
    let words = [
        &*format!("Deployment/{}/web", scene.namespace),
        "immutable",
        "spec.force",
    ];
    scene.refused("Kustomization", "app", "ReconciliationFailed", &words);
    assert_eq!(
        text(&scene.get("Deployment", "web"), "/metadata/uid"),
        before
    );
    scene.patch("Kustomization", "app", &json!({"spec": {"force": true}}));
    scene.deployed("app");
    let web = scene.get("Deployment", "web");
    assert_ne!(text(&web, "/metadata/uid"), before, "it was not made anew");
    assert_eq!(web["spec"]["selector"]["matchLabels"]["side"], "right");
}

fn ssh_and_tags_are_sources_too(scene: &Scene<'_>) {
    let server = fluvial_support::SshServer::start().unwrap();
    let repository = server.repository("over-ssh").unwrap();
    let commit = repository
        .commit("main", "One", &[("a.yaml", &config_map("a", "one"))])
        .unwrap();
    repository.tag("v1.2.0", &commit).unwrap();
    let later = repository
        .commit("main", "Two", &[("a.yaml", &config_map("a", "two"))])
        .unwrap();
    repository.tag("v2.0.0", &later).unwrap();
    let url = server.url(&repository);
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&key, server.identity()).unwrap();
    let key = key.path().to_str().unwrap();
    let secret = ["create", "secret", "git", "key", "--url", &url];
    let secret = [&secret[..], &["--private-key-file", key]].concat();
    scene.cli(&secret).unwrap();
    let exported = scene.cli(&[&secret[..], &["--export"]].concat()).unwrap();
    let known_host = server.known_hosts().trim();
    assert!(exported.contains(known_host), "{exported}");
    let spec = json!({
        "url": url,
        "interval": "1h",
        "ref": {"semver": "1.x"},
        "secretRef": {"name": "key"},
    });
    scene.declare("GitRepository", "source", &spec);
    scene.kustomization("app", json!({}));
    let app = scene.ready("Kustomization", "app");
    assert_eq!(
        text(&app, "/status/lastAppliedRevision"),
        format!("v1.2.0@sha1:{commit}")
    );
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "one");
}

/// Declared in versions that Flux itself no longer serves.
fn older_versions_are_read(scene: &Scene<'_>) {
    scene.commit(&[("app/a.yaml", &config_map("a", "one"))]);
    let (url, namespace) = (scene.stage.git.url(&scene.namespace), &scene.namespace);
    let declared = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1beta1
kind: GitRepository
metadata: {{name: source, namespace: {namespace}}}
spec: {{interval: 1h, url: {url}, ref: {{branch: main}}, gitImplementation: libgit2}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1beta1
kind: Kustomization
metadata: {{name: app, namespace: {namespace}}}
spec:
  interval: 1h
  path: ./app
  prune: true
  validation: client
  sourceRef: {{kind: GitRepository, name: source}}
  patchesStrategicMerge:
  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{value: patched}}}}
"
    );
    scene.stage.plane.apply(&declared).unwrap();
    scene.deployed("app");
    assert_eq!(scene.get("ConfigMap", "a")["data"]["value"], "patched");
}
