//! The world that tests and the quickstart run against: a real Kubernetes, real git servers, and a
//! way to wait for what they should come to.
//!
//! Everything listens on a free loopback port, keeps its files in one directory, and is killed when
//! its value is dropped or the process that started it ends, however it ends. Nothing here knows
//! Fluvial: no crate of the engine is used, so none can be tested against itself.
//!
//! Start at [`ControlPlane::start`], [`GitServer::start`], [`SshServer::start`], [`MailServer::start`],
//! [`ChartRepository::start`], [`Registry::start`], [`Kafka::start`],
//! [`Inbox::start`] and [`wait`].

mod certificates;
mod charts;
mod controlplane;
mod faults;
mod git;
mod inbox;
mod kafka;
mod mail;
mod process;
mod registry;
mod ssh;
mod tools;
mod volume;
mod wait;

pub use certificates::Authority;
pub use charts::ChartRepository;
pub use controlplane::ControlPlane;
pub use faults::Faults;
pub use git::repository::{Change, Repository};
pub use git::server::{Access, GitServer, Transport};
pub use inbox::{Answer, Inbox, Received};
pub use kafka::{Consumed, Kafka};
pub use mail::MailServer;
pub use process::Process;
pub use registry::Registry;
pub use ssh::SshServer;
pub use tools::built;
pub use volume::Volume;
pub use wait::wait;
