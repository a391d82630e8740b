//! Stories, and what `why` says of them.

mod bisect;
mod blame;
mod obstacles;

use std::convert::Infallible;

use expect_test::{Expect, expect};
use fluvial_event::{
    Action, AppliedObject, ApplyObjects, Command, CommandIssued, Doomed, Health, Id,
    ManifestsBuilt, Mention, ObjectFailure, ObjectGone, ObjectObserved, ObjectRef, ObjectsApplied,
    ObjectsPruned, Offset, PruneObjects, Record, Rendered, ResourceDeleted, ResourceObserved,
    TimerFired, command,
};
use fluvial_view::why::{Past, answer};
use serde_json::json;

use crate::story::{
    Told, app, app_concluded, app_failed, app_observed, build, declared, fetch, fetched, source,
    source_concluded, source_observed, waited,
};

impl Past for Told {
    type Error = Infallible;

    fn mentions<'a>(
        &'a self,
        object: &ObjectRef,
        until: Offset,
    ) -> Box<dyn Iterator<Item = Result<Mention, Infallible>> + 'a> {
        let object = object.identity();
        let records = self
            .records
            .iter()
            .rev()
            .filter(move |it| it.offset <= until);
        Box::new(records.flat_map(move |record| {
            let names = record.event.names().into_iter();
            let ours: Vec<_> = names
                .filter(|(it, _)| it.identity() == object)
                .map(|(_, role)| {
                    Ok(Mention {
                        offset: record.offset,
                        number: record.event.schema().0,
                        role,
                    })
                })
                .collect();
            ours
        }))
    }

    fn record(&self, offset: Offset) -> Result<Record, Infallible> {
        Ok(self
            .records
            .iter()
            .find(|it| it.offset == offset)
            .unwrap()
            .clone())
    }

    fn by_id(&self, id: Id) -> Result<Option<Record>, Infallible> {
        Ok(self.records.iter().find(|it| it.id == id).cloned())
    }
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: if kind == "Deployment" { "apps" } else { "" }.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: "apps".into(),
        name: name.into(),
    }
}

fn web() -> ObjectRef {
    object("Deployment", "web")
}

fn rendered(object: ObjectRef, manifest: &str) -> Rendered {
    Rendered {
        object: Some(object),
        manifest: manifest.into(),
        stage: 1,
        ..Rendered::default()
    }
}

fn app_with(change: impl FnOnce(&mut serde_json::Value)) -> ResourceObserved {
    let mut spec = json!({
        "sourceRef": {"kind": "GitRepository", "name": "shop"},
        "interval": "10m",
        "prune": true,
    });
    change(&mut spec);
    let read = fluvial_api::Kustomization::read(&declared(&app(), &spec)).unwrap();
    ResourceObserved {
        spec: serde_json::to_vec(&read.spec).unwrap(),
        ..app_observed(1)
    }
}

fn build_of(commit: &str) -> CommandIssued {
    let mut issued = build(commit);
    if let Some(Command {
        kind: Some(command::Kind::BuildKustomization(it)),
    }) = &mut issued.command
    {
        it.spec = app_with(|_| {}).spec;
    }
    issued
}

fn built(commit: &str, objects: &[Rendered]) -> ManifestsBuilt {
    ManifestsBuilt {
        object: Some(app()),
        revision: format!("main@sha1:{commit}"),
        objects: objects.to_vec(),
        ..ManifestsBuilt::default()
    }
}

fn order(objects: &[Rendered], repair: &str) -> CommandIssued {
    CommandIssued {
        command: Some(Command {
            kind: Some(command::Kind::ApplyObjects(ApplyObjects {
                object: Some(app()),
                objects: objects.to_vec(),
                repair: repair.into(),
                ..ApplyObjects::default()
            })),
        }),
    }
}

fn applied(objects: &[Rendered], action: Action) -> ObjectsApplied {
    let applied = objects.iter().map(|it| AppliedObject {
        rendered: Some(it.clone()),
        action: action.into(),
        health: Health::Current.into(),
        ..AppliedObject::default()
    });
    ObjectsApplied {
        object: Some(app()),
        applied: applied.collect(),
        failures: Vec::new(),
    }
}

fn doom(objects: &[ObjectRef], reason: &str) -> CommandIssued {
    let objects = objects.iter().map(|it| Doomed {
        object: Some(it.clone()),
        uid: "u".into(),
    });
    CommandIssued {
        command: Some(Command {
            kind: Some(command::Kind::PruneObjects(PruneObjects {
                object: Some(app()),
                objects: objects.collect(),
                reason: reason.into(),
                ..PruneObjects::default()
            })),
        }),
    }
}

fn pruned(objects: &[ObjectRef]) -> ObjectsPruned {
    ObjectsPruned {
        object: Some(app()),
        pruned: objects.to_vec(),
        ..ObjectsPruned::default()
    }
}

fn seen(object: ObjectRef, changed: &[&str], manager: &str, health: Health) -> ObjectObserved {
    ObjectObserved {
        object: Some(object),
        changed: changed.iter().map(|it| (*it).to_owned()).collect(),
        manager: manager.into(),
        health: health.into(),
        health_message: if health == Health::Current {
            ""
        } else {
            "0 of 1 ready"
        }
        .into(),
        ..ObjectObserved::default()
    }
}

/// A fetch and a build of `commit` with these objects.
fn commit(told: Told, commit: &str, objects: &[Rendered]) -> Told {
    told.news(
        TimerFired {
            object: Some(source()),
        },
        "",
    )
    .so(fetch(1))
    .so(fetched(commit))
    .so(source_concluded(
        true,
        "Succeeded",
        "",
        &format!("main@sha1:{commit}"),
    ))
    .so(build_of(commit))
    .so(built(commit, objects))
}

/// `commit` is applied with success.
fn deploy(told: Told, name: &str, objects: &[Rendered]) -> Told {
    let changed = u32::try_from(objects.len()).unwrap();
    commit(told, name, objects)
        .so(order(objects, ""))
        .so(applied(objects, Action::Configured))
        .so(app_concluded(name, changed))
}

fn begun() -> Told {
    Told::new()
        .news(source_observed(1), "manager:kubectl")
        .news(app_with(|_| {}), "manager:kubectl")
}

/// Commit a1, with the Deployment and a ConfigMap.
fn deployed() -> Told {
    deploy(
        begun(),
        "a1",
        &[
            rendered(web(), "m1"),
            rendered(object("ConfigMap", "c"), "c1"),
        ],
    )
}

fn suspended(told: Told, actor: &str) -> Told {
    told.news(app_with(|spec| spec["suspend"] = json!(true)), actor)
        .so(waited(app(), "Suspended", "reconciliation is suspended"))
}

fn check(told: &Told, object: &ObjectRef, expected: &Expect) {
    let end = told.records.last().unwrap().offset;
    let Ok(answer) = answer(told, object, end);
    let Some(answer) = answer else {
        return expected.assert_eq("nothing");
    };
    let mut text = format!("{:?}: {}\n", answer.standing, answer.sentence);
    for it in &answer.reasons {
        text = format!("{text}  {}: {}\n", it.reason, it.sentence);
    }
    if let Some(drift) = &answer.drift {
        text = format!("{text}  drift: {}\n", drift.sentence);
    }
    let steps = answer.chain.iter().map(|it| {
        let took = it.took_ms.map_or_else(String::new, |it| format!(" {it}ms"));
        format!("{} {}{took}", it.record.offset, it.record.event.name())
    });
    text = format!("{text}  {}\n", steps.collect::<Vec<_>>().join(", "));
    expected.assert_eq(&text);
}

#[test]
fn an_object_is_as_its_commit_says() {
    check(
        &deployed(),
        &web(),
        &expect![[r#"
        Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app
          10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn a_later_commit_that_did_not_touch_it_is_named() {
    let objects = [
        rendered(web(), "m1"),
        rendered(object("ConfigMap", "c"), "c2"),
    ];
    let told = commit(deployed(), "b2", &objects)
        .so(order(&objects[1..], ""))
        .so(applied(&objects[1..], Action::Configured))
        .so(app_concluded("b2", 1));
    check(
        &told,
        &web(),
        &expect![[r#"
        Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app
          Unchanged: commit b2 by Jane <jane@example.org> 'Change b2' changes nothing in it, applied at 2026-11-23T10:16:19.000Z (offset 20)
          20 Concluded, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn a_commit_that_is_not_applied_yet_is_named_with_what_it_waits_for() {
    let told = commit(deployed(), "b2", &[rendered(web(), "m2")])
        .so(order(&[rendered(web(), "m2")], ""))
        .so(ObjectsApplied {
            object: Some(app()),
            failures: vec![ObjectFailure {
                object: Some(web()),
                reason: "Invalid".into(),
                message: "spec.replicas: must not be negative".into(),
            }],
            ..ObjectsApplied::default()
        })
        .so(app_failed(
            "ReconciliationFailed",
            "Deployment/apps/web is invalid",
            false,
        ));
    check(
        &told,
        &web(),
        &expect![[r#"
        NotApplied: Deployment/apps/web is still as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; commit b2 by Jane <jane@example.org> 'Change b2' is not applied: the API server refused it at 2026-11-23T10:16:18.000Z (offset 19): spec.replicas: must not be negative
          Invalid: the API server refused it at 2026-11-23T10:16:18.000Z (offset 19): spec.replicas: must not be negative
          ReconciliationFailed: Kustomization/apps/app fails since 2026-11-23T10:16:19.000Z (offset 20): ReconciliationFailed: Deployment/apps/web is invalid
          20 Concluded, 19 ObjectsApplied, 17 ManifestsBuilt 1000ms, 16 CommandIssued, 15 Concluded, 14 ArtifactFetched 1000ms, 13 CommandIssued, 12 TimerFired, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn drift_is_named_with_who_made_it_and_when_it_was_put_back() {
    let object = rendered(web(), "m1");
    let changed = deployed().news(
        seen(web(), &["spec.replicas"], "kubectl-edit", Health::Current),
        "manager:kubectl-edit",
    );
    let told = changed
        .so(order(
            std::slice::from_ref(&object),
            "spec.replicas changed by kubectl-edit",
        ))
        .so(applied(&[object], Action::Configured));
    check(
        &told,
        &web(),
        &expect![[r#"
            Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app
              drift: kubectl-edit changed spec.replicas at 2026-11-23T10:16:11.000Z (offset 12); put back 2000 ms later (offset 14)
              14 ObjectsApplied 1000ms, 13 CommandIssued, 12 ObjectObserved, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
        "#]],
    );
}

#[test]
fn drift_that_is_not_put_back_says_why() {
    let told = suspended(deployed(), "manager:kubectl-patch").news(
        seen(web(), &["spec.replicas"], "kubectl-edit", Health::Current),
        "manager:kubectl-edit",
    );
    check(
        &told,
        &web(),
        &expect![[r#"
        Drifted: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; but kubectl-edit changed spec.replicas at 2026-11-23T10:16:13.000Z (offset 14), and that is not put back; nothing newer comes: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          Suspended: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12) by kubectl-patch
          drift: kubectl-edit changed spec.replicas at 2026-11-23T10:16:13.000Z (offset 14), and that is not put back
          14 ObjectObserved, 12 ResourceObserved, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
    let told = suspended(deployed(), "").news(
        ObjectGone {
            object: Some(web()),
            ..ObjectGone::default()
        },
        "",
    );
    check(
        &told,
        &web(),
        &expect![[r#"
            Drifted: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app; but somebody deleted Deployment/apps/web at 2026-11-23T10:16:13.000Z (offset 14), and that is not put back; but Deployment/apps/web is NotFound since 2026-11-23T10:16:13.000Z (offset 14); nothing newer comes: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12)
              NotHealthy: Deployment/apps/web is NotFound since 2026-11-23T10:16:13.000Z (offset 14)
              Suspended: Kustomization/apps/app is suspended since 2026-11-23T10:16:11.000Z (offset 12)
              drift: somebody deleted Deployment/apps/web at 2026-11-23T10:16:13.000Z (offset 14), and that is not put back
              14 ObjectGone, 12 ResourceObserved, 10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
        "#]],
    );
}

#[test]
fn what_left_the_source_says_which_commit_took_it() {
    let told = commit(deployed(), "b2", &[rendered(web(), "m1")])
        .so(doom(
            &[object("ConfigMap", "c")],
            "not in the source any more",
        ))
        .so(pruned(&[object("ConfigMap", "c")]))
        .so(app_concluded("b2", 0));
    check(
        &told,
        &object("ConfigMap", "c"),
        &expect![[r#"
        Deleted: ConfigMap/apps/c was deleted at 2026-11-23T10:16:18.000Z (offset 19) by Kustomization/apps/app: commit b2 by Jane <jane@example.org> 'Change b2' took it out of the source
          19 ObjectsPruned 1000ms, 18 CommandIssued, 17 ManifestsBuilt 1000ms, 16 CommandIssued, 15 Concluded, 14 ArtifactFetched 1000ms, 13 CommandIssued, 12 TimerFired
    "#]],
    );
}

#[test]
fn what_is_kept_says_why() {
    let kept = Rendered {
        keep: true,
        ..rendered(object("ConfigMap", "c"), "c1")
    };
    let told = deploy(begun(), "a1", &[rendered(web(), "m1"), kept]);
    let told = commit(told, "b2", &[rendered(web(), "m1")]).so(app_concluded("b2", 0));
    check(
        &told,
        &object("ConfigMap", "c"),
        &expect![[r#"
        Kept: ConfigMap/apps/c is kept although commit b2 by Jane <jane@example.org> 'Change b2' took it out of the source at 2026-11-23T10:16:16.000Z (offset 17): it says prune: disabled
          17 ManifestsBuilt 1000ms, 16 CommandIssued, 15 Concluded, 14 ArtifactFetched 1000ms, 13 CommandIssued, 12 TimerFired, 8 ManifestsBuilt
    "#]],
    );
    let told = deployed().news(app_with(|spec| spec["prune"] = json!(false)), "");
    let told = commit(told, "b2", &[rendered(web(), "m1")]).so(app_concluded("b2", 0));
    check(
        &told,
        &object("ConfigMap", "c"),
        &expect![[r#"
        Kept: ConfigMap/apps/c is kept although commit b2 by Jane <jane@example.org> 'Change b2' took it out of the source at 2026-11-23T10:16:17.000Z (offset 18): Kustomization/apps/app does not prune
          18 ManifestsBuilt 1000ms, 17 CommandIssued, 16 Concluded, 15 ArtifactFetched 1000ms, 14 CommandIssued, 13 TimerFired, 8 ManifestsBuilt
    "#]],
    );
}

#[test]
fn a_deleted_kustomization_says_who_deleted_it() {
    let deleting = ResourceObserved {
        deleting: true,
        ..app_with(|_| {})
    };
    let told = deployed()
        .news(deleting, "manager:kubectl-delete")
        .so(doom(&[web()], "the Kustomization was deleted"))
        .so(pruned(&[web()]))
        .news(
            ResourceDeleted {
                object: Some(app()),
                ..ResourceDeleted::default()
            },
            "",
        );
    check(
        &told,
        &web(),
        &expect![[r#"
        Deleted: Deployment/apps/web was deleted at 2026-11-23T10:16:13.000Z (offset 14) by Kustomization/apps/app: the Kustomization was deleted, at 2026-11-23T10:16:14.000Z (offset 15)
          15 ResourceDeleted, 14 ObjectsPruned 1000ms, 13 CommandIssued
    "#]],
    );
    check(
        &told,
        &app(),
        &expect![[r#"
        Deleted: Kustomization/apps/app was deleted at 2026-11-23T10:16:14.000Z (offset 15)
          Deleted: Kustomization/apps/app was deleted at 2026-11-23T10:16:14.000Z (offset 15)
          15 ResourceDeleted, 11 Concluded, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn two_that_have_the_same_object_are_both_named() {
    let other = ObjectRef {
        name: "other".into(),
        ..app()
    };
    let told = deployed()
        .so(ManifestsBuilt {
            object: Some(other),
            ..built("a1", &[rendered(web(), "m9")])
        })
        .so(built("a1", &[rendered(web(), "m1")]));
    check(
        &told,
        &web(),
        &expect![[r#"
        Applied: Deployment/apps/web is as commit a1 by Jane <jane@example.org> 'Change a1' says, applied at 2026-11-23T10:16:09.000Z (offset 10) by Kustomization/apps/app
          SharedObject: Kustomization/apps/other has Deployment/apps/web in its set, too, since 2026-11-23T10:16:11.000Z (offset 12): they overwrite each other; take it out of one
          10 ObjectsApplied 1000ms, 9 CommandIssued, 8 ManifestsBuilt 1000ms, 7 CommandIssued, 6 Concluded, 5 ArtifactFetched 1000ms, 4 CommandIssued, 3 TimerFired
    "#]],
    );
}

#[test]
fn what_is_only_watched_has_nobody() {
    let told = deployed().news(seen(object("Service", "s"), &[], "", Health::Failed), "");
    check(
        &told,
        &object("Service", "s"),
        &expect![[r#"
        Unmanaged: Service/apps/s is in no source: nobody manages it; it is only watched, last seen at 2026-11-23T10:16:11.000Z (offset 12)
          NotHealthy: Service/apps/s is Failed since 2026-11-23T10:16:11.000Z (offset 12): 0 of 1 ready
          12 ObjectObserved
    "#]],
    );
    check(&told, &object("Service", "unknown"), &expect!["nothing"]);
}

#[test]
fn an_answer_can_be_asked_for_as_of_any_record() {
    let told = suspended(deployed(), "");
    let Ok(Some(then)) = answer(&told, &web(), Offset(11)) else {
        panic!("it was there")
    };
    let Ok(Some(now)) = answer(&told, &web(), Offset(13)) else {
        panic!("it is there")
    };
    assert!(then.reasons.is_empty() && now.reasons[0].reason == "Suspended");
    assert!(matches!(answer(&told, &web(), Offset(2)), Ok(None)));
}
