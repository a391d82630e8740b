//! Scripts for tests: news in, decisions out, each decision as a few words.

use fluvial_api::{GitRepository, Kustomization};
use fluvial_event::{
    Action, AppliedObject, Artifact, ArtifactFetched, Chain, Draft, Event, FinalizerSet, Health,
    Id, ManifestsBuilt, ObjectGone, ObjectObserved, ObjectRef, ObjectsApplied, ObjectsPruned,
    PruneObjects, Record, Rendered, ResourceObserved, StoreRelease, TimerFired, Timestamp, command,
};
use serde_json::{Value, json};

use crate::World;

/// A world, and the record that it is told next.
pub(crate) struct Script {
    pub(crate) world: World,
    pub(crate) records: Vec<Record>,
    chain: Chain,
    now: Timestamp,
}

pub(crate) fn kustomization(name: &str) -> ObjectRef {
    ObjectRef {
        group: "kustomize.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "Kustomization".into(),
        namespace: "team".into(),
        name: name.into(),
    }
}

pub(crate) fn source() -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        kind: "GitRepository".into(),
        ..kustomization("app")
    }
}

/// A ConfigMap, a Namespace for names that begin with `ns`, or a Deployment for `web`.
pub(crate) fn object(name: &str) -> ObjectRef {
    let (group, kind, namespace) = match name {
        name if name.starts_with("ns") => ("", "Namespace", ""),
        name if name.starts_with("web") => ("apps", "Deployment", "team"),
        _ => ("", "ConfigMap", "team"),
    };
    ObjectRef {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

pub(crate) fn rendered(name: &str, manifest: &str) -> Rendered {
    Rendered {
        object: Some(object(name)),
        manifest: manifest.into(),
        stage: if name.starts_with("ns") { 1 } else { 3 },
        ..Rendered::default()
    }
}

pub(crate) fn artifact(revision: &str) -> Artifact {
    Artifact {
        revision: revision.into(),
        digest: format!("sha256:{revision}"),
        ..Artifact::default()
    }
}

impl Script {
    /// The source `app` with the artifact `r1`.
    pub(crate) fn new() -> Self {
        let mut script = Self {
            world: World::default(),
            records: Vec::new(),
            chain: Chain::default(),
            now: Timestamp(1_000_000_000_000),
        };
        assert_eq!(script.tell(requested("").into()), ["fetch"]);
        script.answer(&source(), fetched("r1"));
        script
    }

    fn fold(&mut self, draft: Draft) -> Vec<String> {
        self.now = self.now.plus_ms(1);
        let record = self.chain.seal(draft, Id::NONE, self.now);
        self.world.evolve(&record);
        assert!(self.world.is_linked(), "after {record:?}");
        self.records.push(record);
        let mut said = Vec::new();
        while let Some(decided) = self.world.decide() {
            assert!(said.len() < 20, "it decides without end: {said:?}");
            let event = Event::from(decided.decision);
            said.push(word(&event));
            let draft = Draft {
                cause: decided.cause,
                ..Draft::news(event)
            };
            let record = self.chain.seal(draft, decided.correlation, self.now);
            self.world.evolve(&record);
            assert!(self.world.is_linked(), "after {record:?}");
            self.records.push(record);
        }
        said
    }

    /// News from outside.
    pub(crate) fn tell(&mut self, event: Event) -> Vec<String> {
        self.fold(Draft::news(event))
    }

    /// The outcome of the command that `object` waits for.
    pub(crate) fn answer(&mut self, object: &ObjectRef, event: Event) -> Vec<String> {
        let declared = self.world.one(&object.identity()).unwrap();
        let id = Id(declared.outstanding.as_ref().unwrap().id);
        self.fold(Draft::outcome(id, event))
    }

    /// Time passes, and what is ripe then fires.
    pub(crate) fn after(&mut self, ms: i64) -> Vec<String> {
        self.now = self.now.plus_ms(ms);
        let ripe: Vec<_> = self.world.ripe(self.now).cloned().collect();
        let fire = |object| TimerFired {
            object: Some(object),
        };
        let events = ripe.into_iter().map(|object| Event::from(fire(object)));
        events
            .collect::<Vec<_>>()
            .into_iter()
            .flat_map(|event| self.tell(event))
            .collect()
    }

    /// Declares a Kustomization of `app`, with `more` in its spec.
    pub(crate) fn declare(&mut self, name: &str, generation: i64, more: Value) -> Vec<String> {
        self.tell(declared(name, generation, more).into())
    }

    /// Brings the Kustomization `k` to Ready with these objects, each under the manifest `m1`.
    pub(crate) fn ready(&mut self, more: Value, names: &[&str]) {
        self.declare("k", 1, more);
        self.answer(&kustomization("k"), built(names, "m1"));
        let said = self.answer(&kustomization("k"), applied(names, "m1", 10));
        assert_eq!(said, ["ready ReconciliationSucceeded"]);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "scripts write it in place")]
pub(crate) fn declared(name: &str, generation: i64, more: Value) -> ResourceObserved {
    let mut spec = json!({
        "interval": "10m", "retryInterval": "1m", "timeout": "2m", "prune": true,
        "sourceRef": {"kind": "GitRepository", "name": "app"},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let whole = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "team"},
        "spec": spec,
    });
    let spec = Kustomization::read(&whole).unwrap().spec;
    ResourceObserved {
        object: Some(kustomization(name)),
        uid: format!("uid-{name}"),
        generation,
        spec: serde_json::to_vec(&spec).unwrap(),
        finalizer: true,
        ..ResourceObserved::default()
    }
}

/// The source, asked for by hand at `at`.
pub(crate) fn requested(at: &str) -> ResourceObserved {
    let whole = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "app", "namespace": "team"},
        "spec": {"url": "https://git", "interval": "1000h"},
    });
    let spec = GitRepository::read(&whole).unwrap().spec;
    ResourceObserved {
        object: Some(source()),
        uid: "source".into(),
        generation: 1,
        spec: serde_json::to_vec(&spec).unwrap(),
        finalizer: true,
        requested_at: at.into(),
        ..ResourceObserved::default()
    }
}

pub(crate) fn fetched(revision: &str) -> Event {
    let fetched = ArtifactFetched {
        object: Some(source()),
        generation: 1,
        artifact: Some(artifact(revision)),
        ..ArtifactFetched::default()
    };
    fetched.into()
}

pub(crate) fn built(names: &[&str], manifest: &str) -> Event {
    let built = ManifestsBuilt {
        object: Some(kustomization("k")),
        objects: names.iter().map(|name| rendered(name, manifest)).collect(),
        ..ManifestsBuilt::default()
    };
    built.into()
}

/// Applied; Deployments are not ready yet.
pub(crate) fn applied(names: &[&str], manifest: &str, version: u64) -> Event {
    let one = |name: &&str| AppliedObject {
        rendered: Some(rendered(name, manifest)),
        uid: format!("uid-{name}"),
        resource_version: version.to_string(),
        live: format!("live-{manifest}"),
        action: Action::Configured.into(),
        health: if name.starts_with("web") {
            Health::InProgress.into()
        } else {
            Health::Current.into()
        },
        ..AppliedObject::default()
    };
    let applied = ObjectsApplied {
        object: Some(kustomization("k")),
        applied: names.iter().map(one).collect(),
        ..ObjectsApplied::default()
    };
    applied.into()
}

pub(crate) fn pruned(names: &[&str]) -> Event {
    let pruned = ObjectsPruned {
        object: Some(kustomization("k")),
        pruned: names.iter().map(|name| object(name)).collect(),
        ..ObjectsPruned::default()
    };
    pruned.into()
}

pub(crate) fn observed(name: &str, version: u64, live: &str, health: Health) -> Event {
    let observed = ObjectObserved {
        object: Some(object(name)),
        uid: format!("uid-{name}"),
        resource_version: version.to_string(),
        live: live.into(),
        health: health.into(),
        manager: "kubectl-edit".into(),
        ..ObjectObserved::default()
    };
    observed.into()
}

pub(crate) fn gone(name: &str, version: u64) -> Event {
    let gone = ObjectGone {
        object: Some(object(name)),
        uid: format!("uid-{name}"),
        resource_version: version.to_string(),
    };
    gone.into()
}

pub(crate) fn finalizer(present: bool) -> Event {
    let set = FinalizerSet {
        object: Some(kustomization("k")),
        present,
    };
    set.into()
}

fn names<'a>(objects: impl Iterator<Item = Option<&'a ObjectRef>>) -> String {
    let names: Vec<_> = objects.flatten().map(|it| it.name.as_str()).collect();
    names.join(",")
}

fn word_of_prune(prune: &PruneObjects) -> String {
    let objects = names(prune.objects.iter().map(|it| it.object.as_ref()));
    match prune.gone_within_ms {
        0 => format!("prune {objects}"),
        within => format!("prune {objects}, gone within {} s", within / 1000),
    }
}

fn word_of_store(store: &StoreRelease) -> String {
    let purge = if store.purge { "purge" } else { "" };
    let parts = [&*store.status, &*store.reason, purge];
    let said = parts.into_iter().filter(|part| !part.is_empty());
    format!(
        "store v{} {}",
        store.version,
        said.collect::<Vec<_>>().join(" ")
    )
}

fn word(event: &Event) -> String {
    if let Event::Waited(waited) = event {
        return format!("wait {}", waited.reason);
    }
    if let Event::Concluded(concluded) = event {
        let how = match (concluded.ready, concluded.stalled) {
            (true, _) => "ready",
            (false, true) => "stalled",
            (false, false) => "failed",
        };
        return format!("{how} {}", concluded.reason);
    }
    if let Event::HoldEnded(ended) = event {
        return format!("release {}", ended.reason);
    }
    let Event::CommandIssued(issued) = event else {
        panic!("{} is no decision", event.name());
    };
    match issued.command.as_ref().and_then(|it| it.kind.as_ref()) {
        Some(command::Kind::FetchGit(_)) => "fetch".into(),
        Some(command::Kind::FetchOci(fetch)) => match fetch.observed.as_str() {
            "" => "fetch artifact".into(),
            observed => format!("fetch artifact unless it is {observed}"),
        },
        Some(command::Kind::FetchHelmRepository(_)) => "fetch index".into(),
        Some(command::Kind::FetchHelmChart(fetch)) => {
            let source = fetch.source.as_ref().unwrap();
            let revision = source.artifact.as_ref().map(|it| it.revision.as_str());
            format!("fetch chart of {}", revision.unwrap_or("a registry"))
        }
        Some(command::Kind::BuildKustomization(build)) => {
            let name = &build.object.as_ref().unwrap().name;
            format!("build {name} {}", build.artifact.as_ref().unwrap().revision)
        }
        Some(command::Kind::RecallManifests(recall)) => {
            let offset = recall.rollback.as_ref().unwrap().offset;
            format!("recall {offset} against {}", recall.against)
        }
        Some(command::Kind::ApplyObjects(apply)) => {
            let what = if apply.repair.is_empty() {
                "apply"
            } else {
                "repair"
            };
            let objects = names(apply.objects.iter().map(|it| it.object.as_ref()));
            format!("{what} {objects}")
        }
        Some(command::Kind::PruneObjects(prune)) => word_of_prune(prune),
        Some(command::Kind::SetFinalizer(set)) => {
            format!("finalizer {}", if set.present { "on" } else { "off" })
        }
        Some(command::Kind::DeclareChart(declare)) if declare.manifest.is_empty() => {
            "delete chart".into()
        }
        Some(command::Kind::DeclareChart(_)) => "declare chart".into(),
        Some(command::Kind::InspectRelease(_)) => "inspect".into(),
        Some(command::Kind::RenderRelease(render)) => {
            format!("render {} v{}", render.action, render.version)
        }
        Some(command::Kind::RecallRelease(recall)) => format!("recall for {}", recall.action),
        Some(command::Kind::StoreRelease(store)) => word_of_store(store),
        Some(command::Kind::RunHook(run)) => {
            format!("hook {} {}", run.event, run.hook.as_ref().unwrap().name)
        }
        None => "nothing".into(),
    }
}
