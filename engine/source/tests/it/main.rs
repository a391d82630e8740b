//! Fetching from real servers: git's own, over HTTP, HTTPS and SSH, started here on loopback.

mod hostile;
mod http;
mod ignore;
mod repository;
mod server;
mod ssh;
