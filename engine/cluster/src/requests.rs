//! How many requests were sent, by verb: what benchmarks and the promise "steady state is silent" read.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a request asks of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Apply,
    Delete,
    Discover,
}

/// Requests sent since the connection was made, whatever became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Single objects read.
    pub get: u64,
    /// Pages of listings read.
    pub list: u64,
    /// Watches begun or resumed.
    pub watch: u64,
    /// Objects posted.
    pub create: u64,
    /// Objects replaced.
    pub update: u64,
    /// Merge and JSON patches, those of status and managed fields included.
    pub patch: u64,
    /// Server-side applies, dry runs included.
    pub apply: u64,
    /// Deletions asked for.
    pub delete: u64,
    /// Discovery and version requests.
    pub discover: u64,
}

impl Counts {
    /// Requests of any kind.
    pub fn total(&self) -> u64 {
        self.get + self.list + self.watch + self.discover + self.writes()
    }

    /// Requests that ask for a change.
    pub fn writes(&self) -> u64 {
        self.create + self.update + self.patch + self.apply + self.delete
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; 9]);

impl Counters {
    pub(crate) fn count(&self, verb: Verb) {
        self.0[verb as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let of = |verb: Verb| self.0[verb as usize].load(Ordering::Relaxed);
        Counts {
            get: of(Verb::Get),
            list: of(Verb::List),
            watch: of(Verb::Watch),
            create: of(Verb::Create),
            update: of(Verb::Update),
            patch: of(Verb::Patch),
            apply: of(Verb::Apply),
            delete: of(Verb::Delete),
            discover: of(Verb::Discover),
        }
    }
}
