//! What is told in the scripts of a HelmRelease: its declaration, and what came of its commands.

use fluvial_api::HelmChart;
use fluvial_api::helm_release::{HelmReleaseStatus, ReleaseSnapshot};
use fluvial_event::command::Kind;
use fluvial_event::{
    Action, AppliedObject, ChartDeclared, Digest, Event, Health, Hook, HookRan, HookRun,
    ObjectObserved, ObjectRef, ObjectsApplied, ReleaseInspected, ReleaseRendered, ReleaseStored,
    ResourceObserved,
};
use serde_json::{Value, json};

use crate::name::Name;
use crate::script::{Script, artifact, object, rendered};

pub(super) fn release() -> ObjectRef {
    ObjectRef {
        group: "helm.toolkit.fluxcd.io".into(),
        kind: "HelmRelease".into(),
        namespace: "team".into(),
        name: "web".into(),
        ..ObjectRef::default()
    }
}

pub(super) fn chart() -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        kind: "HelmChart".into(),
        namespace: "team".into(),
        name: "team-web".into(),
        ..ObjectRef::default()
    }
}

pub(super) fn declared(generation: i64, more: Value) -> ResourceObserved {
    let mut spec = json!({
        "interval": "10m",
        "chart": {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
    });
    let more: serde_json::Map<String, Value> = serde_json::from_value(more).unwrap();
    spec.as_object_mut().unwrap().extend(more);
    ResourceObserved {
        object: Some(ObjectRef {
            version: "v2".into(),
            ..release()
        }),
        uid: "u".into(),
        generation,
        spec: serde_json::to_vec(&spec).unwrap(),
        finalizer: true,
        ..ResourceObserved::default()
    }
}

pub(super) fn snapshot(version: i64, status: &str, config: &str) -> ReleaseSnapshot {
    ReleaseSnapshot {
        api_version: "v2".into(),
        digest: format!("{version} {status} {config}"),
        name: "web".into(),
        namespace: "team".into(),
        version,
        status: status.into(),
        chart_name: "web".into(),
        chart_version: "1.0.0".into(),
        config_digest: config.into(),
        ..ReleaseSnapshot::default()
    }
}

pub(super) fn text(snapshot: &ReleaseSnapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

pub(super) fn inspected(config: &str, stored: Option<&ReleaseSnapshot>) -> Event {
    let inspected = ReleaseInspected {
        object: Some(release()),
        generation: 1,
        chart_name: "web".into(),
        chart_version: "1.0.0".into(),
        config_digest: config.into(),
        stored: stored.map(text).unwrap_or_default(),
        objects: vec![rendered("a", "m1")],
        ..ReleaseInspected::default()
    };
    inspected.into()
}

pub(super) fn hook(name: &str, event: &str) -> Hook {
    Hook {
        name: name.into(),
        events: vec![event.into()],
        ..Hook::default()
    }
}

pub(super) fn planned(objects: &[&str], manifest: &str, hooks: &[Hook]) -> Event {
    let rendered = ReleaseRendered {
        object: Some(release()),
        objects: objects
            .iter()
            .map(|name| rendered(name, manifest))
            .collect(),
        hooks: hooks.to_vec(),
        ..ReleaseRendered::default()
    };
    rendered.into()
}

/// What storage holds; with a reason at the end of an action.
pub(super) fn stored(snapshots: &[ReleaseSnapshot], reason: &str) -> Event {
    let stored = ReleaseStored {
        object: Some(release()),
        snapshots: snapshots.iter().map(text).collect(),
        reason: reason.into(),
        message: format!("it ended as {reason}"),
        ..ReleaseStored::default()
    };
    stored.into()
}

pub(super) fn applied(names: &[&str], manifest: &str, health: Health) -> Event {
    let one = |name: &&str| AppliedObject {
        rendered: Some(rendered(name, manifest)),
        uid: format!("uid-{name}"),
        resource_version: "10".into(),
        live: manifest.into(),
        action: Action::Created.into(),
        health: health.into(),
        ..AppliedObject::default()
    };
    let applied = ObjectsApplied {
        object: Some(release()),
        applied: names.iter().map(one).collect(),
        ..ObjectsApplied::default()
    };
    applied.into()
}

pub(super) fn ran(event: &str, name: &str, phase: &str) -> Event {
    let ran = HookRan {
        object: Some(release()),
        event: event.into(),
        run: Some(HookRun {
            name: name.into(),
            phase: phase.into(),
            ..HookRun::default()
        }),
        message: if phase == "Failed" {
            format!("hook {name} failed")
        } else {
            String::new()
        },
    };
    ran.into()
}

pub(super) fn observed(name: &str, live: &str, health: Health) -> Event {
    let observed = ObjectObserved {
        object: Some(object(name)),
        uid: format!("uid-{name}"),
        resource_version: "20".into(),
        live: live.into(),
        health: health.into(),
        manager: "kubectl-edit".into(),
        changed: if live == "m1" {
            Vec::new()
        } else {
            vec!["spec.replicas".into()]
        },
        ..ObjectObserved::default()
    };
    observed.into()
}

/// Declared, with its chart fetched: the release is being inspected.
pub(super) fn begun(more: Value) -> Script {
    let mut script = Script::new();
    assert_eq!(script.tell(declared(1, more).into()), ["declare chart"]);
    let made = ChartDeclared {
        object: Some(release()),
        chart: Some(chart()),
        digest: script.chart_digest(),
        changed: true,
        ..ChartDeclared::default()
    };
    let said = script.tell(script.chart_seen(1, "*").into());
    assert_eq!(said, ["wait Suspended"]);
    let source = script.world.sources.get_mut(&Name::of(&chart())).unwrap();
    source.artifact = Some(artifact("1.0.0"));
    assert_eq!(script.answer(&release(), made.into()), ["inspect"]);
    script
}

/// Installed as revision 1 with the object `a`.
pub(super) fn installed(more: Value) -> Script {
    let mut script = begun(more);
    let it = release();
    assert_eq!(
        script.answer(&it, inspected("c1", None)),
        ["render install v1"]
    );
    let said = script.answer(&it, planned(&["a"], "m1", &[]));
    assert_eq!(said, ["store v1 pending-install"]);
    let pending = snapshot(1, "pending-install", "c1");
    assert_eq!(script.answer(&it, stored(&[pending], "")), ["apply a"]);
    let said = script.answer(&it, applied(&["a"], "m1", Health::Current));
    assert_eq!(said, ["store v1 deployed InstallSucceeded"]);
    let deployed = snapshot(1, "deployed", "c1");
    script.answer(&it, stored(&[deployed], "InstallSucceeded"));
    script
}

/// An upgrade of what `installed` made, up to the apply of `a`.
pub(super) fn upgrading(more: Value, hooks: &[Hook]) -> Script {
    let mut script = installed(more.clone());
    let it = release();
    assert_eq!(script.tell(declared(2, more).into()), ["inspect"]);
    let deployed = snapshot(1, "deployed", "c1");
    let said = script.answer(&it, inspected("c2", Some(&deployed)));
    assert_eq!(said, ["render upgrade v2"]);
    let said = script.answer(&it, planned(&["a"], "m2", hooks));
    assert_eq!(said, ["store v2 pending-upgrade"]);
    script
}

impl Script {
    /// The digest of the HelmChart that was asked for last.
    pub(super) fn chart_digest(&self) -> String {
        Digest::of(self.chart_asked_for()).to_string()
    }

    /// It is in the cluster, with this version of the chart. It is suspended, so that only its release is heard.
    pub(super) fn chart_seen(&self, generation: i64, version: &str) -> ResourceObserved {
        let mut manifest: Value = serde_json::from_slice(self.chart_asked_for()).unwrap();
        manifest["spec"]["version"] = version.into();
        manifest["spec"]["suspend"] = true.into();
        ResourceObserved {
            object: Some(ObjectRef {
                version: "v1".into(),
                ..chart()
            }),
            uid: "chart".into(),
            finalizer: true,
            generation,
            spec: serde_json::to_vec(&HelmChart::read(&manifest).unwrap().spec).unwrap(),
            ..ResourceObserved::default()
        }
    }

    fn chart_asked_for(&self) -> &[u8] {
        let mut manifests = self.records.iter().rev().filter_map(|record| {
            let Event::CommandIssued(issued) = &record.event else {
                return None;
            };
            let Some(Kind::DeclareChart(declare)) = &issued.command.as_ref()?.kind else {
                return None;
            };
            Some(&declare.manifest)
        });
        manifests.next().unwrap()
    }

    pub(super) fn release_status(&self) -> &HelmReleaseStatus {
        self.world.releases().get(&release()).unwrap().status()
    }
}
