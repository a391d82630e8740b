//! A history that is told fast: the real loop decides, and every command is answered at once as a healthy
//! world would. What is measured on it is another file's business.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, ensure};
use fluvial_api::{GitRepository, Kustomization};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Artifact, ArtifactFetched, BuildKustomization, Command,
    Commit, Digest, Draft, Event, FinalizerSet, Health, ManifestsBuilt, ObjectRef, ObjectsApplied,
    ObjectsPruned, Offset, Record, Rendered, ResourceDeleted, ResourceObserved, TermStarted,
    TimerFired, Timestamp, command,
};
use fluvial_log::{EventLog, Stage as _, StateStore};
use fluvial_reduce::World;
use fluvial_runtime::{Core, Order, Outlet, recover};
use serde_json::{Value, json};

/// How many objects each Kustomization has. One of them changes with every commit.
const OBJECTS: u64 = 3;
/// Records are made durable so many together, or a few more.
const BATCH_RECORDS: usize = 1000;
const MINUTE: i64 = 60_000_000_000;

/// A source and its Kustomizations, in a log, with a new commit every ten minutes.
pub(crate) struct Story {
    log: Arc<dyn EventLog>,
    core: Core<Hand>,
    hand: Hand,
    world: Arc<RwLock<World>>,
    now: Timestamp,
    commit: u64,
    version: u64,
}

/// What the loop hands out.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Vec<Order>>>);

impl Outlet for Hand {
    fn committed(&mut self, records: &[Record], _world: &World) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.extend(records.iter().filter_map(|record| match &record.event {
            Event::CommandIssued(issued) => Some(Order {
                id: record.id,
                command: issued.command.clone()?,
            }),
            _ => None,
        }));
    }

    fn stopped(&mut self, _why: &str) {}
}

impl Story {
    /// Declares a source and `apps` Kustomizations in an empty log.
    pub(crate) fn begin(
        log: Arc<dyn EventLog>,
        state: Arc<dyn StateStore>,
        apps: usize,
    ) -> Result<Self> {
        let recovered = recover(&*log, &*state).context("cannot begin a history")?;
        let world = Arc::new(RwLock::new(recovered.world));
        let hand = Hand::default();
        let mut story = Self {
            core: Core::new(recovered.head, 1, Arc::clone(&world), state, hand.clone()),
            log,
            hand,
            world,
            now: Timestamp(1_700_000_000_000_000_000),
            commit: 1,
            version: 1,
        };
        let term = TermStarted {
            identity: "bench".to_owned(),
            version: String::new(),
        };
        let mut drafts = vec![Draft::news(term.into()), Draft::news(source_seen()?.into())];
        for app in 0..apps {
            drafts.push(Draft::news(app_seen(app)?.into()));
        }
        story.settle(drafts)?;
        Ok(story)
    }

    /// Goes on until the log has `records` or a few more.
    pub(crate) fn tell(&mut self, records: u64) -> Result<()> {
        while self.log.head().offset.0 < records {
            self.now = Timestamp(self.now.0 + 10 * MINUTE);
            self.commit += 1;
            let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
            let fired = |object: &ObjectRef| TimerFired {
                object: Some(object.clone()),
            };
            let drafts = world.ripe(self.now).map(|it| Draft::news(fired(it).into()));
            let drafts: Vec<_> = drafts.collect();
            drop(world);
            ensure!(
                !drafts.is_empty(),
                "nothing more is due: {}",
                self.end_of_log()
            );
            self.settle(drafts)?;
        }
        Ok(())
    }

    fn end_of_log(&self) -> String {
        let head = self.log.head().offset.0;
        let last = self.log.read(Offset(head.saturating_sub(5)));
        let lines: Vec<_> = last.map(|record| format!("{record:?}")).collect();
        lines.join("\n")
    }

    /// Everything that was declared is gone, and its objects are nobody's any more.
    pub(crate) fn end(mut self) -> Result<()> {
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        let gone = world.declared().map(|(object, declared)| ResourceDeleted {
            object: Some(object.clone()),
            uid: declared.uid.clone(),
        });
        let drafts = gone.map(|it| Draft::news(it.into())).collect();
        drop(world);
        self.settle(drafts)
    }

    /// Appends `drafts`, and all that comes of what is decided because of them.
    fn settle(&mut self, mut drafts: Vec<Draft>) -> Result<()> {
        while !drafts.is_empty() {
            let mut records = Vec::new();
            let mut left = drafts.into_iter();
            while records.len() < BATCH_RECORDS
                && let Some(draft) = left.next()
            {
                records.append(&mut self.core.stage(vec![draft], self.now));
            }
            self.log.append(&records)?;
            self.core.committed(&records);
            let orders = {
                let mut orders = self.hand.0.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *orders)
            };
            drafts = left.collect();
            for order in orders {
                if let Some(event) = self.answer(order.command) {
                    drafts.push(Draft::outcome(order.id, event));
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, command: Command) -> Option<Event> {
        Some(match command.kind? {
            command::Kind::FetchGit(it) => ArtifactFetched {
                object: it.object,
                generation: it.generation,
                artifact: Some(self.artifact()),
                ..ArtifactFetched::default()
            }
            .into(),
            command::Kind::BuildKustomization(it) => self.build(it).into(),
            command::Kind::ApplyObjects(it) => self.apply(it).into(),
            command::Kind::PruneObjects(it) => ObjectsPruned {
                object: it.object,
                pruned: it.objects.into_iter().filter_map(|it| it.object).collect(),
                ..ObjectsPruned::default()
            }
            .into(),
            command::Kind::SetFinalizer(it) => FinalizerSet {
                object: it.object,
                present: it.present,
            }
            .into(),
            // A story has no rollback, no chart and no release.
            command::Kind::RecallManifests(_)
            | command::Kind::FetchOci(_)
            | command::Kind::FetchHelmRepository(_)
            | command::Kind::FetchHelmChart(_)
            | command::Kind::DeclareChart(_)
            | command::Kind::InspectRelease(_)
            | command::Kind::RenderRelease(_)
            | command::Kind::RecallRelease(_)
            | command::Kind::StoreRelease(_)
            | command::Kind::RunHook(_) => return None,
        })
    }

    fn artifact(&self) -> Artifact {
        let sha = hex(&format!("commit {}", self.commit));
        Artifact {
            revision: format!("main@sha1:{}", &sha[..40]),
            digest: format!("sha256:{sha}"),
            bytes: 4096,
            blob: format!("sha256:{sha}"),
            commit: Some(Commit {
                sha: sha[..40].to_owned(),
                author_name: "Jane".to_owned(),
                author_email: "jane@example.org".to_owned(),
                subject: format!("Change number {}", self.commit),
                authored_at: 0,
            }),
        }
    }

    fn build(&self, build: BuildKustomization) -> ManifestsBuilt {
        let app = build.object.clone().unwrap_or_default();
        let kinds = ["ConfigMap", "Service", "ServiceAccount"];
        let rendered = |(number, kind): (u64, &str)| {
            let change = (self.commit + number) / OBJECTS;
            let name = format!("{kind} {} {change}", app.name);
            Rendered {
                object: Some(object("", kind, &app.name)),
                manifest: format!("sha256:{}", hex(&name)),
                stage: 1,
                ..Rendered::default()
            }
        };
        ManifestsBuilt {
            object: build.object,
            generation: build.generation,
            revision: build.artifact.unwrap_or_default().revision,
            objects: (0..OBJECTS).zip(kinds).map(rendered).collect(),
            digest: format!("sha256:{}", hex(&format!("{} {}", app.name, self.commit))),
        }
    }

    fn apply(&mut self, apply: ApplyObjects) -> ObjectsApplied {
        let mut applied = Vec::new();
        for rendered in apply.objects {
            self.version += 1;
            let named = rendered.object.clone().unwrap_or_default();
            applied.push(AppliedObject {
                uid: hex(&named.to_string())[..36].to_owned(),
                resource_version: self.version.to_string(),
                live: format!("sha256:{}", hex(&format!("live {}", rendered.manifest))),
                rendered: Some(rendered),
                action: Action::Configured.into(),
                health: Health::Current.into(),
                ..AppliedObject::default()
            });
        }
        ObjectsApplied {
            object: apply.object,
            applied,
            failures: Vec::new(),
        }
    }
}

fn object(group: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: "history".to_owned(),
        name: name.to_owned(),
    }
}

fn source_seen() -> Result<ResourceObserved> {
    let object = object("source.toolkit.fluxcd.io", "GitRepository", "load");
    let spec = json!({"url": "http://host/load.git", "interval": "10m", "ref": {"branch": "main"}});
    let spec = GitRepository::read(&declared(&object, &spec))?.spec;
    Ok(seen(object, serde_json::to_vec(&spec)?))
}

fn app_seen(app: usize) -> Result<ResourceObserved> {
    let object = object(
        "kustomize.toolkit.fluxcd.io",
        "Kustomization",
        &format!("app{app}"),
    );
    let spec = json!({
        "interval": "10m",
        "path": format!("./app{app}"),
        "prune": true,
        "wait": true,
        "sourceRef": {"kind": "GitRepository", "name": "load"},
    });
    let spec = Kustomization::read(&declared(&object, &spec))?.spec;
    Ok(seen(object, serde_json::to_vec(&spec)?))
}

fn declared(object: &ObjectRef, spec: &Value) -> Value {
    json!({
        "apiVersion": object.api_version(),
        "kind": object.kind,
        "metadata": {"name": object.name, "namespace": object.namespace},
        "spec": spec,
    })
}

fn seen(object: ObjectRef, spec: Vec<u8>) -> ResourceObserved {
    ResourceObserved {
        uid: hex(&object.name)[..36].to_owned(),
        generation: 1,
        resource_version: "1".to_owned(),
        spec,
        finalizer: true,
        object: Some(object),
        ..ResourceObserved::default()
    }
}

fn hex(text: &str) -> String {
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.trim_start_matches("sha256:").to_owned()
}
