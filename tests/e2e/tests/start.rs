//! What `fluvial render` does not wait for: the start of libraries that it has no use for.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(
    clippy::unwrap_used,
    reason = "clippy sees only `#[test]` functions as tests, not what they call"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fluvial_support::{built, wait};
use tempfile::TempDir;

/// An option of RocksDB, whose constructors put its name into a table.
const OPTION: &[u8] = b"block_based_table_factory";

#[test]
fn a_render_starts_without_what_only_the_engine_needs() {
    let chart = TempDir::new().unwrap();
    fs::write(
        chart.path().join("Chart.yaml"),
        "{apiVersion: v2, name: app, version: 1.0.0}",
    )
    .unwrap();
    let chart = chart.path().to_str().unwrap();
    let render = ["render", "helm", "app", chart, "--values", "-"];
    // With a flag before it a render is like any other command.
    for (flags, is_filled) in [(&[][..], false), (&["--verbose=false"][..], true)] {
        let mut child = reading([flags, &render[..]].concat());
        let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap();
        let heap = heap(&child, &maps);
        let found = heap.windows(OPTION.len()).any(|bytes| bytes == OPTION);
        assert_eq!(found, is_filled, "{flags:?}: RocksDB's tables");
        for library in ["libcrypto", "libssl", "libstdc++"] {
            assert!(!maps.contains(library), "{library} is inside\n{maps}");
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{flags:?}");
    }
}

#[test]
fn nothing_of_the_program_is_moved_when_it_starts() {
    /// How ELF calls a program for a fixed address, and one for any.
    const FIXED: [u8; 2] = [2, 0];
    let mut header = [0; 18];
    let program = File::open(built("fluvial").unwrap()).unwrap();
    program.read_exact_at(&mut header, 0).unwrap();
    assert_eq!(header[..4], *b"\x7fELF");
    assert_eq!(header[16..], FIXED, "it is written over at each start");
}

/// A command that waits for its standard input, with all that it did before that in its memory.
fn reading(words: Vec<&str>) -> Child {
    let child = Command::new(built("fluvial").unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let place = format!("/proc/{}/wchan", child.id());
    wait("it to read its input", Duration::from_mins(1), || {
        let place = fs::read_to_string(&place).unwrap_or_default();
        let is_reading = place.contains("pipe_read");
        is_reading.then_some(()).ok_or(place)
    });
    child
}

fn heap(child: &Child, maps: &str) -> Vec<u8> {
    let line = maps.lines().find(|line| line.ends_with("[heap]")).unwrap();
    let range = line.split(' ').next().unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let first = u64::from_str_radix(first, 16).unwrap();
    let last = u64::from_str_radix(last, 16).unwrap();
    let mut bytes = vec![0; usize::try_from(last - first).unwrap()];
    let memory = File::open(format!("/proc/{}/mem", child.id())).unwrap();
    memory.read_exact_at(&mut bytes, first).unwrap();
    bytes
}
