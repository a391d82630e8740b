//! The whole life of a release, of the chart of these tests and of large charts that others wrote: an install
//! that fails and is taken back, an install, an upgrade, a failing hook and its rollback, a Service that somebody
//! deletes, the end. After each step the real helm is asked whether it sees the same.

use std::collections::BTreeSet;
use std::time::Instant;

use fluvial_e2e::{Leading, PATIENCE, Scenario, Scene, Stage, condition, play, text};
use fluvial_support::{ChartRepository, wait};
use serde_json::{Value, json};

use super::chart::chart_files_of_no_release;
use super::{helm, history, states};
use crate::real::conformance;

/// A chart, and what its life needs to be told.
struct Chart {
    /// Where it is among the cases of conformance; nowhere for that of these tests.
    directory: &'static str,
    /// Values for its first release.
    first: fn() -> Value,
    /// Values for the second, over the first.
    second: fn() -> Value,
    /// The kind of what fails in the third: the hooks of the chart, where it has some before upgrades.
    failing: &'static str,
    /// A Service of it, but for the release's name in front.
    service: &'static str,
}

const OURS: Chart = Chart {
    directory: "",
    first: || json!({"greeting": "one"}),
    second: || json!({"greeting": "two", "replicas": 2}),
    failing: "Job",
    service: "it",
};

const PODINFO: Chart = Chart {
    directory: "podinfo/charts/podinfo",
    first: || json!({"ui": {"message": "one"}, "hooks": {"preUpgrade": {"job": {"enabled": true}}}}),
    second: || json!({"ui": {"message": "two"}, "replicaCount": 2}),
    failing: "Job",
    service: "it-podinfo",
};

const INGRESS_NGINX: Chart = Chart {
    directory: "ingress-nginx/charts/ingress-nginx",
    first: || json!({"controller": {"config": {"use-gzip": "true"}}}),
    second: || json!({"controller": {"replicaCount": 2, "config": {"use-gzip": "false"}}}),
    failing: "Job",
    service: "it-ingress-nginx-controller",
};

/// Its hooks run after an install only, so that its upgrade fails by its health.
const CERT_MANAGER: Chart = Chart {
    directory: "cert-manager/deploy/charts/cert-manager",
    first: || json!({"crds": {"enabled": true}}),
    second: || json!({"replicaCount": 2, "webhook": {"timeoutSeconds": 5}}),
    failing: "Deployment",
    service: "it-cert-manager",
};

/// Its hooks run before a rollback, too, and its definitions stay.
const VELERO: Chart = Chart {
    directory: "velero/charts/velero",
    first: || {
        json!({
            "configuration": {
                "backupStorageLocation": [{"name": "default", "provider": "aws", "bucket": "backups"}],
                "volumeSnapshotLocation": [{"name": "default", "provider": "aws"}],
            },
        })
    },
    second: || json!({"metrics": {"enabled": true}, "podAnnotations": {"release": "two"}}),
    failing: "Job",
    service: "it-velero",
};

const SCENARIOS: &[Scenario] = &[
    ("ours", |scene| lives(scene, &OURS)),
    ("podinfo", |scene| lives(scene, &PODINFO)),
    ("ingress-nginx", |scene| lives(scene, &INGRESS_NGINX)),
    ("cert-manager", |scene| lives(scene, &CERT_MANAGER)),
    ("velero", |scene| lives(scene, &VELERO)),
];

pub(crate) fn all() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let played = if conformance().is_some() {
        SCENARIOS
    } else {
        println!(
            "NOT RUN: {} charts of others, which are not in ../shared/conformance; FLUVIAL_CONFORMANCE says where else",
            SCENARIOS.len() - 1
        );
        &SCENARIOS[..1]
    };
    play(&stage, played);
    crate::recovery::the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}

/// The release is named `it` in each.
const NAME: &str = "it";

fn lives(scene: &Scene<'_>, chart: &Chart) {
    let charts = ChartRepository::start().unwrap();
    let packed = published(&charts, chart);
    fails_and_is_uninstalled(scene, chart, &charts);
    let mut life = Life {
        scene,
        packed,
        values: (chart.first)(),
    };
    life.declare(&json!({"postRenderers": null, "values": life.values}));
    life.deployed("InstallSucceeded", &[(1, "deployed")]);
    merge(&mut life.values, (chart.second)());
    life.declare(&json!({"values": life.values}));
    life.deployed("UpgradeSucceeded", &[(1, "superseded"), (2, "deployed")]);
    life.fails_and_is_rolled_back(chart);
    life.service_comes_back(chart);
    life.ends();
}

fn published(charts: &ChartRepository, chart: &Chart) -> String {
    let packed = if chart.directory.is_empty() {
        charts.publish(&chart_files_of_no_release("1.0.0"))
    } else {
        let open = conformance().expect("it was there before");
        charts.publish_directory(&open.join(chart.directory), "1.0.0")
    };
    packed.unwrap().display().to_string()
}

/// What makes everything of a kind fail soon: its Pods stay pending.
fn stuck(kind: &str) -> Value {
    let (version, deadline) = match kind {
        "Job" => ("batch/v1", "activeDeadlineSeconds"),
        _ => ("apps/v1", "progressDeadlineSeconds"),
    };
    let patch = json!({
        "apiVersion": version, "kind": kind, "metadata": {"name": "any"},
        "spec": {deadline: 1, "template": {"metadata": {"labels": {"fluvial.dev/pod": "pending"}}}},
    });
    json!([{"kustomize": {"patches": [{"target": {"kind": kind}, "patch": patch.to_string()}]}}])
}

/// The first install fails by its health, and leaves nothing.
fn fails_and_is_uninstalled(scene: &Scene<'_>, chart: &Chart, charts: &ChartRepository) {
    let url = json!({"url": charts.url(), "interval": "1h"});
    scene.declare("HelmRepository", "charts", &url);
    let name = match chart.directory {
        "" => "shop",
        directory => directory.rsplit('/').next().unwrap_or_default(),
    };
    let remediation = json!({"remediation": {"remediateLastFailure": true}});
    let spec = json!({
        "interval": "1h",
        "timeout": "2m",
        "chart": {"spec": {"chart": name, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
        "install": remediation,
        "upgrade": remediation,
        "driftDetection": {"mode": "enabled"},
        "values": (chart.first)(),
        "postRenderers": stuck("Deployment"),
    });
    scene.declare("HelmRelease", NAME, &spec);
    let seen = scene.until("HelmRelease", NAME, "an uninstall", |it| {
        text(condition(it, "Remediated"), "/reason") == "UninstallSucceeded"
            && text(condition(it, "Stalled"), "/reason") == "RetriesExceeded"
    });
    let released = condition(&seen, "Released");
    assert_eq!(
        text(released, "/reason"),
        "InstallFailed",
        "{}",
        seen["status"]
    );
    assert_eq!(helm(scene, &["list"]), json!([]));
    let services = scene.stage.cluster.list("Service", &scene.namespace);
    assert_eq!(services.unwrap(), Vec::<Value>::new());
}

struct Life<'a> {
    scene: &'a Scene<'a>,
    /// The archive of the chart.
    packed: String,
    /// The values that are to be released.
    values: Value,
}

impl Life<'_> {
    fn declare(&self, spec: &Value) {
        self.scene
            .patch("HelmRelease", NAME, &json!({"spec": spec}));
    }

    /// Waits until the release is as it is to be, and asks helm whether it is.
    fn deployed(&self, reason: &str, expected: &[(i64, &str)]) {
        let scene = self.scene;
        let seen = scene.until("HelmRelease", NAME, reason, |it| {
            let ready = condition(it, "Ready");
            text(ready, "/status") == "True" && text(ready, "/reason") == reason
        });
        let status = &seen["status"];
        assert_eq!(status["failures"], Value::Null, "{status}");
        self.agrees(expected);
    }

    /// Asserts that helm sees these revisions, the values, and what it would render of them itself.
    fn agrees(&self, expected: &[(i64, &str)]) {
        let scene = self.scene;
        assert_eq!(states(&history(scene, NAME)), expected);
        let listed = helm(scene, &["list"]);
        let revision = expected.last().unwrap().0.to_string();
        assert_eq!(listed[0]["name"], NAME, "{listed}");
        assert_eq!(listed[0]["status"], "deployed", "{listed}");
        assert_eq!(listed[0]["revision"], revision, "{listed}");
        let status = helm(scene, &["status", NAME]);
        assert_eq!(status["info"]["status"], "deployed", "{status}");
        assert_eq!(helm(scene, &["get", "values", NAME]), self.values);
        let released = self.released();
        for (ours, theirs) in released.iter().zip(self.rendered(released.len())) {
            assert_eq!(*ours, theirs);
        }
    }

    /// The objects of the release, as `helm get manifest` prints them, without the labels of Flux.
    fn released(&self) -> Vec<Value> {
        let mut objects = documents(&self.manifest());
        for object in &mut objects {
            let labels = &mut object["metadata"]["labels"];
            let Some(all) = labels.as_object_mut() else {
                panic!("{object} does not say whose it is");
            };
            for key in ["name", "namespace"] {
                let origin = all.remove(&format!("helm.toolkit.fluxcd.io/{key}"));
                assert!(origin.is_some(), "{object}");
            }
            if labels.as_object().is_some_and(serde_json::Map::is_empty) {
                object["metadata"].as_object_mut().unwrap().remove("labels");
            }
        }
        sorted(objects)
    }

    fn manifest(&self) -> String {
        let args = ["get", "manifest", NAME, "-n", &self.scene.namespace];
        self.scene.stage.plane.helm(&args).unwrap()
    }

    /// The objects that helm renders of the same chart and values for the same cluster.
    fn rendered(&self, count: usize) -> Vec<Value> {
        let directory = tempfile::tempdir().unwrap();
        let values = directory.path().join("values.json");
        std::fs::write(&values, self.values.to_string()).unwrap();
        let values = values.display().to_string();
        let namespace = &self.scene.namespace;
        let args = [
            "template",
            NAME,
            &self.packed,
            "-n",
            namespace,
            "-f",
            &values,
            "--no-hooks",
            "--dry-run=server",
        ];
        let is_upgrade = history(self.scene, NAME).len() > 1;
        let upgrade: &[&str] = if is_upgrade { &["--is-upgrade"] } else { &[] };
        let printed = self.scene.stage.plane.helm(&[&args, upgrade].concat());
        let rendered = sorted(documents(&printed.unwrap()));
        assert_eq!(rendered.len(), count);
        rendered
    }

    fn fails_and_is_rolled_back(&self, chart: &Chart) {
        let scene = self.scene;
        self.declare(&json!({"postRenderers": stuck(chart.failing)}));
        let seen = scene.until("HelmRelease", NAME, "a rollback", |it| {
            text(condition(it, "Remediated"), "/reason") == "RollbackSucceeded"
                && text(condition(it, "Stalled"), "/status") == "True"
        });
        let released = condition(&seen, "Released");
        assert_eq!(
            text(released, "/reason"),
            "UpgradeFailed",
            "{}",
            seen["status"]
        );
        let why = if chart.failing == "Job" {
            "pre-upgrade hooks failed"
        } else {
            "Deployment"
        };
        assert!(
            text(released, "/message").contains(why),
            "{}",
            seen["status"]
        );
        let rolled_back = [
            (1, "superseded"),
            (2, "superseded"),
            (3, "failed"),
            (4, "deployed"),
        ];
        self.agrees(&rolled_back);
        // What was rolled back to is what is declared again: there is nothing to upgrade.
        self.declare(&json!({"postRenderers": null}));
        self.deployed("UpgradeSucceeded", &rolled_back);
    }

    /// How long that takes is printed, and no test of it: a busy machine is no fault.
    fn service_comes_back(&self, chart: &Chart) {
        let scene = self.scene;
        let service = chart.service;
        let before = text(&scene.get("Service", service), "/metadata/uid").to_owned();
        let start = Instant::now();
        scene.delete("Service", service);
        while scene
            .find("Service", service)
            .is_none_or(|it| text(&it, "/metadata/uid") == before)
        {
            assert!(start.elapsed() < PATIENCE, "{service} does not come back");
        }
        let took = start.elapsed().as_millis();
        println!(
            "       {}: the Service was back after {took} ms",
            scene.namespace
        );
    }

    /// When the HelmRelease is gone so is everything of its release, but for what its chart says to keep.
    fn ends(&self) {
        let scene = self.scene;
        let objects = documents(&self.manifest());
        let (kept, gone): (Vec<_>, Vec<_>) = objects
            .iter()
            .partition(|it| text(it, "/metadata/annotations/helm.sh~1resource-policy") == "keep");
        scene.delete("HelmRelease", NAME);
        scene.gone("HelmRelease", NAME);
        assert_eq!(
            self.found(&gone),
            BTreeSet::new(),
            "of the release that went"
        );
        let all: BTreeSet<_> = kept
            .iter()
            .map(|it| text(it, "/metadata/name").to_owned())
            .collect();
        assert_eq!(self.found(&kept), all, "of what is to be kept");
        assert_eq!(helm(scene, &["list"]), json!([]));
        let secrets = scene
            .stage
            .cluster
            .list("Secret", &scene.namespace)
            .unwrap();
        let is_record = |it: &&Value| text(it, "/type") == "helm.sh/release.v1";
        assert_eq!(secrets.iter().find(is_record), None);
        wait("the HelmChart to go", PATIENCE, || {
            let charts = scene.stage.cluster.list("HelmChart", &scene.namespace);
            if charts.is_ok_and(|all| all.is_empty()) {
                Ok(())
            } else {
                Err("it is there".to_owned())
            }
        });
    }

    /// The names of those that the cluster has.
    fn found(&self, objects: &[&Value]) -> BTreeSet<String> {
        if objects.is_empty() {
            return BTreeSet::new();
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let args = [
            "get",
            "-f",
            "-",
            "--ignore-not-found",
            "-n",
            &self.scene.namespace,
            "-o",
        ];
        let columns = r#"jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}{.metadata.name}"#;
        let plane = &self.scene.stage.plane;
        let printed = plane.kubectl_with(&[&args[..], &[columns]].concat(), &list.to_string());
        printed
            .unwrap()
            .lines()
            .map(str::to_owned)
            .filter(|it| !it.is_empty())
            .collect()
    }
}

fn documents(yaml: &str) -> Vec<Value> {
    let documents = fluvial_manifest::yaml::documents(yaml).unwrap();
    let mut documents: Vec<_> = documents.into_iter().filter(|it| !it.is_null()).collect();
    documents.iter_mut().for_each(settle);
    documents
}

/// A field that is null is not there, for Kubernetes and for what is done after rendering. Nor is a line's end
/// behind the last text of a file: helm adds one where nothing is done after rendering.
fn settle(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(settle);
        }
        Value::Array(all) => all.iter_mut().for_each(settle),
        Value::String(text) => text.truncate(text.trim_end_matches('\n').len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|it| {
        let name = |pointer: &str| text(it, pointer).to_owned();
        [
            name("/apiVersion"),
            name("/kind"),
            name("/metadata/namespace"),
            name("/metadata/name"),
        ]
    });
    objects
}

/// Merges values as helm does.
fn merge(into: &mut Value, more: Value) {
    match more {
        Value::Object(more) if into.is_object() => {
            for (key, value) in more {
                merge(&mut into[&key], value);
            }
        }
        more => *into = more,
    }
}
