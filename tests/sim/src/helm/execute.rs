//! The simulated executors of HelmReleases. What is written, run and deleted, the real `fluvial-helm` says.

use fluvial_api::HelmReleaseSpec;
use fluvial_api::helm_release::{ReleaseSnapshot, origin_labels};
use fluvial_event::{
    ChartDeclared, DeclareChart, Digest, Event, Hook, HookRan, HookRun, InspectRelease, ObjectRef,
    RecallRelease, ReleaseFailed, ReleaseInspected, ReleaseRendered, ReleaseStored, RenderRelease,
    Rendered, RunHook, StoreRelease,
};
use fluvial_helm::hook::{self, Beginning};
use fluvial_helm::release::storage::{self, Stored, Write, snapshot};
use fluvial_helm::release::{Info, Record, RecordedHook, config_digest};
use fluvial_log::BlobStore;
use fluvial_manifest::digest::canonical;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::charts::Chart;
use super::{CONTROLLER, RELEASE};
use crate::cluster::Cluster;
use crate::cluster::records::Writer;
use crate::executor::{Outside, Trouble};
use crate::git::Manifest;
use crate::wire;

/// An outcome, or why there is none that goes on: a reason and a sentence.
type Outcome = Result<Result<Event, (&'static str, String)>, Trouble>;

/// How a hook ended, with the reason of a failure.
type HookEnd = Result<(), String>;

const STATE: &str = "StateError";

fn said(object: Option<ObjectRef>, generation: i64, outcome: Outcome) -> Result<Event, Trouble> {
    let failed = |(reason, message): (&str, String)| {
        let failed = ReleaseFailed {
            object,
            generation,
            reason: reason.into(),
            message,
        };
        failed.into()
    };
    Ok(outcome?.unwrap_or_else(failed))
}

fn spec(bytes: &[u8]) -> Result<HelmReleaseSpec, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| Trouble(error.to_string()))
}

fn json_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The objects that the record of a release holds.
pub(crate) fn objects_of(record: &Record) -> Vec<Manifest> {
    serde_json::from_str(&record.manifest).unwrap_or_default()
}

/// The record of `chart` with `values`, as revision `version` of a release.
pub(crate) fn record_of(
    chart: &Chart,
    (namespace, name): (&str, &str),
    version: i64,
    config: &Map<String, Value>,
    at: &str,
) -> Result<Record, String> {
    let render = |manifest: &Manifest| Chart::render(manifest, namespace, config);
    let objects: Vec<_> = chart.objects.iter().map(render).collect::<Result<_, _>>()?;
    let hook = |it: &super::charts::ChartHook| {
        let manifest = render(&it.manifest)?;
        Ok(RecordedHook {
            name: manifest.name.clone(),
            kind: manifest.kind.clone(),
            path: format!("{}/templates/{}.yaml", chart.name, manifest.name),
            manifest: json_of(&manifest),
            events: it.events.clone(),
            delete_policies: it.policies.clone(),
            ..RecordedHook::default()
        })
    };
    let hooks = chart
        .hooks
        .iter()
        .map(hook)
        .collect::<Result<_, String>>()?;
    Ok(Record {
        name: name.to_owned(),
        info: Info {
            first_deployed: Some(at.to_owned()),
            last_deployed: Some(at.to_owned()),
            ..Info::default()
        },
        chart: json!({"metadata": {"name": chart.name, "version": chart.version}}),
        config: config.clone(),
        manifest: json_of(&objects),
        hooks: Some(hooks),
        version,
        namespace: namespace.to_owned(),
        apply_method: "ssa".to_owned(),
    })
}

impl Outside<'_> {
    pub(crate) fn declare_chart(&mut self, declare: &DeclareChart) -> Result<Event, Trouble> {
        let chart = declare.chart.clone().unwrap_or_default();
        let object = declare.object.clone().unwrap_or_default();
        let origin = origin_labels(&object.namespace, &object.name);
        let done = if declare.manifest.is_empty() {
            match self.cluster.declared(&chart) {
                Some(live) if live.labels == origin => {
                    let uid = live.uid.clone();
                    self.ask(|cluster| cluster.delete(&chart, &uid))?
                        .map(|()| true)
                }
                Some(_) | None => Ok(false),
            }
        } else {
            let manifest: Value = serde_json::from_slice(&declare.manifest)
                .map_err(|error| Trouble(error.to_string()))?;
            let spec = manifest["spec"].clone();
            self.ask(|cluster| Ok(cluster.declare_chart(&chart, &spec, &origin)))?
        };
        let digest = Digest::of(&declare.manifest).to_string();
        let is_there = done.is_ok() && !declare.manifest.is_empty();
        let declared = ChartDeclared {
            object: declare.object.clone(),
            chart: declare.chart.clone(),
            digest: Some(digest).filter(|_| is_there).unwrap_or_default(),
            changed: *done.as_ref().unwrap_or(&false),
            failure: done.map_or_else(|refused| refused.message, |_| String::new()),
        };
        Ok(declared.into())
    }

    /// The records of a release, the oldest first; read in one request.
    fn records(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Result<Result<Vec<Stored>, String>, Trouble> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let read = self.ask(|cluster| Ok(cluster.records(&namespace, &name).all()))?;
        Ok(read.map_err(|refused| refused.message))
    }

    pub(crate) fn inspect(&mut self, inspect: &InspectRelease) -> Result<Event, Trouble> {
        let outcome = self.inspected(inspect);
        said(inspect.object.clone(), inspect.generation, outcome)
    }

    fn inspected(&mut self, inspect: &InspectRelease) -> Outcome {
        let object = inspect.object.clone().unwrap_or_default();
        let spec = spec(&inspect.spec)?;
        let name = spec.release_name(&object.name);
        let namespace = spec.storage_namespace(&object.namespace);
        let all = match self.records(namespace, &name)? {
            Ok(all) => all,
            Err(why) => return Ok(Err((STATE, why))),
        };
        let newest = match all.last().map(Stored::record).transpose() {
            Ok(newest) => newest,
            Err(why) => return Ok(Err((STATE, why))),
        };
        let config = match self.config(&object, &spec) {
            Ok(config) => config,
            Err(why) => return Ok(Err(("ValuesError", why))),
        };
        let artifact = inspect.artifact.clone().unwrap_or_default();
        let chart: Chart = self.read(&artifact.blob).map_err(Trouble)?;
        let objects = match newest.as_ref().filter(|_| inspect.adopt) {
            Some(record) => self.released(record)?,
            None => Vec::new(),
        };
        let stored = newest.as_ref().map(|record| snapshot(record, ""));
        let inspected = ReleaseInspected {
            object: inspect.object.clone(),
            generation: inspect.generation,
            chart_name: chart.name,
            chart_version: chart.version,
            app_version: String::new(),
            values: self.keep(&canonical(&Value::Object(config.clone())))?,
            config_digest: config_digest(Some(&config)),
            stored: stored.as_ref().map(json_of).unwrap_or_default(),
            objects,
            // Charts come from HelmCharts here, and never from a registry as such.
            oci_digest: String::new(),
        };
        Ok(Ok(inspected.into()))
    }

    /// The values that are given: those of other objects, then its own.
    fn config(
        &self,
        object: &ObjectRef,
        spec: &HelmReleaseSpec,
    ) -> Result<Map<String, Value>, String> {
        values_of(self.cluster, &object.namespace, spec)
    }

    fn keep(&self, bytes: &[u8]) -> Result<String, Trouble> {
        let blob = self.blobs.put(bytes);
        blob.map(|blob| blob.to_string())
            .map_err(|error| Trouble(error.to_string()))
    }

    /// The objects of a record, marked as its release's.
    fn released(&self, record: &Record) -> Result<Vec<Rendered>, Trouble> {
        let owner = format!("{}/{}", record.namespace, record.name);
        let objects = objects_of(record);
        let all = objects
            .into_iter()
            .map(|it| self.rendered(&it.with(RELEASE, &owner)));
        all.collect::<Result<_, _>>().map_err(Trouble)
    }

    pub(crate) fn render_release(&mut self, render: &RenderRelease) -> Result<Event, Trouble> {
        let outcome = self.release_rendered(render);
        said(render.object.clone(), render.generation, outcome)
    }

    fn release_rendered(&mut self, render: &RenderRelease) -> Outcome {
        let object = render.object.clone().unwrap_or_default();
        let spec = spec(&render.spec)?;
        let name = spec.release_name(&object.name);
        let artifact = render.artifact.clone().unwrap_or_default();
        let chart: Chart = self.read(&artifact.blob).map_err(Trouble)?;
        let config: Map<String, Value> = self.read(&render.values).map_err(Trouble)?;
        let release = (spec.release_namespace(&object.namespace), name.as_str());
        let mut record = match record_of(&chart, release, render.version, &config, &render.at) {
            Ok(record) => record,
            Err(why) => return Ok(Err(("RenderFailed", why))),
        };
        let is_upgrade = render.action == "upgrade";
        if is_upgrade {
            let all = match self.records(spec.storage_namespace(&object.namespace), &name)? {
                Ok(all) => all,
                Err(why) => return Ok(Err((STATE, why))),
            };
            let before = storage::before(&all, render.version).and_then(|it| it.record().ok());
            if let Some(before) = before {
                record.info.first_deployed = before.info.first_deployed;
            }
        }
        let mut prerequisites = Vec::new();
        if spec.install.create_namespace && !is_upgrade {
            prerequisites.push(Manifest::new("Namespace", "", release.0));
        }
        prerequisites.extend(chart.definitions.into_iter().filter(|_| !is_upgrade));
        let rendered = ReleaseRendered {
            prerequisites: self.prerequisites(&prerequisites)?,
            action: render.action.clone(),
            version: render.version,
            ..self.planned(&record)?
        };
        Ok(Ok(ReleaseRendered {
            object: render.object.clone(),
            generation: render.generation,
            ..rendered
        }
        .into()))
    }

    fn prerequisites(&self, all: &[Manifest]) -> Result<Vec<Rendered>, Trouble> {
        let made_once = |rendered: Rendered| Rendered {
            stage: 0,
            policy: "IfNotPresent".to_owned(),
            ..rendered
        };
        let all = all.iter().map(|it| self.rendered(it).map(made_once));
        all.collect::<Result<_, _>>().map_err(Trouble)
    }

    /// What a record asks for.
    fn planned(&self, record: &Record) -> Result<ReleaseRendered, Trouble> {
        let objects = self.released(record)?;
        let hook = |it: &RecordedHook| {
            let manifest: Manifest =
                serde_json::from_str(&it.manifest).map_err(|error| Trouble(error.to_string()))?;
            Ok(Hook {
                name: it.name.clone(),
                kind: it.kind.clone(),
                path: it.path.clone(),
                manifest: self.keep(&canonical(&wire::manifest(&manifest)))?,
                events: it.events.clone(),
                weight: it.weight,
                delete_policies: it.delete_policies.clone(),
            })
        };
        let hooks = record.hooks.iter().flatten().map(hook);
        Ok(ReleaseRendered {
            release: self.keep(&record.to_json())?,
            digest: Digest::of(format!("{objects:?}").as_bytes()).to_string(),
            objects,
            hooks: hooks.collect::<Result<_, _>>()?,
            ..ReleaseRendered::default()
        })
    }

    pub(crate) fn recall_release(&mut self, recall: &RecallRelease) -> Result<Event, Trouble> {
        let outcome = self.recalled(recall);
        said(recall.object.clone(), recall.generation, outcome)
    }

    fn recalled(&mut self, recall: &RecallRelease) -> Outcome {
        let target: ReleaseSnapshot =
            serde_json::from_str(&recall.snapshot).map_err(|error| Trouble(error.to_string()))?;
        let all = match self.records(&recall.storage_namespace, &target.name)? {
            Ok(all) => all,
            Err(why) => return Ok(Err((STATE, why))),
        };
        let is_rollback = recall.action == "rollback";
        let Some(found) = storage::meant(&all, recall, target.version) else {
            let reason = if is_rollback {
                "MissingRollbackTarget"
            } else {
                "ReleaseNotFound"
            };
            let why = format!(
                "release {} is not in Helm's storage any more",
                target.full_name()
            );
            return Ok(Err((reason, why)));
        };
        let mut record = match found.record() {
            Ok(record) => record,
            Err(why) => return Ok(Err((STATE, why))),
        };
        if is_rollback {
            let newest = all.last().and_then(|it| it.record().ok());
            storage::roll_back(&mut record, recall, newest);
        }
        let rendered = ReleaseRendered {
            object: recall.object.clone(),
            generation: recall.generation,
            action: recall.action.clone(),
            version: recall.version,
            ..self.planned(&record)?
        };
        Ok(Ok(rendered.into()))
    }

    pub(crate) fn store_release(&mut self, store: &StoreRelease) -> Result<Event, Trouble> {
        let outcome = self.stored_release(store);
        said(store.object.clone(), 0, outcome)
    }

    /// What a deposed leader writes late, it decided by what it had read before.
    fn stored_release(&mut self, store: &StoreRelease) -> Outcome {
        let (namespace, name) = (store.storage_namespace.as_str(), store.name.as_str());
        let read = match self.as_of.clone() {
            Some(read) => read,
            None => match self.ask(|cluster| Ok(cluster.records(namespace, name)))? {
                Ok(read) => read,
                Err(refused) => return Ok(Err((STATE, refused.message))),
            },
        };
        let record: Vec<u8> = self.bytes(&store.release).map_err(Trouble)?;
        let record = Record::from_json(&record).map_err(Trouble)?;
        let plan = match storage::plan(&read.all(), record, store) {
            Ok(plan) => plan,
            Err(why) => return Ok(Err((STATE, why))),
        };
        let writer = Writer::Engine(&store.attempt);
        for write in &plan.writes {
            let done = self.ask(|cluster| match write {
                Write::Create(record) => cluster.create_record(namespace, record, writer),
                Write::Update(record) => cluster.update_record(namespace, record, &read, writer),
                Write::Delete(version) => {
                    cluster.delete_record(namespace, name, *version);
                    Ok(())
                }
            })?;
            match done {
                Ok(()) => {}
                Err(refused) if ["Conflict", "AlreadyExists"].contains(&refused.reason) => {
                    return Err(Trouble(refused.message));
                }
                Err(refused) => return Ok(Err((STATE, refused.message))),
            }
        }
        let stored = ReleaseStored {
            object: store.object.clone(),
            snapshots: plan.snapshots.iter().map(json_of).collect(),
            action: store.action.clone(),
            reason: store.reason.clone(),
            message: store.message.clone(),
            purged: store.purge,
        };
        Ok(Ok(stored.into()))
    }

    pub(crate) fn run_hook(&mut self, run: &RunHook) -> Result<Event, Trouble> {
        let hook = run.hook.clone().unwrap_or_default();
        let (did_run, end) = match self.hook_end(run, &hook)? {
            Ok(end) => (true, end),
            Err(refused) => (false, Err(refused)),
        };
        let doomed = hook::doomed(run, end.is_ok());
        for each in doomed.into_iter().filter(|_| did_run) {
            let manifest = self.hook_manifest(each)?;
            let object = manifest.object();
            let is_there = self.cluster.live(&object).is_some();
            if is_there && hook::may_go(each) {
                // What cannot be deleted stays.
                let left = self.ask(|cluster| cluster.delete(&object, ""))?;
                left.unwrap_or_default();
            }
        }
        let ran = HookRan {
            object: run.object.clone(),
            event: run.event.clone(),
            run: Some(HookRun {
                path: hook.path,
                name: hook.name,
                started_at: run.at.clone(),
                completed_at: self.cluster.now.to_string(),
                phase: if end.is_ok() { "Succeeded" } else { "Failed" }.to_owned(),
            }),
            message: end.err().unwrap_or_default(),
        };
        Ok(ran.into())
    }

    fn hook_manifest(&self, hook: &Hook) -> Result<Manifest, Trouble> {
        let value: Value = self.read(&hook.manifest).map_err(Trouble)?;
        Ok(wire::read_manifest(&value))
    }

    /// Creates a hook, or finds the one that this very command created, and lets it come to its end. The error
    /// says why it could not be created.
    fn hook_end(&mut self, run: &RunHook, hook: &Hook) -> Result<Result<HookEnd, String>, Trouble> {
        let manifest = self.hook_manifest(hook)?;
        let object = manifest.object();
        let stamp = hook::stamp(run);
        let live = self.cluster.live(&object);
        let live = live.map(|live| wire::live(&object, live));
        let beginning = hook::beginning(hook, live.as_ref(), &stamp);
        if beginning == Beginning::Replaced {
            let gone = self.ask(|cluster| cluster.delete(&object, ""))?;
            if let Err(refused) = gone {
                return Ok(Err(refused.message));
            }
        }
        if beginning != Beginning::UnderWay {
            let is_late = self.as_of.is_some();
            let made = self.ask(|cluster| {
                cluster.run_hook(&manifest, &stamp, CONTROLLER)?;
                if !is_late {
                    cluster.count_hook(&stamp, &object, hook);
                }
                Ok(())
            })?;
            if let Err(refused) = made {
                return Ok(Err(refused.message));
            }
        }
        let live = self.cluster.live(&object);
        let live = live.map(|live| wire::live(&object, live));
        let end = live.and_then(|live| hook::end_of(&object.group, &object.kind, &live));
        Ok(Ok(end.unwrap_or_else(|| {
            Err(format!("{object} is not complete"))
        })))
    }
}

/// The values of a HelmRelease: those of other objects, each field of theirs, then its own.
pub(crate) fn values_of(
    cluster: &Cluster,
    namespace: &str,
    spec: &HelmReleaseSpec,
) -> Result<Map<String, Value>, String> {
    let mut config = Map::new();
    for reference in &spec.values_from {
        let object = Manifest::new(reference.kind.as_str(), namespace, &reference.name).object();
        let Some(live) = cluster.live(&object) else {
            if reference.optional {
                continue;
            }
            return Err(format!("could not resolve {object}"));
        };
        let fields = live.fields.iter();
        config.extend(fields.map(|(field, it)| (field.clone(), it.value.as_str().into())));
    }
    if let Some(Value::Object(own)) = &spec.values {
        config.extend(own.clone());
    }
    Ok(config)
}
