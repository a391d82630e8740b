//! How objects get into a cluster and stay as they are: plans, not acts.
//!
//! Entry point: [`normalize::objects`] makes manifests fit to be applied; [`order::stages`] says in
//! which order; [`Inventory::stale`] what to prune; [`drift`] what somebody changed since;
//! [`health::status`] whether it works.
//!
//! What callers may rely on: everything here is pure and total: the same manifests and the same live
//! objects give the same plan, in the same order, whatever order they came in. Behaviour is that of
//! Flux (`fluxcd/pkg/ssa`) and of kstatus (`kubernetes-sigs/cli-utils`), whose words are used.
//!
//! It leaves talking to the API server to `engine/cluster`, and deciding when to `engine/reduce`.
//!
//! Start reading at [`normalize`], then [`drift`].
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod cel;
pub mod drift;
pub mod error;
pub mod health;
pub mod immutable;
pub mod inventory;
pub mod marker;
pub mod normalize;
pub mod order;
pub mod prune;

pub use error::Error;
pub use health::Health;
pub use inventory::Inventory;
pub use marker::{Markers, Owner, OwnerKind};
pub use normalize::{Object, Scope};
