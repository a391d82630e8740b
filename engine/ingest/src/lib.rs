//! News from the cluster, as events: what people declare, and what became of what was applied.
//!
//! Start at `Ingest::run`. `declared` judges the Flux kinds, `live` the objects that an inventory owns or
//! a health check names; `hear` takes in what a watch says, and `follow` keeps the watches. What nobody
//! reads (status churn, heartbeats) is dropped before the log and counted.
//!
//! Without the feature `kubernetes` there are no watches, only the judgement: a [`Listener`] is fed by
//! whoever has news. So the simulator runs this code, and links no client.
//!
//! Invariants: one task speaks for one kind, and waits until the log has what it said before it looks
//! at what came next; so what is compared with the world is never older than the world. What is missing
//! from a whole listing is gone; a failed listing says nothing.

mod declared;
#[cfg(feature = "kubernetes")]
mod follow;
mod hear;
mod live;
#[cfg(feature = "kubernetes")]
mod watch;

pub use declared::{read as observed, watched};
pub use hear::{Heard, Known, Listener};
pub use live::{Scope, wanted};
#[cfg(feature = "kubernetes")]
pub use watch::Ingest;
#[cfg(feature = "kubernetes")]
use watch::Stopped;
