//! How it is decided: pure folds from records to state, and from state to the commands that are due.
//!
//! [`World`] is everything known about every object as of one offset. Its two doors are
//! [`World::evolve`], which folds one record in, and [`World::decide`], which says what is due; a
//! decision takes effect only when it comes back as a record. Each kind has a file of its own:
//! `alert`, `git_repository`, `helm_chart`, `helm_release`, `helm_repository`, `kustomization`,
//! `oci_repository`; what sources have in common is `source`. `live` is what the cluster was last seen to hold.
//!
//! Invariants: no clock but the record's, no chance but a hash, no order but the keys'; no event makes
//! it fail; a decision that is recorded is not due again. So the same log gives the same world.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![deny(clippy::wildcard_enum_match_arm)]

mod alert;
mod bystander;
mod declared;
mod git_repository;
mod helm_chart;
mod helm_release;
mod helm_repository;
mod holdings;
mod index;
mod kustomization;
mod live;
mod name;
mod oci_repository;
mod owned;
mod ready;
mod schedule;
#[cfg(test)]
mod script;
mod source;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod world;

pub use declared::{Conclusion, Declared, Outstanding, marks};
pub use helm_release::HelmRelease;
pub use index::{Owners, Watched, WatchedKind};
pub use kustomization::{Hold, Kustomization};
pub use live::Seen;
pub use name::{Identified, Name};
pub use owned::Owned;
pub use schedule::Due;
pub use source::Source;
pub use state::{Error, Key};
pub use table::Table;
pub use world::{Decided, World};
