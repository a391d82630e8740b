//! What is well encoded and makes no sense: no record makes a fold fail, and none makes it decide
//! without end.

use fluvial_event::{
    Chain, Digest, Draft, HEADER_BYTES, Head, Health, Id, Record, ResourceObserved, TermStarted,
    Timestamp, decode, encode,
};
use serde_json::json;

use crate::World;
use crate::script::{
    Script, applied, built, declared, fetched, finalizer, gone, kustomization, observed, pruned,
    requested, source,
};

/// Records that are made absurd, each in so many ways.
const WAYS: u64 = 300;
/// More decisions than anything sensible leads to.
const DECISIONS_MAX: usize = 200;

/// Everything that happens to a Kustomization.
fn life() -> Vec<Record> {
    let mut script = Script::new();
    let k = kustomization("k");
    let more = json!({"wait": true, "dependsOn": [{"name": "other"}], "force": true});
    script.declare("other", 1, json!({}));
    script.declare("k", 1, more);
    script.ready(json!({}), &["a", "ns"]);
    script.tell(observed("a", 11, "edited", Health::Current));
    script.answer(&k, applied(&["a"], "m1", 12));
    script.tell(gone("a", 13));
    script.tell(requested("now").into());
    script.answer(&source(), fetched("r2"));
    script.answer(&k, applied(&["a"], "m1", 14));
    script.after(60_000);
    script.answer(&k, built(&["b", "web"], "m2"));
    script.answer(&k, applied(&["b", "web"], "m2", 15));
    script.answer(&k, pruned(&["a", "ns"]));
    let deleting = ResourceObserved {
        deleting: true,
        ..declared("k", 2, json!({}))
    };
    script.tell(deleting.into());
    script.answer(&k, pruned(&["b", "web"]));
    script.answer(&k, finalizer(false));
    script.records
}

/// A number that looks like chance, the same each time.
fn chance(seed: &[u64]) -> u64 {
    let bytes: Vec<_> = seed.iter().flat_map(|it| it.to_le_bytes()).collect();
    let digest = Digest::of(&bytes).0;
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// `record` with up to four bytes of its payload, and sometimes its time, made something else, and its
/// digests made right again; none where that is no message any more.
fn absurd(record: &Record, way: u64) -> Option<Record> {
    let mut bytes = encode(record);
    let body = HEADER_BYTES + record.stream.len() + record.actor.len();
    let payload = bytes.len() - body;
    for number in 0..=way % 4 {
        let chance = chance(&[record.offset.0, way, number]);
        let at = body + usize::try_from(chance >> 16).unwrap_or_default() % payload.max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = match chance % 4 {
                0 => 0xff,
                1 => 0,
                2 => 0x7f,
                _ => *byte ^ (1 << (chance % 8)),
            };
        }
    }
    if way.is_multiple_of(5) {
        let time = if way.is_multiple_of(2) {
            i64::MAX
        } else {
            i64::MIN
        };
        bytes[32..40].copy_from_slice(&time.to_le_bytes());
    }
    let digest = Digest::of(&bytes[body..]);
    bytes[112..144].copy_from_slice(&digest.0);
    let hash = Digest::of_parts(&[&[0], &bytes[..176], &bytes[HEADER_BYTES..body]]);
    bytes[176..208].copy_from_slice(&hash.0);
    decode(&bytes).ok()
}

/// Folds a record and all that is decided because of it.
fn fold(world: &mut World, record: &Record) {
    world.evolve(record);
    let mut chain = Chain::new(
        Head {
            offset: record.offset,
            time: record.time,
            ..Head::default()
        },
        1,
    );
    for _ in 0..DECISIONS_MAX {
        let Some(decided) = world.decide() else {
            return;
        };
        let draft = Draft {
            cause: decided.cause,
            ..Draft::news(decided.decision.into())
        };
        let decision = chain.seal(draft, decided.correlation, record.time);
        world.evolve(&decision);
    }
    panic!("it decides without end after {record:?}");
}

#[test]
fn nothing_that_can_be_encoded_makes_a_fold_fail_or_decide_without_end() {
    let mut world = World::default();
    let mut tried = 0;
    for record in life() {
        for way in 0..WAYS {
            let Some(absurd) = absurd(&record, way) else {
                continue;
            };
            tried += 1;
            let mut other = world.clone();
            fold(&mut other, &absurd);
            // And what comes after it, at the end of time.
            let end = Timestamp(i64::MAX);
            let mut chain = Chain::new(Head::default(), 1);
            let term = Draft::news(TermStarted::default().into());
            for draft in [term.clone(), Draft::news(record.event.clone()), term] {
                fold(&mut other, &chain.seal(draft, Id::NONE, end));
            }
            assert_eq!(other.ripe(Timestamp(i64::MIN)).count(), 0);
        }
        world.evolve(&record);
        world.pass();
    }
    println!("{tried} absurd records");
    assert!(tried > 2_000, "{tried}");
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

fn named(said: &str) -> Vec<&str> {
    let (_, names) = said.split_once(' ').unwrap_or_default();
    names.split(',').collect()
}

#[test]
fn no_repair_is_too_large_for_a_record() {
    let names = names(1_003);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &names);
    // While one is repaired, all others go.
    assert_eq!(script.tell(gone(names[0], 11)), ["repair n0"]);
    for name in &names[1..] {
        script.tell(gone(name, 11));
    }
    let said = script.answer(&k, applied(&names[..1], "m1", 12));
    assert_eq!(named(&said[1]).len(), 1_000);
    let said = script.answer(&k, applied(&named(&said[1]), "m1", 13));
    assert_eq!(named(&said[1]).len(), 2);
    assert_eq!(
        script.answer(&k, applied(&named(&said[1]), "m1", 14)).len(),
        1
    );
}

#[test]
fn no_deletion_is_too_large_for_a_record() {
    let names = names(10_001);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut script = Script::new();
    let k = kustomization("k");
    script.ready(json!({}), &names);
    let deleting = ResourceObserved {
        deleting: true,
        ..declared("k", 2, json!({}))
    };
    let first = script.tell(deleting.into());
    assert_eq!(named(&first[0]).len(), 10_000);
    let rest = script.answer(&k, pruned(&named(&first[0])));
    assert_eq!(named(&rest[0]).len(), 1);
    assert!(!named(&first[0]).contains(&named(&rest[0])[0]));
    assert_eq!(
        script.answer(&k, pruned(&named(&rest[0]))),
        ["finalizer off"]
    );
}
