//! What becomes of a release that fails: hooks, health, tests, and what remedies them.

use serde_json::{Value, json};

use super::{config, deployment, web};
use crate::git::Access;
use crate::helm::charts::Chart;
use crate::helm::{CHARTS, helm_release, release_spec};
use crate::play::Play;
use crate::users::with;

fn broken(version: &str) -> Chart {
    let mut chart = web(version);
    chart.objects[1] = deployment("web")
        .with("version", version)
        .with("image", "broken");
    chart
}

fn red() -> Value {
    release_spec("web", "web", &json!({"color": "red"}))
}

/// A release of the first version of `web`, declared by `spec`.
fn begin(it: &mut Play, chart: Chart, spec: Value) {
    it.charts();
    it.publish(chart);
    it.release("web", spec);
    it.minutes(10);
}

pub(super) fn a_failed_upgrade_is_rolled_back(it: &mut Play) {
    it.refusals_are_final();
    let remediation = json!({"remediation": {"remediateLastFailure": true}});
    begin(it, web("1.0.0"), with(red(), "upgrade", remediation));
    it.publish(broken("2.0.0"));
    it.minutes(20);
    assert!(!it.released("web", "2.0.0"));
    assert_eq!(it.value(&deployment("web"), "version"), "1.0.0");
    it.quiet(15);
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_failed_upgrade_is_uninstalled_where_that_is_asked_for(it: &mut Play) {
    it.refusals_are_final();
    let remediation = json!({"remediation": {
        "retries": 1, "strategy": "uninstall", "remediateLastFailure": true,
    }});
    begin(it, web("1.0.0"), with(red(), "upgrade", remediation));
    it.publish(broken("2.0.0"));
    it.minutes(20);
    assert!(!it.released("web", "2.0.0"));
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_failed_install_is_uninstalled_and_tried_again(it: &mut Play) {
    it.refusals_are_final();
    let remediation = json!({"remediation": {"retries": 1, "remediateLastFailure": true}});
    begin(it, broken("1.0.0"), with(red(), "install", remediation));
    it.minutes(20);
    assert!(it.is_gone(&config("web")) && it.is_gone(&deployment("web")));
    assert_eq!(it.reason_of(&helm_release("web")), "RetriesExceeded");
    it.quiet(15);
    it.publish(web("2.0.0"));
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
}

pub(super) fn retries_end_and_what_was_released_stays(it: &mut Play) {
    it.refusals_are_final();
    let remediation = json!({"remediation": {"retries": 2}});
    begin(it, web("1.0.0"), with(red(), "upgrade", remediation));
    it.publish(broken("2.0.0"));
    it.minutes(20);
    assert_eq!(it.reason_of(&helm_release("web")), "RetriesExceeded");
    it.quiet(15);
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn old_revisions_go_and_the_deployed_one_stays(it: &mut Play) {
    it.refusals_are_final();
    let spec = with(red(), "upgrade", json!({}));
    begin(it, web("1.0.0"), with(spec, "maxHistory", 3.into()));
    let kept = [
        (web("2.0.0"), vec![(1, "superseded"), (2, "deployed")]),
        (
            web("3.0.0"),
            vec![(1, "superseded"), (2, "superseded"), (3, "deployed")],
        ),
        (
            broken("4.0.0"),
            vec![(2, "superseded"), (3, "deployed"), (4, "failed")],
        ),
        (
            broken("5.0.0"),
            vec![(3, "deployed"), (4, "failed"), (5, "failed")],
        ),
        (
            broken("6.0.0"),
            vec![(3, "deployed"), (5, "failed"), (6, "failed")],
        ),
    ];
    for (chart, expected) in kept {
        it.publish(chart);
        it.minutes(10);
        let revisions = it.revisions("web");
        let revisions = revisions.iter().map(|(it, state)| (*it, state.as_str()));
        assert_eq!(revisions.collect::<Vec<_>>(), expected);
    }
}

pub(super) fn a_failed_upgrade_is_tried_again_where_that_is_its_strategy(it: &mut Play) {
    let strategy = json!({"strategy": {"name": "RetryOnFailure", "retryInterval": "1m"}});
    begin(it, web("1.0.0"), with(red(), "upgrade", strategy));
    it.publish(broken("2.0.0"));
    it.minutes(10);
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn hooks_run_once_for_each_revision(it: &mut Play) {
    let with_hooks = |version: &str| {
        web(version)
            .with_hook("before", "pre-install", "", &[])
            .with_hook("after", "post-install", "", &["hook-succeeded"])
            .with_hook("migrate", "pre-upgrade", "", &[])
    };
    begin(it, with_hooks("1.0.0"), red());
    it.publish(with_hooks("2.0.0"));
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
    if it.is_peaceful() {
        assert_eq!(
            it.hook_runs(),
            [("after", 1), ("before", 1), ("migrate", 1)]
        );
    }
    it.quiet(15);
}

pub(super) fn a_hook_that_fails_fails_the_upgrade_before_anything_is_applied(it: &mut Play) {
    it.refusals_are_final();
    begin(it, web("1.0.0"), with(red(), "upgrade", json!({})));
    it.publish(web("2.0.0").with_hook("migrate", "pre-upgrade", "broken", &[]));
    it.minutes(15);
    assert_eq!(it.value(&deployment("web"), "version"), "1.0.0");
    assert_eq!(it.reason_of(&helm_release("web")), "RetriesExceeded");
    it.quiet(15);
    it.publish(web("3.0.0").with_hook("migrate", "pre-upgrade", "", &[]));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_hook_left_of_an_earlier_revision_is_not_taken_for_run(it: &mut Play) {
    it.refusals_are_final();
    let hooked = |version: &str| {
        web(version)
            .with_hook("migrate", "post-install", "", &["hook-failed"])
            .with_hook("migrate", "pre-upgrade", "", &["hook-failed"])
    };
    begin(it, hooked("1.0.0"), with(red(), "upgrade", json!({})));
    it.publish(hooked("2.0.0"));
    it.minutes(15);
    // As by helm: what is there under its name is not this hook, so it cannot have run.
    assert_eq!(it.value(&deployment("web"), "version"), "1.0.0");
    assert!(!it.released("web", "2.0.0"));
}

pub(super) fn a_test_that_fails_is_a_failure_of_its_release(it: &mut Play) {
    it.refusals_are_final();
    let tested = |version: &str, image: &str| web(version).with_hook("check", "test", image, &[]);
    let remediation = json!({"remediation": {"remediateLastFailure": true}});
    let spec = with(red(), "upgrade", remediation);
    begin(
        it,
        tested("1.0.0", ""),
        with(spec, "test", json!({"enable": true})),
    );
    assert!(it.released("web", "1.0.0"));
    it.publish(tested("2.0.0", "broken"));
    it.minutes(20);
    assert_eq!(it.value(&deployment("web"), "version"), "1.0.0");
    it.publish(tested("3.0.0", ""));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_chart_that_does_not_render_changes_nothing(it: &mut Play) {
    it.refusals_are_final();
    begin(it, web("1.0.0"), red());
    let unknown = config("web").with("color", "$unknown");
    it.publish(Chart::new("web", "2.0.0", vec![unknown]));
    it.minutes(15);
    assert!(!it.released("web", "2.0.0") && it.has(&deployment("web")));
    it.publish(web("3.0.0"));
    it.minutes(15);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_repository_that_is_away_holds_nothing_up(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.sim.charts.set_access(CHARTS, Access::Unreachable);
    it.publish(web("2.0.0"));
    it.minutes(15);
    it.edit(&config("web"), "color", Some("pink"));
    it.soon();
    assert_eq!(it.value(&config("web"), "color"), "red");
    it.sim.charts.set_access(CHARTS, Access::Open);
    it.minutes(20);
    assert!(it.released("web", "2.0.0"));
}

pub(super) fn a_server_that_refuses_a_release_is_asked_again(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.sim.faults.refused = 1000;
    it.publish(web("2.0.0"));
    it.pause(600_000);
    it.minutes(20);
    it.publish(web("3.0.0"));
    it.minutes(20);
    assert!(it.released("web", "3.0.0"));
}

pub(super) fn a_release_survives_an_engine_without_its_state(it: &mut Play) {
    begin(it, web("1.0.0"), red());
    it.publish(web("2.0.0"));
    it.until(|it| it.sim.does("StoreRelease"));
    it.sim.crash();
    it.sim.lose_state();
    it.minutes(15);
    assert!(it.released("web", "2.0.0"));
    it.quiet(15);
}
