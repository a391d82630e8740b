//! How much one build may take.

use std::time::Duration;

/// Bounds on a worker process; each is named in the message that its breach causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "every limit says that it is one")]
pub struct Limits {
    /// Bytes of memory, for the source's files and everything that is made of them.
    pub memory_bytes_max: u64,
    /// From the question to the answer.
    pub time_max: Duration,
    /// Bytes in one answer.
    pub output_bytes_max: u64,
    /// Worker processes at a time. One tenant never has all of them, unless there is but one.
    pub workers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 512 << 20,
            time_max: Duration::from_secs(30),
            output_bytes_max: 64 << 20,
            workers_max: 4,
        }
    }
}

impl Limits {
    /// Seconds of CPU time in the life of a worker: a fence behind [`Self::time_max`], for a worker whose
    /// parent is gone. A worker is replaced long before it comes near.
    pub(crate) fn cpu_seconds_max(&self) -> u64 {
        4 * self.time_max.as_secs().max(1)
    }

    /// How long a worker works before it is replaced.
    pub(crate) fn busy_max(&self) -> Duration {
        2 * self.time_max
    }
}
