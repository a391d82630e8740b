//! What CEL decides: whether a dependency is ready, and that health is judged by who asks for it.

use std::collections::BTreeMap;

use fluvial_event::{Event, Health, ObjectObserved, ResourceObserved, command};
use serde_json::{Value, json};

use super::NOTHING;
use crate::World;
use crate::script::{Script, applied, built, declared, kustomization, object, observed};

fn labelled(name: &str, generation: i64, tier: &str) -> ResourceObserved {
    ResourceObserved {
        labels: BTreeMap::from([("tier".to_owned(), tier.to_owned())]),
        ..declared(name, generation, json!({}))
    }
}

fn waiting(script: &Script, name: &str) -> String {
    let declared = script.world.one(&kustomization(name).identity()).unwrap();
    let waiting = declared.waiting.clone();
    waiting.map(|(_, message)| message).unwrap_or_default()
}

fn depends(expression: &str) -> Value {
    json!({"dependsOn": [{"name": "k", "readyExpr": expression}]})
}

#[test]
fn a_ready_expression_waits_for_a_field_and_wakes_when_it_changes() {
    let mut script = Script::new();
    let spec = depends("dep.metadata.labels['tier'] == 'gold'");
    assert_eq!(
        script.declare("later", 1, spec),
        ["wait DependencyNotReady"]
    );
    assert_eq!(waiting(&script, "later"), "dependency 'team/k' not found");
    let said = script.tell(labelled("k", 1, "tin").into());
    assert_eq!(said, ["build k r1", "wait DependencyNotReady"]);
    let not_ready = "dependency 'team/k' is not ready according to readyExpr eval";
    assert_eq!(waiting(&script, "later"), not_ready);
    // It is the expression that counts, and neither Ready nor the revision.
    let said = script.tell(labelled("k", 1, "gold").into());
    assert_eq!(said, ["build later r1"]);
}

#[test]
fn a_ready_expression_sees_both_objects_as_their_status_is_written() {
    let ask = |expression: &str| {
        let mut script = Script::new();
        script.ready(json!({"wait": true, "interval": "7m"}), &["a"]);
        let said = script.declare("later", 1, depends(expression));
        (said, waiting(&script, "later"))
    };
    for expression in [
        "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
        "dep.status.conditions.exists(e, e.reason == 'ReconciliationSucceeded' && e.message == 'Applied revision: r1')",
        "dep.status.conditions.exists(e, e.type == 'Healthy' && e.status == 'True')",
        "!dep.status.conditions.exists(e, e.type in ['Reconciling', 'Stalled'])",
        "dep.metadata.generation == dep.status.observedGeneration",
        "dep.status.lastAppliedRevision == 'r1' && dep.status.lastAttemptedRevision == 'r1'",
        "dep.status.inventory.entries.map(e, e.id) == ['team_a__ConfigMap']",
        "dep.spec.interval == '7m0s' && self.spec.interval == '10m0s' || dep.spec.interval == '7m'",
        "self.metadata.name == 'later' && self.status.observedGeneration == -1 && !has(self.status.conditions)",
        "dep.kind == self.kind && dep.apiVersion == 'kustomize.toolkit.fluxcd.io/v1'",
        "dep.metadata.namespace == self.metadata.namespace && dep.metadata.uid == 'uid-k'",
        "!has(dep.metadata.labels)",
    ] {
        let (said, message) = ask(expression);
        assert_eq!(
            (said, &*message),
            (vec!["build later r1".to_owned()], ""),
            "{expression}"
        );
    }
    for (expression, words) in [
        (
            "dep.status.lastAppliedRevision == 'r2'",
            "is not ready according to readyExpr eval",
        ),
        (
            "dep.metadata.annotations['a'] == 'b'",
            "no such key: annotations",
        ),
        (
            "dep.status.conditions.all(e, e.lastTransitionTime != '')",
            "no such key: lastTransitionTime",
        ),
    ] {
        let (said, message) = ask(expression);
        assert_eq!(said, ["wait DependencyNotReady"], "{expression}");
        assert!(message.contains(words), "{expression}: {message}");
    }
}

#[test]
fn a_ready_expression_sees_that_work_is_under_way_and_how_it_failed() {
    let mut script = Script::new();
    script.ready(json!({}), &["a"]);
    script.declare("later", 1, json!({"dependsOn": [{"name": "k", "readyExpr":
        "dep.status.conditions.exists(e, e.type == 'Reconciling') && dep.status.observedGeneration == 1"}]}));
    assert!(waiting(&script, "later").ends_with("readyExpr eval"));
    let said = script.declare("k", 2, json!({"force": true}));
    assert_eq!(said, ["build k r1", "build later r1"]);
    let mut other = Script::new();
    let spec = json!({"wait": true, "retryInterval": "1h"});
    other.declare("k", 1, spec);
    other.answer(&kustomization("k"), built(&["web"], "m1"));
    other.answer(&kustomization("k"), applied(&["web"], "m1", 10));
    other.declare("later", 1, depends("dep.status.conditions.exists(e, e.type == 'Healthy' && \
        e.status == 'False' && e.reason == 'HealthCheckFailed') && !has(dep.status.lastAppliedRevision)"));
    assert!(waiting(&other, "later").ends_with("readyExpr eval"));
    assert_eq!(
        other.after(120_000),
        ["failed HealthCheckFailed", "build later r1"]
    );
}

#[test]
fn an_expression_that_cannot_be_read_stalls_and_others_go_on() {
    let mut script = Script::new();
    let spec = depends("self.generation == deps.generation");
    assert_eq!(
        script.declare("later", 1, spec.clone()),
        ["stalled InvalidCELExpression"]
    );
    assert_eq!(script.declare("later", 1, spec), NOTHING);
    assert_eq!(script.after(36_000_000), NOTHING, "it is not tried again");
    let health = json!({"wait": true, "healthCheckExprs": [
        {"apiVersion": "example.com/v1", "kind": "Widget", "current": "foo."},
    ]});
    assert_eq!(
        script.declare("k", 1, health),
        ["stalled InvalidCELExpression"]
    );
    let last = script
        .world
        .one(&kustomization("k").identity())
        .unwrap()
        .concluded
        .clone();
    assert_eq!(
        last.unwrap().message,
        "Reconciliation failed terminally due to configuration error: failed to create custom status \
         reader for healthchecks[0]: failed to parse the expression Current: failed to parse the CEL \
         expression 'foo.': ERROR: <input>:1:5: expected identifier after '.'"
    );
    assert_eq!(script.declare("other", 1, json!({})), ["build other r1"]);
    assert_eq!(script.declare("k", 2, json!({})), ["build k r1"]);
}

const CHECK: &str = "data.ready == 'yes'";

fn checked(current: &str) -> Value {
    json!({"wait": true, "healthCheckExprs": [{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]})
}

/// The mark that verdicts on `a` are to have.
fn mark(world: &World) -> String {
    let judge = world.judge_of(&object("a")).unwrap();
    fluvial_apply::health::expression::mark(&judge)
}

fn judged(event: Event, mark: &str) -> Event {
    if let Event::ObjectsApplied(mut outcome) = event {
        for applied in &mut outcome.applied {
            mark.clone_into(&mut applied.judged);
        }
        return outcome.into();
    }
    let Event::ObjectObserved(seen) = event else {
        panic!("{} judges nothing", event.name());
    };
    ObjectObserved {
        judged: mark.to_owned(),
        ..seen
    }
    .into()
}

/// The command that was issued last.
fn ordered(script: &Script) -> Option<command::Kind> {
    script.records.iter().rev().find_map(|record| {
        let Event::CommandIssued(issued) = &record.event else {
            return None;
        };
        issued.command.clone()?.kind
    })
}

#[test]
fn an_apply_carries_the_health_checks_of_its_kinds_and_only_their_verdict_counts() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, checked(CHECK));
    assert_eq!(
        script.answer(&k, built(&["a", "web"], "m1")),
        ["apply a,web"]
    );
    let Some(command::Kind::ApplyObjects(apply)) = ordered(&script) else {
        panic!("nothing is applied");
    };
    let health = apply.health;
    assert_eq!(health.len(), 1);
    assert_eq!(
        (&*health[0].kind, &*health[0].current),
        ("ConfigMap", CHECK)
    );
    // What was not judged by it says nothing, however good.
    let said = script.answer(&k, applied(&["a", "web"], "m1", 10));
    assert_eq!(said, ["wait Progressing"]);
    assert_eq!(
        script.tell(observed("web", 11, "live-m1", Health::Current)),
        NOTHING
    );
    let mark = mark(&script.world);
    let slow = judged(observed("a", 12, "live-m1", Health::InProgress), &mark);
    assert_eq!(script.tell(slow), NOTHING);
    let well = judged(observed("a", 13, "live-m1", Health::Current), &mark);
    assert_eq!(script.tell(well), ["ready ReconciliationSucceeded"]);
}

#[test]
fn another_health_check_has_everything_judged_again() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, checked(CHECK));
    script.answer(&k, built(&["a"], "m1"));
    let before = (mark(&script.world), script.world.judged_by("", "ConfigMap"));
    let outcome = judged(applied(&["a"], "m1", 10), &before.0);
    assert_eq!(
        script.answer(&k, outcome),
        ["ready ReconciliationSucceeded"]
    );
    assert_eq!(
        script.declare("k", 2, checked("data.ready == 'no'")),
        ["build k r1"]
    );
    let after = (mark(&script.world), script.world.judged_by("", "ConfigMap"));
    assert!(before.0 != after.0 && before.1 != after.1);
    assert_eq!(script.world.judged_by("", "Secret"), "");
    assert_eq!(script.answer(&k, built(&["a"], "m1")), ["wait Progressing"]);
    let old = judged(observed("a", 11, "live-m1", Health::Current), &before.0);
    assert_eq!(script.tell(old), NOTHING);
    let failed = judged(observed("a", 12, "live-m1", Health::Failed), &after.0);
    assert_eq!(script.tell(failed), ["failed HealthCheckFailed"]);
    // Without checks it is as it was without them.
    script.tell(judged(observed("a", 13, "live-m1", Health::Current), ""));
    assert_eq!(
        script.declare("k", 3, json!({"wait": true})),
        ["build k r1"]
    );
    assert_eq!(script.world.judged_by("", "ConfigMap"), "");
    assert!(script.world.judge_of(&object("a")).is_none());
    assert_eq!(
        script.answer(&k, built(&["a"], "m1")),
        ["ready ReconciliationSucceeded"]
    );
}

#[test]
fn what_judges_is_the_same_once_it_was_stored_and_read_back() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, checked(CHECK));
    script.answer(&k, built(&["a"], "m1"));
    let mark = mark(&script.world);
    script.answer(&k, judged(applied(&["a"], "m1", 10), &mark));
    script.declare("later", 1, depends("nothing"));
    let mut whole = World::default();
    for record in &script.records {
        whole.evolve(record);
    }
    let pairs = whole.changes().into_iter();
    let pairs = pairs.filter_map(|(key, value)| Some(Ok::<_, String>((key, value?))));
    let read = World::load(pairs).unwrap();
    assert_eq!(read, whole);
    assert_eq!(
        read.judged_by("", "ConfigMap"),
        whole.judged_by("", "ConfigMap")
    );
    assert_eq!(read.judge_of(&object("a")), whole.judge_of(&object("a")));
    assert!(!read.judged_by("", "ConfigMap").is_empty());
}
