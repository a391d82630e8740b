//! Rendering, apart: manifests are built from strangers' bytes in a process that may do nothing else.
//!
//! [`Renderer`] is what the engine holds: it keeps a few worker processes, each for one tenant at a time,
//! and asks them. [`work`] is what such a process runs: it takes every right from itself, and only then
//! reads its first byte. Start at `worker.rs` for the child, at `pool.rs` for the parent. What is built
//! is `fluvial-kustomize`'s and `fluvial-helm`'s knowledge; when, and what becomes of it, is the engine's.
//!
//! What holds: a worker has no environment, no open files but its pipes, no network, no token and no way
//! to get any; no build sees another tenant's bytes; whatever a worker does, in time and memory that are
//! bounded it has answered or is gone, and the next build works. This is the only crate that names
//! `landlock`, `rustix` and `seccompiler`.

mod breach;
mod builder;
mod confine;
mod frame;
pub mod helm;
mod job;
mod kustomize;
mod limits;
mod overlay;
mod pool;
mod process;
mod renderer;
mod worker;

pub use breach::Breach;
pub use confine::{Confinement, Fence, Missing};
pub use job::{Job, Refusal};
pub use kustomize::here;
pub use limits::Limits;
pub use pool::{Error, Fetch, Pool};
pub use renderer::Renderer;
pub use worker::{Handler, Reply, is_worker, serve, work};
