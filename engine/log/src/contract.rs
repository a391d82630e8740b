//! What every backend promises, as checks that its tests run: [`LOG`], [`BLOBS`] and [`STATE`].
//!
//! A check of a log or a state gets a function that opens the same one again; it has dropped what it
//! opened before. Each check wants a new, empty one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;

use fluvial_event::{
    Artifact, ArtifactFetched, Chain, Digest, Draft, Event, Head, ObjectRef, Offset, Record,
    TermStarted, Timestamp,
};

use crate::{
    Applied, BlobStore, Error, EventLog, GroupCommit, Limits, Plain, StateStore, verify::verify,
};

/// Opens the same log again.
pub type OpenLog<'a> = &'a dyn Fn() -> Arc<dyn EventLog>;

/// Opens the same state again.
pub type OpenState<'a> = &'a dyn Fn() -> Arc<dyn StateStore>;

/// A promise of a log, and its check.
pub type LogCheck = (&'static str, fn(OpenLog<'_>));

/// A promise of a store of blobs, and its check.
pub type BlobCheck = (&'static str, fn(&dyn BlobStore));

/// A promise of a state, and its check.
pub type StateCheck = (&'static str, fn(OpenState<'_>));

/// What a log promises.
pub const LOG: &[LogCheck] = &[
    (
        "a batch that does not follow is refused whole",
        refuses_what_does_not_follow,
    ),
    ("an empty log is empty", empty),
    ("many threads append without a gap", many_threads),
    ("reading starts anywhere", reads_from_anywhere),
    ("reopened, it is the same", reopens),
];

/// What a store of blobs promises.
pub const BLOBS: &[BlobCheck] = &[
    ("every size comes back", blobs_come_back),
    ("one that is not there is said to be missing", blobs_missing),
    ("the same bytes have the same name", blobs_named_by_content),
];

/// What a state promises.
pub const STATE: &[StateCheck] = &[
    (
        "changes and the point they lead to arrive together",
        state_commits,
    ),
    ("cleared, it is as new", state_clears),
    ("its parts are states of their own", state_parts),
    ("keys come in order", state_in_order),
];

/// The event that test records carry; about no object.
pub fn draft(number: usize) -> Draft {
    let identity = format!("n{number}");
    Draft::news(
        TermStarted {
            identity,
            ..Default::default()
        }
        .into(),
    )
}

/// News with a payload of about `bytes`.
pub fn large_draft(bytes: usize) -> Draft {
    let identity = "x".repeat(bytes);
    Draft::news(
        TermStarted {
            identity,
            ..Default::default()
        }
        .into(),
    )
}

/// News about the object named `object`.
pub fn object_draft(object: &str, number: usize) -> Draft {
    Draft::news(artifact(object, "", number))
}

/// News that names a blob.
pub fn artifact_draft(blob: &str) -> Draft {
    Draft::news(artifact("podinfo", blob, 0))
}

fn artifact(object: &str, blob: &str, number: usize) -> Event {
    let object = ObjectRef {
        kind: "GitRepository".to_owned(),
        name: object.to_owned(),
        ..Default::default()
    };
    let artifact = Artifact {
        revision: format!("main@sha1:{number}"),
        blob: blob.to_owned(),
        ..Default::default()
    };
    ArtifactFetched {
        object: Some(object),
        artifact: Some(artifact),
        ..Default::default()
    }
    .into()
}

/// `drafts` as the first records of a log.
pub fn sealed(drafts: impl IntoIterator<Item = Draft>) -> Vec<Record> {
    let mut chain = Chain::new(Head::default(), 1);
    let seal = |(draft, now): (Draft, i64)| {
        let cause = draft.cause;
        chain.seal(draft, cause, Timestamp(now))
    };
    drafts.into_iter().zip(1..).map(seal).collect()
}

/// The first `count` records of a log; the same each time.
pub fn records(count: usize) -> Vec<Record> {
    sealed((0..count).map(draft))
}

fn read(log: &dyn EventLog, from: u64) -> Vec<Record> {
    log.read(Offset(from))
        .collect::<Result<_, _>>()
        .expect("a sound log can be read")
}

fn empty(open: OpenLog<'_>) {
    let log = open();
    assert_eq!(log.head(), Head::default());
    assert_eq!(log.read(Offset(0)).count(), 0);
    log.append(&[]).expect("an empty batch is no mistake");
    assert_eq!(log.head(), Head::default());
}

fn refuses_what_does_not_follow(open: OpenLog<'_>) {
    let records = records(6);
    let log = open();
    log.append(&records[..2]).expect("these follow");
    let mut foreign = records[2].clone();
    foreign.previous = Digest::of(b"another history");
    for (what, bad) in [
        ("a gap", vec![records[3].clone()]),
        ("a repetition", vec![records[1].clone()]),
        ("a foreign record", vec![foreign]),
        ("a gap inside", vec![records[2].clone(), records[4].clone()]),
        (
            "a repetition inside",
            vec![records[2].clone(), records[2].clone()],
        ),
        ("an order", vec![records[3].clone(), records[2].clone()]),
    ] {
        let result = log.append(&bad);
        assert!(
            matches!(result, Err(Error::Sequence(_))),
            "{what}: {result:?}"
        );
        assert_eq!(log.head().offset, Offset(2), "{what}");
        assert_eq!(read(&*log, 0), records[..2], "{what}");
    }
    log.append(&records[2..])
        .expect("a refusal does not stop the log");
    assert_eq!(read(&*log, 0), records);
}

fn reads_from_anywhere(open: OpenLog<'_>) {
    let records = records(20);
    let log = open();
    log.append(&records[..7]).expect("these follow");
    let early = log.read(Offset(5));
    log.append(&records[7..]).expect("these follow");
    assert_eq!(early.count(), 3, "a reader ends at the head as it was");
    for from in [0, 1, 2, 7, 8, 20, 21, 99, u64::MAX] {
        let skipped = usize::try_from(from.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .min(20);
        assert_eq!(read(&*log, from), records[skipped..], "from {from}");
    }
}

fn reopens(open: OpenLog<'_>) {
    let records = records(9);
    for batch in records.chunks(4) {
        open().append(batch).expect("these follow");
        let log = open();
        let last = batch.last().expect("chunks are not empty");
        assert_eq!(log.head(), crate::check::head(last));
        assert_eq!(
            read(&*log, 0),
            records[..usize::try_from(last.offset.0).unwrap_or(0)]
        );
    }
}

fn many_threads(open: OpenLog<'_>) {
    const THREADS: usize = 8;
    const APPENDS: usize = 25;
    let log = open();
    let group = GroupCommit::start(
        Arc::clone(&log),
        Plain::new(log.head(), 1),
        || Timestamp(1),
        Limits::default(),
    )
    .expect("a thread can be started");
    let acknowledged = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (producer, acknowledged) = (group.producer(), &acknowledged);
            scope.spawn(move || {
                let mut last = Offset(0);
                for number in 0..APPENDS {
                    let actor = format!("{thread}/{number}");
                    let pair = [draft(number), draft(number).by(actor)];
                    let offset = producer.append(pair.to_vec()).expect("the log takes it");
                    assert!(offset > last, "a producer's offsets grow");
                    last = offset;
                    acknowledged
                        .lock()
                        .expect("no thread panicked")
                        .insert(offset);
                }
            });
        }
    });
    group.stop().expect("nothing failed");
    drop(log);
    let log = open();
    let report = verify(&*log, None, None);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.records, (THREADS * APPENDS * 2) as u64);
    let acknowledged = acknowledged.into_inner().expect("no thread panicked");
    let mut next = [0; THREADS];
    for record in read(&*log, 0).iter().filter(|it| !it.actor.is_empty()) {
        assert!(
            acknowledged.contains(&record.offset),
            "{} was not told",
            record.offset
        );
        let thread: usize = record
            .actor
            .split('/')
            .next()
            .and_then(|it| it.parse().ok())
            .expect("it was written above");
        assert_eq!(
            record.actor,
            format!("{thread}/{}", next[thread]),
            "order of a producer"
        );
        next[thread] += 1;
    }
    assert_eq!(next, [APPENDS; THREADS]);
}

fn blobs_come_back(blobs: &dyn BlobStore) {
    for size in [0, 1, 15, 4_095, 4_096, 4_097, 100_000, 3 << 20] {
        // Neither all the same, nor the same for any two sizes.
        let bytes: Vec<u8> = Digest::of(&[0])
            .0
            .iter()
            .copied()
            .cycle()
            .take(size)
            .collect();
        let name = blobs.put(&bytes).expect("there is room");
        assert_eq!(blobs.get(&name).expect("it was put"), bytes, "{size} bytes");
    }
}

fn blobs_named_by_content(blobs: &dyn BlobStore) {
    let (one, other) = (
        b"kind: Deployment".as_slice(),
        b"kind: DaemonSet".as_slice(),
    );
    let name = blobs.put(one).expect("there is room");
    assert_ne!(blobs.put(other).expect("there is room"), name);
    assert_eq!(blobs.put(one).expect("there is room"), name);
    assert_ne!(
        name,
        Digest::of(one),
        "the name must not let one guess what is in it"
    );
}

fn blobs_missing(blobs: &dyn BlobStore) {
    let name = Digest::of(b"nowhere");
    assert!(matches!(blobs.get(&name), Err(Error::NoBlob(missing)) if missing == name));
}

fn applied(offset: u64) -> Applied {
    Applied {
        offset: Offset(offset),
        hash: Digest::of(&offset.to_le_bytes()),
    }
}

fn load(state: &dyn StateStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    state
        .load()
        .collect::<Result<_, _>>()
        .expect("a sound state can be loaded")
}

fn state_commits(open: OpenState<'_>) {
    let state = open();
    assert_eq!(state.applied().expect("it is readable"), Applied::default());
    let [a, b] = [b"a", b"b"].map(|key| key.to_vec());
    let put = |key: &Vec<u8>, value: &[u8]| (key.clone(), Some(value.to_vec()));
    for (offset, changes, wanted) in [
        (
            1,
            vec![put(&a, b"1"), put(&b, b"1")],
            vec![(a.clone(), b"1".to_vec()), (b.clone(), b"1".to_vec())],
        ),
        (
            5,
            vec![put(&a, b""), (b.clone(), None)],
            vec![(a.clone(), vec![])],
        ),
        (6, vec![], vec![(a.clone(), vec![])]),
        (
            7,
            vec![(a.clone(), None), put(&a, b"2"), (b.clone(), None)],
            vec![(a.clone(), b"2".to_vec())],
        ),
    ] {
        state
            .commit(applied(offset), &changes)
            .expect("there is room");
        assert_eq!(state.applied().expect("it is readable"), applied(offset));
        assert_eq!(load(&*state), wanted);
    }
}

fn state_in_order(open: OpenState<'_>) {
    let state = open();
    let keys: BTreeSet<Vec<u8>> = (0..200_u32)
        .map(|n| Digest::of(&n.to_le_bytes()).0[..(n as usize % 9)].to_vec())
        .collect();
    let mut changes: Vec<_> = keys
        .iter()
        .map(|key| (key.clone(), Some(key.clone())))
        .collect();
    changes.reverse();
    state.commit(applied(3), &changes).expect("there is room");
    let wanted: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    assert_eq!(load(&*state), wanted);
}

fn state_clears(open: OpenState<'_>) {
    let state = open();
    let changes = [(b"a".to_vec(), Some(b"1".to_vec()))];
    state.commit(applied(3), &changes).expect("there is room");
    state.clear().expect("there is room");
    assert_eq!(
        (
            load(&*state).len(),
            state.applied().expect("it is readable")
        ),
        (0, Applied::default())
    );
    state.commit(applied(1), &changes).expect("there is room");
    assert_eq!(
        (
            load(&*state).len(),
            state.applied().expect("it is readable")
        ),
        (1, applied(1))
    );
}

fn state_parts(open: OpenState<'_>) {
    let part = |name, format| {
        open()
            .part(name, format)
            .expect("a part is there when it is asked for")
    };
    let pairs = |value: &[u8]| vec![(b"a".to_vec(), value.to_vec())];
    let changes = |value: &[u8]| [(b"a".to_vec(), Some(value.to_vec()))];
    let all: [(OpenState<'_>, &[u8], u64); 3] = [
        (&open, b"whole", 1),
        (&|| part("one", "1"), b"one", 2),
        (&|| part("on", "1"), b"on", 3),
    ];
    for (open, value, offset) in all {
        let state = open();
        assert_eq!(state.applied().expect("it is readable"), Applied::default());
        state
            .commit(applied(offset), &changes(value))
            .expect("there is room");
    }
    for (open, value, offset) in all {
        let state = open();
        assert_eq!(state.applied().expect("it is readable"), applied(offset));
        assert_eq!(load(&*state), pairs(value));
    }
    part("on", "1").clear().expect("there is room");
    open().clear().expect("there is room");
    assert_eq!(load(&*part("one", "1")), pairs(b"one"));
    assert_eq!(load(&*part("on", "1")), []);
    assert_eq!(load(&*open()), []);
    let other = part("one", "2");
    assert_eq!(other.applied().expect("it is readable"), Applied::default());
    assert_eq!(load(&*other), []);
}
