//! Fetching from real servers: git's own, over HTTP, HTTPS and SSH, started here on loopback.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod clone;
#[cfg(test)]
mod file;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod ignore;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod server;
#[cfg(test)]
mod ssh;
