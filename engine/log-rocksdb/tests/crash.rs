//! What was acknowledged survives: kill -9 at any point, and a disk that takes no more.
//!
//! The tests run this very program again as the process that is to die.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fluvial_event::{Digest, Offset, Timestamp};
use fluvial_log::{BlobStore as _, Error, EventLog as _, GroupCommit, Limits, Plain, contract};
use fluvial_log_rocksdb::{Data, Mode};

/// Where the child appends; without it the child's tests have nothing to do.
const DIRECTORY: &str = "FLUVIAL_CRASH_DIRECTORY";
const THREADS: usize = 4;

/// Kills; more by `FLUVIAL_CRASH_CYCLES`.
fn cycles() -> u64 {
    std::env::var("FLUVIAL_CRASH_CYCLES").map_or(50, |it| it.parse().unwrap())
}

fn bytes(start: u64, thread: usize, number: usize) -> Vec<u8> {
    let seed = Digest::of(format!("{start}/{thread}/{number}").as_bytes()).0;
    let size = [10, 300, 5_000, 20_000][number % 4];
    (0..size)
        .map(|at| seed[at % 32] ^ u8::try_from(at / 32 % 256).unwrap())
        .collect()
}

/// Appends for ever from several threads, and tells what was acknowledged.
#[test]
fn child_appends_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let log = Arc::new(Data::new(directory).open_log(Mode::Write).unwrap());
    let start = log.head().offset.0;
    let stage = Plain::new(log.head(), start);
    let group = GroupCommit::start(log.clone(), stage, || Timestamp(1), Limits::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, producer) = (&log, group.producer());
            scope.spawn(move || {
                for number in 0.. {
                    let appended = log.put(&bytes(start, thread, number)).and_then(|blob| {
                        Ok((
                            blob,
                            producer.append(vec![contract::artifact_draft(&blob.to_string())])?,
                        ))
                    });
                    let (blob, offset) = match appended {
                        Ok(done) => done,
                        Err(error) => return say(&format!("refused {error}")),
                    };
                    say(&format!("kept {offset} {blob} {start} {thread} {number}"));
                }
            });
        }
    });
    // Only a disk that takes no more brings us here: nothing is written after that.
    let head = log.head();
    let again = log.append(&contract::records(1));
    say(&format!(
        "stopped {} {}",
        head.offset,
        matches!(again, Err(Error::Stopped(_)))
    ));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}")
        .and_then(|()| out.flush())
        .expect("the parent reads");
}

fn spawn(directory: &Path, shell: &str) -> Child {
    Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_appends_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the child said, as words. A last line that was cut short was not said.
fn said(child: &mut Child) -> impl Iterator<Item = Vec<String>> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines.map_while(Result::ok).map(|line| {
        String::from_utf8_lossy(&line)
            .split(' ')
            .map(str::to_owned)
            .collect()
    })
}

fn check_kept(data: &Data, kept: &[Vec<String>]) {
    let log = data.open_log(Mode::Write).unwrap();
    for words in kept {
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let record = log.record(Offset(number(1))).unwrap();
        assert_eq!(
            fluvial_log::verify::blobs(&record.event).collect::<Vec<_>>(),
            [&words[2]]
        );
        let wanted = bytes(
            number(3),
            usize::try_from(number(4)).unwrap(),
            usize::try_from(number(5)).unwrap(),
        );
        assert_eq!(
            log.get(&words[2].parse().unwrap()).unwrap(),
            wanted,
            "{words:?}"
        );
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let data = Data::new(directory.path().join("data"));
    let mut total = 0;
    for cycle in 0..cycles() {
        let mut child = spawn(data.root(), r#"exec "$@""#);
        // Anywhere: from before the first append on, each time elsewhere.
        let until = Digest::of(&cycle.to_le_bytes()).0[0] % 64;
        let mut kept = Vec::new();
        let mut lines = said(&mut child);
        while kept.len() < usize::from(until)
            && let Some(words) = lines.next()
        {
            kept.extend((words[0] == "kept").then_some(words));
        }
        child.kill().unwrap();
        // What it said before it died counts as well, but for a line that it could not finish.
        kept.extend(lines.filter(|words| words[0] == "kept" && words.len() == 6));
        child.wait().unwrap();
        let (unfinished, finished) = kept
            .split_last()
            .map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
        check_kept(&data, finished);
        total += finished.len() + usize::from(unfinished.is_some());
    }
    let report = data.verify();
    assert!(report.is_sound(), "{report:?}");
    println!("{total} acknowledged over {} kills", cycles());
    assert!(total > 0);
}

#[test]
fn a_disk_that_takes_no_more_stops_the_log_and_loses_nothing() {
    for blocks in [400, 1_500, 9_000] {
        let directory = tempfile::tempdir().unwrap();
        let data = Data::new(directory.path().join("data"));
        // No file may get longer than so many half kilobytes; the signal about it is not for us.
        let shell = format!(r#"trap "" XFSZ; ulimit -f {blocks}; exec "$@""#);
        let mut child = spawn(data.root(), &shell);
        let lines: Vec<_> = said(&mut child).collect();
        child.wait().unwrap();
        let of = |what: &str| {
            lines
                .iter()
                .filter(|words| words[0] == what)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (kept, refused, stopped) = (of("kept"), of("refused"), of("stopped"));
        assert_eq!(refused.len(), THREADS, "{refused:?}");
        assert!(!kept.is_empty());
        check_kept(&data, &kept);
        assert_eq!(stopped.len(), 1);
        let report = data.verify();
        assert!(report.is_sound(), "{report:?}");
        // It goes on where there is room again.
        let log = Arc::new(data.open_log(Mode::Write).unwrap());
        let group = GroupCommit::start(
            log.clone(),
            Plain::new(log.head(), 9),
            || Timestamp(1),
            Limits::default(),
        )
        .unwrap();
        let before = log.head().offset;
        assert_eq!(
            group.producer().append(vec![contract::draft(1)]).unwrap(),
            before.next()
        );
        group.stop().unwrap();
    }
}
