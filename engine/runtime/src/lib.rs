//! The loop: recover, step, hand out, append.
//!
//! [`Core`] is the loop without threads or time: it turns news into records, with every decision that
//! follows, and says what is durable. The simulator drives it as it is. [`Runtime`] gives it the log's
//! thread, the clock and the timers; [`dispatch`] carries commands to an executor and brings their
//! outcomes back. [`replay`] folds a log again and compares what it decided with what would be decided
//! today; a [`Rehearsal`] goes on after it, in memory.
//!
//! Invariants: a decision stands right behind the record that it follows from; a command is handed out
//! only after it is durable; state is stored with the offset that it goes up to, without a gap.

mod clock;
mod core;
mod dispatch;
mod recover;
mod rehearse;
pub mod replay;
mod runtime;

pub use clock::{Course, now};
pub use core::{Core, Outlet};
pub use dispatch::{Lanes, dispatch};
pub use recover::{Recovered, recover};
pub use rehearse::Rehearsal;
pub use runtime::{Order, Runtime};

/// What stops the loop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log or the state store says no.
    #[error(transparent)]
    Log(#[from] fluvial_log::Error),
    /// A command in the state has no record in the log.
    #[error(
        "the command at offset {0} is not in the log: state and log are not of one history; delete the state directory, it is made again from the log"
    )]
    NoCommand(u64),
}
