//! The bytes of every event version ever written, frozen in `schemas/golden/`.
//!
//! `UPDATE=1` writes the files that are missing; a file that is there is never rewritten.

#[path = "golden/health.rs"]
mod health;
#[path = "golden/helm.rs"]
mod helm;

use std::collections::BTreeMap;
use std::path::PathBuf;

use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildFailed, Chain,
    ChartSource, Command, CommandFailed, CommandIssued, Commit, Concluded, Draft, Event,
    FetchFailed, FetchHelmChart, FetchHelmRepository, FetchOci, FinalizerSet, Head, Health,
    HoldEnded, Id, Inventory, InventoryEntry, ManifestsBuilt, ManifestsRecalled, Notification,
    NotificationDelivered, NotificationFailed, NotificationParked, ObjectFailure, ObjectGone,
    ObjectObserved, ObjectRef, ObjectsApplied, ObjectsPruned, PackedChart, RecallFailed,
    RecallManifests, Record, ReleaseInspected, Rendered, ResourceDeleted, ResourceObserved,
    RollbackRequest, SourceUnchanged, TermStarted, TimerFired, Timestamp, Validators, Waited,
    WatchGap, command, decode, encode,
};

fn owner() -> ObjectRef {
    ObjectRef {
        group: "kustomize.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "Kustomization".into(),
        namespace: "flux-system".into(),
        name: "apps".into(),
    }
}

fn deployment() -> ObjectRef {
    ObjectRef {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: "apps".into(),
        name: "podinfo".into(),
    }
}

fn rendered() -> Rendered {
    Rendered {
        object: Some(deployment()),
        manifest: "sha256:aa".into(),
        stage: 3,
        keep: true,
        force: true,
        policy: "Merge".into(),
        live: text("sha256:ee"),
        ignored: Vec::new(),
    }
}

fn rollback() -> RollbackRequest {
    RollbackRequest {
        offset: 41,
        digest: text("sha256:dd"),
        by: text("jane"),
        reason: text("incident 7"),
        at: text("2026-11-23T10:16:00Z"),
        invalid: text("no"),
    }
}

fn chart_artifact() -> Artifact {
    Artifact {
        revision: text("6.7.0+2"),
        digest: text("sha256:bb"),
        bytes: 9,
        blob: text("sha256:cc"),
        commit: None,
    }
}

fn packed() -> PackedChart {
    PackedChart {
        name: text("podinfo"),
        values_files: vec![text("values.yaml"), text("prod.yaml")],
        packaged: true,
        dependencies: 2,
        verified: text("cosign"),
    }
}

fn validators() -> Validators {
    Validators {
        etag: text("\"5f\""),
        last_modified: text("Mon, 23 Nov 2026 10:16:00 GMT"),
    }
}

fn failure() -> ObjectFailure {
    ObjectFailure {
        object: Some(deployment()),
        reason: "Invalid".into(),
        message: "no".into(),
    }
}

fn alert() -> ObjectRef {
    ObjectRef {
        group: "notification.toolkit.fluxcd.io".into(),
        version: "v1beta3".into(),
        kind: "Alert".into(),
        namespace: "flux-system".into(),
        name: "on-call".into(),
    }
}

fn notification() -> Notification {
    Notification {
        id: "0123".into(),
        offset: 7,
        about: Some(owner()),
        severity: "error".into(),
        reason: "BuildFailed".into(),
        provider: "chat".into(),
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn artifact() -> Artifact {
    let commit = Commit {
        sha: text("0123"),
        author_name: text("Jane"),
        author_email: text("jane@example.org"),
        subject: text("Scale up"),
        authored_at: 1_795_428_960,
    };
    Artifact {
        revision: text("main@sha1:0123"),
        digest: text("sha256:bb"),
        bytes: 9,
        blob: text("sha256:cc"),
        commit: Some(commit),
    }
}

/// One event of every type, with every field set.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn samples() -> Vec<Event> {
    let revision = || text("main@sha1:0123");
    let entry = || InventoryEntry {
        id: text("apps_podinfo_apps_Deployment"),
        version: text("v1"),
    };
    let artifact = artifact();
    let apply = ApplyObjects {
        object: Some(owner()),
        objects: vec![rendered()],
        service_account: text("tenant"),
        force: true,
        repair: text("spec.replicas"),
        ..ApplyObjects::default()
    };
    let mut samples: Vec<Event> = vec![
        ResourceObserved {
            object: Some(owner()),
            uid: text("u"),
            generation: 2,
            resource_version: text("41"),
            spec: br#"{"prune":true}"#.to_vec(),
            invalid: text("no"),
            deleting: true,
            finalizer: true,
            requested_at: text("now"),
            inventory: vec![entry()],
            handled_at: text("then"),
            // Added since: without them the bytes are as they were; `grown` has them.
            rollback: None,
            labels: BTreeMap::new(),
            event_metadata: BTreeMap::new(),
            force_at: String::new(),
            reset_at: String::new(),
            release: String::new(),
        }
        .into(),
        ResourceDeleted {
            object: Some(owner()),
            uid: text("u"),
        }
        .into(),
        ArtifactFetched {
            object: Some(owner()),
            generation: 2,
            artifact: Some(artifact),
            // Added since: `grown` has them.
            metadata: BTreeMap::new(),
            validators: None,
            chart: None,
        }
        .into(),
        SourceUnchanged {
            object: Some(owner()),
            generation: 2,
            revision: revision(),
            validators: None,
        }
        .into(),
        FetchFailed {
            object: Some(owner()),
            generation: 2,
            reason: text("R"),
            message: text("m"),
            terminal: true,
        }
        .into(),
        ManifestsBuilt {
            object: Some(owner()),
            generation: 2,
            revision: revision(),
            objects: vec![rendered()],
            digest: text("sha256:dd"),
        }
        .into(),
        BuildFailed {
            object: Some(owner()),
            generation: 2,
            revision: revision(),
            reason: text("BuildFailed"),
            message: text("m"),
            terminal: true,
        }
        .into(),
        ObjectsApplied {
            object: Some(owner()),
            applied: vec![AppliedObject {
                rendered: Some(rendered()),
                uid: text("u"),
                resource_version: text("42"),
                live: text("sha256:ee"),
                action: Action::Configured.into(),
                health: Health::InProgress.into(),
                health_message: text("0 of 2"),
                ..AppliedObject::default()
            }],
            failures: vec![failure()],
        }
        .into(),
        ObjectsPruned {
            object: Some(owner()),
            pruned: vec![deployment()],
            left: vec![owner()],
            failures: vec![failure()],
        }
        .into(),
        ManifestsRecalled {
            object: Some(owner()),
            generation: 2,
            revision: revision(),
            objects: vec![rendered()],
            digest: text("sha256:dd"),
            rollback: Some(rollback()),
            source: Some(owner()),
            against: revision(),
        }
        .into(),
        RecallFailed {
            object: Some(owner()),
            generation: 2,
            rollback: Some(rollback()),
            message: text("m"),
            held: true,
        }
        .into(),
        ObjectObserved {
            object: Some(deployment()),
            uid: text("u"),
            resource_version: text("43"),
            live: text("sha256:ff"),
            health: Health::InProgress.into(),
            health_message: text("0 of 2"),
            manager: text("kubectl-edit"),
            changed: vec![text("spec.replicas")],
            ..ObjectObserved::default()
        }
        .into(),
        ObjectGone {
            object: Some(deployment()),
            uid: text("u"),
            resource_version: text("44"),
        }
        .into(),
        TermStarted {
            identity: text("a"),
            version: text("0.1.0"),
        }
        .into(),
        TimerFired {
            object: Some(owner()),
        }
        .into(),
        WatchGap {
            group: text("apps"),
            kind: text("Deployment"),
            reason: text("410"),
        }
        .into(),
        FinalizerSet {
            object: Some(owner()),
            present: true,
        }
        .into(),
        CommandFailed {
            object: Some(owner()),
            message: text("m"),
        }
        .into(),
        NotificationDelivered {
            object: Some(alert()),
            uid: text("u"),
            notification: Some(notification()),
            attempts: 2,
            answer: text("200"),
        }
        .into(),
        NotificationFailed {
            object: Some(alert()),
            uid: text("u"),
            notification: Some(notification()),
            attempts: 2,
            message: text("m"),
        }
        .into(),
        NotificationParked {
            object: Some(alert()),
            uid: text("u"),
            notification: Some(notification()),
            attempts: 2,
            message: text("m"),
        }
        .into(),
        CommandIssued {
            command: Some(Command {
                kind: Some(command::Kind::ApplyObjects(apply)),
            }),
        }
        .into(),
        Waited {
            object: Some(owner()),
            reason: text("DependencyNotReady"),
            message: text("m"),
        }
        .into(),
        Concluded {
            object: Some(owner()),
            generation: 2,
            requested_at: text("now"),
            ready: true,
            stalled: true,
            reason: text("ReconciliationSucceeded"),
            message: text("m"),
            revision: revision(),
            duration_ms: 1500,
            inventory: Some(Inventory {
                entries: vec![entry()],
            }),
            digest: text("sha256:dd"),
            changed: 1,
            pruned: 2,
            repair: true,
            held_at: 0,
            release: String::new(),
        }
        .into(),
        HoldEnded {
            object: Some(owner()),
            rollback: Some(rollback()),
            revision: revision(),
            reason: text("NewRevision"),
            message: text("m"),
        }
        .into(),
    ];
    samples.extend(helm::samples());
    samples.sort_by_key(|event| event.schema().0);
    samples
}

/// Events with what was added to them since their version was frozen, and what that was.
#[expect(clippy::too_many_lines, reason = "a flat table")]
fn grown() -> Vec<(&'static str, Event)> {
    let recall = RecallManifests {
        object: Some(owner()),
        generation: 2,
        rollback: Some(rollback()),
        source: Some(owner()),
        against: text("main@sha1:0123"),
        held: true,
    };
    let fetch_chart = FetchHelmChart {
        object: Some(owner()),
        generation: 2,
        spec: br#"{"chart":"podinfo"}"#.to_vec(),
        source: Some(ChartSource {
            object: Some(deployment()),
            generation: 3,
            spec: br#"{"url":"https://host"}"#.to_vec(),
            artifact: Some(chart_artifact()),
        }),
        observed: Some(chart_artifact()),
        chart: Some(packed()),
    };
    let fetch_repository = FetchHelmRepository {
        object: Some(owner()),
        generation: 2,
        spec: br#"{"url":"https://host"}"#.to_vec(),
        observed: text("sha256:aa"),
        validators: Some(validators()),
    };
    let fetch_oci = FetchOci {
        object: Some(owner()),
        generation: 2,
        spec: br#"{"url":"oci://host/app"}"#.to_vec(),
        observed: text("6.7.1@sha256:aa"),
    };
    let issued = |kind| CommandIssued {
        command: Some(Command { kind: Some(kind) }),
    };
    let ours = vec![
        // sorted
        (
            "chart",
            ArtifactFetched {
                object: Some(owner()),
                artifact: Some(chart_artifact()),
                chart: Some(packed()),
                validators: Some(validators()),
                ..ArtifactFetched::default()
            }
            .into(),
        ),
        (
            "fetch_helm_chart",
            issued(command::Kind::FetchHelmChart(Box::new(fetch_chart))).into(),
        ),
        (
            "fetch_helm_repository",
            issued(command::Kind::FetchHelmRepository(Box::new(
                fetch_repository,
            )))
            .into(),
        ),
        (
            "fetch_oci",
            issued(command::Kind::FetchOci(fetch_oci)).into(),
        ),
        (
            "held_at",
            Concluded {
                object: Some(owner()),
                held_at: 41,
                ..Concluded::default()
            }
            .into(),
        ),
        (
            "metadata",
            ArtifactFetched {
                object: Some(owner()),
                artifact: Some(chart_artifact()),
                metadata: BTreeMap::from([(
                    text("org.opencontainers.image.revision"),
                    text("main@sha1:0123"),
                )]),
                ..ArtifactFetched::default()
            }
            .into(),
        ),
        (
            "oci_digest",
            ReleaseInspected {
                object: Some(owner()),
                chart_version: text("6.9.2+0123456789ab"),
                oci_digest: text("sha256:11"),
                ..ReleaseInspected::default()
            }
            .into(),
        ),
        (
            "recall_manifests",
            CommandIssued {
                command: Some(Command {
                    kind: Some(command::Kind::RecallManifests(Box::new(recall))),
                }),
            }
            .into(),
        ),
        (
            "labels",
            ResourceObserved {
                object: Some(owner()),
                spec: b"{}".to_vec(),
                labels: BTreeMap::from([(text("team"), text("a"))]),
                event_metadata: BTreeMap::from([(text("env"), text("prod"))]),
                ..ResourceObserved::default()
            }
            .into(),
        ),
        (
            "validators",
            SourceUnchanged {
                object: Some(owner()),
                revision: text("sha256:aa"),
                validators: Some(validators()),
                ..SourceUnchanged::default()
            }
            .into(),
        ),
        (
            "rollback",
            ResourceObserved {
                object: Some(owner()),
                spec: b"{}".to_vec(),
                rollback: Some(rollback()),
                ..ResourceObserved::default()
            }
            .into(),
        ),
    ];
    [ours, health::grown(), helm::grown()].concat()
}

/// Where the bytes of `event` are; `what` was added to it, if anything.
fn golden(event: &Event, what: &str) -> PathBuf {
    let (name, version) = (event.name(), event.schema().1);
    let dot = if what.is_empty() { "" } else { "." };
    let file = format!("../golden/{name}.v{version}{dot}{what}.bin");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn every_version_ever_written_reads_as_it_was_meant() {
    let samples = samples();
    let names: Vec<_> = samples.iter().map(Event::name).collect();
    let types: Vec<_> = Event::TYPES.iter().map(|(.., name)| *name).collect();
    assert_eq!(
        names, types,
        "one sample for every type, in the order of the numbers"
    );
    let whole = samples.into_iter().map(|event| ("", event));
    for (what, event) in whole.chain(grown()) {
        let path = golden(&event, what);
        if !path.exists() && std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, encode(&first(event.clone()))).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap_or_else(|error| {
            panic!(
                "cannot read {}: {error}; UPDATE=1 writes it",
                path.display()
            )
        });
        let record = decode(&bytes).unwrap();
        assert_eq!(record.event, event, "{}", path.display());
        // Where it stands in its log is its own: an event that is added changes no other.
        let offset = record.offset;
        let expected = Record {
            offset,
            time: Timestamp(1_795_428_959_999_999_999 + i64::try_from(offset.0).unwrap()),
            id: record.id,
            sequence: offset.0,
            previous: record.previous,
            hash: record.hash,
            ..first(event)
        };
        assert_eq!(record, expected, "{}", path.display());
        assert_eq!(encode(&record), bytes, "{}", path.display());
    }
}

/// The event as the first of a log.
fn first(event: Event) -> Record {
    let draft = Draft {
        cause: Id([1; 16]),
        actor: text("manager:kubectl"),
        event,
    };
    let mut chain = Chain::new(Head::default(), 7);
    chain.seal(draft, Id([2; 16]), Timestamp(1_795_428_960_000_000_000))
}

#[test]
fn every_event_reads_as_json() {
    let grown = grown().into_iter();
    let grown = grown.map(|(_, event)| event);
    for event in samples().into_iter().chain(grown) {
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], event.name());
    }
    let bare = serde_json::to_value(Event::from(ResourceObserved::default())).unwrap();
    assert!(bare["data"]["spec"].is_null(), "{bare}");
}
