//! The real program on the real control plane: what the tests in `tests/it` play their scenarios on.
//!
//! A [`Stage`] is a control plane, a git server and one engine; a [`Scene`] is one scenario's own
//! namespace and repository on it. [`play`] runs many at once, since most of a scenario is waiting.
//! What Fluvial is told, it is told as its users do: through git, `kubectl` and its own command line.
//! Nothing of the engine is linked, so nothing is tested against itself.
#![expect(
    clippy::unwrap_used,
    reason = "a scene asserts for its scenario, and is never used outside of tests"
)]

mod cluster;
mod engine;
mod play;
mod scene;
mod stage;

pub use cluster::{Cluster, text};
pub use engine::{Engine, Leading};
pub use play::{Scenario, play};
pub use scene::{Scene, condition};
pub use stage::Stage;

/// How long anything may take before it counts as never. Reached only when something is wrong: a
/// machine that is busy with other tests is slow, not broken.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
