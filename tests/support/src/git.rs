//! Git repositories to reconcile from: making commits in them, and serving them over http.

pub(crate) mod repository;
mod request;
pub(crate) mod server;
