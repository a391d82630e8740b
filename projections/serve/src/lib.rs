//! What is seen, served: a read-only Kubernetes API of the past.
//!
//! [`World`] holds the objects of a [`fluvial_view::past::Past`] as one API server would have shown them;
//! [`answer`] is the API, a function of the world and a request; [`Server`] carries it over HTTP. Where
//! records and manifests come from, and who starts a server, is for others.
//!
//! Invariants: nothing is ever written; a request is answered from memory, and never reads the log but to
//! watch on from there.
#![deny(clippy::wildcard_enum_match_arm)]

mod age;
mod answer;
mod discovery;
mod page;
mod path;
mod resource;
mod select;
mod server;
mod status;
mod table;
mod watch;
mod world;

pub use answer::{Answer, Request, answer};
pub use server::{Error, Server, Source};
pub use watch::Watch;
pub use world::{Secrets, World};
