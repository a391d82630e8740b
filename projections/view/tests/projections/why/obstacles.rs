//! Stories of what stands in the way, and what `why` says of them.

use expect_test::expect;
use fluvial_event::{Action, Concluded, FetchFailed, Health, ObjectRef, ResourceObserved};
use serde_json::json;

use super::{
    app_with, applied, begun, check, commit, deployed, object, order, rendered, seen, suspended,
    web,
};
use crate::story::{
    Told, app, app_failed, app_observed, fetch, source, source_concluded, source_observed, waited,
};

#[test]
fn a_suspension_is_named_with_who_and_since_when() {
    let told = suspended(
        suspended(deployed(), "manager:kubectl-patch"),
        "manager:other",
    );
    check(
        &told,
        &web(),
        &expect![[r#"
        Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; nothing newer comes: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          Suspended: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          12 ResourceObserved, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app is at commit a1 by Jane <jane@example.org> 'Change a1', applied at 2026-11-23T10:16:10.000Z (offset 11); Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          Suspended: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          14 ResourceObserved, 12 ResourceObserved, 11 Concluded, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn a_source_that_fails_is_named_with_its_error_and_since_when() {
    let failed = || FetchFailed {
        object: Some(source()),
        reason: "GitOperationFailed".into(),
        message: "no route to host".into(),
        ..FetchFailed::default()
    };
    let conclude = || {
        source_concluded(
            false,
            "GitOperationFailed",
            "no route to host",
            "main@sha1:a1",
        )
    };
    let told = deployed()
        .so(fetch(1))
        .so(failed())
        .so(conclude())
        .so(fetch(1))
        .so(failed())
        .so(conclude());
    check(
        &told,
        &web(),
        &expect![[r#"
        Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; nothing newer comes: GitRepository/apps/shop fails since 2026-11-23T10:16:13.000Z (offset 14): GitOperationFailed: no route to host
          GitOperationFailed: GitRepository/apps/shop fails since 2026-11-23T10:16:13.000Z (offset 14): GitOperationFailed: no route to host
          14 Concluded, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
    check(
        &told,
        &source(),
        &expect![[r#"
        NotReady: GitRepository/apps/shop is at commit a1 by Jane <jane@example.org> 'Change a1', fetched at 2026-11-23T10:16:04.000Z (offset 5); GitRepository/apps/shop fails since 2026-11-23T10:16:13.000Z (offset 14): GitOperationFailed: no route to host
          GitOperationFailed: GitRepository/apps/shop fails since 2026-11-23T10:16:13.000Z (offset 14): GitOperationFailed: no route to host
          14 Concluded, 5 ArtifactFetched, 1 ResourceObserved
    "#]],
    );
}

#[test]
fn a_dependency_is_followed_to_the_root() {
    let infra = ObjectRef {
        name: "infra".into(),
        ..app()
    };
    let base = ObjectRef {
        name: "base".into(),
        ..app()
    };
    let depends = |name: &str| {
        let name = name.to_owned();
        app_with(move |spec| spec["dependsOn"] = json!([{"name": name}]))
    };
    let of = |object: &ObjectRef, observed: ResourceObserved| ResourceObserved {
        object: Some(object.clone()),
        uid: object.name.clone(),
        ..observed
    };
    let told = Told::new()
        .news(source_observed(1), "manager:kubectl")
        .news(of(&base, app_with(|_| {})), "")
        .so(Concluded {
            object: Some(base.clone()),
            ..app_failed("BuildFailed", "kustomization.yaml: no such file", false)
        })
        .news(of(&infra, depends("base")), "")
        .so(waited(
            infra.clone(),
            "DependencyNotReady",
            "dependency 'apps/base' is not ready",
        ))
        .news(depends("infra"), "")
        .so(waited(
            app(),
            "DependencyNotReady",
            "dependency 'apps/infra' is not ready",
        ));
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app was never ready; Kustomization/apps/base fails since 2026-11-23T10:16:02.000Z (offset 3): BuildFailed: kustomization.yaml: no such file
          DependencyNotReady: Kustomization/apps/app waits since 2026-11-23T10:16:06.000Z (offset 7): dependency 'apps/infra' is not ready
          DependencyNotReady: Kustomization/apps/infra waits since 2026-11-23T10:16:04.000Z (offset 5): dependency 'apps/base' is not ready
          BuildFailed: Kustomization/apps/base fails since 2026-11-23T10:16:02.000Z (offset 3): BuildFailed: kustomization.yaml: no such file
          7 Waited, 6 ResourceObserved, 5 Waited, 3 Concluded
    "#]],
    );
    // A circle ends.
    let told = told.news(of(&base, depends("infra")), "").so(waited(
        base.clone(),
        "DependencyNotReady",
        "dependency 'apps/infra' is not ready",
    ));
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app was never ready; Kustomization/apps/base waits since 2026-11-23T10:16:08.000Z (offset 9): dependency 'apps/infra' is not ready
          DependencyNotReady: Kustomization/apps/app waits since 2026-11-23T10:16:06.000Z (offset 7): dependency 'apps/infra' is not ready
          DependencyNotReady: Kustomization/apps/infra waits since 2026-11-23T10:16:04.000Z (offset 5): dependency 'apps/base' is not ready
          DependencyNotReady: Kustomization/apps/base waits since 2026-11-23T10:16:08.000Z (offset 9): dependency 'apps/infra' is not ready
          9 Waited, 7 Waited, 6 ResourceObserved, 5 Waited
    "#]],
    );
}

#[test]
fn a_source_that_is_not_there_is_said_so() {
    let told = Told::new().news(app_with(|_| {}), "").so(waited(
        app(),
        "ArtifactFailed",
        "GitRepository/apps/shop not found: create it or correct spec.sourceRef",
    ));
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app was never ready; GitRepository/apps/shop is not there: create it, or correct the reference to it
          ArtifactFailed: Kustomization/apps/app waits since 2026-11-23T10:16:01.000Z (offset 2): GitRepository/apps/shop not found: create it or correct spec.sourceRef
          NotFound: GitRepository/apps/shop is not there: create it, or correct the reference to it
          2 Waited, 1 ResourceObserved
    "#]],
    );
}

#[test]
fn a_spec_that_cannot_be_read_says_where() {
    let observed = ResourceObserved {
        invalid: "spec.interval: -1s is negative".into(),
        ..app_observed(1)
    };
    let told = Told::new().news(observed, "manager:kubectl").so(app_failed(
        "InvalidSpec",
        "spec.interval: -1s is negative",
        true,
    ));
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app was never ready; Kustomization/apps/app cannot be read as declared at 2026-11-23T10:16:00.000Z (offset 1) by kubectl: spec.interval: -1s is negative
          InvalidSpec: Kustomization/apps/app cannot be read as declared at 2026-11-23T10:16:00.000Z (offset 1) by kubectl: spec.interval: -1s is negative
          1 ResourceObserved
    "#]],
    );
}

#[test]
fn health_that_is_missing_is_named_object_by_object() {
    let objects = [
        rendered(web(), "m1"),
        rendered(object("ConfigMap", "c"), "c1"),
    ];
    let told = commit(begun(), "a1", &objects)
        .so(order(&objects, ""))
        .so(applied(&objects, Action::Created))
        .so(waited(app(), "Progressing", "Running health checks"))
        .news(seen(web(), &[], "", Health::InProgress), "");
    check(
        &told,
        &app(),
        &expect![[r#"
        NotReady: Kustomization/apps/app was never ready; Deployment/apps/web is InProgress since 2026-11-23T10:16:11.000Z (offset 12): 0 of 1 ready
          Progressing: Kustomization/apps/app waits since 2026-11-23T10:16:10.000Z (offset 11): Running health checks
          NotHealthy: Deployment/apps/web is InProgress since 2026-11-23T10:16:11.000Z (offset 12): 0 of 1 ready
          12 ObjectObserved, 11 Waited, 2 ResourceObserved
    "#]],
    );
    check(
        &told,
        &web(),
        &expect![[r#"
            Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; but Deployment/apps/web is InProgress since 2026-11-23T10:16:11.000Z (offset 12): 0 of 1 ready
              NotHealthy: Deployment/apps/web is InProgress since 2026-11-23T10:16:11.000Z (offset 12): 0 of 1 ready
              Progressing: Kustomization/apps/app waits since 2026-11-23T10:16:10.000Z (offset 11): Running health checks
              12 ObjectObserved, 11 Waited, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
        "#]],
    );
}

#[test]
fn a_kind_that_is_not_reconciled_says_so() {
    let release = ObjectRef {
        group: "helm.toolkit.fluxcd.io".into(),
        version: "v2".into(),
        kind: "HelmRelease".into(),
        ..app()
    };
    let told = Told::new()
        .news(
            ResourceObserved {
                object: Some(release.clone()),
                spec: b"{}".to_vec(),
                ..ResourceObserved::default()
            },
            "",
        )
        .so(Concluded {
            object: Some(release.clone()),
            stalled: true,
            reason: "KindNotSupported".into(),
            message: "this version does not reconcile HelmRelease yet".into(),
            ..Concluded::default()
        });
    check(
        &told,
        &release,
        &expect![[r#"
        NotReady: HelmRelease/apps/app was never ready; HelmRelease/apps/app fails since 2026-11-23T10:16:01.000Z (offset 2): KindNotSupported: this version does not reconcile HelmRelease yet
          KindNotSupported: HelmRelease/apps/app fails since 2026-11-23T10:16:01.000Z (offset 2): KindNotSupported: this version does not reconcile HelmRelease yet
          2 Concluded, 1 ResourceObserved
    "#]],
    );
}
