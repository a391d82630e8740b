//! HelmRepositories and HelmCharts: when they are asked, what wakes them, and how their attempts end.

use fluvial_api::{HelmChart, HelmRepository};
use fluvial_event::{
    Artifact, ArtifactFetched, Command, CommandIssued, Event, FetchFailed, FinalizerSet, ObjectRef,
    PackedChart, ReleaseInspected, ResourceDeleted, ResourceObserved, SourceUnchanged, Validators,
    command,
};
use serde_json::{Value, json};

use crate::script::{Script, fetched as git_fetched, requested, source as git_source};

const HOUR_MS: i64 = 3_600_000;

fn named(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: "team".into(),
        name: name.into(),
    }
}

fn charts() -> ObjectRef {
    named("HelmRepository", "charts")
}

fn podinfo() -> ObjectRef {
    named("HelmChart", "podinfo")
}

fn observed(object: ObjectRef, generation: i64, spec: Vec<u8>) -> ResourceObserved {
    ResourceObserved {
        uid: format!("uid-{}", object.name),
        object: Some(object),
        generation,
        spec,
        finalizer: true,
        ..ResourceObserved::default()
    }
}

fn whole(object: &ObjectRef, spec: &Value) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": object.kind,
        "metadata": {"name": object.name, "namespace": object.namespace},
        "spec": spec,
    })
}

fn repository(generation: i64, spec: &Value) -> ResourceObserved {
    let read = HelmRepository::read(&whole(&charts(), spec)).unwrap().spec;
    observed(charts(), generation, serde_json::to_vec(&read).unwrap())
}

fn http() -> ResourceObserved {
    repository(1, &json!({"url": "https://charts", "interval": "1h"}))
}

fn registry() -> ResourceObserved {
    let spec = repository(1, &json!({"url": "oci://charts", "type": "oci"}));
    ResourceObserved {
        finalizer: false,
        ..spec
    }
}

#[expect(clippy::needless_pass_by_value, reason = "tests write it in place")]
fn chart(generation: i64, more: Value) -> ResourceObserved {
    let mut spec = json!({
        "chart": "podinfo", "version": "6.x", "interval": "1h",
        "sourceRef": {"kind": "HelmRepository", "name": "charts"},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let read = HelmChart::read(&whole(&podinfo(), &spec)).unwrap().spec;
    observed(podinfo(), generation, serde_json::to_vec(&read).unwrap())
}

fn index(revision: &str) -> Event {
    let fetched = ArtifactFetched {
        object: Some(charts()),
        generation: 1,
        artifact: Some(Artifact {
            revision: revision.into(),
            ..Artifact::default()
        }),
        validators: Some(Validators {
            etag: format!("etag-{revision}"),
            ..Validators::default()
        }),
        ..ArtifactFetched::default()
    };
    fetched.into()
}

fn pulled(generation: i64, version: &str) -> Event {
    let fetched = ArtifactFetched {
        object: Some(podinfo()),
        generation,
        artifact: Some(Artifact {
            revision: version.into(),
            digest: format!("sha256:{version}"),
            ..Artifact::default()
        }),
        chart: Some(PackedChart {
            name: "podinfo".into(),
            ..PackedChart::default()
        }),
        ..ArtifactFetched::default()
    };
    fetched.into()
}

fn unchanged(object: ObjectRef, revision: &str) -> Event {
    let unchanged = SourceUnchanged {
        object: Some(object),
        generation: 1,
        revision: revision.into(),
        validators: None,
    };
    unchanged.into()
}

fn failed(object: ObjectRef, reason: &str, terminal: bool) -> Event {
    let failed = FetchFailed {
        object: Some(object),
        generation: 1,
        reason: reason.into(),
        message: "no".into(),
        terminal,
    };
    failed.into()
}

/// The command that was decided last.
fn last_command(script: &Script) -> command::Kind {
    let issued = script.records.iter().rev().find_map(|record| {
        let Event::CommandIssued(CommandIssued {
            command: Some(Command { kind }),
        }) = &record.event
        else {
            return None;
        };
        kind.clone()
    });
    issued.unwrap()
}

fn concluded(script: &Script) -> (bool, String, String) {
    let ends = script.records.iter().rev().find_map(|record| {
        let Event::Concluded(end) = &record.event else {
            return None;
        };
        Some((end.ready, end.reason.clone(), end.message.clone()))
    });
    ends.unwrap()
}

/// A repository with an index, and a chart pulled from it.
fn ready() -> Script {
    let mut script = Script::new();
    script.tell(http().into());
    script.answer(&charts(), index("sha256:1"));
    script.tell(chart(1, json!({})).into());
    let said = script.answer(&podinfo(), pulled(1, "6.7.0"));
    assert_eq!(said, ["ready ChartPullSucceeded"]);
    script
}

/// The HelmRelease `web`, of the chart that others declare.
fn release_of_podinfo() -> (ObjectRef, ResourceObserved) {
    let web = ObjectRef {
        group: "helm.toolkit.fluxcd.io".into(),
        version: "v2".into(),
        kind: "HelmRelease".into(),
        ..named("", "web")
    };
    let spec = json!({"interval": "24h", "chartRef": {"kind": "HelmChart", "name": "podinfo"}});
    let observed = observed(web.clone(), 1, serde_json::to_vec(&spec).unwrap());
    (web, observed)
}

#[test]
fn a_new_chart_wakes_its_release() {
    let mut script = ready();
    let (web, declared) = release_of_podinfo();
    assert_eq!(script.tell(declared.into()), ["inspect"]);
    let deployed = json!({
        "apiVersion": "v2", "name": "web", "namespace": "team", "version": 1, "status": "deployed",
        "chartName": "podinfo", "chartVersion": "6.7.0", "configDigest": "c1",
    });
    let as_it_is = ReleaseInspected {
        object: Some(web.clone()),
        generation: 1,
        chart_name: "podinfo".into(),
        chart_version: "6.7.0".into(),
        config_digest: "c1".into(),
        stored: deployed.to_string(),
        ..ReleaseInspected::default()
    };
    assert_eq!(
        script.answer(&web, as_it_is.into()),
        ["ready UpgradeSucceeded"]
    );
    script.after(2 * HOUR_MS);
    script.answer(&charts(), index("sha256:2"));
    let said = script.answer(&podinfo(), pulled(1, "6.8.0"));
    assert_eq!(said, ["inspect", "ready ChartPullSucceeded"]);
    let command::Kind::InspectRelease(inspect) = last_command(&script) else {
        panic!("{:?}", last_command(&script))
    };
    assert_eq!(inspect.artifact.unwrap().revision, "6.8.0");
}

#[test]
fn an_index_is_asked_for_at_the_interval_with_what_the_server_said_of_it() {
    let mut script = Script::new();
    assert_eq!(script.tell(http().into()), ["fetch index"]);
    assert_eq!(
        script.answer(&charts(), index("sha256:1")),
        ["ready Succeeded"]
    );
    assert_eq!(concluded(&script).2, "stored artifact: revision 'sha256:1'");
    assert!(script.after(HOUR_MS / 2).is_empty());
    assert_eq!(script.after(HOUR_MS), ["fetch index"]);
    let command::Kind::FetchHelmRepository(fetch) = last_command(&script) else {
        panic!("{:?}", last_command(&script))
    };
    assert_eq!(fetch.observed, "sha256:1");
    assert_eq!(fetch.validators.unwrap().etag, "etag-sha256:1");
    let said = script.answer(&charts(), unchanged(charts(), "sha256:1"));
    assert_eq!(said, ["ready Succeeded"]);
}

#[test]
fn another_declaration_gets_a_whole_index() {
    let mut script = Script::new();
    script.tell(http().into());
    script.answer(&charts(), index("sha256:1"));
    let spec = json!({"url": "https://other", "interval": "1h"});
    assert_eq!(script.tell(repository(2, &spec).into()), ["fetch index"]);
    let command::Kind::FetchHelmRepository(fetch) = last_command(&script) else {
        panic!("{:?}", last_command(&script))
    };
    assert_eq!((fetch.observed.as_str(), fetch.validators), ("", None));
}

#[test]
fn a_failure_of_the_new_declaration_makes_the_old_artifact_no_answer_to_it() {
    let mut script = ready();
    let files = json!({"valuesFiles": ["prod.yaml"]});
    script.tell(chart(2, files).into());
    let failed = FetchFailed {
        object: Some(podinfo()),
        generation: 2,
        reason: "ChartPullError".into(),
        ..FetchFailed::default()
    };
    script.answer(&podinfo(), failed.into());
    assert_eq!(script.after(1000), ["fetch chart of sha256:1"]);
    let command::Kind::FetchHelmChart(fetch) = last_command(&script) else {
        panic!("{:?}", last_command(&script))
    };
    assert_eq!(
        (fetch.observed, fetch.chart),
        (None, None),
        "what generation 1 made is not what generation 2 asks for"
    );
}

#[test]
fn failures_are_tried_again_with_growing_pauses() {
    let mut script = Script::new();
    script.tell(http().into());
    let no = || failed(charts(), "Failed", false);
    assert_eq!(script.answer(&charts(), no()), ["failed Failed"]);
    assert!(script.after(749).is_empty());
    assert_eq!(script.after(2), ["fetch index"]);
    script.answer(&charts(), no());
    assert!(script.after(1499).is_empty());
    assert_eq!(script.after(2), ["fetch index"]);
}

#[test]
fn a_request_and_a_resumption_ask_at_once_and_a_suspension_never() {
    let mut script = Script::new();
    script.tell(http().into());
    script.answer(&charts(), index("sha256:1"));
    let asked = ResourceObserved {
        requested_at: "now".into(),
        ..http()
    };
    assert_eq!(script.tell(asked.into()), ["fetch index"]);
    script.answer(&charts(), unchanged(charts(), "sha256:1"));
    let spec = json!({"url": "https://charts", "interval": "1h", "suspend": true});
    assert_eq!(script.tell(repository(2, &spec).into()), ["wait Suspended"]);
    assert!(script.after(3 * HOUR_MS).is_empty());
    let spec = json!({"url": "https://charts", "interval": "1h"});
    assert_eq!(script.tell(repository(3, &spec).into()), ["fetch index"]);
}

#[test]
fn a_registry_is_left_alone() {
    let mut script = Script::new();
    assert!(script.tell(registry().into()).is_empty());
    assert!(script.after(HOUR_MS).is_empty());
    // One that was a web server before loses its finalizer, and goes when it is deleted.
    let was = ResourceObserved {
        finalizer: true,
        ..registry()
    };
    assert_eq!(script.tell(was.into()), ["finalizer off"]);
    let set = FinalizerSet {
        object: Some(charts()),
        present: false,
    };
    assert!(script.answer(&charts(), set.into()).is_empty());
}

#[test]
fn a_chart_waits_for_its_source_and_is_woken_by_it() {
    let mut script = Script::new();
    assert_eq!(
        script.tell(chart(1, json!({})).into()),
        ["wait SourceUnavailable"]
    );
    assert_eq!(
        script.tell(http().into()),
        ["wait NoSourceArtifact", "fetch index"]
    );
    let said = script.answer(&charts(), index("sha256:1"));
    assert_eq!(said, ["fetch chart of sha256:1", "ready Succeeded"]);
    let said = script.answer(&podinfo(), pulled(1, "6.7.0"));
    assert_eq!(said, ["ready ChartPullSucceeded"]);
    assert_eq!(
        concluded(&script).2,
        "pulled 'podinfo' chart with version '6.7.0'"
    );
}

#[test]
fn only_another_revision_of_its_source_is_news_to_a_chart() {
    let mut script = ready();
    assert!(
        !script
            .after(10 * HOUR_MS)
            .iter()
            .any(|said| said.contains("chart")),
        "the same index has the same charts"
    );
    let said = script.answer(&charts(), unchanged(charts(), "sha256:1"));
    assert_eq!(said, ["ready Succeeded"]);
    script.after(2 * HOUR_MS);
    let said = script.answer(&charts(), index("sha256:2"));
    assert_eq!(said, ["fetch chart of sha256:2", "ready Succeeded"]);
    let command::Kind::FetchHelmChart(fetch) = last_command(&script) else {
        panic!("{:?}", last_command(&script))
    };
    assert_eq!(fetch.observed.unwrap().revision, "6.7.0");
    assert_eq!(fetch.chart.unwrap().name, "podinfo");
    let said = script.answer(&podinfo(), unchanged(podinfo(), "6.7.0"));
    assert_eq!(said, ["ready ChartPullSucceeded"]);
}

#[test]
fn a_chart_that_is_not_there_waits_for_another_index() {
    let mut script = Script::new();
    script.tell(http().into());
    script.answer(&charts(), index("sha256:1"));
    script.tell(chart(1, json!({})).into());
    let no = failed(podinfo(), "InvalidChartReference", true);
    assert_eq!(
        script.answer(&podinfo(), no),
        ["stalled InvalidChartReference"]
    );
    script.after(2 * HOUR_MS);
    let said = script.answer(&charts(), index("sha256:2"));
    assert_eq!(said, ["fetch chart of sha256:2", "ready Succeeded"]);
}

#[test]
fn other_credentials_of_the_repository_are_news_to_a_chart() {
    let mut script = ready();
    let spec = json!({"url": "https://charts", "interval": "1h", "secretRef": {"name": "login"}});
    let said = script.tell(repository(2, &spec).into());
    assert_eq!(said, ["fetch chart of sha256:1", "fetch index"]);
}

#[test]
fn a_registry_is_asked_by_its_charts_at_their_interval() {
    let mut script = Script::new();
    script.tell(registry().into());
    assert_eq!(
        script.tell(chart(1, json!({})).into()),
        ["fetch chart of a registry"]
    );
    script.answer(&podinfo(), pulled(1, "6.7.0"));
    assert!(script.after(HOUR_MS / 2).is_empty());
    assert_eq!(script.after(HOUR_MS), ["fetch chart of a registry"]);
}

#[test]
fn a_chart_of_a_git_repository_follows_its_commits() {
    let mut script = Script::new();
    let from =
        json!({"chart": "./charts/app", "sourceRef": {"kind": "GitRepository", "name": "app"}});
    assert_eq!(script.tell(chart(1, from).into()), ["fetch chart of r1"]);
    script.answer(&podinfo(), pulled(1, "0.1.0"));
    script.tell(requested("now").into());
    let said = script.answer(&git_source(), git_fetched("r2"));
    assert_eq!(said, ["ready Succeeded", "fetch chart of r2"]);
}

#[test]
fn a_source_of_a_kind_that_nobody_reconciles_is_refused_once() {
    let mut script = Script::new();
    let bucket = observed(named("Bucket", "things"), 1, b"{}".to_vec());
    script.tell(bucket.into());
    let from = json!({"sourceRef": {"kind": "Bucket", "name": "things"}});
    assert_eq!(
        script.tell(chart(1, from).into()),
        ["stalled UnsupportedSourceKind"]
    );
    assert!(script.after(HOUR_MS).is_empty());
}

#[test]
fn a_chart_outlives_its_source_and_says_that_it_is_gone() {
    let mut script = ready();
    let gone = ResourceDeleted {
        object: Some(charts()),
        uid: "uid-charts".into(),
    };
    assert_eq!(script.tell(gone.into()), ["wait SourceUnavailable"]);
    assert_eq!(
        script
            .world
            .artifact_of(&podinfo().identity())
            .unwrap()
            .revision,
        "6.7.0",
        "who uses the chart goes on"
    );
    let deleting = ResourceObserved {
        deleting: true,
        ..chart(1, json!({}))
    };
    assert_eq!(script.tell(deleting.into()), ["finalizer off"]);
}

#[test]
fn what_is_merged_is_in_the_message() {
    let mut script = ready();
    script.tell(chart(2, json!({"valuesFiles": ["values.yaml", "prod.yaml"]})).into());
    let Event::ArtifactFetched(mut fetched) = pulled(2, "6.7.0+2") else {
        panic!("it is an artifact")
    };
    fetched.chart = Some(PackedChart {
        name: "podinfo".into(),
        values_files: vec!["values.yaml".into(), "prod.yaml".into()],
        packaged: true,
        ..PackedChart::default()
    });
    script.answer(&podinfo(), fetched.into());
    assert_eq!(
        concluded(&script),
        (
            true,
            "ChartPackageSucceeded".into(),
            "packaged 'podinfo' chart with version '6.7.0+2' and merged values files [values.yaml prod.yaml]"
                .into()
        )
    );
}
