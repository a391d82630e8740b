//! A Kubernetes object as data, and the files it comes from.
//!
//! Start at [`yaml::documents`] (text in, objects out) and [`Tree`] (a repository in memory).
//! An object is a [`serde_json::Value`] whose numbers keep their text and whose maps are sorted,
//! so that equal objects have equal bytes ([`digest::canonical`]).
//!
//! Invariants: nothing here reads a clock, a disk or a network; no input makes it panic, recurse
//! without bound or grow out of proportion to what was given; a path never leaves its tree.
//! What a field means is left to the crates above.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod digest;
pub mod id;
pub mod merge;
pub mod object;
pub mod tree;
pub mod yaml;

pub use serde_json::{Map, Number, Value};

pub use id::ObjectId;
pub use tree::{Entry, Tree};
