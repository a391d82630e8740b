//! What CEL decides of releases: their health, and that they wait for others.

use std::collections::BTreeMap;

use fluvial_event::{Event, Health, ResourceObserved};
use serde_json::json;

use super::NOTHING;
use super::script::{
    applied, begun, declared, inspected, installed, planned, release, snapshot, stored,
};
use crate::script::object;

fn checks(current: &str) -> serde_json::Value {
    json!({"healthCheckExprs": [{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]})
}

#[test]
fn a_release_waits_for_the_verdict_of_its_own_expression() {
    let it = release();
    let mut script = begun(checks("data.ready == 'yes'"));
    script.answer(&it, inspected("c1", None));
    script.answer(&it, planned(&["a"], "m1", &[]));
    let pending = snapshot(1, "pending-install", "c1");
    assert_eq!(script.answer(&it, stored(&[pending], "")), ["apply a"]);
    let said = script.answer(&it, applied(&["a"], "m1", Health::Current));
    assert_ne!(
        said,
        ["store v1 deployed InstallSucceeded"],
        "nobody asked the expression"
    );
    let judge = script.world.judge_of(&object("a")).unwrap();
    let Event::ObjectObserved(seen) = super::script::observed("a", "live-m1", Health::Current)
    else {
        panic!("nothing is observed");
    };
    let seen = fluvial_event::ObjectObserved {
        judged: fluvial_apply::health::expression::mark(&judge),
        ..seen
    };
    let said = script.tell(seen.into());
    assert_eq!(said, ["store v1 deployed InstallSucceeded"]);
}

#[test]
fn expressions_that_cannot_be_read_stall_a_release() {
    let mut script = installed(json!({}));
    for (generation, spec) in [
        (2, checks("data.")),
        (
            3,
            json!({"dependsOn": [{"name": "other", "readyExpr": "dep.status"}]}),
        ),
    ] {
        let said = script.tell(declared(generation, spec.clone()).into());
        assert_eq!(said, ["stalled InvalidCELExpression"], "{spec}");
    }
    assert_eq!(script.tell(declared(4, json!({})).into()), ["inspect"]);
}

#[test]
fn a_release_waits_until_an_expression_says_that_another_is_ready() {
    let mut script = installed(json!({}));
    let expression = "dep.status.history[0].status == 'deployed' && dep.status.history[0].version == 1 && \
        dep.status.conditions.exists(e, e.type == 'Ready' && e.status == 'True') && \
        dep.metadata.labels.tier == self.metadata.labels.tier";
    let of = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
    let mut other = ResourceObserved {
        labels: of("gold"),
        ..declared(
            1,
            json!({
                "chart": null, "chartRef": {"kind": "HelmChart", "name": "other"},
                "dependsOn": [{"name": release().name, "readyExpr": expression}],
            }),
        )
    };
    let mut name = release();
    name.name = "other".to_owned();
    other.object = Some(name.clone());
    other.uid = "uid-other".to_owned();
    assert_eq!(script.tell(other.into()), ["wait DependencyNotReady"]);
    let waiting = |script: &crate::script::Script| {
        let declared = script.world.one(&name.identity()).unwrap();
        declared.waiting.clone().unwrap()
    };
    assert!(
        waiting(&script).1.ends_with("no such key: labels"),
        "{:?}",
        waiting(&script)
    );
    let labelled = |tier: &str| ResourceObserved {
        labels: of(tier),
        ..declared(1, json!({}))
    };
    assert_eq!(
        script.tell(labelled("tin").into()),
        ["wait DependencyNotReady"]
    );
    assert!(waiting(&script).1.ends_with("readyExpr eval"));
    // Ready by the expression, it goes on, to where its chart is missing.
    assert_eq!(
        script.tell(labelled("gold").into()),
        ["wait ArtifactFailed"]
    );
    assert_eq!(script.tell(labelled("gold").into()), NOTHING);
}
