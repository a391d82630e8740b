//! What happened to others, by name: each scenario in peace, and with an engine that dies all the time.

use fluvial_event::{InventoryEntry, ObjectRef};
use fluvial_sim::cluster::{Live, OWNER};
use fluvial_sim::git::{Access, Folder, Manifest, Tree};
use fluvial_sim::users::{kustomization, source, source_spec, spec, with};
use fluvial_sim::{Crash, Faults, Simulation};
use serde_json::json;

const URL: &str = "https://git.example/one";

/// A simulation, and how rough the engine's life in it is.
struct Play {
    sim: Simulation,
    rough: bool,
}

fn config(name: &str) -> Manifest {
    Manifest::new("ConfigMap", "default", name).with("data", "1")
}

fn deployment(name: &str) -> Manifest {
    Manifest::new("Deployment", "default", name).with("data", "1")
}

impl Play {
    fn new(rough: bool) -> Self {
        let mut sim = Simulation::new(7);
        sim.cluster
            .declare(&source("s0"), source_spec(URL), Vec::new());
        Self { sim, rough }
    }

    /// Commits these folders and nothing else.
    fn commit(&mut self, folders: &[(&str, Vec<Manifest>)]) {
        let tree: Tree = folders
            .iter()
            .map(|(path, set)| ((*path).to_owned(), Folder::Good(set.clone())))
            .collect();
        self.sim.git.commit(URL, tree);
    }

    fn declare(&mut self, name: &str, spec: serde_json::Value) {
        self.sim
            .cluster
            .declare(&kustomization(name), spec, Vec::new());
    }

    /// Time passes: long enough for everything that has no reason to wait.
    fn minutes(&mut self, minutes: i64) {
        if self.rough {
            for _ in 0..60 {
                self.stumble();
            }
        }
        self.sim.faults = Faults::default();
        self.sim.crash_next = None;
        self.sim.calm(minutes * 60_000).expect("the laws hold");
        self.sim.check_whole().expect("the laws hold");
    }

    fn stumble(&mut self) {
        let sim = &mut self.sim;
        if !sim.is_up() {
            let survives = sim.rng.chance(700);
            sim.restart(survives).expect("the laws hold");
        }
        sim.faults = Faults {
            throttled: 50,
            lost: 50,
            done: 50,
            broken: 50,
        };
        match sim.rng.below(12) {
            0..4 => sim.work().expect("the laws hold"),
            4..7 => sim.hear_something().expect("the laws hold"),
            7 => sim.fire().expect("the laws hold"),
            8 => sim.pass(700),
            9 => sim.crash_at_an_effect(),
            10 => sim.crash_next = Some(Crash::BeforeCommitted),
            _ => sim.hear_late().expect("the laws hold"),
        }
        sim.tend_watches(100).expect("the laws hold");
    }

    fn live(&self, manifest: &Manifest) -> Option<&Live> {
        self.sim.cluster.live(&manifest.object())
    }

    fn value(&self, manifest: &Manifest, field: &str) -> String {
        let live = self.live(manifest).expect("the object is there");
        live.fields
            .get(field)
            .map(|it| it.value.clone())
            .unwrap_or_default()
    }

    fn ready(&self, name: &str) -> bool {
        let world = self.sim.world();
        let known = world.one(&kustomization(name).identity());
        let head = self.sim.git.head(URL);
        known
            .and_then(|it| it.concluded.as_ref())
            .is_some_and(|last| last.ready && Some(&last.revision) == head.as_ref())
    }

    fn waits(&self, name: &str) -> String {
        let world = self.sim.world();
        let known = world.one(&kustomization(name).identity());
        known
            .and_then(|it| it.waiting.clone())
            .map(|(reason, _)| reason)
            .unwrap_or_default()
    }

    fn edit(&mut self, manifest: &Manifest, field: &str, value: Option<&str>) {
        self.sim
            .cluster
            .edit(&manifest.object(), field, value, "kubectl-edit");
    }

    /// The writes that `minutes` bring.
    fn writes(&mut self, minutes: i64) -> u64 {
        let before = self.sim.cluster.writes;
        self.minutes(minutes);
        self.sim.cluster.writes - before
    }
}

/// Runs `scenario` in peace and in trouble.
fn play(scenario: fn(&mut Play)) {
    for rough in [false, true] {
        let mut play = Play::new(rough);
        scenario(&mut play);
    }
}

#[test]
fn what_left_the_source_is_pruned() {
    play(|it| {
        it.commit(&[("p", vec![config("a"), config("b")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        assert!(it.ready("k"));
        it.commit(&[("p", vec![config("a")])]);
        it.minutes(15);
        assert!(it.live(&config("a")).is_some());
        assert!(it.live(&config("b")).is_none());
    });
}

#[test]
fn what_comes_back_before_it_was_pruned_is_there() {
    play(|it| {
        it.commit(&[("p", vec![config("a"), config("b")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.commit(&[("p", vec![config("a")])]);
        it.minutes(1);
        it.commit(&[("p", vec![config("a"), config("b")])]);
        it.minutes(15);
        assert!(it.ready("k") && it.live(&config("b")).is_some());
    });
}

#[test]
fn a_folder_that_is_gone_or_does_not_build_prunes_nothing() {
    play(|it| {
        it.commit(&[("p", vec![config("a")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.commit(&[]);
        it.minutes(15);
        assert!(!it.ready("k") && it.live(&config("a")).is_some());
        let broken = Tree::from([("p".to_owned(), Folder::Broken)]);
        it.sim.git.commit(URL, broken);
        it.minutes(15);
        assert!(!it.ready("k") && it.live(&config("a")).is_some());
    });
}

#[test]
fn a_circle_of_dependencies_waits_and_costs_nothing() {
    play(|it| {
        it.commit(&[("p", vec![config("a")]), ("q", vec![config("b")])]);
        it.declare(
            "k",
            with(spec("s0", "p"), "dependsOn", json!([{"name": "l"}])),
        );
        it.declare(
            "l",
            with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
        );
        assert_eq!(it.writes(60), 0);
        assert_eq!(it.waits("k"), "DependencyNotReady");
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        assert!(it.ready("k") && it.ready("l"));
    });
}

#[test]
fn a_dependent_follows_its_dependency_in_order() {
    play(|it| {
        it.commit(&[("p", vec![deployment("a")]), ("q", vec![config("b")])]);
        it.declare("k", with(spec("s0", "p"), "wait", true.into()));
        it.declare(
            "l",
            with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
        );
        it.minutes(15);
        assert!(it.ready("k") && it.ready("l"));
        let bad = deployment("a").with("image", "broken");
        it.commit(&[("p", vec![bad]), ("q", vec![config("b").with("data", "2")])]);
        it.minutes(15);
        assert_eq!(it.value(&config("b"), "data"), "1", "its dependency failed");
        let good = deployment("a").with("data", "2");
        it.commit(&[
            ("p", vec![good]),
            ("q", vec![config("b").with("data", "2")]),
        ]);
        it.minutes(15);
        assert!(it.ready("l"));
        assert_eq!(it.value(&config("b"), "data"), "2");
    });
}

#[test]
fn an_object_that_moves_to_another_owner_ends_with_it() {
    play(|it| {
        it.commit(&[
            ("p", vec![config("a"), config("x")]),
            ("q", vec![config("b")]),
        ]);
        it.declare("k", spec("s0", "p"));
        it.declare("l", spec("s0", "q"));
        it.minutes(15);
        it.commit(&[
            ("p", vec![config("x")]),
            ("q", vec![config("b"), config("a")]),
        ]);
        it.minutes(30);
        assert_eq!(it.value(&config("a"), OWNER), "flux-system/l");
        assert!(it.ready("k") && it.ready("l"));
        assert_eq!(it.writes(60), 0);
    });
}

#[test]
fn a_deleted_namespace_comes_back_with_its_content() {
    play(|it| {
        let namespace = Manifest::new("Namespace", "", "team");
        let inside = Manifest::new("ConfigMap", "team", "a").with("data", "1");
        it.commit(&[("p", vec![namespace.clone(), inside.clone()])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.sim.cluster.delete(&namespace.object(), "").unwrap();
        assert!(it.live(&inside).is_none());
        it.minutes(30);
        assert!(it.live(&inside).is_some() && it.ready("k"));
    });
}

#[test]
fn a_force_push_is_followed() {
    play(|it| {
        it.commit(&[("p", vec![config("a")])]);
        it.commit(&[("p", vec![config("a"), config("b")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        assert!(it.live(&config("b")).is_some());
        it.sim.git.drop_commits(URL, 1);
        it.minutes(15);
        assert!(it.ready("k") && it.live(&config("b")).is_none());
    });
}

#[test]
fn a_finalizer_that_nobody_takes_off_holds_up_nobody() {
    play(|it| {
        let stuck = config("stuck").with("finalizer", "x");
        it.commit(&[("p", vec![stuck.clone(), config("a")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.commit(&[("p", vec![config("a").with("data", "2")])]);
        it.minutes(15);
        assert!(it.ready("k"));
        assert!(it.live(&stuck).is_some_and(|live| live.deleting));
        assert_eq!(it.value(&config("a"), "data"), "2");
        it.sim.cluster.unstick(&stuck.object());
        it.minutes(15);
        assert!(it.live(&stuck).is_none());
    });
}

#[test]
fn a_definition_and_its_object_come_in_one_commit() {
    play(|it| {
        let definition = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
        let widget = Manifest::new("Widget", "default", "w").with("data", "1");
        it.commit(&[("p", vec![widget.clone(), definition])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(if it.rough { 15 } else { 1 });
        assert!(it.ready("k") && it.live(&widget).is_some());
    });
}

#[test]
fn suspended_midway_it_stops_and_resumed_it_ends() {
    play(|it| {
        it.commit(&[("p", vec![deployment("a")])]);
        let waiting = with(spec("s0", "p"), "wait", true.into());
        it.declare("k", waiting.clone());
        it.sim.calm(2_000).unwrap();
        it.declare("k", with(waiting.clone(), "suspend", true.into()));
        it.minutes(15);
        it.commit(&[("p", vec![deployment("a").with("data", "2")])]);
        assert_eq!(it.writes(60), 0);
        assert_eq!(it.waits("k"), "Suspended");
        it.declare("k", waiting);
        it.minutes(15);
        assert!(it.ready("k"));
        assert_eq!(it.value(&deployment("a"), "data"), "2");
    });
}

#[test]
fn there_and_back_is_where_it_began() {
    play(|it| {
        let first = vec![config("a"), deployment("d")];
        it.commit(&[("p", first.clone())]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        let fields = |it: &Play| {
            let lives = it.sim.cluster.lives();
            lives
                .map(|(object, live)| (object.clone(), live.fields.clone()))
                .collect::<Vec<_>>()
        };
        let before = fields(it);
        it.commit(&[(
            "p",
            vec![
                config("a").with("extra", "x").with("data", "invalid"),
                config("c"),
            ],
        )]);
        it.minutes(15);
        it.commit(&[("p", first)]);
        it.minutes(15);
        assert!(it.ready("k"));
        assert_eq!(fields(it), before);
    });
}

#[test]
fn what_an_earlier_engine_applied_is_taken_over_without_a_touch() {
    play(|it| {
        let mine = config("mine").with(OWNER, "flux-system/k");
        let left = config("left").with(OWNER, "flux-system/k");
        for manifest in [&mine, &left] {
            it.sim.cluster.apply(manifest, false).unwrap();
        }
        it.commit(&[("p", vec![config("mine")])]);
        let entry = |name: &str| InventoryEntry {
            id: format!("default_{name}__ConfigMap"),
            version: "v1".into(),
        };
        let name: ObjectRef = kustomization("k");
        let waiting = with(spec("s0", "p"), "wait", true.into());
        let inventory = vec![entry("mine"), entry("left")];
        it.sim.cluster.declare(&name, waiting, inventory);
        assert_eq!(it.writes(15), 0);
        assert!(it.ready("k") && it.live(&left).is_none());
    });
}

#[test]
fn an_unreadable_spec_changes_nothing_until_it_is_mended() {
    play(|it| {
        it.commit(&[("p", vec![config("a")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.declare("k", with(spec("s0", "q"), "interval", "-1s".into()));
        it.minutes(60);
        assert!(it.live(&config("a")).is_some() && !it.ready("k"));
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        assert!(it.ready("k"));
    });
}

#[test]
fn deletion_takes_the_objects_along_unless_it_is_not_to() {
    for (more, stays) in [
        (json!({}), false),
        (json!({"prune": false}), true),
        (json!({"suspend": true}), true),
        (json!({"deletionPolicy": "Orphan"}), true),
    ] {
        for rough in [false, true] {
            let mut it = Play::new(rough);
            it.commit(&[("p", vec![config("a")])]);
            it.declare("k", spec("s0", "p"));
            it.minutes(15);
            let mut changed = spec("s0", "p");
            for (field, value) in more.as_object().unwrap() {
                changed[field] = value.clone();
            }
            it.declare("k", changed);
            it.minutes(5);
            it.sim.cluster.delete(&kustomization("k"), "").unwrap();
            it.minutes(30);
            assert!(it.sim.cluster.declared(&kustomization("k")).is_none());
            assert_eq!(it.live(&config("a")).is_some(), stays, "{more}");
        }
    }
}

#[test]
fn an_apply_whose_answer_was_lost_leaves_nothing_behind() {
    play(|it| {
        it.commit(&[("p", vec![config("a")])]);
        it.declare("k", spec("s0", "p"));
        it.sim.faults.done = 1000;
        // Enough for the apply, and no retry after it.
        it.sim.calm(20_000).unwrap();
        assert!(it.live(&config("a")).is_some() && !it.ready("k"));
        it.sim.faults = Faults::default();
        it.commit(&[("p", vec![config("b")])]);
        it.minutes(15);
        assert!(it.ready("k") && it.live(&config("a")).is_none());
    });
}

#[test]
fn drift_is_repaired_within_a_second_and_nothing_else_is_touched() {
    let mut it = Play::new(false);
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    let untouched = it.live(&config("b")).unwrap().version;
    for (field, value) in [("data", Some("x")), ("data", None), (OWNER, None)] {
        it.edit(&config("a"), field, value);
        it.sim.calm(900).unwrap();
        assert_eq!(it.value(&config("a"), "data"), "1");
        assert_eq!(it.value(&config("a"), OWNER), "flux-system/k");
    }
    it.sim.cluster.delete(&config("a").object(), "").unwrap();
    it.sim.calm(900).unwrap();
    assert!(it.live(&config("a")).is_some());
    assert_eq!(it.live(&config("b")).unwrap().version, untouched);
    it.edit(&config("a"), "foreign", Some("x"));
    assert_eq!(
        it.writes(15),
        0,
        "a field that nobody here sets is no drift"
    );
}

#[test]
fn drift_is_repaired_while_the_source_is_away() {
    play(|it| {
        it.commit(&[("p", vec![config("a")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.sim.git.repositories.get_mut(URL).unwrap().access = Access::Unreachable;
        it.sim.cluster.delete(&source("s0"), "").unwrap();
        it.minutes(30);
        it.edit(&config("a"), "data", Some("x"));
        it.minutes(15);
        assert_eq!(it.value(&config("a"), "data"), "1");
    });
}

#[test]
fn two_owners_of_one_object_slow_down() {
    play(|it| {
        it.commit(&[
            ("p", vec![config("a")]),
            ("q", vec![config("a").with("data", "2")]),
        ]);
        it.declare("k", spec("s0", "p"));
        it.declare("l", spec("s0", "q"));
        it.minutes(120);
        let writes = it.writes(60);
        assert!(writes <= 40, "{writes} writes in an hour");
    });
}

#[test]
fn a_namesake_that_somebody_else_made_is_not_deleted() {
    play(|it| {
        it.commit(&[("p", vec![config("a"), config("b")])]);
        it.declare("k", spec("s0", "p"));
        it.minutes(15);
        it.declare("k", with(spec("s0", "p"), "suspend", true.into()));
        it.minutes(5);
        it.sim.cluster.delete(&config("b").object(), "").unwrap();
        let theirs = config("b").with(OWNER, "someone/else");
        it.sim.cluster.apply(&theirs, false).unwrap();
        it.commit(&[("p", vec![config("a")])]);
        it.minutes(5);
        it.declare("k", spec("s0", "p"));
        it.minutes(30);
        assert!(it.ready("k"));
        assert_eq!(it.value(&config("b"), OWNER), "someone/else");
    });
}

#[test]
fn an_engine_without_its_state_goes_on_as_if_nothing_was() {
    play(|it| {
        it.commit(&[("p", vec![config("a"), deployment("d")])]);
        it.declare("k", with(spec("s0", "p"), "wait", true.into()));
        it.minutes(15);
        it.sim.crash();
        it.sim.lose_state();
        assert_eq!(it.writes(60), 0);
        assert!(it.ready("k"));
    });
}

#[test]
fn a_broken_rollout_fails_early_and_its_fix_is_not_held_up() {
    play(|it| {
        it.commit(&[("p", vec![deployment("d").with("image", "broken")])]);
        it.declare("k", with(spec("s0", "p"), "wait", true.into()));
        it.minutes(15);
        assert!(!it.ready("k"));
        it.commit(&[("p", vec![deployment("d")])]);
        it.minutes(15);
        assert!(it.ready("k"));
    });
}
