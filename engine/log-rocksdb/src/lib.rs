//! The log, the blobs and the state on RocksDB: the only crate that names it.
//!
//! Start at [`Data`], a data directory; then [`RocksLog`], the log and its blobs, and
//! [`RocksState`], what was folded from it. What a log promises is `fluvial-log`'s business.
//!
//! ```text
//! DIR/log/        RocksDB, synced by every append: records, blobs, meta
//! DIR/state/      RocksDB without a write-ahead log; can be deleted
//! DIR/index/      RocksDB, written behind the log; can be deleted
//! DIR/snapshots/  checkpoints of the state, by offset; can be deleted
//! DIR/key         what blobs are sealed under; can live elsewhere
//! DIR/pin         the head, as it was last acknowledged
//! DIR/lock        held by the one process that writes
//! ```
//!
//! Invariants: an append is synced before it returns; the pin is never ahead of what is synced; a log
//! that ends before its pin is not opened, and a refusal to open changes nothing on disk; the state
//! and the offset it was folded up to are written together.
//!
//! A changed bit or a missing end of the records, the blobs, the pin or the key is found
//! by opening or by [`Data::verify`]. What holds nothing of the history is not looked at: RocksDB's
//! own diary (`LOG*`), its settings (`OPTIONS-*`), its name (`IDENTITY`), the statistics that it
//! keeps inside of its tables, and a last entry of its `MANIFEST-*` that was cut short, as a crash
//! leaves it, where all of the history is there without it.

mod data;
mod index;
mod log;
mod options;
mod pin;
mod read;
mod snapshot;
mod state;
mod stats;
mod verify;

pub use data::{Data, Found};
pub use index::RocksIndex;
pub use log::{Mode, RocksLog};
pub use state::RocksState;
pub use stats::Stats;
