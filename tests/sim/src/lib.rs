//! The simulator: the real reducers and the real loop against a model of the world, from one seed.
//!
//! Start at [`run`], one seed from beginning to end; [`Simulation`] is the run, `checker` what must
//! hold after each step, `oracle` what must hold at the end. `git` and `cluster` model the world
//! outside, `executor` and `ingest` the engine's hands and ears, `users` everybody else.
//!
//! Invariants: no clock, no chance but the seed's, no order but the keys': the same seed makes the
//! same log, byte for byte.

mod checker;
pub mod cluster;
mod engine;
mod executor;
pub mod git;
mod ingest;
mod oracle;
mod rng;
mod rollback;
mod run;
mod simulation;
pub mod users;

pub use executor::Faults;
pub use rng::Rng;
pub use run::{Summary, run};
pub use simulation::{Crash, Simulation};
