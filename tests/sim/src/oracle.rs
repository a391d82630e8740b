//! What must hold at the end, when nobody disturbs any more: worked out from the models alone.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::{Health, ObjectRef};
use serde_json::Value;

use crate::cluster::{Declaration, ENGINE, IMMUTABLE, Live, OWNER, UNREADABLE};
use crate::executor::owner_of;
use crate::git::{Access, Folder, Manifest};
use crate::simulation::Simulation;
use crate::users::source;

/// Every Kustomization of a model, and what is to be expected of it.
struct Oracle<'a> {
    sim: &'a Simulation,
    declared: BTreeMap<&'a ObjectRef, &'a Declaration>,
    /// How many Kustomizations want an object.
    wanted: BTreeMap<ObjectRef, usize>,
}

/// Objects that more than one Kustomization owns: they are fought over.
pub(crate) fn contested(sim: &Simulation) -> usize {
    let mut owners: BTreeMap<&ObjectRef, usize> = BTreeMap::new();
    let all = sim.checker.world().kustomizations().values();
    for object in all.flat_map(|it| it.owned().names()) {
        *owners.entry(object).or_default() += 1;
    }
    owners.values().filter(|count| **count > 1).count()
}

/// Checks that everything that can be ready is, with the newest revision, and that nothing is left.
/// Answers how many Kustomizations that was asked of.
pub(crate) fn check(sim: &Simulation) -> Result<usize, String> {
    let oracle = Oracle::new(sim);
    let mut checked = 0;
    for (object, declared) in &oracle.declared {
        if oracle.can_be_ready(object, declared, &mut BTreeSet::new()) {
            oracle.check_one(object, declared)?;
            checked += 1;
        }
        if declared.deleting && declared.spec["suspend"] != true {
            return Err(format!("{object} is still being deleted"));
        }
    }
    Ok(checked)
}
impl<'a> Oracle<'a> {
    fn new(sim: &'a Simulation) -> Self {
        let declared: BTreeMap<_, _> = sim
            .cluster
            .bodies
            .keys()
            .filter(|object| object.kind == "Kustomization")
            .filter_map(|object| Some((object, sim.cluster.declared(object)?)))
            .collect();
        let mut oracle = Self {
            sim,
            declared,
            wanted: BTreeMap::new(),
        };
        let sets: Vec<_> = oracle
            .declared
            .values()
            .filter_map(|declared| oracle.desired(declared))
            .collect();
        for manifest in sets.iter().flat_map(|(_, set)| set) {
            *oracle
                .wanted
                .entry(manifest.object().identity())
                .or_default() += 1;
        }
        oracle
    }

    /// The newest revision and what it wants, if that can be read.
    fn desired(&self, declared: &Declaration) -> Option<(String, Vec<Manifest>)> {
        let spec = &declared.spec;
        let name = source(spec["sourceRef"]["name"].as_str()?);
        let from = self.sim.cluster.declared(&name)?;
        if from.deleting || from.spec["suspend"] == true {
            return None;
        }
        let url = from.spec["url"].as_str()?;
        let repository = self.sim.git.repositories.get(url)?;
        if repository.access != Access::Open {
            return None;
        }
        let tree = self.sim.git.tree(url);
        match tree.get(spec["path"].as_str()?)? {
            Folder::Good(manifests) => Some((self.sim.git.head(url)?, manifests.clone())),
            Folder::Broken => None,
        }
    }

    fn can_be_ready(
        &self,
        object: &ObjectRef,
        declared: &Declaration,
        on_the_way: &mut BTreeSet<ObjectRef>,
    ) -> bool {
        let spec = &declared.spec;
        if declared.deleting || spec["suspend"] == true || spec["interval"] == UNREADABLE {
            return false;
        }
        // What was rolled back and nobody took back may be held against the newest revision.
        if declared.rollback.is_some() {
            return false;
        }
        if !on_the_way.insert(object.clone()) {
            return false;
        }
        let Some((_, set)) = self.desired(declared) else {
            return false;
        };
        let dependencies = spec["dependsOn"].as_array().cloned().unwrap_or_default();
        let met = dependencies.iter().all(|dependency| {
            let name = crate::users::kustomization(dependency["name"].as_str().unwrap_or_default());
            self.declared
                .get_key_value(&name.identity())
                .is_some_and(|(object, declared)| self.can_be_ready(object, declared, on_the_way))
        });
        on_the_way.remove(object);
        met && set.iter().all(|it| self.can_be_applied(it, &set, spec))
            && self.checks_can_pass(spec)
    }

    fn can_be_applied(&self, manifest: &Manifest, set: &[Manifest], spec: &Value) -> bool {
        let object = manifest.object();
        let live = self.sim.cluster.live(&object);
        let known = |kind: &str, name: &str| {
            let needed = Manifest::new(kind, "", name).object();
            let in_set = set.iter().any(|it| it.object() == needed);
            let live = self.sim.cluster.live(&needed);
            in_set || live.is_some_and(|it| !it.deleting)
        };
        let terminating = |live: Option<&Live>| live.is_some_and(|it| it.deleting);
        let has_home = match manifest.namespace.as_str() {
            "" | "default" => true,
            namespace => known("Namespace", namespace),
        };
        let has_kind =
            manifest.kind != "Widget" || known("CustomResourceDefinition", "widgets.example.org");
        let fixed = live
            .and_then(|it| it.fields.get(IMMUTABLE))
            .map(|it| &it.value);
        let can_change = fixed.is_none()
            || fixed == manifest.fields.get(IMMUTABLE)
            || manifest.force
            || spec["force"] == true;
        let checked = spec["wait"] == true;
        let healthy = !checked || !matches!(image(manifest), "broken" | "stuck");
        let contested = self
            .wanted
            .get(&object.identity())
            .copied()
            .unwrap_or_default()
            > 1;
        let invalid = manifest.fields.values().any(|value| value == "invalid");
        has_home
            && has_kind
            && can_change
            && healthy
            && !contested
            && !invalid
            && !terminating(live)
            && manifest.policy.is_empty()
    }

    fn checks_can_pass(&self, spec: &Value) -> bool {
        if spec["wait"] == true {
            return true;
        }
        let checks = spec["healthChecks"].as_array().cloned().unwrap_or_default();
        checks.iter().all(|check| {
            let mut object = Manifest::new(
                "Deployment",
                check["namespace"].as_str().unwrap_or_default(),
                check["name"].as_str().unwrap_or_default(),
            )
            .object();
            object.version = String::new();
            self.wanted.contains_key(&object)
                && self
                    .sim
                    .cluster
                    .live(&object)
                    .is_some_and(|it| it.health == Health::Current)
        })
    }

    fn check_one(&self, object: &ObjectRef, declared: &Declaration) -> Result<(), String> {
        let Some((revision, set)) = self.desired(declared) else {
            return Ok(());
        };
        let world = self.sim.checker.world();
        let Some(known) = world.one(object) else {
            return Err(format!("{object} is not known"));
        };
        let last = known.concluded.clone().unwrap_or_default();
        if !last.ready || last.generation != declared.generation || last.revision != revision {
            return Err(format!(
                "{object} is not ready with {revision} at generation {}: {last:?}, {:?}",
                declared.generation, known.waiting
            ));
        }
        if known.handled_at != declared.requested_at {
            return Err(format!("{object} did not do what was asked for by hand"));
        }
        let owner = owner_of(Some(object));
        for manifest in &set {
            let name = manifest.object();
            let Some(live) = self.sim.cluster.live(&name) else {
                return Err(format!("{object} is ready without {name}"));
            };
            let mut fields = manifest.fields.clone();
            fields.insert(OWNER.into(), owner.clone());
            let mut ours = live.fields.iter().filter(|(_, it)| it.manager == ENGINE);
            if let Some((field, it)) = ours.find(|(field, _)| !fields.contains_key(*field)) {
                return Err(format!("{name}: {field} is {it:?}, {object} wants none"));
            }
            for (field, value) in fields {
                let found = live.fields.get(&field).map(|it| it.value.as_str());
                if found != Some(&value) {
                    return Err(format!(
                        "{name}: {field} is {found:?}, {object} wants {value:?}"
                    ));
                }
            }
        }
        if declared.spec["prune"] == true {
            self.check_rest(object, &owner, &set)?;
        }
        Ok(())
    }

    /// Nothing that left is there, unless it was to be kept or an earlier namesake left it behind.
    fn check_rest(&self, object: &ObjectRef, owner: &str, set: &[Manifest]) -> Result<(), String> {
        for (name, live) in self.sim.cluster.lives() {
            let is_left = live.owner() == owner
                && !live.deleting
                && set.iter().all(|it| it.object().identity() != *name);
            let is_excused = self.sim.excused.contains(name)
                || self.sim.cluster.orphans.contains(&live.uid)
                || self.sim.is_stray(name, live);
            if is_left && !is_excused {
                return Err(format!("{name} left {object} and is still there: {live:?}"));
            }
        }
        Ok(())
    }
}

fn image(manifest: &Manifest) -> &str {
    manifest.fields.get("image").map_or("", String::as_str)
}
