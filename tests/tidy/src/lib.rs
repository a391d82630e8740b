//! The house rules that the compiler does not know, as tests of the repository itself.
//!
//! Each module is one rule: a `check` from what was read to a list of complaints, a test that the
//! repository gives none, and tests that bad examples do. Reading is [`Repository::read`]'s alone.
//! A complaint says where, what is wrong, and what to do about it.

// sorted
pub mod arrows;
pub mod doors;
pub mod files;
pub mod names;
pub mod purity;
pub mod readmes;
pub mod sorted;
pub mod words;

mod repository;
pub mod ring;

pub use repository::{Crate, Dependency, File, Repository, Use};

#[cfg(test)]
mod example;
