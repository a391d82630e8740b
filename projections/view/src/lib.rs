//! What is seen: read models folded from records.
//!
//! A [`Projection`] takes every record in order, decides nothing and can be thrown away: folded again
//! from the first record it is the same. Each has a file of its own. Carrying one to a place outside
//! is a sink's business.
//!
//! Invariants: no clock but the record's, no IO; memory grows with the objects that live, or with a
//! limit that the caller gives, and never with history.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![deny(clippy::wildcard_enum_match_arm)]

mod stored;
mod text;

// sorted
pub mod alert;
pub mod difference;
pub mod dora;
pub mod history;
pub mod notice;
pub mod past;
pub mod rollback;
pub mod status;
pub mod why;

pub use stored::{Change, Error, Stored};

use fluvial_event::Record;

/// A read model. Fed the same records in the same order, it is the same.
pub trait Projection {
    /// Folds one record in.
    fn apply(&mut self, record: &Record);
}
