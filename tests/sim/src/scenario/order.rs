//! What waits for what.

use serde_json::json;

use super::{config, deployment};
use crate::git::{Access, Manifest, Tree};
use crate::play::{Play, URL};
use crate::users::{kustomization, spec, with};

pub(super) fn a_circle_of_dependencies_waits_and_costs_nothing(it: &mut Play) {
    it.commit(&[("p", vec![config("a")]), ("q", vec![config("b")])]);
    it.declare(
        "k",
        with(spec("s0", "p"), "dependsOn", json!([{"name": "l"}])),
    );
    it.declare(
        "l",
        with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
    );
    it.quiet(60);
    assert_eq!(it.waits("k"), "DependencyNotReady");
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    assert!(it.ready("k") && it.ready("l"));
}

pub(super) fn a_dependent_follows_its_dependency_in_order(it: &mut Play) {
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
}

pub(super) fn a_definition_and_its_object_come_in_one_commit(it: &mut Play) {
    let definition = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
    let widget = Manifest::new("Widget", "default", "w").with("data", "1");
    it.commit(&[("p", vec![widget.clone(), definition])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(if it.is_peaceful() { 1 } else { 15 });
    assert!(it.ready("k") && it.has(&widget));
}

pub(super) fn a_deleted_namespace_comes_back_with_its_content(it: &mut Play) {
    let namespace = Manifest::new("Namespace", "", "team");
    let inside = Manifest::new("ConfigMap", "team", "a").with("data", "1");
    it.commit(&[("p", vec![namespace.clone(), inside.clone()])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(15);
    it.delete(&namespace.object());
    assert!(!it.has(&inside));
    it.minutes(30);
    assert!(it.has(&inside) && it.ready("k"));
}

pub(super) fn a_dependency_that_comes_later_is_waited_for(it: &mut Play) {
    it.commit(&[("p", vec![config("a")]), ("q", vec![config("b")])]);
    it.declare(
        "l",
        with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
    );
    it.quiet(20);
    assert_eq!(it.waits("l"), "DependencyNotReady");
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    assert!(it.ready("k") && it.ready("l"));
}

pub(super) fn a_chain_comes_up_in_order_after_an_outage(it: &mut Play) {
    let names = ["k", "l", "m", "n"];
    let folders = names.map(|name| (name, vec![deployment(name)]));
    for pair in names.windows(2) {
        let after = with(spec("s0", pair[1]), "wait", true.into());
        it.declare(
            pair[1],
            with(after, "dependsOn", json!([{"name": pair[0]}])),
        );
    }
    it.declare("k", with(spec("s0", "k"), "wait", true.into()));
    it.sim.git.commit(URL, Tree::new());
    it.sim.git.set_access(URL, Access::Unreachable);
    it.quiet(10);
    it.commit(&folders);
    it.sim.git.set_access(URL, Access::Open);
    it.minutes(30);
    assert!(names.iter().all(|name| it.ready(name)));
    let uids = names.map(|name| it.live(&deployment(name)).map(|it| it.uid.clone()));
    let numbers =
        uids.map(|uid| uid.and_then(|it| it.trim_start_matches("uid-").parse::<u64>().ok()));
    assert!(numbers.is_sorted(), "made in the order {numbers:?}");
}

pub(super) fn an_expression_judges_and_another_waits_for_that(it: &mut Play) {
    let judged = |current: &str| {
        let checks = json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]);
        let spec = with(spec("s0", "p"), "wait", true.into());
        with(spec, "healthCheckExprs", checks)
    };
    let folders = |data: &str| {
        [
            ("p", vec![config("a").with("data", data)]),
            ("q", vec![config("b").with("data", data)]),
        ]
    };
    it.commit(&folders("1"));
    it.declare("k", judged("data.data == '2'"));
    let ready = "dep.status.conditions.exists(e, e.type == 'Healthy' && e.status == 'True')";
    it.declare(
        "l",
        with(
            spec("s0", "q"),
            "dependsOn",
            json!([{"name": "k", "readyExpr": ready}]),
        ),
    );
    it.minutes(20);
    assert!(!it.ready("k") && !it.ready("l") && !it.has(&config("b")));
    it.commit(&folders("2"));
    it.minutes(20);
    assert!(it.ready("k") && it.ready("l"));
    // Nothing is applied, and yet it is judged again.
    it.declare("k", judged("data.data == '3'"));
    it.minutes(20);
    assert!(!it.ready("k"));
    it.commit(&folders("3"));
    it.minutes(20);
    assert!(it.ready("k") && it.ready("l"));
    assert_eq!(it.value(&config("b"), "data"), "3");
    it.declare("k", judged("data.data != '1'"));
    it.minutes(20);
    assert!(it.ready("k"), "what is there was not judged again");
}

pub(super) fn a_dependency_deleted_midway_holds_up_what_is_new(it: &mut Play) {
    it.commit(&[("p", vec![deployment("a")]), ("q", vec![config("b")])]);
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.declare(
        "l",
        with(spec("s0", "q"), "dependsOn", json!([{"name": "k"}])),
    );
    it.minutes(5);
    it.delete(&kustomization("k"));
    it.minutes(5);
    it.commit(&[
        ("p", vec![deployment("a")]),
        ("q", vec![config("b").with("data", "2")]),
    ]);
    it.minutes(20);
    assert_eq!(it.value(&config("b"), "data"), "1");
    it.declare("k", with(spec("s0", "p"), "wait", true.into()));
    it.minutes(20);
    assert!(it.ready("k") && it.ready("l"));
    assert_eq!(it.value(&config("b"), "data"), "2");
}

pub(super) fn a_definition_that_fails_holds_its_objects_back(it: &mut Play) {
    let definition = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
    let widget = Manifest::new("Widget", "default", "w").with("data", "1");
    let broken = definition.clone().with("data", "invalid");
    it.commit(&[("p", vec![widget.clone(), broken])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(10);
    assert!(!it.ready("k") && !it.has(&widget));
    it.commit(&[("p", vec![widget.clone(), definition])]);
    it.minutes(10);
    assert!(it.ready("k") && it.has(&widget));
}

pub(super) fn a_namespace_and_what_is_in_it_go_together(it: &mut Play) {
    let namespace = Manifest::new("Namespace", "", "team");
    let inside = Manifest::new("ConfigMap", "team", "a").with("data", "1");
    it.commit(&[
        ("p", vec![namespace.clone(), inside.clone()]),
        ("q", vec![config("b")]),
    ]);
    it.declare("k", spec("s0", "p"));
    it.declare("l", spec("s0", "q"));
    it.minutes(5);
    it.commit(&[("p", Vec::new()), ("q", vec![config("b")])]);
    it.minutes(10);
    assert!(!it.has(&namespace) && !it.has(&inside));
    assert!(it.ready("k") && it.ready("l") && it.has(&config("b")));
}

pub(super) fn a_namespace_that_does_not_end_fails_and_heals(it: &mut Play) {
    let namespace = Manifest::new("Namespace", "", "team").with("finalizer", "x");
    let inside = Manifest::new("ConfigMap", "team", "a").with("data", "1");
    it.commit(&[("p", vec![namespace.clone(), inside.clone()])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.delete(&namespace.object());
    it.minutes(5);
    assert!(!it.has(&inside), "nothing can be made in it while it ends");
    it.sim.cluster.unstick(&namespace.object());
    it.minutes(30);
    assert!(it.ready("k") && it.has(&inside));
}

pub(super) fn a_dependency_that_fails_at_the_same_revision_holds_up_what_is_new(it: &mut Play) {
    it.commit(&[
        ("p", vec![config("a")]),
        ("q", vec![config("b")]),
        ("r", vec![config("c")]),
    ]);
    let after_k = |path| with(spec("s0", path), "dependsOn", json!([{"name": "k"}]));
    it.declare("k", spec("s0", "p"));
    it.declare("l", after_k("q"));
    it.minutes(5);
    assert!(it.ready("k") && it.ready("l"));
    // No commit comes: that its dependency once applied this revision says nothing.
    it.declare("k", spec("s0", "nowhere"));
    it.minutes(2);
    it.declare("l", after_k("r"));
    it.minutes(5);
    assert_eq!(it.waits("l"), "DependencyNotReady");
    assert!(!it.has(&config("c")));
    it.declare("k", spec("s0", "p"));
    it.minutes(10);
    assert!(it.ready("k") && it.ready("l") && it.has(&config("c")));
}
