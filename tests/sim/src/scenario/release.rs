//! What becomes of a release: installed, upgraded, drifted, taken over, moved and uninstalled.

use serde_json::{Map, Value, json};

use super::{config, deployment, web};
use crate::git::Manifest;
use crate::helm::charts::Chart;
use crate::helm::{helm_chart, helm_release, release_spec};
use crate::play::Play;
use crate::users::with;

/// Publishes the first version of the chart `web`, and asks for a release of it.
fn begin(it: &mut Play, chart: Chart, spec: Value) {
    it.charts();
    it.publish(chart);
    it.release("web", spec);
}

fn red() -> Value {
    release_spec("web", "web", &json!({"color": "red"}))
}

fn values(color: &str) -> Map<String, Value> {
    Map::from_iter([("color".to_owned(), color.into())])
}

pub(super) fn a_chart_is_installed_and_upgraded(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    assert!(it.released("web", "1.0.0"));
    assert_eq!(it.value(&config("web"), "color"), "red");
    it.publish(Chart::new(
        "web",
        "2.0.0",
        vec![deployment("web").with("version", "2.0.0"), config("more")],
    ));
    it.minutes(10);
    assert!(it.released("web", "2.0.0"));
    assert!(!it.has(&config("web")) && it.has(&config("more")));
    if it.is_peaceful() {
        let states = [(1, "superseded"), (2, "deployed")];
        assert_eq!(it.revisions("web"), states.map(|(v, s)| (v, s.to_owned())));
    }
    it.quiet(15);
}

pub(super) fn other_values_are_another_release(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    it.release("web", release_spec("web", "web", &json!({"color": "blue"})));
    it.minutes(5);
    assert!(it.released("web", "1.0.0"));
    assert_eq!(it.value(&config("web"), "color"), "blue");
}

pub(super) fn what_a_release_has_is_repaired_within_a_second(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(15);
    it.edit(&config("web"), "color", Some("pink"));
    it.soon();
    assert_eq!(it.value(&config("web"), "color"), "red");
    it.delete(&deployment("web").object());
    it.soon();
    assert!(it.has(&deployment("web")));
    it.quiet(15);
    assert!(it.released("web", "1.0.0"));
}

pub(super) fn a_release_of_helm_is_taken_over_without_an_upgrade(it: &mut Play) {
    it.sim.helm_upgrade("web", &web("1.0.0"), &values("red"));
    let version = it.live(&config("web")).map(|live| live.version);
    begin(it, web("1.0.0"), red());
    it.minutes(10);
    assert!(it.released("web", "1.0.0"));
    if it.is_peaceful() {
        assert_eq!(it.revisions("web"), [(1, "deployed".to_owned())]);
        assert_eq!(it.live(&config("web")).map(|live| live.version), version);
    }
    // From now on it is this one's, and so is what it prunes.
    it.publish(Chart::new("web", "2.0.0", vec![deployment("web")]));
    it.minutes(10);
    assert!(it.released("web", "2.0.0") && !it.has(&config("web")));
}

pub(super) fn a_release_of_helm_with_other_values_is_upgraded(it: &mut Play) {
    it.refusals_are_final();
    it.sim.helm_upgrade("web", &web("1.0.0"), &values("green"));
    begin(it, web("1.0.0"), red());
    it.minutes(10);
    assert!(it.released("web", "1.0.0"));
    assert_eq!(it.value(&config("web"), "color"), "red");
}

pub(super) fn a_rollback_behind_its_back_is_undone(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    it.publish(web("2.0.0"));
    it.minutes(10);
    it.sim.helm_rollback("web", 1);
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
    assert_eq!(it.value(&deployment("web"), "version"), "2.0.0");
}

pub(super) fn a_release_that_a_dead_helm_left_is_unlocked(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    it.sim.helm_dies("web");
    it.publish(web("2.0.0"));
    it.minutes(20);
    assert!(it.released("web", "2.0.0"));
}

pub(super) fn two_who_upgrade_at_a_time_do_not_overwrite_each_other(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    it.publish(web("2.0.0"));
    it.until(|it| it.sim.does("StoreRelease"));
    it.sim.helm_upgrade("web", &web("1.0.0"), &values("green"));
    it.minutes(20);
    assert!(it.released("web", "2.0.0"));
    assert_eq!(it.value(&config("web"), "color"), "red");
}

pub(super) fn a_chart_that_changes_midway_is_released_in_the_end(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.until(|it| it.sim.does("ApplyObjects"));
    it.publish(web("2.0.0"));
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
}

pub(super) fn values_that_change_midway_are_released_in_the_end(it: &mut Play) {
    let secret = Manifest::new("Secret", "flux-system", "values").with("color", "green");
    it.sim.cluster.put(&secret);
    let spec = json!([{"kind": "Secret", "name": "values"}]);
    let spec = with(release_spec("web", "web", &json!({})), "valuesFrom", spec);
    begin(it, web("1.0.0"), spec);
    it.until(|it| it.sim.does("ApplyObjects"));
    it.edit(&secret, "color", Some("blue"));
    it.minutes(20);
    assert!(it.released("web", "1.0.0"));
    assert_eq!(it.value(&config("web"), "color"), "blue");
}

pub(super) fn suspended_midway_a_release_ends_and_no_other_begins(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.until(|it| it.sim.does("ApplyObjects"));
    it.release("web", with(red(), "suspend", true.into()));
    it.publish(web("2.0.0"));
    it.minutes(15);
    it.quiet(15);
    it.release("web", red());
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
}

pub(super) fn deleted_midway_a_release_leaves_nothing(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.until(|it| it.sim.does("ApplyObjects"));
    it.delete(&helm_release("web"));
    it.minutes(30);
    assert!(it.is_uninstalled("web"));
    assert!(it.is_gone(&config("web")) && it.is_gone(&deployment("web")));
}

pub(super) fn uninstalled_a_release_leaves_what_is_to_be_kept(it: &mut Play) {
    let mut kept = config("kept");
    kept.keep = true;
    let mut chart = web("1.0.0").with_hook("farewell", "pre-delete", "", &["hook-succeeded"]);
    chart.objects.push(kept.clone());
    it.sim.excused.insert(kept.object().identity());
    begin(it, chart, red());
    it.minutes(15);
    it.delete(&helm_release("web"));
    it.minutes(15);
    assert!(it.is_uninstalled("web") && it.has(&kept));
    assert!(it.is_gone(&config("web")) && it.is_gone(&deployment("web")));
}

pub(super) fn deleted_while_suspended_a_release_stays(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(15);
    it.release("web", with(red(), "suspend", true.into()));
    it.minutes(2);
    it.delete(&helm_release("web"));
    it.minutes(15);
    assert!(it.sim.cluster.declared(&helm_release("web")).is_none());
    assert!(it.has(&config("web")) && it.has(&deployment("web")));
}

pub(super) fn a_release_that_moves_takes_its_objects_along(it: &mut Play) {
    let place = |namespace: &str| Manifest::new("ConfigMap", namespace, "web");
    it.sim.cluster.put(&Manifest::new("Namespace", "", "other"));
    let chart = Chart::new("web", "1.0.0", vec![place("$namespace")]);
    begin(it, chart, red());
    it.minutes(5);
    assert!(it.has(&place("default")));
    it.release("web", with(red(), "targetNamespace", "other".into()));
    it.minutes(15);
    assert!(it.released("web", "1.0.0"));
    assert!(it.has(&place("other")) && it.is_gone(&place("default")));
}

pub(super) fn a_release_that_is_renamed_takes_its_objects_along(it: &mut Play) {
    let chart = Chart::new("web", "1.0.0", vec![config("$color")]);
    begin(it, chart, red());
    it.minutes(5);
    let spec = release_spec("shop", "web", &json!({"color": "red"}));
    it.release("web", spec);
    it.minutes(15);
    assert!(it.released("web", "1.0.0"));
    assert!(it.revisions("web").is_empty() && !it.revisions("shop").is_empty());
}

pub(super) fn a_release_follows_its_dependency(it: &mut Play) {
    it.charts();
    it.publish(web("1.0.0"));
    it.release("web", with(red(), "dependsOn", json!([{"name": "base"}])));
    it.minutes(5);
    assert!(!it.has(&config("web")) && it.waits("web") == "DependencyNotReady");
    it.release("base", release_spec("base", "base", &json!({})));
    it.minutes(5);
    // It is declared by now, and is not ready, as nobody has its chart.
    assert!(!it.has(&config("web")) && it.waits("web") == "DependencyNotReady");
    it.publish(Chart::new("base", "1.0.0", vec![deployment("base")]));
    it.minutes(15);
    assert!(it.released("web", "1.0.0") && it.released("base", "1.0.0"));
}

pub(super) fn a_chart_of_git_is_released_with_each_commit(it: &mut Play) {
    let mut spec = release_spec("web", "web", &json!({}));
    spec["chart"]["spec"]["sourceRef"] = json!({"kind": "GitRepository", "name": "s0"});
    spec["chart"]["spec"]["reconcileStrategy"] = "Revision".into();
    it.commit(&[("web", vec![config("a"), config("b")])]);
    it.release("web", spec);
    it.minutes(10);
    assert!(it.has(&config("a")) && it.has(&config("b")));
    it.commit(&[("web", vec![config("a").with("data", "2")])]);
    it.minutes(10);
    assert_eq!(it.value(&config("a"), "data"), "2");
    assert!(!it.has(&config("b")));
}

pub(super) fn a_chart_and_its_definition_are_released_at_once(it: &mut Play) {
    let mut chart = Chart::new(
        "web",
        "1.0.0",
        vec![Manifest::new("Widget", "default", "w")],
    );
    let definition = Manifest::new("CustomResourceDefinition", "", "widgets.example.org");
    chart.definitions.push(definition.clone());
    begin(it, chart, red());
    it.minutes(5);
    assert!(it.released("web", "1.0.0"));
    it.delete(&helm_release("web"));
    it.minutes(10);
    assert!(it.is_uninstalled("web") && it.has(&definition));
}

pub(super) fn a_helm_chart_that_somebody_edits_is_set_back(it: &mut Play) {
    // The upgrade to the edited version may fail before anything is written. Once the chart is set back there is
    // nothing to do, and as by helm-controller (`atomic_release.go`) the release keeps saying what failed.
    it.refusals_are_final();
    it.charts();
    it.publish(web("1.0.0"));
    it.publish(web("2.0.0"));
    it.release("web", red());
    it.minutes(5);
    let chart = helm_chart("web");
    let edited = it.sim.cluster.declared(&chart).map(|it| it.spec.clone());
    let edited = with(edited.unwrap_or_default(), "version", "1.0.0".into());
    it.sim.cluster.declare(&chart, edited, Vec::new());
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
    let spec = it.sim.cluster.declared(&chart).map(|it| it.spec.clone());
    assert_eq!(spec.unwrap_or_default()["version"], "*");
}

pub(super) fn a_helm_chart_that_is_gone_is_made_again(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.minutes(5);
    it.delete(&helm_chart("web"));
    it.minutes(5);
    it.publish(web("2.0.0"));
    it.minutes(10);
    assert!(it.released("web", "2.0.0"));
}
