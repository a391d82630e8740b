//! HelmRepositories and HelmCharts: their statuses and notices, in source-controller's words.

use expect_test::expect;
use fluvial_api::{HelmChart, HelmRepository};
use fluvial_event::{
    Artifact, ArtifactFetched, ChartSource, Concluded, FetchHelmChart, FetchHelmRepository,
    ObjectRef, PackedChart, ResourceObserved, Validators, Waited, command,
};
use fluvial_view::Projection;
use fluvial_view::notice::Notices;
use serde_json::{Value, json};

use crate::check;
use crate::story::{Told, declared, issued, observed, source};

fn charts() -> ObjectRef {
    ObjectRef {
        kind: "HelmRepository".into(),
        name: "charts".into(),
        ..source()
    }
}

fn podinfo() -> ObjectRef {
    ObjectRef {
        kind: "HelmChart".into(),
        name: "podinfo".into(),
        ..source()
    }
}

fn repository(spec: &Value) -> ResourceObserved {
    let read = HelmRepository::read(&declared(&charts(), spec)).unwrap();
    observed(
        charts(),
        1,
        serde_json::to_vec(&read.spec.recorded()).unwrap(),
    )
}

fn chart(spec: &Value) -> ResourceObserved {
    let read = HelmChart::read(&declared(&podinfo(), spec)).unwrap();
    observed(podinfo(), 1, serde_json::to_vec(&read.spec).unwrap())
}

fn index() -> Artifact {
    Artifact {
        revision: "sha256:1234".into(),
        digest: "sha256:5678".into(),
        bytes: 29_400,
        ..Artifact::default()
    }
}

fn ended(object: ObjectRef, ready: bool, reason: &str, message: &str) -> Concluded {
    Concluded {
        object: Some(object),
        generation: 1,
        ready,
        stalled: !ready,
        reason: reason.into(),
        message: message.into(),
        requested_at: "now".into(),
        ..Concluded::default()
    }
}

fn indexed() -> Told {
    let fetch = FetchHelmRepository {
        object: Some(charts()),
        generation: 1,
        ..FetchHelmRepository::default()
    };
    let fetched = ArtifactFetched {
        object: Some(charts()),
        generation: 1,
        artifact: Some(index()),
        validators: Some(Validators::default()),
        ..ArtifactFetched::default()
    };
    let message = "stored artifact: revision 'sha256:1234'";
    Told::new()
        .then(repository(&json!({"url": "https://me:s3cr3t@host/charts"})))
        .then(issued(command::Kind::FetchHelmRepository(Box::new(fetch))))
        .then(fetched)
        .then(ended(charts(), true, "Succeeded", message))
}

fn pulled() -> Told {
    let spec = json!({
        "chart": "podinfo", "interval": "1m", "ignoreMissingValuesFiles": true,
        "valuesFiles": ["values.yaml", "prod.yaml"],
        "sourceRef": {"kind": "HelmRepository", "name": "charts"},
    });
    let fetch = FetchHelmChart {
        object: Some(podinfo()),
        generation: 1,
        source: Some(ChartSource {
            object: Some(charts()),
            artifact: Some(index()),
            ..ChartSource::default()
        }),
        ..FetchHelmChart::default()
    };
    let fetched = ArtifactFetched {
        object: Some(podinfo()),
        generation: 1,
        artifact: Some(Artifact {
            revision: "6.7.0+1".into(),
            digest: "sha256:9abc".into(),
            bytes: 512,
            ..Artifact::default()
        }),
        chart: Some(PackedChart {
            name: "podinfo".into(),
            values_files: vec!["values.yaml".into()],
            packaged: true,
            ..PackedChart::default()
        }),
        ..ArtifactFetched::default()
    };
    let message =
        "packaged 'podinfo' chart with version '6.7.0+1' and merged values files [values.yaml]";
    indexed()
        .then(chart(&spec))
        .then(issued(command::Kind::FetchHelmChart(Box::new(fetch))))
        .then(fetched)
        .then(ended(podinfo(), true, "ChartPackageSucceeded", message))
}

#[test]
fn a_repository_says_which_index_it_has() {
    check(
        &indexed(),
        &charts(),
        &expect![[r#"
        Ready=True Succeeded: stored artifact: revision 'sha256:1234' (10:16:03Z)
        ArtifactInStorage=True Succeeded: stored artifact: revision 'sha256:1234' (10:16:03Z)
        artifact: {"digest":"sha256:5678","lastUpdateTime":"2026-11-23T10:16:02Z","path":"helmrepository/apps/charts/index-1234.yaml","revision":"sha256:1234","size":29400,"url":"http://host/helmrepository/apps/charts/index-1234.yaml"}
        lastHandledReconcileAt: "now"
        observedGeneration: 1
        url: "http://host/helmrepository/apps/charts/index.yaml"
    "#]],
    );
}

#[test]
fn a_chart_says_what_was_packed_and_from_what() {
    check(
        &pulled(),
        &podinfo(),
        &expect![[r#"
        Ready=True ChartPackageSucceeded: packaged 'podinfo' chart with version '6.7.0+1' and merged values files [values.yaml] (10:16:07Z)
        ArtifactInStorage=True ChartPackageSucceeded: packaged 'podinfo' chart with version '6.7.0+1' and merged values files [values.yaml] (10:16:07Z)
        artifact: {"digest":"sha256:9abc","lastUpdateTime":"2026-11-23T10:16:06Z","path":"helmchart/apps/podinfo/podinfo-6.7.0+1.tgz","revision":"6.7.0+1","size":512,"url":"http://host/helmchart/apps/podinfo/podinfo-6.7.0+1.tgz"}
        lastHandledReconcileAt: "now"
        observedChartName: "podinfo"
        observedGeneration: 1
        observedSourceArtifactRevision: "sha256:1234"
        observedValuesFiles: ["values.yaml"]
        url: "http://host/helmchart/apps/podinfo/latest.tar.gz"
    "#]],
    );
}

#[test]
fn what_cannot_be_built_is_told_from_what_cannot_be_fetched() {
    for (reason, aspect) in [
        ("ChartPullError", "FetchFailed"),
        ("InvalidChartReference", "FetchFailed"),
        ("AuthenticationFailed", "FetchFailed"),
        ("ValuesFilesError", "BuildFailed"),
        ("DependencyBuildError", "BuildFailed"),
        ("ChartPackageError", "BuildFailed"),
        ("MetadataPatchError", "BuildFailed"),
        ("ChartVerificationError", "BuildFailed"),
    ] {
        let told = pulled().then(ended(podinfo(), false, reason, "no"));
        let status = crate::statuses(&told).get(&podinfo()).unwrap().value;
        let conditions = status["conditions"].as_array().unwrap();
        let failed: Vec<_> = conditions
            .iter()
            .filter_map(|it| it["type"].as_str())
            .filter(|it| it.ends_with("Failed"))
            .collect();
        assert_eq!(failed, [aspect], "{reason}");
        assert!(
            status["artifact"]["revision"] == "6.7.0+1",
            "it keeps its artifact"
        );
    }
}

#[test]
fn an_unverified_chart_says_that_its_source_is_not_verified() {
    let told = pulled().then(ended(podinfo(), false, "ChartVerificationError", "no"));
    check(
        &told,
        &podinfo(),
        &expect![[r#"
        Ready=False ChartVerificationError: no (10:16:08Z)
        Stalled=True ChartVerificationError: no (10:16:08Z)
        ArtifactInStorage=True ChartPackageSucceeded: packaged 'podinfo' chart with version '6.7.0+1' and merged values files [values.yaml] (10:16:07Z)
        BuildFailed=True ChartVerificationError: no (10:16:08Z)
        SourceVerified=False VerificationError: no (10:16:08Z)
        artifact: {"digest":"sha256:9abc","lastUpdateTime":"2026-11-23T10:16:06Z","path":"helmchart/apps/podinfo/podinfo-6.7.0+1.tgz","revision":"6.7.0+1","size":512,"url":"http://host/helmchart/apps/podinfo/podinfo-6.7.0+1.tgz"}
        lastHandledReconcileAt: "now"
        observedChartName: "podinfo"
        observedGeneration: 1
        observedSourceArtifactRevision: "sha256:1234"
        observedValuesFiles: ["values.yaml"]
        url: "http://host/helmchart/apps/podinfo/latest.tar.gz"
    "#]],
    );
}

#[test]
fn a_chart_without_a_source_says_what_it_waits_for() {
    let waited = Waited {
        object: Some(podinfo()),
        reason: "NoSourceArtifact".into(),
        message: "no artifact available for HelmRepository source 'charts'".into(),
    };
    let spec = json!({
        "chart": "podinfo", "interval": "1m",
        "sourceRef": {"kind": "HelmRepository", "name": "charts"},
    });
    let told = Told::new().then(chart(&spec)).then(waited);
    check(
        &told,
        &podinfo(),
        &expect![[r#"
        Ready=False NoSourceArtifact: no artifact available for HelmRepository source 'charts' (10:16:01Z)
        FetchFailed=True NoSourceArtifact: no artifact available for HelmRepository source 'charts' (10:16:01Z)
    "#]],
    );
}

#[test]
fn nothing_is_said_of_a_registry() {
    let spec = json!({"url": "oci://host/charts", "type": "oci"});
    let told = Told::new().then(repository(&spec));
    check(
        &told,
        &charts(),
        &expect![[r#"
        nothing
    "#]],
    );
}

#[test]
fn a_new_index_and_a_new_chart_are_news_once() {
    let told = pulled()
        .then(ended(charts(), true, "Succeeded", "the same"))
        .then(ended(podinfo(), true, "ChartPackageSucceeded", "the same"));
    let mut notices = Notices::default();
    let mut said = Vec::new();
    for record in &told.records {
        notices.apply(record);
        said.extend(
            notices
                .latest()
                .map(|it| format!("{}: {}", it.reason, it.message)),
        );
    }
    assert_eq!(
        said,
        [
            "NewArtifact: stored fetched index of size 29.4kB from 'https://***@host/charts'",
            "ChartPackageSucceeded: packaged 'podinfo' chart with version '6.7.0+1' and merged values files \
             [values.yaml]",
        ]
    );
}
