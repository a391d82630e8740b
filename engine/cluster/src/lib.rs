//! The door to Kubernetes: the only crate of the engine that names `kube`.
//!
//! Its one entry point is [`Cluster`]. Objects go in and come out as `serde_json::Value`; what a kind
//! is called on the wire is learnt from the server's discovery, never compiled in.
//!
//! What always holds:
//! - an answer is what the server said: a failed listing is an error, never an empty listing, and a
//!   404 counts as "not there" only when the server names the object that is not there;
//! - one request is one request: nothing is retried here but the watch and the lease renewal, so that
//!   a retry is the caller's decision and can be on the record;
//! - an impersonated [`Cluster`] never sends a request in its own name, discovery aside;
//! - no error and no log line of this crate holds a value of a Secret, or a credential.
//!
//! It leaves to others: what to apply and in which order (`apply`), what it means (`reduce`), how many
//! requests run at once (`execute`).
//!
//! Start reading at `cluster.rs`, then `apply.rs` and `watch.rs`.

mod account;
mod apply;
mod cluster;
mod delete;
mod discovery;
mod error;
mod event;
mod lease;
mod mask;
mod object;
mod patch;
mod path;
mod read;
mod requests;
mod takeover;
mod watch;
mod words;

pub use crate::{
    account::ServiceAccount,
    apply::{Action, Applied, Apply, Conflicts, Mode},
    cluster::{Cluster, Options},
    delete::{Delete, Deletion, Propagation},
    discovery::Resource,
    error::{Cause, Error, Retry},
    event::{Event, Severity},
    lease::{Leadership, Lease, Lost, Standing},
    object::Reference,
    read::Selector,
    requests::Counts,
    takeover::Takeover,
    watch::{Gap, Watch, Watched},
};
