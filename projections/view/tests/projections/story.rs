//! A history that is told one event at a time: a source, what is made of it, and how it ends.

use fluvial_api::{GitRepository, Kustomization};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildKustomization, Chain,
    Command, CommandIssued, Commit, Concluded, Draft, Event, FetchGit, Head, Id, Inventory,
    InventoryEntry, ObjectRef, ObjectsApplied, Record, Rendered, ResourceObserved, Timestamp,
    Waited, command,
};
use serde_json::{Value, json};

pub(crate) const SECOND: i64 = 1_000_000_000;

/// A history that is told one event at a time, a second apart.
#[derive(Default)]
pub(crate) struct Told {
    chain: Chain,
    pub(crate) records: Vec<Record>,
    began: Option<Id>,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self {
            chain: Chain::new(Head::default(), 1),
            ..Self::default()
        }
    }

    /// Something happened outside: what follows goes back to it.
    pub(crate) fn news(self, event: impl Into<Event>, actor: &str) -> Self {
        let mut this = Self {
            began: None,
            ..self
        };
        this.seal(Draft::news(event.into()).by(actor));
        this.began = this.records.last().map(|record| record.id);
        this
    }

    pub(crate) fn then(mut self, event: impl Into<Event>) -> Self {
        self.seal(Draft::news(event.into()));
        self
    }

    /// Comes of the record before.
    pub(crate) fn so(mut self, event: impl Into<Event>) -> Self {
        let cause = self.records.last().map_or(Id::NONE, |record| record.id);
        self.seal(Draft::outcome(cause, event.into()));
        self
    }

    fn seal(&mut self, draft: Draft) {
        let seconds = 1_795_428_960 + i64::try_from(self.records.len()).unwrap();
        let correlation = self.began.unwrap_or(Id::NONE);
        let now = Timestamp(seconds * SECOND);
        self.records.push(self.chain.seal(draft, correlation, now));
    }
}

pub(crate) fn source() -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "GitRepository".into(),
        namespace: "apps".into(),
        name: "shop".into(),
    }
}

pub(crate) fn app() -> ObjectRef {
    ObjectRef {
        group: "kustomize.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "Kustomization".into(),
        namespace: "apps".into(),
        name: "app".into(),
    }
}

pub(crate) fn observed(object: ObjectRef, generation: i64, spec: Vec<u8>) -> ResourceObserved {
    ResourceObserved {
        uid: format!("uid of {}", object.name),
        resource_version: "7".into(),
        object: Some(object),
        generation,
        spec,
        ..ResourceObserved::default()
    }
}

/// A declaration as it comes from the cluster.
pub(crate) fn declared(object: &ObjectRef, spec: &Value) -> Value {
    json!({
        "apiVersion": object.api_version(),
        "kind": object.kind,
        "metadata": {"name": object.name, "namespace": object.namespace},
        "spec": spec,
    })
}

pub(crate) fn source_observed(generation: i64) -> ResourceObserved {
    let spec = json!({"url": "https://host/shop", "interval": "1m", "ignore": "*.md"});
    let read = GitRepository::read(&declared(&source(), &spec)).unwrap();
    observed(
        source(),
        generation,
        serde_json::to_vec(&read.spec).unwrap(),
    )
}

pub(crate) fn app_observed(generation: i64) -> ResourceObserved {
    let spec = json!({
        "sourceRef": {"kind": "GitRepository", "name": "shop"},
        "interval": "10m",
        "prune": true,
        "wait": true,
    });
    let read = Kustomization::read(&declared(&app(), &spec)).unwrap();
    observed(app(), generation, serde_json::to_vec(&read.spec).unwrap())
}

pub(crate) fn artifact(commit: &str) -> Artifact {
    Artifact {
        revision: format!("main@sha1:{commit}"),
        digest: format!("sha256:{commit}"),
        bytes: 512,
        blob: String::new(),
        commit: Some(Commit {
            sha: commit.into(),
            author_name: "Jane".into(),
            author_email: "jane@example.org".into(),
            subject: format!("Change {commit}"),
            authored_at: 0,
        }),
    }
}

pub(crate) fn issued(kind: command::Kind) -> CommandIssued {
    CommandIssued {
        command: Some(Command { kind: Some(kind) }),
    }
}

pub(crate) fn fetch(generation: i64) -> CommandIssued {
    issued(command::Kind::FetchGit(FetchGit {
        object: Some(source()),
        generation,
        ..FetchGit::default()
    }))
}

pub(crate) fn fetched(commit: &str) -> ArtifactFetched {
    ArtifactFetched {
        object: Some(source()),
        generation: 1,
        artifact: Some(artifact(commit)),
        ..ArtifactFetched::default()
    }
}

pub(crate) fn source_concluded(
    ready: bool,
    reason: &str,
    message: &str,
    revision: &str,
) -> Concluded {
    Concluded {
        object: Some(source()),
        generation: 1,
        ready,
        reason: reason.into(),
        message: message.into(),
        revision: revision.into(),
        ..Concluded::default()
    }
}

pub(crate) fn build(commit: &str) -> CommandIssued {
    issued(command::Kind::BuildKustomization(BuildKustomization {
        object: Some(app()),
        generation: 1,
        artifact: Some(artifact(commit)),
        ..BuildKustomization::default()
    }))
}

pub(crate) fn apply() -> CommandIssued {
    issued(command::Kind::ApplyObjects(ApplyObjects {
        object: Some(app()),
        ..ApplyObjects::default()
    }))
}

pub(crate) fn applied(action: Action) -> ObjectsApplied {
    let deployment = ObjectRef {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: "apps".into(),
        name: "web".into(),
    };
    ObjectsApplied {
        object: Some(app()),
        applied: vec![AppliedObject {
            rendered: Some(Rendered {
                object: Some(deployment),
                ..Rendered::default()
            }),
            action: action.into(),
            ..AppliedObject::default()
        }],
        failures: Vec::new(),
    }
}

pub(crate) fn waited(object: ObjectRef, reason: &str, message: &str) -> Waited {
    Waited {
        object: Some(object),
        reason: reason.into(),
        message: message.into(),
    }
}

pub(crate) fn app_concluded(commit: &str, changed: u32) -> Concluded {
    Concluded {
        object: Some(app()),
        generation: 1,
        ready: true,
        reason: "ReconciliationSucceeded".into(),
        message: format!("Applied revision: main@sha1:{commit}"),
        revision: format!("main@sha1:{commit}"),
        duration_ms: 1_200,
        digest: "sha256:set".into(),
        changed,
        inventory: (changed > 0).then(|| Inventory {
            entries: vec![InventoryEntry {
                id: "apps_web_apps_Deployment".into(),
                version: "v1".into(),
            }],
        }),
        ..Concluded::default()
    }
}

pub(crate) fn app_failed(reason: &str, message: &str, stalled: bool) -> Concluded {
    Concluded {
        ready: false,
        stalled,
        reason: reason.into(),
        message: message.into(),
        ..app_concluded("a1", 0)
    }
}

/// A deployment from the first look to the end.
pub(crate) fn deployed() -> Told {
    Told::new()
        .news(source_observed(1), "manager:kubectl")
        .news(app_observed(1), "manager:kubectl")
        .then(fetch(1))
        .news(fetched("a1"), "")
        .then(source_concluded(true, "Succeeded", "", "main@sha1:a1"))
        .then(build("a1"))
        .then(apply())
        .then(applied(Action::Created))
        .then(waited(app(), "Progressing", "Running health checks"))
        .then(app_concluded("a1", 1))
}
