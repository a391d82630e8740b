//! The rules of rollbacks and of what they hold, as scripts.

use fluvial_event::{
    CommandFailed, Concluded, Event, Health, ManifestsRecalled, RecallFailed, RecallManifests,
    ResourceDeleted, ResourceObserved, RollbackRequest, Waited, command,
};
use serde_json::{Value, json};

use super::{NOTHING, refused};
use crate::World;
use crate::script::{
    Script, applied, built, declared, fetched, finalizer, gone, kustomization, observed, pruned,
    rendered, requested, source,
};

/// A rollback to the build at `offset`, asked for at `at`.
fn asked(offset: u64, at: &str) -> RollbackRequest {
    RollbackRequest {
        offset,
        digest: "sha256:set".into(),
        by: "jane".into(),
        at: at.into(),
        ..RollbackRequest::default()
    }
}

/// `k` with a rollback asked for.
fn rolled_back(offset: u64, at: &str) -> Event {
    rolled_back_with(1, json!({}), offset, at).into()
}

fn rolled_back_with(generation: i64, more: Value, offset: u64, at: &str) -> ResourceObserved {
    ResourceObserved {
        rollback: Some(asked(offset, at)),
        ..declared("k", generation, more)
    }
}

fn resumed() -> Event {
    declared("k", 1, json!({})).into()
}

impl Script {
    /// The source has `revision`, because somebody asked for it.
    fn fetch(&mut self, revision: &str) -> Vec<String> {
        self.tell(requested(revision).into());
        let mut said = self.answer(&source(), fetched(revision));
        said.retain(|it| it != "ready Succeeded");
        said
    }

    fn last_recall(&self) -> RecallManifests {
        let recall = |event: &Event| {
            let Event::CommandIssued(issued) = event else {
                return None;
            };
            let kind = issued.command.as_ref()?.kind.as_ref()?;
            let command::Kind::RecallManifests(recall) = kind else {
                return None;
            };
            Some((**recall).clone())
        };
        let mut newest = self.records.iter().rev();
        newest.find_map(|record| recall(&record.event)).unwrap()
    }

    fn last_conclusion(&self) -> Concluded {
        let concluded = |event: &Event| {
            let Event::Concluded(concluded) = event else {
                return None;
            };
            Some(concluded.clone())
        };
        let mut newest = self.records.iter().rev();
        newest.find_map(|record| concluded(&record.event)).unwrap()
    }

    /// The recall that is awaited answers a set of `revision`.
    fn recall(&mut self, revision: &str, names: &[&str], manifest: &str) -> Vec<String> {
        let recall = self.last_recall();
        let recalled = ManifestsRecalled {
            object: recall.object,
            generation: recall.generation,
            revision: revision.into(),
            objects: names.iter().map(|name| rendered(name, manifest)).collect(),
            digest: "sha256:set".into(),
            rollback: recall.rollback,
            source: recall.source,
            against: recall.against,
        };
        self.answer(&kustomization("k"), recalled.into())
    }

    fn refuse_recall(&mut self) -> Vec<String> {
        let recall = self.last_recall();
        let failed = RecallFailed {
            object: recall.object,
            generation: recall.generation,
            rollback: recall.rollback,
            message: "no such record".into(),
            held: recall.held,
        };
        self.answer(&kustomization("k"), failed.into())
    }

    /// r1 made a and b, r2 a and c; r1's are put back and held against r2.
    fn held() -> Self {
        let mut script = Self::new();
        let k = kustomization("k");
        script.ready(json!({}), &["a", "b"]);
        assert_eq!(script.fetch("r2"), ["build k r2"]);
        script.answer(&k, built(&["a", "c"], "m2"));
        script.answer(&k, applied(&["a", "c"], "m2", 20));
        assert_eq!(script.answer(&k, pruned(&["b"])), SUCCEEDED);
        assert_eq!(script.tell(rolled_back(41, "t1")), ["recall 41 against r2"]);
        assert_eq!(script.recall("r1", &["a", "b"], "m1"), ["apply a,b"]);
        assert_eq!(
            script.answer(&k, applied(&["a", "b"], "m1", 30)),
            ["prune c"]
        );
        assert_eq!(script.answer(&k, pruned(&["c"])), HELD);
        script
    }

    fn hold(&self) -> Option<(u64, String)> {
        let hold = hold(&self.world)?;
        Some((hold.rollback.offset, hold.against.clone()))
    }
}

fn hold(world: &World) -> Option<&crate::Hold> {
    world
        .kustomizations()
        .get(&kustomization("k"))
        .unwrap()
        .hold()
}

const SUCCEEDED: [&str; 1] = ["ready ReconciliationSucceeded"];
const HELD: [&str; 2] = ["ready ReconciliationSucceeded", "wait Held"];

#[test]
fn an_earlier_set_is_put_back_and_held() {
    let mut script = Script::held();
    assert_eq!(script.hold(), Some((41, "r2".into())));
    assert_eq!(
        script.last_conclusion().message,
        "Rolled back to offset 41, revision r1; held until a newer commit or resume"
    );
    assert_eq!(script.last_conclusion().held_at, 41);
    let Event::Waited(Waited { message, .. }) = &script.records.last().unwrap().event else {
        panic!("what is not done is said");
    };
    assert_eq!(
        message,
        "held at offset 41, revision r1: revision r2 is not applied"
    );
    assert_eq!(script.after(60_000), NOTHING);
    assert_eq!(script.tell(rolled_back(41, "t1")), NOTHING, "asked once");
}

#[test]
fn everything_is_applied_the_first_time_and_what_changed_after_that() {
    let mut script = Script::held();
    let interval = script.after(700_000);
    assert_eq!(interval, ["recall 41 against r2"], "not a build of r2");
    assert_eq!(script.recall("r1", &["a", "b"], "m1"), HELD);
    let by_hand = ResourceObserved {
        requested_at: "now".into(),
        ..rolled_back_with(1, json!({}), 41, "t1")
    };
    let said = script.tell(by_hand.into());
    assert_eq!(said, ["recall 41 against r2"]);
    assert_eq!(script.recall("r1", &["a", "b"], "m1"), ["apply a,b"]);
}

#[test]
fn drift_is_repaired_to_what_is_held() {
    let mut script = Script::held();
    let said = script.tell(observed("a", 31, "edited", Health::Current));
    assert_eq!(said, ["repair a"]);
    let k = kustomization("k");
    let repair = script
        .world
        .rendered_of(&crate::script::object("a").identity());
    assert_eq!(repair.map(|it| it.manifest.as_str()), Some("m1"));
    let said = script.answer(&k, applied(&["a"], "m1", 32));
    assert_eq!(said, ["ready DriftCorrected", "wait Held"]);
    assert_eq!(script.tell(gone("b", 33)), ["repair b"]);
}

#[test]
fn a_newer_revision_ends_the_hold_and_the_same_does_not() {
    let mut script = Script::held();
    let other_content = Event::ArtifactFetched(fluvial_event::ArtifactFetched {
        artifact: Some(fluvial_event::Artifact {
            digest: "sha256:other".into(),
            ..crate::script::artifact("r2")
        }),
        object: Some(source()),
        generation: 1,
        ..fluvial_event::ArtifactFetched::default()
    });
    script.tell(requested("again").into());
    assert_eq!(
        script.answer(&source(), other_content),
        ["ready Succeeded"],
        "other content under the same revision"
    );
    assert_eq!(script.fetch("r3"), ["release NewRevision", "build k r3"]);
    assert_eq!(script.hold(), None);
    let k = kustomization("k");
    assert_eq!(
        script.answer(&k, built(&["a", "b"], "m1")),
        SUCCEEDED,
        "the manifests are those that were held"
    );
    assert_eq!(script.last_conclusion().message, "Applied revision: r3");
    assert_eq!(script.tell(rolled_back(41, "t1")), NOTHING, "it was done");
}

#[test]
fn taking_the_rollback_back_ends_the_hold_and_builds_again() {
    let mut script = Script::held();
    assert_eq!(script.tell(resumed()), ["release Resumed", "build k r2"]);
    let said = script.answer(&kustomization("k"), built(&["a", "c"], "m2"));
    assert_eq!(said, ["apply a,c"]);
    assert_eq!(script.hold(), None);
}

#[test]
fn a_change_of_the_spec_alone_does_not_end_the_hold() {
    let mut script = Script::held();
    let changed = rolled_back_with(2, json!({"path": "other"}), 41, "t1");
    assert_eq!(script.tell(changed.into()), ["recall 41 against r2"]);
    assert_eq!(script.recall("r1", &["a", "b"], "m1"), HELD);
    let other = json!({"sourceRef": {"kind": "GitRepository", "name": "other"}});
    let moved = rolled_back_with(3, other, 41, "t1");
    assert_eq!(script.tell(moved.into()), ["recall 41 against r2"]);
    assert_eq!(script.recall("r1", &["a", "b"], "m1"), SUCCEEDED);
    assert_eq!(script.fetch("r3"), NOTHING, "it is not its source any more");
    assert_eq!(script.hold(), Some((41, "r2".into())));
}

#[test]
fn another_rollback_moves_the_hold() {
    let mut script = Script::held();
    assert_eq!(script.tell(rolled_back(7, "t2")), ["recall 7 against r2"]);
    assert_eq!(script.recall("r0", &["a", "b"], "m0"), ["apply a,b"]);
    let said = script.answer(&kustomization("k"), applied(&["a", "b"], "m0", 40));
    assert_eq!(said, HELD);
    assert_eq!(script.hold(), Some((7, "r2".into())));
    assert_eq!(
        script.tell(rolled_back(41, "t1")),
        ["recall 41 against r2"],
        "an earlier one is asked for anew"
    );
}

#[test]
fn an_attempt_is_given_up_for_a_rollback() {
    let waiting = json!({"wait": true});
    let mut script = Script::new();
    let k = kustomization("k");
    script.declare("k", 1, waiting.clone());
    script.answer(&k, built(&["web"], "m2"));
    script.answer(&k, applied(&["web"], "m2", 10));
    let asked = rolled_back_with(1, waiting.clone(), 41, "t1");
    let said = script.tell(asked.into());
    assert_eq!(
        said,
        ["failed ReconciliationCanceled", "recall 41 against r1"]
    );
    assert_eq!(
        script.recall("r0", &["web"], "m1"),
        ["apply web"],
        "it does not wait for the health of anything"
    );
    let said = script.answer(&k, applied(&["web"], "m1", 20));
    assert_eq!(said, ["wait Progressing"]);
    let again = rolled_back_with(1, waiting, 7, "t2");
    let said = script.tell(again.into());
    assert_eq!(
        said,
        ["failed ReconciliationCanceled", "recall 7 against r1"]
    );
}

#[test]
fn a_rollback_under_way_gives_way_to_what_ends_it() {
    let mut script = Script::held();
    script.tell(rolled_back(7, "t2"));
    assert_eq!(script.tell(resumed()), NOTHING, "its recall is under way");
    let said = script.recall("r0", &["a"], "m0");
    assert_eq!(
        said,
        [
            "failed ReconciliationCanceled",
            "release Resumed",
            "build k r2"
        ]
    );
}

#[test]
fn a_rollback_that_fails_to_apply_is_tried_again_and_held() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a"]);
    script.tell(rolled_back(41, "t1"));
    script.recall("r0", &["a"], "m0");
    let said = script.answer(&k, refused("a").into());
    assert_eq!(said, ["failed ReconciliationFailed", "wait Held"]);
    assert_eq!(script.hold(), Some((41, "r1".into())));
    assert_eq!(script.after(60_001), ["recall 41 against r1"]);
    assert_eq!(script.recall("r0", &["a"], "m0"), ["apply a"]);
}

#[test]
fn what_is_not_in_the_log_is_not_put_back_and_life_goes_on() {
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &["a"]);
    assert_eq!(script.tell(rolled_back(41, "t1")), ["recall 41 against r1"]);
    assert_eq!(
        script.refuse_recall(),
        ["failed RollbackFailed", "build k r1"]
    );
    assert_eq!(script.answer(&k, built(&["a"], "m1")), SUCCEEDED);
    assert_eq!(script.hold(), None);
    assert_eq!(script.after(60_000), NOTHING, "it is not asked again");

    let mut script = Script::held();
    script.tell(rolled_back(99, "t2"));
    let said = script.refuse_recall();
    assert_eq!(said, ["failed RollbackFailed", "recall 41 against r2"]);
    assert_eq!(script.recall("r1", &["a", "b"], "m1"), HELD);
}

#[test]
fn what_is_held_and_cannot_be_read_stays_held() {
    let mut script = Script::held();
    script.after(700_000);
    assert_eq!(
        script.refuse_recall(),
        ["failed RollbackFailed", "wait Held"]
    );
    assert_eq!(script.hold(), Some((41, "r2".into())));
    assert_eq!(script.after(59_000), NOTHING);
    assert_eq!(script.after(1_001), ["recall 41 against r2"]);
}

#[test]
fn trouble_of_the_engines_own_asks_the_recall_again() {
    let mut script = Script::held();
    let k = kustomization("k");
    script.tell(rolled_back(7, "t2"));
    let first = script.last_recall();
    let failed = CommandFailed {
        object: Some(k.clone()),
        message: "no memory".into(),
    };
    assert_eq!(script.answer(&k, failed.into()), NOTHING);
    assert_eq!(script.after(750), ["recall 7 against r2"]);
    assert_eq!(script.last_recall(), first);
}

#[test]
fn a_suspended_one_is_not_rolled_back_until_it_is_resumed() {
    let suspended = json!({"suspend": true});
    let mut script = Script::new();
    script.ready(json!({}), &["a"]);
    assert_eq!(
        script.declare("k", 2, suspended.clone()),
        ["wait Suspended"]
    );
    let asked = rolled_back_with(2, suspended, 41, "t1");
    assert_eq!(script.tell(asked.into()), ["wait Suspended"]);
    let Event::Waited(waited) = &script.records.last().unwrap().event else {
        panic!("it says why not");
    };
    assert_eq!(
        waited.message,
        "reconciliation is suspended: the rollback to offset 41 waits for that"
    );
    let unsuspended = rolled_back_with(3, json!({}), 41, "t1");
    assert_eq!(script.tell(unsuspended.into()), ["recall 41 against r1"]);
}

#[test]
fn dependencies_are_not_awaited_and_dependents_say_that_it_is_held() {
    let mut script = Script::new();
    let waits = json!({"dependsOn": [{"name": "missing"}]});
    assert_eq!(
        script.declare("k", 1, waits.clone()),
        ["wait DependencyNotReady"]
    );
    let asked = rolled_back_with(1, waits, 41, "t1");
    assert_eq!(script.tell(asked.into()), ["recall 41 against r1"]);
    script.recall("r0", &["a"], "m0");
    script.answer(&kustomization("k"), applied(&["a"], "m0", 10));
    let said = script.declare("later", 1, json!({"dependsOn": [{"name": "k"}]}));
    assert_eq!(said, ["wait DependencyNotReady"]);
    let later = script
        .world
        .one(&kustomization("later").identity())
        .unwrap();
    let (_, message) = later.waiting.clone().unwrap();
    assert_eq!(
        message,
        "dependency 'team/k' is not updated to revision 'r1': it is held at 'r0'"
    );
}

#[test]
fn without_an_artifact_it_rolls_back_and_the_first_ends_the_hold() {
    let mut script = Script::new();
    let other = json!({"sourceRef": {"kind": "GitRepository", "name": "other"}});
    script.declare("k", 1, other.clone());
    let asked = rolled_back_with(1, other, 41, "t1");
    assert_eq!(script.tell(asked.into()), ["recall 41 against "]);
    script.recall("r0", &["a"], "m0");
    let said = script.answer(&kustomization("k"), applied(&["a"], "m0", 10));
    assert_eq!(said, SUCCEEDED);
    let another = ResourceObserved {
        object: Some(fluvial_event::ObjectRef {
            name: "other".into(),
            ..source()
        }),
        uid: "other".into(),
        ..requested("")
    };
    assert_eq!(script.tell(another.clone().into()), ["fetch"]);
    let Event::ArtifactFetched(mut first) = fetched("x1") else {
        unreachable!()
    };
    first.object.clone_from(&another.object);
    let said = script.answer(&another.object.unwrap(), first.into());
    assert_eq!(
        said,
        ["release NewRevision", "build k x1", "ready Succeeded"]
    );
}

#[test]
fn a_held_one_can_be_deleted() {
    let mut script = Script::held();
    let k = kustomization("k");
    let deleting = ResourceObserved {
        deleting: true,
        ..rolled_back_with(2, json!({}), 41, "t1")
    };
    assert_eq!(script.tell(deleting.into()), ["prune a,b"]);
    assert_eq!(script.answer(&k, pruned(&["a", "b"])), ["finalizer off"]);
    script.answer(&k, finalizer(false));
    let deleted = ResourceDeleted {
        object: Some(k.clone()),
        uid: "uid-k".into(),
    };
    assert_eq!(script.tell(deleted.into()), NOTHING);
    assert_eq!(
        script.declare("k", 1, json!({})),
        ["build k r2"],
        "a namesake"
    );
}

#[test]
fn what_is_held_is_stored_and_read_back() {
    let mut script = Script::held();
    let stored = script.world.changes();
    let pairs = stored
        .into_iter()
        .filter_map(|(key, value)| Some(Ok::<_, String>((key, value?))));
    let read = World::load(pairs).unwrap();
    assert_eq!(hold(&read), hold(&script.world));
    assert_eq!(read.digest(), script.world.digest());
}
