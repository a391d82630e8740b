//! The process that appends until it dies, what it says, and how that is held against what is there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fluvial_event::{Digest, Offset, Record, Timestamp};
use fluvial_log::{
    BlobStore as _, Error, EventLog as _, GroupCommit, Limits, Plain, contract, verify,
};
use fluvial_log_rocksdb::{Data, Mode, RocksLog};

/// Where the child appends; without it the child has nothing to do.
const DIRECTORY: &str = "FLUVIAL_CRASH_DIRECTORY";
/// Each has one append under way at most.
pub(crate) const THREADS: usize = 4;
/// Appends of each thread after which the child rests, lest it go on for ever.
const APPENDS_MAX: usize = 4_000;

/// What a thread stores with its `number`-th append.
fn bytes(start: u64, thread: usize, number: usize) -> Vec<u8> {
    let seed = Digest::of(format!("{start}/{thread}/{number}").as_bytes()).0;
    let size = [10, 300, 5_000, 1_000, 10, 300, 40_000, 1_000][number % 8];
    (0..size)
        .map(|at| seed[at % 32] ^ u8::try_from(at / 32 % 256).unwrap())
        .collect()
}

fn actor(start: u64, thread: usize, number: usize) -> String {
    format!("{start} {thread} {number}")
}

/// An append that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    offset: Offset,
    hash: String,
    actor: String,
}

/// What a child said.
#[derive(Debug)]
pub(crate) enum Said {
    /// It is about to open the log.
    Opening,
    /// The log is open, and ends there.
    Opened(Offset),
    Kept(Kept),
    Refused(String),
    /// It writes no more, and the log refuses more.
    Stopped {
        again: bool,
    },
    /// Of its test harness.
    Other,
}

impl Said {
    fn read(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let offset = |text: &str| Offset(text.parse().unwrap());
        match word {
            "opening" => Self::Opening,
            "opened" => Self::Opened(offset(rest)),
            "refused" => Self::Refused(rest.to_owned()),
            "stopped" => {
                let again = rest == "true";
                Self::Stopped { again }
            }
            "kept" => {
                let mut words = rest.splitn(3, ' ');
                Self::Kept(Kept {
                    offset: offset(words.next().unwrap()),
                    hash: words.next().unwrap().to_owned(),
                    actor: words.next().unwrap().to_owned(),
                })
            }
            _ => Self::Other,
        }
    }
}

/// Appends from several threads, and tells what was acknowledged, until it is killed or the disk takes
/// no more.
pub(crate) fn append() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    say("opening");
    let log = match Data::new(directory).open_log(Mode::Write) {
        Ok(log) => Arc::new(log),
        Err(error) => return say(&format!("refused {error}")),
    };
    let start = log.head().offset.0;
    say(&format!("opened {start}"));
    let stage = Plain::new(log.head(), start);
    let group = GroupCommit::start(log.clone(), stage, || Timestamp(1), Limits::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, producer) = (&log, group.producer());
            scope.spawn(move || {
                for number in 0..APPENDS_MAX {
                    let appended = log.put(&bytes(start, thread, number)).and_then(|blob| {
                        let draft = contract::artifact_draft(&blob.to_string());
                        producer.append(vec![draft.by(actor(start, thread, number))])
                    });
                    match appended {
                        Ok(offset) => {
                            let hash = log.record(offset).unwrap().hash;
                            let actor = actor(start, thread, number);
                            say(&format!("kept {offset} {hash} {actor}"));
                        }
                        Err(error) => return say(&format!("refused {error}")),
                    }
                }
            });
        }
    });
    let again = log.append(&contract::records(1));
    let again = matches!(again, Err(Error::Stopped(_)));
    say(&format!("stopped {again}"));
    // Whoever wants to kill it may.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}.")
        .and_then(|()| out.flush())
        .expect("the parent reads");
}

/// Starts a child that appends in `directory`, through a line of shell that ends with `exec "$@"`.
pub(crate) fn spawn<'a>(
    directory: &Path,
    shell: &str,
    environment: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Child {
    Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the child says. A last line that was cut short was not said.
pub(crate) fn said(child: &mut Child) -> impl Iterator<Item = Said> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines.map_while(Result::ok).map(|line| {
        let line = String::from_utf8_lossy(&line);
        line.strip_suffix('.').map_or(Said::Other, Said::read)
    })
}

/// What must hold of a log after its writer died, whatever it was doing.
pub(crate) fn check(data: &Data, opened: Option<Offset>, kept: &[Kept]) {
    let report = data.verify();
    assert!(report.is_sound(), "{report:?}");
    let log = data.open_log(Mode::Read).unwrap();
    for it in kept {
        let record = log.record(it.offset).unwrap();
        assert_eq!(
            (record.hash.to_string(), &record.actor),
            (it.hash.clone(), &it.actor)
        );
    }
    let Some(opened) = opened else { return };
    check_tail(&log, opened, kept);
}

/// Everything that the child left behind is what it wanted to append, each thread's in order; and no more
/// of it than it could have had under way.
fn check_tail(log: &RocksLog, opened: Offset, kept: &[Kept]) {
    let tail: Vec<Record> = log.read(opened.next()).map(Result::unwrap).collect();
    let mut next = [0; THREADS];
    for record in &tail {
        let thread: usize = record.actor.split(' ').nth(1).unwrap().parse().unwrap();
        let number = next[thread];
        assert_eq!(
            record.actor,
            actor(opened.0, thread, number),
            "{}",
            record.offset
        );
        next[thread] += 1;
        for name in verify::blobs(&record.event) {
            let stored = log.get(&name.parse().unwrap()).unwrap();
            assert_eq!(stored, bytes(opened.0, thread, number), "{}", record.offset);
        }
    }
    let mut told = BTreeMap::<_, usize>::new();
    for it in kept {
        *told
            .entry(it.actor.split(' ').nth(1).unwrap().to_owned())
            .or_default() += 1;
    }
    for (thread, written) in next.into_iter().enumerate() {
        let told = told.get(&thread.to_string()).copied().unwrap_or_default();
        assert!(
            (told..=told + 1).contains(&written),
            "thread {thread} was told of {told}, and {written} are there"
        );
    }
}
