//! One event of every type that releases bring, with every field set.

use fluvial_event::{
    ChartDeclared, Command, CommandIssued, Concluded, DeclareChart, Event, Hook, HookRan, HookRun,
    InspectRelease, ObjectRef, PruneObjects, RecallRelease, ReleaseFailed, ReleaseInspected,
    ReleaseRendered, ReleaseStored, RenderRelease, ResourceObserved, RunHook, StoreRelease, Tests,
    command,
};

use super::{artifact, rendered, text};

fn owner() -> ObjectRef {
    ObjectRef {
        group: text("helm.toolkit.fluxcd.io"),
        version: text("v2"),
        kind: text("HelmRelease"),
        namespace: text("apps"),
        name: text("podinfo"),
    }
}

fn chart() -> ObjectRef {
    ObjectRef {
        group: text("source.toolkit.fluxcd.io"),
        version: text("v1"),
        kind: text("HelmChart"),
        namespace: text("flux-system"),
        name: text("apps-podinfo"),
    }
}

fn hook() -> Hook {
    Hook {
        name: text("podinfo-test"),
        kind: text("Pod"),
        path: text("podinfo/templates/tests/grpc.yaml"),
        manifest: text("sha256:aa"),
        events: vec![text("test")],
        weight: -5,
        delete_policies: vec![text("hook-succeeded")],
    }
}

fn run() -> HookRun {
    HookRun {
        path: text("podinfo/templates/tests/grpc.yaml"),
        name: text("podinfo-test"),
        started_at: text("2026-11-23T10:16:00Z"),
        completed_at: text("2026-11-23T10:16:01Z"),
        phase: text("Succeeded"),
    }
}

pub(super) fn samples() -> Vec<Event> {
    vec![
        ChartDeclared {
            object: Some(owner()),
            chart: Some(chart()),
            digest: text("sha256:bb"),
            changed: true,
            failure: text("no"),
        }
        .into(),
        ReleaseInspected {
            object: Some(owner()),
            generation: 2,
            chart_name: text("podinfo"),
            chart_version: text("6.9.2"),
            app_version: text("6.9.2"),
            values: text("sha256:cc"),
            config_digest: text("sha256:dd"),
            stored: text("{}"),
            objects: vec![rendered()],
            // Added since: `grown` has it.
            oci_digest: String::new(),
        }
        .into(),
        ReleaseFailed {
            object: Some(owner()),
            generation: 2,
            reason: text("ValuesError"),
            message: text("no"),
        }
        .into(),
        ReleaseRendered {
            object: Some(owner()),
            generation: 2,
            action: text("upgrade"),
            version: 3,
            release: text("sha256:ee"),
            prerequisites: vec![rendered()],
            objects: vec![rendered()],
            hooks: vec![hook()],
            digest: text("sha256:ff"),
        }
        .into(),
        ReleaseStored {
            object: Some(owner()),
            snapshots: vec![text("{}")],
            action: text("upgrade"),
            reason: text("UpgradeSucceeded"),
            message: text("Helm upgrade succeeded"),
            purged: true,
        }
        .into(),
        HookRan {
            object: Some(owner()),
            event: text("test"),
            run: Some(run()),
            message: text("no"),
        }
        .into(),
    ]
}

fn issued(what: &'static str, kind: command::Kind) -> (&'static str, Event) {
    let command = Some(Command { kind: Some(kind) });
    (what, CommandIssued { command }.into())
}

/// What was added to events that are older than releases.
pub(super) fn grown() -> Vec<(&'static str, Event)> {
    let mut grown = commands();
    let ignored = vec![text("/spec/replicas")];
    let mut rendered = rendered();
    rendered.ignored = ignored;
    grown.extend([
        (
            "ignored",
            ReleaseRendered {
                objects: vec![rendered],
                ..ReleaseRendered::default()
            }
            .into(),
        ),
        (
            "prune_objects",
            CommandIssued {
                command: Some(Command {
                    kind: Some(command::Kind::PruneObjects(PruneObjects {
                        object: Some(owner()),
                        release_namespace: text("apps"),
                        release_name: text("podinfo"),
                        propagation: text("foreground"),
                        gone_within_ms: 300_000,
                        ..PruneObjects::default()
                    })),
                }),
            }
            .into(),
        ),
        (
            "release",
            Concluded {
                object: Some(owner()),
                release: text("{}"),
                ..Concluded::default()
            }
            .into(),
        ),
        (
            "release",
            ResourceObserved {
                object: Some(owner()),
                spec: b"{}".to_vec(),
                force_at: text("now"),
                reset_at: text("now"),
                release: text("{}"),
                ..ResourceObserved::default()
            }
            .into(),
        ),
    ]);
    grown
}

#[expect(clippy::too_many_lines, reason = "a flat table")]
fn commands() -> Vec<(&'static str, Event)> {
    use command::Kind;
    let inspect = InspectRelease {
        object: Some(owner()),
        generation: 2,
        spec: b"{}".to_vec(),
        artifact: Some(artifact()),
        latest: text("{}"),
        adopt: true,
    };
    let render = RenderRelease {
        object: Some(owner()),
        generation: 2,
        spec: b"{}".to_vec(),
        artifact: Some(artifact()),
        values: text("sha256:cc"),
        action: text("install"),
        version: 1,
        at: text("2026-11-23T10:16:00Z"),
        seed: text("sha256:aa"),
    };
    let recall = RecallRelease {
        object: Some(owner()),
        generation: 2,
        spec: b"{}".to_vec(),
        action: text("rollback"),
        snapshot: text("{}"),
        version: 4,
        at: text("2026-11-23T10:16:00Z"),
        storage_namespace: text("apps"),
    };
    let store = StoreRelease {
        object: Some(owner()),
        service_account: text("tenant"),
        storage_namespace: text("apps"),
        release: text("sha256:ee"),
        name: text("podinfo"),
        version: 3,
        status: text("deployed"),
        description: text("Upgrade complete"),
        at: text("2026-11-23T10:16:00Z"),
        runs: vec![run()],
        supersede: true,
        records_max: 5,
        purge: true,
        attempt: text("0123"),
        action: text("upgrade"),
        reason: text("UpgradeSucceeded"),
        message: text("Helm upgrade succeeded"),
        oci_digest: text("sha256:11"),
        tests: Some(Tests { runs: vec![run()] }),
    };
    let hook = RunHook {
        object: Some(owner()),
        service_account: text("tenant"),
        namespace: text("apps"),
        hook: Some(hook()),
        event: text("post-upgrade"),
        timeout_ms: 300_000,
        attempt: text("0123"),
        before: vec![hook()],
        is_last: true,
        at: text("2026-11-23T10:16:00Z"),
    };
    let declare = DeclareChart {
        object: Some(owner()),
        chart: Some(chart()),
        manifest: b"{}".to_vec(),
        observed: String::new(),
    };
    vec![
        issued("declare_chart", Kind::DeclareChart(Box::new(declare))),
        issued("inspect_release", Kind::InspectRelease(Box::new(inspect))),
        issued("recall_release", Kind::RecallRelease(Box::new(recall))),
        issued("render_release", Kind::RenderRelease(Box::new(render))),
        issued("run_hook", Kind::RunHook(Box::new(hook))),
        issued("store_release", Kind::StoreRelease(Box::new(store))),
    ]
}
