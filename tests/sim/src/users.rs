//! Everybody but the engine: people who declare, commit, edit and delete, and other controllers.

use std::collections::{BTreeMap, BTreeSet};

use fluvial_event::ObjectRef;
use serde_json::{Value, json};

use crate::cluster::{IMMUTABLE, OWNER, UNREADABLE};
use crate::git::{Access, Folder, Manifest, Tree};
use crate::simulation::Simulation;

/// Where everything is declared.
pub const NAMESPACE: &str = "flux-system";

/// The GitRepository `name`.
pub fn source(name: &str) -> ObjectRef {
    ObjectRef {
        group: "source.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "GitRepository".into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

/// The Kustomization `name`.
pub fn kustomization(name: &str) -> ObjectRef {
    ObjectRef {
        group: "kustomize.toolkit.fluxcd.io".into(),
        version: "v1".into(),
        kind: "Kustomization".into(),
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

/// The spec of a source.
pub fn source_spec(url: &str) -> Value {
    json!({"url": url, "interval": "1m", "ref": {"branch": "main"}})
}

/// The spec of a Kustomization that prunes.
pub fn spec(source: &str, path: &str) -> Value {
    json!({
        "interval": "10m",
        "retryInterval": "1m",
        "path": path,
        "prune": true,
        "sourceRef": {"kind": "GitRepository", "name": source},
    })
}

/// `spec` with more.
#[must_use]
pub fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// The URL that sources read.
pub const URLS: [&str; 2] = ["https://git.example/one", "https://git.example/two"];

impl Simulation {
    /// Declares sources and Kustomizations, and commits something for each.
    pub fn begin(&mut self) {
        for (index, url) in URLS.iter().enumerate() {
            self.git.commit(url, Tree::new());
            let mut spec = source_spec(url);
            let interval = *self.rng.pick(&["1m", "2m", "10m"]).unwrap_or(&"1m");
            spec["interval"] = interval.into();
            self.cluster
                .declare(&source(&format!("s{index}")), spec, Vec::new());
        }
        let count = 2 + self.rng.below(5);
        for index in 0..count {
            self.commit_folder(index);
            self.declare(index);
        }
    }

    fn declare(&mut self, index: usize) {
        let spec = self.random_spec(index);
        self.say(|| format!("declare k{index} {spec}"));
        self.cluster
            .declare(&kustomization(&format!("k{index}")), spec, Vec::new());
    }

    fn random_spec(&mut self, index: usize) -> Value {
        let mut spec = spec(&format!("s{}", index % 2), &format!("p{index}"));
        spec["interval"] = (*self.rng.pick(&["1m", "5m", "30m"]).unwrap_or(&"1m")).into();
        spec["prune"] = (index % 6 != 5).into();
        if self.rng.chance(500) {
            spec["retryInterval"] = "30s".into();
        }
        if self.rng.chance(500) {
            spec["timeout"] = (*self.rng.pick(&["30s", "2m"]).unwrap_or(&"2m")).into();
        }
        let gate = self.rng.below(100);
        if gate < 35 {
            spec["wait"] = true.into();
        } else if gate < 55 {
            spec["healthChecks"] = json!([{
                "apiVersion": "apps/v1", "kind": "Deployment",
                "name": format!("deployment-{index}-0"), "namespace": "default",
            }]);
        }
        if index > 0 && self.rng.chance(400) {
            let other = self.rng.below(index);
            spec["dependsOn"] = json!([{"name": format!("k{other}")}]);
        } else if self.rng.chance(30) {
            spec["dependsOn"] = json!([{"name": format!("k{}", index + 1)}]);
        }
        if self.rng.chance(200) {
            spec["force"] = true.into();
        }
        spec
    }

    fn random_manifest(&mut self, index: usize) -> Manifest {
        let namespace = if self.rng.chance(200) {
            format!("ns-{index}")
        } else {
            "default".to_owned()
        };
        let number = self.rng.below(4);
        let kind = *self
            .rng
            .pick(&[
                "ConfigMap",
                "ConfigMap",
                "Deployment",
                "Deployment",
                "Widget",
            ])
            .unwrap_or(&"ConfigMap");
        let name = format!("{}-{index}-{number}", kind.to_lowercase());
        let value = format!("v{}", self.rng.below(50));
        let mut manifest = Manifest::new(kind, &namespace, &name).with("data", &value);
        manifest.keep = self.rng.chance(40);
        manifest.force = self.rng.chance(60);
        if self.rng.chance(40) {
            let policies = ["IfNotPresent", "Ignore", "Merge"];
            manifest.policy = (*self.rng.pick(&policies).unwrap_or(&"")).into();
        }
        if self.rng.chance(80) {
            manifest = manifest.with(IMMUTABLE, &format!("i{}", self.rng.below(3)));
        }
        if self.rng.chance(20) {
            manifest = manifest.with("finalizer", "stuck");
        }
        if self.rng.chance(20) {
            manifest = manifest.with("data", "invalid");
        }
        if kind == "Deployment" && self.rng.chance(120) {
            let image = *self.rng.pick(&["broken", "stuck"]).unwrap_or(&"stuck");
            manifest = manifest.with("image", image);
        }
        manifest
    }

    /// Commits a new version of one folder.
    fn commit_folder(&mut self, index: usize) {
        let url = URLS[index % 2];
        let path = format!("p{index}");
        let mut tree = self.git.tree(url);
        let mut set: BTreeMap<ObjectRef, Manifest> = match tree.remove(&path) {
            Some(Folder::Good(manifests)) => manifests
                .into_iter()
                .map(|manifest| (manifest.object(), manifest))
                .collect(),
            Some(Folder::Broken) | None => BTreeMap::new(),
        };
        for _ in 0..=self.rng.below(3) {
            let manifest = self.random_manifest(index);
            if self.rng.chance(350) {
                let keys: Vec<_> = set.keys().cloned().collect();
                if let Some(key) = self.rng.pick(&keys) {
                    set.remove(key);
                }
            } else {
                set.insert(manifest.object(), manifest);
            }
        }
        let namespace = format!("ns-{index}");
        if set.keys().any(|object| object.namespace == namespace) && !self.rng.chance(30) {
            let manifest = Manifest::new("Namespace", "", &namespace);
            set.insert(manifest.object(), manifest);
        }
        if index == 0 && !self.rng.chance(100) {
            let manifest = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
            set.insert(manifest.object(), manifest);
        }
        let folder = if self.rng.chance(40) {
            Folder::Broken
        } else {
            Folder::Good(set.into_values().collect())
        };
        if let Folder::Good(manifests) = &folder {
            let kept = manifests.iter().filter(|it| it.keep);
            self.excused.extend(kept.map(|it| it.object().identity()));
        }
        if !self.rng.chance(15) {
            tree.insert(path, folder);
        }
        self.say(|| format!("commit {url}: {tree:?}"));
        self.git.commit(url, tree);
    }

    /// Moves an object from one folder to another.
    fn rename(&mut self) {
        let url = URLS[0];
        let mut tree = self.git.tree(url);
        let (from, to) = ("p0", if self.rng.chance(500) { "p2" } else { "p4" });
        let Some(Folder::Good(mut manifests)) = tree.get(from).cloned() else {
            return;
        };
        let Some(Folder::Good(mut others)) = tree.get(to).cloned() else {
            return;
        };
        let movable = manifests
            .iter()
            .position(|it| it.namespace == "default" && it.kind != "Widget");
        if let Some(index) = movable {
            let manifest = manifests.remove(index);
            if others.iter().all(|it| it.object() != manifest.object()) {
                others.push(manifest);
            }
            tree.insert(from.into(), Folder::Good(manifests));
            tree.insert(to.into(), Folder::Good(others));
            self.say(|| format!("move from {from} to {to}"));
            self.git.commit(url, tree);
        }
    }

    /// Somebody does something.
    pub fn act(&mut self) {
        let index = self.rng.below(7);
        let name = kustomization(&format!("k{index}"));
        match self.rng.below(100) {
            0..25 => self.commit_folder(index),
            25..30 => self.rename(),
            30..33 => {
                let count = 1 + self.rng.below(2);
                let url = URLS[index % 2];
                self.say(|| format!("force-push {url}"));
                self.git.drop_commits(url, count);
            }
            33..37 => {
                let access = [
                    Access::Open,
                    Access::Open,
                    Access::Unreachable,
                    Access::Denied,
                ];
                let access = *self.rng.pick(&access).unwrap_or(&Access::Open);
                self.say(|| format!("{} is {access:?}", URLS[index % 2]));
                if let Some(repository) = self.git.repositories.get_mut(URLS[index % 2]) {
                    repository.access = access;
                }
            }
            37..44 => self.declare(index),
            44..52 => self.suspend(index),
            52..56 => {
                self.say(|| format!("delete k{index}"));
                self.cluster.delete(&name, "").unwrap_or_default();
            }
            56..58 => self.revise_source(index),
            58..66 => {
                let at = format!("at {}", self.now);
                self.say(|| format!("request k{index}"));
                let object = if self.rng.chance(300) {
                    source(&format!("s{}", index % 2))
                } else {
                    name
                };
                self.cluster.mark(&object, |it| it.requested_at = at);
            }
            66..68 => {
                let path = format!("p{index}");
                let source = format!("s{}", index % 2);
                let bad = with(spec(&source, &path), "interval", UNREADABLE.into());
                self.say(|| format!("invalid k{index}"));
                self.cluster.declare(&name, bad, Vec::new());
            }
            68..74 => self.roll_back_or_resume(&name),
            _ => self.meddle(),
        }
    }

    /// People mend what they broke: every folder can be applied, every spec can be read.
    pub fn mend(&mut self) {
        for (index, url) in URLS.iter().enumerate() {
            let name = source(&format!("s{index}"));
            self.cluster.declare(&name, source_spec(url), Vec::new());
        }
        let mut taken = BTreeSet::new();
        for url in URLS {
            let mut tree = self.git.tree(url);
            for (path, folder) in &mut tree {
                let manifests = match &folder {
                    Folder::Good(manifests) => manifests.clone(),
                    Folder::Broken => Vec::new(),
                };
                *folder = Folder::Good(mended(path, manifests, &mut taken));
            }
            self.say(|| format!("mend {url}: {tree:?}"));
            self.git.commit(url, tree);
        }
        for index in 0..7 {
            let name = kustomization(&format!("k{index}"));
            let Some(declared) = self.cluster.declared(&name) else {
                continue;
            };
            let mut spec = declared.spec.clone();
            spec["suspend"] = false.into();
            spec["dependsOn"] = json!([]);
            if spec["interval"] == UNREADABLE {
                spec["interval"] = "5m".into();
            }
            self.cluster.declare(&name, spec, Vec::new());
            self.resume(&name);
        }
    }

    fn suspend(&mut self, index: usize) {
        let object = if self.rng.chance(250) {
            source(&format!("s{}", index % 2))
        } else {
            kustomization(&format!("k{index}"))
        };
        let Some(declared) = self.cluster.declared(&object) else {
            return;
        };
        let suspended = declared.spec["suspend"] == true;
        let spec = with(declared.spec.clone(), "suspend", (!suspended).into());
        self.say(|| format!("suspend {object}: {}", !suspended));
        self.cluster.declare(&object, spec, Vec::new());
    }

    fn revise_source(&mut self, index: usize) {
        let name = source(&format!("s{}", index % 2));
        if self.rng.chance(300) {
            self.say(|| format!("delete {name}"));
            self.cluster.delete(&name, "").unwrap_or_default();
        } else {
            let interval = if self.rng.chance(500) { "1m" } else { "3m" };
            let spec = with(source_spec(URLS[index % 2]), "interval", interval.into());
            self.say(|| format!("declare {name}"));
            self.cluster.declare(&name, spec, Vec::new());
        }
    }

    /// Somebody changes, deletes or takes over a managed object.
    fn meddle(&mut self) {
        let all: Vec<_> = self
            .cluster
            .lives()
            .map(|(object, _)| object.clone())
            .collect();
        let Some(object) = self.rng.pick(&all).cloned() else {
            return;
        };
        let choice = self.rng.below(100);
        self.say(|| format!("meddle {choice} with {object}"));
        match choice {
            0..40 => self
                .cluster
                .edit(&object, "data", Some("edited"), "kubectl-edit"),
            40..50 => self.cluster.edit(&object, "foreign", Some("x"), "operator"),
            50..55 => self.cluster.edit(&object, "data", None, "kubectl-edit"),
            55..80 => {
                self.cluster.delete(&object, "").unwrap_or_default();
            }
            80..88 => self.cluster.edit(&object, OWNER, None, "kubectl-label"),
            88..92 => self
                .cluster
                .edit(&object, OWNER, Some("someone/else"), "kubectl-label"),
            _ => self.cluster.unstick(&object),
        }
    }
}

/// The same folder without what cannot be applied, and with what it needs.
fn mended(path: &str, manifests: Vec<Manifest>, taken: &mut BTreeSet<ObjectRef>) -> Vec<Manifest> {
    let mut set = Vec::new();
    let namespaces: BTreeSet<_> = manifests
        .iter()
        .map(|it| it.namespace.clone())
        .filter(|it| !it.is_empty() && it != "default")
        .collect();
    let needed = namespaces
        .iter()
        .map(|name| Manifest::new("Namespace", "", name));
    let definition = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
    let definition = (path == "p0").then_some(definition);
    for mut manifest in needed.chain(definition).chain(manifests) {
        let bad = |value: &String| matches!(value.as_str(), "invalid" | "broken" | "stuck");
        manifest.fields.retain(|_, value| !bad(value));
        manifest.policy.clear();
        manifest.force = true;
        if taken.insert(manifest.object()) {
            set.push(manifest);
        }
    }
    set
}
