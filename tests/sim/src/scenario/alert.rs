//! Who is told what happens: once, in order, and nothing is lost.

use serde_json::{Value, json};

use super::{config, deployment, web};
use crate::helm::release_spec;
use crate::play::Play;
use crate::told::{Mood, alert, alert_spec, provider, provider_spec};
use crate::users::{spec, with};

fn subscribe(it: &mut Play, name: &str, spec: Value) {
    let place = provider(name);
    it.sim.cluster.declare(&place, provider_spec(), Vec::new());
    it.sim.cluster.declare(&alert(name), spec, Vec::new());
}

fn told(it: &Play, name: &str) -> usize {
    let taken = it.sim.telling.taken.get(&alert(name).identity());
    taken.map_or(0, Vec::len)
}

/// A Kustomization that becomes ready, fails, and is ready again.
fn three_commits(it: &mut Play) {
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.commit(&[("p", vec![config("a").with("data", "invalid")])]);
    it.minutes(5);
    it.commit(&[("p", vec![config("a").with("data", "2")])]);
    it.minutes(10);
    assert!(it.ready("k"));
}

pub(super) fn what_happens_is_told_in_order(it: &mut Play) {
    subscribe(
        it,
        "all",
        alert_spec("all", &["Kustomization", "GitRepository"]),
    );
    it.minutes(1);
    three_commits(it);
    assert!(told(it, "all") >= 4, "{}", told(it, "all"));
}

pub(super) fn a_place_that_is_down_is_told_later_and_holds_up_no_other(it: &mut Play) {
    subscribe(it, "good", alert_spec("good", &["Kustomization"]));
    subscribe(it, "down", alert_spec("down", &["Kustomization"]));
    it.sim.telling.moods.insert("down".into(), Mood::Down);
    it.minutes(1);
    three_commits(it);
    assert!(told(it, "good") > 0);
    assert_eq!(told(it, "down"), 0);
    it.sim.telling.moods.clear();
    it.minutes(10);
    assert!(told(it, "down") > 0);
}

pub(super) fn a_place_that_says_nothing_is_told_again(it: &mut Play) {
    subscribe(it, "all", alert_spec("all", &["Kustomization"]));
    it.sim.telling.moods.insert("all".into(), Mood::Silent);
    it.minutes(1);
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.telling.moods.clear();
    it.minutes(10);
    assert!(told(it, "all") > 1);
}

pub(super) fn a_place_that_refuses_is_not_asked_for_the_same_again(it: &mut Play) {
    subscribe(it, "all", alert_spec("all", &["Kustomization"]));
    it.sim.telling.moods.insert("all".into(), Mood::Refusing);
    it.minutes(1);
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    it.sim.telling.moods.clear();
    it.minutes(2);
    assert!(told(it, "all") == 0 || !it.is_peaceful());
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.minutes(5);
    assert!(told(it, "all") > 0);
}

pub(super) fn an_alert_that_is_suspended_keeps_nothing_for_later(it: &mut Play) {
    let spec_of = |suspend: bool| {
        with(
            alert_spec("all", &["Kustomization"]),
            "suspend",
            suspend.into(),
        )
    };
    subscribe(it, "all", spec_of(true));
    it.minutes(1);
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    it.minutes(5);
    assert_eq!(told(it, "all"), 0);
    subscribe(it, "all", spec_of(false));
    it.minutes(1);
    it.commit(&[("p", vec![config("a"), config("b")])]);
    it.minutes(5);
    assert!(told(it, "all") > 0);
}

pub(super) fn what_becomes_of_a_release_is_told(it: &mut Play) {
    subscribe(it, "all", alert_spec("all", &["HelmRelease", "HelmChart"]));
    it.charts();
    it.publish(web("1.0.0"));
    it.release("web", release_spec("web", "web", &json!({"color": "red"})));
    it.minutes(10);
    let mut broken = web("2.0.0");
    broken.objects[1] = deployment("web").with("image", "broken");
    it.publish(broken);
    it.minutes(15);
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
    assert!(told(it, "all") >= 4, "{}", told(it, "all"));
}

pub(super) fn an_engine_that_dies_while_it_tells_loses_nothing(it: &mut Play) {
    subscribe(
        it,
        "all",
        alert_spec("all", &["Kustomization", "GitRepository"]),
    );
    it.minutes(1);
    it.commit(&[("p", vec![config("a")])]);
    it.declare("k", spec("s0", "p"));
    for _ in 0..40 {
        it.pause(40);
        it.sim.crash();
    }
    it.minutes(10);
    it.sim.crash();
    it.sim.lose_state();
    it.minutes(5);
    assert!(it.ready("k") && told(it, "all") > 0);
}
