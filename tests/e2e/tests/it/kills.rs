//! The engine is killed at random points while everything changes: nothing is lost, nothing is pruned
//! that should stay, and all of it converges.
//!
//! What is done is chosen by a seed, which is printed; `FLUVIAL_SEED` plays one again. When the engine
//! gets how far in the meantime is the machine's business, so that each run is another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use fluvial_e2e::{Leading, PATIENCE, Scene, Stage, text};
use fluvial_support::wait;
use serde_json::json;

use crate::manifests::config_map;
use crate::recovery::the_log_is_sound;

const KILLS: usize = 20;
const APPS: u64 = 10;
/// Objects of each app, forty in all.
const OBJECTS: u64 = 4;
/// Changes between two kills, at most.
const CHANGES_MAX: u64 = 8;

/// Numbers that look like chance, the same for a seed. (splitmix64)
struct Chance(u64);

impl Chance {
    fn seeded() -> Self {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(since.subsec_nanos())
        };
        let seed = std::env::var("FLUVIAL_SEED").map_or_else(|_| now(), |it| it.parse().unwrap());
        println!("       FLUVIAL_SEED={seed}");
        Self(seed)
    }

    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What git holds, and what was done to the cluster.
struct Play<'a> {
    scene: Scene<'a>,
    chance: Chance,
    /// By app and object: the value in git; absent where its file is not there.
    wanted: BTreeMap<(u64, u64), String>,
    /// Objects that somebody deleted, or that left git at any time: these may be other objects now.
    touched: BTreeSet<(u64, u64)>,
    commits: u64,
}

fn app(number: u64) -> String {
    format!("app-{number}")
}

fn object((app, number): (u64, u64)) -> String {
    format!("app-{app}-{number}")
}

fn path((app, number): (u64, u64)) -> String {
    format!("app-{app}/{number}.yaml")
}

impl<'a> Play<'a> {
    fn begin(stage: &'a Stage) -> Self {
        let scene = Scene::new(stage, "kills");
        let mut play = Self {
            scene,
            chance: Chance::seeded(),
            wanted: BTreeMap::new(),
            touched: BTreeSet::new(),
            commits: 0,
        };
        for app in 0..APPS {
            for number in 0..OBJECTS {
                play.wanted.insert((app, number), "first".to_owned());
            }
        }
        let all: Vec<_> = play.wanted.keys().copied().collect();
        play.commit(&all, &[]);
        play.scene.source("1s");
        for number in 0..APPS {
            let name = app(number);
            play.scene
                .kustomization(&name, json!({"path": name, "retryInterval": "1s"}));
        }
        play
    }

    fn commit(&mut self, write: &[(u64, u64)], remove: &[(u64, u64)]) {
        let files: Vec<_> = write
            .iter()
            .map(|it| (path(*it), config_map(&object(*it), &self.wanted[it])))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(path, file)| (path.as_str(), file.as_str()))
            .collect();
        let removed: Vec<_> = remove.iter().map(|it| path(*it)).collect();
        let removed: Vec<_> = removed.iter().map(String::as_str).collect();
        self.scene.change(&files, &removed);
        self.commits += 1;
    }

    fn any(&mut self) -> (u64, u64) {
        (self.chance.below(APPS), self.chance.below(OBJECTS))
    }

    /// One change, in git or in the cluster.
    fn change(&mut self) {
        match self.chance.below(10) {
            0..=3 => {
                // An app's objects get a new value, and those that had left come back.
                let app = self.chance.below(APPS);
                let all: Vec<_> = (0..OBJECTS).map(|number| (app, number)).collect();
                for it in &all {
                    self.wanted.insert(*it, format!("commit-{}", self.commits));
                }
                self.commit(&all, &[]);
            }
            4..=5 => {
                let it = self.any();
                // An app without any object would have no directory.
                if it.1 > 0 && self.wanted.remove(&it).is_some() {
                    self.touched.insert(it);
                    self.commit(&[], &[it]);
                }
            }
            6..=7 => {
                let it = self.any();
                let patch = json!({"data": {"value": "drifted"}});
                let name = object(it);
                // It may not be there (yet, or any more): then there is nothing to change.
                let place = ("ConfigMap", self.scene.namespace.as_str(), name.as_str());
                drop(self.scene.stage.cluster.patch(place, "", &patch));
            }
            _ => {
                let it = self.any();
                self.touched.insert(it);
                let (cluster, name) = (&self.scene.stage.cluster, object(it));
                drop(cluster.delete("ConfigMap", &self.scene.namespace, &name));
            }
        }
    }

    /// The uid of every object that is there.
    fn uids(&self) -> BTreeMap<String, String> {
        let list = self
            .scene
            .stage
            .cluster
            .list("ConfigMap", &self.scene.namespace);
        let entry = |key: &str, it: &serde_json::Value| text(it, key).to_owned();
        list.unwrap()
            .iter()
            .map(|it| (entry("/metadata/name", it), entry("/metadata/uid", it)))
            .collect()
    }

    /// Everything that git holds is in the cluster, with its value, and nothing that left git is.
    fn converges(&self) {
        let cluster = &self.scene.stage.cluster;
        let wanted: BTreeMap<_, _> = self
            .wanted
            .iter()
            .map(|(it, value)| (object(*it), value.clone()))
            .collect();
        wait("the cluster to be as git says", PATIENCE * 2, || {
            let list = cluster.list("ConfigMap", &self.scene.namespace);
            let found: BTreeMap<_, _> = list
                .map_err(|error| error.to_string())?
                .iter()
                .map(|it| (text(it, "/metadata/name"), text(it, "/data/value")))
                .filter(|(name, _)| name.starts_with("app-"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            if found == wanted {
                return Ok(());
            }
            let differs = |it: &&(&String, &String)| wanted.get(it.0) != Some(it.1);
            let wrong: Vec<_> = found.iter().collect::<Vec<_>>();
            let wrong: Vec<_> = wrong.iter().filter(differs).collect();
            let missing: Vec<_> = wanted
                .keys()
                .filter(|it| !found.contains_key(*it))
                .collect();
            Err(format!("wrong: {wrong:?}, missing: {missing:?}"))
        });
        for number in 0..APPS {
            self.scene.deployed(&app(number));
        }
    }
}

pub(crate) fn twenty_kills() {
    let stage = Stage::start(Leading::Alone).unwrap();
    let mut play = Play::begin(&stage);
    play.converges();
    // Nobody's, and in the way of nothing.
    let bystander = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "bystander", "namespace": play.scene.namespace},
    });
    play.scene.apply(&bystander);
    let before = play.uids();
    let mut points = Vec::new();
    for kill in 0..KILLS {
        let changes = play.chance.below(CHANGES_MAX + 1);
        for _ in 0..changes {
            play.change();
        }
        // Every fourth time wherever it is, even before it has opened its log.
        if kill % 4 != 3 {
            wait("the engine to recover", PATIENCE, || {
                let printed = stage.engine.printed();
                let since = printed.rfind(" Starting.").map_or("", |at| &printed[at..]);
                since.contains(" Recovered.").then_some(()).ok_or(printed)
            });
            for _ in 0..play.chance.below(CHANGES_MAX) {
                play.change();
            }
        }
        stage.engine.kill();
        let said = stage.engine.json_of_data(&["log", "verify"]).unwrap();
        points.push(said["last"].as_u64().unwrap());
        stage.engine.start().unwrap();
    }
    println!("       killed with so many records in the log: {points:?}");
    assert!(points.is_sorted(), "records were lost: {points:?}");
    play.change();
    play.converges();
    stage.engine.check().unwrap();
    let after = play.uids();
    let stays = |name: &String| !play.touched.iter().any(|it| object(*it) == *name);
    let kept: Vec<_> = before.iter().filter(|(name, _)| stays(name)).collect();
    println!(
        "       {} objects were never to be deleted, {} commits",
        kept.len(),
        play.commits
    );
    for (name, uid) in kept {
        assert_eq!(
            after.get(name),
            Some(uid),
            "{name} was deleted and made again"
        );
    }
    the_log_is_sound(&stage);
    stage.engine.stop().unwrap();
}
