//! The simulator: the real reducers and the real loop against a model of the world, from one seed.
//!
//! Start at [`run`], one seed from beginning to end, and at [`sweep`], every story of [`scenario`] with every
//! single fault. [`Simulation`] is a run, `checker` what must hold after each step, `oracle` what must hold
//! at the end. `git` and `cluster` model the world outside, `executor` the engine's hands and `users`
//! everybody else; what the engine hears is judged by the real `ingest`, fed with objects that `wire`
//! writes as Kubernetes does; what may be pruned, by the real `apply`.
//!
//! Invariants: no clock, no chance but the seed's, no order but the keys': the same seed makes the
//! same log, byte for byte.

mod checker;
pub mod cluster;
mod engine;
mod executor;
mod fault;
pub mod git;
pub mod helm;
mod hunt;
mod ingest;
pub mod mutant;
mod oracle;
mod play;
pub mod pool;
mod rng;
mod rollback;
mod run;
pub mod scenario;
mod senses;
mod simulation;
mod sweep;
pub mod told;
pub mod users;
mod views;
mod wire;
mod work;

pub use executor::Faults;
pub use fault::{Boundaries, Crash, Fault};
pub use hunt::hunt;
pub use ingest::Lapse;
pub use play::{Life, Play};
pub use rng::Rng;
pub use run::{STEPS, Skipped, Summary, run, run_without, shrink};
pub use simulation::Simulation;
pub use sweep::{Depth, Failure, Swept, replay, sweep};
