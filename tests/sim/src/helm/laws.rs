//! What must hold of releases: of what they prune, always; and, worked out from the models alone, when nobody
//! disturbs any more.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_api::{HelmRelease, HelmReleaseSpec};
use fluvial_event::{Action as Changed, Event, ObjectRef, PruneObjects};
use fluvial_helm::release::Record;
use fluvial_helm::release::storage::Stored;
use fluvial_reduce::{HelmRelease as Release, World};
use serde_json::Value;

use super::charts::{Chart, Charts, choose};
use super::execute::{objects_of, values_of};
use super::{RELEASE, helm_repository};
use crate::cluster::Declaration;
use crate::cluster::records::is_underway;
use crate::git::{Access, Folder};
use crate::simulation::Simulation;
use crate::wire;

/// What the action under way of each HelmRelease planned and made, by the log alone.
#[derive(Debug, Default)]
pub(crate) struct Actions(BTreeMap<ObjectRef, Action>);

#[derive(Debug, Default)]
struct Action {
    /// install, rollback, uninstall, …
    name: String,
    objects: BTreeSet<ObjectRef>,
    created: BTreeSet<ObjectRef>,
}

impl Actions {
    /// Takes an outcome that was awaited.
    pub(crate) fn take(&mut self, object: &ObjectRef, event: &Event) {
        match event {
            Event::ReleaseRendered(rendered) => {
                let objects = rendered.objects.iter();
                let objects = objects.filter_map(|it| it.object.as_ref());
                let action = Action {
                    name: rendered.action.clone(),
                    objects: objects.map(ObjectRef::identity).collect(),
                    created: BTreeSet::new(),
                };
                self.0.insert(object.clone(), action);
            }
            Event::ObjectsApplied(outcome) => {
                let Some(action) = self.0.get_mut(object) else {
                    return;
                };
                let made = outcome.applied.iter();
                let made = made.filter(|it| it.action() == Changed::Created);
                let made = made.filter_map(|it| it.rendered.as_ref()?.object.as_ref());
                action.created.extend(made.map(ObjectRef::identity));
            }
            _ => {}
        }
    }

    /// Nothing is pruned without evidence: what is to go is owned, and either its release is removed, or it is
    /// not in the chart any more, or it came with the action that failed.
    pub(crate) fn check_prune(
        &self,
        object: &ObjectRef,
        prune: &PruneObjects,
        world: &World,
    ) -> Result<(), String> {
        let owned = world.releases().get(object).map(Release::owned);
        let Some(action) = self.0.get(object) else {
            return Err(format!("{object} prunes and nothing was rendered"));
        };
        for doomed in &prune.objects {
            let key = doomed.object.clone().unwrap_or_default().identity();
            let Some(owned) = owned.and_then(|owned| owned.get(&key)) else {
                return Err(format!("{object} prunes {key}, which it does not own"));
            };
            if owned.rendered.keep {
                return Err(format!("{object} prunes {key}, which is to be kept"));
            }
            let is_removal = action.name.starts_with("uninstall");
            let is_wanted = action.objects.contains(&key) && !action.created.contains(&key);
            if is_wanted && !is_removal {
                return Err(format!("{object} prunes {key}, which its chart has"));
            }
        }
        Ok(())
    }
}

/// Checks every release that a HelmRelease asks for.
pub(crate) fn check(sim: &Simulation) -> Result<(), String> {
    let all = sim.cluster.bodies.keys();
    for object in all.filter(|it| it.kind == "HelmRelease") {
        let Some(declared) = sim.cluster.declared(object) else {
            continue;
        };
        if declared.spec["suspend"] == true {
            continue;
        }
        if declared.deleting {
            return Err(format!("{object} is still being deleted"));
        }
        let value = wire::body(object, &sim.cluster.bodies[object]);
        let Ok(read) = HelmRelease::read(&value) else {
            continue;
        };
        check_one(sim, object, declared, &read.spec).map_err(|why| format!("{object}: {why}"))?;
    }
    Ok(())
}

fn check_one(
    sim: &Simulation,
    object: &ObjectRef,
    declared: &Declaration,
    spec: &HelmReleaseSpec,
) -> Result<(), String> {
    let name = spec.release_name(&object.name);
    let storage = spec.storage_namespace(&object.namespace);
    let all = sim.cluster.records(storage, &name).all();
    check_states(&all)?;
    let known = sim.world().one(object);
    let last = known.and_then(|it| it.concluded.as_ref());
    let is_ready = last.is_some_and(|it| it.ready && it.generation == declared.generation);
    if !is_ready {
        return Ok(());
    }
    let newest = all.last().ok_or("ready without a release")?;
    if newest.status != "deployed" {
        return Err(format!("ready with v{} {}", newest.version, newest.status));
    }
    let record = newest.record()?;
    check_asked(sim, object, declared, spec, &record)?;
    check_live(sim, spec.release_namespace(&object.namespace), &record)
}

/// Nothing is under way, one revision at most is deployed, and none is left out: only the oldest may be alone,
/// which was kept as the one that was deployed.
fn check_states(all: &[Stored]) -> Result<(), String> {
    let states: Vec<_> = all.iter().map(|it| (it.version, &it.status)).collect();
    let mut pairs = all.windows(2).enumerate();
    let has_gap = pairs.any(|(index, pair)| {
        let was_deployed = ["deployed", "superseded"].contains(&pair[0].status.as_str());
        pair[1].version != pair[0].version + 1 && !(index == 0 && was_deployed)
    });
    let deployed = all.iter().filter(|it| it.status == "deployed").count();
    if all.iter().any(|it| is_underway(&it.status)) {
        Err(format!("something is under way for ever: {states:?}"))
    } else if deployed > 1 {
        Err(format!("{deployed} revisions are deployed: {states:?}"))
    } else if has_gap {
        Err(format!("revisions are missing: {states:?}"))
    } else {
        Ok(())
    }
}

/// What is released is what is asked for: the newest chart that fits, with these values.
fn check_asked(
    sim: &Simulation,
    object: &ObjectRef,
    declared: &Declaration,
    spec: &HelmReleaseSpec,
    record: &Record,
) -> Result<(), String> {
    let values = values_of(&sim.cluster, &object.namespace, spec);
    if values.as_ref().ok() != Some(&record.config) {
        return Err(format!("released with {:?}, not {values:?}", record.config));
    }
    let wanted = wanted(sim, &declared.spec);
    let version = record.chart_metadata("version");
    match wanted {
        Some(chart) if chart.version != version => {
            Err(format!("{version} is released, not {}", chart.version))
        }
        Some(_) | None => Ok(()),
    }
}

/// The chart that a HelmRelease asks for, if that can be read.
fn wanted(sim: &Simulation, spec: &Value) -> Option<Chart> {
    let template = &spec["chart"]["spec"];
    let name = template["chart"].as_str()?;
    let source = template["sourceRef"]["name"].as_str()?;
    if template["sourceRef"]["kind"] != "HelmRepository" {
        let from = sim.cluster.declared(&crate::users::source(source))?;
        let url = from.spec["url"].as_str()?;
        let Some(Folder::Good(objects)) = sim.git.tree(url).remove(name) else {
            return None;
        };
        let revision = sim.git.head(url)?;
        let commit: String = revision.rsplit(':').next()?.chars().take(12).collect();
        return Some(Chart::new(name, &format!("0.1.0+{commit}"), objects));
    }
    let from = sim.cluster.declared(&helm_repository(source))?;
    let url = from.spec["url"].as_str()?;
    let repository = sim.charts.0.get(url)?;
    if repository.access != Access::Open {
        return None;
    }
    let index = Charts::index(repository);
    let version = choose(&index, name, template["version"].as_str()?)?;
    sim.charts.find(url, name, version).cloned()
}

/// What storage says is what the cluster holds, and nothing else is the release's.
fn check_live(sim: &Simulation, namespace: &str, record: &Record) -> Result<(), String> {
    let owner = format!("{namespace}/{}", record.name);
    let wanted = objects_of(record);
    for manifest in &wanted {
        let name = manifest.object();
        let live = sim.cluster.live(&name);
        let live = live.ok_or_else(|| format!("released without {name}"))?;
        let manifest = manifest.clone().with(RELEASE, &owner);
        for (field, value) in &manifest.fields {
            let found = live.fields.get(field).map(|it| it.value.as_str());
            if found != Some(value) {
                return Err(format!(
                    "{name}: {field} is {found:?}, storage says {value:?}"
                ));
            }
        }
    }
    for (name, live) in sim.cluster.lives() {
        let is_wanted = wanted.iter().any(|it| it.object().identity() == *name);
        let is_excused = sim.excused.contains(name) || sim.is_stray(name, live);
        if live.release() == owner && !is_wanted && !live.deleting && !is_excused {
            return Err(format!("{name} left the release and is still there"));
        }
    }
    Ok(())
}
