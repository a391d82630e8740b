//! What a worker answers about charts, values and records.

use fluvial_api::helm_release::{PostRenderStrategy, PostRenderer};
use fluvial_api::kustomization::IgnoreRule;
use fluvial_helm::Package;
use fluvial_manifest::{Entry, Tree, Value};
use serde_json::json;

use super::{
    Answer, Layer, Lookup, PostRendering, Question, RecordJob, ReleaseJob, RenderedRelease,
    ValuesJob, answer, load,
};

const OBJECTS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}'}
data: {greeting: '{{ .Values.greeting }}', image: web:1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: main, image: 'web:1'}]}}}
";
const HOOK: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: before, annotations: {helm.sh/hook: pre-install}}
spec: {template: {spec: {containers: [{name: main, image: 'web:1'}]}}}
";

/// A packed chart with these templates.
fn archive(templates: &[(&str, &str)]) -> Vec<u8> {
    let mut tree = Tree::new();
    let files = [
        (
            "Chart.yaml",
            "{apiVersion: v2, name: shop, version: 1.2.3, appVersion: '7'}",
        ),
        ("values.yaml", "greeting: hello\n"),
    ];
    for (path, text) in files.iter().chain(templates) {
        let entry = Entry::file(text.as_bytes());
        tree.insert(&format!("shop/{path}"), entry).unwrap();
    }
    Package::from_tree(&tree, "shop").unwrap().pack().unwrap()
}

fn job(post: PostRendering, ignore: Vec<IgnoreRule>) -> ReleaseJob {
    ReleaseJob {
        artifact: String::new(),
        revision: String::new(),
        name: "web".into(),
        namespace: "team".into(),
        version: 1,
        is_upgrade: false,
        values: serde_json::from_value(json!({"greeting": "hi"})).unwrap(),
        defaults: None,
        kube_version: "v1.37.2".into(),
        api_versions: Vec::new(),
        skip_schema: false,
        seed: [0; 32],
        now: (0, 0),
        found: Vec::new(),
        post,
        ignore,
    }
}

fn released(job: ReleaseJob, archive: &[u8]) -> RenderedRelease {
    let chart = load(archive).unwrap();
    match answer(&Question::Release(Box::new(job)), Some(&chart)) {
        Answer::Release(release) => *release,
        other => panic!("{other:?}"),
    }
}

fn layers(layers: Vec<Layer>) -> Result<Value, String> {
    let job = ValuesJob {
        artifact: String::new(),
        revision: String::new(),
        layers,
        kept: serde_json::from_value(json!({"kept": 1, "a": "old"})).unwrap(),
    };
    let chart = load(&archive(&[])).unwrap();
    match answer(&Question::Values(job), Some(&chart)) {
        Answer::Values(values) => {
            let facts = [&values.name, &values.version, &values.app_version];
            assert_eq!(facts, ["shop", "1.2.3", "7"]);
            Ok(Value::Object(values.values))
        }
        Answer::Refused(refusal) => Err(format!("{}: {}", refusal.reason, refusal.message)),
        other => panic!("{other:?}"),
    }
}

fn yaml(text: &str, is_secret: bool) -> Layer {
    Layer::Yaml {
        text: text.into(),
        origin: "it".into(),
        is_secret,
    }
}

fn one(path: &str, text: &str, literal: bool) -> Layer {
    Layer::One {
        path: path.into(),
        text: text.into(),
        literal,
        origin: "it".into(),
        is_secret: false,
    }
}

#[test]
fn later_values_win_and_keep_what_they_do_not_name() {
    for (given, expected) in [
        (vec![], json!({"kept": 1, "a": "old"})),
        (
            vec![
                yaml("a: {b: 1, c: 2}", false),
                Layer::Json(json!({"a": {"c": 3}})),
            ],
            json!({"kept": 1, "a": {"b": 1, "c": 3}}),
        ),
        (
            vec![one("c.b", "5", false)],
            json!({"kept": 1, "a": "old", "c": {"b": 5}}),
        ),
        (vec![one("a", "'5'", false)], json!({"kept": 1, "a": "5"})),
        (
            vec![one("a", "x=1,y", true)],
            json!({"kept": 1, "a": "x=1,y"}),
        ),
    ] {
        let shown = format!("{given:?}");
        assert_eq!(layers(given), Ok(expected), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_secret_is_not_told() {
    let broken = "password: [hunter2";
    let told = layers(vec![yaml(broken, false)]).unwrap_err();
    assert!(
        told.starts_with("ValuesError: could not resolve it: "),
        "{told}"
    );
    let told = layers(vec![yaml(broken, true)]).unwrap_err();
    assert_eq!(
        told,
        "ValuesError: could not resolve it: its text cannot be read as values"
    );
}

#[test]
fn what_is_rendered_is_marked_and_patched_as_its_strategy_says() {
    let chart = archive(&[("templates/a.yaml", OBJECTS), ("templates/hook.yaml", HOOK)]);
    let renderer = json!({"kustomize": {"images": [{"name": "web", "newTag": "2"}]}});
    let renderer: PostRenderer = serde_json::from_value(renderer).unwrap();
    for (strategy, hook_image, is_marked) in [
        (PostRenderStrategy::Combined, "web:2", true),
        (PostRenderStrategy::Separate, "web:2", true),
        (PostRenderStrategy::NoHooks, "web:1", false),
    ] {
        let post = PostRendering {
            renderers: vec![renderer.clone()],
            strategy,
            origin: [("origin".to_owned(), "it".to_owned())].into(),
            ..PostRendering::default()
        };
        let release = released(job(post, Vec::new()), &chart);
        let image = "/spec/template/spec/containers/0/image";
        let hook = &release.hooks[0].value;
        assert_eq!(
            hook.pointer(image),
            Some(&json!(hook_image)),
            "{strategy:?}"
        );
        let mark = hook.pointer("/metadata/labels/origin").is_some();
        assert_eq!(mark, is_marked, "{strategy:?}");
        let kinds: Vec<_> = release.objects.iter().map(|it| &it.value["kind"]).collect();
        assert_eq!(kinds, ["ConfigMap", "Deployment"], "hooks are apart");
        assert_eq!(release.objects[0].value["data"]["greeting"], "hi");
        assert_eq!(
            release.objects[1].value.pointer(image),
            Some(&json!("web:2"))
        );
        let manifest = &release.manifest;
        assert!(
            manifest.starts_with("---\n# Source: shop/templates/a.yaml\n"),
            "{manifest}"
        );
        assert!(!manifest.contains("postrender-filename"), "{manifest}");
        assert_eq!(release.chart["metadata"]["version"], "1.2.3");
    }
}

#[test]
fn fields_are_left_to_others_by_rule_and_by_marker() {
    let marked = "apiVersion: v1
kind: Service
metadata: {name: off, annotations: {helm.toolkit.fluxcd.io/driftDetection: disabled}}
";
    let chart = archive(&[("templates/a.yaml", OBJECTS), ("templates/b.yaml", marked)]);
    let rules = json!([
        {"paths": ["/spec/replicas"], "target": {"kind": "Deploy.*", "namespace": "team"}},
        {"paths": ["/data/image"], "target": {"kind": "ConfigMap", "namespace": "other"}},
    ]);
    let rules: Vec<IgnoreRule> = serde_json::from_value(rules).unwrap();
    let release = released(job(PostRendering::default(), rules.clone()), &chart);
    let ignored = |objects: &[super::ReadObject]| -> Vec<(Value, Vec<String>)> {
        let one = |it: &super::ReadObject| (it.value["kind"].clone(), it.ignored.clone());
        objects.iter().map(one).collect()
    };
    let expected = [
        (json!("ConfigMap"), vec![]),
        (json!("Service"), vec![String::new()]),
        (json!("Deployment"), vec!["/spec/replicas".to_owned()]),
    ];
    assert_eq!(ignored(&release.objects), expected);
    // The same is read from the record.
    let record = RecordJob {
        namespace: "team".into(),
        manifest: release.manifest,
        hooks: Vec::new(),
        ignore: rules,
    };
    match answer(&Question::Record(record), None) {
        Answer::Record(read) => assert_eq!(ignored(&read.objects), expected),
        other => panic!("{other:?}"),
    }
}

/// Without an answer the template does not come to its end: it takes for granted what it asks for.
#[test]
fn a_lookup_is_asked_for_and_then_used() {
    let template = "apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {b: '{{ (lookup \"v1\" \"Secret\" \"team\" \"s\").metadata.uid }}'}
";
    let chart = archive(&[("templates/a.yaml", template)]);
    let asked = released(job(PostRendering::default(), Vec::new()), &chart);
    let secret = Lookup {
        api_version: "v1".into(),
        kind: "Secret".into(),
        namespace: "team".into(),
        name: "s".into(),
    };
    assert_eq!(asked.wanted, std::slice::from_ref(&secret));
    assert!(asked.objects.is_empty());
    let told = ReleaseJob {
        found: vec![(secret, Some(json!({"metadata": {"uid": "u1"}})))],
        ..job(PostRendering::default(), Vec::new())
    };
    let release = released(told, &chart);
    assert!(release.wanted.is_empty());
    assert_eq!(release.objects[0].value["data"]["b"], "u1");
}
