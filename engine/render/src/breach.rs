//! What a worker did that it must not, as the object is told.

use std::fmt;
use std::time::Duration;

/// Why a build ended without an answer. The message names the limit, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It took too long.
    Time(Duration),
    /// It wanted more memory than this.
    Memory(u64),
    /// The worker's CPU time is used up.
    Cpu,
    /// It is nested too deeply for the stack.
    Stack,
    /// Its answer is larger than this.
    Output(u64),
    /// It asked the system for something that rendering never needs.
    SystemCall,
    /// The worker's code failed, there if that is known.
    Panic(String),
    /// The worker died of this.
    Crash(String),
}

impl Breach {
    /// Whether the same input can fare better in a worker that has done nothing before.
    pub(crate) fn may_be_of_age(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Cpu | Self::Stack | Self::Crash(_) => true,
            Self::Time(_) | Self::Output(_) | Self::SystemCall | Self::Panic(_) => false,
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SMALLER: &str =
            "build less at a time (a smaller spec.path, or an ignore rule on the source)";
        match self {
            Self::Time(limit) => write!(
                to,
                "rendering took longer than {limit:?}, the limit on time; {SMALLER}, or raise the engine's --render-timeout"
            ),
            Self::Memory(limit) => write!(
                to,
                "rendering needs more than {} MiB, the limit on memory; {SMALLER}, or raise the engine's --render-memory",
                limit >> 20
            ),
            Self::Cpu => write!(to, "rendering used up the CPU time that it may take; {SMALLER}"),
            Self::Stack => to.write_str(
                "the input is nested more deeply than the renderer's stack allows; nest it less, and please report it",
            ),
            Self::Output(limit) => write!(
                to,
                "what was rendered is larger than {} MiB, the limit on output; {SMALLER}",
                limit >> 20
            ),
            Self::SystemCall => to.write_str(
                "the renderer asked the system for something that it must never need, and was stopped; please report it",
            ),
            Self::Panic(place) => {
                write!(to, "the renderer failed on this input{place}; please report it")
            }
            Self::Crash(how) => {
                write!(to, "the renderer died on this input ({how}); please report it")
            }
        }
    }
}
