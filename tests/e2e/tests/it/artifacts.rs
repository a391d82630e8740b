//! Artifacts of a real registry are applied and released, and followed.

use fluvial_e2e::{Scenario, Scene, condition, text};
use fluvial_support::{ChartRepository, Registry};
use serde_json::{Value, json};

use crate::releases::chart::chart_files;
use crate::releases::{history, states};

pub(crate) const SCENARIOS: &[Scenario] = &[
    (
        "an-artifact-of-a-registry-is-applied-and-followed",
        an_artifact_of_a_registry_is_applied_and_followed,
    ),
    (
        "a-chart-of-a-registry-is-released-and-followed",
        a_chart_of_a_registry_is_released_and_followed,
    ),
    (
        "what-cannot-be-verified-is-not-pulled",
        what_cannot_be_verified_is_not_pulled,
    ),
];

const COMMIT: &str = "6c959c51d1c6e1f8a6b6c5d2d39cf4ae3a1c7f11";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Pushes `app` with one ConfigMap that says `greeting`.
fn push(registry: &Registry, tag: &str, greeting: &str) -> String {
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  greeting: {greeting}\n"
    );
    let said = json!({
        "org.opencontainers.image.source": "https://host/org/app",
        "org.opencontainers.image.revision": format!("main@sha1:{COMMIT}"),
    });
    let files = [("deploy/app.yaml", map.as_str())];
    registry.push("manifests/app", tag, &files, &said).unwrap()
}

fn repository(registry: &Registry, path: &str, spec: &Value) -> Value {
    let mut all = json!({"url": registry.url(path), "interval": "1h", "insecure": true});
    for (field, value) in spec.as_object().unwrap() {
        all[field] = value.clone();
    }
    all
}

/// Waits until the OCIRepository has this revision.
fn pulled(scene: &Scene<'_>, name: &str, revision: &str) -> Value {
    scene.until("OCIRepository", name, revision, |it| {
        text(it, "/status/artifact/revision") == revision
            && text(condition(it, "Ready"), "/status") == "True"
    })
}

fn an_artifact_of_a_registry_is_applied_and_followed(scene: &Scene<'_>) {
    let registry = Registry::start().unwrap();
    let first = push(&registry, "1.0.0", "one");
    let newest = json!({"ref": {"semver": "1.x"}});
    let spec = repository(&registry, "manifests/app", &newest);
    scene.declare("OCIRepository", "app", &spec);
    let source = json!({"kind": "OCIRepository", "name": "app"});
    let app = json!({"sourceRef": source, "path": "./deploy", "targetNamespace": scene.namespace});
    scene.kustomization("app", app);
    let applied = scene.ready("Kustomization", "app");
    let revision = format!("1.0.0@{first}");
    assert_eq!(text(&applied, "/status/lastAppliedRevision"), revision);
    assert_eq!(
        text(&scene.get("ConfigMap", "app"), "/data/greeting"),
        "one"
    );
    let seen = pulled(scene, "app", &revision);
    assert_eq!(
        text(condition(&seen, "Ready"), "/message"),
        format!("stored artifact for digest '{revision}'")
    );
    let made_of = "/status/artifact/metadata/org.opencontainers.image.revision";
    assert_eq!(text(&seen, made_of), format!("main@sha1:{COMMIT}"));

    let second = push(&registry, "1.1.0", "two");
    push(&registry, "2.0.0", "out of the range");
    scene.request("OCIRepository", "app");
    let revision = format!("1.1.0@{second}");
    scene.until("Kustomization", "app", "the newer tag", |it| {
        text(it, "/status/lastAppliedRevision") == revision
    });
    assert_eq!(
        text(&scene.get("ConfigMap", "app"), "/data/greeting"),
        "two"
    );

    let table = scene.cli(&["get", "sources", "oci"]).unwrap();
    assert!(table.contains("1.1.0@sha256:"), "{table}");
    let why = ["why", "configmap/app", "-n", &scene.namespace];
    let why = scene.stage.engine.of_data(&why).unwrap();
    assert!(why.contains("of commit 6c959c51"), "{why}");
    scene.cli(&["suspend", "source", "oci", "app"]).unwrap();
    let refused = scene
        .cli(&["reconcile", "source", "oci", "app"])
        .unwrap_err();
    assert!(refused.to_string().contains("it is suspended"), "{refused}");
    scene.cli(&["resume", "source", "oci", "app"]).unwrap();
    let whole = ["reconcile", "kustomization", "app", "--with-source"];
    scene.cli(&whole).unwrap();
}

fn a_chart_of_a_registry_is_released_and_followed(scene: &Scene<'_>) {
    let (charts, registry) = (
        ChartRepository::start().unwrap(),
        Registry::start().unwrap(),
    );
    let push = |version: &str| {
        let packed = charts.publish(&chart_files(version)).unwrap();
        registry.push_chart(&packed, "charts").unwrap();
    };
    push("1.0.0");
    let layer = json!({"mediaType": CHART, "operation": "copy"});
    let newest = json!({"ref": {"semver": "*"}, "layerSelector": layer});
    let spec = repository(&registry, "charts/shop", &newest);
    scene.declare("OCIRepository", "shop", &spec);
    let reference = json!({"kind": "OCIRepository", "name": "shop"});
    let reference = json!({"interval": "1h", "timeout": "1m", "chartRef": reference});
    scene.declare("HelmRelease", "shop", &reference);
    released(scene, "1.0.0");
    assert_eq!(states(&history(scene, "shop")), [(1, "deployed")]);
    push("1.1.0");
    scene.request("OCIRepository", "shop");
    released(scene, "1.1.0");
    assert_eq!(
        states(&history(scene, "shop")),
        [(1, "superseded"), (2, "deployed")]
    );
}

/// Waits until this version of the chart is released, and asserts that the release names its digest, as
/// helm-controller does: a tag that is moved is another version.
fn released(scene: &Scene<'_>, version: &str) {
    let seen = scene.until("HelmRelease", "shop", version, |it| {
        text(condition(it, "Ready"), "/status") == "True"
            && text(it, "/status/history/0/chartVersion").starts_with(version)
    });
    let revision = scene.get("OCIRepository", "shop");
    let revision = text(&revision, "/status/artifact/revision");
    let (_, digest) = revision.split_once('@').unwrap();
    let digits = &digest["sha256:".len()..][..12];
    let expected = format!("{version}+{digits}");
    assert_eq!(text(&seen, "/status/history/0/chartVersion"), expected);
    assert_eq!(text(&seen, "/status/history/0/ociDigest"), digest);
    assert_eq!(text(&seen, "/status/lastAttemptedRevision"), expected);
    assert_eq!(text(&seen, "/status/lastAttemptedRevisionDigest"), digest);
}

fn what_cannot_be_verified_is_not_pulled(scene: &Scene<'_>) {
    let registry = Registry::start().unwrap();
    push(&registry, "latest", "unsigned");
    let keys = json!({"provider": "cosign", "secretRef": {"name": "keys"}});
    let spec = repository(&registry, "manifests/app", &json!({"verify": keys}));
    scene.declare("OCIRepository", "app", &spec);
    let seen = scene.until("OCIRepository", "app", "a refusal", |it| {
        text(condition(it, "SourceVerified"), "/status") == "False"
    });
    let ready = condition(&seen, "Ready");
    assert_eq!(text(ready, "/status"), "False", "{seen}");
    assert!(
        text(ready, "/message").contains("spec.verify is not supported"),
        "{seen}"
    );
    assert!(seen.pointer("/status/artifact").is_none(), "{seen}");
    // Who takes it unverified says so.
    let patch = json!({"spec": {"verify": null}});
    scene.patch("OCIRepository", "app", &patch);
    scene.ready("OCIRepository", "app");
}
