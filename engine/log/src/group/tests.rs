//! What group commit promises its producers and its stage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use fluvial_event::{Draft, Head, Offset, Record, Timestamp};

use super::{GroupCommit, Limits, Plain, Stage};
use crate::memory::MemoryLog;
use crate::{Error, EventLog, Records, Result, contract};

/// A log whose appends wait until the gate opens, and which counts them.
#[derive(Default)]
struct Gated {
    log: MemoryLog,
    open: Mutex<bool>,
    opened: Condvar,
    entered: AtomicUsize,
}

impl Gated {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl EventLog for Gated {
    fn head(&self) -> Head {
        self.log.head()
    }

    fn append(&self, batch: &[Record]) -> Result<()> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        drop(
            self.opened
                .wait_while(self.open.lock().unwrap(), |open| !*open),
        );
        self.log.append(batch)
    }

    fn read(&self, from: Offset) -> Records<'_> {
        self.log.read(from)
    }
}

/// Two records for each draft, and a note of what it was told.
struct Noting {
    plain: Plain,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Stage for Noting {
    fn stage(&mut self, drafts: Vec<Draft>, now: Timestamp) -> Vec<Record> {
        self.notes
            .lock()
            .unwrap()
            .push(format!("stage {}", drafts.len()));
        let twice = drafts.into_iter().flat_map(|draft| [draft.clone(), draft]);
        self.plain.stage(twice.collect(), now)
    }

    fn committed(&mut self, records: &[Record]) {
        self.notes
            .lock()
            .unwrap()
            .push(format!("committed {}", records.len()));
    }

    fn stopped(&mut self, _error: &Error) {
        self.notes.lock().unwrap().push("stopped".to_owned());
    }
}

fn drafts(count: usize) -> Vec<Draft> {
    (0..count).map(contract::draft).collect()
}

fn clock() -> Timestamp {
    Timestamp(7)
}

#[test]
fn what_gathers_during_a_sync_is_committed_together_and_in_order() {
    let log = Arc::new(Gated::default());
    let group = GroupCommit::start(
        log.clone(),
        Plain::new(Head::default(), 1),
        clock,
        Limits::default(),
    )
    .unwrap();
    let producer = group.producer();
    producer.submit(drafts(1)).unwrap();
    while log.entered.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    for _ in 0..99 {
        producer.submit(drafts(1)).unwrap();
    }
    log.open();
    group.stop().unwrap();
    assert_eq!(log.entered.load(Ordering::SeqCst), 2);
    assert_eq!(log.head().offset, Offset(100));
    assert!(matches!(producer.append(drafts(1)), Err(Error::Stopped(_))));
}

#[test]
fn batches_keep_their_limits_and_a_request_is_never_split() {
    // (drafts of each request, records of the largest batch allowed, appends that makes)
    for (requests, batch_drafts_max, appends) in [
        (vec![1, 1, 1, 1], 1, 4),
        (vec![1, 1, 1, 1], 2, 2),
        (vec![1, 1, 1, 1], 3, 2),
        (vec![2, 2, 2], 3, 3),
        (vec![9, 1], 3, 2),
    ] {
        let log = Arc::new(Gated::default());
        log.open();
        let queue = super::Queue::new(Limits {
            batch_drafts_max,
            ..Limits::default()
        });
        for count in &requests {
            let request = super::Request {
                drafts: drafts(*count),
                bytes: 0,
                ack: None,
            };
            queue.push(request).unwrap();
        }
        queue.close();
        let batches: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(batches.len(), appends, "{requests:?} by {batch_drafts_max}");
        let taken: Vec<_> = batches.iter().flatten().map(|it| it.drafts.len()).collect();
        assert_eq!(taken, requests);
    }
}

#[test]
fn a_full_queue_holds_its_producers_back_until_there_is_room() {
    let log = Arc::new(Gated::default());
    let limits = Limits {
        queued_drafts_max: 2,
        ..Limits::default()
    };
    let group =
        GroupCommit::start(log.clone(), Plain::new(Head::default(), 1), clock, limits).unwrap();
    let producer = group.producer();
    let submitted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&submitted);
    let thread = std::thread::spawn(move || {
        for _ in 0..10 {
            producer.submit(drafts(1)).unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    while log.entered.load(Ordering::SeqCst) == 0 || submitted.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    // One batch of at most two is at the gate, two more wait.
    assert!(submitted.load(Ordering::SeqCst) <= 4);
    log.open();
    thread.join().unwrap();
    group.stop().unwrap();
    assert_eq!(log.head().offset, Offset(10));
}

#[test]
fn a_producer_hears_its_own_last_offset_after_the_stage_heard_of_it() {
    for linger in [Duration::ZERO, Duration::from_millis(1)] {
        let log = Arc::new(MemoryLog::default());
        let notes = Arc::<Mutex<Vec<String>>>::default();
        let stage = Noting {
            plain: Plain::new(Head::default(), 1),
            notes: notes.clone(),
        };
        let limits = Limits {
            linger,
            ..Limits::default()
        };
        let group = GroupCommit::start(log.clone(), stage, clock, limits).unwrap();
        assert_eq!(group.producer().append(drafts(3)).unwrap(), Offset(6));
        assert_eq!(group.producer().append(drafts(0)).unwrap(), Offset(6));
        assert_eq!(group.producer().append(drafts(1)).unwrap(), Offset(8));
        group.stop().unwrap();
        assert_eq!(
            *notes.lock().unwrap(),
            [
                "stage 3",
                "committed 6",
                "stage 0",
                "committed 0",
                "stage 1",
                "committed 2"
            ]
        );
    }
}

#[test]
fn after_a_failed_append_everyone_is_refused_and_the_stage_is_told_once() {
    let log = Arc::new(MemoryLog::default());
    let notes = Arc::<Mutex<Vec<String>>>::default();
    let stage = Noting {
        plain: Plain::new(Head::default(), 1),
        notes: notes.clone(),
    };
    let group = GroupCommit::start(log.clone(), stage, clock, Limits::default()).unwrap();
    let producer = group.producer();
    producer.append(drafts(1)).unwrap();
    log.fail_next_append();
    for _ in 0..3 {
        assert!(
            matches!(producer.append(drafts(1)), Err(Error::Stopped(why)) if why.contains("disk"))
        );
    }
    assert!(matches!(producer.submit(drafts(1)), Err(Error::Stopped(_))));
    assert!(matches!(group.stop(), Err(Error::Stopped(_))));
    assert_eq!(log.head().offset, Offset(2));
    assert_eq!(
        *notes.lock().unwrap(),
        ["stage 1", "committed 2", "stage 1", "stopped"]
    );
}

#[test]
fn a_stage_that_panics_leaves_no_producer_waiting() {
    struct Panicking;
    impl Stage for Panicking {
        fn stage(&mut self, _drafts: Vec<Draft>, _now: Timestamp) -> Vec<Record> {
            panic!("as the test asked")
        }
        fn committed(&mut self, _records: &[Record]) {}
        fn stopped(&mut self, _error: &Error) {}
    }
    let log = Arc::new(MemoryLog::default());
    let group = GroupCommit::start(log, Panicking, clock, Limits::default()).unwrap();
    let producer = group.producer();
    assert!(matches!(producer.append(drafts(1)), Err(Error::Stopped(_))));
    assert!(matches!(producer.append(drafts(1)), Err(Error::Stopped(_))));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| group.stop())).is_err());
}

#[test]
fn what_no_record_can_hold_is_refused_before_it_can_stop_the_log() {
    let log = Arc::new(MemoryLog::default());
    let group = GroupCommit::start(
        log,
        Plain::new(Head::default(), 1),
        clock,
        Limits::default(),
    )
    .unwrap();
    let large = |bytes| vec![contract::large_draft(bytes)];
    let producer = group.producer();
    assert!(matches!(
        producer.append(large(super::PAYLOAD_BYTES_MAX + 1)),
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(producer.append(drafts(1)).unwrap(), Offset(1));
    assert_eq!(
        producer
            .append(large(super::PAYLOAD_BYTES_MAX - 64))
            .unwrap(),
        Offset(2)
    );
    group.stop().unwrap();
}
