//! What is said: every event and decision, and the record that carries it.
//!
//! Start at [`Event`], the closed list of everything that can be recorded; then [`Record`], an event
//! at its offset; then [`Chain`], which seals drafts into records. Bytes are `codec`'s business, old
//! bytes are `upcast`'s. Nothing here reads a clock, a disk or a network.
//!
//! Invariants: a type number never changes its meaning; a record's hash covers its header and, by
//! digest, its payload, and the hash of the record before it; offsets have no gaps.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

/// The protobuf messages, as generated from `proto/`.
#[expect(clippy::pedantic, reason = "generated code")]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/fluvial.event.v1.rs"));
}

mod chain;
mod codec;
mod event;
mod id;
mod json;
mod object;
mod record;
mod role;
mod time;
mod upcast;

pub use chain::{Chain, Head};
pub use codec::{Error, HEADER_BYTES, RECORD_BYTES_MAX, decode, encode, encode_into};
pub use event::{Decision, Event};
pub use id::{Digest, Id, ParseDigestError};
pub use proto::*;
pub use record::{Draft, Offset, Record, Timestamp};
pub use role::{Mention, Role};
pub use time::ParseTimestampError;
