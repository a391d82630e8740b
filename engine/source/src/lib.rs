//! Sources: a commit in a git repository becomes a revision and a `Tree` in memory; a chart or an artifact in
//! a registry becomes an archive.
//!
//! Start at [`fetch`]: it lists the remote, compares with what was last observed, and reads the
//! tree of a new commit straight from git objects. [`helm`] has charts, and [`oci`] all else that registries
//! have. [`archive`] turns a tree into an artifact and
//! back. When to fetch, where artifacts are kept and what is done with a failure is the callers'
//! business; everything here is synchronous, so call it from `spawn_blocking`.
//!
//! What holds: no worktree is ever written; credentials go to the host they were given for and to
//! no other; no error message carries a secret; every byte that arrives is counted against a limit.
//! This is the only crate that names `gix`.

mod address;
pub mod archive;
mod error;
mod file;
mod git;
pub mod helm;
mod hex;
mod ignore;
mod limits;
pub mod oci;
pub mod outbound;
mod refused;
mod registry;
mod request;
mod secret;
mod web;

pub use crate::error::{Error, Retry};
pub use crate::file::fetch_file;
pub use crate::git::{Commit, Fetched, Keys, Person, Resolved, clone, fetch, resolve};
pub use crate::ignore::{IGNORE_FILE, Ignore};
pub use crate::limits::Limits;
pub use crate::request::{ClientIdentity, Credentials, GitRequest, Proxy, Reference, Tls};
pub use crate::secret::{Secret, from_secret_data, proxy_from_secret_data, tls_from_secret_data};
