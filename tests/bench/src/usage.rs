//! What a process and its children cost, as `/proc` tells it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often memory is looked at. A child that lives for less time may not be seen at all.
const LOOK: Duration = Duration::from_millis(50);
const PAGE_BYTES: u64 = 4096;
/// `/proc` counts processor time in these, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time so far of a process, its children, and those of them that ended, in seconds.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    let own = ticks(pid).with_context(|| format!("cannot see process {pid}: it has ended"))?;
    let below: f64 = descendants(pid).into_iter().filter_map(ticks).sum();
    Ok(own + below)
}

fn ticks(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces; what follows it has not.
    let fields = stat.rsplit_once(") ")?.1;
    let times = fields.split(' ').skip(11).take(4);
    let ticks: f64 = times.map(|it| it.parse::<f64>().unwrap_or(0.0)).sum();
    Some(ticks / TICKS_PER_SECOND)
}

/// Everything that a process started, and that those started.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut left = vec![pid];
    while let Some(pid) = left.pop() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children.split_whitespace();
            left.extend(children.clone().filter_map(|it| it.parse::<u32>().ok()));
            found.extend(children.filter_map(|it| it.parse::<u32>().ok()));
        }
    }
    found
}

fn resident(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE_BYTES
}

/// What a process has of its own, and its share of what it has in common with others: the engine's workers
/// are the same program, whose pages are there once.
fn proportional(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kibibytes(&rollup, "Pss:").unwrap_or_else(|| resident(pid))
}

fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}

/// What a process and all below it have.
fn together(pid: u32) -> u64 {
    let below: u64 = descendants(pid).into_iter().map(proportional).sum();
    resident(pid) + below
}

/// The most that a process itself ever had.
fn own_peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kibibytes(&status, "VmHWM:").unwrap_or_default()
}

/// Watches the memory of a process and its children until it is asked.
pub(crate) struct Memory {
    pid: u32,
    most: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    /// Begins to watch.
    pub(crate) fn watch(pid: u32) -> Self {
        let (most, ends) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (seen, over) = (Arc::clone(&most), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                seen.fetch_max(together(pid), Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        });
        Self {
            pid,
            most,
            ends,
            thread: Some(thread),
        }
    }

    /// The most bytes so far, all together.
    pub(crate) fn peak(&self) -> u64 {
        let most = self.most.load(Ordering::Relaxed);
        most.max(own_peak(self.pid))
    }

    /// The bytes now.
    pub(crate) fn now(&self) -> u64 {
        together(self.pid)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
